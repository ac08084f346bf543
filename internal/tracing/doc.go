// Package tracing names and starts the spans of every kinetrail client, after
// OpenTelemetry's messaging conventions. All names of spans and attributes are
// in names.go.
//
//	who                     span                   kind      relation
//	producer.Put            create {stream}        PRODUCER  child of the caller; its context is carried
//	producer, one request   put_records {stream}   CLIENT    a link to each create span
//	middleware              put_record(s) {stream} PRODUCER  child of the caller; carried in every record
//	consumer, one fetch     get_records {stream}   CLIENT
//	consumer, one event     subscribe_to_shard {…} CLIENT
//	handler, one record     process {stream}       CONSUMER  the carried context is its parent, or a link
//	handler, batch          process {stream}       CONSUMER  a link per record
//	checkpoint              checkpoint {stream}    CLIENT
//
// A span is started with what samplers may look at: kind, system, operation,
// stream, shard and group. Everything else is set afterwards and only when the
// span records, so that spans nobody records cost no attributes.
package tracing
