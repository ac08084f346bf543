package producer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// shardPace is how many records a shard has been sent, and when.
type shardPace struct {
	began time.Time
	sent  int
	worst float64 // most that were sent beyond 1,000 and 1,000 a second
}

// paced lets a service take everything and watches how much each shard is sent.
func paced(shards int, latency time.Duration) (*fakeService, map[string]*shardPace) {
	f := newFakeService(shards)
	f.latency = latency
	paces := map[string]*shardPace{}
	for i := range shards {
		paces[shardID(i)] = &shardPace{began: time.Now()}
	}
	f.onPut = func(c *call) error {
		for _, e := range c.entries {
			p := paces[f.owner(e)]
			p.sent++
			p.worst = max(p.worst, float64(p.sent)-1000-1000*c.at.Sub(p.began).Seconds())
		}
		return nil
	}
	return f, paces
}

// isNear reports whether plain records go by their hash keys.
func isNear(p *Producer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.schedule.quota.near
}

func TestNoShardIsSentMoreThanItsQuotaWithoutALookAtTheKeys(t *testing.T) {
	t.Parallel()
	for _, order := range []Order{BestEffort, PerKey} {
		for name, hot := range map[string]bool{"all keys on one shard": true, "keys of all shards": false} {
			t.Run(fmt.Sprint(order, ", ", name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					service, paces := paced(4, 50*time.Millisecond)
					p := start(t, service, func(o *Options) { o.Order, o.Deadline = order, 0 })
					keys := keysIn(service.shards[0].Range, 6000)
					if !hot {
						for i := range keys {
							keys[i] = fmt.Sprint("key-", i)
						}
					}
					for _, key := range keys {
						if err := p.PutAsync(t.Context(), record(key, "d"), func(Result) {}); err != nil {
							t.Fatal(err)
						}
					}
					if err := p.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
					for id, pace := range paces {
						if pace.worst > 1 { // the one that a limiter may lend
							t.Errorf("%s was sent %.0f records more than its quota allows", id, pace.worst)
						}
					}
				})
			})
		}
	}
}

func TestRecordsGoByTheirShardsOnlyWhileOneIsNearItsQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = 5 * time.Millisecond
		p := start(t, service)
		put := func(records int) {
			t.Helper()
			for i := range records {
				if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "d"), func(Result) {}); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 { // a fifth of the quota of one shard
			put(20)
			time.Sleep(100 * time.Millisecond)
		}
		if isNear(p) {
			t.Error("records go by their shards at a fifth of a shard's quota, want none looked at")
		}
		put(5000)
		if !isNear(p) {
			t.Error("5000 records at once went without a look at their shards, want them to go by their shards")
		}
		time.Sleep(3 * time.Second)
		put(20)
		if isNear(p) {
			t.Error("records still go by their shards when all shards are at rest")
		}
	})
}

func TestAThrottleBringsAShardNear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(2)
		service.onPut = func(c *call) error {
			if c.number == 1 {
				c.codes[0] = "ProvisionedThroughputExceededException"
			}
			return nil
		}
		p := start(t, service)
		var results []Result
		for i := range 10 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "d"), func(r Result) { results = append(results, r) }); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(150 * time.Millisecond)
		synctest.Wait()
		if !isNear(p) {
			t.Error("after a throttle records go without a look at their shards")
		}
		p.Close(context.Background())
		attempts := map[int]int{}
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("a record failed: %v", r.Err)
			}
			attempts[len(r.Attempts)]++
		}
		if attempts[1] != 9 || attempts[2] != 1 {
			t.Errorf("records by the number of their attempts: %v, want 9 with one and 1 with two", attempts)
		}
	})
}

func TestAnExpressRequestThatFailsIsSentAgainInOrder(t *testing.T) {
	t.Parallel()
	for _, order := range []Order{BestEffort, PerKey} {
		t.Run(order.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newFakeService(2)
				service.onPut = func(c *call) error {
					switch c.number {
					case 1:
						return apiError("InternalFailure")
					case 2:
						for i := range c.codes {
							if i%3 == 0 {
								c.codes[i] = "InternalFailure"
							}
						}
					}
					return nil
				}
				p := start(t, service, func(o *Options) { o.Order = order })
				results := map[string]int{}
				const keys = 100
				for i := range 2 * keys {
					key := fmt.Sprint("key-", i%keys)
					err := p.PutAsync(t.Context(), record(key, fmt.Sprint(i/keys)), func(r Result) {
						if r.Err != nil {
							t.Errorf("%s failed: %v", key, r.Err)
						}
						results[key]++
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				p.Close(context.Background())
				stored := map[string]string{}
				for _, r := range service.userRecords(t) {
					stored[r.key] += string(r.data)
				}
				for i := range keys {
					key := fmt.Sprint("key-", i)
					if results[key] != 2 || len(stored[key]) != 2 {
						t.Errorf("%s has %d results and is stored as %q, want 2 results and 2 records", key, results[key], stored[key])
					}
					if order == PerKey && stored[key] != "01" {
						t.Errorf("%s is stored as %q, want \"01\"", key, stored[key])
					}
				}
			})
		})
	}
}

func TestExpressRecordsExpireWhenTheServiceStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(2)
		service.latency = 20 * time.Second
		p := start(t, service, func(o *Options) { o.Deadline, o.Concurrency, o.RequestTimeout = 5*time.Second, 1, 0 })
		expired, sent := 0, 0
		for i := range 2000 {
			err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "d"), func(r Result) {
				if r.Err == nil {
					sent++
				} else {
					expired++
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if sent != 0 || expired != 1500 {
			t.Errorf("after twice the deadline %d records are sent and %d expired, want 0 and 1500 with 500 on their way", sent, expired)
		}
	})
}
