package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// lagMeter asks a stream how far behind checkpoints are. It costs two calls for
// each shard, of the five a second that a shard serves.
type lagMeter struct {
	client *kinesis.Client
	stream kinetrail.Stream
}

// shardLag is how old the oldest record is that a shard's checkpoint has not
// passed, 0 when there is none.
type shardLag struct {
	behind time.Duration
	err    error // why it is not known
}

// newLagMeter makes a meter for a stream that is there.
func (a *app) newLagMeter(ctx context.Context, stream kinetrail.Stream) (*lagMeter, error) {
	client, err := a.connection.client(ctx)
	if err != nil {
		return nil, err
	}
	name, arn := stream.APINames()
	if _, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: arn}); err != nil {
		return nil, streamError(stream, err)
	}
	return &lagMeter{client: client, stream: stream}, nil
}

// notStarted returns, in the order of their keys, a lease for each shard of the
// stream that the group has none for and that it is to read: as a worker will make
// it. A shard is read when one that came out of it has a lease, or was left out on
// purpose. One that came out of a shard with a lease begins at its oldest record;
// any other where the group began.
func (m *lagMeter) notStarted(ctx context.Context, leases []lease.Lease) ([]lease.Lease, error) {
	shards, err := readShards(ctx, m.client, m.stream)
	if err != nil {
		return nil, err
	}
	var stream string
	var begun kinetrail.Position
	leased, passed := make(map[string]bool), make(map[string]bool)
	for _, l := range leases {
		stream, leased[l.ShardID] = l.Stream, true
		if !l.Start.IsZero() && (begun.IsZero() || l.Start.Compare(begun) < 0) {
			begun = l.Start
		}
		for _, ancestor := range shards.Ancestors(l.ShardID) {
			passed[ancestor] = true
		}
	}
	var fresh []lease.Lease
	for _, shard := range shards.Shards() {
		if leased[shard.ID] || passed[shard.ID] {
			continue
		}
		l := lease.Lease{Stream: stream, Key: shard.ID, ShardID: shard.ID, Checkpoint: kinetrail.TrimHorizon()}
		if stream != "" {
			l.Key = stream + ":" + shard.ID
		}
		isNew := slices.ContainsFunc(shards.Ancestors(shard.ID), func(ancestor string) bool { return leased[ancestor] })
		if _, isTime := begun.Time(); isTime && !isNew {
			l.Checkpoint, l.Start = begun, begun
		}
		fresh = append(fresh, l)
	}
	slices.SortFunc(fresh, func(a, b lease.Lease) int { return strings.Compare(a.Key, b.Key) })
	return fresh, nil
}

// atOnce is how many shards are asked at the same time.
const atOnce = 32

// measure asks for every lease, in their order. The error is that of ctx; what
// goes wrong with a shard stands with the shard.
func (m *lagMeter) measure(ctx context.Context, leases []lease.Lease) ([]shardLag, error) {
	lags := make([]shardLag, len(leases))
	var asking sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i, l := range leases {
		free <- struct{}{}
		asking.Go(func() {
			defer func() { <-free }()
			lags[i].behind, lags[i].err = m.behind(ctx, l)
		})
	}
	asking.Wait()
	return lags, context.Cause(ctx)
}

func (m *lagMeter) behind(ctx context.Context, l lease.Lease) (time.Duration, error) {
	at := l.ResumeAt()
	if l.Finished() || at.IsLatest() {
		return 0, nil
	}
	input := &kinesis.GetShardIteratorInput{ShardId: aws.String(l.ShardID)}
	input.StreamName, input.StreamARN = m.stream.APINames()
	since, isTime := at.Time()
	switch {
	case at.IsRecord():
		input.ShardIteratorType, input.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(at.Sequence())
	case isTime:
		input.ShardIteratorType, input.Timestamp = types.ShardIteratorTypeAtTimestamp, &since
	default:
		input.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	}
	answer, err := m.client.GetShardIterator(ctx, input)
	if err != nil {
		return 0, shardProblem(err)
	}
	return m.oldest(ctx, answer.ShardIterator)
}

// oldest is the age of the first record behind an iterator. A shard may answer
// with empty pages before it comes to one.
func (m *lagMeter) oldest(ctx context.Context, iterator *string) (time.Duration, error) {
	const mostPages = 20
	var behind time.Duration
	for range mostPages {
		asked := time.Now()
		page, err := m.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(1)})
		if err != nil {
			return 0, shardProblem(err)
		}
		behind = time.Duration(aws.ToInt64(page.MillisBehindLatest)) * time.Millisecond
		if len(page.Records) > 0 && page.Records[0].ApproximateArrivalTimestamp != nil {
			age := serviceTime(page.ResultMetadata, asked).Sub(*page.Records[0].ApproximateArrivalTimestamp)
			return max(behind, age, time.Millisecond), nil
		}
		if behind == 0 || page.NextShardIterator == nil {
			return behind, nil
		}
		iterator = page.NextShardIterator
	}
	return behind, nil
}

// serviceTime is the service's clock. Its answers hold whole seconds; the fraction
// is that of our own clock when it goes right to the second.
func serviceTime(answer middleware.Metadata, asked time.Time) time.Time {
	second, ok := awsmiddleware.GetServerTime(answer)
	if !ok || asked.Sub(second).Abs() < 2*time.Second {
		return asked
	}
	return second
}

// shardProblem is why the lag of a shard is not known, in a few words.
func shardProblem(err error) error {
	var invalid *types.InvalidArgumentException
	var gone *types.ResourceNotFoundException
	switch {
	case errors.As(err, &invalid):
		return errors.New("the stream does not know this checkpoint")
	case errors.As(err, &gone):
		return errors.New("the shard is gone")
	}
	reason, _ := explain(err)
	return errors.New(reason)
}

// behindText is a lag for a table, empty when it is not known.
func behindText(ms *int64) string {
	if ms == nil {
		return ""
	}
	return ageText(time.Duration(*ms) * time.Millisecond)
}

// ageText is a duration in the two units that count.
func ageText(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
