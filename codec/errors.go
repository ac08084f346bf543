package codec

import (
	"errors"
	"fmt"
)

// ErrEmpty is what Append answers to a value whose record would be empty.
var ErrEmpty = errors.New("encode value: it is empty, and so would be its record")

// DecodeError tells of a value in a record that cannot be read.
type DecodeError struct {
	// Index is the value's place in the record, counted from 0.
	Index int

	// Err says why.
	Err error
}

func (e *DecodeError) Error() string { return fmt.Sprintf("decode value %d: %v", e.Index, e.Err) }

// Unwrap is Err.
func (e *DecodeError) Unwrap() error { return e.Err }

// TooLargeError tells of a value that does not fit into a record of its own.
type TooLargeError struct {
	// Size is how many bytes of data that record would have, MaxBytes how
	// many it may have.
	Size, MaxBytes int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("pack value: alone in a record it takes %d bytes, and a record has at most %d", e.Size, e.MaxBytes)
}
