package localkinesis_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis"
)

func Example() {
	server, err := localkinesis.New(func(o *localkinesis.Options) {
		o.Streams = map[string]int{"orders": 2}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	put, err := server.Client().PutRecord(context.Background(), &kinesis.PutRecordInput{
		StreamName:   aws.String("orders"),
		PartitionKey: aws.String("customer-7"),
		Data:         []byte("one coffee"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	records, err := server.Records("orders", *put.ShardId)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s\n", records[0].PartitionKey, records[0].Data)
	// Output:
	// customer-7: one coffee
}
