package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
)

// sdkPutter is what one writes with the plain SDK: 500 records a call, from
// slices that are used again.
type sdkPutter struct {
	api     *kinesis.Client
	stream  string
	load    *load
	options []func(*kinesis.Options)
	entries [putters][]types.PutRecordsRequestEntry
}

func withOurProtocol(o *kinesis.Options) { kinesisprotocol.Install(o) }

func putWithSDK(options ...func(*kinesis.Options)) func(context.Context, *kinesis.Client, *workload) (worker, error) {
	return func(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
		p := &sdkPutter{api: api, stream: w.stream, load: newLoad(w.bytes), options: options}
		for i := range p.entries {
			p.entries[i] = make([]types.PutRecordsRequestEntry, 0, kinetrail.MaxPutRecords)
		}
		return p, nil
	}
}

func (p *sdkPutter) work(ctx context.Context, records int) (int, error) {
	return records, spread(records, kinetrail.MaxPutRecords, func(putter, from, to int) error {
		entries := p.entries[putter][:0]
		for i := from; i < to; i++ {
			entries = append(entries, types.PutRecordsRequestEntry{Data: p.load.data(i), PartitionKey: p.load.key(i)})
		}
		return putAll(ctx, p.api, p.stream, entries, p.options...)
	})
}

func (p *sdkPutter) close(context.Context) error { return nil }

// putAll puts entries and fails unless all are accepted.
func putAll(ctx context.Context, api *kinesis.Client, stream string, entries []types.PutRecordsRequestEntry, options ...func(*kinesis.Options)) error {
	out, err := api.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &stream, Records: entries}, options...)
	if err != nil {
		return err
	}
	if len(out.Records) != len(entries) {
		return fmt.Errorf("%d records were put and %d answered", len(entries), len(out.Records))
	}
	for i := range out.Records {
		if code := out.Records[i].ErrorCode; code != nil {
			return fmt.Errorf("record %d was refused: %s", i, *code)
		}
	}
	return nil
}
