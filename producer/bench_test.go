package producer

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/metrics"
)

// instantService accepts everything at once, on the shard it was meant for or,
// where that is not cheaply known, on none.
type instantService struct {
	*fakeService
	accepted *string
}

func (s *instantService) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	out := &kinesis.PutRecordsOutput{Records: make([]types.PutRecordsResultEntry, len(in.Records))}
	for i := range out.Records {
		out.Records[i].SequenceNumber, out.Records[i].ShardId = s.accepted, s.accepted
	}
	return out, nil
}

// BenchmarkPut is what the producer itself costs per record, the SDK and the
// network left out.
func BenchmarkPut(b *testing.B) {
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = fmt.Sprintf("customer-%07d", i)
	}
	data := make([]byte, 100)
	cases := []struct {
		name    string
		options func(*Options)
		record  kinetrail.Record
	}{
		{"Off_PerKey", func(o *Options) {}, kinetrail.Record{}},
		{"Off_BestEffort", func(o *Options) { o.Order = BestEffort }, kinetrail.Record{}},
		{"Off_BestEffort_unlimited", func(o *Options) { o.Order, o.ShardShare = BestEffort, 0 }, kinetrail.Record{}},
		{"SameKey_PerKey", aggregating(SameKey), kinetrail.Record{}},
		{"ByShard_PerKey", aggregating(ByShard), kinetrail.Record{}},
		{"ByShard_PerKey_traced", aggregating(ByShard), kinetrail.Record{Trace: kinetrail.TraceContext{Parent: traceparent}}},
		{"ByShard_PerKey_metered", func(o *Options) { o.Aggregation, o.Metrics = ByShard, metrics.NewMemory() }, kinetrail.Record{}},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			service := &instantService{newFakeService(1), aws.String(shardID(0))}
			p := start(b, service, c.options, func(o *Options) {
				if o.ShardShare > 0 {
					o.ShardShare = 1e6 // the limiter works, and limits nothing
				}
			})
			ctx := b.Context()
			done := func(r Result) {
				if r.Err != nil {
					b.Error(r.Err)
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r := c.record
				r.Data, r.PartitionKey = data, keys[i&(len(keys)-1)]
				i++
				if err := p.PutAsync(ctx, r, done); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Flush(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}
