package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/metrics"
)

// Metered is a Store that counts the checkpoints another Store has written: the
// durable writes of a position, and those that failed. Renewals are not counted.
type Metered struct {
	Store

	sink metrics.Sink

	mu     sync.Mutex
	stream string
	shards map[string]checkpointCounters
}

type checkpointCounters struct{ success, failure metrics.Counter }

// WithMetrics counts the checkpoints of store in sink, under the stream_name
// metrics.Standalone until Bind names the stream. A nil sink is metrics.Default.
func WithMetrics(store Store, sink metrics.Sink) *Metered {
	if sink == nil {
		sink = metrics.Default()
	}
	return &Metered{Store: store, sink: sink, stream: metrics.Standalone, shards: make(map[string]checkpointCounters)}
}

// Bind names the stream whose checkpoints are counted from now on. Binding again
// to the same stream is nothing; to another it is an error, because the counts of
// one store would go to two streams; so is an empty name. A group over several
// streams binds one Metered for each.
func (m *Metered) Bind(stream string) error {
	if stream == "" {
		return errors.New("bind the metrics of a lease store: the stream's name is empty")
	}
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.stream == stream {
		return nil
	}
	if m.stream != metrics.Standalone {
		return fmt.Errorf("bind the metrics of a lease store to stream %s: it is bound to stream %s", stream, m.stream)
	}
	m.stream = stream
	clear(m.shards)
	return nil
}

// Checkpoint writes a checkpoint and counts it.
func (m *Metered) Checkpoint(ctx context.Context, held Lease, done kinetrail.Position) (Lease, error) {
	row, err := m.Store.Checkpoint(ctx, held, done)
	counters := m.counters(held.ShardID)
	if err != nil {
		counters.failure.Add(1)
		return row, err
	}
	counters.success.Add(1)
	return row, nil
}

// Expose makes the counters of a shard exist at 0, so that their first event is
// seen as an increase. They are looked up anew: meanwhile somebody else who shares
// the sink may have removed them.
func (m *Metered) Expose(shardID string) {
	m.mu.Lock()
	delete(m.shards, shardID)
	m.mu.Unlock()
	m.counters(shardID)
}

// counters returns the handles of a shard.
func (m *Metered) counters(shardID string) checkpointCounters {
	m.mu.Lock()
	defer m.mu.Unlock()

	c, ok := m.shards[shardID]
	if !ok {
		c = checkpointCounters{
			success: m.sink.Counter(metrics.ConsumerCheckpointSuccess, m.stream, shardID),
			failure: m.sink.Counter(metrics.ConsumerCheckpointFailure, m.stream, shardID),
		}
		m.shards[shardID] = c
	}
	return c
}

// Forget removes the series of a shard that is done.
func (m *Metered) Forget(shardID string) {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.sink.Forget(metrics.ConsumerCheckpointSuccess, m.stream, shardID)
	m.sink.Forget(metrics.ConsumerCheckpointFailure, m.stream, shardID)
	delete(m.shards, shardID)
}
