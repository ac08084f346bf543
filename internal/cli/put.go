package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/spf13/cobra"
)

func (a *app) putCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "put STREAM [DATA]",
		Short: "Put records into a stream",
		Long: `put puts DATA as one record, or every line of stdin as one record each, without
the line's end. For each record the stream took, in order of the input, it prints
the shard and the sequence number. Records of one key stay in order; records
without a key go to a random shard each.

When the variable TRACEPARENT holds a W3C trace context, the records carry it,
with TRACESTATE, in the way that --carrier names:

  lossless       in the partition key, before the original key (default)
  traceparent    in place of the partition key, which readers then cannot see
  headers        in the headers of a KPL container; the key stays as it is
  partition-key  in place of the key, shard and order by chance: shows why the
                 others set a hash key
  off            not at all

The first three leave each record on the shard of its own key. Headers given with
-H need a container too, so -H means --carrier headers.

With --input json every line of stdin is an object as "kinetrail tail -o json" writes
it. It has data, and may have partition_key, explicit_hash_key, headers, traceparent
and tracestate; what it does not say is as the flags and TRACEPARENT say, and what
else tail writes is left alone. Here, too, the carrier is headers unless --carrier
says otherwise: records with a trace or headers go into containers, others do not.

On Ctrl-C put sends what it has read, and says how many records the stream took.`,
		Example: `  echo hello | kinetrail --local put greetings -k user-1 --create
  kinetrail put orders '{"id": 7}' -k customer-42
  kinetrail put orders -k customer-42 < orders.jsonl

  # Each record with a key of its own; and a copy of a stream
  echo '{"partition_key": "customer-42", "data": "hello"}' | kinetrail put orders --input json
  kinetrail tail orders --no-follow -o json | kinetrail put orders-trial --input json

  # Continue a trace
  export TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
  kinetrail put orders hello -k customer-42 -H content-type=text/plain`,
		Args: wantArgs(1, 2, "STREAM [DATA]"),
	}
	flags := new(putFlags)
	cmd.Flags().VarP(&flags.key, "key", "k", "partition `key` of the records (default: a random one each)")
	cmd.Flags().Var(&flags.hashKey, "explicit-hash-key", "`number` that decides the shard instead of the key")
	cmd.Flags().VarP(&flags.headers, "header", "H", "header of the records; repeatable")
	flags.input = &choice{value: asLines, allowed: []string{asLines, asJSON}}
	cmd.Flags().Var(flags.input, "input", "what stdin holds: "+oneOf(flags.input.allowed))
	completeWith(cmd, "input", flags.input.allowed...)
	cmd.Flags().Var(&flags.carrier, "carrier", "how the trace travels, see above")
	cmd.Flags().BoolVar(&flags.create, "create", false, "create the stream, with one shard, if there is none")
	flags.metrics = metricsFlag(cmd)
	flags.form = outputFlag(cmd, asTable, asJSON, asTSV)
	completeWith(cmd, "carrier", "off", "lossless", "traceparent", "headers", "partition-key")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		stream, err := streamArg(cmd, args[0])
		if err != nil {
			return err
		}
		if len(flags.headers) > 0 && flags.carrier != "" && flags.carrier != carrierFlag(tracecarrier.Headers) {
			return usageErrorf(cmd, "-H needs --carrier headers, not %s: only a container holds headers", flags.carrier)
		}
		if flags.create && stream.ARN() != "" {
			return usageErrorf(cmd, "--create needs the name of a stream, not its ARN")
		}
		if flags.input.value == asJSON && len(args) == 2 {
			return usageErrorf(cmd, "--input json reads stdin, so DATA is too much")
		}
		var data *string
		if len(args) == 2 {
			data = &args[1]
		}
		return a.put(cmd.Context(), stream, data, flags)
	}
	return cmd
}

// putFlags are the flags of put.
type putFlags struct {
	key     partitionKey
	hashKey hashKeyFlag
	headers headerFlags
	input   *choice
	carrier carrierFlag
	create  bool
	metrics *address
	form    *choice
}

// put puts data, or the lines of stdin when there is none.
func (a *app) put(ctx context.Context, stream kinetrail.Stream, data *string, flags *putFlags) error {
	client, err := a.connection.client(ctx)
	if err != nil {
		return err
	}
	sink, stopMetrics, err := a.serveMetrics(*flags.metrics)
	if err != nil {
		return err
	}
	defer stopMetrics()
	trace := a.traceFromEnvironment()
	settings := func(o *producer.Options) {
		o.StartContext = ctx
		o.Carrier = flags.carrierFor(trace)
		if o.Carrier == tracecarrier.PartitionKey {
			o.Order = producer.BestEffort // the only order this carrier has
		}
		if flags.create {
			o.Create = &producer.CreateStream{Shards: 1}
		}
		o.Metrics, o.Logger = sink, a.logger()
		// Somebody is waiting: send at once, and hold no more than a Ctrl-C
		// can send in a moment.
		o.Linger = 0
		o.Deadline = putDeadline
		o.MaxBufferedRecords = putBufferedRecords
		o.MaxBufferedBytes = putBufferedBytes
		if a.connection.local {
			o.Deadline = localDeadline
			o.ShardShare = 0 // no quota to keep to
		}
	}
	p, err := producer.New(client, stream.String(), settings)
	if errors.Is(err, producer.ErrAutoDistribution) {
		// There is no order to keep in a stream that places records by itself.
		p, err = producer.New(client, stream.String(), settings, func(o *producer.Options) { o.Order = producer.BestEffort })
	}
	if err != nil {
		return streamError(stream, err)
	}
	// A reader that goes away, as head does, is a failed write here, so that the
	// records under way are waited for and counted.
	signal.Ignore(syscall.SIGPIPE)
	if data == nil && isTerminal(a.stdin) {
		a.note("Every line you type is a record. Ctrl-D ends.")
	}
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	receipt := a.newReceipt(flags.form, data == nil)
	parse := flags.parser(kinetrail.Record{
		PartitionKey:    string(flags.key),
		ExplicitHashKey: string(flags.hashKey),
		Headers:         flags.headers,
		Trace:           trace,
	})
	putLines(ctx, p, a.inputLines(reading, data), parse, receipt)
	flush, done := outlasting(ctx, interruptedFlush)
	defer done()
	// Close only fails over records it could not deliver, and each of those
	// has its result.
	_ = p.Close(flush)
	return receipt.conclude(ctx)
}

const (
	// putDeadline is how long a record is tried for. A full buffer takes half
	// of it to get through the quota of one shard, 1 MiB a second.
	putDeadline = 20 * time.Second

	// localDeadline is the same for the local server, which has no quotas.
	localDeadline = 5 * time.Second

	// interruptedFlush is how long Ctrl-C waits for what was read before it.
	interruptedFlush = 5 * time.Second

	putBufferedRecords = 2 * kinetrail.MaxPutRecords
	putBufferedBytes   = kinetrail.MaxRecordBytes + 1<<16 // the largest record, its key and its headers
)

// carrierFor is the carrier that the flags and the trace ask for.
func (f *putFlags) carrierFor(trace kinetrail.TraceContext) tracecarrier.Carrier {
	switch {
	case f.carrier != "":
		return tracecarrier.Carrier(f.carrier)
	case len(f.headers) > 0 || f.input.value == asJSON: // any line may have headers
		return tracecarrier.Headers
	case !trace.IsZero():
		return tracecarrier.Lossless
	}
	return tracecarrier.Off
}

// traceFromEnvironment is the trace that the caller of the program is in.
func (a *app) traceFromEnvironment() kinetrail.TraceContext {
	parent, _ := a.lookupEnv("TRACEPARENT")
	if parent == "" {
		return kinetrail.TraceContext{}
	}
	if !tracecarrier.ValidTraceparent(parent) {
		a.complain(fmt.Sprintf("no trace is carried: TRACEPARENT %s is no W3C traceparent", abbreviate(parent)))
		return kinetrail.TraceContext{}
	}
	state, _ := a.lookupEnv("TRACESTATE")
	return kinetrail.TraceContext{Parent: parent, State: state}
}

// putLines gives every line to the producer until the input ends, ctx ends, or
// a record is refused.
func putLines(ctx context.Context, p *producer.Producer, lines <-chan line, parse lineParser, receipt *receipt) {
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-receipt.failed:
			return
		case l, more := <-lines:
			if !more {
				return
			}
			deliver := func(result producer.Result) { receipt.deliver(number, result) }
			record, err := parse(l)
			if err == nil {
				err = p.PutAsync(ctx, record, deliver)
			}
			if err != nil && ctx.Err() == nil {
				deliver(producer.Result{Err: err})
			}
		}
	}
}

// outlasting is a context that ends d after ctx does.
func outlasting(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		select {
		case <-time.After(d):
			cancel()
		case <-later.Done():
		}
	})
	return later, cancel
}
