package otelcarrier_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// A span's context goes into a partition key, and comes out on the other side as
// the remote parent of the consumer's spans.
func Example() {
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{0x4b, 0xf9, 0x2f, 0x35, 15: 0x36},
		SpanID:     trace.SpanID{0xf0, 7: 0xb7},
		TraceFlags: trace.FlagsSampled,
	}))
	writer := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	key, hashKey, _ := otelcarrier.Write(ctx, writer, "group-1", "")
	fmt.Println("partition key:", key)
	fmt.Println("hash key:     ", hashKey)

	record := kinetrail.Record{StoredPartitionKey: key}
	tracecarrier.Restore(&record)
	consumerCtx := otelcarrier.ContextWith(context.Background(), record.Trace)
	parent := trace.SpanContextFromContext(consumerCtx)
	fmt.Println("original key: ", record.PartitionKey)
	fmt.Println("parent:       ", parent.TraceID(), parent.SpanID(), parent.IsRemote())

	// Output:
	// partition key: 00-4bf92f35000000000000000000000036-f0000000000000b7-01-k1=group-1
	// hash key:      36878702945378520736626047775679136663
	// original key:  group-1
	// parent:        4bf92f35000000000000000000000036 f0000000000000b7 true
}
