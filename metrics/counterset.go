package metrics

import (
	"slices"
	"sync"
)

// CounterSet is the counters of one instrument that differ in its last label
// only: the errors of one stream by error_type. The series of the label's
// known values exist at 0 from the start; others are resolved when they are
// first added to. It is safe for concurrent use.
type CounterSet struct {
	sink   Sink
	in     *Instrument
	prefix []string

	mu       sync.RWMutex
	counters map[string]Counter
}

// NewCounterSet resolves the counters of in's known values. The label values
// are those of all labels but the last.
func NewCounterSet(sink Sink, in *Instrument, labelValues ...string) *CounterSet {
	s := &CounterSet{in: in, prefix: slices.Clone(labelValues), counters: make(map[string]Counter)}
	if in != nil && Enabled(sink) {
		s.sink = sink
		for _, value := range in.Known {
			s.counter(value)
		}
	}
	return s
}

// Add adds n to the counter whose last label has this value.
func (s *CounterSet) Add(value string, n int64) {
	if s.sink != nil {
		s.counter(value).Add(n)
	}
}

func (s *CounterSet) counter(value string) Counter {
	s.mu.RLock()
	c, ok := s.counters[value]
	s.mu.RUnlock()
	if ok {
		return c
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.counters[value]; ok {
		return c
	}
	c = s.sink.Counter(s.in, append(slices.Clip(s.prefix), value)...)
	s.counters[value] = c
	return c
}
