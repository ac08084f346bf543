package promsink

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// Sink is a metrics.Sink whose series a Prometheus scrapes. It is safe for
// concurrent use, starts no goroutine and needs no end: its metrics stay
// registered.
//
// Two sinks with one namespace, one registerer and the same constant labels
// share their series. The buckets of a histogram are then those of the first.
type Sink struct {
	exemplars  bool
	counters   map[*metrics.Instrument]*prometheus.CounterVec
	gauges     map[*metrics.Instrument]*gaugeVec
	histograms map[*metrics.Instrument]*prometheus.HistogramVec

	logger   *slog.Logger
	reported sync.Map // of *metrics.Instrument
}

var _ metrics.Trusted = (*Sink)(nil)

// New registers every instrument of the catalogue and returns a sink for them.
// When one cannot be registered, because another program part has given its
// name to something else, none is.
func New(opts ...func(*Options)) (*Sink, error) {
	o := defaults()
	for _, opt := range opts {
		opt(&o)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Sink{
		exemplars:  o.Exemplars,
		counters:   make(map[*metrics.Instrument]*prometheus.CounterVec),
		gauges:     make(map[*metrics.Instrument]*gaugeVec),
		histograms: make(map[*metrics.Instrument]*prometheus.HistogramVec),
		logger:     o.Logger,
	}
	r := registration{to: o.Registerer}
	for _, in := range metrics.Catalog() {
		if err := s.add(in, &o, &r); err != nil {
			r.undo()
			return nil, fmt.Errorf("promsink: register %s: %w", in.Name, err)
		}
	}
	return s, nil
}

// add registers one instrument.
func (s *Sink) add(in *metrics.Instrument, o *Options, r *registration) (err error) {
	switch in.Kind {
	case metrics.KindCounter:
		s.counters[in], err = register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: o.Namespace, Name: in.Name, Help: in.Help, ConstLabels: o.ConstLabels,
		}, in.Labels))
	case metrics.KindGauge:
		s.gauges[in], err = register(r, newGaugeVec(in, o))
	case metrics.KindHistogram:
		s.histograms[in], err = register(r, prometheus.NewHistogramVec(histogramOpts(in, o), in.Labels))
	}
	return err
}

func histogramOpts(in *metrics.Instrument, o *Options) prometheus.HistogramOpts {
	opts := prometheus.HistogramOpts{
		Namespace: o.Namespace, Name: in.Name, Help: in.Help, ConstLabels: o.ConstLabels,
		Buckets: o.buckets(in),
	}
	if o.NativeHistograms {
		// The bounds of their number and age are those that Prometheus's own
		// instrumentation uses.
		opts.NativeHistogramBucketFactor = 1.1
		opts.NativeHistogramMaxBucketNumber = 100
		opts.NativeHistogramMinResetDuration = time.Hour
	}
	return opts
}

// registration is what one call of New has registered.
type registration struct {
	to    prometheus.Registerer
	added []prometheus.Collector
}

// undo takes it back.
func (r *registration) undo() {
	for _, c := range r.added {
		r.to.Unregister(c)
	}
}

// register registers c and returns it, or the one that has been registered
// before it under the same name.
func register[C prometheus.Collector](r *registration, c C) (C, error) {
	err := r.to.Register(c)
	if before, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		existing, same := before.ExistingCollector.(C)
		if !same {
			return c, fmt.Errorf("the name belongs to another metric, a %T", before.ExistingCollector)
		}
		return existing, nil
	}
	if err == nil {
		r.added = append(r.added, c)
	}
	return c, err
}

// Trusted marks that a Sink neither blocks nor panics.
func (s *Sink) Trusted() {}

// Counter resolves a counter, at 0 when it is new.
func (s *Sink) Counter(in *metrics.Instrument, labelValues ...string) metrics.Counter {
	vec, ok := s.counters[in]
	if err := check(in, metrics.KindCounter, labelValues, ok); err != nil {
		s.report(in, err)
		return metrics.Noop.Counter(in)
	}
	c, err := vec.GetMetricWithLabelValues(cloned(labelValues)...)
	if err != nil {
		s.report(in, err)
		return metrics.Noop.Counter(in)
	}
	return counter{c}
}

// Gauge resolves a gauge.
func (s *Sink) Gauge(in *metrics.Instrument, labelValues ...string) metrics.Gauge {
	vec, ok := s.gauges[in]
	if err := check(in, metrics.KindGauge, labelValues, ok); err != nil {
		s.report(in, err)
		return metrics.Noop.Gauge(in)
	}
	g, err := vec.gauge(cloned(labelValues))
	if err != nil {
		s.report(in, err)
		return metrics.Noop.Gauge(in)
	}
	return g
}

// Histogram resolves a histogram. Its series shows from then on.
func (s *Sink) Histogram(in *metrics.Instrument, labelValues ...string) metrics.Histogram {
	vec, ok := s.histograms[in]
	if err := check(in, metrics.KindHistogram, labelValues, ok); err != nil {
		s.report(in, err)
		return metrics.Noop.Histogram(in)
	}
	observer, err := vec.GetMetricWithLabelValues(cloned(labelValues)...)
	if err != nil {
		s.report(in, err)
		return metrics.Noop.Histogram(in)
	}
	if exemplary, ok := observer.(prometheus.ExemplarObserver); ok && s.exemplars {
		return exemplaryHistogram{histogram{observer}, exemplary}
	}
	return histogram{observer}
}

// Forget removes every series of in whose label values begin with these.
func (s *Sink) Forget(in *metrics.Instrument, labelValues ...string) {
	if in == nil || len(labelValues) > len(in.Labels) {
		s.report(in, errors.New("more label values to forget than there are labels"))
		return
	}
	match := make(prometheus.Labels, len(labelValues))
	for i, value := range labelValues {
		match[in.Labels[i]] = value
	}
	if vec, ok := s.counters[in]; ok {
		vec.DeletePartialMatch(match)
	}
	if vec, ok := s.gauges[in]; ok {
		vec.forget(labelValues)
	}
	if vec, ok := s.histograms[in]; ok {
		vec.DeletePartialMatch(match)
	}
}

// check tells why there is no handle for an instrument, one that New has
// registered or not.
func check(in *metrics.Instrument, kind metrics.Kind, labelValues []string, registered bool) error {
	if err := in.Check(kind, labelValues); err != nil {
		return err
	}
	if !registered {
		return fmt.Errorf("%s is not in the catalogue", in.Name)
	}
	return nil
}

// report tells of a wrong use, once for each instrument.
func (s *Sink) report(in *metrics.Instrument, err error) {
	if _, before := s.reported.LoadOrStore(in, struct{}{}); !before {
		s.logger.Warn("promsink: values are not recorded", "reason", err)
	}
}

// cloned copies the values: they may be parts of a page of records, which they
// would keep in memory.
func cloned(labelValues []string) []string {
	values := make([]string, len(labelValues))
	for i, value := range labelValues {
		values[i] = strings.Clone(value)
	}
	return values
}
