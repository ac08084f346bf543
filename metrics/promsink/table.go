package promsink

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// table is the series of one counter or gauge. Prometheus's own are read one
// after another while they go on counting, and show a gauge at 0 as soon as it
// is resolved; these are read at one moment, and a gauge shows from its first
// value on.
type table struct {
	desc *prometheus.Desc
	kind metrics.Kind

	mu     sync.RWMutex
	series map[string]*series
}

// series is a counter or a gauge, by the kind of its table, and the handle of
// it.
type series struct {
	labelValues []string
	created     time.Time
	sum         atomic.Int64  // of a counter
	bits        atomic.Uint64 // of a gauge
}

func newTable(in *metrics.Instrument, o *Options) *table {
	name := prometheus.BuildFQName(o.Namespace, "", in.Name)
	return &table{
		desc:   prometheus.NewDesc(name, in.Help, in.Labels, o.ConstLabels),
		kind:   in.Kind,
		series: make(map[string]*series),
	}
}

// get finds a series or makes it. It keeps the values, of which there is one
// for each label.
func (t *table) get(labelValues []string) (*series, error) {
	if slices.ContainsFunc(labelValues, func(value string) bool { return !utf8.ValidString(value) }) {
		return nil, errors.New("a label value is not valid UTF-8")
	}
	key := strings.Join(labelValues, "\xff") // which no valid text contains
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.series[key]
	if !ok {
		s = &series{labelValues: labelValues, created: time.Now()}
		s.bits.Store(notSet)
		t.series[key] = s
	}
	return s, nil
}

// appendTo appends the present values.
func (t *table) appendTo(samples []prometheus.Metric) []prometheus.Metric {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.series {
		if t.kind == metrics.KindCounter {
			samples = append(samples, prometheus.MustNewConstMetricWithCreatedTimestamp(
				t.desc, prometheus.CounterValue, float64(s.sum.Load()), s.created, s.labelValues...))
		} else if bits := s.bits.Load(); bits != notSet {
			samples = append(samples, prometheus.MustNewConstMetric(
				t.desc, prometheus.GaugeValue, math.Float64frombits(bits), s.labelValues...))
		}
	}
	return samples
}

// forget removes the series whose label values begin with these.
func (t *table) forget(labelValues []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.series, func(_ string, s *series) bool {
		return slices.Equal(s.labelValues[:len(labelValues)], labelValues)
	})
}

// Add adds to a counter.
func (s *series) Add(n int64) {
	if n > 0 {
		s.sum.Add(n)
	}
}

// notSet marks a gauge without a value. It is a signalling NaN, which no
// arithmetic produces.
const notSet = 0x7ff0_0000_0000_0002

// Set sets a gauge.
func (s *series) Set(v float64) { s.bits.Store(math.Float64bits(v)) }
