package promsink_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/promsink"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A sink on a registry of its own, and the endpoint that shows it.
func Example() {
	registry := prometheus.NewRegistry()
	sink, err := promsink.New(func(o *promsink.Options) {
		o.Registerer = registry
		o.ConstLabels = map[string]string{"env": "prod"}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	defer endpoint.Close()

	// What a producer does that has the sink as its Options.Metrics:
	sink.Counter(metrics.ProducerRecordsSent, "my-stream").Add(3)

	answer, err := http.Get(endpoint.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			fmt.Print(line)
		}
	}
	// Output:
	// kinetrail_producer_records_sent_total{env="prod",stream_name="my-stream"} 3
}
