package otelcarrier_test

import (
	"context"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

const (
	parent     = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	group1Hash = "36878702945378520736626047775679136663" // MD5 of "group-1"
)

// spanContext is the span context of parent with these flags and tracestate.
func spanContext(t testing.TB, flags trace.TraceFlags, state string) trace.SpanContext {
	t.Helper()
	traceID, err1 := trace.TraceIDFromHex(parent[3:35])
	spanID, err2 := trace.SpanIDFromHex(parent[36:52])
	traceState, err3 := trace.ParseTraceState(state)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: flags, TraceState: traceState})
}

func withBaggage(t testing.TB, ctx context.Context, text string) context.Context {
	t.Helper()
	bag, err := baggage.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return baggage.ContextWithBaggage(ctx, bag)
}

func TestFromContextTakesTheSpanAndTheAllowedBaggage(t *testing.T) {
	t.Parallel()
	background := t.Context()
	span := func(flags trace.TraceFlags, state string) context.Context {
		return trace.ContextWithSpanContext(background, spanContext(t, flags, state))
	}
	bags := "tenant=7,user=j%C3%B6rg;secret,empty="
	for _, tt := range []struct {
		name string
		ctx  context.Context
		keys []string
		want kinetrail.TraceContext
	}{
		{"no span", background, nil, kinetrail.TraceContext{}},
		{"no span, but baggage", withBaggage(t, background, bags), []string{"tenant"}, kinetrail.TraceContext{}},
		{"an invalid span", trace.ContextWithSpanContext(background, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}})), nil, kinetrail.TraceContext{}},
		{"sampled", span(1, ""), nil, kinetrail.TraceContext{Parent: parent}},
		{"unsampled", span(0, ""), nil, kinetrail.TraceContext{Parent: parent[:53] + "00"}},
		{"random", span(3, ""), nil, kinetrail.TraceContext{Parent: parent[:53] + "03"}},
		{"unknown flags", span(0xfd, ""), nil, kinetrail.TraceContext{Parent: parent}},
		{"tracestate", span(1, "vendor=abc,other=1"), nil, kinetrail.TraceContext{Parent: parent, State: "vendor=abc,other=1"}},
		{"no baggage unless allowed", withBaggage(t, span(1, ""), bags), nil, kinetrail.TraceContext{Parent: parent}},
		{"baggage in the order of the keys", withBaggage(t, span(1, ""), bags), []string{"user", "missing", "tenant"},
			kinetrail.TraceContext{Parent: parent, Baggage: "user=j%C3%B6rg;secret,tenant=7"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := otelcarrier.FromContext(tt.ctx, tt.keys...)
			if got != tt.want {
				t.Errorf("FromContext(%v) = %+v, want %+v", tt.keys, got, tt.want)
			}
			w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
			key, hashKey, outcome := otelcarrier.Write(tt.ctx, w, "group-1", "", tt.keys...)
			wantKey, wantHashKey, wantOutcome := w.Write("group-1", "", tt.want)
			if key != wantKey || hashKey != wantHashKey || outcome != wantOutcome {
				t.Errorf("Write = %q, %q, %s; want %q, %q, %s", key, hashKey, outcome, wantKey, wantHashKey, wantOutcome)
			}
		})
	}
}

func TestContextWithContinuesTheRecordsTrace(t *testing.T) {
	t.Parallel()
	ctx := otelcarrier.ContextWith(t.Context(), kinetrail.TraceContext{Parent: parent, State: "vendor=abc", Baggage: "tenant=7,=bad"})
	want := spanContext(t, 1, "vendor=abc").WithRemote(true)
	if got := trace.SpanContextFromContext(ctx); !got.Equal(want) {
		t.Errorf("the span context is %+v, want %+v", got, want)
	}
	if got := baggage.FromContext(ctx).String(); got != "tenant=7" {
		t.Errorf("the baggage is %q, want tenant=7: what parses is kept", got)
	}
}

func TestContextWithLeavesCtxAloneWithoutAValidParent(t *testing.T) {
	t.Parallel()
	ctx := withBaggage(t, trace.ContextWithSpanContext(t.Context(), spanContext(t, 1, "")), "own=1")
	for _, c := range []kinetrail.TraceContext{
		{},
		{State: "a=b", Baggage: "tenant=7"},
		{Parent: parent + "-k1=x", Baggage: "tenant=7"},
		{Parent: "00-00000000000000000000000000000000-0000000000000000-00"},
	} {
		if got := otelcarrier.ContextWith(ctx, c); got != ctx {
			t.Errorf("ContextWith(%+v) is another ctx", c)
		}
	}
	if got := otelcarrier.ContextWithBaggage(ctx, kinetrail.TraceContext{Parent: parent, Baggage: "=bad"}); got != ctx {
		t.Errorf("ContextWithBaggage with baggage that does not parse is another ctx")
	}
}

func TestSpanContextIsForLinks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   kinetrail.TraceContext
		want trace.SpanContext
	}{
		{kinetrail.TraceContext{}, trace.SpanContext{}},
		{kinetrail.TraceContext{Parent: "00-zz"}, trace.SpanContext{}},
		{kinetrail.TraceContext{Parent: parent}, spanContext(t, 1, "").WithRemote(true)},
		{kinetrail.TraceContext{Parent: parent[:53] + "ff"}, spanContext(t, 3, "").WithRemote(true)},
		{kinetrail.TraceContext{Parent: parent, State: "vendor=abc"}, spanContext(t, 1, "vendor=abc").WithRemote(true)},
		{kinetrail.TraceContext{Parent: parent, State: "not a tracestate"}, spanContext(t, 1, "").WithRemote(true)},
	} {
		if got := otelcarrier.SpanContext(tt.in); !got.Equal(tt.want) {
			t.Errorf("SpanContext(%+v) = %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

func TestAStrictParserTakesTheBareTraceparentAndRefusesTheExtendedKey(t *testing.T) {
	t.Parallel()
	record := kinetrail.TraceContext{Parent: parent}
	bare, bareHash, _ := tracecarrier.Writer{Carrier: tracecarrier.Traceparent}.Write("group-1", "", record)
	extended, extendedHash, _ := tracecarrier.Writer{Carrier: tracecarrier.Lossless}.Write("group-1", "", record)
	if bareHash != group1Hash || extendedHash != group1Hash {
		t.Errorf("hash keys are %s and %s, want %s for both", bareHash, extendedHash, group1Hash)
	}
	for _, tt := range []struct {
		key  string
		want trace.SpanContext
	}{
		{bare, spanContext(t, 1, "").WithRemote(true)},
		{extended, trace.SpanContext{}},
	} {
		carrier := propagation.MapCarrier{"traceparent": tt.key}
		ctx := propagation.TraceContext{}.Extract(t.Context(), carrier)
		if got := trace.SpanContextFromContext(ctx); !got.Equal(tt.want) {
			t.Errorf("the W3C propagator reads %+v from %q, want %+v", got, tt.key, tt.want)
		}
		// Our own reader takes both.
		if got := tracecarrier.Read(tt.key); got.Trace != record {
			t.Errorf("Read(%q) = %+v, want the context %+v", tt.key, got, record)
		}
	}
}

func TestHeaderCarrierServesAnyPropagator(t *testing.T) {
	t.Parallel()
	propagator := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	ctx := withBaggage(t, trace.ContextWithSpanContext(t.Context(), spanContext(t, 1, "vendor=abc")), "tenant=7")
	own := []kinetrail.Header{{Name: "type", Value: "a"}, {Name: "TraceParent", Value: "stale"}, {Name: "type", Value: "b"}}
	r := kinetrail.Record{Headers: own}

	propagator.Inject(ctx, (*otelcarrier.HeaderCarrier)(&r.Headers))
	want := []kinetrail.Header{
		{Name: "type", Value: "a"}, {Name: "type", Value: "b"},
		{Name: "tracestate", Value: "vendor=abc"}, {Name: "traceparent", Value: parent}, {Name: "baggage", Value: "tenant=7"},
	}
	if !slices.Equal(r.Headers, want) {
		t.Errorf("injected %v, want %v", r.Headers, want)
	}
	if own[1].Value != "stale" || len(own) != 3 {
		t.Errorf("the slice the headers came in was changed to %v", own)
	}
	if got, ok := tracecarrier.FromHeaders(r.Headers); !ok || got != (kinetrail.TraceContext{Parent: parent, State: "vendor=abc", Baggage: "tenant=7"}) {
		t.Errorf("FromHeaders(%v) = %+v, %t; want what was injected", r.Headers, got, ok)
	}

	back := propagator.Extract(t.Context(), (*otelcarrier.HeaderCarrier)(&r.Headers))
	if got := trace.SpanContextFromContext(back); !got.Equal(spanContext(t, 1, "vendor=abc").WithRemote(true)) {
		t.Errorf("extracted %+v, want what was injected", got)
	}
	if got := baggage.FromContext(back).String(); got != "tenant=7" {
		t.Errorf("extracted baggage %q, want tenant=7", got)
	}

	c := (*otelcarrier.HeaderCarrier)(&r.Headers)
	if got := c.Keys(); !slices.Equal(got, []string{"type", "tracestate", "traceparent", "baggage"}) {
		t.Errorf("Keys() = %v, want each name once", got)
	}
	if got := c.Values("TYPE"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Values(TYPE) = %v, want [a b]", got)
	}
	if got := c.Get("missing"); got != "" {
		t.Errorf("Get(missing) = %q, want nothing", got)
	}
}

func TestTheWayFromASpanToAKeyAllocatesOnce(t *testing.T) {
	w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	none := t.Context()
	span := trace.ContextWithSpanContext(none, spanContext(t, 1, ""))
	for _, tt := range []struct {
		name string
		run  func()
		want float64
	}{
		{"FromContext without a span", func() { otelcarrier.FromContext(none, "tenant") }, 0},
		{"FromContext with a span", func() { otelcarrier.FromContext(span) }, 1},
		{"Write without a span", func() { otelcarrier.Write(none, w, "group-1", "", "tenant") }, 0},
		{"Write with a span", func() { otelcarrier.Write(span, w, "group-1", "") }, 1},
		{"SpanContext", func() { otelcarrier.SpanContext(kinetrail.TraceContext{Parent: parent}) }, 0},
	} {
		if got := testing.AllocsPerRun(100, tt.run); got != tt.want {
			t.Errorf("%s allocates %v times, want %v", tt.name, got, tt.want)
		}
	}
}

func BenchmarkWriteFromSpan(b *testing.B) {
	ctx := trace.ContextWithSpanContext(b.Context(), spanContext(b, 1, ""))
	w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	b.ReportAllocs()
	for b.Loop() {
		otelcarrier.Write(ctx, w, "group-1", "")
	}
}

func BenchmarkWriteWithoutSpan(b *testing.B) {
	ctx := b.Context()
	w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	b.ReportAllocs()
	for b.Loop() {
		otelcarrier.Write(ctx, w, "group-1", "")
	}
}

func BenchmarkContextWith(b *testing.B) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		otelcarrier.ContextWith(ctx, kinetrail.TraceContext{Parent: parent})
	}
}
