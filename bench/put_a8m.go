package main

import (
	"context"
	"errors"
	"io"
	"log"

	a8m "github.com/a8m/kinesis-producer"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	v1 "github.com/aws/aws-sdk-go/service/kinesis"

	"github.com/kinetrail/kinetrail"
)

// a8mPutter puts with github.com/a8m/kinesis-producer v0.2.0. That release
// knows the AWS SDK v1 only, so a bridge gives its requests, which are few and
// large, to the same SDK as everybody's.
type a8mPutter struct {
	producer *a8m.Producer
	bridge   *a8mBridge
	load     *load
}

func putWithA8M(ctx context.Context, api *kinesis.Client, w *workload) (worker, error) {
	p := &a8mPutter{bridge: &a8mBridge{ctx: ctx, api: api}, load: newLoad(w.bytes)}
	p.start(w.stream)
	return p, nil
}

func (p *a8mPutter) start(stream string) {
	p.bridge.stream = stream
	p.producer = a8m.New(&a8m.Config{
		StreamName: stream,
		Client:     p.bridge,
		Logger:     &a8m.StdLogger{Logger: log.New(io.Discard, "", 0)},
	})
	p.producer.Start()
}

// work ends with a Stop, the only way to wait until everything is sent.
func (p *a8mPutter) work(_ context.Context, records int) (int, error) {
	failures := p.producer.NotifyFailures()
	err := spread(records, kinetrail.MaxPutRecords, func(_, from, to int) error {
		for i := from; i < to; i++ {
			if err := p.producer.Put(p.load.data(i), p.load.key(i)); err != nil {
				return err
			}
		}
		return nil
	})
	p.producer.Stop()
	select {
	case failure, open := <-failures:
		if open {
			err = errors.Join(err, failure)
		}
	default:
	}
	p.start(p.bridge.stream)
	return records, err
}

func (p *a8mPutter) close(context.Context) error {
	p.producer.Stop()
	return nil
}

// a8mBridge is the SDK v2 for a library that speaks v1.
type a8mBridge struct {
	ctx    context.Context
	api    *kinesis.Client
	stream string
}

func (b *a8mBridge) PutRecords(in *v1.PutRecordsInput) (*v1.PutRecordsOutput, error) {
	entries := make([]types.PutRecordsRequestEntry, len(in.Records))
	for i, r := range in.Records {
		entries[i] = types.PutRecordsRequestEntry{Data: r.Data, PartitionKey: r.PartitionKey, ExplicitHashKey: r.ExplicitHashKey}
	}
	if err := putAll(b.ctx, b.api, b.stream, entries); err != nil {
		return nil, err
	}
	none := int64(0)
	return &v1.PutRecordsOutput{FailedRecordCount: &none}, nil
}
