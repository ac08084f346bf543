package demo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/shardmap"
)

// Shard is a shard as ListShards describes it, its hash keys in decimal.
type Shard struct {
	ID    string `json:"id"`
	Start string `json:"start"`
	End   string `json:"end"`
}

// Assignment is where the server puts a record of a group: with the group as
// its partition key and nothing else, and with another key and the group's hash
// key as ExplicitHashKey.
type Assignment struct {
	Key                 string `json:"key"`
	HashKey             string `json:"hash_key"`
	ShardByPartitionKey string `json:"shard_by_partition_key"`
	ShardByHashKey      string `json:"shard_by_hash_key"`
}

// otherKey is the partition key of records whose hash key says where they go.
const otherKey = "another key"

// assign asks the server, by plain PutRecord calls on a stream of their own.
func assign(ctx context.Context, client *kinesis.Client, shards int) ([]Shard, []Assignment, error) {
	stream := aws.String("assignments")
	if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: stream, ShardCount: aws.Int32(int32(shards))}); err != nil {
		return nil, nil, fmt.Errorf("create stream %s: %w", *stream, err)
	}
	listed, err := listShards(ctx, client, *stream)
	if err != nil {
		return nil, nil, err
	}
	var described []Shard
	for _, s := range listed.Shards() {
		described = append(described, Shard{ID: s.ID, Start: s.Range.Start.String(), End: s.Range.End.String()})
	}
	put := func(key string, hashKey *string) (string, error) {
		out, err := client.PutRecord(ctx, &kinesis.PutRecordInput{
			StreamName: stream, Data: []byte(key), PartitionKey: &key, ExplicitHashKey: hashKey,
		})
		if err != nil {
			return "", fmt.Errorf("put a record of %s: %w", key, err)
		}
		return aws.ToString(out.ShardId), nil
	}
	assignments := make([]Assignment, groups)
	for i := range assignments {
		a := &assignments[i]
		a.Key = groupName(i + 1)
		a.HashKey = shardmap.HashKeyOf(a.Key).String()
		if a.ShardByPartitionKey, err = put(a.Key, nil); err != nil {
			return nil, nil, err
		}
		if a.ShardByHashKey, err = put(otherKey, &a.HashKey); err != nil {
			return nil, nil, err
		}
	}
	return described, assignments, nil
}

// listShards makes a map of the shards that the server lists.
func listShards(ctx context.Context, client *kinesis.Client, stream string) (*shardmap.Map, error) {
	var shards []shardmap.Shard
	input := &kinesis.ListShardsInput{StreamName: &stream}
	for {
		page, err := client.ListShards(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("list the shards of %s: %w", stream, err)
		}
		for _, s := range page.Shards {
			start, err := shardmap.ParseHashKey(aws.ToString(s.HashKeyRange.StartingHashKey))
			if err != nil {
				return nil, fmt.Errorf("shard %s of %s: %w", aws.ToString(s.ShardId), stream, err)
			}
			end, err := shardmap.ParseHashKey(aws.ToString(s.HashKeyRange.EndingHashKey))
			if err != nil {
				return nil, fmt.Errorf("shard %s of %s: %w", aws.ToString(s.ShardId), stream, err)
			}
			shards = append(shards, shardmap.Shard{ID: aws.ToString(s.ShardId), Range: shardmap.Range{Start: start, End: end}})
		}
		if page.NextToken == nil {
			break
		}
		input = &kinesis.ListShardsInput{NextToken: page.NextToken}
	}
	listed, err := shardmap.New(shards)
	if err != nil {
		return nil, fmt.Errorf("the shards of %s: %w", stream, err)
	}
	return listed, nil
}
