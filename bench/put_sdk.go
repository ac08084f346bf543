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
	sides   [putters]sdkSide
}

// sdkSide is what one goroutine uses again for every call. The keys lie there
// because the SDK wants pointers to them.
type sdkSide struct {
	keys    [kinetrail.MaxPutRecords]string
	entries [kinetrail.MaxPutRecords]types.PutRecordsRequestEntry
}

// withJSON and withCBOR are the two forms of kinesisprotocol.
func withJSON(o *kinesis.Options) { kinesisprotocol.Install(o) }

var withCBOR = kinesisprotocol.With(kinesisprotocol.CBOR)

func putWithSDK(options ...func(*kinesis.Options)) func(context.Context, *kinesis.Client, *workload) (worker, error) {
	return func(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
		return &sdkPutter{api: api, stream: w.stream, load: newLoad(w.bytes), options: options}, nil
	}
}

func (p *sdkPutter) work(ctx context.Context, records int) (int, error) {
	return records, spread(records, kinetrail.MaxPutRecords, func(putter, from, to int) error {
		side := &p.sides[putter]
		for i := from; i < to; i++ {
			at := i - from
			side.keys[at] = p.load.key(i)
			side.entries[at] = types.PutRecordsRequestEntry{Data: p.load.data(i), PartitionKey: &side.keys[at]}
		}
		return putAll(ctx, p.api, p.stream, side.entries[:to-from], p.options...)
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
