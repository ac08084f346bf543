package tracing

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
)

// Tracer returns the tracer of all kinetrail's spans. A nil provider is
// OpenTelemetry's global one, also when that is set later.
func Tracer(provider trace.TracerProvider) trace.Tracer {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return provider.Tracer(ScopeName, trace.WithInstrumentationVersion(Version), trace.WithSchemaURL(semconv.SchemaURL))
}

// Config says how the spans of one stream are made. Its zero value is a good
// one for a producer.
type Config struct {
	// ShardID is the shard that all spans are about, empty when they are about
	// several.
	ShardID string

	// Group is the consumer group, empty when there is none.
	Group string

	// MaxLinks is how many links a span may have; 0 means DefaultMaxLinks.
	MaxLinks int

	// LinkRecords makes the span of a handler of one record link to the context
	// the record carries, instead of continuing its trace.
	LinkRecords bool

	// PartitionKeys puts the producer's partition keys on the spans. They can
	// be personal data and have many values.
	PartitionKeys bool
}

// Spans starts the spans of one stream. It is safe for concurrent use.
type Spans struct {
	tracer  trace.Tracer
	config  Config
	create  kind
	put     kind
	fetch   kind
	push    kind
	process kind
	settle  kind
}

// kind is what all spans of one operation on one stream share.
type kind struct {
	name    string
	options []trace.SpanStartOption // always copied before something is added
}

// New makes the spans of one stream, named as it is in an ARN's last part. A
// stream whose name is not known is the empty one; its spans have no
// destination.
func New(tracer trace.Tracer, stream string, config Config) *Spans {
	if config.MaxLinks <= 0 {
		config.MaxLinks = DefaultMaxLinks
	}
	return &Spans{
		tracer:  tracer,
		config:  config,
		create:  newKind(Create, trace.SpanKindProducer, stream, config),
		put:     newKind(PutRecords, trace.SpanKindClient, stream, config),
		fetch:   newKind(GetRecords, trace.SpanKindClient, stream, config),
		push:    newKind(SubscribeToShard, trace.SpanKindClient, stream, config),
		process: newKind(Process, trace.SpanKindConsumer, stream, config),
		settle:  newKind(Checkpoint, trace.SpanKindClient, stream, config),
	}
}

func newKind(o Operation, k trace.SpanKind, stream string, config Config) kind {
	name := string(o)
	attributes := []attribute.KeyValue{
		SystemKey.String(System),
		OperationNameKey.String(string(o)),
		o.operationType(),
	}
	if stream != "" {
		name += " " + stream
		attributes = append(attributes, DestinationKey.String(stream), StreamKey.String(stream))
	}
	if config.ShardID != "" {
		attributes = append(attributes, ShardKey.String(config.ShardID))
	}
	if config.Group != "" {
		attributes = append(attributes, GroupKey.String(config.Group))
	}
	return kind{name, []trace.SpanStartOption{trace.WithSpanKind(k), trace.WithAttributes(attributes...)}}
}

func (k kind) start(ctx context.Context, tracer trace.Tracer, more ...trace.SpanStartOption) (context.Context, trace.Span) {
	if len(more) == 0 {
		return tracer.Start(ctx, k.name, k.options...)
	}
	return tracer.Start(ctx, k.name, slices.Concat(k.options, more)...)
}

// NewLinks begins the links of one span.
func (s *Spans) NewLinks() *Links {
	return &Links{max: s.config.MaxLinks, partitionKeys: s.config.PartitionKeys}
}

// Create starts the span of a record that a producer was given. It is a child
// of the span in ctx, and its own context is the one to carry. SetRecord tells
// it later where the record lies.
func (s *Spans) Create(ctx context.Context, r *kinetrail.Record) (context.Context, trace.Span) {
	ctx, span := s.create.start(ctx, s.tracer)
	if s.config.PartitionKeys && span.IsRecording() {
		span.SetAttributes(PartitionKeyKey.String(r.PartitionKey))
	}
	return ctx, span
}

// PutRecords starts the span of one PutRecords request with so many Kinesis
// records. The links are to the create spans of what it holds; nil means none.
func (s *Spans) PutRecords(ctx context.Context, records int, links *Links) (context.Context, trace.Span) {
	ctx, span := s.put.start(ctx, s.tracer, links.options()...)
	setCount(span, records, links)
	return ctx, span
}

// Fetched records the span of a fetch that has brought so many Kinesis records,
// which is known only when the fetch is over.
func (s *Spans) Fetched(ctx context.Context, started, ended time.Time, records int) {
	_, span := s.fetch.start(ctx, s.tracer, trace.WithTimestamp(started))
	setCount(span, records, nil)
	span.End(trace.WithTimestamp(ended))
}

// Pushed records the span of an event of a subscription that has brought so many
// Kinesis records.
func (s *Spans) Pushed(ctx context.Context, started, ended time.Time, records int) {
	_, span := s.push.start(ctx, s.tracer, trace.WithTimestamp(started))
	setCount(span, records, nil)
	span.End(trace.WithTimestamp(ended))
}

// Process starts the span of a handler of one record. carried is the context
// that r carries: the parent of the span, and then the span in ctx is linked to;
// or a link itself, as Config.LinkRecords says. When it is not valid, the span
// is a child of the one in ctx. now is the time the handler is called.
func (s *Spans) Process(ctx context.Context, r *kinetrail.Record, carried trace.SpanContext, now time.Time) (context.Context, trace.Span) {
	other := carried
	if !s.config.LinkRecords && carried.IsValid() {
		other = trace.SpanContextFromContext(ctx)
		ctx = trace.ContextWithRemoteSpanContext(ctx, carried)
	}
	var more []trace.SpanStartOption
	if other.IsValid() && !sameSpan(other, trace.SpanContextFromContext(ctx)) {
		more = append(more, trace.WithLinks(trace.Link{SpanContext: other}))
	}
	ctx, span := s.process.start(ctx, s.tracer, more...)
	if span.IsRecording() {
		span.SetAttributes(recordAttributes(r, now, s.config.PartitionKeys)...)
	}
	return ctx, span
}

// ProcessBatch starts the span of a handler of several records. It is a child of
// the span in ctx, if any, and of none of the records; the links, made with
// AddRecord, are to the contexts they carry.
func (s *Spans) ProcessBatch(ctx context.Context, records int, links *Links) (context.Context, trace.Span) {
	ctx, span := s.process.start(ctx, s.tracer, links.options()...)
	setCount(span, records, links)
	return ctx, span
}

// Checkpoint starts the span of writing a position to the lease store.
func (s *Spans) Checkpoint(ctx context.Context, at kinetrail.Position) (context.Context, trace.Span) {
	ctx, span := s.settle.start(ctx, s.tracer)
	if sequence := at.Sequence(); sequence != "" && span.IsRecording() {
		span.SetAttributes(SequenceNumberKey.String(sequence))
	}
	return ctx, span
}

// StartPut starts the span of a call of PutRecord or PutRecords that the
// middleware sees. Unlike Spans.PutRecords it has kind PRODUCER, because its own
// context is carried in every one of the records.
func StartPut(ctx context.Context, tracer trace.Tracer, operation Operation, stream string, records int) (context.Context, trace.Span) {
	ctx, span := newKind(operation, trace.SpanKindProducer, stream, Config{}).start(ctx, tracer)
	// The conventions want no count on the span of a call for one message.
	if operation == PutRecords {
		setCount(span, records, nil)
	}
	return ctx, span
}

func setCount(span trace.Span, records int, links *Links) {
	if span.IsRecording() {
		span.SetAttributes(RecordCountKey.Int(records))
		links.setDropped(span)
	}
}

func sameSpan(a, b trace.SpanContext) bool {
	return a.TraceID() == b.TraceID() && a.SpanID() == b.SpanID()
}

// SetRecord says where a record has come to lie.
func SetRecord(span trace.Span, shardID, sequence string) {
	if span.IsRecording() {
		span.SetAttributes(ShardKey.String(shardID), SequenceNumberKey.String(sequence))
	}
}
