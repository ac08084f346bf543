package kinesismiddleware

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// reading is what was found in one record, zero when nothing was.
type reading struct {
	storedKey string // empty when the record's key is as it was
	keyKnown  bool   // the record has its producer's key back
	trace     kinetrail.TraceContext
}

// readings are those of all records of a page, nil when nothing was found.
type readings []reading

// found counts what restore met.
type found struct{ extracted, malformed, unknownVersion int64 }

// restore gives records their own keys back, in place. A record whose key
// carries no context is searched for one in its payload, if asked to.
func restore(records []types.Record, jsonPayloads bool) (all readings, count found) {
	for i := range records {
		key := tracecarrier.Read(aws.ToString(records[i].PartitionKey))
		if key.Trace.IsZero() && jsonPayloads {
			key.Trace, _ = tracecarrier.FromJSON(records[i].Data)
		}
		if key.Malformed {
			count.malformed++
		}
		if !key.Trace.IsZero() {
			count.extracted++
		}
		if key.Form == tracecarrier.FormUnknownVersion {
			count.unknownVersion++
		}
		if key.Form == tracecarrier.FormPlain && key.Trace.IsZero() {
			continue
		}
		if all == nil {
			all = make(readings, len(records))
		}
		all[i].trace = key.Trace
		if key.Form != tracecarrier.FormPlain {
			all[i].storedKey, all[i].keyKnown = *records[i].PartitionKey, key.OriginalKeyKnown
			records[i].PartitionKey = aws.String(key.PartitionKey)
		}
	}
	return all, count
}

// extract returns ctx with the context of record i, or ctx itself when it has
// none.
func (r readings) extract(ctx context.Context, i int) context.Context {
	if i < 0 || i >= len(r) {
		return ctx
	}
	return otelcarrier.ContextWith(ctx, r[i].trace)
}

// storedKey returns the key of record i of the page as it is stored, and whether
// the record has its producer's key.
func (r readings) storedKey(records []types.Record, i int) (key string, originalKnown bool) {
	switch {
	case i < 0 || i >= len(records):
		return "", false
	case i < len(r) && r[i].storedKey != "":
		return r[i].storedKey, r[i].keyKnown
	}
	return aws.ToString(records[i].PartitionKey), true
}
