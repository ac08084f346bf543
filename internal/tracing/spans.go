package tracing

import (
	"context"
	"slices"
	"sync"
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
	stream  string
	config  Config
	create  kind
	put     kind
	fetch   kind
	push    kind
	process kind
	settle  kind
}

// kind is what all spans of one operation on one stream share. It is made with the
// first of them: a consumer has thousands of shards, and few kinds of span in each.
type kind struct {
	operation Operation
	kind      trace.SpanKind

	once    sync.Once
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
		stream:  stream,
		config:  config,
		create:  kind{operation: Create, kind: trace.SpanKindProducer},
		put:     kind{operation: PutRecords, kind: trace.SpanKindClient},
		fetch:   kind{operation: GetRecords, kind: trace.SpanKindClient},
		push:    kind{operation: SubscribeToShard, kind: trace.SpanKindClient},
		process: kind{operation: Process, kind: trace.SpanKindConsumer},
		settle:  kind{operation: Checkpoint, kind: trace.SpanKindClient},
	}
}

// prepare makes what the spans of a kind share.
func (s *Spans) prepare(k *kind) {
	k.name = string(k.operation)
	attributes := []attribute.KeyValue{
		SystemKey.String(System),
		OperationNameKey.String(string(k.operation)),
		k.operation.operationType(),
	}
	if s.stream != "" {
		k.name += " " + s.stream
		attributes = append(attributes, DestinationKey.String(s.stream), StreamKey.String(s.stream))
	}
	if s.config.ShardID != "" {
		attributes = append(attributes, ShardKey.String(s.config.ShardID))
	}
	if s.config.Group != "" {
		attributes = append(attributes, GroupKey.String(s.config.Group))
	}
	k.options = []trace.SpanStartOption{trace.WithSpanKind(k.kind), trace.WithAttributes(attributes...)}
}

func (s *Spans) start(ctx context.Context, k *kind, more ...trace.SpanStartOption) (context.Context, trace.Span) {
	k.once.Do(func() { s.prepare(k) })
	if len(more) == 0 {
		return s.tracer.Start(ctx, k.name, k.options...)
	}
	return s.tracer.Start(ctx, k.name, slices.Concat(k.options, more)...)
}

// NewLinks begins the links of one span.
func (s *Spans) NewLinks() *Links {
	return &Links{max: s.config.MaxLinks, partitionKeys: s.config.PartitionKeys}
}

// Create starts the span of a record that a producer was given. It is a child
// of the span in ctx, and its own context is the one to carry. SetRecord tells
// it later where the record lies.
func (s *Spans) Create(ctx context.Context, r *kinetrail.Record) (context.Context, trace.Span) {
	ctx, span := s.start(ctx, &s.create)
	if s.config.PartitionKeys && span.IsRecording() {
		span.SetAttributes(PartitionKeyKey.String(r.PartitionKey))
	}
	return ctx, span
}

// PutRecords starts the span of one PutRecords request with so many Kinesis
// records. The links are to the create spans of what it holds; nil means none.
func (s *Spans) PutRecords(ctx context.Context, records int, links *Links) (context.Context, trace.Span) {
	ctx, span := s.start(ctx, &s.put, links.options()...)
	setCount(span, records, links)
	return ctx, span
}

// Fetched records the span of a fetch that has brought so many Kinesis records,
// which is known only when the fetch is over.
func (s *Spans) Fetched(ctx context.Context, started, ended time.Time, records int) {
	_, span := s.start(ctx, &s.fetch, trace.WithTimestamp(started))
	setCount(span, records, nil)
	span.End(trace.WithTimestamp(ended))
}

// Pushed records the span of an event of a subscription that has brought so many
// Kinesis records.
func (s *Spans) Pushed(ctx context.Context, started, ended time.Time, records int) {
	_, span := s.start(ctx, &s.push, trace.WithTimestamp(started))
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
	ctx, span := s.start(ctx, &s.process, more...)
	if span.IsRecording() {
		span.SetAttributes(recordAttributes(r, now, s.config.PartitionKeys)...)
	}
	return ctx, span
}

// ProcessBatch starts the span of a handler of several records. It is a child of
// the span in ctx, if any, and of none of the records; the links, made with
// AddRecord, are to the contexts they carry.
func (s *Spans) ProcessBatch(ctx context.Context, records int, links *Links) (context.Context, trace.Span) {
	ctx, span := s.start(ctx, &s.process, links.options()...)
	setCount(span, records, links)
	return ctx, span
}

// Checkpoint starts the span of writing a position to the lease store.
func (s *Spans) Checkpoint(ctx context.Context, at kinetrail.Position) (context.Context, trace.Span) {
	ctx, span := s.start(ctx, &s.settle)
	if sequence := at.Sequence(); sequence != "" && span.IsRecording() {
		span.SetAttributes(SequenceNumberKey.String(sequence))
	}
	return ctx, span
}

// StartPut starts the span of a call of PutRecord or PutRecords that the
// middleware sees. Unlike Spans.PutRecords it has kind PRODUCER, because its own
// context is carried in every one of the records.
func StartPut(ctx context.Context, tracer trace.Tracer, operation Operation, stream string, records int) (context.Context, trace.Span) {
	spans := &Spans{tracer: tracer, stream: stream}
	ctx, span := spans.start(ctx, &kind{operation: operation, kind: trace.SpanKindProducer})
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
