// Package tracecarrier puts a trace context into a Kinesis record and takes it
// out again, as text: in the partition key, or in the headers of a user record
// of a KPL container.
//
// A record of the stream looks like this with the carrier Lossless. The hash
// key is that of the original key, so the record stays on its shard:
//
//	PartitionKey     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-k1=group-1
//	                 └──────────────────── traceparent ────────────────────┘    └ original
//	ExplicitHashKey  36878702945378520736626047775679136663
//
// The grammar of a stored key:
//
//	key          a plain one, a bare traceparent, or one of the forms below
//	extended     traceparent "-k1" field… "=" original
//	field        ";" letter length ":" value      s = tracestate, b = baggage, others are skipped
//	escaped      "00-" 32 zeros "-" 16 zeros "-00-k1=" original
//	traceparent  "00-" 32 hex "-" 16 hex "-" 2 hex
//
//	letter       a–z, each at most once
//	length       of value in characters: 1–3 digits, the first is not 0
//	value        printable ASCII
//	original     one or more characters up to the end, nothing is escaped
//	hex          lower case; neither id is all zeros
//
// Behind a higher version (k2, k3, …) a reader finds the context and knows that
// it does not know the original key. Whatever else does not follow the grammar
// is a plain key and not an error.
//
// Readers take every form without being told which. A Writer wraps or escapes a
// key that only looks like one of them, so that every key of valid UTF-8 and up
// to MaxOriginalLength UTF-16 units comes back as it was given, except one: a
// bare traceparent is taken for somebody's own carrier and passed on.
//
// A W3C parser refuses the extended form, because nothing may follow the flags
// of a version 00 traceparent. Readers that give the whole key to such a parser
// need the carrier Traceparent.
//
// Everything here is a pure function of text: no goroutine, no clock, no
// network, no OpenTelemetry. Package otelcarrier is the bridge to the latter.
// All functions and values are safe for concurrent use.
package tracecarrier
