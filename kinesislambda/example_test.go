package kinesislambda_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesislambda"
)

// delivered is an event as Lambda delivers it. The second key carries a trace
// context.
var delivered = events.KinesisEvent{Records: []events.KinesisEventRecord{
	{EventID: "shardId-000000000000:101", Kinesis: events.KinesisRecord{
		SequenceNumber: "101", PartitionKey: "group-1", Data: []byte("paid"),
	}},
	{EventID: "shardId-000000000000:102", Kinesis: events.KinesisRecord{
		SequenceNumber: "102", Data: []byte("shipped"),
		PartitionKey: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-k1=group-1",
	}},
	{EventID: "shardId-000000000000:103", Kinesis: events.KinesisRecord{
		SequenceNumber: "103", PartitionKey: "group-2", Data: []byte("paid"),
	}},
}}

// A handler of one record. What it returns goes to lambda.Start, which calls it
// as this example does. Options.Flush would be the ForceFlush of the program's
// TracerProvider.
func ExampleRecords() {
	handle := func(ctx context.Context, r kinetrail.Record) error {
		fmt.Println(r.ShardID, r.Position, r.PartitionKey, string(r.Data), trace.SpanContextFromContext(ctx).TraceID())
		if r.PartitionKey == "group-2" {
			return errors.New("no such group")
		}
		return nil
	}
	function := kinesislambda.Records(handle)

	answer, err := function(context.Background(), delivered)
	fmt.Println("to be delivered again:", answer.BatchItemFailures, err)

	// Output:
	// shardId-000000000000 101 group-1 paid 00000000000000000000000000000000
	// shardId-000000000000 102 group-1 shipped 4bf92f3577b34da6a3ce929d0e0e4736
	// shardId-000000000000 103 group-2 paid 00000000000000000000000000000000
	// to be delivered again: [{103}] <nil>
}

// A handler that writes a batch at once and knows which of its records were
// refused.
func ExampleBatches() {
	function := kinesislambda.Batches(func(_ context.Context, batch []kinetrail.Record) error {
		var refused error
		for _, r := range batch {
			if r.PartitionKey == "group-2" {
				refused = errors.Join(refused, &kinesislambda.RecordError{Position: r.Position, Err: errors.New("no such group")})
			}
		}
		return refused
	})
	answer, err := function(context.Background(), delivered)
	fmt.Println("to be delivered again:", answer.BatchItemFailures, err)

	// Output:
	// to be delivered again: [{103}] <nil>
}

// An existing handler keeps its signature. Extract gives the ctx of one record.
func ExampleWrap() {
	existing := func(ctx context.Context, event events.KinesisEvent) error {
		for i, r := range event.Records {
			inTrace := trace.SpanContextFromContext(kinesislambda.Extract(ctx, i)).IsValid()
			fmt.Println(r.Kinesis.PartitionKey, string(r.Kinesis.Data), "in a trace:", inTrace)
		}
		return nil
	}
	function := kinesislambda.Wrap(existing)
	fmt.Println(function(context.Background(), delivered))

	// Output:
	// group-1 paid in a trace: false
	// group-1 shipped in a trace: true
	// group-2 paid in a trace: false
	// <nil>
}
