package promsink

import (
	"errors"
	"fmt"
	"time"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// collector is everything that sinks of one namespace show. It is one
// prometheus.Collector, not one for each instrument, because only so does a
// scrape read all counters and gauges at one moment.
type collector struct {
	scrapes    metrics.Scrapes
	tables     map[*metrics.Instrument]*table
	histograms map[*metrics.Instrument]*prometheus.HistogramVec
}

func newCollector(o *Options) *collector {
	c := &collector{
		tables:     make(map[*metrics.Instrument]*table),
		histograms: make(map[*metrics.Instrument]*prometheus.HistogramVec),
	}
	for _, in := range metrics.Catalog() {
		if in.Kind == metrics.KindHistogram {
			c.histograms[in] = prometheus.NewHistogramVec(histogramOpts(in, o), in.Labels)
		} else {
			c.tables[in] = newTable(in, o)
		}
	}
	return c
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

// register registers c and returns it, or the one that was registered before it
// under the same names.
func (c *collector) register(to prometheus.Registerer) (*collector, error) {
	err := to.Register(c)
	if before, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		existing, same := before.ExistingCollector.(*collector)
		if !same {
			return nil, fmt.Errorf("the names belong to other metrics, of a %T", before.ExistingCollector)
		}
		return existing, nil
	}
	return c, err
}

// Describe tells the registerer what Collect brings.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, t := range c.tables {
		to <- t.desc
	}
	for _, vec := range c.histograms {
		vec.Describe(to)
	}
}

// Collect brings the counters and gauges of one moment, and the histograms.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	var samples []prometheus.Metric
	c.scrapes.Scrape(func() {
		for _, t := range c.tables {
			samples = t.appendTo(samples)
		}
	})
	for _, sample := range samples {
		to <- sample
	}
	for _, vec := range c.histograms {
		vec.Collect(to)
	}
}
