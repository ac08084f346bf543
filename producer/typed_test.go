package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/codec"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// results collects the results of values, in the order of the callbacks.
type results struct{ of map[string]Result }

func (r *results) take(value string) func(Result) {
	return func(result Result) {
		if r.of == nil {
			r.of = map[string]Result{}
		}
		if _, again := r.of[value]; again {
			panic("a second result for " + value)
		}
		r.of[value] = result
	}
}

// datas are the data of the stored records, in the order of storing.
func (f *fakeService) datas() (datas []string) {
	f.with(func() {
		for _, r := range f.stored {
			datas = append(datas, string(r.data))
		}
	})
	return datas
}

func TestTypedPutsOneValueIntoARecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		values := NewTyped(start(t, service), codec.JSON[map[string]int]())
		result, err := values.Put(t.Context(), "key", map[string]int{"n": 1})
		if err != nil || result.ShardID != shardID(0) {
			t.Fatalf("Put = %+v, %v; want shard %s", result, err, shardID(0))
		}
		if got, want := service.datas(), []string{`{"n":1}`}; !slices.Equal(got, want) {
			t.Errorf("the stream has %q, want %q", got, want)
		}
	})
}

func TestTypedPacksConsecutiveValuesOfOneKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service)
		values := NewTyped(p, codec.JSONLines[string]())
		var got results
		for _, put := range []struct{ key, value string }{{"a", "1"}, {"a", "2"}, {"b", "3"}, {"a", "4"}} {
			if err := values.PutAsync(t.Context(), put.key, put.value, got.take(put.value)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		stored := service.datas()
		slices.Sort(stored) // the keys are several
		if want := []string{"\"1\"\n\"2\"\n", "\"3\"\n", "\"4\"\n"}; !slices.Equal(stored, want) {
			t.Errorf("the stream has %q, want %q", stored, want)
		}
		if len(got.of) != 4 || got.of["1"].Position != got.of["2"].Position || got.of["1"].Position == got.of["4"].Position {
			t.Errorf("results %+v, want one for each value, the same for 1 and 2 alone", got.of)
		}
	})
}

func TestTypedSendsWhatHasLingered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, func(o *Options) { o.Linger = time.Second })
		values := NewTyped(p, codec.JSONLines[int]())
		for i := range 3 {
			if err := values.PutAsync(t.Context(), "key", i, func(Result) {}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond)
		}
		if got := service.datas(); len(got) > 0 {
			t.Errorf("after 0.9 s the stream has %q, want nothing", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got, want := service.datas(), []string{"0\n1\n2\n"}; !slices.Equal(got, want) {
			t.Errorf("the stream has %q, want %q", got, want)
		}
	})
}

func TestTypedWithoutLingerSendsEachValueAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		values := NewTyped(start(t, service, func(o *Options) { o.Linger = 0 }), codec.JSONLines[int]())
		for i := range 3 {
			if err := values.PutAsync(t.Context(), "key", i, func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got, want := service.datas(), []string{"0\n", "1\n", "2\n"}; !slices.Equal(got, want) {
			t.Errorf("the stream has %q, want %q", got, want)
		}
	})
}

func TestTypedFillsRecordsAndPutsLargeValuesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, func(o *Options) { o.MaxContainerBytes = 103 })
		values := NewTyped(p, codec.JSONLines[string]())
		large := strings.Repeat("x", 200)
		var got results
		for i, v := range []string{strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 40), large, "d"} {
			if err := values.PutAsync(t.Context(), "key", v, got.take(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var sizes []int
		for _, d := range service.datas() {
			sizes = append(sizes, len(d))
		}
		if want := []int{86, 43, 203, 4}; !slices.Equal(sizes, want) {
			t.Errorf("the records have %v bytes, want %v", sizes, want)
		}
		if len(got.of) != 5 {
			t.Errorf("%d results, want 5", len(got.of))
		}
	})
}

func TestTypedReturnsWhatTheCodecCannotEncode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service)
		values := NewTyped(p, codec.JSONLines[any]())
		if err := values.PutAsync(t.Context(), "key", func() {}, func(Result) { t.Error("a result") }); err == nil {
			t.Error("a function was encoded")
		}
		if err := values.PutAsync(t.Context(), strings.Repeat("k", 257), 1, func(Result) { t.Error("a result") }); !errors.Is(err, ErrInvalidRecord) {
			t.Errorf("a key of 257 characters: %v, want %v", err, ErrInvalidRecord)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := service.datas(); len(got) > 0 {
			t.Errorf("the stream has %q, want nothing", got)
		}
	})
}

func TestTypedCarriesTheContextOfTheFirstValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, func(o *Options) { o.Carrier, o.CreateSpans = tracecarrier.Traceparent, false })
		values := NewTyped(p, codec.JSONLines[int]())
		if err := values.PutAsync(spanContext(t, traceparent), "key", 1, func(Result) {}); err != nil {
			t.Fatal(err)
		}
		if err := values.PutAsync(t.Context(), "key", 2, func(Result) {}); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(service.stored) != 1 || service.stored[0].key != traceparent {
			t.Errorf("the stream has %+v, want one record under the key %s", service.stored, traceparent)
		}
	})
}

func TestCloseSendsWhatIsBeingPacked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service)
		values := NewTyped(p, codec.JSONLines[int]())
		var got results
		if err := values.PutAsync(t.Context(), "key", 1, got.take("1")); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stored := service.datas(); len(stored) != 1 || len(got.of) != 1 || got.of["1"].Err != nil {
			t.Errorf("the stream has %q, the results are %+v; want the value in both", stored, got.of)
		}
		if err := values.PutAsync(t.Context(), "key", 2, func(Result) { t.Error("a result") }); !errors.Is(err, ErrClosed) {
			t.Errorf("PutAsync after Close: %v, want %v", err, ErrClosed)
		}
		late := NewTyped(p, codec.JSONLines[int]())
		if err := late.PutAsync(t.Context(), "key", 3, func(Result) { t.Error("a result") }); !errors.Is(err, ErrClosed) {
			t.Errorf("PutAsync of a Typed made after Close: %v, want %v", err, ErrClosed)
		}
	})
}

func TestCloseReturnsWhatItCouldNotPack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = time.Hour
		p := start(t, service, func(o *Options) { o.MaxBufferedRecords, o.RequestTimeout, o.Linger = 1, 0, time.Millisecond })
		values := NewTyped(p, codec.JSONLines[int]())
		var got results
		for i := range 4 {
			if err := values.PutAsync(t.Context(), "key", i, got.take(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // the first is sent, the second waits for room
			if i == 1 {
				break
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Close(ctx)
		var undelivered *UndeliveredError
		if !errors.As(err, &undelivered) || len(undelivered.Records) != 2 {
			t.Fatalf("Close: %v, want an UndeliveredError with both records", err)
		}
		if len(got.of) != 2 {
			t.Errorf("results %+v, want one for each value", got.of)
		}
		for value, r := range got.of {
			if !errors.Is(r.Err, ErrClosed) {
				t.Errorf("value %s: %v, want %v", value, r.Err, ErrClosed)
			}
		}
	})
}

func TestTypedStopsWaitingForRoomWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = time.Minute
		p := start(t, service, func(o *Options) { o.MaxBufferedRecords, o.RequestTimeout, o.Deadline, o.Linger = 1, 0, 0, 0 })
		values := NewTyped(p, codec.JSONLines[int]())
		var got results
		var accepted []string
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			value := fmt.Sprint(i)
			if err := values.PutAsync(ctx, "key", i, got.take(value)); err == nil {
				accepted = append(accepted, value)
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("value %d: %v, want %v", i, err, context.DeadlineExceeded)
			}
			cancel()
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(got.of) != len(accepted) {
			t.Errorf("%d values were accepted, %q, and %d had results", len(accepted), accepted, len(got.of))
		}
		if stored := service.datas(); !slices.Equal(stored, []string{"0\n", "1\n"}) {
			t.Errorf("the stream has %q, want the values 0 and 1", stored)
		}
	})
}

func TestTypedSendsWhatACallThatGaveUpHasLeft(t *testing.T) {
	t.Parallel()
	for name, giveUp := range map[string]func(context.Context, *Producer, *Typed[string]) error{
		"Flush": func(ctx context.Context, p *Producer, _ *Typed[string]) error { return p.Flush(ctx) },
		"a value of another key": func(ctx context.Context, _ *Producer, values *Typed[string]) error {
			return values.PutAsync(ctx, "other", "b", func(Result) {})
		},
		"a value that shares no record": func(ctx context.Context, _ *Producer, values *Typed[string]) error {
			return values.PutAsync(ctx, "key", strings.Repeat("b", 60_000), func(Result) {})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			service := newFakeService(1)
			service.latency = 3 * time.Second
			p := start(t, service, func(o *Options) { o.MaxBufferedRecords = 1 })
			values := NewTyped(p, codec.JSONLines[string]())
			if err := p.PutAsync(t.Context(), record("key", "takes all the room"), func(Result) {}); err != nil {
				t.Fatal(err)
			}
			sent := make(chan error, 1)
			if err := values.PutAsync(t.Context(), "key", "a", func(r Result) { sent <- r.Err }); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if err := giveUp(ctx, p, values); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want %v", name, err, context.DeadlineExceeded)
			}
			select {
			case err := <-sent:
				if err != nil {
					t.Errorf("%s: the value before: %v, want that it was sent", name, err)
				}
			case <-time.After(10 * time.Second):
				t.Errorf("%s: after 10 s the value before has no result", name)
			}
		})
	}
}

// spanContext is the context of a caller with this span.
func spanContext(t *testing.T, parent string) context.Context {
	return otelcarrier.ContextWith(t.Context(), kinetrail.TraceContext{Parent: parent})
}
