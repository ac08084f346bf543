package tracing

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// EndSpan ends a span. An err sets its status and error.type: the code of an
// API error, timeout or canceled for the errors of a ctx, and otherwise the Go
// type of err below what fmt.Errorf has wrapped around it.
func EndSpan(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, err.Error())
		if name := errorType(err); name != "" {
			span.SetAttributes(ErrorTypeKey.String(name))
		} else {
			span.SetAttributes(semconv.ErrorType(err))
		}
	}
	span.End()
}

// errorType names the errors that have a better name than their Go type; for
// others it is empty.
func errorType(err error) string {
	// The AWS SDK's API errors have this method (smithy.APIError).
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) && coded.ErrorCode() != "" {
		return coded.ErrorCode()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return ""
}
