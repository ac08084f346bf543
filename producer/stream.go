package producer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/shardmap"
)

const (
	startLimit = time.Minute            // of what New asks, without StartContext
	statusPoll = 500 * time.Millisecond // while a stream is being created

	// refreshPause is the least time between two readings of the shard list,
	// however many records land on unexpected shards.
	refreshPause = 250 * time.Millisecond

	// refreshLimit ends a reading of the shard list that is not answered, however
	// long the HTTP client would wait: containers may need it to be judged.
	refreshLimit = 10 * time.Second
)

// start prepares the stream: it creates it if asked, waits until it can be put
// to, and reads its settings and shards.
func (p *Producer) start() error {
	ctx := p.options.StartContext
	if ctx == nil {
		limited, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		ctx = limited
	}
	ctx = tracing.Mark(ctx)
	if err := p.create(ctx); err != nil {
		return err
	}
	summary, err := p.awaitActive(ctx)
	if err != nil {
		return err
	}
	if err := p.learn(summary); err != nil {
		return err
	}
	p.listsShards = p.schedule.rules.hashes
	if !p.listsShards {
		return nil
	}
	shards, err := p.listShards(ctx)
	switch {
	case denied(err):
		p.listsShards = false
		p.schedule.rules.hashes = p.options.Aggregation == ByShard // for the hash keys of containers
		p.logger.Warn("the shard list is not permitted: nothing is aggregated by shard and no shard's quota is watched",
			"stream", p.stream.Name(), "action", "kinesis:ListShards", "error", err)
		return nil
	case err != nil:
		return err
	}
	p.schedule.setShards(shards, p.now())
	return nil
}

// create creates the stream unless it exists.
func (p *Producer) create(ctx context.Context) error {
	if p.options.Create == nil {
		return nil
	}
	creator, ok := p.api.(StreamCreator)
	switch {
	case !ok:
		return fmt.Errorf("option Create: the client %T has no CreateStream", p.api)
	case p.stream.ARN() != "":
		return fmt.Errorf("option Create: a stream given by its ARN, %s, cannot be created", p.stream)
	}
	input := &kinesis.CreateStreamInput{StreamName: aws.String(p.stream.Name())}
	if shards := p.options.Create.Shards; shards > 0 {
		input.ShardCount = aws.Int32(int32(shards))
	} else {
		input.StreamModeDetails = &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
	}
	_, err := creator.CreateStream(ctx, input)
	var exists *types.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("create stream %s: %w", p.stream, err)
	}
	return nil
}

// awaitActive reads the stream's summary when it can be put to, which is also
// while its shards are split or merged. It returns nil when describing is not
// permitted.
func (p *Producer) awaitActive(ctx context.Context) (*types.StreamDescriptionSummary, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		summary, err := p.describe(ctx)
		var missing *types.ResourceNotFoundException
		switch {
		case denied(err):
			p.logger.Warn("the stream's settings are not permitted to be read: its records may have 1 MiB, and its record distribution strategy is taken for USER_PARTITION_KEY",
				"stream", p.stream.Name(), "action", "kinesis:DescribeStreamSummary", "error", err)
			return nil, nil
		case errors.As(err, &missing) && p.options.Create != nil: // not visible yet
		case err != nil:
			return nil, err
		case summary.StreamStatus == types.StreamStatusActive, summary.StreamStatus == types.StreamStatusUpdating:
			return summary, nil
		case summary.StreamStatus != types.StreamStatusCreating:
			return nil, fmt.Errorf("stream %s is %s", p.stream, summary.StreamStatus)
		}
		timer.Reset(statusPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait until stream %s is active: %w", p.stream, context.Cause(ctx))
		}
	}
}

func (p *Producer) describe(ctx context.Context) (*types.StreamDescriptionSummary, error) {
	name, arn := p.stream.APINames()
	out, err := p.api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: arn})
	switch {
	case err != nil:
		return nil, fmt.Errorf("describe stream %s: %w", p.stream, err)
	case out.StreamDescriptionSummary == nil:
		return nil, fmt.Errorf("describe stream %s: the response is empty", p.stream)
	}
	return out.StreamDescriptionSummary, nil
}

// learnSizes takes the largest record from the stream's settings, nil when they
// could not be read. Containers keep to it as well.
func (p *Producer) learnSizes(summary *types.StreamDescriptionSummary) {
	limit := p.options.MaxRecordBytes
	if limit == 0 {
		limit = kinetrail.DefaultMaxRecordBytes
		if summary != nil && aws.ToInt32(summary.MaxRecordSizeInKiB) > 0 {
			limit = int(*summary.MaxRecordSizeInKiB) << 10
		}
	}
	limit = min(limit, p.options.MaxRequestBytes)
	p.maxRecordBytes.Store(int64(limit))
	p.schedule.rules.containerBytes = min(p.options.MaxContainerBytes, limit)
}

// recordLimit is the size of the largest Kinesis record, data and key.
func (p *Producer) recordLimit() int { return int(p.maxRecordBytes.Load()) }

// learn takes the stream's settings when the producer starts.
func (p *Producer) learn(summary *types.StreamDescriptionSummary) error {
	p.learnSizes(summary)
	if summary == nil || summary.RecordDistributionStrategy != types.RecordDistributionStrategyAuto {
		return nil
	}
	if p.needsKeys() {
		return p.autoRefusal()
	}
	p.schedule.rules.hashes = false // what the keys hash to says nothing
	return nil
}

// needsKeys reports whether the options promise something that rests on the
// service placing records by their keys.
func (p *Producer) needsKeys() bool {
	return p.options.Aggregation != Off || p.options.Order == PerKey
}

func (p *Producer) autoRefusal() error {
	return fmt.Errorf("%w: it places records without regard to their keys, so Aggregation %v and Order %v cannot be kept; use Aggregation Off and Order BestEffort",
		ErrAutoDistribution, p.options.Aggregation, p.options.Order)
}

// listShards reads all pages of the shard list, closed shards included: a
// container may have landed on a shard that was closed since.
func (p *Producer) listShards(ctx context.Context) (*shardmap.Map, error) {
	var shards []shardmap.Shard
	name, arn := p.stream.APINames()
	input := &kinesis.ListShardsInput{StreamName: name, StreamARN: arn, MaxResults: aws.Int32(kinetrail.MaxListShards)}
	for {
		out, err := p.api.ListShards(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("list shards of %s: %w", p.stream, err)
		}
		for i := range out.Shards {
			shard, err := shardOf(&out.Shards[i])
			if err != nil {
				return nil, fmt.Errorf("list shards of %s: %w", p.stream, err)
			}
			shards = append(shards, shard)
		}
		if aws.ToString(out.NextToken) == "" {
			break
		}
		input = &kinesis.ListShardsInput{NextToken: out.NextToken, MaxResults: input.MaxResults}
	}
	shardMap, err := shardmap.New(shards)
	if shardMap == nil {
		return nil, fmt.Errorf("list shards of %s: %w", p.stream, err)
	}
	return shardMap, nil // ErrUncovered: in the middle of a reshard, and usable
}

func shardOf(s *types.Shard) (shardmap.Shard, error) {
	shard := shardmap.Shard{
		ID:               aws.ToString(s.ShardId),
		ParentID:         aws.ToString(s.ParentShardId),
		AdjacentParentID: aws.ToString(s.AdjacentParentShardId),
		Closed:           s.SequenceNumberRange != nil && aws.ToString(s.SequenceNumberRange.EndingSequenceNumber) != "",
	}
	if s.HashKeyRange == nil {
		return shard, fmt.Errorf("shard %s has no hash key range", shard.ID)
	}
	var err error
	if shard.Range.Start, err = shardmap.ParseHashKey(aws.ToString(s.HashKeyRange.StartingHashKey)); err != nil {
		return shard, fmt.Errorf("shard %s: %w", shard.ID, err)
	}
	if shard.Range.End, err = shardmap.ParseHashKey(aws.ToString(s.HashKeyRange.EndingHashKey)); err != nil {
		return shard, fmt.Errorf("shard %s: %w", shard.ID, err)
	}
	return shard, nil
}

// denied reports whether the caller lacks the permission for an operation.
func denied(err error) bool {
	switch codeOf(err) {
	case "AccessDeniedException", "AccessDenied", "NotAuthorized", "UnauthorizedOperation":
		return true
	}
	return false
}

// refresh reads the stream's settings and shard list again. It runs in a
// goroutine of its own, one at a time.
func (p *Producer) refresh(settings bool) {
	ctx, cancel := context.WithTimeout(tracing.Mark(p.ctx), refreshLimit)
	defer cancel()
	var summary *types.StreamDescriptionSummary
	var shards *shardmap.Map
	var err error
	if settings {
		summary, err = p.describe(ctx)
	}
	if p.listsShards && (err == nil || denied(err)) {
		shards, err = p.listShards(ctx)
	}

	p.mu.Lock()
	stopped := p.refreshed(summary, shards, err)
	p.unlockAndAnswer()
	p.wake()
	switch {
	case stopped != nil:
		p.logger.Error("the producer stops: its stream was switched to record distribution strategy AUTO",
			"stream", p.stream.Name(), "error", stopped)
	case err != nil && p.ctx.Err() == nil:
		p.logger.Warn("the stream's shards could not be read again", "stream", p.stream.Name(), "error", err)
	}
}

// refreshed takes what a refresh has read. When the stream's new settings do not
// allow what the producer promises, it stops and returns why.
func (p *Producer) refreshed(summary *types.StreamDescriptionSummary, shards *shardmap.Map, err error) (stopped error) {
	now := p.now()
	p.refreshing = false
	p.refreshAfter = now.add(refreshPause)
	if err != nil {
		p.refreshFailures++
		p.refreshAfter = now.add(delayAfter(p.refreshFailures, rand.Float64()))
		p.schedule.judgeAgain(now)
		return nil
	}
	p.refreshFailures = 0
	if summary != nil {
		p.learnSizes(summary)
		if summary.RecordDistributionStrategy == types.RecordDistributionStrategyAuto && p.needsKeys() {
			return p.stopForAuto()
		}
	}
	if shards != nil {
		p.schedule.setShards(shards, now)
	}
	return nil
}

// stopForAuto stops the producer, unless it is about to end anyway.
func (p *Producer) stopForAuto() error {
	if p.refusal != nil {
		return nil
	}
	p.refusal = p.autoRefusal()
	p.schedule.stop(CodeAutoDistribution, p.refusal)
	p.buffer.refuse(p.refusal)
	return p.refusal
}
