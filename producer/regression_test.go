package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/metrics"
)

// Each test of this file is a defect that another producer library has, or had:
// records lost, keys destroyed, order broken, calls in a loop.

func aggregating(a Aggregation) func(*Options) {
	return func(o *Options) { o.Aggregation = a }
}

func TestKeysAreKeptUnderAggregation(t *testing.T) {
	t.Parallel()
	for _, aggregation := range []Aggregation{SameKey, ByShard} {
		synctest.Test(t, func(t *testing.T) {
			service := newFakeService(3)
			p := start(t, service, aggregating(aggregation))
			want := map[string]string{}
			for i := range 60 {
				key, data := fmt.Sprint("key-", i%7), fmt.Sprint("data-", i)
				want[data] = key
				if err := p.PutAsync(t.Context(), record(key, data), func(Result) {}); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if containers := len(service.stored); containers > 7 {
				t.Errorf("%v: 60 records made %d Kinesis records, want at most 7", aggregation, containers)
			}
			for _, r := range service.userRecords(t) {
				if want[string(r.data)] != r.key {
					t.Errorf("%v: %s has key %q, want %q", aggregation, r.data, r.key, want[string(r.data)])
				}
				delete(want, string(r.data))
			}
			if len(want) != 0 {
				t.Errorf("%v: these records are not in the stream: %v", aggregation, want)
			}
		})
	}
}

func TestContainersKeepTheirSizeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, aggregating(ByShard), func(o *Options) { o.ShardShare = 0 })
		for i := range 3000 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), strings.Repeat("x", i%400)), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		total := 0
		for i, r := range service.stored {
			size := len(r.data) + len(r.key)
			if total += size; size > 50<<10 {
				t.Errorf("container %d of %d has %d bytes, want 50 KiB at most", i, len(service.stored), size)
			}
		}
		// Some are made in parts of the hash keys, each of which has a last one.
		if most := total/(49<<10) + 3; len(service.stored) > most {
			t.Errorf("%d bytes went in %d containers, want %d at most", total, len(service.stored), most)
		}
	})
}

func TestPutRacingCloseLosesNothing(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		synctest.Test(t, func(t *testing.T) {
			service := newFakeService(2)
			service.latency = 7 * time.Millisecond
			p := start(t, service, aggregating(Aggregation(round%3)), func(o *Options) { o.MaxBufferedRecords = 50 })
			accepted, sync_ := 0, sync.WaitGroup{}
			results := map[string]error{}
			var mu sync.Mutex
			for writer := range 8 {
				sync_.Go(func() {
					for i := 0; ; i++ {
						data := fmt.Sprintf("%d-%d", writer, i)
						err := p.PutAsync(t.Context(), record(fmt.Sprint(writer), data), func(r Result) {
							mu.Lock()
							defer mu.Unlock()
							if _, twice := results[data]; twice {
								t.Errorf("%s has a second result", data)
							}
							results[data] = r.Err
						})
						if err != nil {
							if !errors.Is(err, ErrClosed) {
								t.Errorf("PutAsync: %v, want ErrClosed", err)
							}
							return
						}
						mu.Lock()
						accepted++
						mu.Unlock()
					}
				})
			}
			time.Sleep(time.Duration(round) * time.Millisecond)
			if err := p.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
			sync_.Wait()
			if len(results) != accepted {
				t.Errorf("round %d: %d records accepted, %d results", round, accepted, len(results))
			}
			if stored := len(service.userRecords(t)); stored != accepted {
				t.Errorf("round %d: %d records accepted, %d in the stream", round, accepted, stored)
			}
		})
	}
}

func TestConcurrentPutsAndFlushesSendNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = time.Millisecond
		p := start(t, service, aggregating(ByShard), func(o *Options) { o.MaxBufferedRecords = 40 })
		var writers sync.WaitGroup
		for writer := range 4 {
			writers.Go(func() {
				for i := range 200 {
					size := 20 + i%3*4000
					data := fmt.Sprintf("%d-%d-", writer, i) + strings.Repeat("x", size)
					if err := p.PutAsync(t.Context(), record(fmt.Sprint(i), data), func(Result) {}); err != nil {
						t.Error(err)
					}
					if i%10 == 0 {
						if err := p.Flush(t.Context()); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		writers.Wait()
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, r := range service.userRecords(t) {
			seen[string(r.data)]++
		}
		if len(seen) != 800 {
			t.Errorf("%d different records in the stream, want 800", len(seen))
		}
		for data, n := range seen {
			if n != 1 {
				t.Errorf("%.10s is in the stream %d times", data, n)
			}
		}
	})
}

// Emission traces: what the metrics say after a run.
func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	const throttled, internal = "ProvisionedThroughputExceededException", "InternalFailure"
	codes := func(codes ...string) func(*call) error {
		return func(c *call) error {
			if c.number == 1 {
				copy(c.codes[len(c.codes)-len(codes):], codes)
			}
			return nil
		}
	}
	type counts map[string]int64
	tests := []struct {
		name    string
		puts    int
		options func(*Options)
		onPut   func(*call) error
		want    counts // of counters, without the stream's label
		batches []float64
	}{
		{
			name: "a partial failure counts its successes", puts: 10, onPut: codes(throttled),
			want: counts{"producer_records_sent_total": 10, "producer_bytes_sent_total": 80, "producer_throttles_total": 1, "producer_retries_total": 1,
				"producer_errors_total " + throttled: 1, "producer_user_records_put_total": 10, "producer_user_records_sent_total": 10},
			batches: []float64{10, 1},
		},
		{
			name: "a code of another service is counted and retried", puts: 2, onPut: codes("KMSThrottlingException"),
			want: counts{"producer_records_sent_total": 2, "producer_errors_total KMSThrottlingException": 1, "producer_throttles_total": 0,
				"producer_user_records_sent_total": 2},
			batches: []float64{2, 1},
		},
		{
			name: "every record counts by its own code", puts: 3, onPut: codes(throttled, internal),
			want:    counts{"producer_throttles_total": 1, "producer_errors_total " + throttled: 1, "producer_errors_total " + internal: 1, "producer_records_sent_total": 3},
			batches: []float64{3, 2},
		},
		{
			name: "a refused request counts its records and ends them", puts: 4,
			onPut: func(*call) error { return apiError("AccessDeniedException") },
			want: counts{"producer_errors_total AccessDeniedException": 4, "producer_records_sent_total": 0, "producer_user_records_put_total": 4,
				"producer_user_records_sent_total": 0, "producer_user_records_failed_total AccessDeniedException": 4, "producer_retries_total": 0},
			batches: []float64{4},
		},
		{
			name: "a container is one record", puts: 100, options: aggregating(ByShard),
			want:    counts{"producer_records_sent_total": 1, "producer_user_records_put_total": 100, "producer_user_records_sent_total": 100},
			batches: []float64{1},
		},
		{
			name: "a timeout has a name", puts: 1,
			onPut: func(c *call) error {
				if c.number == 1 {
					return context.DeadlineExceeded
				}
				return nil
			},
			want:    counts{"producer_errors_total timeout": 1, "producer_records_sent_total": 1, "producer_retries_total": 1},
			batches: []float64{1, 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newFakeService(1)
				service.onPut = tt.onPut
				sink := metrics.NewMemory()
				p := start(t, service, func(o *Options) {
					o.Metrics = sink
					if tt.options != nil {
						tt.options(o)
					}
				})
				for i := range tt.puts {
					if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), fmt.Sprintf(`{"i": %d}`, i%10)), func(Result) {}); err != nil {
						t.Fatal(err)
					}
				}
				if waiting := sink.Gauges()["producer_queue_size{stream_name=orders}"]; waiting != float64(tt.puts) {
					t.Errorf("producer_queue_size before the flush = %v, want %d", waiting, tt.puts)
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				for name, want := range tt.want {
					series := name + "{stream_name=orders}"
					if name, code, ok := strings.Cut(name, " "); ok {
						series = name + "{error_type=" + code + ",stream_name=orders}"
					}
					if got, exists := sink.Counters()[series]; got != want || !exists {
						t.Errorf("%s = %d, want %d; all: %v", series, got, want, sink.Counters())
					}
				}
				if got := sink.Histograms()["producer_batch_size{stream_name=orders}"].Values; !slices.Equal(got, tt.batches) {
					t.Errorf("producer_batch_size observed %v, want %v", got, tt.batches)
				}
				if n := sink.Histograms()["producer_flush_duration_seconds{stream_name=orders}"].Count; n != int64(len(tt.batches)) {
					t.Errorf("producer_flush_duration_seconds has %d values, want %d", n, len(tt.batches))
				}
				for _, gauge := range []string{"producer_queue_size", "producer_buffered_bytes"} {
					if waiting := sink.Gauges()[gauge+"{stream_name=orders}"]; waiting != 0 {
						t.Errorf("%s after the flush = %v, want 0", gauge, waiting)
					}
				}
			})
		})
	}
}

func TestUnknownCodesLoseNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.onPut = func(c *call) error {
			if c.number <= 3 {
				c.codes[0] = "AnErrorOfTheFuture"
			}
			return nil
		}
		p := start(t, service)
		result, err := p.Put(t.Context(), record("a", "b"))
		if err != nil || len(result.Attempts) != 4 || result.Attempts[2].Code != "AnErrorOfTheFuture" || result.Attempts[3].Code != "" {
			t.Errorf("Put = %+v, %v; want success at the fourth attempt", result, err)
		}
	})
}

func TestARefusingServiceIsNotCalledInALoop(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"ExpiredTokenException", "LimitExceededException", "InternalFailure", "KMSThrottlingException"} {
		synctest.Test(t, func(t *testing.T) {
			service := newFakeService(1)
			service.onPut = func(*call) error { return apiError(code) }
			p := start(t, service, func(o *Options) { o.Linger = 0 })
			started := time.Now()
			// Fresh records keep coming while the old ones fail.
			for i := range 100 {
				if err := p.PutAsync(t.Context(), record(fmt.Sprint(i), "data"), func(Result) {}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			calls := len(service.requestSizes())
			if elapsed := time.Since(started); calls < 2 || calls > 30 {
				t.Errorf("%s: %d calls in %v, want a few", code, calls, elapsed)
			}
		})
	}
}

func TestARequestThatFailsAsAWholeIsSentAgainInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.onPut = func(c *call) error {
			switch c.number {
			case 1:
				return errors.New("connection reset by peer")
			case 2:
				return apiError("InternalFailure")
			}
			return nil
		}
		p := start(t, service)
		var c collector
		for _, data := range []string{"1", "2", "3"} {
			if err := p.PutAsync(t.Context(), record("key", data), c.take); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range service.userRecords(t) {
			got = append(got, string(r.data))
		}
		if !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("the stream holds %v, want 1 2 3", got)
		}
		if len(c.results) != 3 || len(c.results[0].Attempts) != 3 || c.results[0].Attempts[0].Code != CodeUnknown {
			t.Errorf("results %+v, want three, the first with three attempts", c.results)
		}
	})
}

func TestManyShardsTakeManyTimesTheLimitOfOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(20)
		p := start(t, service)
		started := time.Now()
		for i := range 60_000 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "data"), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		// 3,000 records a shard: a second's worth at once, the rest in two more.
		if elapsed := time.Since(started); elapsed < 1500*time.Millisecond || elapsed > 4*time.Second {
			t.Errorf("60,000 records on 20 shards took %v, want 2 to 3 s", elapsed)
		}
	})
}

func TestTheRandomKeyStaysOverRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.onPut = func(c *call) error {
			for i := range c.codes {
				if c.number < 4 {
					c.codes[i] = "InternalFailure"
				}
			}
			return nil
		}
		p := start(t, service)
		if _, err := p.Put(t.Context(), record("", "data")); err != nil {
			t.Fatal(err)
		}
		first := aws.ToString(service.calls[0].entries[0].PartitionKey)
		for i, c := range service.calls {
			if key := aws.ToString(c.entries[0].PartitionKey); key != first || len(key) < 20 {
				t.Errorf("attempt %d has key %q, the first had %q", i+1, key, first)
			}
		}
		if len(service.calls) != 4 {
			t.Errorf("%d attempts, want 4", len(service.calls))
		}
	})
}

func TestKeyBytesCountTowardsTheRecordSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newFakeService(1))
		data := strings.Repeat("x", 1<<20-3)
		if _, err := p.Put(t.Context(), record("key", data)); err != nil {
			t.Errorf("Put of exactly 1 MiB with its key: %v", err)
		}
		if _, err := p.Put(t.Context(), record("key1", data)); !errors.Is(err, ErrInvalidRecord) {
			t.Errorf("Put of 1 MiB and a byte: %v, want ErrInvalidRecord", err)
		}
	})
}

func TestRecordsOfTenMebibytesFit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.summary.MaxRecordSizeInKiB = aws.Int32(10240)
		p := start(t, service)
		large := record("key", strings.Repeat("x", 10<<20-3))
		for range 2 {
			if _, err := p.Put(t.Context(), large); err != nil {
				t.Fatalf("Put of 10 MiB: %v", err)
			}
		}
		if sizes := service.requestSizes(); !slices.Equal(sizes, []int{1, 1}) {
			t.Errorf("requests of %v records, want two of one", sizes)
		}
	})
}

func TestCloseDoesNotHangOnAServiceThatDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = 24 * time.Hour
		p := start(t, service, func(o *Options) { o.RequestTimeout, o.Deadline = 0, 0 })
		var c collector
		for i := range 5 {
			if err := p.PutAsync(t.Context(), record("key", fmt.Sprint(i)), c.take); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		started := time.Now()
		err := p.Close(ctx)
		if elapsed := time.Since(started); elapsed != 3*time.Second {
			t.Errorf("Close took %v, want the 3s of its context", elapsed)
		}
		var undelivered *UndeliveredError
		if !errors.As(err, &undelivered) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Close: %v, want an UndeliveredError over the deadline", err)
		}
		var returned []string
		for _, r := range undelivered.Records {
			returned = append(returned, string(r.Data))
		}
		if !slices.Equal(returned, []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("Close returned %v, want 0 to 4 in order", returned)
		}
		for i, r := range c.results {
			var rejected *RejectedError
			if !errors.As(r.Err, &rejected) || rejected.Code != CodeClosed || !errors.Is(r.Err, ErrClosed) {
				t.Errorf("result %d: %v, want code closed", i, r.Err)
			}
		}
		if len(c.results) != 5 {
			t.Errorf("%d results, want 5", len(c.results))
		}
	})
}

func TestLastingThrottlingEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.onPut = func(c *call) error {
			for i := range c.codes {
				c.codes[i] = "ProvisionedThroughputExceededException"
			}
			return nil
		}
		p := start(t, service, func(o *Options) { o.Deadline = 5 * time.Second })
		started := time.Now()
		_, err := p.Put(t.Context(), record("key", "data"))
		var rejected *RejectedError
		if !errors.As(err, &rejected) || rejected.Code != "ProvisionedThroughputExceededException" || rejected.ShardID != shardID(0) || rejected.Attempts < 3 {
			t.Errorf("Put: %#v, want a rejection over throttling", err)
		}
		if !IsRetryable(err) {
			t.Errorf("IsRetryable(%v) = false, want true", err)
		}
		if elapsed := time.Since(started); elapsed > 5*time.Second || elapsed < time.Second {
			t.Errorf("the record was given up after %v, want shortly before 5s", elapsed)
		}
	})
}

func TestARecordThatWaitsIsGivenUpAtItsDeadline(t *testing.T) {
	t.Parallel()
	for _, aggregation := range []Aggregation{Off, SameKey} {
		synctest.Test(t, func(t *testing.T) {
			service := newFakeService(1)
			service.latency = time.Minute
			p := start(t, service, aggregating(aggregation), func(o *Options) {
				o.Concurrency, o.RequestTimeout, o.Linger, o.Deadline = 1, 0, 0, 5*time.Second
			})
			if err := p.PutAsync(t.Context(), record("sent", "data"), func(Result) {}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			started := time.Now()
			_, err := p.Put(t.Context(), record("waits", "data"))
			var rejected *RejectedError
			if !errors.As(err, &rejected) || rejected.Code != CodeExpired || rejected.Attempts != 0 || !errors.Is(err, ErrExpired) {
				t.Errorf("%v: Put: %v, want ErrExpired without an attempt", aggregation, err)
			}
			if elapsed := time.Since(started); elapsed < 5*time.Second || elapsed > 6*time.Second {
				t.Errorf("%v: the record was given up after %v, want 5s", aggregation, elapsed)
			}
		})
	}
}

func TestARecordOfAContainerIsGivenUpAtItsOwnDeadline(t *testing.T) {
	t.Parallel()
	for _, aggregation := range []Aggregation{SameKey, ByShard} {
		synctest.Test(t, func(t *testing.T) {
			service := newFakeService(1)
			var givenUp atomic.Bool
			service.onPut = func(c *call) error {
				if !givenUp.Load() {
					c.codes[0] = "InternalFailure"
				}
				return nil
			}
			p := start(t, service, aggregating(aggregation), func(o *Options) { o.Linger, o.Deadline = 5*time.Second, 8*time.Second })
			results := make(map[string]Result)
			for _, data := range []string{"old", "young"} {
				if err := p.PutAsync(t.Context(), record("key", data), func(r Result) {
					results[data] = r
					givenUp.Store(true)
				}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(4 * time.Second)
			}
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			var rejected *RejectedError
			if !errors.As(results["old"].Err, &rejected) || rejected.Code != "InternalFailure" {
				t.Errorf("%v: the older record has %+v, want it given up", aggregation, results["old"])
			}
			got := service.userRecords(t)
			if len(got) != 1 || string(got[0].data) != "young" || results["young"].Err != nil || results["young"].Position.Sub() != 0 {
				t.Errorf("%v: the stream has %q, the younger record %+v; want it alone in its container", aggregation, got, results["young"])
			}
		})
	}
}

func TestARecordIsSentMaxAttemptsTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.onPut = func(c *call) error {
			for i := range c.codes {
				c.codes[i] = "InternalFailure"
			}
			return nil
		}
		p := start(t, service, func(o *Options) { o.MaxAttempts, o.Deadline = 3, 0 })
		_, err := p.Put(t.Context(), record("key", "data"))
		var rejected *RejectedError
		if !errors.As(err, &rejected) || rejected.Code != "InternalFailure" || rejected.Attempts != 3 || len(service.calls) != 3 {
			t.Errorf("Put: %v after %d calls, want a rejection after 3", err, len(service.calls))
		}
	})
}

func TestDataThatLooksLikeAContainerComesBackAsItIs(t *testing.T) {
	t.Parallel()
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: "inner", Data: []byte("inner")})
	container := string(b.AppendTo(nil))
	for _, aggregation := range []Aggregation{SameKey, ByShard} {
		synctest.Test(t, func(t *testing.T) {
			service := newFakeService(1)
			p := start(t, service, aggregating(aggregation))
			if _, err := p.Put(t.Context(), kinetrail.Record{PartitionKey: "outer", Data: []byte(container)}); err != nil {
				t.Fatal(err)
			}
			if got := service.userRecords(t); len(got) != 1 || string(got[0].data) != container || got[0].key != "outer" {
				t.Errorf("%v: the stream holds %q, want the container under its key", aggregation, got)
			}
		})
	}
}

func TestOneBadRecordDoesNotRejectItsRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(2)
		service.onPut = func(c *call) error {
			for _, e := range c.entries {
				if string(e.Data) == "bad" {
					return apiError("ValidationException")
				}
			}
			return nil
		}
		p := start(t, service)
		results := map[string]error{}
		for i := range 10 {
			data := fmt.Sprint(i)
			if i == 4 {
				data = "bad"
			}
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), data), func(r Result) { results[data] = r.Err }); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for data, err := range results {
			if (err != nil) != (data == "bad") {
				t.Errorf("record %s: %v", data, err)
			}
		}
		sizes := service.requestSizes()
		slices.Sort(sizes)
		if len(results) != 10 || !slices.Equal(sizes, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 10}) {
			t.Errorf("%d results, requests of %v records; want 10, and each alone after the first request", len(results), sizes)
		}
	})
}
