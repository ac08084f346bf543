package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// reader reads with kinetrail's consumer, without a pause between calls.
type reader struct {
	api     *kinesis.Client
	stream  string
	options []func(*consumer.Options)
}

func newReader(api *kinesis.Client, w *workload, options []func(*consumer.Options)) reader {
	// The service speaks CBOR; that the server here does as well is not to be
	// seen from its address.
	eager := func(o *consumer.Options) { o.PollInterval, o.Wire = 0, kinesisprotocol.CBOR }
	return reader{api, w.stream, append([]func(*consumer.Options){eager}, options...)}
}

func withoutExtraction(o *consumer.Options) { o.Extract = false }

func inJSON(o *consumer.Options) { o.Wire = kinesisprotocol.JSON }

// getWithRead ranges over consumer.Read.
func getWithRead(options ...func(*consumer.Options)) func(context.Context, *kinesis.Client, *workload) (worker, error) {
	return func(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
		return readLoop{newReader(api, w, options)}, nil
	}
}

type readLoop struct{ reader }

func (r readLoop) work(ctx context.Context, records int) (read int, err error) {
	for record, err := range consumer.Read(ctx, r.api, r.stream, r.options...) {
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

func (r reader) close(context.Context) error { return nil }

// getWithRun lets a group of one worker handle the records, with leases and
// checkpoints in memory and a handler that does nothing.
func getWithRun(options ...func(*consumer.Options)) func(context.Context, *kinesis.Client, *workload) (worker, error) {
	return func(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
		return group{reader: newReader(api, w, options)}, nil
	}
}

// getWithAskingRun is getWithRun with a handler that asks its ctx for the record's
// span context, as one that makes spans of its own does.
func getWithAskingRun(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
	return group{reader: newReader(api, w, nil), asks: true}, nil
}

type group struct {
	reader

	asks bool
}

func (g group) work(ctx context.Context, records int) (int, error) {
	c, err := consumer.New(g.api, g.stream, memlease.New(), g.options...)
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var read atomic.Int64
	err = c.Run(ctx, func(ctx context.Context, r kinetrail.Record) error {
		touch(r.Data)
		if g.asks && !trace.SpanContextFromContext(ctx).IsValid() {
			return errors.New("a record without a context")
		}
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
