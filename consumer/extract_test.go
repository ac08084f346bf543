package consumer_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

func TestWithoutExtractionRecordsAreHandedOnAsTheyAreStored(t *testing.T) {
	t.Parallel()
	const traceparent = "00-" + traceA + "-" + spanA + "-01"
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: "user", Data: []byte("y"), Headers: []kinetrail.Header{{Name: "traceparent", Value: traceparent}}})
	b.Add(&aggregate.UserRecord{PartitionKey: traceparent, Data: []byte("z")})
	stream := newFakeStream(1)
	stream.put(0, traceparent+"-k1=customer", []byte("x"))
	stream.put(0, traceparent, b.AppendTo(nil))
	type key struct{ own, stored, parent string }
	tests := []struct {
		extract bool
		want    []key
	}{
		{true, []key{{"customer", traceparent + "-k1=customer", traceparent}, {"user", traceparent, traceparent}, {traceparent, traceparent, traceparent}}},
		{false, []key{{traceparent + "-k1=customer", traceparent + "-k1=customer", ""}, {"user", traceparent, ""}, {traceparent, traceparent, ""}}},
	}
	for _, tt := range tests {
		var got []key
		seen := make(chan struct{})
		worker := start(t, stream, memlease.New(), func(ctx context.Context, r kinetrail.Record) error {
			got = append(got, key{r.PartitionKey, r.StoredPartitionKey, r.Trace.Parent})
			if in := trace.SpanContextFromContext(ctx).IsValid(); in != tt.extract || !r.OriginalKeyKnown {
				t.Errorf("extract %t: a context in ctx %t, key %q known %t; want %t and a known key", tt.extract, in, r.PartitionKey, r.OriginalKeyKnown, tt.extract)
			}
			if len(got) == len(tt.want) {
				close(seen)
			}
			return nil
		}, func(o *consumer.Options) { o.Extract, o.Propagator = tt.extract, propagation.TraceContext{} })
		<-seen
		worker.drain(t)
		for i := range tt.want {
			if got[i] != tt.want[i] {
				t.Errorf("extract %t: record %d is %+v; want %+v", tt.extract, i, got[i], tt.want[i])
			}
		}
	}
}
