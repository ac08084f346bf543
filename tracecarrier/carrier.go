package tracecarrier

import (
	"errors"
	"fmt"
)

// Carrier names where a record carries its trace context. The zero Carrier
// means that none was chosen.
type Carrier string

const (
	// Off carries nothing: the record goes as it was given.
	Off Carrier = "off"

	// PartitionKey replaces the partition key by the traceparent and leaves
	// the hash key alone, so that Kinesis puts the record on a random shard
	// and records of one key lose their order. It shows why Traceparent and
	// Lossless set a hash key.
	PartitionKey Carrier = "partition-key"

	// Traceparent replaces the partition key by the traceparent of exactly 55
	// characters and sets the hash key of the original one. Readers cannot
	// know the original key. It is for readers that hand the whole key to a
	// W3C parser.
	Traceparent Carrier = "traceparent"

	// Lossless writes the extended key, which holds traceparent and original
	// key, and tracestate and baggage when they fit, and sets the hash key of
	// the original one.
	Lossless Carrier = "lossless"

	// Headers leaves the keys alone and puts the context into the headers of a
	// user record in a KPL container; see AddHeaders.
	Headers Carrier = "headers"
)

// ErrInvalidCarrier is wrapped by ParseCarrier and FromEnvironment.
var ErrInvalidCarrier = errors.New("invalid carrier")

// ParseCarrier reads the name of a carrier: off, partition-key, traceparent,
// lossless or headers, in lower case. The error wraps ErrInvalidCarrier.
func ParseCarrier(text string) (Carrier, error) {
	switch c := Carrier(text); c {
	case Off, PartitionKey, Traceparent, Lossless, Headers:
		return c, nil
	}
	return "", fmt.Errorf("%w: %q is none of off, partition-key, traceparent, lossless, headers", ErrInvalidCarrier, text)
}

// EnvironmentVariable is the variable that overrides the carrier a program
// chose for its key carriers: off, traceparent or lossless.
const EnvironmentVariable = "KINETRAIL_PROPAGATION"

// FromEnvironment reads EnvironmentVariable with lookup, usually
// os.LookupEnv, and reports whether it is set. An empty value counts as not
// set, as in the variables of OpenTelemetry. Every other value, the names of
// the remaining carriers among them, is an error that wraps ErrInvalidCarrier:
// nobody should lose the order of a stream to a variable.
func FromEnvironment(lookup func(string) (string, bool)) (c Carrier, ok bool, err error) {
	text, ok := lookup(EnvironmentVariable)
	if !ok || text == "" {
		return "", false, nil
	}
	switch c := Carrier(text); c {
	case Off, Traceparent, Lossless:
		return c, true, nil
	}
	return "", false, fmt.Errorf("%w: %s is %q, it can be off, traceparent or lossless", ErrInvalidCarrier, EnvironmentVariable, text)
}
