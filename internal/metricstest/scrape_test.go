package metricstest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/otelsink"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// shown is what one scrape has shown: counters and gauges summed up over all
// labels, and the shards that have a series of any kind.
type shown struct {
	sums   map[string]float64
	shards map[string]bool
}

func newShown() shown { return shown{make(map[string]float64), make(map[string]bool)} }

// scraped is a sink that shows itself.
type scraped struct {
	name   string
	sink   metrics.Sink
	scrape func(t *testing.T) shown
	told   bool // the sink hears of one change after another: only the end balances
}

// scrapedSinks makes the three sinks of this module, and one of somebody else's.
func scrapedSinks(t *testing.T) []scraped {
	t.Helper()
	return []scraped{scrapedMemory(), scrapedPrometheus(t), scrapedOpenTelemetry(t), foreign()}
}

// foreign is a sink that clients know nothing of.
func foreign() scraped {
	s := scrapedMemory()
	s.name, s.sink, s.told = "foreign", struct{ metrics.Sink }{s.sink}, true
	return s
}

func scrapedMemory() scraped {
	memory := metrics.NewMemory()
	return scraped{name: "Memory", sink: memory, scrape: func(*testing.T) shown {
		all := newShown()
		for series, value := range memory.Snapshot() {
			name, labels, _ := strings.Cut(series, "{")
			if _, shard, ok := strings.Cut(labels, metrics.LabelShard+"="); ok {
				shard, _, _ = strings.Cut(shard, ",")
				all.shards[shard] = true
			}
			switch v := value.(type) {
			case int64:
				all.sums[name] += float64(v)
			case float64:
				all.sums[name] += v
			}
		}
		return all
	}}
}

func scrapedPrometheus(t *testing.T) scraped {
	t.Helper()
	sink, registry := newPrometheus(t, "")
	return scraped{name: "Prometheus", sink: sink, scrape: func(t *testing.T) shown {
		families, err := registry.Gather()
		if err != nil {
			t.Errorf("a scrape: %v", err)
		}
		all := newShown()
		for _, family := range families {
			for _, m := range family.GetMetric() {
				for _, label := range m.GetLabel() {
					if label.GetName() == metrics.LabelShard {
						all.shards[label.GetValue()] = true
					}
				}
				all.sums[family.GetName()] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		return all
	}}
}

// scrapedOpenTelemetry leaves histograms out: OpenTelemetry cannot take back
// those of a finished shard.
func scrapedOpenTelemetry(t *testing.T) scraped {
	t.Helper()
	reader := metric.NewManualReader()
	sink, err := otelsink.New(func(o *otelsink.Options) {
		o.MeterProvider, o.Namespace, o.Messaging = metric.NewMeterProvider(metric.WithReader(reader)), "", false
	})
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]string)
	for _, in := range metrics.Catalog() {
		short := strings.TrimSuffix(strings.TrimSuffix(in.Name, "_total"), "_milliseconds")
		names[strings.Replace(short, "_", ".", 1)] = in.Name
	}
	return scraped{name: "OpenTelemetry", sink: sink, scrape: func(t *testing.T) shown {
		var got metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &got); err != nil {
			t.Errorf("a collection: %v", err)
		}
		all := newShown()
		for _, scope := range got.ScopeMetrics {
			for _, m := range scope.Metrics {
				switch data := m.Data.(type) {
				case metricdata.Sum[int64]:
					addPoints(all, names[m.Name], data.DataPoints)
				case metricdata.Gauge[float64]:
					addPoints(all, names[m.Name], data.DataPoints)
				}
			}
		}
		return all
	}}
}

func addPoints[N int64 | float64](all shown, name string, points []metricdata.DataPoint[N]) {
	for _, point := range points {
		all.sums[name] += float64(point.Value)
		if shard, ok := point.Attributes.Value(metrics.LabelShard); ok {
			all.shards[shard.AsString()] = true
		}
	}
}

// watch scrapes the sink again and again, twice at the same time, until the
// returned function is called. Each scrape has to pass check, which returns what
// is wrong with it.
func (s scraped) watch(t *testing.T, check func(shown) string) (stop func()) {
	if s.told {
		return func() {}
	}
	over := make(chan struct{})
	var scrapers sync.WaitGroup
	for range 2 {
		scrapers.Go(func() {
			tick := time.NewTicker(500 * time.Microsecond)
			defer tick.Stop()
			for {
				if wrong := check(s.scrape(t)); wrong != "" {
					t.Errorf("a scrape of %s: %s", s.name, wrong)
					return
				}
				select {
				case <-over:
					return
				case <-tick.C:
				}
			}
		})
	}
	return func() {
		close(over)
		scrapers.Wait()
	}
}
