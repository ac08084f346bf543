package producer_test

import (
	"context"
	"fmt"
	"log"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/codec"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/producer"
)

func Example() {
	ctx := context.Background()
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2} })
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	p, err := producer.New(server.Client(), "orders")
	if err != nil {
		log.Fatal(err)
	}
	result, err := p.Put(ctx, kinetrail.Record{PartitionKey: "customer-1", Data: []byte("one pear")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.ShardID, len(result.Attempts))

	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: shardId-000000000001 1
}

func ExampleProducer_PutAsync() {
	ctx := context.Background()
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	p, err := producer.New(server.Client(), "orders", func(o *producer.Options) {
		o.Aggregation = producer.SameKey
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, fruit := range []string{"pear", "plum", "quince"} {
		record := kinetrail.Record{
			PartitionKey: "customer-1",
			Data:         []byte(fruit),
			Headers:      []kinetrail.Header{{Name: "content-type", Value: "text/plain"}},
		}
		err := p.PutAsync(ctx, record, func(r producer.Result) {
			fmt.Println(fruit, "is number", r.Position.Sub(), "in its container,", r.Err)
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// pear is number 0 in its container, <nil>
	// plum is number 1 in its container, <nil>
	// quince is number 2 in its container, <nil>
}

// Several values of one key share a record, as lines of JSON.
func ExampleTyped() {
	ctx := context.Background()
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	p, err := producer.New(server.Client(), "orders")
	if err != nil {
		log.Fatal(err)
	}

	type item struct {
		Fruit string `json:"fruit"`
	}
	items := producer.NewTyped(p, codec.JSONLines[item]())
	for _, fruit := range []string{"pear", "plum"} {
		err := items.PutAsync(ctx, "customer-1", item{fruit}, func(r producer.Result) {
			fmt.Println(fruit, r.Err)
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}

	records, err := server.Records("orders", "")
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range records {
		fmt.Printf("%s: %q\n", r.PartitionKey, r.Data)
	}
	// Output:
	// pear <nil>
	// plum <nil>
	// customer-1: "{\"fruit\":\"pear\"}\n{\"fruit\":\"plum\"}\n"
}
