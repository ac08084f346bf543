package kinesismiddleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Options tunes the middleware. AppendMiddlewares fills in every default before
// it calls the caller's functions, so a zero written there means zero.
type Options struct {
	// Carrier is how a record carries its context: Off, Traceparent, Lossless,
	// or PartitionKey, which admits that records lose their shard and order.
	// Headers is refused, because it would have to change Data. The default is
	// Lossless. The variable KINETRAIL_PROPAGATION is stronger.
	Carrier tracecarrier.Carrier

	// LongKey is what Lossless does with partition keys of more than 197
	// UTF-16 units. The default, SkipLongKeys, puts them without a context.
	LongKey tracecarrier.LongKeyPolicy

	// TrustExisting keeps keys that carry a context already. It is for
	// programs that forward records with their stored keys. The default is
	// false: such a key is one that only looks like a carrier, and it comes
	// back to readers whole.
	TrustExisting bool

	// BaggageKeys are the members of the caller's baggage that are carried, as
	// far as there is room. Everybody who reads the stream can read them. The
	// default is none.
	BaggageKeys []string

	// EntryContext gives record i of a PutRecords call a context of its own,
	// from its index and the caller's ctx, for programs that batch records of
	// several traces. The span of the call is then not carried; it has kind
	// CLIENT and links to these contexts. The function must not change in; nil
	// from it is a ctx without anything to carry. The default, nil, gives every
	// record the context of the call's span.
	EntryContext func(ctx context.Context, in *kinesis.PutRecordsInput, i int) context.Context

	// Spans makes each put under an active span a span of its own, put_record
	// or put_records, whose context its records carry. A put that stores only
	// some of its records has a span with an error, although the call returns
	// none. With false, records carry the caller's context. The default is
	// true.
	Spans bool

	// RootSpans starts that span also when ctx has none, so that a trace begins
	// with the put. It needs Spans. The default is false: outside any span
	// nothing is carried.
	RootSpans bool

	// SpanPartitionKeys puts the caller's partition key on the span of a
	// PutRecord; the records of a PutRecords have no spans of their own. Keys
	// can be personal data, and have many values. The default is false.
	SpanPartitionKeys bool

	// JSONPayloads makes GetRecords look for contexts that other tools have put
	// into JSON payloads, where a record's key carries none. The payload is not
	// changed. The default is false.
	JSONPayloads bool

	// MaxRecordBytes is the largest record the stream takes, data and key
	// together in bytes. A record that would outgrow it goes as it was given.
	// The default is 1 MiB; a stream can be set to take up to 10 MiB.
	MaxRecordBytes int

	// TracerProvider makes the spans. The default, nil, is OpenTelemetry's
	// global one.
	TracerProvider trace.TracerProvider

	// Metrics takes the trace counters of the catalogue. The default is
	// metrics.Default().
	Metrics metrics.Sink

	// Logger reports what a metrics sink does wrong; payloads and keys are
	// never logged. The default, nil, is slog.Default().
	Logger *slog.Logger
}

func defaultOptions() Options {
	return Options{
		Carrier:        tracecarrier.Lossless,
		Spans:          true,
		MaxRecordBytes: kinetrail.DefaultMaxRecordBytes,
		Metrics:        metrics.Default(),
	}
}

// validate returns everything that is wrong, joined.
func (o *Options) validate() error {
	var errs []error
	if err := checkCarrier(o.Carrier); err != nil {
		errs = append(errs, err)
	}
	if o.LongKey != tracecarrier.SkipLongKeys && o.LongKey != tracecarrier.TraceparentForLongKeys {
		errs = append(errs, fmt.Errorf("kinesismiddleware: LongKey %d is neither SkipLongKeys nor TraceparentForLongKeys", o.LongKey))
	}
	if o.RootSpans && !o.Spans {
		errs = append(errs, errors.New("kinesismiddleware: RootSpans true starts no span while Spans is false"))
	}
	if o.MaxRecordBytes < 1 || o.MaxRecordBytes > kinetrail.MaxRecordBytes {
		errs = append(errs, fmt.Errorf("kinesismiddleware: MaxRecordBytes %d is not between 1 and %d", o.MaxRecordBytes, kinetrail.MaxRecordBytes))
	}
	return errors.Join(errs...)
}

// checkCarrier refuses what a middleware cannot do.
func checkCarrier(c tracecarrier.Carrier) error {
	switch c {
	case tracecarrier.Off, tracecarrier.PartitionKey, tracecarrier.Traceparent, tracecarrier.Lossless:
		return nil
	case tracecarrier.Headers:
		return errors.New("kinesismiddleware: Carrier headers would have to change Data; the producer can do that")
	}
	return fmt.Errorf("kinesismiddleware: Carrier %q is none of off, partition-key, traceparent and lossless", c)
}
