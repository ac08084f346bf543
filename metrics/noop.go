package metrics

import "context"

// Noop is the sink that drops everything, at no cost. A sink that is not
// interested in an instrument gives out Noop's handle for it.
var Noop Sink = noop{}

type noop struct{}

func (noop) Counter(*Instrument, ...string) Counter     { return noopHandle{} }
func (noop) Gauge(*Instrument, ...string) Gauge         { return noopHandle{} }
func (noop) Histogram(*Instrument, ...string) Histogram { return noopHandle{} }
func (noop) Forget(*Instrument, ...string)              {}
func (noop) Trusted()                                   {}

type noopHandle struct{}

func (noopHandle) Add(int64)                        {}
func (noopHandle) Set(float64)                      {}
func (noopHandle) Observe(context.Context, float64) {}

// live reports whether anything listens to a handle.
func live(handle any) bool {
	switch handle.(type) {
	case nil, noopHandle:
		return false
	}
	return true
}
