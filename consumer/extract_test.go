package consumer_test

import (
	"context"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
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

func TestJSONPayloadsAreReadOnRequestAndStayAsTheyAre(t *testing.T) {
	t.Parallel()
	const own, others = "00-" + traceA + "-" + spanA + "-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	payload := []byte(`{"order":7,"traceparent":"` + others + `"}`)
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: "user", Data: payload})
	b.Add(&aggregate.UserRecord{PartitionKey: "user", Data: payload, Headers: []kinetrail.Header{{Name: "traceparent", Value: own}}})
	stream := newFakeStream(1)
	stream.put(0, "customer", payload)
	stream.put(0, own+"-k1=customer", payload)
	stream.put(0, "customer", []byte("no JSON"))
	stream.put(0, "customer", b.AppendTo(nil))
	for _, tt := range []struct {
		asked     bool
		want      []string // the contexts of the records
		extracted int64
	}{
		{false, []string{"", own, "", "", own}, 2},
		{true, []string{others, own, "", others, own}, 4},
	} {
		sink := metrics.NewMemory()
		var got []string
		for r, err := range consumer.Read(t.Context(), stream, "orders", func(o *consumer.Options) {
			o.JSONPayloads, o.Metrics, o.StopAtTip = tt.asked, sink, true
		}) {
			if err != nil {
				t.Fatal(err)
			}
			if data := string(r.Data); data != string(payload) && data != "no JSON" {
				t.Errorf("JSONPayloads %t: Data = %s; want it unchanged", tt.asked, data)
			}
			got = append(got, r.Trace.Parent)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("JSONPayloads %t: the contexts are %q; want %q", tt.asked, got, tt.want)
		}
		var inGroup []string
		seen := make(chan struct{})
		worker := start(t, stream, memlease.New(), func(_ context.Context, r kinetrail.Record) error {
			if inGroup = append(inGroup, r.Trace.Parent); len(inGroup) == len(tt.want) {
				close(seen)
			}
			return nil
		}, func(o *consumer.Options) { o.JSONPayloads = tt.asked })
		<-seen
		worker.drain(t)
		if !slices.Equal(inGroup, tt.want) {
			t.Errorf("JSONPayloads %t: the contexts in a group are %q; want %q", tt.asked, inGroup, tt.want)
		}
		if n := sink.Counters()["trace_extracted_total{stream_name=orders}"]; n != tt.extracted {
			t.Errorf("JSONPayloads %t: trace_extracted_total is %d; want %d", tt.asked, n, tt.extracted)
		}
	}
}
