package main

import (
	"crypto/md5"
	"fmt"
	"math/big"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// subject is a part of the API, played by every library on a server of its own.
type subject struct {
	name string
	play func(t *talk)

	// faults are the fault rules of its server.
	faults []string

	// needs are the operations without which there is nothing to play.
	needs []string
}

var subjects = []subject{
	{name: "streams", play: streams},
	{name: "settings", play: settings},
	{name: "tags", play: tags},
	{name: "resharding", play: resharding},
	{name: "put", play: put, faults: putFaults},
	{name: "get", play: get, faults: getFaults},
	{name: "consumers", play: consumers},
	{name: "subscribe", play: subscribe, needs: []string{"SubscribeToShard"}},
	{name: "takeover", play: takeover, faults: takeoverFaults, needs: []string{"SubscribeToShard"}},
	{name: "errors", play: refusals, faults: refusalFaults},
	{name: "warm throughput", play: warmThroughput, needs: []string{"UpdateStreamWarmThroughput", "UpdateAccountSettings"}},
	{name: "record distribution", play: distribution, needs: []string{"UpdateStreamRecordDistributionStrategy"}},
	{name: "channels", play: channels, needs: []string{"CreateChannel"}},
}

func subjectNamed(name string) subject {
	return subjects[slices.IndexFunc(subjects, func(s subject) bool { return s.name == name })]
}

const (
	lastHashKey = "340282366920938463463374607431768211455"
	lowHalfEnd  = "170141183460469231731687303715884105727"
	highHalf    = "170141183460469231731687303715884105728"
)

// arn is the ARN of a stream of the local server.
func arn(stream string) *string {
	return aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/" + stream)
}

func shardID(n int) string { return fmt.Sprintf("shardId-%012d", n) }

// hashKey is the hash key of a partition key, as the service computes it.
func hashKey(partitionKey string) *big.Int {
	sum := md5.Sum([]byte(partitionKey))
	return new(big.Int).SetBytes(sum[:])
}

// create makes a stream.
func create(t *talk, stream string, shards int32) *string {
	ask[kinesis.CreateStreamOutput](t, kinesis.CreateStreamInput{StreamName: &stream, ShardCount: &shards})
	return &stream
}

// shard is what a description says of a shard, in short.
type shard struct {
	ID, From, To     string
	Parent, Adjacent string
	Closed           bool
}

// describe is the shards of a stream.
func describe(t *talk, stream string) []shard {
	out := ask[kinesis.DescribeStreamOutput](t, kinesis.DescribeStreamInput{StreamName: &stream})
	if out.StreamDescription == nil {
		t.expect("the description of "+stream, out.StreamDescription, "one")
		return nil
	}
	return shardsOf(t, out.StreamDescription.Shards)
}

func shardsOf(t *talk, described []types.Shard) []shard {
	shards := make([]shard, len(described))
	for i, d := range described {
		numbers := d.SequenceNumberRange
		if numbers == nil || d.HashKeyRange == nil || len(aws.ToString(numbers.StartingSequenceNumber)) != 56 {
			t.expect("the ranges of "+aws.ToString(d.ShardId), numbers, "a sequence number of 56 digits")
			continue
		}
		shards[i] = shard{
			ID:       aws.ToString(d.ShardId),
			From:     aws.ToString(d.HashKeyRange.StartingHashKey),
			To:       aws.ToString(d.HashKeyRange.EndingHashKey),
			Parent:   aws.ToString(d.ParentShardId),
			Adjacent: aws.ToString(d.AdjacentParentShardId),
			Closed:   numbers.EndingSequenceNumber != nil,
		}
		if end := aws.ToString(numbers.EndingSequenceNumber); end != "" && end <= *numbers.StartingSequenceNumber {
			t.expect("the last sequence number of "+shards[i].ID, end, "above "+*numbers.StartingSequenceNumber)
		}
	}
	return shards
}
