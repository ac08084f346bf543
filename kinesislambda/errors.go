package kinesislambda

import (
	"fmt"
	"runtime/debug"

	"github.com/kinetrail/kinetrail"
)

// RecordError says which record failed. A handler given to Batches returns one,
// or several joined or wrapped, so that what came before is not delivered again.
type RecordError struct {
	// Position is the Position of the record.
	Position kinetrail.Position

	// Err is why it failed.
	Err error
}

// Error names the position and the reason.
func (e *RecordError) Error() string { return fmt.Sprintf("record %s: %v", e.Position, e.Err) }

// Unwrap returns Err.
func (e *RecordError) Unwrap() error { return e.Err }

// PanicError is what the panic of a handler becomes.
type PanicError struct {
	// Value is what the handler panicked with.
	Value any

	// Stack is the stack of the panic, as runtime/debug.Stack prints it.
	Stack []byte
}

// Error shows the value of the panic, without the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "the handler panicked"
	}
	return fmt.Sprintf("the handler panicked: %v", e.Value)
}

// Unwrap returns the value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// guard makes an error of a panic.
func guard(call func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return call()
}

// firstFailed is the lowest position that err names, and its zero value when
// some part of err does not say which record of the batch it is about.
func firstFailed(err error, inBatch func(kinetrail.Position) bool) kinetrail.Position {
	switch e := err.(type) {
	case *RecordError:
		if inBatch(e.Position) {
			return e.Position
		}
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return firstFailed(inner, inBatch)
		}
	case interface{ Unwrap() []error }:
		var lowest kinetrail.Position
		for i, part := range e.Unwrap() {
			position := firstFailed(part, inBatch)
			if i == 0 || position.Compare(lowest) < 0 {
				lowest = position
			}
		}
		return lowest
	}
	return kinetrail.Position{}
}
