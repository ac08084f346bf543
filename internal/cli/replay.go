package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/spf13/cobra"
)

func (a *app) replayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay SRC DST",
		Short: "Copy a range of a stream into another stream",
		Long: `replay copies the records of SRC that arrived from --from until --to into DST, which
has to exist: all that are there when it begins, unless told otherwise. It copies
Kinesis records as they are: data, keys, containers with all records, headers and
traces in them. Records of one key stay in their order, also over splits and merges.

The shard in DST is that of the record's own key. Kinesis does not tell the explicit
hash key a record was put with, so replay sets one where it has to: the original
key's, when the stored key carries a trace; else, for a record that does not lie
where its key belongs, or whose original key is not known, the first of the shard
it lies on, so that what shared a shard keeps sharing one. A container goes where
its records belong; where DST has several shards for them it is divided, so that
readers like the KCL, which throw away what is on a wrong shard, get all.

Records in a container count one by one, as in put and tail; --rate counts what the
service counts, Kinesis records.

A request that got no answer is repeated, and its records may then be in DST twice.
When replay fails or is interrupted, it says how many records were copied and with
which --from it goes on: nothing is left out then, but some may be copied again.`,
		Example: `  kinetrail replay orders orders-trial --from 2h --rate 500
  kinetrail replay orders orders-trial --from 2026-11-20T09:00:00Z --to 2026-11-20T10:00:00Z
  kinetrail --region eu-west-1 replay orders orders --dst-region us-east-1
  kinetrail replay orders orders --dst-endpoint-url http://127.0.0.1:4567`,
		Args: wantArgs(2, 2, "SRC DST"),
	}
	var flags replayFlags
	cmd.Flags().Var(&flags.from, "from", "begin at trim-horizon, a `time`, or so long ago (2h)")
	cmd.Flags().Var(&flags.to, "to", "end before this `time`, or so long ago (default: now)")
	cmd.Flags().StringVar(&flags.shard, "shard", "", "copy only this `shard` of SRC")
	cmd.Flags().Var(&flags.rate, "rate", "copy at most this `number` of Kinesis records a second")
	cmd.Flags().StringVar(&flags.region, "dst-region", "", "AWS `region` of DST (default: that of SRC, or of an ARN)")
	cmd.Flags().Var(&flags.endpoint, "dst-endpoint-url", "the Kinesis of DST is at this `URL`")
	flags.form = outputFlag(cmd, asTable, asJSON)
	completeWith(cmd, "from", "trim-horizon")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		source, err := streamArg(cmd, args[0])
		if err != nil {
			return err
		}
		target, err := streamArg(cmd, args[1])
		if err != nil {
			return err
		}
		if flags.from.position.IsLatest() {
			return usageErrorf(cmd, "--from latest leaves nothing to copy")
		}
		if _, isTime := flags.to.position.Time(); flags.to.text != "" && !isTime {
			return usageErrorf(cmd, "--to %s: it takes a time, or how long ago", flags.to.text)
		}
		return a.replay(cmd, source, target, &flags)
	}
	return cmd
}

// replayFlags are the flags of replay.
type replayFlags struct {
	from, to fromFlag
	shard    string
	rate     recordLimit
	region   string
	endpoint endpointURL
	form     *choice
}

func (f *replayFlags) start() kinetrail.Position {
	if f.from.text == "" {
		return kinetrail.TrimHorizon()
	}
	return f.from.position
}

// arnRegion is where the region stands in arn:aws:kinesis:REGION:ACCOUNT:stream/NAME.
const arnRegion = 3

// clockSlack is added to the service's time, which comes in whole seconds or from
// this machine, so that no record is younger that was there before.
const clockSlack = 2 * time.Second

// targetConnection is which Kinesis DST is in.
func (a *app) targetConnection(target kinetrail.Stream, flags *replayFlags) connection {
	c := a.connection
	if arn := strings.Split(target.ARN(), ":"); len(arn) > arnRegion && !c.local {
		c.region = arn[arnRegion]
	}
	if flags.region != "" {
		c.region = flags.region
	}
	if flags.endpoint != "" {
		c.endpoint = flags.endpoint
	}
	return c
}

// replayResult is the document of replay.
type replayResult struct {
	Source  string  `json:"source"`
	Target  string  `json:"target"`
	Copied  int     `json:"copied_records"` // those in containers one by one
	Kinesis int     `json:"copied_kinesis_records"`
	Bytes   int64   `json:"copied_bytes"`
	Divided int     `json:"divided_containers"`
	Seconds float64 `json:"seconds"`
}

func (a *app) replay(cmd *cobra.Command, source, target kinetrail.Stream, flags *replayFlags) error {
	ctx := cmd.Context()
	from, err := a.connection.client(ctx)
	if err != nil {
		return err
	}
	there := a.targetConnection(target, flags)
	into, err := there.client(ctx)
	if err != nil {
		return err
	}
	sourceARN, began, err := streamARN(ctx, from, source)
	if err != nil {
		return err
	}
	targetARN, _, err := streamARN(ctx, into, target)
	if missing, ok := errors.AsType[*hintedError](err); ok {
		missing.hint = "Make it first: the AWS CLI does with create-stream, serve with --stream, and put, with one shard, with --create."
	}
	if err != nil {
		return err
	}
	if sourceARN == targetARN && there.endpoint == a.connection.endpoint {
		return usageErrorf(cmd, "SRC and DST are one stream, %s, so that a replay would never end", sourceARN)
	}
	until := began.Add(clockSlack)
	if flags.to.text != "" {
		until, _ = flags.to.position.Time()
	}
	reader := newReplayReader(from, source, flags.start(), until)
	writer := &replayWriter{
		client: into, source: newSourceShards(from, source), target: target,
		rate: int(flags.rate), patience: putDeadline, progress: a.newStatusLine(), until: until, reader: reader,
	}
	if a.connection.local {
		writer.patience = localDeadline
	}
	result, err := a.copyRecords(ctx, reader, writer, flags)
	writer.progress.clear()
	if err != nil {
		return reader.leftOver(ctx, writer, err)
	}
	result.Source, result.Target = source.Name(), target.Name()
	return a.writeReplay(flags.form, result)
}

// copyRecords lets the writer have every record the reader yields.
func (a *app) copyRecords(ctx context.Context, reader *replayReader, writer *replayWriter, flags *replayFlags) (replayResult, error) {
	began := time.Now()
	if err := writer.begin(ctx); err != nil {
		return replayResult{}, err
	}
	records := consumer.Read(ctx, reader, reader.stream.String(), consumer.From(flags.start()), consumer.StopAtTip(), func(o *consumer.Options) {
		if flags.shard != "" {
			o.Shards = []string{flags.shard}
		}
		if a.connection.local {
			o.PollInterval, o.MaxPollInterval = 0, localPoll
		}
		o.Logger = a.logger()
	})
	for record, err := range records {
		if err != nil {
			return replayResult{}, tailError(reader.stream, flags.shard, err)
		}
		if err := writer.add(ctx, &record); err != nil {
			return replayResult{}, err
		}
	}
	if err := writer.flush(ctx); err != nil {
		return replayResult{}, err
	}
	return replayResult{Copied: writer.users, Kinesis: writer.copied, Bytes: writer.bytes, Divided: writer.divided, Seconds: time.Since(began).Seconds()}, nil
}

// streamARN resolves a stream's name, and tells the service's clock.
func streamARN(ctx context.Context, client *kinesis.Client, stream kinetrail.Stream) (arn string, now time.Time, err error) {
	asked := time.Now()
	name, givenARN := stream.APINames()
	answer, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: givenARN})
	if err != nil {
		return "", time.Time{}, streamError(stream, err)
	}
	if answer.StreamDescriptionSummary == nil {
		return "", time.Time{}, fmt.Errorf("describe stream %s: the answer is empty", stream)
	}
	return aws.ToString(answer.StreamDescriptionSummary.StreamARN), serviceTime(answer.ResultMetadata, asked), nil
}

// leftOver is the error of a replay that did not come to its end.
func (r *replayReader) leftOver(ctx context.Context, w *replayWriter, err error) error {
	done := fmt.Sprintf("%s copied, and --from %s goes on", wasCopied(w.users), r.resumeAt(w.pendingArrivals()))
	if ctx.Err() != nil {
		return &interruptedError{"interrupted: " + done}
	}
	if hinted, ok := errors.AsType[*hintedError](err); ok && w.copied == 0 {
		return hinted
	}
	return &partialError{err: err, done: done}
}

func wasCopied(n int) string {
	if n == 1 {
		return "1 record was"
	}
	return fmt.Sprintf("%d records were", n)
}

func (a *app) writeReplay(form *choice, result replayResult) error {
	if form.value == asJSON {
		return a.writeJSON(result)
	}
	packed := ""
	if result.Kinesis != result.Copied {
		packed = fmt.Sprintf(", in %s", count(result.Kinesis, "Kinesis record"))
	}
	sentence := fmt.Sprintf("Copied %s of %s to %s%s, %d bytes in %v.", count(result.Copied, "record"), result.Source, result.Target, packed,
		result.Bytes, roundedTime(time.Duration(result.Seconds*float64(time.Second))))
	if result.Divided > 0 {
		sentence += fmt.Sprintf("\nDivided %s, whose records belong to several shards there.", count(result.Divided, "container"))
	}
	_, err := io.WriteString(a.stdout, sentence+"\n")
	return err
}
