package kinesismiddleware_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Goroutines put one struct of the caller's, read what is there, and change the
// carrier, all at the same time. The race detector looks at the rest.
func TestPutsReadsAndSetCarrierRunTogether(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, application := p.span(t)
	shared := batch(storedKeys("group-1", "group-2", otherParent+"-k1=inner")...)
	iterator := p.iterator(t, firstShard)
	const workers, rounds = 4, 20

	put := func(n int) error {
		c := []tracecarrier.Carrier{tracecarrier.Lossless, tracecarrier.Traceparent}[n%2]
		if err := p.propagation.SetCarrier(c); err != nil {
			return err
		}
		_, err := p.PutRecords(ctx, shared)
		return err
	}
	read := func() error {
		page, err := p.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator})
		if err != nil {
			return err
		}
		for i, r := range page.Records {
			carried := trace.SpanContextFromContext(kinesismiddleware.Extract(t.Context(), page, i))
			_, known := kinesismiddleware.StoredKey(page, i)
			original := slices.ContainsFunc(shared.Records, func(e types.PutRecordsRequestEntry) bool { return *e.PartitionKey == *r.PartitionKey })
			if carried.TraceID() != application.TraceID() || known != original {
				return fmt.Errorf("record %d has the key %q (known: %t) and the trace %s, want trace %s", i, *r.PartitionKey, known, carried.TraceID(), application.TraceID())
			}
		}
		return nil
	}
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() {
			for range rounds {
				if err := put(n); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
		all.Go(func() {
			for range rounds {
				if err := read(); err != nil {
					t.Errorf("read: %v", err)
				}
			}
		})
	}
	all.Wait()

	want := storedKeys("group-1", "group-2", otherParent+"-k1=inner")
	for i := range want {
		if *shared.Records[i].PartitionKey != *want[i].PartitionKey || *shared.Records[i].ExplicitHashKey != "0" {
			t.Errorf("the caller's record %d has the key %q now, want %q", i, *shared.Records[i].PartitionKey, *want[i].PartitionKey)
		}
	}
	if got := p.counters(t)["trace_injected_total{stream_name=orders}"]; got != 3*workers*rounds {
		t.Errorf("counted %d injected, want %d", got, 3*workers*rounds)
	}
}
