package metrics

import "slices"

var (
	perStream          = []string{LabelStream}
	perStreamAndError  = []string{LabelStream, LabelErrorType}
	perStreamAndReason = []string{LabelStream, LabelReason}
	perShard           = []string{LabelStream, LabelShard}
	perShardAndError   = []string{LabelStream, LabelShard, LabelErrorType}
)

// known holds the values of a label that are known beforehand.
var known = map[string][]string{
	LabelErrorType: {ErrorConnection, ErrorTimeout, ErrorUnknown},
	LabelReason: {
		SkippedNoCarrier, SkippedKeyLength, SkippedSize,
		SkippedInvalidUTF8, SkippedAggregated, SkippedExisting,
	},
}

// catalog is filled by the instruments below. They are initialized in their
// order, because all they refer to stands above them.
var catalog []*Instrument

// Catalog returns every instrument the clients use, in the order of this page.
// The variables are named after the instruments, without _total and without a
// unit of time.
func Catalog() []*Instrument { return slices.Clone(catalog) }

// What the producer did, in Kinesis records: a container of many user records
// is one.
var (
	ProducerRecordsSent = counter("producer_records_sent_total", "{record}", perStream,
		"Kinesis records the service accepted. A request that fails in part counts its successes.")
	ProducerBytesSent = counter("producer_bytes_sent_total", "By", perStream,
		"Data bytes of the Kinesis records the service accepted, partition keys left out.")
	ProducerErrors = counter("producer_errors_total", "{record}", perStreamAndError,
		"Kinesis records that failed an attempt, each under its own error code. A request that fails counts all its records; connection, timeout and unknown stand for failures without a code. Throttled records are counted here as well.")
	ProducerThrottles = counter("producer_throttles_total", "{record}", perStream,
		"Kinesis records the service refused because the shard or the stream was at its limit.")
	ProducerBatchSize = histogram("producer_batch_size", "{record}", perStream,
		"Kinesis records in one PutRecords request.",
		1, 5, 10, 25, 50, 100, 250, 500)
	ProducerQueueSize = gauge("producer_queue_size", "{record}", perStream,
		"User records that wait in the producer now. It is 0 after a flush.")
	ProducerFlushDuration = histogram("producer_flush_duration_seconds", "s", perStream,
		"Time of one PutRecords attempt, from the start of the request until its results are handled, callbacks left out.",
		.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5)
)

// What the consumer read.
var (
	ConsumerRecordsReceived = counter("consumer_records_received_total", "{record}", perShard,
		"Kinesis records handed on after a fetch, before deaggregation.")
	ConsumerBytesReceived = counter("consumer_bytes_received_total", "By", perShard,
		"Data bytes of the Kinesis records handed on after a fetch.")
	ConsumerErrors = counter("consumer_errors_total", "{request}", perShardAndError,
		"Fetches that failed, by error code; connection, timeout and unknown stand for failures without a code. ProvisionedThroughputExceededException and ExpiredIteratorException are recovered from at once and are no cause for an alert.")
	ConsumerCheckpointSuccess = counter("consumer_checkpoint_success_total", "{checkpoint}", perShard,
		"Positions the lease store has durably written. Renewals of leases are not counted. In manual mode they come in bursts, when the caller flushes.")
	ConsumerCheckpointFailure = counter("consumer_checkpoint_failure_total", "{checkpoint}", perShard,
		"Writes of a position to the lease store that failed, lost leases included.")
	ConsumerIteratorAge = gauge("consumer_iterator_age_milliseconds", "ms", perShard,
		"How far the last response was behind the tip of the shard, as the service said. Absent when it did not say, and while the shard stands still; kept across a failed fetch.")
	ConsumerQueueSize = gauge("consumer_queue_size", "{record}", perStream,
		"User records fetched and not yet handled.")
	ConsumerLagRecords = gauge("consumer_lag_records", "{record}", perShard,
		"Records between the checkpoint and the tip of the shard. An estimate, from the rate of records and the iterator age: the service gives no count.")
	ConsumerProcessingTime = histogram("consumer_processing_time_seconds", "s", perShard,
		"Time of one call of the handler, or between two records taken from an iterator.",
		.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5)
)

// The stream as a consumer sees it.
var (
	StreamShardsActive = gauge("stream_shards_active", "{shard}", perStream,
		"Open shards in the last shard list.")
	StreamShardsClosed = gauge("stream_shards_closed", "{shard}", perStream,
		"Closed shards in the last shard list.")
	StreamReshardingEvents = counter("stream_resharding_events_total", "{event}", perStream,
		"Splits and merges seen, one each. In a group only the worker that lists the shards counts, so that a sum over workers is right.")
)

// What the producer did, in user records: put = sent + failed + waiting, at
// any time.
var (
	ProducerUserRecordsPut = counter("producer_user_records_put_total", "{record}", perStream,
		"User records the producer accepted.")
	ProducerUserRecordsSent = counter("producer_user_records_sent_total", "{record}", perStream,
		"User records the service acknowledged.")
	ProducerUserRecordsFailed = counter("producer_user_records_failed_total", "{record}", perStreamAndError,
		"User records the producer gave up, by the error of their last attempt.")
	ProducerRetries = counter("producer_retries_total", "{record}", perStream,
		"Kinesis records sent again after a failed attempt.")
	ProducerWrongShard = counter("producer_wrong_shard_total", "{record}", perStream,
		"Containers that landed on a shard whose hash range does not hold all their keys.")
	ProducerBufferedBytes = gauge("producer_buffered_bytes", "By", perStream,
		"Bytes of the user records that wait in the producer now. It is 0 after a flush.")
	ProducerAggregationRatio = histogram("producer_aggregation_ratio", "1", perStream,
		"User records in one Kinesis record.",
		1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
)

// What became of trace contexts.
var (
	TraceInjected = counter("trace_injected_total", "{record}", perStream,
		"User records put with a trace context.")
	TraceSkipped = counter("trace_skipped_total", "{record}", perStreamAndReason,
		"User records put without the trace context they had, by reason. Records put outside any span are not counted.")
	TraceExtracted = counter("trace_extracted_total", "{record}", perStream,
		"User records received with a trace context.")
	TraceMalformed = counter("trace_malformed_total", "{record}", perStream,
		"User records received with something that begins like a trace context and is none.")
	TraceUnknownVersion = counter("trace_unknown_version_total", "{record}", perStream,
		"User records whose stored key has a format of a later version. Its trace context is taken; the partition key behind it cannot be read.")
)

// What the consumer did with the records.
var (
	ConsumerUserRecordsHandled = counter("consumer_user_records_handled_total", "{record}", perShard,
		"User records whose handling is finished.")
	ConsumerHandlerErrors = counter("consumer_handler_errors_total", "{error}", perShard,
		"Calls of the handler that returned an error, panicked or ran out of time.")
	ConsumerDeadLetters = counter("consumer_dead_letters_total", "{record}", perShard,
		"User records handed to the dead-letter function.")
	ConsumerDeaggregationFailures = counter("consumer_deaggregation_failures_total", "{record}", perShard,
		"Kinesis records that look like a container and are none; they are handled as plain records.")
	ConsumerOutOfRange = counter("consumer_out_of_range_total", "{record}", perShard,
		"User records whose hash key lies outside the range of the shard they were read from.")
	ConsumerFanoutReconnects = counter("consumer_fanout_reconnects_total", "{reconnect}", perShard,
		"Enhanced fan-out subscriptions opened again after one ended.")
	ConsumerEndToEndLatency = histogram("consumer_end_to_end_latency_seconds", "s", perStream,
		"Time from a record's arrival at Kinesis until it was handled. It compares the clock of the service with this machine's.",
		.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
	ConsumerLeasesHeld = gauge("consumer_leases_held", "{lease}", perStream,
		"Leases this worker holds now.")
	ConsumerLeasesLost = counter("consumer_leases_lost_total", "{lease}", perStream,
		"Leases this worker held and found taken by another.")
	ConsumerLeasesTaken = counter("consumer_leases_taken_total", "{lease}", perStream,
		"Leases this worker took, free ones and those of others.")
	ConsumerShardsStalled = gauge("consumer_shards_stalled", "{shard}", perStream,
		"Shards this worker holds whose records do not move on.")
)

func counter(name, unit string, labels []string, help string) *Instrument {
	return define(Instrument{
		Name: name, Kind: KindCounter, Unit: unit, Labels: labels, Help: help,
		Known: known[labels[len(labels)-1]],
	})
}

func gauge(name, unit string, labels []string, help string) *Instrument {
	return define(Instrument{Name: name, Kind: KindGauge, Unit: unit, Labels: labels, Help: help})
}

func histogram(name, unit string, labels []string, help string, buckets ...float64) *Instrument {
	return define(Instrument{Name: name, Kind: KindHistogram, Unit: unit, Labels: labels, Help: help, Buckets: buckets})
}

func define(in Instrument) *Instrument {
	catalog = append(catalog, &in)
	return &in
}
