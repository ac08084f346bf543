package lambdatrigger

import (
	"context"
	"errors"
	"fmt"
)

// Function is what a Trigger invokes. A lambda.Handler is one, so
// lambda.NewHandler makes one of any Go function that lambda.Start takes; a
// Runtime is one, too.
//
// The ctx of an invocation has the deadline of the function and, for package
// lambdacontext, its request ID and ARN. An error means that the invocation has
// failed, a *FunctionError that the function itself says so. Invoke is called
// concurrently, for several shards and lanes.
type Function interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Func makes a Function of a func.
type Func func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke calls f.
func (f Func) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

// FunctionError is a failed invocation as a process reports it.
type FunctionError struct {
	// Type and Message are the errorType and errorMessage of the report.
	Type, Message string
}

// Error names the type and the message.
func (e *FunctionError) Error() string { return fmt.Sprintf("%s: %s", e.Type, e.Message) }

// call invokes the function and turns a panic and an overrun into errors.
func (t *Trigger) call(ctx context.Context, payload []byte) (response []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.options.Timeout)
	defer cancel()
	defer func() {
		if value := recover(); value != nil {
			err = &FunctionError{Type: "Runtime.Panic", Message: fmt.Sprint(value)}
		} else if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			response, err = nil, &FunctionError{
				Type:    "Sandbox.Timedout",
				Message: fmt.Sprintf("Task timed out after %.2f seconds", t.options.Timeout.Seconds()),
			}
		}
	}()
	return t.function.Invoke(ctx, payload)
}
