package main

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func streams(t *talk) {
	orders := create(t, "orders", 2)
	t.refused(kinesis.CreateStreamInput{StreamName: orders, ShardCount: aws.Int32(1)},
		apiError{"ResourceInUseException", "Stream orders under account 000000000000 already exists.", 400})
	create(t, "audit", 1)

	all := ask[kinesis.ListStreamsOutput](t, kinesis.ListStreamsInput{})
	t.expect("the streams", all.StreamNames, []string{"audit", "orders"})
	page := ask[kinesis.ListStreamsOutput](t, kinesis.ListStreamsInput{Limit: aws.Int32(1)})
	t.expect("a page of the streams", page.StreamNames, []string{"audit"})
	t.expect("that there are more streams", aws.ToBool(page.HasMoreStreams), true)
	rest := ask[kinesis.ListStreamsOutput](t, kinesis.ListStreamsInput{ExclusiveStartStreamName: aws.String("audit")})
	t.expect("the streams behind audit", rest.StreamNames, []string{"orders"})

	description := ask[kinesis.DescribeStreamOutput](t, kinesis.DescribeStreamInput{StreamARN: arn("orders")}).StreamDescription
	if description == nil {
		description = &types.StreamDescription{}
	}
	t.expect("the stream's name", aws.ToString(description.StreamName), "orders")
	t.expect("its ARN", aws.ToString(description.StreamARN), *arn("orders"))
	t.expect("its status", description.StreamStatus, types.StreamStatusActive)
	t.expect("its retention", aws.ToInt32(description.RetentionPeriodHours), int32(24))
	t.expect("its encryption", description.EncryptionType, types.EncryptionTypeNone)
	t.expect("whether it has a creation time", description.StreamCreationTimestamp != nil, true)
	t.expect("its shards", shardsOf(t, description.Shards), []shard{
		{ID: shardID(0), From: "0", To: lowHalfEnd},
		{ID: shardID(1), From: highHalf, To: lastHashKey},
	})

	ask[kinesis.IncreaseStreamRetentionPeriodOutput](t, kinesis.IncreaseStreamRetentionPeriodInput{StreamName: orders, RetentionPeriodHours: aws.Int32(72)})
	t.expect("the retention after its increase", aws.ToInt32(summary(t, "orders").RetentionPeriodHours), int32(72))
	ask[kinesis.DecreaseStreamRetentionPeriodOutput](t, kinesis.DecreaseStreamRetentionPeriodInput{StreamName: orders, RetentionPeriodHours: aws.Int32(48)})
	t.expect("the retention after its decrease", aws.ToInt32(summary(t, "orders").RetentionPeriodHours), int32(48))

	ask[kinesis.UpdateStreamModeOutput](t, kinesis.UpdateStreamModeInput{StreamARN: arn("orders"), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}})
	mode := summary(t, "orders").StreamModeDetails
	t.expect("whether the mode has changed", mode != nil && mode.StreamMode == types.StreamModeOnDemand, true)
	t.expect("the open shards", aws.ToInt32(summary(t, "orders").OpenShardCount) > 0, true)

	limits := ask[kinesis.DescribeLimitsOutput](t, kinesis.DescribeLimitsInput{})
	t.expect("the shard limit", aws.ToInt32(limits.ShardLimit), int32(20_000))

	ask[kinesis.DeleteStreamOutput](t, kinesis.DeleteStreamInput{StreamName: aws.String("audit")})
	t.expect("the streams after a deletion", ask[kinesis.ListStreamsOutput](t, kinesis.ListStreamsInput{}).StreamNames, []string{"orders"})
}

// summary is never nil.
func summary(t *talk, stream string) *types.StreamDescriptionSummary {
	out := ask[kinesis.DescribeStreamSummaryOutput](t, kinesis.DescribeStreamSummaryInput{StreamName: &stream})
	if out.StreamDescriptionSummary == nil {
		return &types.StreamDescriptionSummary{}
	}
	return out.StreamDescriptionSummary
}
