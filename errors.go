package kinetrail

import "errors"

var (
	// ErrInvalidStream is wrapped by ParseStream when its text names no stream.
	ErrInvalidStream = errors.New("invalid stream")

	// ErrInvalidPosition is wrapped by ParsePosition when its text is no position.
	ErrInvalidPosition = errors.New("invalid position")
)
