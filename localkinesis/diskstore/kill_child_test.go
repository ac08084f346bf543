//go:build unix

package diskstore_test

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

// childOrder is what a server that will be killed is told.
type childOrder struct {
	Dir   string
	Fsync bool

	// DieIn is the write, counted from 1, inside which the process kills
	// itself: a part of what it was to write is in the file. 0 is none.
	DieIn int64
	Seed  uint64
}

const orderVariable = "KINETRAIL_DISKSTORE_ORDER"

// childNews is what the server says when it is ready.
type childNews struct {
	URL  string
	Cuts []diskstore.Cut
}

// serveUntilKilled is a server in a process of its own. It ends at the latest
// when its parent does.
func serveUntilKilled() error {
	var order childOrder
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &order); err != nil {
		return err
	}
	store, err := diskstore.Open(order.Dir, func(o *diskstore.Options) {
		o.Fsync = order.Fsync
		o.SegmentBytes = 128 << 10 // so that many kills meet a new file
		o.OpenFiles = 4
	})
	if err != nil {
		return err
	}
	store.OnWrite(dieInside(order))
	server, err := localkinesis.New(func(o *localkinesis.Options) {
		o.Store = store
		o.Streams = map[string]int{"orders": 3}
	})
	if err != nil {
		return err
	}
	if err := server.Listen("127.0.0.1:0"); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(childNews{URL: server.URL(), Cuts: store.Cuts()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// dieInside is a write that is the last thing the process does, once its turn
// comes.
func dieInside(order childOrder) func(*os.File, []byte, int64) (int, error) {
	random := rand.New(rand.NewPCG(order.Seed, 1))
	var writes atomic.Int64
	return func(f *os.File, b []byte, at int64) (int, error) {
		if writes.Add(1) != order.DieIn {
			return f.WriteAt(b, at)
		}
		if _, err := f.WriteAt(b[:random.IntN(len(b))], at); err != nil {
			return 0, err
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return 0, err
		}
		select {} // nothing is answered any more
	}
}
