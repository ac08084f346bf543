package promsink

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// Sink is a metrics.Sink whose series a Prometheus scrapes. It is safe for
// concurrent use, starts no goroutine and needs no end: its metrics stay
// registered. A scrape reads the counters and gauges of a client at one moment.
//
// Two sinks with one namespace, one registerer and the same constant labels
// share their series. The buckets of a histogram are then those of the first.
type Sink struct {
	all       *collector
	exemplars bool
	logger    *slog.Logger
	reported  sync.Map // of *metrics.Instrument
}

var (
	_ metrics.Trusted = (*Sink)(nil)
	_ metrics.Scraped = (*Sink)(nil)
)

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
	all, err := newCollector(&o).register(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("promsink: register the catalogue: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Sink{all: all, exemplars: o.Exemplars, logger: o.Logger}, nil
}

// OnScrape implements metrics.Scraped: the sink is read when a Prometheus
// scrapes it.
func (s *Sink) OnScrape(collect func()) (stop func()) { return s.all.scrapes.OnScrape(collect) }

// Trusted marks that a Sink neither blocks nor panics.
func (s *Sink) Trusted() {}

// Counter resolves a counter, at 0 when it is new.
func (s *Sink) Counter(in *metrics.Instrument, labelValues ...string) metrics.Counter {
	if found := s.resolve(in, metrics.KindCounter, labelValues); found != nil {
		return found
	}
	return metrics.Noop.Counter(in)
}

// Gauge resolves a gauge.
func (s *Sink) Gauge(in *metrics.Instrument, labelValues ...string) metrics.Gauge {
	if found := s.resolve(in, metrics.KindGauge, labelValues); found != nil {
		return found
	}
	return metrics.Noop.Gauge(in)
}

// resolve finds a series or makes it, and returns nil when the instrument is
// used wrongly.
func (s *Sink) resolve(in *metrics.Instrument, kind metrics.Kind, labelValues []string) *series {
	t, ok := s.all.tables[in]
	if err := check(in, kind, labelValues, ok); err != nil {
		s.report(in, err)
		return nil
	}
	found, err := t.get(cloned(labelValues))
	if err != nil {
		s.report(in, err)
	}
	return found
}

// Histogram resolves a histogram. Its series shows from then on.
func (s *Sink) Histogram(in *metrics.Instrument, labelValues ...string) metrics.Histogram {
	vec, ok := s.all.histograms[in]
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
	if t, ok := s.all.tables[in]; ok {
		t.forget(labelValues)
	}
	if vec, ok := s.all.histograms[in]; ok {
		match := make(prometheus.Labels, len(labelValues))
		for i, value := range labelValues {
			match[in.Labels[i]] = value
		}
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
