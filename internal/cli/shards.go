package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
)

// maxShards bounds what is asked for by mistake. It is the largest shard quota
// that AWS gives an account without asking (20,000, in three regions).
const maxShards = 20_000

// shardCount is a flag: a number of shards.
type shardCount int

func (n *shardCount) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.Itoa(int(*n))
}
func (n *shardCount) Type() string { return "number" }
func (n *shardCount) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > maxShards {
		return fmt.Errorf("it takes a number from 1 to %d", maxShards)
	}
	*n = shardCount(number)
	return nil
}

// shardID is the name Kinesis gives the shard with this index.
func shardID(index int) string {
	return fmt.Sprintf("shardId-%012d", index)
}

// listShards reads every shard of a stream, open and closed.
func listShards(ctx context.Context, client *kinesis.Client, stream kinetrail.Stream) ([]types.Shard, error) {
	var shards []types.Shard
	name, arn := stream.APINames()
	input := &kinesis.ListShardsInput{StreamName: name, StreamARN: arn}
	for {
		page, err := client.ListShards(ctx, input)
		if err != nil {
			return nil, streamError(stream, err)
		}
		shards = append(shards, page.Shards...)
		if page.NextToken == nil {
			return shards, nil
		}
		input = &kinesis.ListShardsInput{NextToken: page.NextToken}
	}
}

// mapOfShards makes a map of what Kinesis listed. A list read in the middle of
// a reshard may have gaps; it is still the best answer there is.
func mapOfShards(listed []types.Shard) (*shardmap.Map, error) {
	shards := make([]shardmap.Shard, len(listed))
	for i, shard := range listed {
		hashKeys, err := rangeOf(shard)
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", aws.ToString(shard.ShardId), err)
		}
		shards[i] = shardmap.Shard{
			ID:               aws.ToString(shard.ShardId),
			Range:            hashKeys,
			ParentID:         aws.ToString(shard.ParentShardId),
			AdjacentParentID: aws.ToString(shard.AdjacentParentShardId),
			Closed:           isClosed(shard),
		}
	}
	m, err := shardmap.New(shards)
	if errors.Is(err, shardmap.ErrUncovered) {
		return m, nil
	}
	return m, err
}

func isClosed(shard types.Shard) bool {
	return shard.SequenceNumberRange != nil && shard.SequenceNumberRange.EndingSequenceNumber != nil
}

func rangeOf(shard types.Shard) (shardmap.Range, error) {
	if shard.HashKeyRange == nil {
		return shardmap.Range{}, errors.New("the answer has no hash key range")
	}
	start, err := shardmap.ParseHashKey(aws.ToString(shard.HashKeyRange.StartingHashKey))
	if err != nil {
		return shardmap.Range{}, err
	}
	end, err := shardmap.ParseHashKey(aws.ToString(shard.HashKeyRange.EndingHashKey))
	if err != nil {
		return shardmap.Range{}, err
	}
	return shardmap.Range{Start: start, End: end}, nil
}

// streamError names the stream where the service says that there is none.
func streamError(stream kinetrail.Stream, err error) error {
	var notFound *types.ResourceNotFoundException
	if errors.As(err, &notFound) {
		return &hintedError{
			err:  fmt.Errorf("there is no stream %q", stream),
			hint: `"kinetrail list" shows the streams there are; put makes one with --create.`,
		}
	}
	return err
}
