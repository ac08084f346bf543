// Calls what the README shows, by the name on the command line: put and consume
// as they stand there, and install, which is made of its lines for existing SDK
// clients. Clients come from the variables of the AWS SDK. What the README
// prints goes to stdout, and every span that ends to stderr, a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var calls = map[string]func(context.Context, aws.Config) error{
	"put":     callPut,
	"consume": callConsume,
	"install": callInstall,
}

func main() {
	log.SetFlags(0)
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(lines{})))
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err == nil {
		err = calls[os.Args[1]](ctx, cfg)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// callPut calls put in a span.
func callPut(ctx context.Context, cfg aws.Config) error {
	ctx, span := otel.Tracer("readme").Start(ctx, "order")
	defer span.End()
	return put(ctx, kinesis.NewFromConfig(cfg))
}

// callConsume calls consume until stdin ends.
func callConsume(ctx context.Context, cfg aws.Config) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := consume(ctx, kinesis.NewFromConfig(cfg)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("consume returned %v before its ctx ended", err)
	}
	return nil
}

// callInstall puts a record in a span, with a client that was made after
// install, and prints the partition key with which it comes back.
func callInstall(ctx context.Context, cfg aws.Config) error {
	if err := install(&cfg); err != nil {
		return err
	}
	client := kinesis.NewFromConfig(cfg)
	ctx, span := otel.Tracer("readme").Start(ctx, "order")
	defer span.End()
	stored, err := client.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: aws.String("orders"), PartitionKey: aws.String("customer-9"), Data: []byte("two espressi"),
	})
	if err != nil {
		return err
	}
	iterator, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: aws.String("orders"), ShardId: stored.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return err
	}
	page, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator})
	if err != nil {
		return err
	}
	for _, r := range page.Records {
		fmt.Println(*r.PartitionKey)
	}
	return nil
}

// lines writes spans.
type lines struct{}

func (lines) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		err := json.NewEncoder(os.Stderr).Encode(map[string]string{
			"name":   s.Name(),
			"trace":  s.SpanContext().TraceID().String(),
			"span":   s.SpanContext().SpanID().String(),
			"parent": s.Parent().SpanID().String(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (lines) Shutdown(context.Context) error { return nil }
