package chaintest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/kinesislambda"
	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// What a process is told. Everything else comes from the variables that
// OpenTelemetry, Lambda and kinetrail define.
const (
	roleVariable     = "CHAINTEST_ROLE"     // a key of roles
	endpointVariable = "CHAINTEST_KINESIS"  // the URL of the local server
	recordsVariable  = "CHAINTEST_RECORDS"  // how many records are put and consumed
	putterVariable   = "CHAINTEST_PUT_WITH" // middleware or producer
)

const (
	streamName = "orders"
	group      = "group-1" // the partition key of every record
)

// roles are what the test binary does instead of testing, by the value of
// roleVariable.
var roles = map[string]func(context.Context, *sdktrace.TracerProvider) error{
	"event-producer": produce,
	"event-consumer": consume,
	"event-function": serve,
}

func TestMain(m *testing.M) {
	role, ok := os.LookupEnv(roleVariable)
	if !ok {
		os.Exit(m.Run())
	}
	if err := play(role); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		os.Exit(1)
	}
}

// play runs a role with a tracer whose spans go out over OTLP.
func play(role string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return err
	}
	about, err := resource.New(ctx, resource.WithFromEnv(), resource.WithProcessPID())
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return errors.Join(roles[role](ctx, provider), provider.Shutdown(ctx))
}

// records is the number of records in play.
func records() (int, error) { return strconv.Atoi(os.Getenv(recordsVariable)) }

// client is a plain client of the SDK, adjusted by more.
func client(more ...func(*kinesis.Options)) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(os.Getenv(endpointVariable)),
		Credentials:  credentials.NewStaticCredentialsProvider("chaintest", "chaintest", ""),
	}, more...)
}

// produce puts each record in a trace of its own.
func produce(ctx context.Context, provider *sdktrace.TracerProvider) error {
	n, err := records()
	if err != nil {
		return err
	}
	put, done, err := putter(provider)
	if err != nil {
		return err
	}
	tracer := provider.Tracer("event-producer")
	for i := range n {
		ctx, span := tracer.Start(ctx, "place order")
		err := put(ctx, fmt.Sprintf("order %d", i))
		span.End()
		if err != nil {
			return err
		}
	}
	return done(ctx)
}

// putter is how the producer puts, and what it does at the end.
func putter(provider *sdktrace.TracerProvider) (put func(context.Context, string) error, done func(context.Context) error, err error) {
	if os.Getenv(putterVariable) == "producer" {
		p, err := producer.New(client(), streamName, func(o *producer.Options) {
			o.Carrier, o.TracerProvider, o.Linger = tracecarrier.Headers, provider, 0
		})
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context, text string) error {
			_, err := p.Put(ctx, kinetrail.Record{PartitionKey: group, Data: []byte(text)})
			return err
		}, p.Close, nil
	}
	var installed error
	plain := client(func(o *kinesis.Options) {
		_, installed = kinesismiddleware.AppendMiddlewares(&o.APIOptions, func(m *kinesismiddleware.Options) { m.TracerProvider = provider })
	})
	return func(ctx context.Context, text string) error {
		_, err := plain.PutRecord(ctx, &kinesis.PutRecordInput{
			StreamName: aws.String(streamName), PartitionKey: aws.String(group), Data: []byte(text),
		})
		return err
	}, func(context.Context) error { return nil }, installed
}

// consume handles the records that are there and ends.
func consume(ctx context.Context, provider *sdktrace.TracerProvider) error {
	n, err := records()
	if err != nil {
		return err
	}
	c, err := consumer.New(client(), streamName, memlease.New(), func(o *consumer.Options) {
		o.TracerProvider, o.PollInterval, o.MaxPollInterval = provider, 0, 10*time.Millisecond
	})
	if err != nil {
		return err
	}
	drained := make(chan error, 1)
	tracer := provider.Tracer("event-consumer")
	err = c.Run(ctx, func(handling context.Context, r kinetrail.Record) error {
		_, span := tracer.Start(handling, "ship order")
		span.End()
		if r.PartitionKey != group {
			return fmt.Errorf("the record's key is %q, want %q", r.PartitionKey, group)
		}
		if n--; n == 0 {
			go func() { drained <- c.Drain(ctx) }()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return <-drained
}

// serve is a Lambda function. It ends with the runtime that it polls.
func serve(_ context.Context, provider *sdktrace.TracerProvider) error {
	tracer := provider.Tracer("event-function")
	lambda.Start(kinesislambda.Records(func(ctx context.Context, r kinetrail.Record) error {
		_, span := tracer.Start(ctx, "bill order")
		span.End()
		if r.PartitionKey != group {
			return fmt.Errorf("the record's key is %q, want %q", r.PartitionKey, group)
		}
		return nil
	}, func(o *kinesislambda.Options) {
		o.TracerProvider, o.Flush = provider, provider.ForceFlush
		o.FlushTimeout = time.Minute // a quarter of the invocation, on a machine that is busy
	}))
	return nil
}
