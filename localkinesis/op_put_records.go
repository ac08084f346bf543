package localkinesis

import (
	"fmt"
	"sync"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
	"github.com/kinetrail/kinetrail/shardmap"
)

var putRecords = &operation{name: "PutRecords", serve: func(c *call) (any, error) {
	in := putRecordsInputs.Get().(*wire.PutRecordsInput)
	defer func() {
		in.Reset()
		putRecordsInputs.Put(in)
	}()
	if !wire.ReadPutRecords(c.codec, c.body, in) {
		in.Reset()
		if err := c.readPut(in, putRecordsAim{in}.stream); err != nil {
			return nil, err
		}
	}
	return c.perform(putRecordsAim{in}, func() (any, error) { return c.putRecords(in) })
}}

var putRecordsInputs = sync.Pool{New: func() any { return new(wire.PutRecordsInput) }}

type putRecordsAim struct{ *wire.PutRecordsInput }

func (in putRecordsAim) stream() streamRef {
	return streamRef{StreamName: in.StreamName, StreamARN: in.StreamARN}
}

func (in putRecordsAim) aim(c *call) aim {
	stream, err := c.stream(in.stream())
	if err != nil {
		return aim{}
	}
	shards := make([]string, len(in.Records))
	for i, e := range in.Records {
		shards[i] = shardOf(stream, keyOf(e.PartitionKey), e.ExplicitHashKey)
	}
	return aim{stream: stream.Name, shards: shards}
}

func (c *call) putRecords(in *wire.PutRecordsInput) (any, error) {
	stream, err := c.stream(putRecordsAim{in}.stream())
	if err != nil {
		return nil, err
	}
	explicit, err := checkEntries(stream, in.Records)
	if err != nil {
		return nil, err
	}
	if wants(in.DryRun) {
		return nil, errDryRun()
	}
	if err := stream.MustTakeRecords(); err != nil {
		return nil, err
	}
	out := &wire.PutRecordsOutput{Records: make([]wire.PutResult, len(in.Records)), Encrypted: stream.Encrypted()}
	records := make([]state.NewRecord, len(in.Records))
	for i := range in.Records {
		e, r := &in.Records[i], &records[i]
		r.PartitionKey, r.Data = keyOf(e.PartitionKey), e.Data
		if explicit != nil {
			r.ExplicitHashKey = explicit[i]
		}
		if failure, failed := c.effects.Failed[i]; failed {
			r.Err = c.failedRecord(stream, stream.Route(r.PartitionKey, r.ExplicitHashKey), failure)
		}
	}
	stream.PutAll(c.At, records)
	for i := range records {
		r := &records[i]
		if r.Err != nil {
			out.FailedRecordCount++
			refused := asWireError(r.Err)
			out.Records[i] = wire.PutResult{ErrorCode: refused.Code, ErrorMessage: refused.Message}
			continue
		}
		out.Records[i] = wire.PutResult{ShardID: r.Shard.ID, Number: r.Number}
	}
	return out, nil
}

// failedRecord is the error of a record that a fault keeps from being stored.
func (c *call) failedRecord(stream *state.Stream, shard *state.Shard, f fault.Failure) error {
	message := f.Message
	if message == "" {
		message = c.usualMessage(f.Error, aim{stream: stream.Name, shards: []string{shard.ID}})
	}
	return &wire.Error{Code: f.Error, Message: message}
}

// checkEntries applies the limits on sizes and reads the explicit hash keys,
// nil when no record has one.
func checkEntries(stream *state.Stream, entries []wire.PutRecordsRequestEntry) (explicit []*shardmap.HashKey, err error) {
	size := 0
	for i := range entries {
		e := &entries[i]
		key := keyOf(e.PartitionKey)
		size += len(e.Data) + len(key)
		if len(e.Data)+len(key) > stream.MaxRecordBytes() {
			return nil, checkRecordSize(stream, key, e.Data, fmt.Sprintf("records.%d.member.data", i+1))
		}
		if e.ExplicitHashKey == nil {
			continue
		}
		if explicit == nil {
			explicit = make([]*shardmap.HashKey, len(entries))
		}
		if explicit[i], err = explicitHashKey(e.ExplicitHashKey); err != nil {
			return nil, err
		}
	}
	if size > kinetrail.MaxPutRecordsBytes {
		return nil, wire.Refuse(state.InvalidArgument, "Records size exceeds %d MB limit", kinetrail.MaxPutRecordsBytes>>20)
	}
	return explicit, nil
}
