package kinesislambda_test

import (
	"context"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/aws/aws-lambda-go/events"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/kinesislambda"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestABatchOfThreeTracesHasNoParentAndThreeLinks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	function := kinesislambda.Records(nothing, f.options())
	event := eventOf(received(1, keyWith(1, "a"), ""), received(2, keyWith(2, "b"), ""), received(3, keyWith(3, "c"), ""))
	if _, err := function(t.Context(), event); err != nil {
		t.Fatal(err)
	}

	span := f.theSpan(t)
	if span.Parent().IsValid() {
		t.Errorf("the span has parent %s, want none", span.Parent().SpanID())
	}
	if got := linkedBy(span); !slices.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("the span links to traces %v, want 1 2 3", got)
	}
	if span.Name() != "process orders" || span.SpanKind() != trace.SpanKindConsumer {
		t.Errorf("the span is %q of kind %s, want process orders of kind consumer", span.Name(), span.SpanKind())
	}
	if count := attributeOf(span.Attributes(), "messaging.batch.message_count"); count != "3" {
		t.Errorf("messaging.batch.message_count = %q, want 3", count)
	}
}

func TestPartitionKeysAreOnSpansAndLinksWhenAskedFor(t *testing.T) {
	t.Parallel()
	const key = "messaging.aws.kinesis.partition_key"
	for _, asked := range []bool{false, true} {
		ask := func(o *kinesislambda.Options) { o.SpanPartitionKeys = asked }
		want := map[bool][]string{false: {"", "", ""}, true: {"a", "a", "b"}}[asked]
		one, two := newFixture(t), newFixture(t)
		for f, event := range map[*fixture]events.KinesisEvent{
			one: eventOf(received(1, keyWith(1, "a"), "")),
			two: eventOf(received(1, keyWith(1, "a"), ""), received(2, keyWith(2, "b"), "")),
		} {
			if _, err := kinesislambda.Records(nothing, f.options(ask))(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		}
		got := []string{attributeOf(one.theSpan(t).Attributes(), key)}
		for _, link := range two.theSpan(t).Links() {
			got = append(got, attributeOf(link.Attributes, key))
		}
		if !slices.Equal(got, want) {
			t.Errorf("SpanPartitionKeys %t: the keys of span and links are %q, want %q", asked, got, want)
		}
	}
}

func attributeOf(attributes []attribute.KeyValue, key attribute.Key) string {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

func TestABatchInsideAnInvocationSpanIsItsChild(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, invocation := f.tracer.Tracer("test").Start(t.Context(), "invocation", trace.WithSpanKind(trace.SpanKindServer))
	function := kinesislambda.Records(nothing, f.options())
	if _, err := function(ctx, eventOf(received(1, keyWith(1, "a"), ""), received(2, keyWith(2, "b"), ""))); err != nil {
		t.Fatal(err)
	}

	span := f.theSpan(t)
	if span.Parent().SpanID() != invocation.SpanContext().SpanID() {
		t.Errorf("the parent is %s, want the invocation's span %s", span.Parent().SpanID(), invocation.SpanContext().SpanID())
	}
	if got := linkedBy(span); !slices.Equal(got, []byte{1, 2}) {
		t.Errorf("the span links to traces %v, want 1 2", got)
	}
}

func TestOneRecordContinuesItsTraceAndLinksToTheInvocation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, invocation := f.tracer.Tracer("test").Start(t.Context(), "invocation", trace.WithSpanKind(trace.SpanKindServer))
	var seen trace.SpanContext
	function := kinesislambda.Records(func(ctx context.Context, _ kinetrail.Record) error {
		seen = trace.SpanContextFromContext(ctx)
		return nil
	}, f.options())
	if _, err := function(ctx, eventOf(received(1, keyWith(7, "a"), ""))); err != nil {
		t.Fatal(err)
	}

	span := f.theSpan(t)
	if want := spanContext(7); span.Parent().SpanID() != want.SpanID() || span.SpanContext().TraceID() != want.TraceID() {
		t.Errorf("the span has parent %s in trace %s, want %s in %s",
			span.Parent().SpanID(), span.SpanContext().TraceID(), want.SpanID(), want.TraceID())
	}
	if links := span.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != invocation.SpanContext().SpanID() {
		t.Errorf("the span links to %v, want the invocation's span %s", links, invocation.SpanContext().SpanID())
	}
	for key, want := range map[attribute.Key]string{
		"messaging.destination.name":         "orders",
		"messaging.destination.partition.id": shardID,
		"messaging.message.id":               "1",
	} {
		if got := attributeOf(span.Attributes(), key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if !seen.Equal(span.SpanContext()) {
		t.Errorf("the handler's ctx has span %v, want the process span %v", seen, span.SpanContext())
	}
}

func TestOneRecordWithoutAContextStaysInTheInvocation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, invocation := f.tracer.Tracer("test").Start(t.Context(), "invocation")
	function := kinesislambda.Records(nothing, f.options())
	if _, err := function(ctx, eventOf(received(1, "a", ""))); err != nil {
		t.Fatal(err)
	}
	span := f.theSpan(t)
	if span.Parent().SpanID() != invocation.SpanContext().SpanID() || len(span.Links()) != 0 {
		t.Errorf("the span has parent %s and %d links, want %s and none",
			span.Parent().SpanID(), len(span.Links()), invocation.SpanContext().SpanID())
	}
}

func TestAContainerOfOneRecordIsOneRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	function := kinesislambda.Records(nothing, f.options())
	container := containerOf(userWith(5, "group-1", "paid"))
	if _, err := function(t.Context(), eventOf(received(1, "group-1", container))); err != nil {
		t.Fatal(err)
	}
	if span := f.theSpan(t); span.Parent().SpanID() != spanContext(5).SpanID() {
		t.Errorf("the span has parent %s, want that of the user record, %s", span.Parent().SpanID(), spanContext(5).SpanID())
	}
}

func TestEachRecordOfABatchHasACtxInItsOwnTrace(t *testing.T) {
	t.Parallel()
	event := eventOf(
		received(1, keyWith(1, "a"), ""),
		received(2, "b", containerOf(userWith(2, "b", ""), userWith(0, "b", ""))),
	)
	traceOf := func(ctx context.Context) byte { return trace.SpanContextFromContext(ctx).TraceID()[0] }
	tests := []struct {
		name     string
		function func(f *fixture, seen *[]byte) func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error)
	}{
		{"Records", func(f *fixture, seen *[]byte) func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error) {
			return kinesislambda.Records(func(ctx context.Context, _ kinetrail.Record) error {
				*seen = append(*seen, traceOf(ctx))
				return nil
			}, f.options())
		}},
		{"Batches and Extract", func(f *fixture, seen *[]byte) func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error) {
			return kinesislambda.Batches(func(ctx context.Context, batch []kinetrail.Record) error {
				for i := range batch {
					*seen = append(*seen, traceOf(kinesislambda.Extract(ctx, i)))
				}
				return nil
			}, f.options())
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var seen []byte
			if _, err := tt.function(f, &seen)(t.Context(), event); err != nil {
				t.Fatal(err)
			}
			want := []byte{1, 2, f.theSpan(t).SpanContext().TraceID()[0]}
			if !slices.Equal(seen, want) {
				t.Errorf("the handler worked in traces %v, want %v: the last record carries none and stays with the batch", seen, want)
			}
		})
	}
}

func TestEveryCarrierIsReadWithoutBeingTold(t *testing.T) {
	t.Parallel()
	write := func(c tracecarrier.Carrier) string {
		stored, _, _ := tracecarrier.Writer{Carrier: c}.Write("group-1", "", carriedBy(9))
		return stored
	}
	tests := []struct {
		carrier  string
		received events.KinesisEventRecord
		key      string
		keyKnown bool
		carried  bool
	}{
		{"off", received(1, "group-1", "paid"), "group-1", true, false},
		{"traceparent", received(1, write(tracecarrier.Traceparent), "paid"), write(tracecarrier.Traceparent), false, true},
		{"lossless", received(1, write(tracecarrier.Lossless), "paid"), "group-1", true, true},
		{"headers", received(1, "group-1", containerOf(userWith(9, "group-1", "paid"))), "group-1", true, true},
		{"damaged container", received(1, "group-1", "\xf3\x89\x9a\xc2 and no message behind it"), "group-1", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.carrier, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var got []kinetrail.Record
			function := kinesislambda.Records(func(_ context.Context, r kinetrail.Record) error {
				got = append(got, r)
				return nil
			}, f.options())
			if _, err := function(t.Context(), eventOf(tt.received)); err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 {
				t.Fatalf("the handler got %d records, want 1", len(got))
			}
			r := got[0]
			if r.PartitionKey != tt.key || r.OriginalKeyKnown != tt.keyKnown {
				t.Errorf("PartitionKey = %q, known %t; want %q, %t", r.PartitionKey, r.OriginalKeyKnown, tt.key, tt.keyKnown)
			}
			if r.StoredPartitionKey != tt.received.Kinesis.PartitionKey {
				t.Errorf("StoredPartitionKey = %q, want %q", r.StoredPartitionKey, tt.received.Kinesis.PartitionKey)
			}
			if want := carriedBy(9).Parent; (r.Trace.Parent == want) != tt.carried {
				t.Errorf("Trace.Parent = %q, carried should be %t", r.Trace.Parent, tt.carried)
			}
			if want := "paid"; tt.carrier != "damaged container" && string(r.Data) != want {
				t.Errorf("Data = %q, want %q", r.Data, want)
			}
		})
	}
}

func TestLinkTracesKeepsTheSpanInTheInvocation(t *testing.T) {
	t.Parallel()
	link := func(o *kinesislambda.Options) { o.LinkTraces = true }

	f := newFixture(t)
	if _, err := kinesislambda.Records(nothing, f.options(link))(t.Context(), eventOf(received(1, keyWith(1, "a"), ""))); err != nil {
		t.Fatal(err)
	}
	if span := f.theSpan(t); span.Parent().IsValid() || !slices.Equal(linkedBy(span), []byte{1}) {
		t.Errorf("the span of one record has parent %s and links to %v, want none and 1", span.Parent().SpanID(), linkedBy(span))
	}

	f = newFixture(t)
	var inBatch bool
	function := kinesislambda.Batches(func(ctx context.Context, _ []kinetrail.Record) error {
		inBatch = trace.SpanContextFromContext(kinesislambda.Extract(ctx, 0)).Equal(trace.SpanContextFromContext(ctx))
		return nil
	}, f.options(link))
	if _, err := function(t.Context(), eventOf(received(1, keyWith(1, "a"), ""), received(2, keyWith(2, "b"), ""))); err != nil {
		t.Fatal(err)
	}
	if !inBatch {
		t.Error("Extract left the trace of the batch")
	}
}

func TestBaggageOfARecordReachesItsCtx(t *testing.T) {
	t.Parallel()
	carrying := carriedBy(1)
	carrying.Baggage = "tenant=blue"
	user := aggregate.UserRecord{PartitionKey: "a", Headers: tracecarrier.AddHeaders(nil, carrying)}
	var tenants []string
	function := kinesislambda.Records(func(ctx context.Context, _ kinetrail.Record) error {
		tenants = append(tenants, baggage.FromContext(ctx).Member("tenant").Value())
		return nil
	})
	for _, event := range []events.KinesisEvent{
		eventOf(received(1, "a", containerOf(user))),
		eventOf(received(1, "a", containerOf(user, userWith(0, "a", "")))),
	} {
		if _, err := function(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"blue", "blue", ""}; !slices.Equal(tenants, want) {
		t.Errorf("the records' baggage has tenants %q, want %q", tenants, want)
	}
}

// suffixed is a propagator of its own kind: it reads x-trace.
type suffixed struct{ propagation.TraceContext }

func (suffixed) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": c.Get("x-trace")})
}

func TestAPropagatorReadsHeadersAndLeavesKeysToW3C(t *testing.T) {
	t.Parallel()
	own := aggregate.UserRecord{PartitionKey: "a", Headers: []kinetrail.Header{{Name: "x-trace", Value: carriedBy(4).Parent}}}
	plain := aggregate.UserRecord{PartitionKey: "a", Headers: []kinetrail.Header{{Name: "lang", Value: "en"}}}
	f := newFixture(t)
	function := kinesislambda.Records(nothing, f.options(func(o *kinesislambda.Options) { o.Propagator = suffixed{} }))
	event := eventOf(received(1, "a", containerOf(own)), received(2, keyWith(5, "a"), containerOf(plain)), received(3, keyWith(6, "a"), ""))
	if _, err := function(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	if got := linkedBy(f.theSpan(t)); !slices.Equal(got, []byte{4, 5, 6}) {
		t.Errorf("the span links to traces %v, want 4 5 6", got)
	}
}

func TestJSONPayloadsAreReadOnRequestAndStayAsTheyAre(t *testing.T) {
	t.Parallel()
	payload := `{"order":7,"traceparent":"` + carriedBy(8).Parent + `"}`
	for _, asked := range []bool{false, true} {
		f := newFixture(t)
		function := kinesislambda.Records(func(_ context.Context, r kinetrail.Record) error {
			if string(r.Data) != payload {
				t.Errorf("Data = %s, want %s", r.Data, payload)
			}
			return nil
		}, f.options(func(o *kinesislambda.Options) { o.JSONPayloads = asked }))
		if _, err := function(t.Context(), eventOf(received(1, "a", payload))); err != nil {
			t.Fatal(err)
		}
		if got := f.theSpan(t).Parent().SpanID() == spanContext(8).SpanID(); got != asked {
			t.Errorf("JSONPayloads %t: the record continues the payload's trace: %t", asked, got)
		}
	}
}

func TestTracesAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	function := kinesislambda.Records(nothing, f.options(func(o *kinesislambda.Options) { o.JSONPayloads = true }))
	event := eventOf(
		received(1, keyWith(1, "a"), ""),
		received(2, "b", containerOf(userWith(2, "b", ""), userWith(0, "b", ""))),
		received(3, "c", `{"traceparent":"`+carriedBy(3).Parent+`"}`),
		received(4, carriedBy(4).Parent+"-broken", ""),
		received(5, carriedBy(5).Parent+"-k2=later", ""),
	)
	if _, err := function(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	got := f.metrics.Snapshot()
	for key, want := range map[string]int64{
		"trace_extracted_total{stream_name=orders}":       4,
		"trace_malformed_total{stream_name=orders}":       1,
		"trace_unknown_version_total{stream_name=orders}": 1,
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v; all: %v", key, got[key], want, got)
		}
	}
}
