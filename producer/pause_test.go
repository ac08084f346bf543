package producer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// putMany puts so many records without a key with PutAsync, and
// returns how long that took, and the longest call.
func putMany(t *testing.T, p *Producer, records int) (all, longest time.Duration) {
	t.Helper()
	began := time.Now()
	for range records {
		before := time.Now()
		if err := p.PutAsync(context.Background(), record("", "d"), func(Result) {}); err != nil {
			t.Fatalf("PutAsync: %v", err)
		}
		longest = max(longest, time.Since(before))
	}
	return time.Since(began), longest
}

// mostWaiting is a function to call now and then, and the most records that were
// seen to wait outside of requests.
func mostWaiting(p *Producer) (look func(), most *int) {
	most = new(int)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		sending, _ := p.schedule.sending()
		*most = max(*most, p.schedule.waiting-sending)
	}, most
}

func TestWhatWaitsStaysSmallWhileTheServiceAnswersFast(t *testing.T) {
	t.Parallel()
	for _, order := range []Order{BestEffort, PerKey} {
		t.Run(order.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newFakeService(4)
				service.latency = 300 * time.Microsecond
				p := start(t, service, func(o *Options) { o.Order, o.ShardShare = order, 0 })
				look, most := mostWaiting(p)
				for range 60 {
					if _, longest := putMany(t, p, 1000); longest > longestPause {
						t.Errorf("a PutAsync took %v, want at most %v", longest, longestPause)
					}
					look()
				}
				// Twice what eight requests hold and some; without pauses all of them.
				if *most > 20_000 {
					t.Errorf("%d records waited, want at most 20000", *most)
				}
				p.Close(context.Background())
				if got := len(service.userRecords(t)); got != 60_000 {
					t.Errorf("%d records are in the stream, want 60000", got)
				}
			})
		})
	}
}

func TestABurstIntoASlowServiceHasFewPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = time.Second
		p := start(t, service, func(o *Options) { o.ShardShare = 0 })
		all, longest := putMany(t, p, 50_000)
		if all > 20*time.Millisecond || longest > longestPause {
			t.Errorf("50000 calls of PutAsync took %v and the longest %v, want at most 20 ms and %v", all, longest, longestPause)
		}
		if all == 0 {
			t.Errorf("50000 calls of PutAsync had no pause, want some")
		}
	})
}

func TestRecordsOfAHotShardDoNotSlowDownOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(2)
		service.latency = 300 * time.Microsecond
		p := start(t, service, func(o *Options) { o.Deadline = 0 })
		put := func(hashKey string, records int) {
			for range records {
				r := record("k", "d")
				r.ExplicitHashKey = hashKey
				if err := p.PutAsync(context.Background(), r, func(Result) {}); err != nil {
					t.Fatalf("PutAsync: %v", err)
				}
			}
		}
		// Twenty seconds' worth for the first shard, then a few for the second.
		put("0", 20_000)
		began := time.Now()
		put("340282366920938463463374607431768211455", 500)
		if took := time.Since(began); took > 2*longestPause {
			t.Errorf("500 records for a shard with nothing to do took %v, want at most %v", took, 2*longestPause)
		}
		p.mu.Lock()
		p.schedule.stop(CodeClosed, ErrClosed)
		p.mu.Unlock()
		p.wake()
	})
}

func TestTryPutNeverPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = time.Second
		p := start(t, service, func(o *Options) { o.ShardShare = 0 })
		began := time.Now()
		for range 50_000 {
			if err := p.TryPut(context.Background(), record("", "d"), func(Result) {}); err != nil {
				t.Fatalf("TryPut: %v", err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("50000 calls of TryPut took %v, want no time", took)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.pauses.over != nil {
			t.Error("a TryPut has begun a pause for others")
		}
	})
}
