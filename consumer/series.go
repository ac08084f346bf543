package consumer

import (
	"reflect"
	"sync"

	"github.com/kinetrail/kinetrail/metrics"
)

// shardSeries are the series of one shard in a sink.
type shardSeries struct {
	sink          metrics.Sink
	stream, shard string
}

// writers counts who writes to the series of each shard. Consumers of one process
// may share a sink, and hand shards to each other: then the old owner's last act
// must not remove the series that the new one writes to already. It is one for
// the whole process, as the sink may be.
var writers = seriesWriters{count: make(map[shardSeries]int)}

type seriesWriters struct {
	mu    sync.Mutex
	count map[shardSeries]int
}

// begin counts a writer in, and resolves its handles.
func (w *seriesWriters) begin(s shardSeries, resolve func()) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if s.isKey() {
		w.count[s]++
	}
	resolve()
}

// end counts a writer out, and tells leave whether it was the last.
func (w *seriesWriters) end(s shardSeries, leave func(last bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()

	left := 0
	if s.isKey() {
		w.count[s]--
		if left = w.count[s]; left == 0 {
			delete(w.count, s)
		}
	}
	leave(left == 0)
}

// isKey reports whether the sink can be told from others: one that is not
// comparable counts as used by nobody else.
func (s shardSeries) isKey() bool { return reflect.ValueOf(s.sink).Comparable() }

// series are those of the tenure's shard.
func (t *tenure) series() shardSeries {
	return shardSeries{sink: t.opts.Metrics, stream: t.stream.name.Name(), shard: t.shardID}
}

// measure gives the tenure its place among those that are counted.
func (t *tenure) measure() {
	writers.begin(t.series(), func() {
		t.meter = t.stream.meter.shard(t.shardID)
		t.stream.store.Expose(t.shardID)
	})
}

// unmeasure removes the series of a shard that is finished or somebody else's
// now, unless that is in this process and counts there. What was counted stays to
// be read when it is Run that ends.
func (t *tenure) unmeasure() {
	gone := t.held.Lease().Finished() || !t.g.stopping()
	writers.end(t.series(), func(last bool) {
		if !gone {
			return
		}
		t.meter.retire(last)
		if last {
			t.stream.store.Forget(t.shardID)
		}
	})
}

// standsStill removes the age of a shard that is not asked any more: the service
// says nothing of it, and what it said last gets older.
func (m *shardMeter) standsStill() { m.sink.Forget(metrics.ConsumerIteratorAge, m.stream, m.shardID) }
