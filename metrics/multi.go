package metrics

import "context"

// Multi returns a sink that passes everything on to several, in their order.
// Nil and Noop are left out; with nothing left it is Noop, with one left it is
// that one.
func Multi(sinks ...Sink) Sink {
	var members []Sink
	for _, sink := range sinks {
		if m, ok := sink.(*multi); ok {
			members = append(members, m.members...)
		} else if Enabled(sink) {
			members = append(members, sink)
		}
	}
	switch len(members) {
	case 0:
		return Noop
	case 1:
		return members[0]
	}
	return &multi{members}
}

type multi struct{ members []Sink }

func (m *multi) Counter(in *Instrument, labelValues ...string) Counter {
	var all multiCounter
	for _, sink := range m.members {
		if c := sink.Counter(in, labelValues...); live(c) {
			all = append(all, c)
		}
	}
	switch len(all) {
	case 0:
		return noopHandle{}
	case 1:
		return all[0]
	}
	return all
}

func (m *multi) Gauge(in *Instrument, labelValues ...string) Gauge {
	var all multiGauge
	for _, sink := range m.members {
		if g := sink.Gauge(in, labelValues...); live(g) {
			all = append(all, g)
		}
	}
	switch len(all) {
	case 0:
		return noopHandle{}
	case 1:
		return all[0]
	}
	return all
}

func (m *multi) Histogram(in *Instrument, labelValues ...string) Histogram {
	var all multiHistogram
	for _, sink := range m.members {
		if h := sink.Histogram(in, labelValues...); live(h) {
			all = append(all, h)
		}
	}
	switch len(all) {
	case 0:
		return noopHandle{}
	case 1:
		return all[0]
	}
	return all
}

func (m *multi) Forget(in *Instrument, labelValues ...string) {
	for _, sink := range m.members {
		sink.Forget(in, labelValues...)
	}
}

type multiCounter []Counter

func (all multiCounter) Add(n int64) {
	for _, c := range all {
		c.Add(n)
	}
}

type multiGauge []Gauge

func (all multiGauge) Set(v float64) {
	for _, g := range all {
		g.Set(v)
	}
}

type multiHistogram []Histogram

func (all multiHistogram) Observe(ctx context.Context, v float64) {
	for _, h := range all {
		h.Observe(ctx, v)
	}
}
