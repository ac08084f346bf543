package lambdatrigger_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesislambda"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
)

// A handler that fails once gets the failed record and what follows again.
func Example() {
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()
	for _, event := range []string{"placed", "paid", "shipped"} {
		_, err := server.Client().PutRecord(context.Background(), &kinesis.PutRecordInput{
			StreamName: aws.String("orders"), PartitionKey: aws.String("order-7"), Data: []byte(event),
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}

	ctx, stop := context.WithCancel(context.Background())
	failed := false
	handle := func(_ context.Context, r kinetrail.Record) error {
		fmt.Println(string(r.Data))
		switch {
		case string(r.Data) == "paid" && !failed:
			failed = true
			return errors.New("the bank is closed")
		case string(r.Data) == "shipped":
			stop()
		}
		return nil
	}
	function := kinesislambda.Records(handle)

	trigger, err := lambdatrigger.New(server.Client(), "orders", function, func(o *lambdatrigger.Options) {
		o.ReportBatchItemFailures = true
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(trigger.Run(ctx))

	// Output:
	// placed
	// paid
	// paid
	// shipped
	// context canceled
}
