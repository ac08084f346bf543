package kinesislambda_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/kinesislambda"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

const (
	streamARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
	shardID   = "shardId-000000000003"
)

// arrived is an instant that a float of seconds cannot hold exactly.
var arrived = time.Date(2026, 11, 20, 12, 30, 45, 123_000_000, time.UTC)

// received is an event's record as Lambda decodes it.
func received(sequence int, storedKey, data string) events.KinesisEventRecord {
	return events.KinesisEventRecord{
		EventID:        fmt.Sprintf("%s:%d", shardID, sequence),
		EventSource:    "aws:kinesis",
		EventSourceArn: streamARN,
		Kinesis: events.KinesisRecord{
			SequenceNumber:              fmt.Sprint(sequence),
			PartitionKey:                storedKey,
			Data:                        []byte(data),
			ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: arrived.Add(100 * time.Nanosecond)},
		},
	}
}

func eventOf(records ...events.KinesisEventRecord) events.KinesisEvent {
	return events.KinesisEvent{Records: records}
}

// spanContext is a sampled, remote one.
func spanContext(id byte) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{id}, SpanID: trace.SpanID{id}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
}

// carriedBy is the same context as text.
func carriedBy(id byte) kinetrail.TraceContext {
	sc := spanContext(id)
	return kinetrail.TraceContext{Parent: fmt.Sprintf("00-%s-%s-01", sc.TraceID(), sc.SpanID())}
}

// keyWith is a partition key that carries context id.
func keyWith(id byte, key string) string {
	stored, _, _ := tracecarrier.Writer{Carrier: tracecarrier.Lossless}.Write(key, "", carriedBy(id))
	return stored
}

// containerOf is the data of a KPL container.
func containerOf(users ...aggregate.UserRecord) string {
	var b aggregate.Builder
	for i := range users {
		b.Add(&users[i])
	}
	return string(b.AppendTo(nil))
}

// userWith is a user record whose headers carry context id, none for 0.
func userWith(id byte, key, data string) aggregate.UserRecord {
	user := aggregate.UserRecord{PartitionKey: key, Data: []byte(data)}
	if id != 0 {
		user.Headers = tracecarrier.AddHeaders(nil, carriedBy(id))
	}
	return user
}

// fixture is a tracer of the SDK with the spans it has ended, metrics and a log.
type fixture struct {
	spans   *tracetest.SpanRecorder
	tracer  *sdktrace.TracerProvider
	metrics *metrics.Memory
	log     *strings.Builder
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{spans: tracetest.NewSpanRecorder(), metrics: metrics.NewMemory(), log: new(strings.Builder)}
	f.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(f.spans))
	t.Cleanup(func() { _ = f.tracer.Shutdown(context.Background()) })
	return f
}

// options are those of the fixture, adjusted by more.
func (f *fixture) options(more ...func(*kinesislambda.Options)) func(*kinesislambda.Options) {
	return func(o *kinesislambda.Options) {
		o.TracerProvider, o.Metrics = f.tracer, f.metrics
		o.Logger = slog.New(slog.NewTextHandler(f.log, nil))
		for _, adjust := range more {
			adjust(o)
		}
	}
}

// theSpan is the one span that has ended.
func (f *fixture) theSpan(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := f.spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans have ended, want 1", len(ended))
	}
	return ended[0]
}

// linkedBy are the first bytes of the trace IDs a span links to.
func linkedBy(span sdktrace.ReadOnlySpan) (ids []byte) {
	for _, link := range span.Links() {
		ids = append(ids, link.SpanContext.TraceID()[0])
	}
	return ids
}

func wantFailure(t *testing.T, answer events.KinesisEventResponse, want ...string) {
	t.Helper()
	got := []string{}
	for _, failure := range answer.BatchItemFailures {
		got = append(got, failure.ItemIdentifier)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the answer names %q as failed, want %q", got, want)
	}
}

// nothing is a handler that succeeds.
func nothing(context.Context, kinetrail.Record) error { return nil }
