package producer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// local starts a server with the stream orders of so many shards, and a
// producer on it.
func local(t *testing.T, shards int, opts ...func(*producer.Options)) (*localkinesis.Server, *producer.Producer) {
	t.Helper()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": shards} })
	p, err := producer.New(server.Client(), "orders", append([]func(*producer.Options){quiet}, opts...)...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	return server, p
}

func quiet(o *producer.Options) {
	o.Logger = slog.New(slog.DiscardHandler)
	o.Linger = 0
}

// read is what a reader makes of the stream: containers split, keys and contexts
// restored, in the order of the shards.
func read(t *testing.T, server *localkinesis.Server) []kinetrail.Record {
	t.Helper()
	stored, err := server.Records("orders", "")
	if err != nil {
		t.Fatal(err)
	}
	var records []kinetrail.Record
	for _, s := range stored {
		base := kinetrail.Record{StoredPartitionKey: s.PartitionKey, ShardID: s.ShardID, Data: s.Data, ExplicitHashKey: s.ExplicitHashKey}
		if !aggregate.IsContainer(s.Data) {
			base.Position = kinetrail.At(s.Number.String(), 0)
			tracecarrier.Restore(&base)
			records = append(records, base)
			continue
		}
		users, err := aggregate.Split(s.Data, nil)
		if err != nil {
			t.Fatalf("split container %s: %v", s.Number, err)
		}
		for sub, u := range users {
			r := base
			r.Data, r.Headers, r.ExplicitHashKey, r.StoredPartitionKey = u.Data, u.Headers, u.ExplicitHashKey, u.PartitionKey
			r.Position = kinetrail.At(s.Number.String(), sub)
			tracecarrier.Restore(&r)
			records = append(records, r)
		}
	}
	return records
}

// owner is the shard that a partition key belongs to.
func owner(t *testing.T, server *localkinesis.Server, key string) string {
	t.Helper()
	listed, err := server.Shards("orders")
	if err != nil {
		t.Fatal(err)
	}
	var shards []shardmap.Shard
	for _, s := range listed {
		shards = append(shards, s.Shard)
	}
	m, err := shardmap.New(shards)
	if err != nil {
		t.Fatal(err)
	}
	shard, _ := m.ShardFor(shardmap.HashKeyOf(key))
	return shard.ID
}

func TestEveryCarrierTakesTheContextToTheReader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		carrier   tracecarrier.Carrier
		options   func(*producer.Options)
		connected bool
		restored  bool // the reader sees the original key
		placed    bool // on the shard of the original key
	}{
		{carrier: tracecarrier.Off, restored: true, placed: true},
		{carrier: tracecarrier.PartitionKey, options: func(o *producer.Options) { o.Order = producer.BestEffort }, connected: true},
		{carrier: tracecarrier.Traceparent, connected: true, placed: true},
		{carrier: tracecarrier.Lossless, connected: true, restored: true, placed: true},
		{carrier: tracecarrier.Headers, connected: true, restored: true, placed: true},
		{carrier: tracecarrier.Headers, options: func(o *producer.Options) { o.Aggregation = producer.SameKey }, connected: true, restored: true, placed: true},
		{carrier: tracecarrier.Headers, options: func(o *producer.Options) { o.Aggregation = producer.ByShard }, connected: true, restored: true, placed: true},
	}
	for _, tt := range tests {
		t.Run(string(tt.carrier), func(t *testing.T) {
			t.Parallel()
			spans := tracetest.NewInMemoryExporter()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
			server, p := local(t, 5, func(o *producer.Options) {
				o.Carrier, o.TracerProvider = tt.carrier, provider
				if tt.options != nil {
					tt.options(o)
				}
			})
			ctx, span := provider.Tracer("test").Start(t.Context(), "caller")
			want := span.SpanContext().TraceID().String()
			const n = 20
			for i := range n {
				key := fmt.Sprintf("group-%d", i)
				if _, err := p.Put(ctx, kinetrail.Record{PartitionKey: key, Data: []byte(key)}); err != nil {
					t.Fatalf("Put %s: %v", key, err)
				}
			}
			records := read(t, server)
			if len(records) != n {
				t.Fatalf("%d records in the stream, want %d", len(records), n)
			}
			misplaced := 0
			for _, r := range records {
				key := string(r.Data)
				connected := strings.Contains(r.Trace.Parent, want)
				restored := r.OriginalKeyKnown && r.PartitionKey == key
				if r.ShardID != owner(t, server, key) {
					misplaced++
				}
				if connected != tt.connected || restored != tt.restored {
					t.Errorf("record %s: connected %t, key restored %t; want %t, %t (stored key %q)", key, connected, restored, tt.connected, tt.restored, r.StoredPartitionKey)
				}
			}
			if (misplaced == 0) != tt.placed {
				t.Errorf("%d of %d records lie on another shard than their key's; want that some do: %t", misplaced, n, !tt.placed)
			}
			checkSpans(t, spans.GetSpans(), n, span.SpanContext())
		})
	}
}

// checkSpans looks for a create span per record, child of the caller, and for
// put_records spans that link to all of them.
func checkSpans(t *testing.T, spans tracetest.SpanStubs, records int, caller trace.SpanContext) {
	t.Helper()
	created := map[trace.SpanID]bool{}
	for _, s := range spans {
		if s.Name == "create orders" && s.SpanKind == trace.SpanKindProducer && s.Parent.SpanID() == caller.SpanID() {
			created[s.SpanContext.SpanID()] = false
		}
	}
	for _, s := range spans {
		if s.Name == "put_records orders" && s.SpanKind == trace.SpanKindClient {
			for _, l := range s.Links {
				created[l.SpanContext.SpanID()] = true
			}
		}
	}
	linked := 0
	for _, ok := range created {
		if ok {
			linked++
		}
	}
	if len(created) != records || linked != records {
		t.Errorf("%d create spans, %d of them linked from a request; want %d and %d", len(created), linked, records, records)
	}
}

func TestWithoutASpanNothingIsCarried(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	server, p := local(t, 2, func(o *producer.Options) {
		o.Carrier, o.TracerProvider = tracecarrier.Lossless, sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	})
	if _, err := p.Put(t.Context(), kinetrail.Record{PartitionKey: "a", Data: []byte("b")}); err != nil {
		t.Fatal(err)
	}
	if r := read(t, server)[0]; r.StoredPartitionKey != "a" || !r.Trace.IsZero() || r.ExplicitHashKey != "" {
		t.Errorf("stored key %q, hash key %q, trace %+v; want the record as it was put", r.StoredPartitionKey, r.ExplicitHashKey, r.Trace)
	}
	if n := len(spans.GetSpans()); n != 0 {
		t.Errorf("%d spans were started, want none", n)
	}
}

func TestThePartialFailureOfARequestIsRetriedInOrder(t *testing.T) {
	t.Parallel()
	server, p := local(t, 1)
	server.Faults().Add(mustRule(t, "PutRecords seed=3 records=1 times=4")) // the first calls, of which each but the first repeats a record
	server.Faults().Add(mustRule(t, "PutRecords p=0.5 seed=4 records=1 times=30"))
	const keys, each = 3, 20
	var failures []error
	for i := range each {
		for k := range keys {
			err := p.PutAsync(t.Context(), kinetrail.Record{PartitionKey: fmt.Sprint("key-", k), Data: fmt.Appendf(nil, "%02d", i)},
				func(r producer.Result) { failures = append(failures, r.Err) })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(failures...); err != nil || len(failures) != keys*each {
		t.Fatalf("%d results with errors %v, want %d without", len(failures), err, keys*each)
	}
	got := map[string][]string{}
	for _, r := range read(t, server) {
		got[r.PartitionKey] = append(got[r.PartitionKey], string(r.Data))
	}
	for key, data := range got {
		if len(data) != each || !slices.IsSorted(data) {
			t.Errorf("%s lies in the stream as %v, want 00 to %02d in order", key, data, each-1)
		}
	}
	if hits := server.Faults().Hits()[0].Hits; hits != 4 {
		t.Errorf("%d of the first 4 calls had a failure", hits)
	}
}

func mustRule(t *testing.T, text string) fault.Rule {
	t.Helper()
	rule, err := fault.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return rule
}
