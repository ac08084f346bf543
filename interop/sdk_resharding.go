package main

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// resharding first does what "How to propagate OpenTelemetry trace headers over
// AWS Kinesis", part 3, shows of the service, and expects the shards printed
// there.
func resharding(t *talk) {
	create(t, "events", 1)
	whole := shard{ID: shardID(0), From: "0", To: lastHashKey}
	t.expect("the shards of a new stream", describe(t, "events"), []shard{whole})

	updateShardCount(t, "events", 1, 2)
	whole.Closed = true
	low := shard{ID: shardID(1), From: "0", To: lowHalfEnd, Parent: shardID(0)}
	high := shard{ID: shardID(2), From: highHalf, To: lastHashKey, Parent: shardID(0)}
	t.expect("the shards at two", describe(t, "events"), []shard{whole, low, high})

	updateShardCount(t, "events", 2, 1)
	low.Closed, high.Closed = true, true
	again := shard{ID: shardID(3), From: "0", To: lastHashKey, Parent: shardID(1), Adjacent: shardID(2)}
	t.expect("the shards at one again", describe(t, "events"), []shard{whole, low, high, again})

	create(t, "five", 5)
	t.expect("five shards", describe(t, "five"), []shard{
		{ID: shardID(0), From: "0", To: "68056473384187692692674921486353642290"},
		{ID: shardID(1), From: "68056473384187692692674921486353642291", To: "136112946768375385385349842972707284581"},
		{ID: shardID(2), From: "136112946768375385385349842972707284582", To: "204169420152563078078024764459060926872"},
		{ID: shardID(3), From: "204169420152563078078024764459060926873", To: "272225893536750770770699685945414569163"},
		{ID: shardID(4), From: "272225893536750770770699685945414569164", To: lastHashKey},
	})

	splitAndMerge(t)
	listShards(t)
}

func updateShardCount(t *talk, stream string, from, to int32) {
	out := ask[kinesis.UpdateShardCountOutput](t, kinesis.UpdateShardCountInput{StreamName: &stream, TargetShardCount: &to, ScalingType: types.ScalingTypeUniformScaling})
	t.expect("the counts of an update", []int32{aws.ToInt32(out.CurrentShardCount), aws.ToInt32(out.TargetShardCount)}, []int32{from, to})
}

func splitAndMerge(t *talk) {
	const quarter = "85070591730234615865843651857942052864"
	halves := create(t, "halves", 2)
	ask[kinesis.SplitShardOutput](t, kinesis.SplitShardInput{StreamName: halves, ShardToSplit: aws.String(shardID(0)), NewStartingHashKey: aws.String(quarter)})
	ask[kinesis.MergeShardsOutput](t, kinesis.MergeShardsInput{StreamName: halves, ShardToMerge: aws.String(shardID(3)), AdjacentShardToMerge: aws.String(shardID(1))})
	t.expect("the shards after a split and a merge", describe(t, "halves"), []shard{
		{ID: shardID(0), From: "0", To: lowHalfEnd, Closed: true},
		{ID: shardID(1), From: highHalf, To: lastHashKey, Closed: true},
		{ID: shardID(2), From: "0", To: "85070591730234615865843651857942052863", Parent: shardID(0)},
		{ID: shardID(3), From: quarter, To: lowHalfEnd, Parent: shardID(0), Closed: true},
		{ID: shardID(4), From: quarter, To: lastHashKey, Parent: shardID(3), Adjacent: shardID(1)},
	})
	t.refused(kinesis.MergeShardsInput{StreamName: halves, ShardToMerge: aws.String(shardID(4)), AdjacentShardToMerge: aws.String(shardID(4))},
		apiError{"InvalidArgumentException", "Shards shardId-000000000004 and shardId-000000000004 in stream halves under account 000000000000 are not an adjacent pair of shards eligible for merging", 400})
}

// listShards pages through the shards of the stream halves, and lists the open
// ones.
func listShards(t *talk) {
	var ids []string
	in := kinesis.ListShardsInput{StreamName: aws.String("halves"), MaxResults: aws.Int32(2)}
	for range 3 {
		page := ask[kinesis.ListShardsOutput](t, in)
		for _, s := range page.Shards {
			ids = append(ids, aws.ToString(s.ShardId))
		}
		in = kinesis.ListShardsInput{NextToken: page.NextToken, MaxResults: aws.Int32(2)}
	}
	t.expect("the shards in pages of two", ids, []string{shardID(0), shardID(1), shardID(2), shardID(3), shardID(4)})
	t.expect("a token behind the last page", in.NextToken, (*string)(nil))

	open := ask[kinesis.ListShardsOutput](t, kinesis.ListShardsInput{StreamARN: arn("halves"), ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}})
	var openIDs []string
	for _, s := range shardsOf(t, open.Shards) {
		openIDs = append(openIDs, s.ID)
	}
	t.expect("the open shards", openIDs, []string{shardID(2), shardID(4)})
}
