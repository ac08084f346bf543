package promsink

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// gaugeVec is the gauges of one instrument. Prometheus's own shows a gauge at 0
// as soon as it is resolved; this one shows it from its first value on.
type gaugeVec struct {
	desc *prometheus.Desc

	mu     sync.RWMutex
	series map[string]*gauge
}

type gauge struct {
	labelValues []string
	bits        atomic.Uint64
}

func newGaugeVec(in *metrics.Instrument, o *Options) *gaugeVec {
	name := prometheus.BuildFQName(o.Namespace, "", in.Name)
	return &gaugeVec{
		desc:   prometheus.NewDesc(name, in.Help, in.Labels, o.ConstLabels),
		series: make(map[string]*gauge),
	}
}

// Describe tells the registerer what Collect brings.
func (v *gaugeVec) Describe(to chan<- *prometheus.Desc) { to <- v.desc }

// Collect brings every gauge that has a value.
func (v *gaugeVec) Collect(to chan<- prometheus.Metric) {
	v.mu.RLock()
	series := slices.Collect(maps.Values(v.series))
	v.mu.RUnlock()
	for _, g := range series {
		if value, set := g.get(); set {
			to <- prometheus.MustNewConstMetric(v.desc, prometheus.GaugeValue, value, g.labelValues...)
		}
	}
}

// gauge finds a gauge or makes it. It keeps the values, of which there is one
// for each label.
func (v *gaugeVec) gauge(labelValues []string) (*gauge, error) {
	if slices.ContainsFunc(labelValues, func(value string) bool { return !utf8.ValidString(value) }) {
		return nil, errors.New("a label value is not valid UTF-8")
	}
	key := strings.Join(labelValues, "\xff") // which no valid text contains
	v.mu.Lock()
	defer v.mu.Unlock()
	g, ok := v.series[key]
	if !ok {
		g = &gauge{labelValues: labelValues}
		g.bits.Store(notSet)
		v.series[key] = g
	}
	return g, nil
}

// forget removes the gauges whose label values begin with these.
func (v *gaugeVec) forget(labelValues []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.series, func(_ string, g *gauge) bool {
		return slices.Equal(g.labelValues[:len(labelValues)], labelValues)
	})
}

// notSet marks a gauge without a value. It is a signalling NaN, which no
// arithmetic produces.
const notSet = 0x7ff0_0000_0000_0002

// Set sets the gauge.
func (g *gauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

func (g *gauge) get() (v float64, set bool) {
	bits := g.bits.Load()
	return math.Float64frombits(bits), bits != notSet
}
