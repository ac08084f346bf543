package consumer_test

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// exampleStream is a client of a local server with the stream orders, of one
// shard, that holds three records.
func exampleStream() (client *kinesis.Client, stop func()) {
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if err != nil {
		panic(err)
	}
	client = server.Client()
	for i, data := range []string{"apple", "pear", "plum"} {
		_, err := client.PutRecord(context.Background(), &kinesis.PutRecordInput{
			StreamName: aws.String("orders"), PartitionKey: aws.String(fmt.Sprintf("customer-%d", i%2)), Data: []byte(data),
		})
		if err != nil {
			panic(err)
		}
	}
	return client, func() { _ = server.Close() }
}

func ExampleRead() {
	client, stop := exampleStream()
	defer stop()

	ctx := context.Background()
	for r, err := range consumer.Read(ctx, client, "orders", consumer.From(kinetrail.TrimHorizon()), consumer.StopAtTip()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(r.PartitionKey, string(r.Data))
	}
	// Output:
	// customer-0 apple
	// customer-1 pear
	// customer-0 plum
}

func ExampleConsumer_Run() {
	client, stop := exampleStream()
	defer stop()

	c, err := consumer.New(client, "orders", memlease.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	left := 3
	err = c.Run(ctx, func(_ context.Context, r kinetrail.Record) error {
		fmt.Println(r.PartitionKey, string(r.Data))
		if left--; left == 0 {
			go c.Drain(context.Background()) // finishes what was fetched; then Run returns
		}
		return nil
	})
	fmt.Println("error:", err)
	// Output:
	// customer-0 apple
	// customer-1 pear
	// customer-0 plum
	// error: <nil>
}
