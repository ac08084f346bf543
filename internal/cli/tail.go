package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/spf13/cobra"
)

func (a *app) tailCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail STREAM",
		Short: "Show the records of a stream as they arrive",
		Long: `tail reads a stream, all its shards or one, and shows each record with the key its
producer gave and the trace it carries, whichever carrier that took. Records in
KPL containers are shown one by one.

It begins with what arrives from now on, or where --from says, and goes on until
Ctrl-C or until -n records are shown. --no-follow shows what there is and ends; it
begins at the oldest record unless --from says otherwise.

With --group, tail is a worker of a consumer group: the group's workers, tails and
programs alike, share the shards, what was shown is not shown again, and --from
counts only where the group is new. --store says where groups are kept:

  file:DIR                in files on this machine; file: alone is a directory of
                          yours and the default
  redis://HOST:PORT/DB    in Redis or Valkey; rediss:// with TLS, ?cluster=true for
                          a cluster
  dynamodb:               in DynamoDB, in a table of the group's name, as the KCL
                          does; dynamodb:TABLE names another, and behind a ? there
                          may be region=REGION&endpoint=URL

The variable KINETRAIL_STORE is the default, which keeps passwords out of ps.

  -o table  a line per record; data is cut short and made safe for the terminal
  -o json   one JSON object per line with everything there is
  -o raw    the data alone, each record followed by a line feed`,
		Example: `  kinetrail --local tail greetings --from trim-horizon -n 1
  kinetrail tail orders --from 15m -o json | jq 'select(.partition_key == "customer-42")'
  kinetrail tail orders --from 2026-11-20T09:30:00Z --no-follow -o raw > orders.jsonl

  # In two terminals: each shows a part, and after Ctrl-C the group goes on there
  kinetrail tail orders --group audit --from trim-horizon`,
		Args: wantArgs(1, 1, "STREAM"),
	}
	var flags tailFlags
	cmd.Flags().Var(&flags.from, "from", "begin at latest, trim-horizon, a `time`, or so long ago (15m)")
	cmd.Flags().VarP(&flags.limit, "count", "n", "end after this `number` of records")
	cmd.Flags().StringVar(&flags.shard, "shard", "", "read only this `shard`")
	cmd.Flags().BoolVar(&flags.follow, "follow", true, "wait for more records")
	cmd.Flags().BoolVar(&flags.noFollow, "no-follow", false, "end when everything is shown")
	cmd.Flags().Var(&flags.group, "group", "read as a worker of this `group`, which remembers what was shown")
	flags.store = addStoreFlag(cmd)
	flags.metrics = metricsFlag(cmd)
	flags.form = outputFlag(cmd, asTable, asJSON, asRaw)
	completeWith(cmd, "from", "latest", "trim-horizon")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		stream, err := streamArg(cmd, args[0])
		if err != nil {
			return err
		}
		if err := oneOfFlags(cmd, "follow", "no-follow"); err != nil {
			return err
		}
		if flags.group == "" && flags.store.text != "" {
			return usageErrorf(cmd, "--store needs --group")
		}
		if flags.group != "" && !flags.follows() {
			return usageErrorf(cmd, "--group reads on until Ctrl-C or -n; --no-follow is for a tail without a group")
		}
		return a.tail(cmd.Context(), stream, &flags)
	}
	return cmd
}

// tailFlags are the flags of tail.
type tailFlags struct {
	from     fromFlag
	limit    recordLimit
	shard    string
	follow   bool
	noFollow bool
	group    groupName
	store    *storeFlag
	metrics  *address
	form     *choice
}

// start is where to begin: from now on when following, and otherwise at the
// oldest record, for there is nothing yet behind now.
func (f *tailFlags) start() kinetrail.Position {
	switch {
	case f.from.text != "":
		return f.from.position
	case f.follows():
		return kinetrail.Latest()
	}
	return kinetrail.TrimHorizon()
}

func (f *tailFlags) follows() bool { return f.follow && !f.noFollow }

func (a *app) tail(ctx context.Context, stream kinetrail.Stream, flags *tailFlags) error {
	client, err := a.connection.client(ctx)
	if err != nil {
		return err
	}
	sink, stopMetrics, err := a.serveMetrics(*flags.metrics)
	if err != nil {
		return err
	}
	defer stopMetrics()
	if flags.group != "" {
		return a.tailGroup(ctx, client, stream, flags, sink)
	}
	records := consumer.Read(ctx, client, stream.String(), consumer.From(flags.start()), a.readerOptions(flags, sink), func(o *consumer.Options) {
		o.StopAtTip = !flags.follows()
	})
	if flags.follows() && flags.start().IsLatest() {
		a.note("Waiting for new records of %s. --from trim-horizon shows those that are there; Ctrl-C ends.", stream.Name())
	}
	show, shown := a.recordPrinter(flags.form), 0
	for record, err := range records {
		if err != nil {
			return tailError(stream, flags.shard, err)
		}
		if err := show(&record); err != nil {
			return err
		}
		if shown++; shown == int(flags.limit) {
			return nil
		}
	}
	if shown == 0 && ctx.Err() == nil {
		a.note("%s", nothingShown(stream, flags))
	}
	return nil
}

// readerOptions are those of every way to read.
func (a *app) readerOptions(flags *tailFlags, sink metrics.Sink) func(*consumer.Options) {
	return func(o *consumer.Options) {
		if flags.shard != "" {
			o.Shards = []string{flags.shard}
		}
		if a.connection.local { // no quota to keep to
			o.PollInterval, o.MaxPollInterval = 0, localPoll
		}
		o.Metrics, o.Logger = sink, a.logger()
	}
}

// nothingShown says what an empty end of tail means.
func nothingShown(stream kinetrail.Stream, flags *tailFlags) string {
	where := stream.Name()
	if flags.shard != "" {
		where = flags.shard + " of " + where
	}
	start := flags.start()
	if since, ok := start.Time(); ok {
		return fmt.Sprintf("No record arrived in %s since %s.", where, since.UTC().Format(time.RFC3339))
	}
	if start.IsLatest() {
		return fmt.Sprintf("No new record arrived in %s. --from trim-horizon shows those that are there.", where)
	}
	return fmt.Sprintf("There are no records in %s.", where)
}

// localPoll is how long a record of the local server waits at most to be seen.
const localPoll = 50 * time.Millisecond

func tailError(stream kinetrail.Stream, shard string, err error) error {
	if errors.Is(err, consumer.ErrShardGone) && shard != "" {
		return &hintedError{
			err:  fmt.Errorf("stream %q has no shard %q", stream, shard),
			hint: fmt.Sprintf("\"kinetrail describe %s\" shows its shards.", stream),
		}
	}
	return streamError(stream, err)
}

// recordPrinter shows records in the form asked for.
func (a *app) recordPrinter(form *choice) func(*kinetrail.Record) error {
	switch form.value {
	case asJSON:
		return func(r *kinetrail.Record) error { return a.writeJSONLine(tailRecordOf(r)) }
	case asRaw:
		return a.writeRaw
	}
	return a.recordTable().show
}

// ownHeaders leaves out the trace context, which has a column of its own.
func ownHeaders(headers []kinetrail.Header) []kinetrail.Header {
	return slices.DeleteFunc(slices.Clone(headers), func(h kinetrail.Header) bool {
		return strings.EqualFold(h.Name, "traceparent") || strings.EqualFold(h.Name, "tracestate")
	})
}

// arrivalLayout is RFC 3339 to the millisecond, as precise as Kinesis is.
const arrivalLayout = "2006-01-02T15:04:05.000Z"

func (a *app) writeRaw(r *kinetrail.Record) error {
	_, err := a.stdout.Write(append(r.Data[:len(r.Data):len(r.Data)], '\n'))
	return err
}

// tailRecord is one line of tail -o json, and of put --input json.
type tailRecord struct {
	ShardID            string       `json:"shard_id"`
	SequenceNumber     string       `json:"sequence_number"`
	SubSequence        int          `json:"sub_sequence_number"`
	PartitionKey       *string      `json:"partition_key"` // null in none that is written
	StoredPartitionKey string       `json:"stored_partition_key"`
	ExplicitHashKey    *string      `json:"explicit_hash_key,omitempty"` // for a plain record Kinesis does not tell
	Headers            []jsonHeader `json:"headers"`
	TraceID            *string      `json:"trace_id"`
	SpanID             *string      `json:"span_id"`
	Traceparent        *string      `json:"traceparent,omitempty"`
	Tracestate         *string      `json:"tracestate,omitempty"`
	ArrivedAt          string       `json:"arrived_at"`
	jsonData
}

func tailRecordOf(r *kinetrail.Record) tailRecord {
	traceID, spanID := jsonIDs(r.Trace)
	return tailRecord{
		ShardID:            r.ShardID,
		SequenceNumber:     r.Position.Sequence(),
		SubSequence:        r.Position.Sub(),
		PartitionKey:       &r.PartitionKey,
		StoredPartitionKey: r.StoredPartitionKey,
		ExplicitHashKey:    textOrNull(r.ExplicitHashKey),
		Headers:            jsonHeaders(r.Headers),
		TraceID:            traceID,
		SpanID:             spanID,
		Traceparent:        textOrNull(r.Trace.Parent),
		Tracestate:         textOrNull(r.Trace.State),
		ArrivedAt:          r.ArrivedAt.UTC().Format(arrivalLayout),
		jsonData:           newJSONData(r.Data),
	}
}

// recordLimit is a flag: a number of records, 0 for no limit.
type recordLimit int

func (n *recordLimit) Type() string { return "number" }
func (n *recordLimit) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.Itoa(int(*n))
}
func (n *recordLimit) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return errors.New("it takes a number from 1")
	}
	*n = recordLimit(number)
	return nil
}
