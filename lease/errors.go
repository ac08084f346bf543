package lease

import (
	"errors"
	"fmt"
)

var (
	// ErrConflict is wrapped by every *ConflictError.
	ErrConflict = errors.New("the row is not as it was last seen")

	// ErrMovesBack is wrapped when a checkpoint lies before the one in the row.
	ErrMovesBack = errors.New("a checkpoint never moves back")

	// ErrLost is wrapped by what Held returns when the lease is no longer its
	// own: another worker has it, its row is gone, or it was not renewed for
	// so long that another worker may have taken it.
	ErrLost = errors.New("lease lost")

	// ErrUnusable is what errors.Is finds in an error of a Store that asking
	// again does not heal: the credentials lack a right, the rows belong to
	// another kind of program, the file holds something else. A worker that gets
	// it while it holds no lease gives up. Every other error is one of a network.
	ErrUnusable = errors.New("the lease store cannot be used")
)

// Unusable marks err as an ErrUnusable, for who writes a Store. The text and
// what err wraps stay. A nil error stays nil.
func Unusable(err error) error {
	if err == nil {
		return nil
	}
	return &unusable{err}
}

type unusable struct{ err error }

func (e *unusable) Error() string        { return e.err.Error() }
func (e *unusable) Unwrap() error        { return e.err }
func (e *unusable) Is(target error) bool { return target == ErrUnusable }

// ConflictError says that a conditional write changed nothing because its
// condition did not hold.
type ConflictError struct {
	// Op is the operation in lower case: create, take, request, renew,
	// checkpoint, release or delete.
	Op string

	// Key is the row it was meant for.
	Key string

	// Exists reports whether there is such a row.
	Exists bool

	// Current is the row as it is, when it exists.
	Current Lease
}

// Error says which operation failed and what stands in the row.
func (e *ConflictError) Error() string {
	if !e.Exists {
		return fmt.Sprintf("%s lease %s: %v: it is gone", e.Op, e.Key, ErrConflict)
	}
	return fmt.Sprintf("%s lease %s: %v: owner %q, counter %d", e.Op, e.Key, ErrConflict, e.Current.Owner, e.Current.Counter)
}

// Unwrap returns ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }
