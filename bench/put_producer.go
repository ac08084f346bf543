package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// producerPutter puts with kinetrail's producer. Its options are the defaults
// and what the client's name says; only the quota of the four shards does not
// hold it back, though it is watched, and it speaks CBOR, as it does to the
// service unless told otherwise.
type producerPutter struct {
	producer *producer.Producer
	load     *load
	traced   bool
	failed   atomic.Pointer[error]
	done     func(producer.Result)
}

func bestEffort(o *producer.Options) { o.Order = producer.BestEffort }
func byShard(o *producer.Options)    { o.Aggregation = producer.ByShard }
func inKeys(o *producer.Options)     { o.Carrier = tracecarrier.Lossless }

// withoutSpans carries the contexts of the callers.
func withoutSpans(o *producer.Options) { o.CreateSpans = false }

// withUnsampledSpans and withSampledSpans start a span for each record. Sampled
// ones are recorded and thrown away: what an exporter costs is its own affair.
func withUnsampledSpans(o *producer.Options) { o.TracerProvider = provider(sdktrace.NeverSample()) }
func withSampledSpans(o *producer.Options)   { o.TracerProvider = provider(sdktrace.AlwaysSample()) }

func provider(sampler sdktrace.Sampler) *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithSpanProcessor(discard{}))
}

// discard is a processor that wants spans to be recorded and does nothing with
// them.
type discard struct{}

func (discard) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (discard) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (discard) Shutdown(context.Context) error                  { return nil }
func (discard) ForceFlush(context.Context) error                { return nil }

func putWithProducer(options ...func(*producer.Options)) func(context.Context, *kinesis.Client, *workload) (worker, error) {
	return func(ctx context.Context, api *kinesis.Client, w *workload) (worker, error) {
		p := &producerPutter{load: newLoad(w.bytes)}
		p.done = func(r producer.Result) {
			if r.Err != nil {
				p.fail(r.Err)
			}
		}
		unlimited := func(o *producer.Options) { o.ShardShare, o.Wire, o.StartContext = 1e6, kinesisprotocol.CBOR, ctx }
		observed := func(o *producer.Options) { p.traced = !o.CreateSpans || o.TracerProvider != nil }
		var err error
		p.producer, err = producer.New(api, w.stream, append(append([]func(*producer.Options){unlimited}, options...), observed)...)
		if err != nil {
			return nil, err
		}
		if p.traced {
			p.load.trace()
		}
		return p, nil
	}
}

func (p *producerPutter) work(ctx context.Context, records int) (int, error) {
	err := spread(records, kinetrail.MaxPutRecords, func(_, from, to int) error {
		for i := from; i < to; i++ {
			caller := ctx
			if p.traced {
				caller = p.load.context(i)
			}
			r := kinetrail.Record{Data: p.load.data(i), PartitionKey: p.load.key(i)}
			if err := p.producer.PutAsync(caller, r, p.done); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = p.producer.Flush(ctx)
	}
	if failed := p.failed.Load(); err == nil && failed != nil {
		err = fmt.Errorf("a record was rejected: %w", *failed)
	}
	return records, err
}

func (p *producerPutter) fail(err error) { p.failed.CompareAndSwap(nil, &err) }

func (p *producerPutter) close(ctx context.Context) error { return p.producer.Close(ctx) }
