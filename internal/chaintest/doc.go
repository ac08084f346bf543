// Package chaintest plays the whole way of a trace in three processes of the
// operating system, each with OpenTelemetry's SDK and its OTLP exporter:
//
//	event-producer ──put──► local Kinesis ──consumer──► event-consumer
//	                             └──Lambda trigger, Runtime API──► event-function
//	        └──────────── OTLP over HTTP ──► receiver ◄────────────┘
//
// and asserts parents and links from what the receiver got. The processes are
// the test binary itself. It holds tests alone.
package chaintest
