package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func consumers(t *talk) {
	create(t, "orders", 1)
	reports := register(t, "orders", "reports")
	t.refused(kinesis.RegisterStreamConsumerInput{StreamARN: arn("orders"), ConsumerName: aws.String("reports")},
		apiError{"ResourceInUseException", "Consumer reports under stream orders already exists for account 000000000000.", 400})
	register(t, "orders", "alerts")

	byARN := ask[kinesis.DescribeStreamConsumerOutput](t, kinesis.DescribeStreamConsumerInput{ConsumerARN: reports}).ConsumerDescription
	byName := ask[kinesis.DescribeStreamConsumerOutput](t, kinesis.DescribeStreamConsumerInput{StreamARN: arn("orders"), ConsumerName: aws.String("reports")}).ConsumerDescription
	if byARN == nil || byName == nil {
		t.expect("the descriptions", []any{byARN, byName}, "two")
		return
	}
	t.expect("the consumer by its ARN", aws.ToString(byARN.ConsumerName), "reports")
	t.expect("the consumer by its name", aws.ToString(byName.ConsumerARN), aws.ToString(reports))
	t.expect("the consumer's stream", aws.ToString(byARN.StreamARN), *arn("orders"))
	t.expect("the consumer's status", byARN.ConsumerStatus, types.ConsumerStatusActive)

	t.expect("the consumers", consumerNames(t), []string{"alerts", "reports"})
	t.expect("their number in the stream's summary", aws.ToInt32(summary(t, "orders").ConsumerCount), int32(2))
	ask[kinesis.DeregisterStreamConsumerOutput](t, kinesis.DeregisterStreamConsumerInput{ConsumerARN: reports})
	t.expect("the consumers after one has left", consumerNames(t), []string{"alerts"})
	t.refused(kinesis.DescribeStreamConsumerInput{StreamARN: arn("orders"), ConsumerName: aws.String("reports")},
		apiError{"ResourceNotFoundException", "Consumer reports, stream orders under account 000000000000 not found.", 400})
}

func register(t *talk, stream, name string) (consumerARN *string) {
	out := ask[kinesis.RegisterStreamConsumerOutput](t, kinesis.RegisterStreamConsumerInput{StreamARN: arn(stream), ConsumerName: &name})
	if out.Consumer == nil {
		t.expect("the consumer", out.Consumer, name)
		return nil
	}
	return out.Consumer.ConsumerARN
}

func consumerNames(t *talk) []string {
	var names []string
	for _, c := range ask[kinesis.ListStreamConsumersOutput](t, kinesis.ListStreamConsumersInput{StreamARN: arn("orders")}).Consumers {
		names = append(names, aws.ToString(c.ConsumerName))
	}
	return names
}

// subscription is what a library tells of a SubscribeToShard.
type subscription struct{ Events []types.SubscribeToShardEvent }

// subscribe reads a shard by enhanced fan-out: from its beginning, behind a
// record, and to its end.
func subscribe(t *talk) {
	orders := create(t, "orders", 1)
	consumer := register(t, "orders", "reports")
	all := putSome(t, orders, "one", "two", "three")

	t.expect("the records from the beginning", recordsOf(t, consumer, types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}, 3), all)
	second := register(t, "orders", "alerts")
	behind := types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: &all[0].Number}
	t.expect("the records behind the first", recordsOf(t, second, behind, 2), all[1:])

	ask[kinesis.SplitShardOutput](t, kinesis.SplitShardInput{StreamName: orders, ShardToSplit: aws.String(shardID(0)), NewStartingHashKey: aws.String(highHalf)})
	third := register(t, "orders", "audit")
	last := events(t, third, types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}, 0)
	var children []string
	var got []stored
	for _, e := range last {
		got = append(got, storedOf(t, e.Records)...)
		for _, c := range e.ChildShards {
			children = append(children, aws.ToString(c.ShardId))
		}
	}
	t.expect("the records of the closed shard", got, all)
	t.expect("the children at its end", children, []string{shardID(1), shardID(2)})

	t.refused(kinesis.SubscribeToShardInput{ConsumerARN: consumer, ShardId: aws.String(shardID(7)), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest}},
		apiError{"ResourceNotFoundException", fmt.Sprintf("Could not find shard %s in stream orders under account 000000000000.", shardID(7)), 400})
}

func recordsOf(t *talk, consumer *string, from types.StartingPosition, n int) []stored {
	var records []stored
	for _, e := range events(t, consumer, from, n) {
		records = append(records, storedOf(t, e.Records)...)
		t.expect("a continuation", e.ContinuationSequenceNumber != nil, true)
		t.expect("the milliseconds behind the tip", e.MillisBehindLatest != nil, true)
	}
	return records
}

func events(t *talk, consumer *string, from types.StartingPosition, records int) []types.SubscribeToShardEvent {
	in := kinesis.SubscribeToShardInput{ConsumerARN: consumer, ShardId: aws.String(shardID(0)), StartingPosition: &from}
	return read[subscription](t, apiCall{Operation: "SubscribeToShard", Input: in, Records: records}).Events
}

// takeoverFaults let six seconds pass at every ListStreamConsumers.
var takeoverFaults = []string{"ListStreamConsumers clock=6s"}

// takeover ends a subscription from outside: another client subscribes as the
// same consumer, which it may after five seconds. The library has to tell of the
// error that comes as an event.
func takeover(t *talk) {
	orders := create(t, "orders", 1)
	consumer := register(t, *orders, "reports")
	latest := kinesis.SubscribeToShardInput{ConsumerARN: consumer, ShardId: aws.String(shardID(0)), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest}}

	ctx, cancel := context.WithCancel(t.ctx)
	begun, taken := make(chan struct{}), make(chan error, 1)
	go func() {
		select {
		case <-begun:
			taken <- subscribeToo(ctx, t.endpoint, latest)
		case <-ctx.Done():
			taken <- ctx.Err()
		}
	}()
	answer, ok := t.call(apiCall{Operation: "SubscribeToShard", Input: latest, Records: 1, begun: func() { close(begun) }})
	cancel()
	if err := <-taken; err != nil && !errors.Is(err, context.Canceled) {
		t.expect("another subscription", err, "begins")
	}
	if !ok {
		return
	}
	if answer.Error == nil {
		t.expect("the end of the subscription", string(answer.Output), "an error")
		return
	}
	answer.Error.Status = 0 // not of an answer, but of an event
	t.expect("the end of the subscription", *answer.Error, apiError{Name: "ResourceInUseException", Message: "Another active subscription exists for this consumer: 000000000000:orders:reports"})
}

// subscribeToo subscribes with the Go SDK, when the server's time allows, until
// ctx ends.
func subscribeToo(ctx context.Context, endpoint string, in kinesis.SubscribeToShardInput) error {
	client := kinesis.New(kinesis.Options{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("interop", "interop", ""),
	})
	_, err := client.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: arn("orders")})
	var out *kinesis.SubscribeToShardOutput
	if err == nil {
		out, err = client.SubscribeToShard(ctx, &in)
	}
	if err != nil {
		// The library waits for a record or the end: give it one.
		_, putErr := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamARN: arn("orders"), PartitionKey: aws.String("k"), Data: []byte("x")})
		return errors.Join(err, putErr)
	}
	<-ctx.Done()
	return out.GetStream().Close()
}
