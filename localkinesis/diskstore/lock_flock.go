//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package diskstore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file for this process, or reports that another one has it.
// The system lets go of it when the file is closed or the process ends.
func tryLock(f *os.File) (locked bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// unlock lets go of the lock at once. Closing the file is not enough: a child
// of this process that is about to be started has it open, too, for a moment.
func unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }
