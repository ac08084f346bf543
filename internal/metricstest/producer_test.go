package metricstest

import (
	"errors"
	"slices"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/producer"
)

// failedWith is the label of an error.
func failedWith(code string) string { return "error_type=" + code }

const throttled = "ProvisionedThroughputExceededException"

func tenPutsOneThrottled(t *testing.T) {
	sink := metrics.NewMemory()
	produce(t, newServer(t, 1, "PutRecords nth=1 records=1 error="+throttled), sink, 10)
	mustCount(t, sink, map[string]int64{
		key("producer_throttles_total"):                                  1,
		key("producer_errors_total", failedWith(throttled)):              1,
		key("producer_errors_total", failedWith("connection")):           0,
		key("producer_records_sent_total"):                               10,
		key("producer_bytes_sent_total"):                                 80,
		key("producer_retries_total"):                                    1,
		key("producer_user_records_put_total"):                           10,
		key("producer_user_records_sent_total"):                          10,
		key("producer_user_records_failed_total", failedWith("timeout")): 0,
	})
	mustGauge(t, sink, map[string]float64{key("producer_queue_size"): 0, key("producer_buffered_bytes"): 0})
	if got, want := sink.Histograms()[key("producer_batch_size")].Values, []float64{10, 1}; !slices.Equal(got, want) {
		t.Errorf("the batches are %v; want %v", got, want)
	}
	if got := sink.Histograms()[key("producer_flush_duration_seconds")].Count; got != 2 {
		t.Errorf("%d flushes were timed; want 2", got)
	}
}

func anUnknownCodeIsRetried(t *testing.T) {
	sink := metrics.NewMemory()
	results := produce(t, newServer(t, 1, "PutRecords nth=1 records=1 error=KMSThrottlingException"), sink, 2)
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("a record: %v; want it sent", r.Err)
		}
	}
	mustCount(t, sink, map[string]int64{
		key("producer_errors_total", failedWith("KMSThrottlingException")): 1,
		key("producer_records_sent_total"):                                 2,
		key("producer_retries_total"):                                      1,
	})
}

func mixedErrors(t *testing.T) {
	sink := metrics.NewMemory()
	server := newServer(t, 2,
		"PutRecords nth=1 shard="+shard0+" records=1 error="+throttled,
		"PutRecords nth=1 shard="+shard1+" records=1 error=InternalFailure")
	produce(t, server, sink, 10)
	if got, want := sink.Histograms()[key("producer_batch_size")].Values[0], 10.0; got != want {
		t.Errorf("the first batch has %v records; want %v", got, want)
	}
	mustCount(t, sink, map[string]int64{
		key("producer_throttles_total"):                             1,
		key("producer_errors_total", failedWith(throttled)):         1,
		key("producer_errors_total", failedWith("InternalFailure")): 1,
		key("producer_records_sent_total"):                          10,
	})
}

func deniedRequests(t *testing.T) {
	sink := metrics.NewMemory()
	results := produce(t, newServer(t, 1, "PutRecords error=AccessDeniedException"), sink, 3)
	for _, r := range results {
		if rejected, ok := errors.AsType[*producer.RejectedError](r.Err); !ok || rejected.Code != "AccessDeniedException" {
			t.Errorf("a record: %v; want a *RejectedError with AccessDeniedException", r.Err)
		}
	}
	if len(results) != 3 {
		t.Errorf("%d records have a result; want 3", len(results))
	}
	mustCount(t, sink, map[string]int64{
		key("producer_errors_total", failedWith("AccessDeniedException")):              3,
		key("producer_user_records_failed_total", failedWith("AccessDeniedException")): 3,
		key("producer_records_sent_total"):                                             0,
	})
}

func aFlushEmptiesTheQueue(t *testing.T) {
	sink := metrics.NewMemory()
	produce(t, newServer(t, 1), sink, 5)
	mustGauge(t, sink, map[string]float64{key("producer_queue_size"): 0})
}

func oneContainer(t *testing.T) {
	sink := metrics.NewMemory()
	produce(t, newServer(t, 1), sink, 100, func(o *producer.Options) {
		o.Aggregation = producer.ByShard
	})
	mustCount(t, sink, map[string]int64{
		key("producer_records_sent_total"):      1,
		key("producer_user_records_sent_total"): 100,
	})
	if got, want := sink.Histograms()[key("producer_batch_size")].Values, []float64{1}; !slices.Equal(got, want) {
		t.Errorf("the batches are %v; want %v", got, want)
	}
	if got, want := sink.Histograms()[key("producer_aggregation_ratio")].Values, []float64{100}; !slices.Equal(got, want) {
		t.Errorf("the ratios are %v; want %v", got, want)
	}
}
