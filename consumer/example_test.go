package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// A group that the service pushes records to, by a consumer named after it.
func ExampleFanOut() {
	client, stop := exampleStream()
	defer stop()

	c, err := consumer.New(client, "orders", memlease.New(), func(o *consumer.Options) {
		o.Fetch = consumer.FanOut
		o.ConsumerName = "orders-app" // a store that knows its group's name makes this unnecessary
		o.Logger = slog.New(slog.DiscardHandler)
	})
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
			go c.Drain(context.Background())
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

// A poison record goes to a function that puts it aside, and the shard goes on.
func ExampleDeadLetter() {
	client, stop := exampleStream()
	defer stop()

	c, err := consumer.New(client, "orders", memlease.New(), func(o *consumer.Options) {
		o.Logger = slog.New(slog.DiscardHandler)
		o.Failure.MaxAttempts, o.Failure.Backoff = 2, time.Millisecond
		o.Failure.Then = consumer.DeadLetter
		o.Failure.DeadLetter = func(_ context.Context, r kinetrail.Record, cause error) error {
			fmt.Printf("put aside: %s (%v)\n", r.Data, cause)
			return nil
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = c.Run(ctx, func(_ context.Context, r kinetrail.Record) error {
		switch string(r.Data) {
		case "pear":
			return errors.New("no pears today")
		case "plum":
			go c.Drain(context.Background())
		}
		fmt.Printf("handled: %s\n", r.Data)
		return nil
	})
	fmt.Println("error:", err)
	// Output:
	// handled: apple
	// put aside: pear (no pears today)
	// handled: plum
	// error: <nil>
}

func ExampleConsumer_RunShards() {
	client, stop := exampleStream()
	defer stop()

	c, err := consumer.New(client, "orders", memlease.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = c.RunShards(ctx, func(ctx context.Context, s *consumer.ShardReader) error {
		for r, err := range s.Records(ctx) { // asking for the next record says that this one is done
			if err != nil {
				return err
			}
			fmt.Println(s.ID(), string(r.Data))
			if string(r.Data) == "plum" {
				go c.Drain(context.Background())
			}
		}
		return nil
	})
	fmt.Println("error:", err)
	// Output:
	// shardId-000000000000 apple
	// shardId-000000000000 pear
	// shardId-000000000000 plum
	// error: <nil>
}
