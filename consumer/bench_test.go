package consumer_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// endless serves one page again and again, so that nothing but the consumer
// costs anything.
type endless struct {
	*fakeStream

	out *kinesis.GetRecordsOutput
}

func (a endless) GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	out := *a.out
	return &out, nil
}

// fullPage is a page of a thousand records, or of a thousand user records in ten
// containers.
func fullPage(key string, aggregated bool, headers ...kinetrail.Header) *kinesis.GetRecordsOutput {
	out := &kinesis.GetRecordsOutput{NextShardIterator: aws.String("next"), MillisBehindLatest: aws.Int64(1000)}
	add := func(data []byte) {
		out.Records = append(out.Records, types.Record{
			Data: data, PartitionKey: &key, ApproximateArrivalTimestamp: aws.Time(time.Unix(1_700_000_000, 0)),
			SequenceNumber: aws.String("49590338271490256608559692538361571095921575989136588" + strconv.Itoa(len(out.Records))),
		})
	}
	payload := make([]byte, 100)
	if !aggregated {
		for range 1000 {
			add(payload)
		}
		return out
	}
	for range 10 {
		var b aggregate.Builder
		for i := range 100 {
			b.Add(&aggregate.UserRecord{PartitionKey: fmt.Sprint("customer-", i%10), Data: payload, Headers: headers})
		}
		add(b.AppendTo(nil))
	}
	return out
}

// BenchmarkRun measures what a consumer adds to a record behind the SDK's
// decoding: deaggregate, extract, dispatch, checkpoint.
func BenchmarkRun(b *testing.B) {
	traceparent := "00-" + traceA + "-" + spanA + "-01"
	for _, bm := range []struct {
		name   string
		out    *kinesis.GetRecordsOutput
		perKey int
	}{
		{"plain", fullPage("customer-1", false), 1},
		{"plain per key", fullPage("customer-1", false), 4},
		{"plain with a context in the key", fullPage(traceparent+"-k1=customer-1", false), 1},
		{"aggregated", fullPage("a", true), 1},
		{"aggregated with a context in headers", fullPage("a", true, kinetrail.Header{Name: "traceparent", Value: traceparent}), 1},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			c, err := consumer.New(endless{newFakeStream(1), bm.out}, "orders", memlease.New(), quiet, fast,
				func(o *consumer.Options) { o.PerKey = bm.perKey })
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var mu sync.Mutex
			n := 0
			b.ResetTimer()
			_ = c.Run(ctx, func(context.Context, kinetrail.Record) error {
				mu.Lock()
				defer mu.Unlock()
				if n++; n >= b.N {
					cancel()
				}
				return nil
			})
		})
	}
}
