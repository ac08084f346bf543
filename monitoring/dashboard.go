package main

import "fmt"

// The dashboard as data: rows of panels, three panels side by side. ${prefix}
// stands for the namespace before the names of metrics, $stream for the streams
// that are chosen in the dashboard.

// row is a row and its panels.
type row struct {
	title  string
	panels []panel
}

// panel is a graph of one query or several.
type panel struct {
	title       string
	description string
	unit        string // Grafana's
	queries     []query
}

// query is a query and what its lines are called.
type query struct {
	expr   string
	legend string
}

// perStream sums the increase a second of a counter, over what by leaves out.
func perStream(metric, by, legend string) query {
	return query{fmt.Sprintf(`sum by (%s) (rate(${prefix}%s{stream_name=~"$stream"}[5m]))`, by, metric), legend}
}

// gauge sums a gauge.
func gauge(metric, by, legend string) query {
	return query{fmt.Sprintf(`sum by (%s) (${prefix}%s{stream_name=~"$stream"})`, by, metric), legend}
}

// quantiles are the median and the 99th percentile of a histogram.
func quantiles(metric, by, of string) []query {
	var all []query
	for _, q := range []struct{ value, name string }{{"0.5", "median"}, {"0.99", "p99"}} {
		all = append(all, query{
			fmt.Sprintf(`histogram_quantile(%s, sum by (%s, le) (rate(${prefix}%s_bucket{stream_name=~"$stream"}[5m])))`, q.value, by, metric),
			q.name + " " + of,
		})
	}
	return all
}

// mean is the mean value of a histogram.
func mean(metric, legend string) query {
	const each = `sum by (stream_name) (rate(${prefix}%s_%s{stream_name=~"$stream"}[5m]))`
	return query{fmt.Sprintf(each+" / "+each, metric, "sum", metric, "count"), legend}
}

const (
	byStream = "{{stream_name}}"
	byShard  = "{{stream_name}} {{shard_id}}"
)

var producerRow = row{"Producer", []panel{
	{"Records sent", "Kinesis records the service accepted, a second.", "reqps",
		[]query{perStream("producer_records_sent_total", "stream_name", byStream)}},
	{"Bytes sent", "Their data, without partition keys.", "Bps",
		[]query{perStream("producer_bytes_sent_total", "stream_name", byStream)}},
	{"Errors", "Records that failed an attempt, by error. Most are sent again.", "reqps",
		[]query{perStream("producer_errors_total", "stream_name, error_type", byStream+" {{error_type}}")}},
	{"Throttled and retried", "Records the shard or the stream had no room for, and records sent again.", "reqps",
		[]query{
			perStream("producer_throttles_total", "stream_name", byStream+" throttled"),
			perStream("producer_retries_total", "stream_name", byStream+" retried"),
		}},
	{"Waiting records", "User records in the producer now.", "short",
		[]query{gauge("producer_queue_size", "stream_name", byStream)}},
	{"Waiting bytes", "Their size. At the bound of the options Put waits.", "bytes",
		[]query{gauge("producer_buffered_bytes", "stream_name", byStream)}},
	{"Time of a PutRecords attempt", "From the start of the request until its results are handled.", "s",
		quantiles("producer_flush_duration_seconds", "stream_name", byStream)},
	{"Batch size and aggregation", "Kinesis records in a request, and user records in a Kinesis record, on average.", "short",
		[]query{
			mean("producer_batch_size", byStream+" records in a request"),
			mean("producer_aggregation_ratio", byStream+" user records in a record"),
		}},
	{"User records", "Put = sent + failed + waiting. Failed ones are given up.", "reqps",
		[]query{
			perStream("producer_user_records_put_total", "stream_name", byStream+" put"),
			perStream("producer_user_records_sent_total", "stream_name", byStream+" sent"),
			perStream("producer_user_records_failed_total", "stream_name, error_type", byStream+" failed {{error_type}}"),
		}},
	{"Containers on a wrong shard", "After a reshard: their records are put again where they belong.", "reqps",
		[]query{perStream("producer_wrong_shard_total", "stream_name", byStream)}},
}}

var consumerRow = row{"Consumer", []panel{
	{"Iterator age", "How far behind the tip of the shard the last response was.", "ms",
		[]query{{`${prefix}consumer_iterator_age_milliseconds{stream_name=~"$stream"}`, byShard}}},
	{"Lag", "Records between the checkpoint and the tip, an estimate.", "short",
		[]query{gauge("consumer_lag_records", "stream_name, shard_id", byShard)}},
	{"End-to-end latency", "From a record's arrival at Kinesis until it was handled.", "s",
		quantiles("consumer_end_to_end_latency_seconds", "stream_name", byStream)},
	{"Records received", "Kinesis records handed on after a fetch, a second.", "reqps",
		[]query{perStream("consumer_records_received_total", "stream_name, shard_id", byShard)}},
	{"Bytes received", "Their data.", "Bps",
		[]query{perStream("consumer_bytes_received_total", "stream_name, shard_id", byShard)}},
	{"Waiting for a handler", "User records fetched and not yet handled.", "short",
		[]query{gauge("consumer_queue_size", "stream_name", byStream)}},
	{"Fetch errors", "ProvisionedThroughputExceededException and ExpiredIteratorException are recovered from at once.", "reqps",
		[]query{perStream("consumer_errors_total", "stream_name, error_type", byStream+" {{error_type}}")}},
	{"Handler time", "Of one call of the handler.", "s",
		quantiles("consumer_processing_time_seconds", "stream_name", byStream)},
	{"Handled records", "User records whose handling is finished, and calls of the handler that failed.", "reqps",
		[]query{
			perStream("consumer_user_records_handled_total", "stream_name", byStream+" handled"),
			perStream("consumer_handler_errors_total", "stream_name", byStream+" failed calls"),
			perStream("consumer_dead_letters_total", "stream_name", byStream+" dead letters"),
		}},
	{"Checkpoints", "Durable writes of a position. With manual checkpoints they come in bursts, when the program flushes.", "ops",
		[]query{
			perStream("consumer_checkpoint_success_total", "stream_name", byStream+" written"),
			perStream("consumer_checkpoint_failure_total", "stream_name", byStream+" failed"),
		}},
	{"Leases", "Held now by all workers, and how many changed hands in five minutes.", "short",
		[]query{
			gauge("consumer_leases_held", "stream_name", byStream+" held"),
			{`sum by (stream_name) (increase(${prefix}consumer_leases_taken_total{stream_name=~"$stream"}[5m]))`, byStream + " taken"},
			{`sum by (stream_name) (increase(${prefix}consumer_leases_lost_total{stream_name=~"$stream"}[5m]))`, byStream + " lost"},
		}},
	{"Stalled shards", "Shards that stand still at a record, waiting for somebody to act.", "short",
		[]query{gauge("consumer_shards_stalled", "stream_name", byStream)}},
	{"Odd records", "Containers that are none, records outside their shard's range, and fan-out subscriptions opened again.", "ops",
		[]query{
			perStream("consumer_deaggregation_failures_total", "stream_name", byStream+" no container"),
			perStream("consumer_out_of_range_total", "stream_name", byStream+" out of range"),
			perStream("consumer_fanout_reconnects_total", "stream_name", byStream+" reconnects"),
		}},
}}

// Every worker that lists the shards reports what it sees.
var streamRow = row{"Stream", []panel{
	{"Shards", "Open and closed shards in the last shard list.", "short",
		[]query{
			{`max by (stream_name) (${prefix}stream_shards_active{stream_name=~"$stream"})`, byStream + " open"},
			{`max by (stream_name) (${prefix}stream_shards_closed{stream_name=~"$stream"})`, byStream + " closed"},
		}},
	{"Splits and merges", "In the last hour.", "short",
		[]query{{`sum by (stream_name) (increase(${prefix}stream_resharding_events_total{stream_name=~"$stream"}[1h]))`, byStream}}},
}}

var tracingRow = row{"Tracing", []panel{
	{"Trace contexts", "User records put and received with one.", "reqps",
		[]query{
			perStream("trace_injected_total", "stream_name", byStream+" put"),
			perStream("trace_extracted_total", "stream_name", byStream+" received"),
		}},
	{"Put without their context", "By reason.", "reqps",
		[]query{perStream("trace_skipped_total", "stream_name, reason", byStream+" {{reason}}")}},
	{"Malformed contexts and later versions", "Received: what cannot be read is left alone, of a later version the context is taken.", "reqps",
		[]query{
			perStream("trace_malformed_total", "stream_name", byStream+" malformed"),
			perStream("trace_unknown_version_total", "stream_name", byStream+" later version"),
		}},
}}
