package otelsink

import (
	"context"
	"math"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
)

// counter is a sum that the callback reads.
type counter struct {
	target  metric.Int64Observable
	options []metric.ObserveOption
	message *counter // the conventions' counter of the same events, if any
	sum     atomic.Int64
}

// Add adds n, unless it is below zero.
func (c *counter) Add(n int64) {
	if n <= 0 {
		return
	}
	c.sum.Add(n)
	if c.message != nil {
		c.message.sum.Add(n)
	}
}

// gauge is a value that the callback reads.
type gauge struct {
	target  metric.Float64Observable
	options []metric.ObserveOption
	bits    atomic.Uint64
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

// histogram is recorded as values come.
type histogram struct {
	own       recorder
	message   *recorder // the conventions' histogram of the same times, if any
	forgotten atomic.Bool
}

// recorder is a histogram with its attributes.
type recorder struct {
	to      metric.Float64Histogram
	options []metric.RecordOption
}

// Observe adds one value. OpenTelemetry takes an exemplar from ctx by itself.
func (h *histogram) Observe(ctx context.Context, v float64) {
	if h.forgotten.Load() {
		return
	}
	h.own.to.Record(ctx, v, h.own.options...)
	if h.message != nil {
		h.message.to.Record(ctx, v, h.message.options...)
	}
}
