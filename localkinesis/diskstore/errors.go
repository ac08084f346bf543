package diskstore

import (
	"errors"
	"fmt"
)

// ErrClosed is returned by what needs an open store.
var ErrClosed = errors.New("diskstore: the store is closed")

// errRemoved is returned by what needs a log that was removed.
var errRemoved = errors.New("diskstore: the log was removed")

// InUseError says that another process has the directory open.
type InUseError struct {
	Dir string
	PID int // of the other process, 0 when it is not known
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data directory %s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("data directory %s is in use by process %d", e.Dir, e.PID)
}

// DamagedError says that a file is not as it was written, and not merely
// without the end of its last write.
type DamagedError struct {
	File   string
	Offset int64 // of the entry, or the header, that is damaged
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged at offset %d: %s", e.File, e.Offset, e.Reason)
}

// Cut is the rest of an unfinished write that was cut off when a file was
// opened.
type Cut struct {
	File   string
	Offset int64 // where the file ends now
	Bytes  int64 // that followed
}

func (c Cut) String() string {
	return fmt.Sprintf("%s: %d bytes of an unfinished write were cut off at offset %d", c.File, c.Bytes, c.Offset)
}
