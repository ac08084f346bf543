package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
)

var (
	arrived = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	record  = kinetrail.Record{PartitionKey: "group-1", Position: kinetrail.At("4959", 2), ArrivedAt: arrived}
)

// recorder is an SDK tracer and the spans it has ended.
func recorder(t *testing.T) (trace.Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return tracing.Tracer(provider), spans
}

// remote is a sampled span context with these ids.
func remote(traceID, spanID byte) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{traceID}, SpanID: trace.SpanID{spanID}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
}

// attributesOf are the attributes as name=value, sorted.
func attributesOf(attributes []attribute.KeyValue) []string {
	texts := make([]string, len(attributes))
	for i, a := range attributes {
		texts[i] = string(a.Key) + "=" + a.Value.String()
	}
	slices.Sort(texts)
	return texts
}

func TestEverySpanHasItsNameKindAndAttributes(t *testing.T) {
	t.Parallel()
	config := tracing.Config{ShardID: "shardId-000000000003", Group: "app", PartitionKeys: true}
	shard := []string{"messaging.consumer.group.name=app", "messaging.destination.partition.id=shardId-000000000003"}
	for _, tt := range []struct {
		name   string
		config tracing.Config
		span   func(context.Context, trace.Tracer, *tracing.Spans) trace.Span // nil when it has ended itself

		wantKind trace.SpanKind
		want     []string // beside system, destination and stream
	}{
		{"create orders", tracing.Config{}, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			_, span := s.Create(ctx, &record)
			tracing.SetRecord(span, "shardId-000000000001", "4958")
			return span
		}, trace.SpanKindProducer, []string{"messaging.operation.name=create", "messaging.operation.type=create",
			"messaging.destination.partition.id=shardId-000000000001", "messaging.message.id=4958"}},
		{"create orders", tracing.Config{PartitionKeys: true}, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			_, span := s.Create(ctx, &record)
			return span
		}, trace.SpanKindProducer, []string{"messaging.operation.name=create", "messaging.operation.type=create",
			"messaging.aws.kinesis.partition_key=group-1"}},
		{"put_records orders", tracing.Config{}, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			_, span := s.PutRecords(ctx, 7, nil)
			return span
		}, trace.SpanKindClient, []string{"messaging.operation.name=put_records", "messaging.operation.type=send",
			"messaging.batch.message_count=7"}},
		{"put_record orders", tracing.Config{}, func(ctx context.Context, tracer trace.Tracer, _ *tracing.Spans) trace.Span {
			_, span := tracing.StartPut(ctx, tracer, tracing.PutRecord, "orders", 1)
			return span
		}, trace.SpanKindProducer, []string{"messaging.operation.name=put_record", "messaging.operation.type=send"}},
		{"put_records orders", tracing.Config{}, func(ctx context.Context, tracer trace.Tracer, _ *tracing.Spans) trace.Span {
			_, span := tracing.StartPut(ctx, tracer, tracing.PutRecords, "orders", 3)
			return span
		}, trace.SpanKindProducer, []string{"messaging.operation.name=put_records", "messaging.operation.type=send",
			"messaging.batch.message_count=3"}},
		{"get_records orders", config, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			s.Fetched(ctx, arrived, arrived.Add(time.Second), 9)
			return nil
		}, trace.SpanKindClient, append(shard, "messaging.operation.name=get_records", "messaging.operation.type=receive",
			"messaging.batch.message_count=9")},
		{"process orders", tracing.Config{ShardID: config.ShardID, Group: config.Group}, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			_, span := s.Process(ctx, &record, trace.SpanContext{}, arrived.Add(1500*time.Millisecond))
			return span
		}, trace.SpanKindConsumer, append(shard, "messaging.operation.name=process", "messaging.operation.type=process",
			"messaging.message.id=4959", "kinetrail.wait_ms=1500")},
		{"process orders", config, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			// The clock of this machine is behind: nothing waits less than no time.
			_, span := s.Process(ctx, &record, trace.SpanContext{}, arrived.Add(-time.Hour))
			return span
		}, trace.SpanKindConsumer, append(shard, "messaging.operation.name=process", "messaging.operation.type=process",
			"messaging.message.id=4959", "kinetrail.wait_ms=0", "messaging.aws.kinesis.partition_key=group-1")},
		{"process orders", config, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			_, span := s.ProcessBatch(ctx, 2, s.NewLinks())
			return span
		}, trace.SpanKindConsumer, append(shard, "messaging.operation.name=process", "messaging.operation.type=process",
			"messaging.batch.message_count=2")},
		{"checkpoint orders", config, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			_, span := s.Checkpoint(ctx, kinetrail.At("4959", 0))
			return span
		}, trace.SpanKindClient, append(shard, "messaging.operation.name=checkpoint", "messaging.operation.type=settle",
			"messaging.message.id=4959")},
		{"checkpoint orders", tracing.Config{}, func(ctx context.Context, _ trace.Tracer, s *tracing.Spans) trace.Span {
			_, span := s.Checkpoint(ctx, kinetrail.ShardEnd())
			return span
		}, trace.SpanKindClient, []string{"messaging.operation.name=checkpoint", "messaging.operation.type=settle"}},
	} {
		tracer, ended := recorder(t)
		if span := tt.span(t.Context(), tracer, tracing.New(tracer, "orders", tt.config)); span != nil {
			tracing.EndSpan(span, nil)
		}
		if len(ended.Ended()) != 1 {
			t.Fatalf("%s: %d spans ended, want 1", tt.name, len(ended.Ended()))
		}
		got := ended.Ended()[0]
		want := append([]string{"messaging.system=aws.kinesis", "messaging.destination.name=orders", "aws.kinesis.stream_name=orders"}, tt.want...)
		slices.Sort(want)
		if got.Name() != tt.name || got.SpanKind() != tt.wantKind || !slices.Equal(attributesOf(got.Attributes()), want) {
			t.Errorf("span %q of kind %s with\n     %q\nwant %q of kind %s with\n     %q",
				got.Name(), got.SpanKind(), attributesOf(got.Attributes()), tt.name, tt.wantKind, want)
		}
		if len(got.Links()) != 0 || got.Parent().IsValid() || got.Status().Code != codes.Unset {
			t.Errorf("%s: links %v, parent %v, status %v; want none of them", tt.name, got.Links(), got.Parent(), got.Status())
		}
		if scope := got.InstrumentationScope(); scope.Name != "github.com/kinetrail/kinetrail" || scope.Version == "" || scope.SchemaURL == "" {
			t.Errorf("%s: the instrumentation scope is %+v, want kinetrail's with version and schema", tt.name, scope)
		}
	}
}

func TestAStreamWithoutANameHasNoDestination(t *testing.T) {
	t.Parallel()
	tracer, ended := recorder(t)
	_, span := tracing.StartPut(t.Context(), tracer, tracing.PutRecord, "", 1)
	span.End()
	got := ended.Ended()[0]
	want := []string{"messaging.operation.name=put_record", "messaging.operation.type=send", "messaging.system=aws.kinesis"}
	if got.Name() != "put_record" || !slices.Equal(attributesOf(got.Attributes()), want) {
		t.Errorf("span %q with %q, want put_record with %q", got.Name(), attributesOf(got.Attributes()), want)
	}
}

func TestAFetchIsRecordedWithTheTimesItHad(t *testing.T) {
	t.Parallel()
	tracer, ended := recorder(t)
	tracing.New(tracer, "orders", tracing.Config{}).Fetched(t.Context(), arrived, arrived.Add(time.Second), 1)
	got := ended.Ended()[0]
	if !got.StartTime().Equal(arrived) || !got.EndTime().Equal(arrived.Add(time.Second)) {
		t.Errorf("the span lasts from %v to %v, want from %v for a second", got.StartTime(), got.EndTime(), arrived)
	}
}

func TestTheHandlerOfOneRecordContinuesItsTraceOrLinksToIt(t *testing.T) {
	t.Parallel()
	carried, ambient := remote(1, 1), remote(2, 2)
	none := trace.SpanContext{}
	for _, tt := range []struct {
		name       string
		config     tracing.Config
		ambient    trace.SpanContext
		carried    trace.SpanContext
		wantParent trace.SpanContext
		wantLinks  []trace.SpanContext
	}{
		{"continues", tracing.Config{}, none, carried, carried, nil},
		{"continues, ambient span linked", tracing.Config{}, ambient, carried, carried, []trace.SpanContext{ambient}},
		{"continues, ambient span is the carried one", tracing.Config{}, carried, carried, carried, nil},
		{"nothing carried", tracing.Config{}, ambient, none, ambient, nil},
		{"links", tracing.Config{LinkRecords: true}, none, carried, none, []trace.SpanContext{carried}},
		{"links from the ambient trace", tracing.Config{LinkRecords: true}, ambient, carried, ambient, []trace.SpanContext{carried}},
		{"nothing to link to", tracing.Config{LinkRecords: true}, ambient, none, ambient, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tracer, ended := recorder(t)
			ctx := trace.ContextWithSpanContext(t.Context(), tt.ambient)
			ctx, span := tracing.New(tracer, "orders", tt.config).Process(ctx, &record, tt.carried, arrived)
			if trace.SpanContextFromContext(ctx).SpanID() != span.SpanContext().SpanID() {
				t.Errorf("the handler's ctx has another span than the one that was started")
			}
			span.End()
			got := ended.Ended()[0]
			if got.Parent().SpanID() != tt.wantParent.SpanID() || (tt.wantParent.IsValid() && got.SpanContext().TraceID() != tt.wantParent.TraceID()) {
				t.Errorf("the parent is %v in trace %v, want %v in trace %v", got.Parent().SpanID(), got.SpanContext().TraceID(), tt.wantParent.SpanID(), tt.wantParent.TraceID())
			}
			checkLinks(t, got, tt.wantLinks...)
		})
	}
}

func checkLinks(t *testing.T, span sdktrace.ReadOnlySpan, want ...trace.SpanContext) {
	t.Helper()
	var got []trace.SpanContext
	for _, l := range span.Links() {
		got = append(got, l.SpanContext)
	}
	if !slices.EqualFunc(got, want, trace.SpanContext.Equal) {
		t.Errorf("links to %v, want %v", got, want)
	}
}

func TestABatchOfThreeTracesHasNoParentAndThreeLinks(t *testing.T) {
	t.Parallel()
	tracer, ended := recorder(t)
	s := tracing.New(tracer, "orders", tracing.Config{})
	links := s.NewLinks()
	for i := range 3 {
		r := kinetrail.Record{Position: kinetrail.At(fmt.Sprint(i), 0), ArrivedAt: arrived}
		links.AddRecord(&r, remote(byte(i+1), 1), arrived.Add(time.Duration(i)*time.Second))
	}
	_, span := s.ProcessBatch(t.Context(), 3, links)
	span.End()
	got := ended.Ended()[0]
	if got.Parent().IsValid() {
		t.Errorf("the parent is %v, want none", got.Parent())
	}
	checkLinks(t, got, remote(1, 1), remote(2, 1), remote(3, 1))
	for i, l := range got.Links() {
		want := []string{fmt.Sprintf("kinetrail.wait_ms=%d", i*1000), fmt.Sprintf("messaging.message.id=%d", i)}
		if !slices.Equal(attributesOf(l.Attributes), want) {
			t.Errorf("link %d has %q, want %q", i, attributesOf(l.Attributes), want)
		}
	}
}

func TestLinksAreOnePerSpanAndNoMoreThanTheMaximum(t *testing.T) {
	t.Parallel()
	tracer, ended := recorder(t)
	s := tracing.New(tracer, "orders", tracing.Config{MaxLinks: 2})
	links := s.NewLinks()
	for range 3 { // repeated links are neither kept nor counted as dropped
		links.Add(remote(1, 1))
		links.Add(remote(1, 2)) // the same trace, another span
		links.Add(remote(2, 1))
		links.Add(remote(3, 1))
		links.Add(trace.SpanContext{})
		links.AddRecord(&record, remote(1, 1), arrived)
	}
	_, span := s.PutRecords(t.Context(), 4, links)
	span.End()
	got := ended.Ended()[0]
	checkLinks(t, got, remote(1, 1), remote(1, 2))
	if links.Dropped() != 2 || !slices.Contains(attributesOf(got.Attributes()), "kinetrail.dropped_links=2") {
		t.Errorf("dropped %d, attributes %q; want 2 on both", links.Dropped(), attributesOf(got.Attributes()))
	}
}

func TestTheDefaultMaximumOfLinksIsWhatTheSDKKeeps(t *testing.T) {
	t.Parallel()
	if tracing.DefaultMaxLinks != sdktrace.DefaultLinkCountLimit {
		t.Errorf("DefaultMaxLinks = %d, the SDK keeps %d", tracing.DefaultMaxLinks, sdktrace.DefaultLinkCountLimit)
	}
	tracer, ended := recorder(t)
	s := tracing.New(tracer, "orders", tracing.Config{})
	links := s.NewLinks()
	for i := range 200 {
		links.Add(remote(byte(i+1), 1))
	}
	_, span := s.ProcessBatch(t.Context(), 200, links)
	span.End()
	got := ended.Ended()[0]
	if len(got.Links()) != 128 || got.DroppedLinks() != 0 || links.Dropped() != 72 {
		t.Errorf("%d links, %d dropped by the SDK, %d by us; want 128, 0, 72", len(got.Links()), got.DroppedLinks(), links.Dropped())
	}
}

// throttled is an API error as the SDK returns it.
var throttled = &smithy.OperationError{ServiceID: "Kinesis", OperationName: "PutRecords",
	Err: fmt.Errorf("attempt 3: %w", &smithy.GenericAPIError{Code: "ProvisionedThroughputExceededException", Message: "slow down"})}

type poisoned struct{}

func (poisoned) Error() string { return "poisoned" }

func TestEndSpanTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{throttled, "ProvisionedThroughputExceededException"},
		{context.DeadlineExceeded, "timeout"},
		{fmt.Errorf("fetch: %w", context.Canceled), "canceled"},
		{errors.Join(throttled, context.Canceled), "ProvisionedThroughputExceededException"},
		{fmt.Errorf("handle: %w", fmt.Errorf("decode: %w", poisoned{})), "github.com/kinetrail/kinetrail/internal/tracing_test.poisoned"},
		{errors.New("plain"), "*errors.errorString"},
		{&smithy.GenericAPIError{}, "*smithy.GenericAPIError"},
	} {
		tracer, ended := recorder(t)
		_, span := tracing.New(tracer, "orders", tracing.Config{}).Create(t.Context(), &record)
		tracing.EndSpan(span, tt.err)
		got := ended.Ended()[0]
		if want := (sdktrace.Status{Code: codes.Error, Description: tt.err.Error()}); got.Status() != want {
			t.Errorf("EndSpan(%v): status %+v, want %+v", tt.err, got.Status(), want)
		}
		if !slices.Contains(attributesOf(got.Attributes()), "error.type="+tt.want) {
			t.Errorf("EndSpan(%v): attributes %q, want error.type=%s", tt.err, attributesOf(got.Attributes()), tt.want)
		}
	}
}

func TestMarkedCallsAreOurOwn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(tracing.Mark(t.Context()))
	defer cancel()
	if !tracing.Marked(ctx) || tracing.Marked(t.Context()) {
		t.Errorf("Marked = %t with a mark and %t without, want true and false", tracing.Marked(ctx), tracing.Marked(t.Context()))
	}
}

func TestSpansThatNobodyRecordsCostNoAttributes(t *testing.T) {
	s := tracing.New(tracing.Tracer(noop.NewTracerProvider()), "orders", tracing.Config{})
	ctx := trace.ContextWithSpanContext(t.Context(), remote(2, 2)) // a noop tracer hands such a ctx back as it is
	for _, tt := range []struct {
		name string
		run  func()
	}{
		{"create", func() {
			_, span := s.Create(ctx, &record)
			tracing.SetRecord(span, "shardId-000000000001", "4958")
			tracing.EndSpan(span, throttled)
		}},
		{"process", func() {
			_, span := s.Process(ctx, &record, trace.SpanContext{}, arrived)
			tracing.EndSpan(span, nil)
		}},
		{"put_records", func() {
			_, span := s.PutRecords(ctx, 500, nil)
			tracing.EndSpan(span, nil)
		}},
		{"checkpoint", func() {
			_, span := s.Checkpoint(ctx, record.Position)
			tracing.EndSpan(span, nil)
		}},
	} {
		if got := testing.AllocsPerRun(100, tt.run); got != 0 {
			t.Errorf("%s allocates %v times, want 0", tt.name, got)
		}
	}
}
