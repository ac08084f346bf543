package consumer

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

func TestAContextThatIsReadLateIsTheOneThatIsReadAtOnce(t *testing.T) {
	t.Parallel()
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	type key struct{}
	for _, carried := range []kinetrail.TraceContext{
		{}, {Parent: parent}, {Parent: parent[:54] + "0"}, {Parent: "00-" + parent}, {Parent: parent, State: "a=b"}, {Parent: parent, Baggage: "user=7"},
		{Parent: "00-00000000000000000000000000000000-00f067aa0ba902b7-01"}, {Parent: "xx" + parent[2:]}, {State: "a=b"},
	} {
		under, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		under, stop := context.WithTimeout(under, time.Hour)
		defer stop()
		got, want := contextWith(under, carried), otelcarrier.ContextWith(under, carried)
		if got, want := trace.SpanContextFromContext(got), trace.SpanContextFromContext(want); !got.Equal(want) {
			t.Errorf("%v: span %v; want %v", carried, got, want)
		}
		if got, want := baggage.FromContext(got).String(), baggage.FromContext(want).String(); got != want {
			t.Errorf("%v: baggage %q; want %q", carried, got, want)
		}
		deadline, ok := got.Deadline()
		if wanted, _ := want.Deadline(); !ok || deadline != wanted || got.Value(key{}) != "value" {
			t.Errorf("%v: deadline %v (%t), value %v; want those of the ctx beneath", carried, deadline, ok, got.Value(key{}))
		}
		below, done := context.WithCancel(got)
		defer done()
		cause := errors.New("over")
		cancel(cause)
		<-below.Done()
		if context.Cause(below) != cause || got.Err() == nil {
			t.Errorf("%v: the ctx below ended with %v, its own error is %v; want %v", carried, context.Cause(below), got.Err(), cause)
		}
	}
}

func TestAContextCostsOneAllocationAndTwoMoreWhenItIsRead(t *testing.T) {
	ctx, carried := t.Context(), kinetrail.TraceContext{Parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	if got := testing.AllocsPerRun(100, func() { contextWith(ctx, carried) }); got > 1 {
		t.Errorf("%v allocations; want 1", got)
	}
	if got := testing.AllocsPerRun(100, func() { trace.SpanContextFromContext(contextWith(ctx, carried)) }); got > 3 {
		t.Errorf("%v allocations when it is read; want 3", got)
	}
	if got := testing.AllocsPerRun(100, func() { contextWith(ctx, kinetrail.TraceContext{}) }); got > 0 {
		t.Errorf("%v allocations without a context; want none", got)
	}
}
