package kinetrail

import (
	"slices"
	"strings"
	"time"
)

// Record is one user record: what a producer was given, or what a consumer
// hands to its handler.
//
// A producer reads Data, PartitionKey, ExplicitHashKey, Headers and Trace and
// ignores the rest. A consumer fills in every field.
//
// A Record is a plain value. Copying it copies no data: Data, Headers and the
// strings of a received record alias the page they arrived in and keep it in
// memory as long as they are referenced. Clone cuts that tie.
type Record struct {
	// Data is the payload. Kinetrail never changes it.
	Data []byte

	// PartitionKey is the key the producer gave. When a received record
	// carries only a trace context in its key, the original key cannot be
	// known: PartitionKey is then the stored one and OriginalKeyKnown is
	// false. An empty key in a record to be put asks for a random one.
	PartitionKey string

	// StoredPartitionKey is the key as Kinesis stores it, which is what
	// readers without kinetrail see. For a record from a KPL container it is
	// the container's key.
	StoredPartitionKey string

	// OriginalKeyKnown reports whether PartitionKey is the producer's own.
	OriginalKeyKnown bool

	// ExplicitHashKey is the decimal hash key that overrides the MD5 of
	// PartitionKey, from 0 to 2^128−1. Empty means none was given. Kinesis
	// does not hand it to consumers; only a user record from a KPL container
	// still has it when received.
	ExplicitHashKey string

	// Headers are the record's headers in the order they were given, names
	// may repeat. Only KPL containers can carry them.
	Headers []Header

	// Trace is the trace context the record carries, as text. Its zero value
	// means none. In a record to be put, a non-empty Trace is carried instead
	// of the context of the caller's ctx.
	Trace TraceContext

	// Stream is where the record was read from.
	Stream Stream

	// ShardID is the shard the record lies on, as the service names it.
	ShardID string

	// Position is the record's place in its shard.
	Position Position

	// ArrivedAt is when Kinesis took the record in, in the service's clock,
	// to the millisecond.
	ArrivedAt time.Time

	// Behind is how far the response this record came in was behind the tip
	// of its shard. Zero means the reader had caught up.
	Behind time.Duration
}

// Header is one name and value of a record. Names are compared without regard
// to case, as HTTP does. Both must be valid UTF-8 and the name not empty.
type Header struct {
	Name  string
	Value string
}

// TraceContext is a W3C trace context and baggage in their text forms.
type TraceContext struct {
	// Parent is a traceparent of exactly 55 characters, or empty when there
	// is no context.
	Parent string

	// State is the tracestate, empty when there is none.
	State string

	// Baggage is the W3C baggage, empty when there is none.
	Baggage string
}

// IsZero reports whether nothing is carried.
func (c TraceContext) IsZero() bool {
	return c == TraceContext{}
}

// Header returns the value of the first header with this name, compared
// without regard to case, and whether there is one.
func (r *Record) Header(name string) (value string, ok bool) {
	for i := range r.Headers {
		if strings.EqualFold(r.Headers[i].Name, name) {
			return r.Headers[i].Value, true
		}
	}
	return "", false
}

// Clone returns a copy that shares no memory with r, so that the page r
// arrived in can be freed.
func (r *Record) Clone() Record {
	c := *r
	c.Data = slices.Clone(r.Data)
	c.PartitionKey = strings.Clone(r.PartitionKey)
	c.StoredPartitionKey = strings.Clone(r.StoredPartitionKey)
	c.ExplicitHashKey = strings.Clone(r.ExplicitHashKey)
	c.Trace = TraceContext{
		Parent:  strings.Clone(r.Trace.Parent),
		State:   strings.Clone(r.Trace.State),
		Baggage: strings.Clone(r.Trace.Baggage),
	}
	c.Stream = r.Stream.clone()
	c.ShardID = strings.Clone(r.ShardID)
	c.Position.sequence = strings.Clone(r.Position.sequence)
	if r.Headers != nil {
		c.Headers = make([]Header, len(r.Headers))
		for i, h := range r.Headers {
			c.Headers[i] = Header{Name: strings.Clone(h.Name), Value: strings.Clone(h.Value)}
		}
	}
	return c
}
