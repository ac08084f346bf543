package main

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// refusalFaults are the errors that a local server has no other reason for.
var refusalFaults = []string{
	"PutRecord stream=denied error=AccessDeniedException",
	"PutRecord stream=broken error=InternalFailure",
	"PutRecord stream=kms-disabled error=KMSDisabledException",
	"PutRecord stream=kms-throttled error=KMSThrottlingException",
	"DescribeLimits error=LimitExceededException",
}

// refusals are errors by name, message and code, as the library shows them.
func refusals(t *talk) {
	orders := create(t, "orders", 1)
	for _, tt := range []struct {
		input any
		want  apiError
	}{
		{kinesis.DescribeStreamInput{StreamName: aws.String("none")},
			apiError{"ResourceNotFoundException", "Stream none under account 000000000000 not found.", 400}},
		{kinesis.DescribeStreamInput{StreamName: aws.String("no such name")},
			apiError{"ValidationException", "1 validation error detected: Value 'no such name' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+", 400}},
		{kinesis.PutRecordInput{StreamName: orders, PartitionKey: aws.String(strings.Repeat("k", 257)), Data: []byte("x")},
			apiError{"ValidationException", "1 validation error detected: Value '" + strings.Repeat("k", 257) + "' at 'partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256", 400}},
		{kinesis.PutRecordInput{StreamName: orders, PartitionKey: aws.String("k"), Data: []byte("x"), ExplicitHashKey: aws.String("340282366920938463463374607431768211456")},
			apiError{"InvalidArgumentException", "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456", 400}},
		{kinesis.GetRecordsInput{ShardIterator: aws.String("AAAA")},
			apiError{"InvalidArgumentException", "Invalid ShardIterator.", 400}},
		{kinesis.SplitShardInput{StreamName: orders, ShardToSplit: aws.String(shardID(0)), NewStartingHashKey: aws.String("0")},
			apiError{"InvalidArgumentException", "NewStartingHashKey 0 used in SplitShard() on shard shardId-000000000000 in stream orders under account 000000000000 is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey " + lastHashKey + ".", 400}},
		{kinesis.GetShardIteratorInput{StreamName: orders, ShardId: aws.String(shardID(9)), ShardIteratorType: types.ShardIteratorTypeLatest},
			apiError{"ResourceNotFoundException", "Shard shardId-000000000009 in stream orders under account 000000000000 does not exist", 400}},
		{kinesis.DescribeLimitsInput{}, apiError{"LimitExceededException", "Rate exceeded for operation under account 000000000000.", 400}},
	} {
		t.refused(tt.input, tt.want)
	}
	for stream, want := range map[string]apiError{
		"denied":        {"AccessDeniedException", "AccessDeniedException by a fault rule.", 400},
		"broken":        {"InternalFailure", "Internal service failure.", 500},
		"kms-disabled":  {"KMSDisabledException", "KMSDisabledException by a fault rule.", 400},
		"kms-throttled": {"KMSThrottlingException", "KMSThrottlingException by a fault rule.", 400},
	} {
		create(t, stream, 1)
		t.refused(kinesis.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("k"), Data: []byte("x")}, want)
	}
}
