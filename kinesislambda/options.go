package kinesislambda

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/metrics"
)

// Options tunes a wrapped handler. Every default is filled in before the
// caller's functions are called, so a zero written there means zero.
type Options struct {
	// Flush sends what was traced and measured, before the function answers:
	// after that its sandbox may be frozen. A TracerProvider's ForceFlush fits.
	// It is called once an invocation, also when the handler fails or panics,
	// and must return when its ctx ends. Its error is logged; it fails no
	// invocation. The default is nil: nothing is flushed.
	Flush func(ctx context.Context) error

	// FlushTimeout is how long flushing may take. Flushing ends with the
	// invocation in any case, so the ctx of the handler ends earlier than the
	// invocation, by FlushTimeout or a quarter of the time it has, whichever is
	// shorter: a handler that honours its ctx leaves time for what was traced.
	// Without anything to flush it does not. Zero or less reserves no time and
	// ends flushing with the invocation. The default is 2 s.
	FlushTimeout time.Duration

	// WholeBatch makes Records and Batches return the error of a failed record,
	// so that Lambda delivers the whole batch again. It is for event source
	// mappings without ReportBatchItemFailures, which would take a partial
	// batch response for a success and lose the records it names. The default
	// is false.
	WholeBatch bool

	// LinkTraces makes the process span of a single record link to the context
	// the record carries, and leaves the ctx of each record of a batch in the
	// trace of the batch. The default, false, continues the record's trace.
	LinkTraces bool

	// SpanPartitionKeys puts the producer's partition keys on the process span
	// of a single record, and on the links of a batch. They can be personal
	// data, and have many values. The default is false.
	SpanPartitionKeys bool

	// JSONPayloads looks for contexts that other tools have put into JSON
	// payloads, where a record carries none of ours. The payload is not
	// changed. The default is false.
	JSONPayloads bool

	// Propagator reads the context from the headers of records that have
	// headers. Nil, the default, reads W3C trace context and baggage. Contexts
	// in keys are always W3C.
	Propagator propagation.TextMapPropagator

	// TracerProvider makes the spans. Nil, the default, is OpenTelemetry's
	// global one.
	TracerProvider trace.TracerProvider

	// Metrics takes trace_extracted_total, trace_malformed_total
	// and trace_unknown_version_total. Nil is
	// metrics.Noop. The default is metrics.Default().
	Metrics metrics.Sink

	// Logger takes the failures that a partial batch response hides from
	// Lambda, and what goes wrong while flushing. Payloads and partition keys
	// are never logged. Nil, the default, is slog.Default().
	Logger *slog.Logger
}

// wrapper is what the constructors share.
type wrapper struct {
	Options
	tracer trace.Tracer
}

func newWrapper(opts []func(*Options)) *wrapper {
	w := &wrapper{Options: Options{
		FlushTimeout: 2 * time.Second,
		Metrics:      metrics.Default(),
	}}
	for _, opt := range opts {
		opt(&w.Options)
	}
	if w.Logger == nil {
		w.Logger = slog.Default()
	}
	w.tracer = tracing.Tracer(w.TracerProvider)
	return w
}
