package otelcarrier

import (
	"context"
	"strings"
	"unsafe"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// knownFlags are the flags that W3C Trace Context level 2 defines. A strict
// version 00 parser refuses any other.
const knownFlags = trace.FlagsSampled | trace.FlagsRandom

// ParentOf is the context of a span in the form that carries nothing else. ok is
// false when it is not valid or has a tracestate, which FromContext brings along.
func ParentOf(sc trace.SpanContext) (p tracecarrier.Parent, ok bool) {
	return parentOf(sc), sc.IsValid() && sc.TraceState().Len() == 0
}

func parentOf(sc trace.SpanContext) tracecarrier.Parent {
	return tracecarrier.Parent{TraceID: sc.TraceID(), SpanID: sc.SpanID(), Flags: byte(sc.TraceFlags())}
}

// traceparent is room for the text of a span context: "00-" 32 hex "-" 16 hex "-"
// 2 hex.
type traceparent [55]byte

// FromContext returns the context of the span in ctx, sampled or not, to be
// carried by a record. It is zero when ctx has no valid span, and then costs no
// allocation.
//
// The baggage of ctx is carried only for the keys named, in their order;
// without keys, none of it is.
func FromContext(ctx context.Context, baggageKeys ...string) kinetrail.TraceContext {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return kinetrail.TraceContext{}
	}
	return kinetrail.TraceContext{
		Parent:  parentOf(sc).String(),
		State:   sc.TraceState().String(),
		Baggage: baggageOf(ctx, baggageKeys),
	}
}

// baggageOf is the W3C form of the members of ctx's baggage with these keys.
// Baggage.String would write all of them, in random order.
func baggageOf(ctx context.Context, keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	bag := baggage.FromContext(ctx)
	var members []string
	for _, key := range keys {
		if member := bag.Member(key).String(); member != "" {
			members = append(members, member)
		}
	}
	return strings.Join(members, ",")
}

// Write is w.Write with the context of the span in ctx, as FromContext returns
// it. Without tracestate and baggage it makes one allocation for the context,
// the key and the hash key together.
func Write(ctx context.Context, w tracecarrier.Writer, partitionKey, explicitHashKey string, baggageKeys ...string) (key, hashKey string, outcome tracecarrier.Outcome) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return w.Write(partitionKey, explicitHashKey, kinetrail.TraceContext{})
	}
	// The text lives on the stack for the time of the call: Writer.Write keeps
	// no reference to the context it is given.
	var parent traceparent
	parentOf(sc).AppendTo(parent[:0])
	return w.Write(partitionKey, explicitHashKey, kinetrail.TraceContext{
		Parent:  unsafe.String(&parent[0], len(parent)),
		State:   sc.TraceState().String(),
		Baggage: baggageOf(ctx, baggageKeys),
	})
}

// SpanContext returns the remote span context that a record carries, for a link
// or as a parent. It is invalid when c.Parent is no valid traceparent. A
// tracestate that OpenTelemetry cannot parse is left out.
func SpanContext(c kinetrail.TraceContext) trace.SpanContext {
	if !tracecarrier.ValidTraceparent(c.Parent) {
		return trace.SpanContext{}
	}
	config := trace.SpanContextConfig{Remote: true}
	decodeHex(config.TraceID[:], c.Parent[3:35])
	decodeHex(config.SpanID[:], c.Parent[36:52])
	var flags [1]byte
	decodeHex(flags[:], c.Parent[53:55])
	config.TraceFlags = trace.TraceFlags(flags[0]) & knownFlags
	if c.State != "" {
		config.TraceState, _ = trace.ParseTraceState(c.State)
	}
	return trace.NewSpanContext(config)
}

// decodeHex decodes hexadecimal digits that ValidTraceparent has seen: it need not
// look for others, as encoding/hex does.
func decodeHex(dst []byte, digits string) {
	for i := range dst {
		dst[i] = hexValue(digits[2*i])<<4 | hexValue(digits[2*i+1])
	}
}

// hexValue is the value of a digit: the low four bits, and 9 more for a letter,
// which has bit 6 set.
func hexValue(digit byte) byte { return digit&0xf + digit>>6*9 }

// ContextWith returns ctx with the span context that a record carries as the
// remote parent of spans to come, and with its baggage. It is ctx itself when
// c.Parent is no valid traceparent.
func ContextWith(ctx context.Context, c kinetrail.TraceContext) context.Context {
	sc := SpanContext(c)
	if !sc.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ContextWithBaggage(ctx, c), sc)
}

// ContextWithBaggage returns ctx with the baggage that a record carries in
// place of its own, for whoever links to the record's span instead of continuing
// it. It is ctx itself when the record carries none that can be parsed.
func ContextWithBaggage(ctx context.Context, c kinetrail.TraceContext) context.Context {
	if c.Baggage == "" {
		return ctx
	}
	// Members that do not parse are left out and the others kept.
	bag, _ := baggage.Parse(c.Baggage)
	if bag.Len() == 0 {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, bag)
}
