package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
)

// DefaultMaxLinks is how many links a span gets unless told otherwise: as many
// as the OpenTelemetry SDK keeps by default (LinkCountLimit of its SpanLimits).
const DefaultMaxLinks = 128

// Links collects the links of one span: each linked span once, and no more than
// a maximum. Spans.NewLinks makes one. It is not safe for concurrent use.
type Links struct {
	max           int
	partitionKeys bool
	links         []trace.Link
	seen          map[linked]struct{}
}

// linked is what makes two links the same.
type linked struct {
	trace trace.TraceID
	span  trace.SpanID
}

// Add links to a span. Nothing happens when sc is not valid.
func (l *Links) Add(sc trace.SpanContext) {
	if l.admit(sc) {
		l.links = append(l.links, trace.Link{SpanContext: sc})
	}
}

// AddRecord links to the context that r carries, with what is r's own as
// attributes of the link. When several records carry one context, the first one
// speaks for them. now is the time the record is handed to its handler.
func (l *Links) AddRecord(r *kinetrail.Record, carried trace.SpanContext, now time.Time) {
	if l.admit(carried) {
		l.links = append(l.links, trace.Link{SpanContext: carried, Attributes: recordAttributes(r, now, l.partitionKeys)})
	}
}

// admit reports whether there is to be a link to sc, and counts it.
func (l *Links) admit(sc trace.SpanContext) bool {
	if !sc.IsValid() {
		return false
	}
	id := linked{sc.TraceID(), sc.SpanID()}
	if _, ok := l.seen[id]; ok {
		return false
	}
	if l.seen == nil {
		l.seen = make(map[linked]struct{})
	}
	l.seen[id] = struct{}{}
	return len(l.links) < l.max
}

// Dropped is how many linked spans were left out because of the maximum.
func (l *Links) Dropped() int { return len(l.seen) - len(l.links) }

// options are those of the span the links belong to. l may be nil.
func (l *Links) options() []trace.SpanStartOption {
	if l == nil || len(l.links) == 0 {
		return nil
	}
	return []trace.SpanStartOption{trace.WithLinks(l.links...)}
}

// AddTo adds the links to a span that was started without them, because they were
// not worth collecting before it was known that it records.
func (l *Links) AddTo(span trace.Span) {
	for _, link := range l.links {
		span.AddLink(link)
	}
	l.setDropped(span)
}

// setDropped says on the span itself that it has too few links.
func (l *Links) setDropped(span trace.Span) {
	if l != nil && l.Dropped() > 0 {
		span.SetAttributes(DroppedLinksKey.Int(l.Dropped()))
	}
}

// recordAttributes are what tells one record from another.
func recordAttributes(r *kinetrail.Record, now time.Time, partitionKey bool) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if sequence := r.Position.Sequence(); sequence != "" {
		attributes = append(attributes, SequenceNumberKey.String(sequence))
	}
	if !r.ArrivedAt.IsZero() && !now.IsZero() {
		// The clocks of the service and of this machine may differ by more than
		// a record waits.
		wait := max(0, now.Sub(r.ArrivedAt))
		attributes = append(attributes, WaitKey.Int64(wait.Milliseconds()))
	}
	if partitionKey {
		attributes = append(attributes, PartitionKeyKey.String(r.PartitionKey))
	}
	return attributes
}
