package lambdatrigger

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
)

// FunctionError is a failed invocation as a process reports it, a panic, or an
// overrun.
type FunctionError struct {
	// Type and Message are the errorType and errorMessage of the report.
	Type, Message string
}

// Error names the type and the message.
func (e *FunctionError) Error() string { return fmt.Sprintf("%s: %s", e.Type, e.Message) }

// newFunction accepts what New documents.
func newFunction(function any) (lambda.Handler, error) {
	switch f := function.(type) {
	case nil:
		return nil, errors.New("lambdatrigger: the function is nil")
	case *Runtime:
		return f, nil
	case lambda.Handler:
		return &inTurn{turn: make(chan struct{}, 1), handler: f}, nil
	}
	if reflect.TypeOf(function).Kind() != reflect.Func {
		return nil, fmt.Errorf("lambdatrigger: the function is a %T, not what lambda.Start takes or a *Runtime", function)
	}
	f := &goFunction{}
	f.handlers.New = func() any { return lambda.NewHandler(function) }
	return f, nil
}

// goFunction invokes a Go function as lambda.Start does, several times at once.
type goFunction struct {
	handlers sync.Pool // of lambda.Handler, each used by one invocation at a time
}

// Invoke copies the response before the handler is used again: a handler of
// aws-lambda-go answers with memory that its next invocation overwrites
// (https://github.com/aws/aws-lambda-go/pull/639).
func (f *goFunction) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	handler := f.handlers.Get().(lambda.Handler)
	defer f.handlers.Put(handler)
	response, err := handler.Invoke(ctx, payload)
	return slices.Clone(response), err
}

// inTurn invokes a handler once at a time, for the same reason: there is one of
// it.
type inTurn struct {
	turn    chan struct{} // holds a token while the handler is in use
	handler lambda.Handler
}

func (f *inTurn) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("the handler is in use: %w", context.Cause(ctx))
	}
	defer func() { <-f.turn }()
	response, err := f.handler.Invoke(ctx, payload)
	return slices.Clone(response), err
}

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
