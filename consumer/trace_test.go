package consumer_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

const (
	traceA = "0af7651916cd43dd8448eb211c80319c"
	spanA  = "b7ad6b7169203331"
	spanB  = "c7ad6b7169203332"
	spanC  = "d7ad6b7169203333"
)

// traced puts records that carry a context in each of the ways there are:
// extended key, bare key, headers in a container, a container's key.
func traced(f *fakeStream) {
	f.put(0, "00-"+traceA+"-"+spanA+"-01-k1=group-1", []byte("extended"))
	f.put(0, "00-"+traceA+"-"+spanB+"-01", []byte("bare"))
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: "00-" + traceA + "-" + spanA + "-01", Data: []byte("headers"), Headers: []kinetrail.Header{
		{Name: "traceparent", Value: "00-" + traceA + "-" + spanC + "-01"}, {Name: "baggage", Value: "tenant=7"}, {Name: "colour", Value: "red"},
	}})
	b.Add(&aggregate.UserRecord{PartitionKey: "group-2", Data: []byte("container key")})
	f.put(0, "00-"+traceA+"-"+spanB+"-01-k1=outer", b.AppendTo(nil))
	f.put(0, "plain", []byte("nothing"))
}

// recorder is a tracer that keeps its spans.
func recorder() (*tracetest.SpanRecorder, func(*consumer.Options)) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	return spans, func(o *consumer.Options) { o.TracerProvider = provider }
}

func attributes(s sdktrace.ReadOnlySpan) map[attribute.Key]string {
	all := make(map[attribute.Key]string)
	for _, a := range s.Attributes() {
		all[a.Key] = a.Value.String()
	}
	return all
}

func TestProcessSpansContinueTheTraceOfTheirRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		traced(stream)
		time.Sleep(2 * time.Second)
		spans, withTracer := recorder()
		type handled struct {
			key   string
			known bool
			span  trace.SpanContext
			value string
		}
		byData := make(map[string]handled)
		got := newSeen()
		worker := start(t, stream, memlease.New(), func(ctx context.Context, r kinetrail.Record) error {
			byData[string(r.Data)] = handled{r.PartitionKey, r.OriginalKeyKnown, trace.SpanContextFromContext(ctx), baggage.FromContext(ctx).Member("tenant").Value()}
			_ = got.handle(ctx, r)
			if string(r.Data) == "bare" && len(got.data()) == 2 {
				return errors.New("once")
			}
			return nil
		}, withTracer)
		got.await(t, 6)
		worker.drain(t)
		byID := make(map[trace.SpanID]sdktrace.ReadOnlySpan)
		for _, s := range spans.Ended() {
			byID[s.SpanContext().SpanID()] = s
		}
		for data, want := range map[string]struct {
			key    string
			known  bool
			parent string
			value  string
		}{
			"extended":      {"group-1", true, spanA, ""},
			"bare":          {"00-" + traceA + "-" + spanB + "-01", false, spanB, ""},
			"headers":       {"00-" + traceA + "-" + spanA + "-01", true, spanC, "7"},
			"container key": {"group-2", true, spanB, ""},
			"nothing":       {"plain", true, "0000000000000000", ""},
		} {
			h := byData[data]
			span := byID[h.span.SpanID()]
			if span == nil {
				t.Errorf("%s: the handler's ctx has no span", data)
				continue
			}
			if h.key != want.key || h.known != want.known || h.value != want.value || span.Parent().SpanID().String() != want.parent {
				t.Errorf("%s: key %q known %t, baggage %q, parent %s; want %+v", data, h.key, h.known, h.value, span.Parent().SpanID(), want)
			}
			if span.Parent().IsValid() && (h.span.TraceID().String() != traceA || !span.Parent().IsRemote()) {
				t.Errorf("%s: trace %s, remote parent %t; want the record's trace and true", data, h.span.TraceID(), span.Parent().IsRemote())
			}
			a := attributes(span)
			if span.Name() != "process orders" || span.SpanKind() != trace.SpanKindConsumer || a["messaging.system"] != "aws.kinesis" ||
				a["messaging.destination.partition.id"] != shardID(0) || a["messaging.message.id"] == "" || a["messaging.operation.type"] != "process" {
				t.Errorf("%s: span %s of kind %v with %v; want it after the conventions", data, span.Name(), span.SpanKind(), a)
			}
		}
		failed := slices.DeleteFunc(spans.Ended(), func(s sdktrace.ReadOnlySpan) bool { return s.Status().Code != codes.Error })
		if len(spans.Ended()) != 6 || len(failed) != 1 || attributes(failed[0])["error.type"] == "" {
			t.Errorf("%d spans, %d of them failed; want 6, one for each attempt, and 1 failed with error.type", len(spans.Ended()), len(failed))
		}
	})
}

func TestProcessSpansCanLinkInstead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		traced(stream)
		spans, withTracer := recorder()
		got := newSeen()
		worker := start(t, stream, memlease.New(), got.handle, withTracer, func(o *consumer.Options) { o.LinkTraces = true })
		got.await(t, 5)
		worker.drain(t)
		first := spans.Ended()[0]
		if first.Parent().IsValid() || len(first.Links()) != 1 || first.Links()[0].SpanContext.SpanID().String() != spanA {
			t.Errorf("span with parent %v and links %v; want none and one link to %s", first.Parent(), first.Links(), spanA)
		}
	})
}

func TestPartitionKeysAreOnSpansWhenAskedFor(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			stream := newFakeStream(1)
			stream.put(0, "group-1", []byte("data"))
			spans, withTracer := recorder()
			got := newSeen()
			worker := start(t, stream, memlease.New(), got.handle, withTracer, func(o *consumer.Options) { o.SpanPartitionKeys = asked })
			got.await(t, 1)
			worker.drain(t)
			want := map[bool]string{true: "group-1"}[asked]
			for _, s := range spans.Ended() {
				if got := attributes(s)["messaging.aws.kinesis.partition_key"]; got != want {
					t.Errorf("SpanPartitionKeys %t: the key on %q is %q; want %q", asked, s.Name(), got, want)
				}
			}
			if len(spans.Ended()) != 1 {
				t.Errorf("%d spans; want 1", len(spans.Ended()))
			}
		})
	}
}

// coloured is a propagator of its own kind: it reads span C where the colour is
// red.
type coloured struct{ propagation.TraceContext }

func (coloured) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	if c.Get("colour") != "red" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": "00-" + traceA + "-" + spanC + "-01"})
}

func TestAPropagatorReadsHeadersAndLeavesKeysToW3C(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		var b aggregate.Builder
		b.Add(&aggregate.UserRecord{PartitionKey: "k", Headers: []kinetrail.Header{{Name: "colour", Value: "red"}}})
		stream.put(0, "k", b.AppendTo(nil))
		stream.put(0, "00-"+traceA+"-"+spanA+"-01-k1=group-1", nil)
		spans, withTracer := recorder()
		got := newSeen()
		worker := start(t, stream, memlease.New(), got.handle, withTracer, func(o *consumer.Options) { o.Propagator = coloured{} })
		got.await(t, 2)
		worker.drain(t)
		var parents []string
		for _, s := range spans.Ended() {
			parents = append(parents, s.Parent().SpanID().String())
		}
		if want := []string{spanC, spanA}; !slices.Equal(parents, want) {
			t.Errorf("the spans continue %v; want %v", parents, want)
		}
	})
}

func TestABatchSpanLinksToEveryRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		traced(stream)
		spans, withTracer := recorder()
		sizes := make(chan int, 1)
		worker := startWith(t, stream, memlease.New(), func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error { sizes <- len(batch); return nil })
		}, withTracer)
		if n := receive(t, sizes); n != 5 {
			t.Fatalf("a batch of %d; want 5", n)
		}
		worker.drain(t)
		var links []string
		for _, l := range spans.Ended()[0].Links() {
			links = append(links, l.SpanContext.SpanID().String())
		}
		if s := spans.Ended()[0]; s.Parent().IsValid() || !slices.Equal(links, []string{spanA, spanB, spanC}) || attributes(s)["messaging.batch.message_count"] != "5" {
			t.Errorf("parent %v, links %v, %v; want no parent, a link to each of three contexts, and 5 messages", s.Parent(), links, attributes(s))
		}
	})
}

func TestFetchAndCheckpointSpansAreThereWhenAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, on := range []bool{false, true} {
			stream := newFakeStream(1)
			numbered(stream, 0, 3)
			spans, withTracer := recorder()
			got := newSeen()
			worker := start(t, stream, memlease.New(), got.handle, withTracer, func(o *consumer.Options) { o.FetchSpans, o.CheckpointSpans = on, on })
			got.await(t, 3)
			worker.drain(t)
			names := make(map[string]int)
			for _, s := range spans.Ended() {
				names[s.Name()]++
			}
			want := 0
			if on {
				want = 1
			}
			if names["get_records orders"] != want || names["checkpoint orders"] != want || names["process orders"] != 3 {
				t.Errorf("asked for %t: spans %v; want %d of each", on, names, want)
			}
		}
	})
}
