// Package metrics names what the clients count and measure, and takes the
// values to where they are looked at.
//
//	producer, consumer, … ──► handles ──► sink: Noop · Memory · Multi · your own
//	                             ▲
//	             Catalog: name, kind, unit, labels, help, buckets
//
// Nothing is measured until a sink is chosen: the default is Noop, which costs
// neither an allocation nor a clock read. A client takes the sink of its own
// options or, without one, what Default returns at the moment it is made; a
// later SetDefault does not reach it.
//
// A client resolves one handle per instrument and label set when it starts,
// and keeps it, so that the path of a record holds bare increments. Counters
// are added to once per request or page where they can be. A histogram takes
// one value per call and has no batch form: what the clients measure per
// record differs from record to record, and neither Prometheus nor
// OpenTelemetry can take several values at once.
//
// A sink never stops a record. Clients reach every sink through Isolate, which
// calls the sinks of this module directly and any other from a goroutine of
// its own: there a panic costs the one call, and a sink that blocks costs
// memory up to a bound.
package metrics
