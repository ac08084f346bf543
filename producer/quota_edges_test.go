package producer

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestAShardPaysForTheHeadersOfARecordBeforeItComesNear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = 5 * time.Millisecond
		began := time.Now()
		sent, worst := 0, 0.0
		service.onPut = func(c *call) error {
			for _, e := range c.entries {
				sent += len(e.Data) + len(*e.PartitionKey)
				allowed := kinetrail.WriteBytesPerSecond * (1 + c.at.Sub(began).Seconds())
				worst = max(worst, float64(sent)-allowed)
			}
			return nil
		}
		p := start(t, service, func(o *Options) { o.Carrier, o.Deadline = tracecarrier.Headers, 0 })
		const size = 100_000
		headers := []kinetrail.Header{{Name: "large", Value: strings.Repeat("h", size)}}
		for i, key := range keysIn(service.shards[0].Range, 120) { // for one shard, three times its quota
			r := kinetrail.Record{PartitionKey: key, Data: []byte(fmt.Sprint(i)), Headers: headers}
			if err := p.PutAsync(t.Context(), r, func(Result) {}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(33 * time.Millisecond)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if worst > size+1000 { // the record that a limiter may lend
			t.Errorf("the shard was sent %.0f bytes more than its quota allows, want one record at most", worst)
		}
	})
}

func TestAnAnswersShardIsTheOneThatPays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newFakeService(200)) // more than are remembered
		p.mu.Lock()
		defer p.mu.Unlock()
		s := &p.schedule
		for range 2 { // the second time with new targets
			for i := range 200 {
				if got := s.targetNamed(shardID(i)); got != s.targets[shardID(i)] {
					t.Errorf("%s is not found as the target it is", shardID(i))
				}
			}
			s.targetNamed(shardID(0)) // which is remembered, and looked for first
			s.reorder(p.now())
		}
	})
}

func TestAnExpressRecordOnAnUnknownShardStartsARefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, func(o *Options) { o.RefreshInterval = 0 })
		service.with(func() { service.split(0) })
		if err := p.PutAsync(t.Context(), record("key", "d"), func(Result) {}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		if open := len(p.schedule.shards.Open()); open != 2 {
			t.Errorf("ten seconds after an answer from a new shard %d shards are known, want 2", open)
		}
	})
}
