// Package otelcarrier is the bridge between OpenTelemetry and package
// tracecarrier: from the span of a ctx to a kinetrail.TraceContext, and back to
// a remote span context.
//
//	ctx ──FromContext──► TraceContext ──Writer.Write, AddHeaders──► record
//	ctx ◄──ContextWith── TraceContext ◄──Restore─────────────────── record
//	link ◄─SpanContext──┘
//
// Write does the upper row for a partition key in one allocation.
//
// Contexts travel as W3C trace context and W3C baggage, whatever propagator the
// program has installed: OpenTelemetry's unset global propagator carries
// nothing. HeaderCarrier lets any propagator work on a record's headers.
//
// All functions are safe for concurrent use; none starts a span.
package otelcarrier
