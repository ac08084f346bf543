// Package promsink shows the metrics of the clients to Prometheus.
//
//	handles ──► Sink ──► prometheus.Registerer ──► /metrics ──► Prometheus
//
// Every instrument of the catalogue becomes one metric, named after it behind a
// namespace: kinetrail_producer_records_sent_total. New registers all of them
// at once, so that what is wrong shows there and not in a record's way.
//
// A counter shows from the moment a client resolves it, at 0; a gauge from its
// first value on. The series of a shard vanish when the shard is finished.
package promsink
