package memlease_test

import (
	"sync"
	"testing"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

func TestStoreKeepsEveryPromiseOfALeaseStore(t *testing.T) {
	t.Parallel()
	var groups sync.Map
	leasetest.Run(t, leasetest.Harness{Open: func(_ *testing.T, group string) lease.Store {
		store, _ := groups.LoadOrStore(group, memlease.New())
		return store.(lease.Store)
	}})
}
