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
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/spf13/cobra"
)

func (a *app) reshardCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reshard STREAM --shards N",
		Short: "Give a stream more or fewer shards",
		Long: `reshard splits and merges the shards of a provisioned stream until N are open, each
with the same part of the hash keys. One call of UpdateShardCount doubles or
halves their number at most, so reshard makes as many as it takes and waits after
each until the stream is active again. AWS allows ten such calls a day and stream.

Records that are in the stream stay in the closed shards and can still be read.

On Ctrl-C reshard stops waiting and says what is left; the service finishes the
step it is at.`,
		Example: `  kinetrail reshard orders --shards 16 --dry-run
  kinetrail reshard orders --shards 16
  kinetrail --local reshard orders --shards 1 -o json`,
		Args: wantArgs(1, 1, "STREAM"),
	}
	var shards shardCount
	var dryRun bool
	cmd.Flags().Var(&shards, "shards", "how many open shards the stream is to have")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show the steps and change nothing")
	form := outputFlag(cmd, asTable, asJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		stream, err := streamArg(cmd, args[0])
		if err != nil {
			return err
		}
		if shards == 0 {
			return usageErrorf(cmd, "reshard needs --shards")
		}
		client, err := a.connection.client(cmd.Context())
		if err != nil {
			return err
		}
		r := &resharding{
			client: client, stream: stream, target: int(shards), poll: activePoll, progress: a.newStatusLine(),
		}
		if a.connection.local {
			r.poll = localPoll
		}
		defer r.progress.clear()
		result, err := r.run(cmd.Context(), dryRun)
		r.progress.clear()
		if err != nil {
			return err
		}
		return a.writeReshard(form, result)
	}
	return cmd
}

// activePoll is how often the service is asked whether the stream is active;
// it answers 20 such questions a second for the whole account.
const activePoll = time.Second

// resharding leads a stream to a number of shards, step by step.
type resharding struct {
	client   *kinesis.Client
	stream   kinetrail.Stream
	target   int
	poll     time.Duration
	progress *progress
}

// reshardResult is the document of reshard.
type reshardResult struct {
	Stream  string  `json:"stream_name"`
	From    int     `json:"from_shards"`
	Steps   []int   `json:"steps"`
	To      int     `json:"to_shards"`
	Seconds float64 `json:"seconds"`
	DryRun  bool    `json:"dry_run"`
}

// reshardStep is the number of shards that one call can lead to on the way from
// open to target: between half and twice as many as are open.
func reshardStep(open, target int) int {
	return min(max(target, (open+1)/2), 2*open)
}

// reshardSteps are all numbers on the way, target included.
func reshardSteps(open, target int) []int {
	steps := []int{}
	for open != target {
		open = reshardStep(open, target)
		steps = append(steps, open)
	}
	return steps
}

func (r *resharding) run(ctx context.Context, dryRun bool) (reshardResult, error) {
	open, err := r.awaitActive(ctx, 0)
	if err != nil {
		return reshardResult{}, err
	}
	result := reshardResult{Stream: r.stream.Name(), From: open, To: r.target, Steps: []int{}, DryRun: dryRun}
	if dryRun {
		result.Steps = reshardSteps(open, r.target)
		return result, nil
	}
	began := time.Now()
	for open != r.target {
		next := reshardStep(open, r.target)
		if err := r.update(ctx, open, next); err != nil {
			return result, r.leftOver(ctx, open, err)
		}
		if open, err = r.awaitActive(ctx, open); err != nil {
			return result, r.underWay(ctx, next, err)
		}
		result.Steps = append(result.Steps, open)
	}
	result.Seconds = time.Since(began).Seconds()
	return result, nil
}

// update makes one step, after whatever else is changing the stream.
func (r *resharding) update(ctx context.Context, open, next int) error {
	name, arn := r.stream.APINames()
	for {
		_, err := r.client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
			StreamName: name, StreamARN: arn, TargetShardCount: aws.Int32(int32(next)), ScalingType: types.ScalingTypeUniformScaling,
		})
		var busy *types.ResourceInUseException
		if !errors.As(err, &busy) {
			return err
		}
		if err := wait(ctx, r.poll); err != nil {
			return err
		}
	}
}

// awaitActive waits until the stream is active and has another number of open
// shards than before, and returns that. The service shows the end of a step a
// moment after it has begun it.
func (r *resharding) awaitActive(ctx context.Context, before int) (open int, err error) {
	name, arn := r.stream.APINames()
	began := time.Now()
	for {
		answer, err := r.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: arn})
		if err != nil {
			return 0, streamError(r.stream, err)
		}
		summary := answer.StreamDescriptionSummary
		if summary == nil {
			return 0, fmt.Errorf("describe stream %s: the answer is empty", r.stream)
		}
		if modeOf(summary.StreamModeDetails) == "on-demand" {
			return 0, &hintedError{
				err:  fmt.Errorf("stream %q is on-demand: the service chooses its number of shards", r.stream),
				hint: "Give it provisioned mode first: aws kinesis update-stream-mode.",
			}
		}
		open = int(aws.ToInt32(summary.OpenShardCount))
		switch {
		case summary.StreamStatus == types.StreamStatusDeleting:
			return 0, fmt.Errorf("stream %q is being deleted", r.stream)
		case summary.StreamStatus == types.StreamStatusActive && open != before:
			return open, nil
		}
		r.progress.show("%s: %s", r.stream.Name(), r.stepText(open, string(summary.StreamStatus), time.Since(began)))
		if err := wait(ctx, r.poll); err != nil {
			return 0, err
		}
	}
}

// stepText says how far the way to the target is.
func (r *resharding) stepText(open int, status string, waited time.Duration) string {
	way := reshardSteps(open, r.target)
	return fmt.Sprintf("%s, %s, %s for %v", count(open, "open shard"), count(len(way), "step")+" to "+fmt.Sprint(r.target),
		strings.ToLower(status), waited.Round(time.Second))
}

// leftOver is the error of a step that was not begun.
func (r *resharding) leftOver(ctx context.Context, open int, err error) error {
	left := fmt.Sprintf("%s has %s", r.stream.Name(), count(open, "open shard"))
	if ctx.Err() != nil {
		return &interruptedError{"interrupted: " + left + "; " + r.goOn()}
	}
	return &partialError{err: err, done: left}
}

// underWay is the error of a step that the service is at.
func (r *resharding) underWay(ctx context.Context, next int, err error) error {
	left := fmt.Sprintf("the service goes on to bring %s to %s", r.stream.Name(), count(next, "shard"))
	if next != r.target {
		left += "; " + r.goOn()
	}
	if ctx.Err() != nil {
		return &interruptedError{"interrupted: " + left}
	}
	return &partialError{err: err, done: left}
}

func (r *resharding) goOn() string {
	return fmt.Sprintf("\"kinetrail reshard %s --shards %d\" does the rest", r.stream, r.target)
}

func (a *app) writeReshard(form *choice, result reshardResult) error {
	if form.value == asJSON {
		return a.writeJSON(result)
	}
	_, err := io.WriteString(a.stdout, reshardSentence(result)+"\n")
	return err
}

func reshardSentence(result reshardResult) string {
	if len(result.Steps) == 0 {
		return fmt.Sprintf("%s has %s already.", result.Stream, count(result.To, "open shard"))
	}
	way := fmt.Sprint(result.From)
	for _, step := range result.Steps {
		way += fmt.Sprintf(" → %d", step)
	}
	if result.DryRun {
		return fmt.Sprintf("%s would go %s, in %s.", result.Stream, way, count(len(result.Steps), "call"))
	}
	took := roundedTime(time.Duration(result.Seconds * float64(time.Second)))
	return fmt.Sprintf("%s has %s now: %s, in %v.", result.Stream, count(result.To, "open shard"), way, took)
}

// wait waits for d or until ctx ends, which is its error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// roundedTime is a duration to as many digits as a person wants.
func roundedTime(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
