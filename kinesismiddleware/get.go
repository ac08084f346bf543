package kinesismiddleware

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"
)

// readingsKey is where the metadata of a GetRecords response has its readings.
type readingsKey struct{}

// getRecords restores the keys of the response, which nobody has seen yet, and
// keeps what they carried in its metadata.
func (p *Propagation) getRecords(ctx context.Context, in middleware.InitializeInput, input *kinesis.GetRecordsInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleInitialize(ctx, in)
	result, ok := out.Result.(*kinesis.GetRecordsOutput)
	if err != nil || !ok || len(result.Records) == 0 {
		return out, metadata, err
	}
	all, count := restore(result.Records, p.options.JSONPayloads)
	if all != nil {
		metadata.Set(readingsKey{}, all)
	}
	s := p.stream(nil, input.StreamARN)
	s.extracted.Add(count.extracted)
	s.malformed.Add(count.malformed)
	s.unknownVersion.Add(count.unknownVersion)
	return out, metadata, nil
}

// Extract returns ctx with the trace context of a record of a GetRecords
// response as the remote parent of spans to come, and with its baggage. i is the
// index the record had in the response when it came.
//
// It is ctx itself when the record carries no context, when there is no such
// record, and when out is nil or comes from a client without the middleware.
func Extract(ctx context.Context, out *kinesis.GetRecordsOutput, i int) context.Context {
	return readingsOf(out).extract(ctx, i)
}

// StoredKey returns the partition key of a record of a GetRecords response as
// Kinesis stores it, and whether the record's PartitionKey is the producer's
// own. It is not when the stored key carries a context and nothing else:
// PartitionKey is then the stored one. i is as in Extract; without such a record
// the key is empty.
func StoredKey(out *kinesis.GetRecordsOutput, i int) (key string, originalKnown bool) {
	if out == nil {
		return "", false
	}
	return readingsOf(out).storedKey(out.Records, i)
}

func readingsOf(out *kinesis.GetRecordsOutput) readings {
	if out == nil {
		return nil
	}
	all, _ := out.ResultMetadata.Get(readingsKey{}).(readings)
	return all
}
