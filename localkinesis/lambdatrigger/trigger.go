package lambdatrigger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
)

// API is what a Trigger needs of Kinesis. A *kinesis.Client has it.
type API interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

// Trigger invokes a function with the records of a stream. It is safe for
// concurrent use.
type Trigger struct {
	client   API
	stream   kinetrail.Stream
	function lambda.Handler
	options  Options

	ready     chan struct{}
	readyOnce sync.Once
}

// New returns a trigger of a stream, given by name or ARN, for a function. The
// error says everything that is wrong with the arguments; the stream is looked
// up by Run.
//
// The function is what lambda.Start of aws-lambda-go takes, and is called in this
// process: a func of an event, such as kinesislambda makes, or of json.RawMessage
// for the event as it is; or it is a *Runtime. The ctx of a call has the
// function's deadline and, for package lambdacontext, the request ID and the ARN
// of the function. A func is called concurrently, for several shards and lanes. A
// lambda.Handler is called once at a time, because the handlers of
// lambda.NewHandler answer with memory that their next invocation overwrites:
// give the func itself.
func New(client API, nameOrARN string, function any, opts ...func(*Options)) (*Trigger, error) {
	options := defaults()
	for _, opt := range opts {
		opt(&options)
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	stream, err := kinetrail.ParseStream(nameOrARN)
	if err != nil {
		err = fmt.Errorf("lambdatrigger: %w", err)
	}
	if client == nil {
		err = errors.Join(err, errors.New("lambdatrigger: the client is nil"))
	}
	invoked, refused := newFunction(function)
	if err := errors.Join(err, refused, options.check()); err != nil {
		return nil, err
	}
	return &Trigger{client: client, stream: stream, function: invoked, options: options, ready: make(chan struct{})}, nil
}

// Ready is closed when the first Run has its place in the first shards: with
// StartingPosition Latest, records put from then on are delivered.
func (t *Trigger) Ready() <-chan struct{} { return t.ready }

// Run invokes the function until ctx ends, and returns its cause. It returns
// early with an error when the stream is not found or its shards cannot be
// listed at the beginning; later failures of calls are retried and logged. When
// the stream has come to an end, because it was deleted, it returns nil or the
// service's error.
//
// The ctx of running invocations ends with ctx. When Run returns, they have
// returned and no goroutine it started is still running.
func (t *Trigger) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	r := &run{Trigger: t, started: make(map[string]bool), finished: make(map[string]bool), ended: make(chan shardEnd)}
	err := r.follow(ctx)
	stop(err)
	r.reading.Wait()
	return err
}

// run is the state of one Run, which its goroutine alone uses.
type run struct {
	*Trigger
	streamARN string
	started   map[string]bool // shards that were started or left out
	finished  map[string]bool // those of which nothing is left to deliver

	reading sync.WaitGroup
	running int
	ended   chan shardEnd
}

// shardEnd says that a shard was delivered to its end, or why not.
type shardEnd struct {
	shardID  string
	children []types.ChildShard
	err      error
}

// follow starts a reader for every shard whose parents are done, until there
// are none.
func (r *run) follow(ctx context.Context) error {
	shards, err := r.begin(ctx)
	if err != nil {
		return err
	}
	position := r.options.StartingPosition
	for {
		if err := r.start(ctx, shards, position); err != nil {
			return err
		}
		r.readyOnce.Do(func() { close(r.ready) })
		if r.running == 0 {
			return nil
		}
		select {
		case end := <-r.ended:
			if end.err != nil {
				return end.err
			}
			r.running--
			r.finished[end.shardID] = true
			if shards, err = r.relist(ctx, end.children); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if position.IsLatest() {
			position = kinetrail.TrimHorizon() // the children of what was latest
		}
	}
}

// begin looks the stream up and decides about the shards that are closed.
func (r *run) begin(ctx context.Context) ([]types.Shard, error) {
	name, arn := r.stream.APINames()
	summary, err := r.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: arn})
	if err != nil {
		return nil, fmt.Errorf("lambdatrigger: describe stream %s: %w", r.stream, err)
	}
	r.streamARN = aws.ToString(summary.StreamDescriptionSummary.StreamARN)
	shards, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	if r.options.StartingPosition.IsLatest() {
		for _, shard := range shards {
			if shard.SequenceNumberRange != nil && shard.SequenceNumberRange.EndingSequenceNumber != nil {
				id := aws.ToString(shard.ShardId)
				r.started[id], r.finished[id] = true, true
			}
		}
	}
	return shards, nil
}

// start starts a reader for every listed shard that has none and whose parents
// are done. A parent that is not listed has expired.
func (r *run) start(ctx context.Context, shards []types.Shard, position kinetrail.Position) error {
	listed := make(map[string]bool, len(shards))
	for i := range shards {
		listed[aws.ToString(shards[i].ShardId)] = true
	}
	waits := func(parent *string) bool {
		return parent != nil && listed[*parent] && !r.finished[*parent]
	}
	for i := range shards {
		id := aws.ToString(shards[i].ShardId)
		if r.started[id] || waits(shards[i].ParentShardId) || waits(shards[i].AdjacentParentShardId) {
			continue
		}
		shard := r.newShard(id, position)
		if err := r.persist(ctx, "GetShardIterator", func() error { return shard.seek(ctx) }); err != nil {
			return fmt.Errorf("lambdatrigger: read shard %s of stream %s: %w", id, r.stream, err)
		}
		r.started[id] = true
		r.running++
		r.reading.Go(func() {
			err := shard.deliverAll(ctx)
			select {
			case r.ended <- shardEnd{id, shard.children, err}:
			case <-ctx.Done():
			}
		})
	}
	return nil
}

// list returns every shard, open and closed.
func (r *run) list(ctx context.Context) ([]types.Shard, error) {
	name, arn := r.stream.APINames()
	input := &kinesis.ListShardsInput{StreamName: name, StreamARN: arn}
	var shards []types.Shard
	for {
		page, err := r.client.ListShards(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("lambdatrigger: list the shards of stream %s: %w", r.stream, err)
		}
		shards = append(shards, page.Shards...)
		if page.NextToken == nil {
			break
		}
		input = &kinesis.ListShardsInput{StreamARN: arn, NextToken: page.NextToken}
	}
	slices.SortFunc(shards, func(a, b types.Shard) int {
		return strings.Compare(aws.ToString(a.ShardId), aws.ToString(b.ShardId))
	})
	return shards, nil
}

// relist lists the shards when one has ended, until its children are among them:
// a list may be older than the end of the shard, and nobody else would find them.
func (r *run) relist(ctx context.Context, children []types.ChildShard) (shards []types.Shard, err error) {
	err = r.persist(ctx, "ListShards", func() (err error) {
		if shards, err = r.list(ctx); err != nil {
			return err
		}
		for _, child := range children {
			id := aws.ToString(child.ShardId)
			if !slices.ContainsFunc(shards, func(s types.Shard) bool { return aws.ToString(s.ShardId) == id }) {
				return fmt.Errorf("shard %s is not listed yet", id)
			}
		}
		return nil
	})
	return shards, err
}

// persist calls Kinesis until it answers. It gives up when ctx ends and when the
// stream is gone.
func (t *Trigger) persist(ctx context.Context, what string, call func() error) error {
	for failures := 1; ; failures++ {
		err := call()
		if err == nil {
			return nil
		}
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.options.Logger.WarnContext(ctx, "kinetrail: a call of Kinesis failed and is repeated",
			slog.String("call", what), slog.String("stream", t.stream.Name()), slog.Any("error", err))
		if err := sleep(ctx, t.options.pause(failures)); err != nil {
			return err
		}
	}
}

// sleep waits, no longer than ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
