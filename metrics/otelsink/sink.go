package otelsink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/metrics"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Sink is a metrics.Sink that feeds the instruments of an OpenTelemetry meter.
// It is safe for concurrent use and starts no goroutine. One sink serves all
// clients of a program; with two on one provider the counters of equal labels
// add up, and of two gauges the one read last shows.
type Sink struct {
	instruments map[*metrics.Instrument]instrument
	messaging   map[*metrics.Instrument]convention
	callback    metric.Registration
	scrapes     metrics.Scrapes

	counters   table[counter]
	gauges     table[gauge]
	histograms table[histogram]
	messages   table[counter] // of the conventions; they outlive shards

	logger   *slog.Logger
	reported sync.Map // of *metrics.Instrument
}

// instrument is what the meter made of one of the catalogue; the field of its
// kind is set.
type instrument struct {
	counter   metric.Int64Observable
	gauge     metric.Float64Observable
	histogram metric.Float64Histogram
}

var (
	_ metrics.Trusted = (*Sink)(nil)
	_ metrics.Scraped = (*Sink)(nil)
)

// New makes every instrument of the catalogue and returns a sink for them. It
// fails when the provider refuses one, for instance over the name.
func New(opts ...func(*Options)) (*Sink, error) {
	o := defaults()
	for _, opt := range opts {
		opt(&o)
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Sink{
		instruments: make(map[*metrics.Instrument]instrument),
		messaging:   make(map[*metrics.Instrument]convention),
		logger:      o.Logger,
	}
	meter := o.MeterProvider.Meter(tracing.ScopeName,
		metric.WithInstrumentationVersion(tracing.Version), metric.WithSchemaURL(semconv.SchemaURL))
	var observed []metric.Observable
	for _, in := range metrics.Catalog() {
		made, err := newInstrument(meter, in, name(o.Namespace, in))
		if err != nil {
			return nil, fmt.Errorf("otelsink: make %s: %w", in.Name, err)
		}
		s.instruments[in] = made
		observed = append(observed, made.observable()...)
	}
	if o.Messaging {
		more, err := s.addConventions(meter)
		if err != nil {
			return nil, fmt.Errorf("otelsink: make the instruments of the conventions: %w", err)
		}
		observed = append(observed, more...)
	}
	var err error
	if s.callback, err = meter.RegisterCallback(s.observe, observed...); err != nil {
		return nil, fmt.Errorf("otelsink: register the callback: %w", err)
	}
	return s, nil
}

// name is what OpenTelemetry calls an instrument: its first word is a namespace
// of its own, and neither _total nor a unit of time is part of it.
func name(namespace string, in *metrics.Instrument) string {
	short := in.Name
	for _, unit := range []string{"_total", "_seconds", "_milliseconds"} {
		short = strings.TrimSuffix(short, unit)
	}
	short = strings.Replace(short, "_", ".", 1)
	if namespace == "" {
		return short
	}
	return namespace + "." + short
}

func newInstrument(meter metric.Meter, in *metrics.Instrument, name string) (made instrument, err error) {
	help, unit := metric.WithDescription(in.Help), metric.WithUnit(in.Unit)
	switch in.Kind {
	case metrics.KindCounter:
		made.counter, err = meter.Int64ObservableCounter(name, help, unit)
	case metrics.KindGauge:
		made.gauge, err = meter.Float64ObservableGauge(name, help, unit)
	case metrics.KindHistogram:
		made.histogram, err = meter.Float64Histogram(name, help, unit, metric.WithExplicitBucketBoundaries(in.Buckets...))
	}
	return made, err
}

// observable is what the callback reads of an instrument.
func (i instrument) observable() []metric.Observable {
	switch {
	case i.counter != nil:
		return []metric.Observable{i.counter}
	case i.gauge != nil:
		return []metric.Observable{i.gauge}
	}
	return nil
}

// observe is called for every collection.
func (s *Sink) observe(_ context.Context, to metric.Observer) error {
	s.scrapes.Scrape(func() {
		observeSum := func(c *counter) { to.ObserveInt64(c.target, c.sum.Load(), c.options...) }
		s.counters.each(observeSum)
		s.messages.each(observeSum)
		s.gauges.each(func(g *gauge) {
			if v, set := g.get(); set {
				to.ObserveFloat64(g.target, v, g.options...)
			}
		})
	})
	return nil
}

// OnScrape implements metrics.Scraped: the sink is read when its provider
// collects.
func (s *Sink) OnScrape(collect func()) (stop func()) { return s.scrapes.OnScrape(collect) }

// Close ends the reading of counters and gauges: what has not been collected
// yet is lost, so that the provider is flushed or shut down first. Clients that
// still use the sink are not disturbed.
func (s *Sink) Close() error {
	if err := s.callback.Unregister(); err != nil {
		return fmt.Errorf("otelsink: unregister the callback: %w", err)
	}
	return nil
}

// Trusted marks that a Sink neither blocks nor panics.
func (s *Sink) Trusted() {}

// Counter resolves a counter, at 0 when it is new.
func (s *Sink) Counter(in *metrics.Instrument, labelValues ...string) metrics.Counter {
	if err := s.check(in, metrics.KindCounter, labelValues); err != nil {
		s.report(in, err)
		return metrics.Noop.Counter(in)
	}
	return s.counters.get(in, labelValues, func(labelValues []string) *counter {
		return &counter{
			target:  s.instruments[in].counter,
			options: []metric.ObserveOption{withLabels(in, labelValues)},
			message: s.message(in, labelValues),
		}
	})
}

// Gauge resolves a gauge.
func (s *Sink) Gauge(in *metrics.Instrument, labelValues ...string) metrics.Gauge {
	if err := s.check(in, metrics.KindGauge, labelValues); err != nil {
		s.report(in, err)
		return metrics.Noop.Gauge(in)
	}
	return s.gauges.get(in, labelValues, func(labelValues []string) *gauge {
		g := &gauge{
			target:  s.instruments[in].gauge,
			options: []metric.ObserveOption{withLabels(in, labelValues)},
		}
		g.bits.Store(notSet)
		return g
	})
}

// Histogram resolves a histogram. Its series exists from the first value on.
func (s *Sink) Histogram(in *metrics.Instrument, labelValues ...string) metrics.Histogram {
	if err := s.check(in, metrics.KindHistogram, labelValues); err != nil {
		s.report(in, err)
		return metrics.Noop.Histogram(in)
	}
	return s.histograms.get(in, labelValues, func(labelValues []string) *histogram {
		h := &histogram{own: recorder{s.instruments[in].histogram, []metric.RecordOption{withLabels(in, labelValues)}}}
		if c, ok := s.messaging[in]; ok {
			h.message = &recorder{c.histogram, []metric.RecordOption{c.withAttributes(in, labelValues)}}
		}
		return h
	})
}

// withLabels is the attributes of a series of the catalogue: its labels.
func withLabels(in *metrics.Instrument, labelValues []string) metric.MeasurementOption {
	attributes := make([]attribute.KeyValue, len(labelValues))
	for i, value := range labelValues {
		attributes[i] = attribute.String(in.Labels[i], value)
	}
	return metric.WithAttributeSet(attribute.NewSet(attributes...))
}

// Forget removes every series of in whose label values begin with these.
// OpenTelemetry goes on exporting a histogram; its handles lead nowhere.
func (s *Sink) Forget(in *metrics.Instrument, labelValues ...string) {
	if in == nil || len(labelValues) > len(in.Labels) {
		s.report(in, errors.New("more label values to forget than there are labels"))
		return
	}
	s.counters.forget(in, labelValues)
	s.gauges.forget(in, labelValues)
	for _, h := range s.histograms.forget(in, labelValues) {
		h.forgotten.Store(true)
	}
}

// check tells why there is no handle.
func (s *Sink) check(in *metrics.Instrument, kind metrics.Kind, labelValues []string) error {
	if err := in.Check(kind, labelValues); err != nil {
		return err
	}
	if _, ok := s.instruments[in]; !ok {
		return fmt.Errorf("%s is not in the catalogue", in.Name)
	}
	if slices.ContainsFunc(labelValues, func(value string) bool { return !utf8.ValidString(value) }) {
		return fmt.Errorf("%s: a label value is not valid UTF-8", in.Name)
	}
	return nil
}

// report tells of a wrong use, once for each instrument.
func (s *Sink) report(in *metrics.Instrument, err error) {
	if _, before := s.reported.LoadOrStore(in, struct{}{}); !before {
		s.logger.Warn("otelsink: values are not recorded", "reason", err)
	}
}
