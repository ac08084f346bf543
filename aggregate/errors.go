package aggregate

import "errors"

var (
	// ErrNotContainer is what Split answers to data that IsContainer refuses:
	// a plain record, to be delivered as it is.
	ErrNotContainer = errors.New("split container: the data is no container")

	// ErrChecksum is wrapped by Split when the MD5 at the end of the data is
	// not that of the message before it: the data was damaged, or it is a
	// plain record that happens to begin like a container.
	ErrChecksum = errors.New("split container: wrong checksum")

	// ErrMalformed is wrapped by Split when the checksum is right but the
	// message is no AggregatedRecord, so whoever built it made a mistake.
	ErrMalformed = errors.New("split container: malformed message")
)
