package promsink_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/promsink"
	"github.com/kinetrail/kinetrail/producer"
)

// Ten records of 8 bytes go out in one request, one of them is throttled and
// goes out again by itself.
func TestAThrottledRecordOfTenShowsAsTwoRequestsOfElevenRecords(t *testing.T) {
	t.Parallel()
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"s": 1} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	throttle, err := fault.Parse("PutRecords nth=1 records=1 error=ProvisionedThroughputExceededException")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Faults().Add(throttle); err != nil {
		t.Fatal(err)
	}
	sink, registry := newSink(t, func(o *promsink.Options) { o.Namespace = "async_kinesis" })
	p, err := producer.New(server.Client(), "s", func(o *producer.Options) {
		o.Metrics = sink
		o.Linger = 10 * time.Second // so that one request has all ten
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		record := kinetrail.Record{PartitionKey: fmt.Sprint("key-", i), Data: fmt.Appendf(nil, `{"i": %d}`, i)}
		if err := p.PutAsync(t.Context(), record, func(r producer.Result) {
			if r.Err != nil {
				t.Errorf("record %d: %v", i, r.Err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, registry, "text/plain")
	for _, want := range []string{
		`async_kinesis_producer_batch_size_bucket{stream_name="s",le="1"} 1`,
		`async_kinesis_producer_batch_size_bucket{stream_name="s",le="10"} 2`,
		`async_kinesis_producer_batch_size_sum{stream_name="s"} 11`,
		`async_kinesis_producer_batch_size_count{stream_name="s"} 2`,
		`async_kinesis_producer_flush_duration_seconds_count{stream_name="s"} 2`,
		`async_kinesis_producer_records_sent_total{stream_name="s"} 10`,
		`async_kinesis_producer_bytes_sent_total{stream_name="s"} 80`,
		`async_kinesis_producer_throttles_total{stream_name="s"} 1`,
		`async_kinesis_producer_errors_total{error_type="ProvisionedThroughputExceededException",stream_name="s"} 1`,
		`async_kinesis_producer_queue_size{stream_name="s"} 0`,
		`async_kinesis_producer_user_records_put_total{stream_name="s"} 10`,
		`async_kinesis_producer_user_records_sent_total{stream_name="s"} 10`,
		"# TYPE async_kinesis_producer_records_sent_total " + metrics.KindCounter.String(),
	} {
		mustContain(t, text, want+"\n")
	}
}
