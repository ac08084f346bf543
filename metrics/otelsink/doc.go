// Package otelsink hands the metrics of the clients to OpenTelemetry.
//
//	counters, gauges ──► kept here ──► read by a callback ─┐
//	histograms ──────────► recorded at once ───────────────┴─► metric.MeterProvider ──► reader, exporter
//
// Every instrument of the catalogue becomes one of OpenTelemetry's, named as
// its names go: kinetrail.producer.records_sent, without the unit, which has a
// field of its own. Where such metrics end in a Prometheus, their names and
// labels are those of package promsink, and the same dashboards and rules fit.
//
// Beside them stand the instruments of the semantic conventions for messaging,
// as far as the catalogue knows their values; see Options.Messaging.
//
// Counters and gauges of a finished shard vanish with the next collection.
// OpenTelemetry has no way to take back a histogram: the one of a finished
// shard, consumer_processing_time_seconds, is exported at its last value until
// the program ends. A view can drop the attribute shard_id from it.
package otelsink
