package leasetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// ErrFault is what Faults returns when no other error was given.
var ErrFault = errors.New("leasetest: the store does not answer")

// Op names an operation of a Store.
type Op string

// The operations of a Store.
const (
	List       Op = "list"
	Create     Op = "create"
	Take       Op = "take"
	Request    Op = "request"
	Renew      Op = "renew"
	Checkpoint Op = "checkpoint"
	Release    Op = "release"
	Delete     Op = "delete"
)

// Faults is a Store between a worker and the store it uses, with the failures
// of a network. It is safe for concurrent use.
type Faults struct {
	store lease.Store

	mu    sync.Mutex
	down  error
	fail  map[Op]int
	lose  map[Op]int
	calls map[Op]int
}

// NewFaults puts a network without failures before store.
func NewFaults(store lease.Store) *Faults {
	return &Faults{store: store, fail: make(map[Op]int), lose: make(map[Op]int), calls: make(map[Op]int)}
}

// Fail makes the next n calls of op fail without an effect.
func (f *Faults) Fail(op Op, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.fail[op] += n
}

// LoseReply makes the next n calls of op that take effect fail nevertheless.
func (f *Faults) LoseReply(op Op, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.lose[op] += n
}

// Down makes every call fail with err without an effect, until Up.
func (f *Faults) Down(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.down = err
}

// Up ends what Down began.
func (f *Faults) Up() { f.Down(nil) }

// Calls is how often op was called, failed calls included.
func (f *Faults) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.calls[op]
}

// before counts a call and returns the error it fails with, if it does.
func (f *Faults) before(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.calls[op]++
	if f.down == nil && f.fail[op] > 0 {
		f.fail[op]--
		return ErrFault
	}
	return f.down
}

// after returns the error instead of the reply to a call that took effect.
func (f *Faults) after(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.lose[op] == 0 {
		return nil
	}
	f.lose[op]--
	return ErrFault
}

// through makes one call through the network.
func through[T any](f *Faults, op Op, call func() (T, error)) (T, error) {
	var none T
	if err := f.before(op); err != nil {
		return none, err
	}
	result, err := call()
	if err == nil {
		err = f.after(op)
	}
	if err != nil {
		return none, err
	}
	return result, nil
}

// ListInterval is that of the store behind the network, and a second when it
// has none.
func (f *Faults) ListInterval() time.Duration {
	if pacer, ok := f.store.(lease.Pacer); ok {
		return pacer.ListInterval()
	}
	return time.Second
}

// List lists the leases.
func (f *Faults) List(ctx context.Context) ([]lease.Lease, error) {
	return through(f, List, func() ([]lease.Lease, error) { return f.store.List(ctx) })
}

// Create adds a lease.
func (f *Faults) Create(ctx context.Context, l lease.Lease) error {
	_, err := through(f, Create, func() (struct{}, error) { return struct{}{}, f.store.Create(ctx, l) })
	return err
}

// Take takes a lease.
func (f *Faults) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	return through(f, Take, func() (lease.Lease, error) { return f.store.Take(ctx, seen, owner) })
}

// Request asks for a lease.
func (f *Faults) Request(ctx context.Context, seen lease.Lease, successor string) (lease.Lease, error) {
	return through(f, Request, func() (lease.Lease, error) { return f.store.Request(ctx, seen, successor) })
}

// Renew keeps a lease.
func (f *Faults) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return through(f, Renew, func() (lease.Lease, error) { return f.store.Renew(ctx, held) })
}

// Checkpoint moves a checkpoint.
func (f *Faults) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	return through(f, Checkpoint, func() (lease.Lease, error) { return f.store.Checkpoint(ctx, held, done) })
}

// Release gives a lease up.
func (f *Faults) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return through(f, Release, func() (lease.Lease, error) { return f.store.Release(ctx, held) })
}

// Delete removes a lease.
func (f *Faults) Delete(ctx context.Context, seen lease.Lease) error {
	_, err := through(f, Delete, func() (struct{}, error) { return struct{}{}, f.store.Delete(ctx, seen) })
	return err
}
