package consumer

import (
	"errors"
	"fmt"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

var (
	// ErrLeaseLost is the cause with which the ctx of a handler ends when
	// another worker took the shard, or may have taken it because the lease
	// could not be renewed. What the handler does from then on another worker
	// does as well.
	ErrLeaseLost = lease.ErrLost

	// ErrDraining is the cause with which the ctx of a handler ends when the
	// time to drain or to hand a shard over has run out.
	ErrDraining = errors.New("consumer: draining took too long")

	// ErrUsed is returned by the second Run of a Consumer: a Consumer runs
	// once.
	ErrUsed = errors.New("consumer: it was run before")

	// ErrUnknownPosition is wrapped when the stream does not know the position
	// to read from: it was deleted and created again under its name, and its
	// old positions mean nothing. The shard stops there, because every other
	// place to go on from could skip records.
	ErrUnknownPosition = errors.New("the stream does not know this position")

	// ErrShardGone is wrapped when the service no longer knows the shard or its
	// stream.
	ErrShardGone = errors.New("the shard or its stream no longer exists")
)

// errStopRun ends Run because the failure policy says so.
var errStopRun = errors.New("the failure policy says stop")

// ShardError says what ended the reading of a shard, and where.
type ShardError struct {
	// Stream and ShardID are the shard.
	Stream  string
	ShardID string

	// Position is the record that failed, or the place the shard could not be
	// read from.
	Position kinetrail.Position

	// Attempts is how often the handler was called with the record, 0 when it
	// was not the handler that failed.
	Attempts int

	// Err is the last error.
	Err error
}

// Error names the shard, the position and the reason.
func (e *ShardError) Error() string {
	if e.Attempts == 0 {
		return fmt.Sprintf("read shard %s of stream %s at %s: %v", e.ShardID, e.Stream, e.Position, e.Err)
	}
	return fmt.Sprintf("handle record %s of shard %s of stream %s, %d attempts: %v", e.Position, e.ShardID, e.Stream, e.Attempts, e.Err)
}

// Unwrap returns Err.
func (e *ShardError) Unwrap() error { return e.Err }

// PanicError is what a handler's panic becomes.
type PanicError struct {
	// Value is what the handler panicked with.
	Value any

	// Stack is the stack of the panic, as runtime/debug.Stack prints it.
	Stack []byte
}

// Error shows the value of the panic, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("the handler panicked: %v", e.Value) }

// Unwrap returns the value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
