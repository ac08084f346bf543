package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/consumer"
)

// reader reads with kinetrail's consumer.Read, without a pause between calls.
type reader struct {
	api    *kinesis.Client
	stream string
}

func getWithRead(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
	return &reader{api, w.stream}, nil
}

func (r *reader) work(ctx context.Context, records int) (read int, err error) {
	eager := func(o *consumer.Options) { o.PollInterval = 0 }
	for record, err := range consumer.Read(ctx, r.api, r.stream, eager) {
		if err != nil {
			return read, err
		}
		touch(record.Data)
		if read++; read >= records {
			break
		}
	}
	return read, nil
}

func (r *reader) close(context.Context) error { return nil }
