package kinesisprotocol_test

import (
	"context"
	"fmt"
	"log"

	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/localkinesis"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// A client of the SDK gets the protocol by one option. Against the service it
// would be kinesis.NewFromConfig(config, kinesisprotocol.Install).
func ExampleInstall() {
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if err != nil {
		log.Fatal(err)
	}
	client := server.Client(kinesisprotocol.Install)

	ctx := context.Background()
	put, err := client.PutRecords(ctx, &kinesis.PutRecordsInput{
		StreamName: aws.String("orders"),
		Records: []types.PutRecordsRequestEntry{
			{PartitionKey: aws.String("order-1"), Data: []byte("one")},
			{PartitionKey: aws.String("order-2"), Data: []byte("two")},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(put.Records), "put,", *put.FailedRecordCount, "failed")

	iterator, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: aws.String("orders"), ShardId: put.Records[0].ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		log.Fatal(err)
	}
	page, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range page.Records {
		fmt.Printf("%s: %s\n", *r.PartitionKey, r.Data)
	}
	// Output:
	// 2 put, 0 failed
	// order-1: one
	// order-2: two
}

// A record that is kept beyond its page is cloned, and the page can go.
func ExampleClone() {
	latest := map[string]types.Record{}
	page := []types.Record{
		{PartitionKey: aws.String("order-1"), Data: []byte("created")},
		{PartitionKey: aws.String("order-1"), Data: []byte("paid")},
	}
	for _, r := range page {
		r = kinesisprotocol.Clone(r)
		latest[*r.PartitionKey] = r
	}
	fmt.Printf("%s\n", latest["order-1"].Data)
	// Output: paid
}

// Who puts many records reads the results without the SDK's pointers, into a list
// that is used for one call after another.
func ExampleResultsInto() {
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if err != nil {
		log.Fatal(err)
	}
	client := server.Client()

	var results []kinesisprotocol.Result
	into := kinesisprotocol.ResultsInto(&results)
	_, err = client.PutRecords(context.Background(), &kinesis.PutRecordsInput{
		StreamName: aws.String("orders"),
		Records: []types.PutRecordsRequestEntry{
			{PartitionKey: aws.String("order-1"), Data: []byte("one")},
			{PartitionKey: aws.String("order-2"), Data: []byte("two")},
		},
	}, into)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.ShardID, r.SequenceNumber != "", r.ErrorCode == "")
	}
	// Output:
	// shardId-000000000000 true true
	// shardId-000000000000 true true
}
