package metrics

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what an instrument's values mean.
type Kind uint8

// The kinds. The zero Kind is none of them.
const (
	KindCounter   Kind = iota + 1 // a sum that only grows
	KindGauge                     // a value that holds until the next one
	KindHistogram                 // a distribution of values
)

// String is the kind's name as Prometheus writes it.
func (k Kind) String() string {
	switch k {
	case KindCounter:
		return "counter"
	case KindGauge:
		return "gauge"
	case KindHistogram:
		return "histogram"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// The labels of the catalogue.
const (
	LabelStream    = "stream_name"
	LabelShard     = "shard_id"
	LabelErrorType = "error_type"
	LabelReason    = "reason"
)

// Standalone is the stream_name of a lease store that is used on its own,
// before it is bound to a stream.
const Standalone = "<standalone>"

// The values of error_type for failures that bring no error code of the
// service. Every other value is such a code, as the service spells it.
const (
	ErrorConnection = "connection" // the service could not be reached
	ErrorTimeout    = "timeout"    // it was reached too late or did not answer in time
	ErrorUnknown    = "unknown"    // everything else
)

// The values of reason: why a record that had a trace context was put without
// it.
const (
	SkippedNoCarrier   = "no_carrier"   // the chosen carrier cannot carry this record's context
	SkippedKeyLength   = "key_length"   // the partition key would grow too long
	SkippedSize        = "size"         // the record or request would grow too large
	SkippedInvalidUTF8 = "invalid_utf8" // the partition key is not valid UTF-8
	SkippedAggregated  = "aggregated"   // the record is a container already
	SkippedExisting    = "existing"     // the record carries another context
)

// Instrument is one thing that is counted or measured. The catalogue's
// instruments are variables of this package; they are shared by all sinks and
// must not be changed.
type Instrument struct {
	// Name is lower case with underscores, without a namespace. A counter's
	// ends in _total, and a unit other than a count is part of it.
	Name string

	Kind Kind

	// Unit is the unit in UCUM, as OpenTelemetry writes it: s, ms, By, 1, or
	// what is counted in braces, {record}.
	Unit string

	// Labels are the names of the labels. Values are given in their order.
	Labels []string

	// Known are the values of the last label that are known beforehand. A
	// CounterSet makes their series exist at 0 from the start.
	Known []string

	// Help is a sentence on what is counted or measured, and when.
	Help string

	// Buckets are the upper bounds of a histogram's buckets, ascending, the
	// infinite one left out. Other kinds have none.
	Buckets []float64
}

var errNoInstrument = errors.New("no instrument given")

// Check tells why a sink cannot give out a handle of this kind for these label
// values: another kind of instrument, or a wrong number of values. Sinks that
// get an error hand out Noop's handle, so that a mistake costs the values and
// nothing else.
func (in *Instrument) Check(kind Kind, labelValues []string) error {
	if in == nil {
		return errNoInstrument
	}
	if in.Kind != kind {
		return fmt.Errorf("%s is a %s, used as a %s", in.Name, in.Kind, kind)
	}
	if len(labelValues) != len(in.Labels) {
		return fmt.Errorf("%s has %d labels (%s), used with %d values",
			in.Name, len(in.Labels), strings.Join(in.Labels, ", "), len(labelValues))
	}
	return nil
}

// checkForget tells why a sink cannot forget the series with these values.
func (in *Instrument) checkForget(labelValues []string) error {
	if in == nil {
		return errNoInstrument
	}
	if len(labelValues) > len(in.Labels) {
		return fmt.Errorf("%s has %d labels (%s), forgotten with %d values",
			in.Name, len(in.Labels), strings.Join(in.Labels, ", "), len(labelValues))
	}
	return nil
}
