package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/endpoints"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/metrics"
)

// Options tunes a Consumer or a Read. Every default is filled in before the
// caller's functions are called, so a zero written there means zero.
type Options struct {
	// Streams are further streams, by name or ARN, that the group reads besides
	// the one New is given. With any, the store holds the leases under keys
	// with the stream in them, as the KCL does in its multi-stream mode; so a
	// group that has read one stream cannot be given more, nor the other way
	// around, and Run says so. Read takes none.
	Streams []string

	// Shards limits reading to the shards with these IDs. A Read of one shard
	// ends with the shard; a group follows only the shards named. Empty means
	// all.
	Shards []string

	// From is where a Read begins, and where a group begins that has no leases
	// yet; an established group goes on from its checkpoints. TrimHorizon, the
	// default, Latest and AtTime apply to every shard; Latest of a group means
	// the second in which the group was set up, by the service's clock, from
	// its beginning on. A record, inclusive, needs a Read of the one shard it
	// lies in. Shards that come out of a reshard begin at TrimHorizon.
	From kinetrail.Position

	// StopAtTip ends a Read once every shard has caught up with its tip. The
	// default is to wait for further records. Only Read uses it.
	StopAtTip bool

	// Fetch says how records are fetched: Polling, the default, FanOut or Auto.
	// The last two need a client that has FanOutAPI, too.
	Fetch Fetch

	// ConsumerName is the name under which FanOut and Auto register. Readers of
	// one name share one place for each shard: whoever subscribes last has it. So
	// all workers of a group have the same name, and no two groups, and no two
	// Reads at the same time. The default is the group's name, which the lease
	// store knows; a Read, and a group in memlease, need it here.
	ConsumerName string

	// PollInterval is the shortest time between two GetRecords calls for one
	// shard. Zero calls without a pause as long as there are records. The
	// default is 200 ms: a shard serves five calls a second
	// (kinetrail.GetRecordsPerSecond).
	PollInterval time.Duration

	// MaxPollInterval is the longest pause between two calls for a shard that
	// has nothing new: the pause doubles from PollInterval, or 5 ms if that is
	// shorter, with every empty answer. It bounds how long a record waits for a
	// reader that was idle. Zero, the default, is 1 s, and where more than 250
	// shards are read 4 ms for each, so that idle shards cost at most 250 calls a
	// second.
	MaxPollInterval time.Duration

	// MaxRecords is the number of Kinesis records one call asks for, from 1 to
	// kinetrail.MaxGetRecords, the default.
	MaxRecords int

	// RequestTimeout is how long one call for an iterator, for records or for a
	// subscription may take before it counts as failed and is repeated. Zero sets
	// no limit. The default is 30 s.
	RequestTimeout time.Duration

	// Wire is the form of GetRecords calls when the client speaks the SDK's own
	// JSON protocol. Zero, the default, is CBOR at the service's own endpoints and
	// JSON at all others.
	Wire kinesisprotocol.Wire

	// MaxBufferedBytes bounds the data of pages that are fetched and not yet
	// handled, over all shards. A shard that has records to catch up on waits
	// for room; nothing is dropped. A page is admitted when nothing else is
	// buffered, however large it is. The default is 128 MiB. With FanOut, up to
	// three more events of each shard have been pushed and wait for room.
	MaxBufferedBytes int

	// RangeFilter says what becomes of user records outside their shard's hash
	// range. The default is RangeDeliver.
	RangeFilter RangeFilter

	// PerKey is how many records of one shard may be handled at once, order
	// being kept for each original partition key. A record whose original key is
	// not known is handled alone. 0 and 1 handle a shard's records one after
	// another, the default. It applies to Run.
	PerKey int

	// MaxBatch is the largest number of records RunBatch hands to its handler.
	// The default is 500.
	MaxBatch int

	// BatchWait is how long RunBatch waits for a batch to fill up, or until
	// MaxBufferedBytes leaves no room for the next page. Zero, the default,
	// hands on what was fetched.
	BatchWait time.Duration

	// HandlerTimeout ends the ctx of a handler's call after this time. Zero, the
	// default, sets no limit. When Run stops, a handler that ignores its ctx
	// keeps its lease for this long, or for LeaseDuration if this is zero.
	HandlerTimeout time.Duration

	// Failure says what becomes of a record whose handler fails.
	Failure FailurePolicy

	// ManualCheckpoints makes a record done only when Consumer.Ack is called
	// for it, or Failure has given it up; that its handler returned nil is not
	// enough. Positions are
	// written by Consumer.Checkpoint and when a shard is drained, handed over
	// or at its end, not on an interval. All three wait for the Ack of the records
	// that were handed out, a hand-over for HandoverTimeout at most. The default
	// is false.
	ManualCheckpoints bool

	// MaxInFlight bounds the records of one shard that were handed to the
	// handler and are not done, with PerKey or ManualCheckpoints. When one of
	// them is not done for so long that 64 times as many behind it are, the shard
	// waits for it, so that memory and what a crash repeats stay bounded. The
	// default is 1,024.
	MaxInFlight int

	// CheckpointInterval is how often a shard's position is written when it has
	// moved. Zero writes after every page. The default is 5 s.
	CheckpointInterval time.Duration

	// Worker names this process in the leases, for people; a random suffix makes
	// the name unique. The default is the host's name.
	Worker string

	// LeaseDuration is how long a lease lives without being renewed. All workers
	// of a group must have the same. The default is 10 s. Leases are renewed
	// every third of it.
	LeaseDuration time.Duration

	// HandoverTimeout is how long the old owner of a shard may take to finish
	// what its handlers were given, with all attempts, before their ctx ends with
	// ErrDraining: under Run a record, under RunBatch a batch, under PerKey the
	// records that were given to its goroutines; with ManualCheckpoints also until
	// what was handed out is acknowledged. What else was fetched is left to
	// the new owner, which takes the lease without consent after this time and a
	// LeaseDuration. The default is 30 s.
	HandoverTimeout time.Duration

	// MaxLeases bounds the shards this worker holds. Zero, the default, is no
	// bound. Workers that together may not hold all shards leave some unread.
	MaxLeases int

	// ScanInterval is how often the leases are listed. Zero, the default, is
	// what the store says of itself (lease.Pacer), or a quarter of LeaseDuration.
	ScanInterval time.Duration

	// ShardSyncInterval is how often the shards are listed. The children of a
	// shard that ends are found without it. The default is 1 minute.
	ShardSyncInterval time.Duration

	// Extract gives every record the partition key and the trace context that its
	// producer gave it, out of the stored key or the headers. False hands records
	// on as they are stored, with an empty Trace: for keys of somebody else that
	// look as if they carried one. The default is true.
	Extract bool

	// JSONPayloads looks for contexts that other tools have put into JSON
	// payloads, where a record carries none of ours. The payload is not
	// changed. The default is false. It needs Extract.
	JSONPayloads bool

	// TracerProvider makes the spans. Nil, the default, is OpenTelemetry's
	// global provider as it is when Run or Read begins.
	TracerProvider trace.TracerProvider

	// LinkTraces makes the process span of a record link to the context the
	// record carries, in the trace of Run's ctx or one of its own. The default,
	// false, continues the record's trace. Batches always link.
	LinkTraces bool

	// FetchSpans adds a span for every GetRecords call, and every event of a
	// subscription, that brought records, and
	// CheckpointSpans one for every checkpoint written. Both are off by default.
	FetchSpans, CheckpointSpans bool

	// SpanPartitionKeys puts the producer's partition keys on the spans of
	// handlers and on their links. They can be personal data, and have many
	// values. The default is false.
	SpanPartitionKeys bool

	// Propagator reads the context from the headers of records that have
	// headers. Nil, the default, reads W3C trace context and baggage. Contexts
	// in keys are always W3C.
	Propagator propagation.TextMapPropagator

	// Metrics takes the consumer's metrics. Nil, the default, is
	// metrics.Default().
	Metrics metrics.Sink

	// Logger takes what an operator should know. Nil, the default, is
	// slog.Default(). Payloads and partition keys are never logged.
	Logger *slog.Logger

	speak  func(*kinesis.Options) // in the form of Wire
	locate func(*kinesis.Options) // after speak, which looks at the resolver
}

// Fetch says how records are fetched.
type Fetch uint8

const (
	// Polling asks for records with GetRecords, a few times a second for each
	// shard. All consumers of the stream share 2 MiB and five calls a second of
	// each shard.
	Polling Fetch = iota

	// FanOut is enhanced fan-out: a consumer is registered with the stream, or
	// found, and the service pushes records to it with SubscribeToShard, up to 2
	// MiB a second for each shard and consumer, at an additional price. Run and
	// Read end with an error when the consumer cannot be registered. It is not
	// deregistered when they end.
	FanOut

	// Auto is FanOut as long as the stream has room for one more registered
	// consumer (kinetrail.MaxConsumersPerStream), and otherwise Polling, until
	// Run or Read begins anew. It logs a warning then, and counts a
	// LimitExceededException in consumer_errors_total for each shard.
	Auto
)

// String is the name of the constant.
func (f Fetch) String() string {
	switch f {
	case Polling:
		return "Polling"
	case FanOut:
		return "FanOut"
	case Auto:
		return "Auto"
	}
	return fmt.Sprintf("Fetch(%d)", uint8(f))
}

// RangeFilter says what becomes of user records in a KPL container whose hash
// key lies outside the range of the shard the container was read from.
type RangeFilter uint8

const (
	// RangeDeliver delivers such records and counts them: aggregators that know
	// nothing of shards write them.
	RangeDeliver RangeFilter = iota

	// RangeKCL drops the whole container, as the KCL does, and counts it. It is
	// for groups that share their leases with KCL workers, so that both deliver
	// the same.
	RangeKCL
)

// FailurePolicy says what becomes of a record whose handler returns an error,
// panics or runs out of time. The record is handled again in place, after a
// growing pause, while the shard waits; then comes what Then says.
type FailurePolicy struct {
	// MaxAttempts is how often a record is handled before Then applies. Zero is
	// without end: a poison record then blocks its shard until somebody acts.
	// The default is 10, which is about half a minute.
	MaxAttempts int

	// Backoff is the pause before the second attempt; it doubles up to
	// MaxBackoff. The defaults are 100 ms and 10 s.
	Backoff, MaxBackoff time.Duration

	// Then says what follows the last attempt. The default is Stop.
	Then Action

	// DeadLetter takes a record that Then: DeadLetter gives up, with the last
	// error of its handler. The record is done when it returns nil; while it
	// fails it is called again with the same pauses, and after MaxAttempts Run
	// stops, so that no record is lost.
	DeadLetter func(ctx context.Context, r kinetrail.Record, cause error) error
}

// Action is what follows a record's last attempt.
type Action uint8

const (
	// Stop ends Run with a *ShardError that names the record. The other shards
	// stop as if ctx had ended.
	Stop Action = iota

	// StopShard leaves the shard at the record while the others go on. The lease
	// is kept, so that no other worker runs into the same record; Status and
	// consumer_shards_stalled show it.
	StopShard

	// Skip counts the record as done and goes on. It is logged and counted.
	Skip

	// DeadLetter hands the record to FailurePolicy.DeadLetter and goes on.
	DeadLetter
)

// From begins at p, see Options.From.
func From(p kinetrail.Position) func(*Options) {
	return func(o *Options) { o.From = p }
}

// Shard reads only the shard with this ID, see Options.Shards. Given several
// times it adds up.
func Shard(id string) func(*Options) {
	return func(o *Options) { o.Shards = append(o.Shards, id) }
}

// StopAtTip ends a Read once it has caught up, see Options.StopAtTip.
func StopAtTip() func(*Options) {
	return func(o *Options) { o.StopAtTip = true }
}

func defaults() Options {
	return Options{
		From:               kinetrail.TrimHorizon(),
		PollInterval:       time.Second / kinetrail.GetRecordsPerSecond,
		MaxRecords:         kinetrail.MaxGetRecords,
		RequestTimeout:     30 * time.Second,
		MaxBufferedBytes:   128 << 20,
		MaxBatch:           500,
		Failure:            FailurePolicy{MaxAttempts: 10, Backoff: 100 * time.Millisecond, MaxBackoff: 10 * time.Second},
		MaxInFlight:        1024,
		CheckpointInterval: 5 * time.Second,
		LeaseDuration:      10 * time.Second,
		HandoverTimeout:    30 * time.Second,
		ShardSyncInterval:  time.Minute,
		Extract:            true,
	}
}

// check reports every field that cannot work, all at once.
func (o *Options) check() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("consumer: "+format, args...))
		}
	}
	refuse(o.From.IsZero() || o.From.IsShardEnd(), "Options.From is %q: nothing can be read from there", o.From)
	refuse(o.Fetch > Auto, "Options.Fetch is %d, there is no such way", o.Fetch)
	refuse(o.MaxRecords < 1 || o.MaxRecords > kinetrail.MaxGetRecords, "Options.MaxRecords is %d, it must lie between 1 and %d", o.MaxRecords, kinetrail.MaxGetRecords)
	refuse(o.MaxBufferedBytes < 1, "Options.MaxBufferedBytes is %d, it must be positive", o.MaxBufferedBytes)
	refuse(!o.Wire.Valid(), "Options.Wire is %v, there is no such form", o.Wire)
	refuse(o.JSONPayloads && !o.Extract, "Options.JSONPayloads is true, but Options.Extract is false: no context is taken")
	refuse(o.RangeFilter > RangeKCL, "Options.RangeFilter is %d, there is no such filter", o.RangeFilter)
	refuse(o.MaxBatch < 1, "Options.MaxBatch is %d, it must be positive", o.MaxBatch)
	refuse(o.MaxInFlight < 1, "Options.MaxInFlight is %d, it must be positive", o.MaxInFlight)
	refuse(o.PerKey < 0, "Options.PerKey is %d, it must not be negative", o.PerKey)
	refuse(o.MaxLeases < 0, "Options.MaxLeases is %d, it must not be negative", o.MaxLeases)
	refuse(o.LeaseDuration <= 0, "Options.LeaseDuration is %v, it must be positive", o.LeaseDuration)
	refuse(o.ShardSyncInterval <= 0, "Options.ShardSyncInterval is %v, it must be positive", o.ShardSyncInterval)
	refuse(o.Failure.MaxAttempts < 0, "Options.Failure.MaxAttempts is %d, it must not be negative", o.Failure.MaxAttempts)
	refuse(o.Failure.Then > DeadLetter, "Options.Failure.Then is %d, there is no such action", o.Failure.Then)
	refuse(o.Failure.Then == DeadLetter && o.Failure.DeadLetter == nil, "Options.Failure.Then is DeadLetter, but Options.Failure.DeadLetter is nil")
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"PollInterval", o.PollInterval}, {"MaxPollInterval", o.MaxPollInterval}, {"RequestTimeout", o.RequestTimeout}, {"BatchWait", o.BatchWait},
		{"HandlerTimeout", o.HandlerTimeout}, {"CheckpointInterval", o.CheckpointInterval},
		{"HandoverTimeout", o.HandoverTimeout}, {"ScanInterval", o.ScanInterval},
		{"Failure.Backoff", o.Failure.Backoff}, {"Failure.MaxBackoff", o.Failure.MaxBackoff},
	} {
		refuse(d.value < 0, "Options.%s is %v, it must not be negative", d.name, d.value)
	}
	return errors.Join(errs...)
}

// options applies the caller's functions to the defaults.
func options(opts []func(*Options)) (Options, error) {
	o := defaults()
	for _, set := range opts {
		set(&o)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = metrics.Default()
	}
	o.speak, o.locate = kinesisprotocol.With(o.Wire), endpoints.Keep()
	return o, o.check()
}
