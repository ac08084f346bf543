package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	harlow "github.com/harlow/kinesis-consumer"
)

// harlowGetter reads with github.com/harlow/kinesis-consumer, its pause between
// calls as short as it can be.
type harlowGetter struct {
	api        *kinesis.Client
	stream     string
	aggregated bool
}

func getWithHarlow(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
	return &harlowGetter{api, w.stream, w.stream == "aggregated-100"}, nil
}

func (g *harlowGetter) work(ctx context.Context, records int) (int, error) {
	consumer, err := harlow.New(g.stream,
		harlow.WithClient(g.api),
		harlow.WithShardIteratorType(string(types.ShardIteratorTypeTrimHorizon)),
		harlow.WithScanInterval(time.Nanosecond),
		harlow.WithAggregation(g.aggregated),
	)
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var read atomic.Int64
	err = consumer.Scan(ctx, func(r *harlow.Record) error {
		touch(r.Data)
		if read.Add(1) == int64(records) {
			stop()
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return int(read.Load()), err
}

func (g *harlowGetter) close(context.Context) error { return nil }
