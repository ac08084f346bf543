package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/metrics"
)

// foreign is a sink of somebody else: it writes down its calls, and does
// before each what the test tells it, such as panicking or blocking.
type foreign struct {
	before func(call string)

	mu    sync.Mutex
	calls []string
}

func (f *foreign) call(format string, args ...any) {
	call := fmt.Sprintf(format, args...)
	if f.before != nil {
		f.before(call)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

// seen returns the calls so far and starts a new list.
func (f *foreign) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *foreign) resolve(in *metrics.Instrument, labelValues []string) foreignHandle {
	name := in.Name + "/" + strings.Join(labelValues, "/")
	f.call("resolve %s", name)
	return foreignHandle{f, name}
}

func (f *foreign) Counter(in *metrics.Instrument, labelValues ...string) metrics.Counter {
	return f.resolve(in, labelValues)
}

func (f *foreign) Gauge(in *metrics.Instrument, labelValues ...string) metrics.Gauge {
	return f.resolve(in, labelValues)
}

func (f *foreign) Histogram(in *metrics.Instrument, labelValues ...string) metrics.Histogram {
	return f.resolve(in, labelValues)
}

func (f *foreign) Forget(in *metrics.Instrument, labelValues ...string) {
	f.call("forget %s", in.Name+"/"+strings.Join(labelValues, "/"))
}

type foreignHandle struct {
	sink *foreign
	name string
}

func (h foreignHandle) Add(n int64)   { h.sink.call("add %d %s", n, h.name) }
func (h foreignHandle) Set(v float64) { h.sink.call("set %g %s", v, h.name) }
func (h foreignHandle) Observe(_ context.Context, v float64) {
	h.sink.call("observe %g %s", v, h.name)
}

// blocking makes a foreign sink whose calls wait until release is called, and
// those that follow do not.
func blocking() (sink *foreign, release func()) {
	gate := make(chan struct{})
	return &foreign{before: func(string) { <-gate }}, func() { close(gate) }
}

func closeNow(t *testing.T, sink *metrics.Isolated) {
	t.Helper()
	if err := sink.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestIsolatePassesEverythingOnToAForeignSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &foreign{}
		sink := metrics.Isolate(f, nil)
		defer closeNow(t, sink)

		sent := sink.Counter(metrics.ProducerRecordsSent, "s")
		queue := sink.Gauge(metrics.ProducerQueueSize, "s")
		batch := sink.Histogram(metrics.ProducerBatchSize, "s")
		synctest.Wait()
		sent.Add(3)
		synctest.Wait()
		queue.Set(2)
		batch.Observe(t.Context(), 5)
		batch.Observe(t.Context(), 6)
		synctest.Wait()
		sink.Forget(metrics.ProducerQueueSize, "s")
		synctest.Wait()

		want := []string{
			"resolve producer_records_sent_total/s",
			"resolve producer_queue_size/s",
			"resolve producer_batch_size/s",
			"add 3 producer_records_sent_total/s",
			"set 2 producer_queue_size/s",
			"observe 5 producer_batch_size/s",
			"observe 6 producer_batch_size/s",
			"forget producer_queue_size/s",
		}
		if got := f.seen(); !slices.Equal(got, want) {
			t.Errorf("the sink saw\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestIsolateResolvesASeriesOnce(t *testing.T) {
	t.Parallel()
	f := &foreign{}
	sink := metrics.Isolate(f, nil)
	for range 3 {
		sink.Counter(metrics.ProducerRecordsSent, "s").Add(1)
	}
	closeNow(t, sink)
	resolved := 0
	for _, call := range f.seen() {
		if strings.HasPrefix(call, "resolve") {
			resolved++
		}
	}
	if resolved != 1 {
		t.Errorf("the sink resolved %d handles; want 1", resolved)
	}
}

// Emission trace T17, first half.
func TestASinkThatPanicsStopsNobodyAndIsReportedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := &foreign{before: func(call string) {
		if !strings.HasPrefix(call, "resolve") && strings.Contains(call, "sent") {
			panic("out of order")
		}
	}}
	sink := metrics.Isolate(f, slog.New(slog.NewTextHandler(&log, nil)))
	sink.Counter(metrics.ProducerRecordsSent, "s").Add(1)
	sink.Counter(metrics.ProducerBytesSent, "s").Add(1)
	sink.Forget(metrics.ProducerBytesSent, "s")
	sink.Gauge(metrics.ProducerQueueSize, "s").Set(3)
	closeNow(t, sink)

	if got := f.seen(); !slices.Contains(got, "set 3 producer_queue_size/s") {
		t.Errorf("the sink saw %q; want also the calls that do not panic", got)
	}
	got := log.String()
	if strings.Count(got, "level=WARN") != 1 {
		t.Errorf("logged %q; want one warning", got)
	}
	for _, want := range []string{"*metrics_test.foreign", "producer_records_sent_total", "out of order", "isolate_test.go"} {
		if !strings.Contains(got, want) {
			t.Errorf("logged %q; want also %q", got, want)
		}
	}
}

func TestASinkThatPanicsWhileResolvingIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := true
		f := &foreign{before: func(string) {
			if broken {
				panic("not ready")
			}
		}}
		sink := metrics.Isolate(f, slog.New(slog.DiscardHandler))
		sent := sink.Counter(metrics.ProducerRecordsSent, "s")
		synctest.Wait()
		broken = false
		sent.Add(2)
		closeNow(t, sink)
		want := []string{"resolve producer_records_sent_total/s", "add 2 producer_records_sent_total/s"}
		if got := f.seen(); !slices.Equal(got, want) {
			t.Errorf("the sink saw %q; want %q", got, want)
		}
	})
}

// nilSink forgets to return handles.
type nilSink struct{}

func (nilSink) Counter(*metrics.Instrument, ...string) metrics.Counter     { return nil }
func (nilSink) Gauge(*metrics.Instrument, ...string) metrics.Gauge         { return nil }
func (nilSink) Histogram(*metrics.Instrument, ...string) metrics.Histogram { return nil }
func (nilSink) Forget(*metrics.Instrument, ...string)                      {}

func TestASinkThatReturnsNoHandlesStopsNobody(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	sink := metrics.Isolate(nilSink{}, slog.New(slog.NewTextHandler(&log, nil)))
	sink.Counter(metrics.ProducerRecordsSent, "s").Add(1)
	sink.Gauge(metrics.ProducerQueueSize, "s").Set(1)
	sink.Histogram(metrics.ProducerBatchSize, "s").Observe(t.Context(), 1)
	closeNow(t, sink)
	if got := strings.Count(log.String(), "level=WARN"); got != 1 {
		t.Errorf("logged %d warnings; want 1", got)
	}
}

// Emission trace T17, second half. In the bubble a caller that waited for the
// sink would be a deadlock.
func TestASinkThatBlocksStopsNobodyAndLosesNoCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, release := blocking()
		sink := metrics.Isolate(f, nil)
		sent := sink.Counter(metrics.ProducerRecordsSent, "s")
		synctest.Wait() // until the goroutine hangs in the sink
		queue := sink.Gauge(metrics.ProducerQueueSize, "s")
		batch := sink.Histogram(metrics.ProducerBatchSize, "s")
		for i := range 1000 {
			sent.Add(2)
			queue.Set(float64(i))
		}
		batch.Observe(t.Context(), 7)
		sink.Counter(metrics.ProducerBytesSent, "s").Add(9)
		release()
		closeNow(t, sink)

		want := []string{
			"resolve producer_records_sent_total/s",
			"resolve producer_queue_size/s",
			"set 999 producer_queue_size/s",
			"resolve producer_batch_size/s",
			"observe 7 producer_batch_size/s",
			"add 2000 producer_records_sent_total/s",
			"resolve producer_bytes_sent_total/s",
			"add 9 producer_bytes_sent_total/s",
		}
		if got := f.seen(); !slices.Equal(got, want) {
			t.Errorf("the sink saw\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// sumOf adds up the adds of one series.
func sumOf(calls []string, series string) (sum int64) {
	for _, call := range calls {
		var n int64
		var of string
		if _, err := fmt.Sscanf(call, "add %d %s", &n, &of); err == nil && of == series {
			sum += n
		}
	}
	return sum
}

func TestValuesThatFindNoPlaceAreDroppedCountedAndReportedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f, release := blocking()
		sink := metrics.Isolate(f, slog.New(slog.NewTextHandler(&log, nil)))
		batch := sink.Histogram(metrics.ProducerBatchSize, "s")
		// Now the goroutine hangs in resolving the handle, with nothing taken.
		synctest.Wait()
		for i := range metrics.MaxWaitingValues + 10 {
			batch.Observe(t.Context(), float64(i))
		}
		if got := sink.Dropped(); got != 10 {
			t.Errorf("Dropped() = %d; want 10", got)
		}
		got := log.String()
		if strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "*metrics_test.foreign") {
			t.Errorf("logged %q; want one warning that names the sink", got)
		}

		release()
		synctest.Wait()
		batch.Observe(t.Context(), -1)
		closeNow(t, sink)
		seen := f.seen()[1:]
		if len(seen) != metrics.MaxWaitingValues+1 {
			t.Fatalf("the sink saw %d values; want the %d that waited and one more", len(seen), metrics.MaxWaitingValues)
		}
		first, last := "observe 0 producer_batch_size/s", "observe -1 producer_batch_size/s"
		if seen[0] != first || seen[len(seen)-1] != last {
			t.Errorf("the sink saw %q first and %q last; want %q and %q", seen[0], seen[len(seen)-1], first, last)
		}
	})
}

func TestHandlesOfForgottenSeriesTakeNoPlaceFromOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &foreign{}
		sink := metrics.Isolate(f, nil)
		old := sink.Histogram(metrics.ConsumerProcessingTime, "s", "shard-0")
		metrics.ForgetShard(sink, "s", "shard-0")
		synctest.Wait()
		f.seen()
		for range metrics.MaxWaitingValues + 1 {
			old.Observe(t.Context(), 1)
		}
		sink.Histogram(metrics.ConsumerProcessingTime, "s", "shard-1").Observe(t.Context(), 2)
		closeNow(t, sink)
		want := []string{"resolve consumer_processing_time_seconds/s/shard-1", "observe 2 consumer_processing_time_seconds/s/shard-1"}
		if got := f.seen(); !slices.Equal(got, want) || sink.Dropped() != 0 {
			t.Errorf("the sink saw %q, %d dropped; want %q and 0", got, sink.Dropped(), want)
		}
	})
}

func TestIsolateIgnoresAddsBelowZero(t *testing.T) {
	t.Parallel()
	f := &foreign{}
	sink := metrics.Isolate(f, nil)
	sent := sink.Counter(metrics.ProducerRecordsSent, "s")
	sent.Add(-1)
	sent.Add(3)
	sent.Add(-1)
	closeNow(t, sink)
	if got := sumOf(f.seen(), "producer_records_sent_total/s"); got != 3 {
		t.Errorf("after adds of -1, 3 and -1 the sink saw %d; want 3", got)
	}
}

func TestCloseDeliversWhatWaitsAndEndsTheGoroutine(t *testing.T) {
	t.Parallel()
	// The bubble ends only when all goroutines in it have.
	synctest.Test(t, func(t *testing.T) {
		f := &foreign{}
		sink := metrics.Isolate(f, nil)
		sent := sink.Counter(metrics.ProducerRecordsSent, "s")
		sent.Add(4)
		closeNow(t, sink)
		if got := sumOf(f.seen(), "producer_records_sent_total/s"); got != 4 {
			t.Errorf("the sink saw %d records before Close returned; want 4", got)
		}

		sent.Add(1)
		sink.Gauge(metrics.ProducerQueueSize, "s").Set(1)
		batch := sink.Histogram(metrics.ProducerBatchSize, "s")
		for range metrics.MaxWaitingValues + 1 {
			batch.Observe(t.Context(), 1)
		}
		sink.Forget(metrics.ProducerRecordsSent)
		closeNow(t, sink)
		if got := f.seen(); len(got) != 0 || sink.Dropped() != 0 {
			t.Errorf("after Close the sink saw %q, %d dropped; want nothing", got, sink.Dropped())
		}
	})
}

func TestCloseGivesUpOnASinkThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, release := blocking()
		sink := metrics.Isolate(f, nil)
		sent := sink.Counter(metrics.ProducerRecordsSent, "s")
		sent.Add(4)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := sink.Close(ctx)
		want := "close metrics sink *metrics_test.foreign: it has not taken its last values: context deadline exceeded"
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
			t.Errorf("Close = %q; want %q", err, want)
		}
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("Close took %v; want the 3 s of its ctx", waited)
		}
		sent.Add(1)
		release()
		closeNow(t, sink)
		if got := sumOf(f.seen(), "producer_records_sent_total/s"); got != 4 {
			t.Errorf("the sink saw %d records once it moved on; want the 4 of before Close", got)
		}
	})
}

func TestCloseTakesAFinishedSinkForFinishedAlsoWhenCtxIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := metrics.Isolate(&foreign{}, nil)
		closeNow(t, sink)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			if err := sink.Close(over); err != nil {
				t.Fatalf("Close of a closed sink with an ended ctx = %v; want nil", err)
			}
		}
	})
}

func TestTrustedSinksAreCalledDirectly(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	own := metrics.Isolate(m, nil)
	for name, sink := range map[string]metrics.Sink{"Memory": m, "Isolated": own} {
		isolated := metrics.Isolate(sink, nil)
		if got, want := isolated.Counter(metrics.ProducerRecordsSent, "s"), m.Counter(metrics.ProducerRecordsSent, "s"); got != want {
			t.Errorf("the counter of an isolated %s is a %T; want the Memory's own", name, got)
		}
		if got, want := isolated.Gauge(metrics.ProducerQueueSize, "s"), m.Gauge(metrics.ProducerQueueSize, "s"); got != want {
			t.Errorf("the gauge of an isolated %s is a %T; want the Memory's own", name, got)
		}
		if got, want := isolated.Histogram(metrics.ProducerBatchSize, "s"), m.Histogram(metrics.ProducerBatchSize, "s"); got != want {
			t.Errorf("the histogram of an isolated %s is a %T; want the Memory's own", name, got)
		}
		isolated.Forget(metrics.ProducerRecordsSent)
		if got := m.Counters(); len(got) != 0 {
			t.Errorf("after Forget on an isolated %s: %v; want nothing", name, got)
		}
		closeNow(t, isolated)
	}
}

func TestASinkThatBlocksDoesNotHoldUpTheOthersOfAMulti(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck, release := blocking()
		panics := &foreign{before: func(string) { panic("no") }}
		healthy, memory := &foreign{}, metrics.NewMemory()
		sink := metrics.Isolate(metrics.Multi(stuck, memory, panics, healthy), slog.New(slog.DiscardHandler))
		sink.Counter(metrics.ProducerRecordsSent, "s").Add(1)
		want := map[string]int64{"producer_records_sent_total{stream_name=s}": 1}
		if got := memory.Counters(); !maps.Equal(got, want) {
			t.Errorf("the Memory holds %v at once; want %v", got, want)
		}
		synctest.Wait()
		if got := sumOf(healthy.seen(), "producer_records_sent_total/s"); got != 1 {
			t.Errorf("the healthy sink saw %d records while another hangs; want 1", got)
		}
		release()
		closeNow(t, sink)
	})
}

func TestASeriesGetsItsLastValuesBeforeItIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, release := blocking()
		sink := metrics.Isolate(f, nil)
		sink.Counter(metrics.ProducerRecordsSent, "s") // hangs here
		synctest.Wait()
		out := sink.Counter(metrics.ConsumerOutOfRange, "s", "shard-0")
		age := sink.Gauge(metrics.ConsumerIteratorAge, "s", "shard-0")
		out.Add(3)
		age.Set(12)
		metrics.ForgetShard(sink, "s", "shard-0")
		release()
		synctest.Wait()
		out.Add(1)
		age.Set(13)
		closeNow(t, sink)
		got := slices.DeleteFunc(f.seen(), func(call string) bool {
			known := strings.Contains(call, metrics.ConsumerOutOfRange.Name) || strings.Contains(call, metrics.ConsumerIteratorAge.Name)
			return strings.HasPrefix(call, "resolve") || !known
		})
		want := []string{
			"add 3 consumer_out_of_range_total/s/shard-0",
			"forget consumer_out_of_range_total/s/shard-0",
			"forget consumer_iterator_age_milliseconds/s/shard-0",
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("the sink saw %q; want %q: nothing through handles of forgotten series", got, want)
		}
	})
}

// A consumer that was stopped and made again has another guard before the same
// sink.
func TestSeriesOfAGuardBeforeAreForgotten(t *testing.T) {
	t.Parallel()
	memory := metrics.NewMemory()
	fed := struct{ metrics.Sink }{memory} // hides that a Memory is Trusted
	before := metrics.Isolate(fed, nil)
	metrics.NewCounterSet(before, metrics.ConsumerErrors, "s", "shard-0").Add("InternalFailure", 1)
	before.Counter(metrics.ConsumerErrors, "s", "shard-1", "InternalFailure").Add(1)
	closeNow(t, before)
	after := metrics.Isolate(fed, nil)
	after.Counter(metrics.ConsumerRecordsReceived, "s", "shard-0")
	metrics.ForgetShard(after, "s", "shard-0")
	after.Counter(metrics.ConsumerRecordsReceived, "s", "shard-0").Add(2)
	closeNow(t, after)
	want := map[string]int64{
		"consumer_errors_total{error_type=InternalFailure,shard_id=shard-1,stream_name=s}": 1,
		"consumer_records_received_total{shard_id=shard-0,stream_name=s}":                  2,
	}
	if got := memory.Counters(); !maps.Equal(got, want) {
		t.Errorf("the sink has %v; want %v: nothing of shard-0 but what came after it was forgotten", got, want)
	}
}

func TestASeriesThatComesBackStartsAfresh(t *testing.T) {
	t.Parallel()
	const age = "consumer_iterator_age_milliseconds/s/shard-0"
	t.Run("after the sink has forgotten it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := &foreign{}
			sink := metrics.Isolate(f, nil)
			resolve := func() metrics.Gauge { return sink.Gauge(metrics.ConsumerIteratorAge, "s", "shard-0") }
			resolve().Set(1)
			synctest.Wait()
			sink.Forget(metrics.ConsumerIteratorAge, "s", "shard-0")
			synctest.Wait()
			resolve().Set(2)
			closeNow(t, sink)
			want := []string{"resolve " + age, "set 1 " + age, "forget " + age, "resolve " + age, "set 2 " + age}
			if got := f.seen(); !slices.Equal(got, want) {
				t.Errorf("the sink saw %q; want %q", got, want)
			}
		})
	})
	t.Run("while the sink is slow", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f, release := blocking()
			sink := metrics.Isolate(f, nil)
			resolve := func() metrics.Gauge { return sink.Gauge(metrics.ConsumerIteratorAge, "s", "shard-0") }
			resolve().Set(1)
			synctest.Wait()
			for i := range 100 {
				sink.Forget(metrics.ConsumerIteratorAge, "s", "shard-0")
				resolve().Set(float64(i))
			}
			release()
			closeNow(t, sink)
			got := f.seen()
			// The hundred rounds have become one.
			got = got[slices.Index(got, "forget "+age):]
			want := []string{"forget " + age, "resolve " + age, "set 99 " + age}
			if !slices.Equal(got, want) {
				t.Errorf("the sink saw at last %q; want %q", got, want)
			}
		})
	})
	t.Run("without a value while the sink is slow", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f, release := blocking()
			sink := metrics.Isolate(f, nil)
			sink.Gauge(metrics.ConsumerIteratorAge, "s", "shard-0").Set(1)
			synctest.Wait()
			sink.Forget(metrics.ConsumerIteratorAge, "s", "shard-0")
			sink.Gauge(metrics.ConsumerIteratorAge, "s", "shard-0")
			release()
			closeNow(t, sink)
			got := f.seen()
			got = got[slices.Index(got, "forget "+age):]
			if want := []string{"forget " + age, "resolve " + age}; !slices.Equal(got, want) {
				t.Errorf("the sink saw at last %q; want %q and no value", got, want)
			}
		})
	})
}

// mirror is a foreign sink that keeps what it is told in a Memory, so that the
// way through the goroutine can be compared with the direct one.
type mirror struct{ m *metrics.Memory }

func (f mirror) Counter(in *metrics.Instrument, v ...string) metrics.Counter {
	return f.m.Counter(in, v...)
}

func (f mirror) Gauge(in *metrics.Instrument, v ...string) metrics.Gauge {
	return f.m.Gauge(in, v...)
}

func (f mirror) Histogram(in *metrics.Instrument, v ...string) metrics.Histogram {
	return f.m.Histogram(in, v...)
}

func (f mirror) Forget(in *metrics.Instrument, v ...string) { f.m.Forget(in, v...) }

// Whatever is recorded, a foreign sink ends where a direct one does.
func TestAForeignSinkEndsWithTheSameValuesAsADirectOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		direct, fed := metrics.NewMemory(), metrics.NewMemory()
		isolated := metrics.Isolate(mirror{fed}, nil)
		both := []metrics.Sink{direct, isolated}
		shards := []string{"shard-0", "shard-1"}
		ctx := context.Background()
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			shard := rapid.SampledFrom(shards).Draw(t, "shard")
			step := rapid.SampledFrom([]string{"add", "set", "observe", "error", "forget", "yield"}).Draw(t, "step")
			n := rapid.IntRange(0, 9).Draw(t, "n")
			for _, sink := range both {
				switch step {
				case "add":
					sink.Counter(metrics.ProducerRecordsSent, "s").Add(int64(n))
				case "set":
					sink.Gauge(metrics.ConsumerIteratorAge, "s", shard).Set(float64(n))
				case "observe":
					sink.Histogram(metrics.ProducerBatchSize, "s").Observe(ctx, float64(n))
				case "error":
					sink.Counter(metrics.ProducerErrors, "s", fmt.Sprint(n)).Add(1)
				case "forget":
					sink.Forget(metrics.ConsumerIteratorAge, "s", shard)
				}
			}
			if step == "yield" {
				runtime.Gosched()
			}
		}
		if err := isolated.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if got, want := fed.Snapshot(), direct.Snapshot(); !reflect.DeepEqual(got, want) {
			t.Errorf("the foreign sink holds %v; want what a direct one holds, %v", got, want)
		}
	})
}

func TestIsolatedIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	const workers, rounds = 8, 200
	m := metrics.NewMemory()
	sink := metrics.Isolate(mirror{m}, nil)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			shard := fmt.Sprintf("shard-%d", worker)
			for i := range rounds {
				sink.Counter(metrics.ProducerRecordsSent, "s").Add(1)
				sink.Gauge(metrics.ProducerQueueSize, "s").Set(float64(i))
				sink.Histogram(metrics.ProducerBatchSize, "s").Observe(context.Background(), 1)
				sink.Counter(metrics.ConsumerOutOfRange, "s", shard).Add(1)
				if i%20 == 0 {
					metrics.ForgetShard(sink, "s", shard)
				}
			}
			metrics.ForgetShard(sink, "s", shard)
		})
	}
	all.Wait()
	closeNow(t, sink)
	counters := m.Counters()
	if got := counters["producer_records_sent_total{stream_name=s}"]; got != workers*rounds {
		t.Errorf("the sink counted %d records; want %d", got, workers*rounds)
	}
	for key := range counters {
		if strings.Contains(key, "shard_id") {
			t.Errorf("%s is still there after its shard was forgotten", key)
		}
	}
	if got := m.Histograms()["producer_batch_size{stream_name=s}"].Count + sink.Dropped(); got != workers*rounds {
		t.Errorf("the sink saw or dropped %d values; want %d", got, workers*rounds)
	}
}
