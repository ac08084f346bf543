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
	"unsafe"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestPutRefusesWhatTheServiceWouldRefuse(t *testing.T) {
	t.Parallel()
	carried, _, _ := tracecarrier.Writer{Carrier: tracecarrier.Lossless}.Write("key", "", kinetrail.TraceContext{Parent: traceparent})
	lookAlike := "00-" + strings.Repeat("0", 32) + "-" + strings.Repeat("0", 16) + "-00-k1=" + strings.Repeat("x", 190)
	tests := []struct {
		name    string
		record  kinetrail.Record
		options func(*Options)
		want    error
		says    string
	}{
		{name: "a key of 257 characters", record: record(strings.Repeat("k", 257), "d"), want: ErrInvalidRecord, says: "257 characters"},
		{name: "a key of 129 characters outside the basic plane", record: record(strings.Repeat("😀", 129), "d"), want: ErrInvalidRecord, says: "258 characters"},
		{name: "a key of 256 two-byte characters", record: record(strings.Repeat("é", 256), "d")},
		{name: "a key that is not UTF-8", record: record("k\xff", "d"), want: ErrInvalidRecord, says: "UTF-8"},
		{name: "a hash key of 2^128", record: kinetrail.Record{PartitionKey: "k", ExplicitHashKey: "340282366920938463463374607431768211456"}, want: ErrInvalidRecord, says: "hash key"},
		{name: "a hash key that is no number", record: kinetrail.Record{PartitionKey: "k", ExplicitHashKey: "-1"}, want: ErrInvalidRecord, says: "hash key"},
		{name: "a record over 1 MiB", record: record("k", strings.Repeat("x", 1<<20)), want: ErrInvalidRecord, says: "1048577 bytes"},
		{name: "headers on plain records", record: kinetrail.Record{PartitionKey: "k", Headers: []kinetrail.Header{{Name: "a", Value: "b"}}}, want: ErrHeadersNeedContainer},
		{
			name: "headers with aggregation", record: kinetrail.Record{PartitionKey: "k", Headers: []kinetrail.Header{{Name: "a", Value: "b"}}},
			options: aggregating(SameKey),
		},
		{
			name: "headers with the headers carrier", record: kinetrail.Record{PartitionKey: "k", Headers: []kinetrail.Header{{Name: "a", Value: "b"}}},
			options: func(o *Options) { o.Carrier = tracecarrier.Headers },
		},
		{
			name: "a header without a name", record: kinetrail.Record{PartitionKey: "k", Headers: []kinetrail.Header{{Value: "b"}}},
			options: aggregating(SameKey), want: ErrInvalidRecord, says: "header 0",
		},
		{
			name: "a header that is not UTF-8", record: kinetrail.Record{PartitionKey: "k", Headers: []kinetrail.Header{{Name: "a", Value: "\xff"}}},
			options: aggregating(SameKey), want: ErrInvalidRecord, says: "header 0",
		},
		{
			name: "headers too large for any container", record: kinetrail.Record{PartitionKey: "k", Headers: []kinetrail.Header{{Name: "a", Value: strings.Repeat("b", 1<<20)}}},
			options: aggregating(ByShard), want: ErrInvalidRecord, says: "the stream allows 1048576",
		},
		{
			name: "a key that looks like a carried one, without the room to escape it", record: record(carried, strings.Repeat("x", 1<<20-len(carried))),
			options: func(o *Options) { o.Carrier = tracecarrier.Lossless }, want: ErrInvalidRecord, says: "the stream allows 1048576",
		},
		{
			name: "a key that cannot be told from a carrier", record: record(lookAlike, "d"),
			options: func(o *Options) { o.Carrier = tracecarrier.Lossless }, want: ErrInvalidRecord, says: "trace context",
		},
		{
			name: "a record larger than the buffer", record: record("k", strings.Repeat("x", 2000)),
			options: func(o *Options) { o.MaxBufferedBytes = 1000 }, want: ErrInvalidRecord, says: "MaxBufferedBytes",
		},
		{name: "no data", record: record("k", "")},
		{name: "no key", record: record("", "d")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newFakeService(1)
				p := start(t, service, func(o *Options) {
					if tt.options != nil {
						tt.options(o)
					}
				})
				_, err := p.Put(t.Context(), tt.record)
				if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("Put: %v; want %v saying %q", err, tt.want, tt.says)
				}
				if refused := len(service.stored) == 0; refused != (tt.want != nil) {
					t.Errorf("%d records in the stream, error wanted: %v", len(service.stored), tt.want)
				}
			})
		})
	}
}

func TestARecordOfGibibytesIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newFakeService(1))
		for _, bits := range []int{31, 32} {
			r := record("key", "data")
			// Of so much data there is only the length: nobody may look at it.
			(*struct {
				data     unsafe.Pointer
				len, cap int
			})(unsafe.Pointer(&r.Data)).len = 1 << bits
			if _, err := p.Put(t.Context(), r); !errors.Is(err, ErrInvalidRecord) {
				t.Errorf("Put of 2^%d bytes: %v, want ErrInvalidRecord", bits, err)
			}
		}
	})
}

func TestPutAsyncNeedsACallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newFakeService(1))
		if err := p.PutAsync(t.Context(), record("a", "b"), nil); !errors.Is(err, ErrInvalidRecord) {
			t.Errorf("PutAsync without a callback: %v, want ErrInvalidRecord", err)
		}
	})
}

func TestAStalledServiceFillsTheBufferAndNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(2)
		service.latency = time.Hour
		p := start(t, service, func(o *Options) {
			o.MaxBufferedBytes, o.RequestTimeout, o.Deadline = 10_000, 0, 0
		})
		var c collector
		accepted := 0
		var err error
		for ; err == nil; accepted++ {
			err = p.TryPut(t.Context(), record("key", fmt.Sprintf("%097d", accepted)), c.take)
		}
		accepted--
		if accepted != 100 || !errors.Is(err, ErrBufferFull) || !IsRetryable(err) {
			t.Fatalf("TryPut took %d records of 100 bytes into 10,000 bytes, then said %v; want 100, ErrBufferFull", accepted, err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		if _, err := p.Put(ctx, record("key", "late")); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != time.Second {
			t.Errorf("Put on a full buffer: %v after %v, want the context's end after 1s", err, time.Since(started))
		}

		service.with(func() { service.latency = 0 })
		done := make(chan error)
		go func() {
			_, err := p.Put(t.Context(), record("key", "last"))
			done <- err
		}()
		if err := <-done; err != nil {
			t.Errorf("Put while the buffer drains: %v", err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := service.userRecords(t)
		for i, r := range got {
			want := fmt.Sprintf("%097d", i)
			if i == 100 {
				want = "last"
			}
			if string(r.data) != want {
				t.Errorf("record %d of the stream is %s, want %s", i, r.data, want)
			}
		}
		if len(got) != 101 || len(c.results) != 100 {
			t.Errorf("%d records in the stream, %d results; want 101, 100", len(got), len(c.results))
		}
	})
}

func TestASlowCallbackDoesNotStopSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, func(o *Options) { o.Linger, o.MaxBufferedRecords = 0, 40 })
		release := make(chan struct{})
		if err := p.PutAsync(t.Context(), record("slow", "0"), func(Result) { <-release }); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if _, err := p.Put(t.Context(), record("key", fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		var c collector
		var err error
		for err == nil {
			err = p.TryPut(t.Context(), record("other", "data"), c.take)
			synctest.Wait()
		}
		if stored := len(service.stored); stored != 60 || !errors.Is(err, ErrBufferFull) {
			t.Errorf("%d records were sent behind a callback that hangs, then %v; want 60, ErrBufferFull", stored, err)
		}
		close(release)
		if err := p.Flush(t.Context()); err != nil || len(c.results) != 39 {
			t.Errorf("Flush: %v, %d results; want 39", err, len(c.results))
		}
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = 5 * time.Second
		p := start(t, service)
		if err := p.PutAsync(t.Context(), record("a", "b"), func(Result) {}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush: %v, want the deadline of its context", err)
		}
		if err := p.Flush(t.Context()); err != nil || len(service.stored) != 1 {
			t.Errorf("second Flush: %v with %d records in the stream, want 1", err, len(service.stored))
		}
	})
}

func TestPutThatStopsWaitingLeavesTheRecordOnItsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = 2 * time.Second
		p := start(t, service)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Put(ctx, record("a", "b")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "accepted") {
			t.Errorf("Put: %v, want that the record was accepted and the deadline passed", err)
		}
		if err := p.Close(t.Context()); err != nil || len(service.stored) != 1 {
			t.Errorf("Close: %v with %d records in the stream, want 1", err, len(service.stored))
		}
	})
}

// traced is a record that brings its own context.
func traced(key, data string) kinetrail.Record {
	r := record(key, data)
	r.Trace = kinetrail.TraceContext{Parent: traceparent}
	return r
}

func TestTheContextIsLeftOutBeforeARecordIsRefused(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("x", 1<<20-3) // with the key "key" exactly 1 MiB
	writer, stateful := tracecarrier.Writer{Carrier: tracecarrier.Lossless}, kinetrail.TraceContext{Parent: traceparent, State: "vendor=state"}
	lookAlike, _, _ := writer.Write("key", "", stateful)
	escaped, _, _ := writer.Write(lookAlike, "", kinetrail.TraceContext{})
	tests := []struct {
		name      string
		options   func(*Options)
		record    kinetrail.Record
		carried   bool
		container bool
		count     string // of the trace counters
	}{
		{name: "key carrier, room", options: func(o *Options) { o.Carrier = tracecarrier.Lossless }, record: traced("key", "d"), carried: true, count: "trace_injected_total{stream_name=orders}"},
		{name: "key carrier, no room", options: func(o *Options) { o.Carrier = tracecarrier.Lossless }, record: traced("key", full), count: "trace_skipped_total{reason=size,stream_name=orders}"},
		{
			name: "key carrier, room to escape the key and no more", options: func(o *Options) { o.Carrier = tracecarrier.Lossless },
			record: kinetrail.Record{PartitionKey: lookAlike, Data: make([]byte, 1<<20-len(escaped)), Trace: stateful}, count: "trace_skipped_total{reason=size,stream_name=orders}",
		},
		{name: "container, room", options: aggregating(ByShard), record: traced("key", "d"), carried: true, container: true, count: "trace_injected_total{stream_name=orders}"},
		{
			name: "container, room without the context", options: aggregating(ByShard), record: traced("key", full[:len(full)-60]),
			container: true, count: "trace_skipped_total{reason=size,stream_name=orders}",
		},
		{name: "no room for a container", options: aggregating(ByShard), record: traced("key", full), count: "trace_skipped_total{reason=size,stream_name=orders}"},
		{name: "no room for a container, same key", options: aggregating(SameKey), record: traced("key", full), count: "trace_skipped_total{reason=size,stream_name=orders}"},
		{name: "one-record container", options: func(o *Options) { o.Carrier = tracecarrier.Headers }, record: traced("key", "d"), carried: true, container: true, count: "trace_injected_total{stream_name=orders}"},
		{name: "no room for a one-record container", options: func(o *Options) { o.Carrier = tracecarrier.Headers }, record: traced("key", full), count: "trace_skipped_total{reason=size,stream_name=orders}"},
		{name: "no carrier was chosen", record: traced("key", "d"), count: "trace_skipped_total{reason=no_carrier,stream_name=orders}"},
		{
			name: "a key too long for a carrier", options: func(o *Options) { o.Carrier = tracecarrier.Lossless },
			record: traced(strings.Repeat("k", 250), "d"), count: "trace_skipped_total{reason=key_length,stream_name=orders}",
		},
		{
			name: "somebody's own context in the headers", options: aggregating(SameKey), container: true, carried: true,
			record: func() kinetrail.Record {
				r := traced("key", "d")
				r.Headers = []kinetrail.Header{{Name: "Traceparent", Value: traceparent}}
				return r
			}(),
			count: "trace_skipped_total{reason=existing,stream_name=orders}",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newFakeService(1)
				sink := metrics.NewMemory()
				p := start(t, service, func(o *Options) {
					o.Metrics = sink
					if tt.options != nil {
						tt.options(o)
					}
				})
				if _, err := p.Put(t.Context(), tt.record); err != nil {
					t.Fatalf("Put: %v", err)
				}
				stored := service.stored[0]
				got := kinetrail.Record{StoredPartitionKey: stored.key}
				container := aggregate.IsContainer(stored.data)
				if container {
					users, err := aggregate.Split(stored.data, nil)
					if err != nil {
						t.Fatal(err)
					}
					got.StoredPartitionKey, got.Headers = users[0].PartitionKey, users[0].Headers
				}
				tracecarrier.Restore(&got)
				if carried := got.Trace.Parent == traceparent; carried != tt.carried || container != tt.container || got.PartitionKey != tt.record.PartitionKey {
					t.Errorf("context carried %t, in a container %t, key %.20q; want %t, %t, %.20q", carried, container, got.PartitionKey, tt.carried, tt.container, tt.record.PartitionKey)
				}
				if sink.Counters()[tt.count] != 1 {
					t.Errorf("%s is not 1; all: %v", tt.count, sink.Counters())
				}
			})
		})
	}
}

func TestTheEnvironmentIsStrongerThanTheCarrierOption(t *testing.T) {
	tests := []struct {
		value   string
		options func(*Options)
		reason  string // trace_skipped_total, empty for none
	}{
		{value: "off", options: func(o *Options) { o.Carrier = tracecarrier.Lossless }},
		{value: "off", options: aggregating(ByShard)},
		{value: "traceparent", options: aggregating(ByShard), reason: "aggregated"},
		{value: "traceparent", options: func(o *Options) { o.Carrier = tracecarrier.Headers }, reason: "aggregated"},
	}
	for _, tt := range tests {
		t.Setenv(tracecarrier.EnvironmentVariable, tt.value)
		synctest.Test(t, func(t *testing.T) {
			service := newFakeService(1)
			sink := metrics.NewMemory()
			p := start(t, service, tt.options, func(o *Options) { o.Metrics = sink })
			r := traced("key", "data")
			if p.options.Aggregation != Off || p.options.Carrier == tracecarrier.Headers {
				r.Headers = []kinetrail.Header{{Name: "own", Value: "kept"}}
			}
			if _, err := p.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if got := service.userRecords(t)[0]; got.key != "key" || strings.Contains(string(service.stored[0].data), traceparent) {
				t.Errorf("%s: the record went as %q with its context", tt.value, got.key)
			}
			if injected := sink.Counters()["trace_injected_total{stream_name=orders}"]; injected != 0 {
				t.Errorf("%s: trace_injected_total is %d, want 0", tt.value, injected)
			}
			if tt.reason != "" && sink.Counters()["trace_skipped_total{reason="+tt.reason+",stream_name=orders}"] != 1 {
				t.Errorf("%s: no skip over %s was counted; all: %v", tt.value, tt.reason, sink.Counters())
			}
		})
	}
	t.Setenv(tracecarrier.EnvironmentVariable, "traceparent")
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, func(o *Options) { o.Carrier = tracecarrier.Headers })
		if _, err := p.Put(t.Context(), traced("key", "data")); err != nil {
			t.Fatal(err)
		}
		if stored := service.stored[0]; stored.key != traceparent || string(stored.data) != "data" {
			t.Errorf("a plain record went as %q under %q, want it under the traceparent", stored.data, stored.key)
		}
	})
	t.Setenv(tracecarrier.EnvironmentVariable, "sometimes")
	if _, err := New(newFakeService(1), "orders"); !errors.Is(err, tracecarrier.ErrInvalidCarrier) {
		t.Errorf("New with a bad %s: %v, want ErrInvalidCarrier", tracecarrier.EnvironmentVariable, err)
	}
}

func TestSetCarrierHoldsForLaterPuts(t *testing.T) {
	t.Parallel()
	put := func(t *testing.T, p *Producer, service *fakeService) string {
		t.Helper()
		if _, err := p.Put(t.Context(), traced("key", "data")); err != nil {
			t.Fatal(err)
		}
		stored := service.stored[len(service.stored)-1]
		switch carried := strings.Contains(string(stored.data), traceparent); {
		case stored.key == "key" && carried:
			return "headers"
		case stored.key == traceparent+"-k1=key":
			return "lossless"
		case stored.key == "key":
			return "off"
		}
		return stored.key
	}
	for _, tt := range []struct {
		name     string
		options  func(*Options)
		carriers []tracecarrier.Carrier
	}{
		{"plain records", func(*Options) {}, []tracecarrier.Carrier{"lossless", "off", "lossless"}},
		{"plain records with the headers carrier", func(o *Options) { o.Carrier = tracecarrier.Headers }, []tracecarrier.Carrier{"headers", "off", "headers", "lossless"}},
		{"containers", aggregating(SameKey), []tracecarrier.Carrier{"headers", "off", "headers"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newFakeService(1)
				p := start(t, service, tt.options)
				for _, c := range tt.carriers {
					if err := p.SetCarrier(c); err != nil || p.Carrier() != c {
						t.Fatalf("SetCarrier(%q) = %v, Carrier is %q", c, err, p.Carrier())
					}
					if got := put(t, p, service); got != string(c) {
						t.Errorf("with %q a record goes as with %q", c, got)
					}
				}
			})
		})
	}
}

func TestPutsAndSetCarrierRunTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, func(o *Options) { o.Carrier = tracecarrier.Lossless })
		switched := make(chan struct{})
		go func() {
			defer close(switched)
			for i := range 200 {
				if err := p.SetCarrier([]tracecarrier.Carrier{tracecarrier.Off, tracecarrier.Traceparent, tracecarrier.Lossless}[i%3]); err != nil {
					t.Error(err)
				}
			}
		}()
		for range 200 {
			if err := p.PutAsync(t.Context(), traced("key", "data"), func(Result) {}); err != nil {
				t.Error(err)
			}
		}
		<-switched
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		for _, r := range service.stored {
			if r.key != "key" && r.key != traceparent && r.key != traceparent+"-k1=key" {
				t.Errorf("a record went under %q, which no carrier writes", r.key)
			}
		}
		if len(service.stored) != 200 {
			t.Errorf("%d records are stored, want 200", len(service.stored))
		}
	})
}

func TestSetCarrierRefusesWhatNewRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		options func(*Options)
		carrier tracecarrier.Carrier
		want    string
	}{
		{func(*Options) {}, "pigeon", `"pigeon"`},
		{func(*Options) {}, "", "Carrier is empty"},
		{func(*Options) {}, tracecarrier.PartitionKey, "Order BestEffort"},
		{func(*Options) {}, tracecarrier.Headers, "only a container holds headers"},
		{aggregating(ByShard), tracecarrier.Lossless, "the keys inside containers are not rewritten"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := start(t, newFakeService(1), tt.options)
			before := p.Carrier()
			if err := p.SetCarrier(tt.carrier); err == nil || !strings.Contains(err.Error(), tt.want) || p.Carrier() != before {
				t.Errorf("SetCarrier(%q) = %v, Carrier is %q; want an error with %q, and %q", tt.carrier, err, p.Carrier(), tt.want, before)
			}
		})
	}
}

func TestTheEnvironmentIsStrongerThanSetCarrier(t *testing.T) {
	t.Setenv(tracecarrier.EnvironmentVariable, "off")
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newFakeService(1), func(o *Options) { o.Carrier = tracecarrier.Lossless })
		if err := p.SetCarrier(tracecarrier.Lossless); err == nil || !strings.Contains(err.Error(), "KINETRAIL_PROPAGATION") || p.Carrier() != tracecarrier.Off {
			t.Errorf("SetCarrier = %v, Carrier is %q; want it refused by KINETRAIL_PROPAGATION", err, p.Carrier())
		}
		if err := p.SetCarrier(tracecarrier.Off); err != nil {
			t.Errorf("SetCarrier of the carrier in force: %v", err)
		}
	})
}

func TestRootSpansAreStartedWhenAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, aggregating(SameKey), func(o *Options) {
			o.RootSpans, o.TracerProvider = true, sdktrace.NewTracerProvider()
		})
		if _, err := p.Put(t.Context(), record("key", "data")); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(service.stored[0].data), "traceparent") {
			t.Error("the record carries no context of the root span")
		}
	})
}

func TestThePartitionKeyIsOnTheCreateSpanWhenAskedFor(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			spans := tracetest.NewSpanRecorder()
			p := start(t, newFakeService(1), func(o *Options) {
				o.RootSpans, o.SpanPartitionKeys = true, asked
				o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
			})
			if _, err := p.Put(t.Context(), record("group-1", "data")); err != nil {
				t.Fatal(err)
			}
			for _, s := range spans.Ended() {
				want := asked && s.Name() == "create orders"
				if got := slices.Contains(s.Attributes(), tracing.PartitionKeyKey.String("group-1")); got != want {
					t.Errorf("SpanPartitionKeys %t: the key is on %q: %t; want %t", asked, s.Name(), got, want)
				}
			}
			if len(spans.Ended()) != 2 {
				t.Errorf("%d spans; want one to create the record, one to put it", len(spans.Ended()))
			}
		})
	}
}

func TestCallsAreMarkedForTheMiddleware(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service)
		if _, err := p.Put(t.Context(), record("key", "data")); err != nil {
			t.Fatal(err)
		}
		if !service.calls[0].marked {
			t.Error("the middleware cannot tell the producer's calls from others")
		}
	})
}
