package otelsink

import (
	"log/slog"

	"go.opentelemetry.io/otel/metric"
)

// DefaultNamespace stands before the name of every instrument of the catalogue
// unless another one is chosen.
const DefaultNamespace = "kinetrail"

// Options tunes a Sink. New fills in every default before it calls the caller's
// functions, so a zero written there means zero.
type Options struct {
	// MeterProvider makes the instruments. The default, nil, means
	// OpenTelemetry's global provider.
	MeterProvider metric.MeterProvider

	// Namespace stands before every name of the catalogue, with a dot between
	// them. Empty means none. The default is DefaultNamespace.
	Namespace string

	// Messaging adds the instruments of the semantic conventions for
	// messaging, which count and measure what the producer and the consumer
	// do:
	//
	//	messaging.client.sent.messages       records of every PutRecords attempt, error.type on those that failed
	//	messaging.client.consumed.messages   records fetched
	//	messaging.client.operation.duration  PutRecords attempts
	//	messaging.process.duration           calls of the handler
	//
	// A message is a Kinesis record: a container of many user records is one.
	// They say nothing of a shard, and where the conventions want more than
	// the catalogue knows, it is missing: durations have no error.type, also
	// of what failed, and no operation.duration is taken of GetRecords. The
	// default is true.
	Messaging bool

	// Logger is told, once per instrument, why values are not recorded. Nil
	// means slog.Default().
	Logger *slog.Logger
}

func defaults() Options {
	return Options{Namespace: DefaultNamespace, Messaging: true}
}
