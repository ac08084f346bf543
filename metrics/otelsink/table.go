package otelsink

import (
	"slices"
	"strings"
	"sync"

	"github.com/kinetrail/kinetrail/metrics"
)

// table is the series of one kind. The zero value is empty.
type table[H any] struct {
	mu     sync.RWMutex
	series map[string]series[H]
}

type series[H any] struct {
	in          *metrics.Instrument
	labelValues []string
	handle      *H
}

// get finds a series or makes one.
func (t *table[H]) get(in *metrics.Instrument, labelValues []string, create func(labelValues []string) *H) *H {
	const never = "\xff" // is in no valid text
	key := in.Name + never + strings.Join(labelValues, never)
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, ok := t.series[key]; ok {
		return found.handle
	}
	// The values may be parts of a page of records, which they would keep in
	// memory.
	values := make([]string, len(labelValues))
	for i, value := range labelValues {
		values[i] = strings.Clone(value)
	}
	made := series[H]{in, values, create(values)}
	if t.series == nil {
		t.series = make(map[string]series[H])
	}
	t.series[key] = made
	return made.handle
}

// forget removes the series of in whose label values begin with these.
func (t *table[H]) forget(in *metrics.Instrument, labelValues []string) (removed []*H) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, s := range t.series {
		if s.in == in && slices.Equal(s.labelValues[:len(labelValues)], labelValues) {
			removed = append(removed, s.handle)
			delete(t.series, key)
		}
	}
	return removed
}

func (t *table[H]) each(visit func(*H)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.series {
		visit(s.handle)
	}
}
