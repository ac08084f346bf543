package otelsink_test

import (
	"context"
	"fmt"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/otelsink"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// A program gives its provider a reader that exports, such as OTLP's.
func Example() {
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	sink, err := otelsink.New(func(o *otelsink.Options) {
		o.MeterProvider = provider
		o.Messaging = false
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = sink.Close() }()

	// What a producer does that has the sink as its Options.Metrics:
	sink.Counter(metrics.ProducerRecordsSent, "my-stream").Add(3)

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && len(sum.DataPoints) > 0 {
			fmt.Println(m.Name, m.Unit, sum.DataPoints[0].Value)
		}
	}
	// Output:
	// kinetrail.producer.records_sent {record} 3
}
