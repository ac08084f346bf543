package consumer

import (
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
)

// slowGauge takes the longer, the greater the value is.
type slowGauge struct{ value atomic.Int64 }

func (g *slowGauge) Set(v float64) {
	for range 100 * int(v) {
		runtime.Gosched()
	}
	g.value.Store(int64(v))
}

func TestTheLatestCountOfLeasesIsToldLast(t *testing.T) {
	t.Parallel()
	gauge := new(slowGauge)
	s := &stream{meter: newStreamMeter(metrics.Isolate(metrics.NewMemory(), slog.Default()), "orders")}
	s.meter.leasesHeld = gauge
	g := &group{tenures: make(map[string]*tenure)}
	const leases = 20
	each := func(do func(*tenure)) {
		var all sync.WaitGroup
		for i := range leases {
			all.Go(func() { do(&tenure{key: strconv.Itoa(i), stream: s}) })
		}
		all.Wait()
	}
	each(g.hold)
	if got := gauge.value.Load(); got != leases {
		t.Errorf("%d leases are told when %d were taken at once", got, leases)
	}
	each(g.drop)
	if got := gauge.value.Load(); got != 0 {
		t.Errorf("%d leases are told when all have ended at once; want 0", got)
	}
}
