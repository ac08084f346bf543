package demo

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/metrics"
)

// The services, as their spans name them.
const (
	Producer = "event-producer"
	Consumer = "event-consumer"
	Lambda   = "event-consumer-lambda"
)

// service is what a service has of its own: an OpenTelemetry SDK that shares
// nothing with any other, the spans it has exported, and its metrics.
type service struct {
	provider *sdktrace.TracerProvider
	metrics  *metrics.Memory
	sink     metrics.Sink // metrics, and what is given from outside

	mu       sync.Mutex
	exported []Span
}

// Span is a span as a service exported it.
type Span struct {
	Service    string // service.name of its SDK
	Name       string
	Kind       trace.SpanKind
	Start, End time.Time
	Context    trace.SpanContext
	Parent     trace.SpanContext
	Links      []trace.SpanContext
}

// newService sets up a service whose spans are exported as they end. Variables
// of the environment, such as OTEL_TRACES_SAMPLER, do not reach it. Its metrics
// go to further besides.
func newService(name string, further metrics.Sink) *service {
	s := &service{metrics: metrics.NewMemory()}
	s.sink = metrics.Multi(s.metrics, further)
	s.provider = sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", name))),
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithSyncer(s),
	)
	return s
}

// ExportSpans keeps the spans.
func (s *service) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, span := range spans {
		name, _ := span.Resource().Set().Value("service.name")
		kept := Span{
			Service: name.AsString(), Name: span.Name(), Kind: span.SpanKind(),
			Start: span.StartTime(), End: span.EndTime(),
			Context: span.SpanContext(), Parent: span.Parent(),
		}
		for _, link := range span.Links() {
			kept.Links = append(kept.Links, link.SpanContext)
		}
		s.exported = append(s.exported, kept)
	}
	return nil
}

// Shutdown leaves what was exported where it is.
func (s *service) Shutdown(context.Context) error { return nil }

// spans are those exported so far.
func (s *service) spans() []Span {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Clone(s.exported)
}

// count is the sum of a counter over its series.
func (s *service) count(in *metrics.Instrument) (sum int64) {
	for series, n := range s.metrics.Counters() {
		if name, _, _ := strings.Cut(series, "{"); name == in.Name {
			sum += n
		}
	}
	return sum
}
