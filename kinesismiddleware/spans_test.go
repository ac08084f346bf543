package kinesismiddleware_test

import (
	"context"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// attributesOf are a span's attributes as name=value, sorted.
func attributesOf(s sdktrace.ReadOnlySpan) []string {
	var texts []string
	for _, a := range s.Attributes() {
		texts = append(texts, string(a.Key)+"="+a.Value.String())
	}
	slices.Sort(texts)
	return texts
}

func TestAPutHasAProducerSpanThatIsCarried(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, application := p.span(t)
	out, err := p.PutRecord(ctx, &kinesis.PutRecordInput{StreamARN: aws.String(ordersARN), PartitionKey: aws.String("group-1"), Data: []byte("one")})
	if err != nil {
		t.Fatal(err)
	}
	p.putRecords(t, ctx, entry("group-1", "two"), entry("group-2", "three"))

	spans := p.ended()
	if len(spans) != 2 {
		t.Fatalf("there are %d spans, want 2", len(spans))
	}
	usual := []string{"aws.kinesis.stream_name=orders", "messaging.destination.name=orders", "messaging.operation.type=send", "messaging.system=aws.kinesis"}
	for i, want := range []struct {
		name       string
		attributes []string
	}{
		{"put_record orders", []string{"messaging.operation.name=put_record", "messaging.destination.partition.id=" + *out.ShardId, "messaging.message.id=" + *out.SequenceNumber}},
		{"put_records orders", []string{"messaging.operation.name=put_records", "messaging.batch.message_count=2"}},
	} {
		got, attributes := spans[i], append(want.attributes, usual...)
		slices.Sort(attributes)
		if got.Name() != want.name || got.SpanKind() != trace.SpanKindProducer || !got.Parent().Equal(application) || got.Status().Code != codes.Unset {
			t.Errorf("the span is %q of kind %s, parent %s, status %s, want %q, producer, %s, Unset",
				got.Name(), got.SpanKind(), got.Parent().SpanID(), got.Status().Code, want.name, application.SpanID())
		}
		if got := attributesOf(got); !slices.Equal(got, attributes) {
			t.Errorf("%s has the attributes\n%v\nwant\n%v", want.name, got, attributes)
		}
	}
	stored := p.stored(t)
	readKey(t, stored["one"].PartitionKey, spans[0].SpanContext(), "group-1")
	readKey(t, stored["two"].PartitionKey, spans[1].SpanContext(), "group-1")
	readKey(t, stored["three"].PartitionKey, spans[1].SpanContext(), "group-2")
}

func TestWithoutSpansTheContextOfTheCallerIsCarried(t *testing.T) {
	t.Parallel()
	p := with(t, func(o *kinesismiddleware.Options) { o.Spans = false })
	ctx, application := p.span(t)
	p.putRecords(t, ctx, entry("group-1", "data"))
	readKey(t, p.stored(t)["data"].PartitionKey, application, "group-1")
	if spans := p.ended(); len(spans) != 0 {
		t.Errorf("there are the spans %v, want none", spans)
	}
}

func TestAContextThatIsNotSampledIsCarried(t *testing.T) {
	t.Parallel()
	p := with(t)
	_, application := p.span(t)
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), application.WithTraceFlags(0))
	p.putRecords(t, ctx, entry("group-1", "data"))
	got := tracecarrier.Read(p.stored(t)["data"].PartitionKey).Trace.Parent
	if len(got) != 55 || got[3:35] != application.TraceID().String() || got[53:] != "00" {
		t.Errorf("carried %q, want the trace %s with flags 00", got, application.TraceID())
	}
}

func TestRootSpansBeginATraceWithThePut(t *testing.T) {
	t.Parallel()
	p := with(t, func(o *kinesismiddleware.Options) { o.RootSpans = true })
	p.putRecords(t, t.Context(), entry("group-1", "data"))
	root := theOnly(t, p.ended())
	if root.Parent().IsValid() {
		t.Errorf("the span has the parent %v, want none", root.Parent())
	}
	readKey(t, p.stored(t)["data"].PartitionKey, root.SpanContext(), "group-1")
}

func TestAFailedPutEndsItsSpanWithTheError(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	p.failing(t, "PutRecord error=AccessDeniedException")
	if _, err := p.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(orders), PartitionKey: aws.String("k"), Data: []byte("data")}); err == nil {
		t.Fatal("PutRecord succeeded, want an error")
	}
	failed := theOnly(t, p.ended())
	if failed.Status().Code != codes.Error || !slices.Contains(attributesOf(failed), "error.type=AccessDeniedException") {
		t.Errorf("the span has the status %v and the attributes %v, want an AccessDeniedException", failed.Status(), attributesOf(failed))
	}
}

// The call returns no error, so its span is the only place in the trace that
// can tell.
func TestRecordsThatWereNotPutMakeTheSpanAnError(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	p.failing(t, "PutRecords nth=1 records=1 shard=shardId-000000000003 error=ProvisionedThroughputExceededException")
	p.failing(t, "PutRecords nth=1 records=1 shard=shardId-000000000000 error=InternalFailure")
	on := func(hashKey, key, data string) types.PutRecordsRequestEntry {
		e := entry(key, data)
		e.ExplicitHashKey = &hashKey
		return e
	}
	last := shardmap.HashKey{Hi: math.MaxUint64, Lo: math.MaxUint64}.String()
	out := p.putRecords(t, ctx, on(last, "group-1", "one"), on("0", "group-2", "two"), on("0", "group-3", "three"))
	if *out.FailedRecordCount != 2 {
		t.Fatalf("%d records failed, want 2", *out.FailedRecordCount)
	}
	span := theOnly(t, p.ended())
	want := sdktrace.Status{Code: codes.Error, Description: "2 of 3 records failed, the first with ProvisionedThroughputExceededException"}
	if span.Status() != want || !slices.Contains(attributesOf(span), "error.type=ProvisionedThroughputExceededException") {
		t.Errorf("the status is %v and the attributes are %v, want %v", span.Status(), attributesOf(span), want)
	}

	// The caller puts the failed ones again, from its own struct.
	p.putRecords(t, ctx, entry("group-1", "one"), entry("group-2", "two"))
	again := theOnly(t, p.ended())
	if again.Status().Code != codes.Unset {
		t.Errorf("the second span has the status %v, want none", again.Status())
	}
	readKey(t, p.stored(t)["one"].PartitionKey, again.SpanContext(), "group-1")
}

func TestEachRecordCanHaveAContextOfItsOwn(t *testing.T) {
	t.Parallel()
	// Records of two traces wait in one queue; two share a context, and the
	// last ones have none.
	var contexts []context.Context
	p := with(t, func(o *kinesismiddleware.Options) {
		o.EntryContext = func(_ context.Context, in *kinesis.PutRecordsInput, i int) context.Context {
			if len(in.Records) != len(contexts) {
				t.Errorf("the function sees %d records, want %d", len(in.Records), len(contexts))
			}
			return contexts[i]
		}
	})
	first, spanOfFirst := p.span(t)
	second, spanOfSecond := p.span(t)
	contexts = []context.Context{first, second, first, t.Context(), nil}
	ctx, application := p.span(t)
	p.putRecords(t, ctx, entry("group-1", "one"), entry("group-2", "two"), entry("group-3", "three"), entry("group-4", "four"), entry("group-5", "five"))

	stored := p.stored(t)
	readKey(t, stored["one"].PartitionKey, spanOfFirst, "group-1")
	readKey(t, stored["two"].PartitionKey, spanOfSecond, "group-2")
	readKey(t, stored["three"].PartitionKey, spanOfFirst, "group-3")
	for data, key := range map[string]string{"four": "group-4", "five": "group-5"} {
		if got := stored[data]; got.PartitionKey != key || got.ExplicitHashKey != "" {
			t.Errorf("the record %s, without a context, is stored as %q with the hash key %q, want it as given", data, got.PartitionKey, got.ExplicitHashKey)
		}
	}

	put := theOnly(t, p.ended())
	var links []trace.SpanContext
	for _, l := range put.Links() {
		links = append(links, l.SpanContext)
	}
	if put.SpanKind() != trace.SpanKindClient || !put.Parent().Equal(application) || !reflect.DeepEqual(links, []trace.SpanContext{spanOfFirst, spanOfSecond}) {
		t.Errorf("the span of the call is a %s, parent %s, links %v; want a client below %s that links to %s and %s",
			put.SpanKind(), put.Parent().SpanID(), links, application.SpanID(), spanOfFirst.SpanID(), spanOfSecond.SpanID())
	}
	want := map[string]int64{"trace_injected_total{stream_name=orders}": 3}
	if got := p.counters(t); !reflect.DeepEqual(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// A queue is often flushed by a goroutine that has no span.
func TestContextsOfRecordsAreCarriedWithoutASpanOfTheCall(t *testing.T) {
	t.Parallel()
	var own context.Context
	p := with(t, func(o *kinesismiddleware.Options) {
		o.EntryContext = func(context.Context, *kinesis.PutRecordsInput, int) context.Context { return own }
	})
	own, application := p.span(t)
	p.putRecords(t, t.Context(), entry("group-1", "data"))
	readKey(t, p.stored(t)["data"].PartitionKey, application, "group-1")
	if spans := p.ended(); len(spans) != 0 {
		t.Errorf("there are the spans %v, want none", spans)
	}
}

func TestThePartitionKeyIsOnTheSpanOfAPutWhenAskedFor(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		p := with(t, func(o *kinesismiddleware.Options) { o.SpanPartitionKeys = asked })
		ctx, _ := p.span(t)
		if _, err := p.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(orders), PartitionKey: aws.String("group-1"), Data: []byte("one")}); err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(attributesOf(theOnly(t, p.ended())), "messaging.aws.kinesis.partition_key=group-1"); got != asked {
			t.Errorf("SpanPartitionKeys %t: the key is on the span: %t", asked, got)
		}
	}
}

func TestARecordWhoseContextIsNilCarriesNothing(t *testing.T) {
	t.Parallel()
	p := with(t, func(o *kinesismiddleware.Options) {
		o.BaggageKeys = []string{"tenant"}
		o.EntryContext = func(ctx context.Context, _ *kinesis.PutRecordsInput, i int) context.Context {
			if i == 0 {
				return nil
			}
			return ctx
		}
	})
	ctx, _ := p.span(t)
	p.putRecords(t, ctx, entry("group-1", "one"), entry("group-2", "two"))
	stored := p.stored(t)
	if got := tracecarrier.Read(stored["one"].PartitionKey).Form; got != tracecarrier.FormPlain {
		t.Errorf("the record without a context has a key of form %s; want plain", got)
	}
	if got := tracecarrier.Read(stored["two"].PartitionKey).Form; got != tracecarrier.FormExtended {
		t.Errorf("the record with a context has a key of form %s; want extended", got)
	}
}
