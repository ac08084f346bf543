package main

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/awslabs/kinesis-aggregation/go/v2/deaggregator"

	"github.com/kinetrail/kinetrail/bench/nullkinesis"
)

// sdkGetter is the loop around GetRecords that one writes with the plain SDK,
// one goroutine a shard.
type sdkGetter struct {
	api     *kinesis.Client
	stream  string
	split   func([]types.Record) ([]types.Record, error)
	options []func(*kinesis.Options)
}

func plainRecords(records []types.Record) ([]types.Record, error) { return records, nil }

func deaggregated(records []types.Record) ([]types.Record, error) {
	return deaggregator.DeaggregateRecords(records)
}

func getWithSDK(split func([]types.Record) ([]types.Record, error), options ...func(*kinesis.Options)) func(context.Context, *kinesis.Client, *workload) (worker, error) {
	return func(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
		return &sdkGetter{api: api, stream: w.stream, split: split, options: options}, nil
	}
}

func (g *sdkGetter) work(ctx context.Context, records int) (int, error) {
	var shards sync.WaitGroup
	var read [nullkinesis.Shards]int
	var errs [nullkinesis.Shards]error
	for shard := range nullkinesis.Shards {
		shards.Go(func() { read[shard], errs[shard] = g.shard(ctx, shard, records/nullkinesis.Shards) })
	}
	shards.Wait()
	total := 0
	for shard := range nullkinesis.Shards {
		if errs[shard] != nil {
			return 0, errs[shard]
		}
		total += read[shard]
	}
	return total, nil
}

func (g *sdkGetter) close(context.Context) error { return nil }

func (g *sdkGetter) shard(ctx context.Context, shard, records int) (read int, err error) {
	id := nullkinesis.ShardID(shard)
	opened, err := g.api.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: &g.stream, ShardId: &id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return 0, err
	}
	for iterator := opened.ShardIterator; read < records; {
		out, err := g.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator}, g.options...)
		if err != nil {
			return read, err
		}
		all, err := g.split(out.Records)
		if err != nil {
			return read, err
		}
		for i := range all {
			touch(all[i].Data)
		}
		read += len(all)
		iterator = out.NextShardIterator
	}
	return read, nil
}

// touch is what every consumer does with a record: it reads its first and its
// last byte. It is not inlined, so that the compiler cannot leave that out.
//
//go:noinline
func touch(data []byte) byte {
	return data[0] ^ data[len(data)-1]
}
