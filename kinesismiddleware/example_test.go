package kinesismiddleware_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/localkinesis"
)

func Example() {
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	provider := sdktrace.NewTracerProvider()

	// The configuration of a program, here one that talks to a local server.
	cfg := aws.Config{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  &http.Client{Transport: server.Transport()},
	}
	// Without options, the spans are made by OpenTelemetry's global provider.
	withProvider := func(o *kinesismiddleware.Options) { o.TracerProvider = provider }
	if _, err := kinesismiddleware.AppendMiddlewares(&cfg.APIOptions, withProvider); err != nil {
		log.Fatal(err)
	}
	client := kinesis.NewFromConfig(cfg)

	// One service puts a record, as it always did.
	ctx, span := provider.Tracer("shop").Start(context.Background(), "order")
	_, err = client.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: aws.String("orders"), PartitionKey: aws.String("customer-1"), Data: []byte("one pear"),
	})
	if err != nil {
		log.Fatal(err)
	}
	span.End()

	// Another one reads it.
	ctx = context.Background()
	iterator, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: aws.String("orders"), ShardId: aws.String("shardId-000000000000"),
		ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		log.Fatal(err)
	}
	page, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator})
	if err != nil {
		log.Fatal(err)
	}
	for i, record := range page.Records {
		carried := trace.SpanContextFromContext(kinesismiddleware.Extract(ctx, page, i))
		fmt.Println(*record.PartitionKey, string(record.Data))
		fmt.Println("same trace:", carried.TraceID() == span.SpanContext().TraceID())
	}
	// Output:
	// customer-1 one pear
	// same trace: true
}
