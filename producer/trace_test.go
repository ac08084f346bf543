package producer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// callers have spans of many kinds: sampled or not, with flags that are not known
// yet, with a tracestate.
func callers(t *testing.T) []context.Context {
	t.Helper()
	state, err := trace.ParseTraceState("vendor=value")
	if err != nil {
		t.Fatal(err)
	}
	var all []context.Context
	for i, config := range []trace.SpanContextConfig{{}, {TraceFlags: 1}, {TraceFlags: 2}, {TraceFlags: 0xff}, {TraceFlags: 1, TraceState: state}} {
		config.TraceID, config.SpanID = trace.TraceID{0xab, 15: byte(i)}, trace.SpanID{0xcd, 7: byte(i + 1)}
		all = append(all, trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(config)))
	}
	return all
}

// outcome is what a producer made of a record.
type outcome struct {
	stored   []storedRecord
	results  []Result
	counters map[string]int64
	err      string
	lost     []kinetrail.Record
}

// differsFrom says what is not the same.
func (o outcome) differsFrom(other outcome) string {
	for _, part := range []struct {
		name      string
		got, want any
	}{
		{"in the stream", o.stored, other.stored}, {"results", o.results, other.results}, {"counters", o.counters, other.counters},
		{"error of PutAsync", o.err, other.err}, {"not delivered", o.lost, other.lost},
	} {
		if !reflect.DeepEqual(part.got, part.want) {
			return fmt.Sprintf("%s: %.600s, want %.600s", part.name, fmt.Sprintf("%q", part.got), fmt.Sprintf("%q", part.want))
		}
	}
	return ""
}

// putTraced puts a record twice and closes the producer. The service fails the
// first call, and when it is stalled it never answers.
func putTraced(t *testing.T, ctx context.Context, r kinetrail.Record, stalled bool, options func(*Options)) outcome {
	t.Helper()
	service := newFakeService(3)
	sink := metrics.NewMemory()
	service.onPut = func(c *call) error {
		if c.number == 1 {
			return apiError("InternalFailure")
		}
		return nil
	}
	if stalled {
		service.latency = time.Hour
	}
	p := start(t, service, options, func(o *Options) { o.Metrics, o.CreateSpans, o.RequestTimeout = sink, false, 0 })
	var c collector
	var o outcome
	for range 2 {
		if err := p.PutAsync(ctx, r, c.take); err != nil {
			o.err = err.Error()
		}
		synctest.Wait() // so that the same goes into each request
	}
	closing, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var undelivered *UndeliveredError
	if err := p.Close(closing); errors.As(err, &undelivered) {
		o.lost = undelivered.Records
	}
	for i := range c.results {
		if c.results[i].Err != nil {
			c.results[i].Err = errors.New(c.results[i].Err.Error())
		}
	}
	o.stored, o.results, o.counters = service.stored, c.results, sink.Counters()
	return o
}

func TestASpansContextIsCarriedAsItsTextWouldBe(t *testing.T) {
	t.Parallel()
	escape := "00-" + strings.Repeat("0", 32) + "-" + strings.Repeat("0", 16) + "-00-k1="
	keys := []string{"key", "ключ", strings.Repeat("k", 197), strings.Repeat("k", 198), strings.Repeat("é", 197), strings.Repeat("k", 256), traceparent, traceparent + "-k1=key", escape + "key", escape + strings.Repeat("x", 190), traceparent + "-k9=key", traceparent + "x"}
	var records []kinetrail.Record
	for _, key := range keys {
		records = append(records, record(key, "data"))
	}
	const limit = 3000
	for _, spare := range []int{0, 1, 58, 59, 60, 100, 150, 200} {
		records = append(records, record("key", strings.Repeat("x", limit-len("key")-spare)))
	}
	hashed := record("key", "data")
	hashed.ExplicitHashKey = "12345"
	headed := record("key", "data")
	headed.Headers = []kinetrail.Header{{Name: "name", Value: "value"}}
	own := record("key", "data")
	own.Headers = []kinetrail.Header{{Name: "TraceParent", Value: traceparent}}
	records = append(records, hashed, headed, own, record("key", "\xf3\x89\x9a\xc2"+strings.Repeat("x", 30)))

	plain := func(c tracecarrier.Carrier) func(*Options) { return func(o *Options) { o.Carrier = c } }
	cases := map[string]func(*Options){
		"none": func(*Options) {}, "off": plain(tracecarrier.Off), "lossless": plain(tracecarrier.Lossless),
		"traceparent": plain(tracecarrier.Traceparent), "headers": plain(tracecarrier.Headers),
		"partition key":      func(o *Options) { o.Carrier, o.Order = tracecarrier.PartitionKey, BestEffort },
		"best effort":        func(o *Options) { o.Carrier, o.Order = tracecarrier.Lossless, BestEffort },
		"without limiter":    func(o *Options) { o.Carrier, o.ShardShare = tracecarrier.Lossless, 0 },
		"long keys":          func(o *Options) { o.Carrier, o.LongKey = tracecarrier.Lossless, tracecarrier.TraceparentForLongKeys },
		"trusting":           func(o *Options) { o.Carrier, o.TrustExisting = tracecarrier.Lossless, true },
		"baggage":            func(o *Options) { o.Carrier, o.BaggageKeys = tracecarrier.Lossless, []string{"a"} },
		"same key":           aggregating(SameKey),
		"by shard":           aggregating(ByShard),
		"by shard, off":      func(o *Options) { o.Aggregation, o.Carrier = ByShard, tracecarrier.Off },
		"by shard, no order": func(o *Options) { o.Aggregation, o.Order = ByShard, BestEffort },
	}
	for name, options := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				all := func(o *Options) { o.MaxRecordBytes = limit; options(o) }
				for i, r := range records {
					for j, caller := range callers(t) {
						given := r
						given.Trace = otelcarrier.FromContext(caller)
						stalled := (i+j)%3 == 0
						got, want := putTraced(t, caller, r, stalled, all), putTraced(t, t.Context(), given, stalled, all)
						if difference := got.differsFrom(want); difference != "" {
							t.Errorf("record %d, %.60q, caller %d, compared with its context as a text: %s", i, r.PartitionKey, j, difference)
						}
					}
				}
			})
		})
	}
}

func TestRecordsOfOneRequestHaveEachTheirOwnContext(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(*Options){
		"in keys":    func(o *Options) { o.Carrier = tracecarrier.Lossless },
		"in headers": aggregating(ByShard),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := newFakeService(2)
				p := start(t, service, options, func(o *Options) { o.CreateSpans = false })
				want := map[string]string{}
				all := callers(t)
				for i := range 300 {
					key, caller := fmt.Sprint("key-", i), all[i%len(all)]
					want[key] = otelcarrier.FromContext(caller).Parent
					if i%7 == 0 { // some without
						caller, want[key] = t.Context(), ""
					}
					if err := p.PutAsync(caller, record(key, key), func(Result) {}); err != nil {
						t.Fatal(err)
					}
				}
				p.Close(t.Context())
				if len(service.calls) != 1 {
					t.Errorf("%d requests, want 1", len(service.calls))
				}
				got := 0
				for _, stored := range service.stored {
					users := []aggregate.UserRecord{{PartitionKey: stored.key, Data: stored.data}}
					if aggregate.IsContainer(stored.data) {
						users, _ = aggregate.Split(stored.data, nil)
					}
					for _, u := range users {
						r := kinetrail.Record{StoredPartitionKey: u.PartitionKey, Headers: u.Headers}
						tracecarrier.Restore(&r)
						if r.PartitionKey != string(u.Data) || r.Trace.Parent != want[r.PartitionKey] {
							t.Errorf("record %s has key %s and context %q, want %q", u.Data, r.PartitionKey, r.Trace.Parent, want[string(u.Data)])
						}
						got++
					}
				}
				if got != len(want) {
					t.Errorf("%d records, want %d", got, len(want))
				}
			})
		})
	}
}
