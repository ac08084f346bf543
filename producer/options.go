package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Aggregation says whether several user records share one Kinesis record.
type Aggregation uint8

const (
	// Off puts each user record into a Kinesis record of its own, so that any
	// consumer reads what was put. It is the default.
	Off Aggregation = iota

	// SameKey puts user records of one partition key and explicit hash key
	// into KPL containers whose outer key is that key, so that Lambda keeps
	// its order and its parallelism per key.
	SameKey

	// ByShard puts user records bound for one shard into KPL containers, as
	// the Kinesis Producer Library does. It needs kinesis:ListShards; without
	// it every user record goes into a container of its own.
	ByShard
)

// String is the constant's name.
func (a Aggregation) String() string {
	switch a {
	case Off:
		return "Off"
	case SameKey:
		return "SameKey"
	case ByShard:
		return "ByShard"
	}
	return fmt.Sprintf("Aggregation(%d)", uint8(a))
}

// Order says which order a Producer keeps.
type Order uint8

const (
	// PerKey lets records of one partition key lie in the stream in the order
	// they were put. PutRecords promises no order inside a request, so at most
	// one Kinesis record per lane is on its way; a lane is the partition key,
	// or the shard under ByShard, where a backlog goes in several containers at
	// once that have no key in common, and where records of one key with different
	// explicit hash keys have no order. A retry after an unknown outcome can still
	// put a record twice. Records without a key have no order. It is the
	// default.
	PerKey Order = iota

	// BestEffort sends as fast as it can and promises no order.
	BestEffort
)

// String is the constant's name.
func (o Order) String() string {
	switch o {
	case PerKey:
		return "PerKey"
	case BestEffort:
		return "BestEffort"
	}
	return fmt.Sprintf("Order(%d)", uint8(o))
}

// CreateStream asks New to create the stream when it does not exist.
type CreateStream struct {
	// Shards is the number of shards of a provisioned stream. Zero creates an
	// on-demand stream.
	Shards int
}

// Options tunes a Producer. New fills in every default before it calls the
// caller's functions, so a zero written there means zero.
type Options struct {
	// Aggregation is Off by default.
	Aggregation Aggregation

	// Order is PerKey by default.
	Order Order

	// Carrier says how a record carries its trace context. Empty, the
	// default, means Headers when records are aggregated; for plain records
	// nothing is carried until a carrier is chosen, because other readers of
	// the key have to be known. Headers on plain records makes one-record
	// containers of those that have something to carry. PartitionKey places
	// records at random and so needs Order: BestEffort. The environment
	// variable KINETRAIL_PROPAGATION = off|traceparent|lossless, read by New,
	// is stronger than this field.
	Carrier tracecarrier.Carrier

	// LongKey says what happens to a partition key that leaves no room for
	// the lossless form. The default is to put the record as given.
	LongKey tracecarrier.LongKeyPolicy

	// TrustExisting keeps contexts that are already in partition keys, which
	// is what a forwarder of records wants. The default is false.
	TrustExisting bool

	// BaggageKeys are the members of the caller's baggage that are carried.
	// None by default.
	BaggageKeys []string

	// CreateSpans starts a span "create {stream}" per record, whose context
	// is carried, when the caller's context has a span. The default is true;
	// false carries the caller's own context.
	CreateSpans bool

	// RootSpans starts spans also when the caller's context has none. The
	// default is false.
	RootSpans bool

	// SpanPartitionKeys puts the partition keys on the create spans. They can
	// be personal data, and have many values. The default is false.
	SpanPartitionKeys bool

	// TracerProvider makes the spans. The default, nil, means OpenTelemetry's
	// global provider at the time of New.
	TracerProvider trace.TracerProvider

	// Linger is how long a record may wait for company before its request is
	// sent. Zero sends each record at once. The default is 100 ms.
	Linger time.Duration

	// MaxBufferedBytes bounds the data, keys and headers of all records from
	// Put until their results are delivered. The default is 64 MiB.
	MaxBufferedBytes int

	// MaxBufferedRecords bounds the number of those records. The default is
	// 100,000.
	MaxBufferedRecords int

	// MaxRecordBytes is the largest Kinesis record, data and partition key
	// together. Zero, the default, means the stream's own maximum, or 1 MiB
	// when DescribeStreamSummary is not permitted.
	MaxRecordBytes int

	// MaxContainerBytes is the size up to which user records share a
	// container; a larger user record gets one of its own. The default is
	// 50 KiB, the KPL's.
	MaxContainerBytes int

	// MaxRequestRecords is the number of Kinesis records in one PutRecords
	// request, at most and by default 500.
	MaxRequestRecords int

	// MaxRequestBytes is the size of one PutRecords request, data and keys,
	// at most and by default 10 MiB.
	MaxRequestBytes int

	// Concurrency is the number of PutRecords requests under way at once, at
	// least 1. The default is 8.
	Concurrency int

	// RequestTimeout ends a PutRecords request that has not been answered;
	// its records are retried, and may then be in the stream twice. Zero
	// means no limit. The default is 10 s, enough for 10 MiB at 2 MB/s.
	RequestTimeout time.Duration

	// Deadline is how long after Put a record is still sent or retried. Zero
	// means no limit. The default is 30 s, the KPL's.
	Deadline time.Duration

	// MaxAttempts is the number of times a record is sent. Zero, the default,
	// means no limit but Deadline.
	MaxAttempts int

	// Wire is the form of PutRecords calls when the client speaks the SDK's own
	// JSON protocol. Zero, the default, is CBOR at the service's own endpoints and
	// JSON at all others.
	Wire kinesisprotocol.Wire

	// ShardShare is the part of each shard's write quota (1,000 records and
	// 1 MiB a second) this producer uses at most, above 0. It adapts downwards
	// while the service throttles, so that several producers share a shard.
	// The default is 1. Zero switches the limiter off; without ByShard the
	// shard list is then not read at all, and results of rejected records name
	// no shard.
	ShardShare float64

	// RefreshInterval is how often the shard list and the stream's settings
	// are read again; a record on an unexpected shard starts a refresh too.
	// Zero leaves only that. The default is 1 minute.
	RefreshInterval time.Duration

	// Create makes New create the stream if it does not exist and wait until
	// it is active; the client must then be a StreamCreator. The default,
	// nil, creates nothing.
	Create *CreateStream

	// StartContext bounds the calls New makes. The default, nil, means one
	// minute.
	StartContext context.Context

	// Metrics receives the producer's metrics. The default is
	// metrics.Default() at the time of New.
	Metrics metrics.Sink

	// Logger reports what no result can. It never sees payloads. The default,
	// nil, means slog.Default().
	Logger *slog.Logger

	// noLanes lets a test see that order per key rests on the lanes.
	noLanes bool

	// keyBits lets a test have keys that are not told apart: it is how many bits
	// of their hashes are looked at. Zero means all.
	keyBits int
}

func defaultOptions() Options {
	return Options{
		CreateSpans:        true,
		Linger:             100 * time.Millisecond,
		MaxBufferedBytes:   64 << 20,
		MaxBufferedRecords: 100_000,
		MaxContainerBytes:  50 << 10,
		MaxRequestRecords:  kinetrail.MaxPutRecords,
		MaxRequestBytes:    kinetrail.MaxPutRecordsBytes,
		Concurrency:        8,
		RequestTimeout:     10 * time.Second,
		Deadline:           30 * time.Second,
		ShardShare:         1,
		RefreshInterval:    time.Minute,
		Metrics:            metrics.Default(),
	}
}

// check returns every mistake in o, joined.
func (o *Options) check() error {
	var errs []error
	refuse := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	between := func(name string, value, low, high int) {
		refuse(low <= value && value <= high, "%s is %d, want %d to %d", name, value, low, high)
	}
	notNegative := func(name string, value time.Duration) {
		refuse(value >= 0, "%s is %v, want 0 or more", name, value)
	}

	refuse(o.Aggregation <= ByShard, "Aggregation is %v, want Off, SameKey or ByShard", o.Aggregation)
	refuse(o.Order <= BestEffort, "Order is %v, want PerKey or BestEffort", o.Order)
	o.checkCarrier(refuse)
	notNegative("Linger", o.Linger)
	notNegative("RequestTimeout", o.RequestTimeout)
	notNegative("Deadline", o.Deadline)
	notNegative("RefreshInterval", o.RefreshInterval)
	refuse(o.Deadline <= 0 || o.Linger < o.Deadline, "Linger is %v, want less than Deadline, %v", o.Linger, o.Deadline)
	refuse(o.Wire.Valid(), "Wire is %v, want one of package kinesisprotocol", o.Wire)
	refuse(o.MaxBufferedBytes > 0, "MaxBufferedBytes is %d, want 1 or more", o.MaxBufferedBytes)
	refuse(o.MaxBufferedRecords > 0, "MaxBufferedRecords is %d, want 1 or more", o.MaxBufferedRecords)
	between("MaxRecordBytes", o.MaxRecordBytes, 0, kinetrail.MaxRecordBytes)
	between("MaxContainerBytes", o.MaxContainerBytes, 64, kinetrail.MaxRecordBytes)
	between("MaxRequestRecords", o.MaxRequestRecords, 1, kinetrail.MaxPutRecords)
	between("MaxRequestBytes", o.MaxRequestBytes, max(o.MaxRecordBytes, 1), kinetrail.MaxPutRecordsBytes)
	refuse(o.Concurrency > 0, "Concurrency is %d, want 1 or more", o.Concurrency)
	refuse(o.MaxAttempts >= 0, "MaxAttempts is %d, want 0 or more", o.MaxAttempts)
	refuse(o.ShardShare >= 0, "ShardShare is %v, want 0 or more", o.ShardShare)
	if o.Create != nil {
		refuse(o.Create.Shards >= 0, "Create.Shards is %d, want 0 or more", o.Create.Shards)
	}
	return errors.Join(errs...)
}

func (o *Options) checkCarrier(refuse func(ok bool, format string, args ...any)) {
	if o.Carrier == "" {
		return
	}
	carrier, err := tracecarrier.ParseCarrier(string(o.Carrier))
	refuse(err == nil, "Carrier is %q: %w", o.Carrier, err)
	refuse(!rewritesKey(carrier) || o.Aggregation == Off,
		"Carrier is %q with Aggregation %v: the keys inside containers are not rewritten, use %q", carrier, o.Aggregation, tracecarrier.Headers)
	refuse(carrier != tracecarrier.PartitionKey || o.Order != PerKey,
		"Carrier is %q with Order %v: it puts records of one key on random shards, so it needs Order BestEffort", carrier, o.Order)
}

// rewritesKey reports whether carrier works by changing partition keys.
func rewritesKey(carrier tracecarrier.Carrier) bool {
	switch carrier {
	case tracecarrier.PartitionKey, tracecarrier.Traceparent, tracecarrier.Lossless:
		return true
	}
	return false
}
