package producer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/metrics"
)

func TestAYoungerRecordOfALaneDoesNotKeepAnExpressOneBeyondItsLinger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newFakeService(4))
		began := time.Now()
		var took time.Duration
		if err := p.PutAsync(t.Context(), record("a", "d"), func(Result) { took = time.Since(began) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Millisecond)
		if _, err := p.Put(t.Context(), record("b", "d")); err != nil { // which is never express
			t.Fatal(err)
		}
		synctest.Wait()
		if took != 100*time.Millisecond {
			t.Errorf("the first of two records has its result after %v, want 100ms, its linger", took)
		}
	})
}

func TestAYoungerRecordOfALaneDoesNotKeepExpressOnesBeyondTheirDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = 20 * time.Second
		p := start(t, service, func(o *Options) { o.Deadline, o.Concurrency, o.RequestTimeout = 5*time.Second, 1, 0 })
		var order []string
		put := func(key string) {
			t.Helper()
			began := time.Now()
			err := p.PutAsync(t.Context(), record(key, "d"), func(r Result) {
				order = append(order, key)
				if took := time.Since(began); key != "under way" && (r.Err == nil || took > 5*time.Second) {
					t.Errorf("%s has its result after %v, error %v; want it expired after 5s", key, took, r.Err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		put("under way")
		time.Sleep(time.Second)
		put("a")
		put("b")
		time.Sleep(4 * time.Second)
		if _, err := p.Put(t.Context(), record("younger, in a lane", "d")); err == nil {
			t.Error("a record was sent while the only request takes longer than its deadline, want it expired")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if len(order) != 3 {
			t.Errorf("results came for %q, want three", order)
		}
	})
}

func TestRecordsExpireInTheOrderOfThePutsWhicheverWayTheyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = 20 * time.Second
		p := start(t, service, func(o *Options) { o.Deadline, o.Concurrency, o.RequestTimeout = 5*time.Second, 1, 0 })
		if err := p.PutAsync(t.Context(), record("under way", "d"), func(Result) {}); err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			time.Sleep(time.Second)
			began := time.Now()
			check := func(err error) {
				if took := time.Since(began); err == nil || took > 5*time.Second {
					t.Errorf("record %d has its result after %v, error %v; want it expired after 5s", i, took, err)
				}
			}
			if i%2 == 0 { // in a lane
				go func() {
					_, err := p.Put(t.Context(), record(fmt.Sprint(i), "d"))
					check(err)
				}()
			} else if err := p.PutAsync(t.Context(), record(fmt.Sprint(i), "d"), func(r Result) { check(r.Err) }); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
	})
}

func TestAnExpressRequestKeepsToItsBytes(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int{"as many as are allowed": 1000, "as many as are worth a request": 1 << 19} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newFakeService(4)
				largest, most := 0, limit
				service.onPut = func(c *call) error {
					bytes := 0
					for _, e := range c.entries {
						bytes += len(e.Data) + len(*e.PartitionKey)
					}
					largest = max(largest, bytes)
					return nil
				}
				p := start(t, service, func(o *Options) {
					if o.ShardShare = 0; limit == 1000 {
						o.MaxRequestBytes = limit
					} else {
						most += limit * 3 / 10 // that of the record by which it is worth one
					}
				})
				data := strings.Repeat("d", limit*3/10-8)
				for i := range 40 {
					if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), data), func(Result) {}); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if stored := len(service.userRecords(t)); largest > most || stored != 40 {
					t.Errorf("the largest request has %d bytes and %d records are in the stream, want at most %d bytes and 40", largest, stored, most)
				}
			})
		})
	}
}

func TestTheBytesOfExpressRecordsAreCountedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(2)
		service.onPut = func(c *call) error {
			if c.number == 2 {
				c.codes[0] = "InternalFailure"
			}
			return nil
		}
		sink := metrics.NewMemory()
		p := start(t, service, func(o *Options) { o.Metrics = sink })
		for range 2 { // in a request of which all are accepted, and in one with a failure
			for i := range 10 {
				if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "four"), func(Result) {}); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		counters := sink.Counters()
		for name, want := range map[string]int64{"producer_bytes_sent_total": 80, "producer_records_sent_total": 20, "producer_user_records_sent_total": 20} {
			if got := counters[name+"{stream_name=orders}"]; got != want {
				t.Errorf("%s is %d, want %d", name, got, want)
			}
		}
	})
}

// garbled is a service whose first answer is changed on its way.
type garbled struct {
	*fakeService
	change func(out *kinesis.PutRecordsOutput)
}

func (g *garbled) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	out, err := g.fakeService.PutRecords(ctx, in, opts...)
	if change := g.change; change != nil && err == nil {
		g.change = nil
		change(out)
	}
	return out, err
}

func TestOnlyAResultThatSaysSoIsASuccessOfAnExpressRecord(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(out *kinesis.PutRecordsOutput)
		want   []int // attempts of each record
	}{
		"an error with a sequence number": {func(out *kinesis.PutRecordsOutput) { out.Records[1].ErrorCode = aws.String("InternalFailure") }, []int{1, 2, 1}},
		"neither":                         {func(out *kinesis.PutRecordsOutput) { out.Records[1] = types.PutRecordsResultEntry{} }, []int{1, 2, 1}},
		"a result too few":                {func(out *kinesis.PutRecordsOutput) { out.Records = out.Records[:2] }, []int{2, 2, 2}},
		"a result too many":               {func(out *kinesis.PutRecordsOutput) { out.Records = append(out.Records, out.Records[0]) }, []int{2, 2, 2}},
		"no results":                      {func(out *kinesis.PutRecordsOutput) { out.Records = nil }, []int{2, 2, 2}},
	}
	for name, tt := range tests {
		for _, order := range []Order{PerKey, BestEffort} {
			t.Run(fmt.Sprint(name, ", ", order), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					p := start(t, &garbled{newFakeService(2), tt.change}, func(o *Options) { o.Order = order })
					attempts := make([]int, 3)
					for i := range attempts {
						err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "d"), func(r Result) {
							if attempts[i] += len(r.Attempts); r.Err != nil || r.Position.Sequence() == "" {
								t.Errorf("record %d: position %v, error %v; want a position and no error", i, r.Position, r.Err)
							}
						})
						if err != nil {
							t.Fatal(err)
						}
					}
					if err := p.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(attempts, tt.want) {
						t.Errorf("attempts of the records: %v, want %v", attempts, tt.want)
					}
				})
			})
		}
	}
}

func TestShardsPayOnceForRecordsThatAreUnderWayWhenOneComesNear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = 10 * time.Millisecond
		p := start(t, service)
		left := func(near bool) (records float64) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if near {
				p.schedule.comeNear(p.now())
			}
			for _, target := range p.schedule.targets {
				target.limiter.fill(p.now())
				records += target.limiter.records
			}
			return records
		}
		for i := range 300 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "d"), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(105 * time.Millisecond)
		if got := left(true); got != 3700 {
			t.Errorf("four shards have %v records of their quotas left while 300 are under way, want 3700", got)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		// 1,000 a second have flowed in on each since.
		if got := left(false); got < 3719 || got > 3721 {
			t.Errorf("four shards have %v records of their quotas left when the 300 are answered, want 3720", got)
		}
	})
}

func TestAShardThatRestedIsSentNoMoreThanASecondsWorthAtOnce(t *testing.T) {
	t.Parallel()
	for _, order := range []Order{BestEffort, PerKey} {
		t.Run(order.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service, paces := paced(4, 50*time.Millisecond)
				p := start(t, service, func(o *Options) { o.Order, o.Deadline = order, 0 })
				put := func(keys []string) {
					t.Helper()
					for _, key := range keys {
						if err := p.PutAsync(t.Context(), record(key, "d"), func(Result) {}); err != nil {
							t.Fatal(err)
						}
					}
					if err := p.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				keys := keysIn(service.shards[0].Range, 4000)
				put(keys[:1])
				time.Sleep(10 * time.Second)
				pace := paces[shardID(0)]
				service.with(func() { *pace = shardPace{began: time.Now()} })
				put(keys[:500])
				put(keys[500:])
				if pace.worst > 1 { // the one that a limiter may lend
					t.Errorf("after a rest a shard was sent %.0f records more than its quota allows", pace.worst)
				}
			})
		})
	}
}

func TestShardsPayForAnExpressRequestWithAFailureToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.onPut = func(c *call) error {
			c.codes[0] = "InternalFailure"
			return nil
		}
		p := start(t, service, func(o *Options) { o.MaxAttempts = 2 })
		for i := range 300 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "d"), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(101 * time.Millisecond) // the failed one is sent again later
		p.mu.Lock()
		defer p.mu.Unlock()
		left := 0.0
		for _, target := range p.schedule.targets {
			left += target.limiter.records
		}
		if left != 3700 {
			t.Errorf("four shards have %v records of their quotas left when 299 of 300 are accepted, want 3700", left)
		}
	})
}

func TestExpressAndTheLanesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = 10 * time.Millisecond
		p := start(t, service, func(o *Options) { o.ShardShare, o.Concurrency, o.Linger = 0, 1, 0 })
		const each = 10_000
		inLane, byExpress := 0, 0
		put := func(key string, count *int) {
			t.Helper()
			if err := p.TryPut(t.Context(), record(key, "d"), func(Result) { *count++ }); err != nil {
				t.Fatal(err)
			}
		}
		for i := range each {
			put("busy", &inLane)
			put(fmt.Sprint("key-", i), &byExpress)
		}
		time.Sleep(205 * time.Millisecond) // twenty requests
		synctest.Wait()
		if inLane < 9 || byExpress < 8*500 {
			t.Errorf("of twenty requests %d went from a busy lane and %d records by express, want 9 or more and 4000 or more", inLane, byExpress)
		}
		p.mu.Lock()
		p.schedule.stop(CodeClosed, ErrClosed)
		p.mu.Unlock()
		p.wake()
	})
}
