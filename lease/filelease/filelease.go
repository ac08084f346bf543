package filelease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// ErrClosed is wrapped by the error of every call after Close.
var ErrClosed = lease.Unusable(errors.New("filelease: closed"))

// Store is a lease.Store in a file. It is safe for concurrent use, by several
// goroutines and by other processes that opened the same file.
type Store struct {
	path string
	turn chan struct{} // holds one token; who has it may touch the fields below

	lock *os.File // nil when closed
	log  log
}

// Open opens the group whose leases are in the file at this path, and creates
// the file when there is none. Its directory must exist. Beside it lies a lock
// file with the suffix .lock. An existing file that holds something else is an
// error.
func Open(path string) (*Store, error) {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lease file %s: %w", path, err)
	}
	s := &Store{path: path, turn: make(chan struct{}, 1), lock: lock, log: log{path: path, lock: lock}}
	s.turn <- struct{}{}
	if err := s.locked(context.Background(), "open", "", func() error { return nil }); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// Close ends the use of the file. Leases stay as they are.
func (s *Store) Close() error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	if s.lock == nil {
		return ErrClosed
	}
	err := s.lock.Close()
	s.lock = nil
	return err
}

// Group is the file's name without its extension.
func (s *Store) Group() string {
	name := filepath.Base(s.path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// ListInterval is 250 ms: a listing reads what others have written since the
// last one.
func (s *Store) ListInterval() time.Duration { return 250 * time.Millisecond }

// List returns the leases in the order of their keys.
func (s *Store) List(ctx context.Context) ([]lease.Lease, error) {
	var leases []lease.Lease
	err := s.locked(ctx, "list", "", func() error {
		for _, key := range slices.Sorted(maps.Keys(s.log.rows)) {
			leases = append(leases, s.log.rows[key].Clone())
		}
		return nil
	})
	return leases, err
}

// Create adds a free lease.
func (s *Store) Create(ctx context.Context, l lease.Lease) error {
	_, err := s.change(ctx, "create", l.Key, synced, lease.Creating(l))
	return err
}

// Take makes owner the owner.
func (s *Store) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	return s.change(ctx, "take", seen.Key, unsynced, lease.Taking(seen, owner))
}

// Request asks the owner to hand over to successor.
func (s *Store) Request(ctx context.Context, seen lease.Lease, successor string) (lease.Lease, error) {
	return s.change(ctx, "request", seen.Key, unsynced, lease.Requesting(seen, successor))
}

// Renew moves the counter.
func (s *Store) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.change(ctx, "renew", held.Key, unsynced, lease.Renewing(held))
}

// Checkpoint moves the checkpoint forward.
func (s *Store) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	return s.change(ctx, "checkpoint", held.Key, synced, lease.Checkpointing(held, done))
}

// Release hands the lease to its successor or frees it.
func (s *Store) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.change(ctx, "release", held.Key, unsynced, lease.Releasing(held))
}

// Delete removes a lease.
func (s *Store) Delete(ctx context.Context, seen lease.Lease) error {
	return s.locked(ctx, "delete", seen.Key, func() error {
		row, exists := s.log.rows[seen.Key]
		if !exists {
			return nil
		}
		if err := lease.Deleting(seen, row); err != nil {
			return err
		}
		return s.log.remove(seen.Key)
	})
}

// Whether a write has to survive a loss of power.
const (
	synced   = true
	unsynced = false
)

// change applies one operation to the row of key.
func (s *Store) change(ctx context.Context, op, key string, sync bool, change lease.Change) (lease.Lease, error) {
	var changed lease.Lease
	err := s.locked(ctx, op, key, func() error {
		row, exists := s.log.rows[key]
		row, err := change(row, exists)
		if err == nil {
			err = s.log.put(row, sync)
		}
		if err == nil {
			changed = row.Clone()
		}
		return err
	})
	return changed, err
}

// locked runs f with the file to itself and its rows up to date.
func (s *Store) locked(ctx context.Context, op, key string, f func() error) error {
	err := s.exclusive(ctx, f)
	var conflict *lease.ConflictError
	switch {
	case err == nil, errors.As(err, &conflict), errors.Is(err, lease.ErrMovesBack):
		return err
	case key == "":
		return fmt.Errorf("%s leases in %s: %w", op, s.path, judge(err))
	}
	return fmt.Errorf("%s lease %s in %s: %w", op, key, s.path, judge(err))
}

// judge marks that the file may not be read or written, which asking again does
// not heal.
func judge(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return lease.Unusable(err)
	}
	return err
}

func (s *Store) exclusive(ctx context.Context, f func() error) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.lock == nil {
		return ErrClosed
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	err := s.log.open()
	if err == nil {
		err = errors.Join(f(), s.log.close())
	}
	return errors.Join(err, unlock(s.lock))
}

// acquire waits for the lock of the file. The system cannot wait for a lock and
// a ctx at once, so it is tried again and again; locks are held for less than a
// write to the disk takes.
func (s *Store) acquire(ctx context.Context) error {
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		acquired, err := tryLock(s.lock)
		if acquired || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
