package otelcarrier_test

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

func TestSpanContextsAreDecodedDigitByDigit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var id trace.TraceID
		var span trace.SpanID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace"))
		copy(span[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "span"))
		flags := trace.TraceFlags(rapid.Byte().Draw(t, "flags"))
		want := trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: flags & 3, Remote: true})
		if !want.IsValid() {
			want = trace.SpanContext{}
		}
		text := fmt.Sprintf("00-%x-%x-%02x", id[:], span[:], byte(flags))
		if got := otelcarrier.SpanContext(kinetrail.TraceContext{Parent: text}); !got.Equal(want) {
			t.Errorf("SpanContext(%s) = %v; want %v", text, got, want)
		}
	})
}
