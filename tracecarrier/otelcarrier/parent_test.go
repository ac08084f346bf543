package otelcarrier_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

func TestParentOfIsWhatFromContextSaysAlone(t *testing.T) {
	t.Parallel()
	state, err := trace.ParseTraceState("vendor=abc")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config trace.SpanContextConfig
		alone  bool
	}{
		"valid":             {trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled}, true},
		"unknown flags":     {trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: 0xff}, true},
		"with a tracestate": {trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceState: state}, false},
		"without a span ID": {trace.SpanContextConfig{TraceID: trace.TraceID{1}}, false},
		"without anything":  {trace.SpanContextConfig{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := trace.NewSpanContext(tt.config)
			p, ok := otelcarrier.ParentOf(sc)
			if ok != tt.alone {
				t.Errorf("ParentOf reports %v, want %v", ok, tt.alone)
			}
			from := otelcarrier.FromContext(trace.ContextWithSpanContext(context.Background(), sc))
			if ok && from.Parent != p.String() {
				t.Errorf("ParentOf gives %s, FromContext %s", p, from.Parent)
			}
		})
	}
}
