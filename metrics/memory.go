package metrics

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// KeptValues is how many of a histogram's values a Memory keeps: the last
// ones.
const KeptValues = 1024

// Memory is a sink that keeps everything in memory, for tests and for looking
// at. Its zero value is ready to use, by many goroutines at once.
//
// A series has the key name{label=value,…} with its labels sorted:
//
//	producer_records_sent_total{stream_name=my-stream}
//
// An instrument without labels has its bare name. A comma, an equals sign or a
// backslash in a label's value follows a backslash.
//
// Memory grows with the number of series, not with the number of values: a
// histogram keeps its last KeptValues, and its exact count and sum.
type Memory struct {
	misuse  misuse
	scrapes Scrapes

	mu     sync.RWMutex
	series map[string]*memorySeries
}

// Distribution is what a Memory knows of a histogram.
type Distribution struct {
	Count  int64     // of all values
	Sum    float64   // of all values
	Values []float64 // the last KeptValues, in the order they came
}

type memorySeries struct {
	series
	value memoryValue
}

// memoryValue is what the three kinds of handles have in common.
type memoryValue interface{ reset() }

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{} }

// Trusted marks that a Memory neither blocks nor panics.
func (m *Memory) Trusted() {}

// OnScrape implements Scraped: a Memory is read by Counters, Gauges,
// Histograms, Snapshot and Reset.
func (m *Memory) OnScrape(collect func()) (stop func()) { return m.scrapes.OnScrape(collect) }

// Counter resolves a counter, at 0 when it is new.
func (m *Memory) Counter(in *Instrument, labelValues ...string) Counter {
	if c, ok := m.resolve(in, KindCounter, labelValues).(*memoryCounter); ok {
		return c
	}
	return noopHandle{}
}

// Gauge resolves a gauge.
func (m *Memory) Gauge(in *Instrument, labelValues ...string) Gauge {
	if g, ok := m.resolve(in, KindGauge, labelValues).(*memoryGauge); ok {
		return g
	}
	return noopHandle{}
}

// Histogram resolves a histogram.
func (m *Memory) Histogram(in *Instrument, labelValues ...string) Histogram {
	if h, ok := m.resolve(in, KindHistogram, labelValues).(*memoryHistogram); ok {
		return h
	}
	return noopHandle{}
}

// resolve finds a series or makes it, and returns nil when the instrument is
// used wrongly.
func (m *Memory) resolve(in *Instrument, kind Kind, labelValues []string) memoryValue {
	if err := in.Check(kind, labelValues); err != nil {
		m.misuse.report(in, err)
		return nil
	}
	var few [128]byte
	key := appendKey(few[:0], in, labelValues)
	m.mu.RLock()
	s, ok := m.series[string(key)]
	m.mu.RUnlock()
	if !ok {
		s = m.add(string(key), in, labelValues)
	}
	if s.in.Kind != kind {
		m.misuse.report(in, fmt.Errorf("%s names a %s and a %s", in.Name, s.in.Kind, kind))
		return nil
	}
	return s.value
}

func (m *Memory) add(key string, in *Instrument, labelValues []string) *memorySeries {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.series[key]; ok {
		return s
	}
	if m.series == nil {
		m.series = map[string]*memorySeries{}
	}
	s := &memorySeries{series: newSeries(in, labelValues), value: newMemoryValue(in.Kind)}
	m.series[key] = s
	return s
}

func newMemoryValue(kind Kind) memoryValue {
	switch kind {
	case KindCounter:
		return new(memoryCounter)
	case KindGauge:
		return newMemoryGauge()
	default:
		return new(memoryHistogram)
	}
}

// Forget removes every series of in whose label values begin with these.
func (m *Memory) Forget(in *Instrument, labelValues ...string) {
	if err := in.checkForget(labelValues); err != nil {
		m.misuse.report(in, err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.series, func(_ string, s *memorySeries) bool { return s.beginsWith(in, labelValues) })
}

// Reset puts every counter back to 0 and empties every gauge and histogram.
// Handles go on working.
func (m *Memory) Reset() {
	m.scrape(func(_ string, value memoryValue) { value.reset() })
}

// Counters returns every counter, also those at 0.
func (m *Memory) Counters() map[string]int64 {
	all := map[string]int64{}
	m.scrape(func(key string, value memoryValue) {
		if c, ok := value.(*memoryCounter); ok {
			all[key] = c.sum.Load()
		}
	})
	return all
}

// Gauges returns every gauge that has been set.
func (m *Memory) Gauges() map[string]float64 {
	all := map[string]float64{}
	m.scrape(func(key string, value memoryValue) {
		if g, ok := value.(*memoryGauge); ok {
			if v, set := g.get(); set {
				all[key] = v
			}
		}
	})
	return all
}

// Histograms returns every histogram that has a value.
func (m *Memory) Histograms() map[string]Distribution {
	all := map[string]Distribution{}
	m.scrape(func(key string, value memoryValue) {
		if h, ok := value.(*memoryHistogram); ok {
			if d := h.distribution(); d.Count > 0 {
				all[key] = d
			}
		}
	})
	return all
}

// Snapshot returns everything in one map, as it was at one moment: an int64 for
// a counter, a float64 for a gauge, and for a histogram the []float64 of its
// last values.
func (m *Memory) Snapshot() map[string]any {
	all := map[string]any{}
	m.scrape(func(key string, value memoryValue) {
		switch value := value.(type) {
		case *memoryCounter:
			all[key] = value.sum.Load()
		case *memoryGauge:
			if v, set := value.get(); set {
				all[key] = v
			}
		case *memoryHistogram:
			if d := value.distribution(); d.Count > 0 {
				all[key] = d.Values
			}
		}
	})
	return all
}

// scrape visits every series at one moment.
func (m *Memory) scrape(visit func(key string, value memoryValue)) {
	m.scrapes.Scrape(func() {
		m.mu.RLock()
		defer m.mu.RUnlock()
		for key, s := range m.series {
			visit(key, s.value)
		}
	})
}

type memoryCounter struct{ sum atomic.Int64 }

func (c *memoryCounter) Add(n int64) {
	if n > 0 {
		c.sum.Add(n)
	}
}

func (c *memoryCounter) reset() { c.sum.Store(0) }

// gaugeNotSet marks a gauge without a value. It is a signalling NaN, which no
// arithmetic produces.
const gaugeNotSet = 0x7ff0_0000_0000_0002

type memoryGauge struct{ bits atomic.Uint64 }

func newMemoryGauge() *memoryGauge {
	g := new(memoryGauge)
	g.reset()
	return g
}

func (g *memoryGauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

func (g *memoryGauge) get() (v float64, set bool) {
	bits := g.bits.Load()
	return math.Float64frombits(bits), bits != gaugeNotSet
}

func (g *memoryGauge) reset() { g.bits.Store(gaugeNotSet) }

type memoryHistogram struct {
	mu     sync.Mutex
	count  int64
	sum    float64
	values []float64 // a ring once it is full: value number i lies at i % KeptValues
}

func (h *memoryHistogram) Observe(_ context.Context, v float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.values) < KeptValues {
		h.values = append(h.values, v)
	} else {
		h.values[h.count%KeptValues] = v
	}
	h.count++
	h.sum += v
}

func (h *memoryHistogram) distribution() Distribution {
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest := 0
	if len(h.values) == KeptValues {
		oldest = int(h.count % KeptValues)
	}
	return Distribution{
		Count:  h.count,
		Sum:    h.sum,
		Values: slices.Concat(h.values[oldest:], h.values[:oldest]),
	}
}

func (h *memoryHistogram) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count, h.sum, h.values = 0, 0, nil
}
