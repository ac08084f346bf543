package producer

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
)

// heapInUse is how many bytes are in use.
func heapInUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// The bound is that of docs/producing.md and what requests under way take. It is
// not parallel: what other tests use must not count.
func TestMemoryUnderAStalledServiceIsTheBufferAndTheRequests(t *testing.T) {
	const requests = 64 << 20
	for _, aggregation := range []Aggregation{Off, SameKey, ByShard} {
		for _, size := range []int{10, 1000} {
			t.Run(fmt.Sprint(aggregation, " ", size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					service := newFakeService(4)
					service.latency = time.Hour
					p := start(t, service, func(o *Options) {
						o.Aggregation, o.RequestTimeout, o.Deadline, o.ShardShare = aggregation, 0, 0, 0
					})
					before := heapInUse()
					done := 0
					var err error
					for i := 0; err == nil; i++ {
						r := kinetrail.Record{PartitionKey: fmt.Sprint("key-", i), Data: bytes.Repeat([]byte{'x'}, size)}
						if err = p.TryPut(t.Context(), r, func(Result) { done++ }); i%1000 == 999 {
							time.Sleep(time.Millisecond) // for requests to be made
						}
					}
					if !errors.Is(err, ErrBufferFull) {
						t.Fatalf("TryPut: %v, want ErrBufferFull", err)
					}
					bound := p.options.MaxBufferedBytes + requests
					if grown := heapInUse() - before; grown > bound {
						t.Errorf("the heap has grown by %d MiB, want at most %d MiB", grown>>20, bound>>20)
					}
					accepted := int(p.accepted)
					service.with(func() { service.latency = 0 })
					p.Close(t.Context())
					if done != accepted {
						t.Errorf("%d records have a result, want %d", done, accepted)
					}
				})
			})
		}
	}
}
