package localkinesis

import (
	"sync"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
	"github.com/kinetrail/kinetrail/shardmap"
)

var putRecord = &operation{name: "PutRecord", serve: func(c *call) (any, error) {
	in := putRecordInputs.Get().(*wire.PutRecordInput)
	defer func() {
		in.Reset()
		putRecordInputs.Put(in)
	}()
	if !wire.ReadPutRecord(c.codec, c.body, in) {
		in.Reset()
		if err := c.readPut(in, putRecordAim{in}.stream); err != nil {
			return nil, err
		}
	}
	return c.perform(putRecordAim{in}, func() (any, error) { return c.putRecord(in) })
}}

var putRecordInputs = sync.Pool{New: func() any { return new(wire.PutRecordInput) }}

type putRecordAim struct{ *wire.PutRecordInput }

func (in putRecordAim) stream() streamRef {
	return streamRef{StreamName: in.StreamName, StreamARN: in.StreamARN}
}

func (in putRecordAim) aim(c *call) aim {
	stream, err := c.stream(in.stream())
	if err != nil {
		return aim{}
	}
	return aim{stream: stream.Name, shards: []string{shardOf(stream, keyOf(in.PartitionKey), in.ExplicitHashKey)}}
}

// readPut reads the input of a put, in which a partition key may be missing
// where the stream places records by itself.
func (c *call) readPut(in any, ref func() streamRef) error {
	if err := c.bind(in); err != nil {
		return err
	}
	if stream, err := c.stream(ref()); err == nil && stream.AutoDistribute() {
		return wire.Validate(in, "PartitionKey")
	}
	return wire.Validate(in)
}

// keyOf is the partition key of a record, empty when there is none.
func keyOf(key *string) string {
	if key == nil {
		return ""
	}
	return *key
}

// shardOf is the ID of the shard a record would go to.
func shardOf(stream *state.Stream, key string, explicit *string) string {
	hash, err := explicitHashKey(explicit)
	if err != nil {
		return ""
	}
	return stream.Route(key, hash).ID
}

func (c *call) putRecord(in *wire.PutRecordInput) (any, error) {
	stream, err := c.stream(putRecordAim{in}.stream())
	if err != nil {
		return nil, err
	}
	key := keyOf(in.PartitionKey)
	if err := checkRecordSize(stream, key, in.Data, "data"); err != nil {
		return nil, err
	}
	explicit, err := explicitHashKey(in.ExplicitHashKey)
	if err != nil {
		return nil, err
	}
	if err := c.checkOrdering(stream, in.SequenceNumberForOrdering); err != nil {
		return nil, err
	}
	if wants(in.DryRun) {
		return nil, errDryRun()
	}
	if err := stream.MustTakeRecords(); err != nil {
		return nil, err
	}
	shard, number, err := stream.Put(c.At, key, explicit, in.Data)
	if err != nil {
		return nil, err
	}
	return &wire.PutRecordOutput{ShardID: shard.ID, Number: number, Encrypted: stream.Encrypted()}, nil
}

// checkRecordSize applies the stream's own limit, data and key together.
func checkRecordSize(stream *state.Stream, key string, data []byte, member string) error {
	if limit := stream.MaxRecordBytes(); len(data)+len(key) > limit {
		return wire.Refuse(state.Validation, "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]' at '%s' "+
			"failed to satisfy constraint: Member must have length less than or equal to %d", len(data), len(data), member, limit)
	}
	return nil
}

// explicitHashKey reads an ExplicitHashKey, nil when there is none.
func explicitHashKey(text *string) (*shardmap.HashKey, error) {
	if text == nil {
		return nil, nil
	}
	key, err := shardmap.ParseHashKey(*text)
	if err != nil {
		return nil, wire.Refuse(state.InvalidArgument, "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", *text)
	}
	return &key, nil
}

// checkOrdering looks at a SequenceNumberForOrdering. Numbers of a shard grow
// with every record, so one that was given out is always behind the next.
func (c *call) checkOrdering(stream *state.Stream, text *string) error {
	if text == nil {
		return nil
	}
	number, err := sequence.Parse(*text)
	if err != nil || number.Time > c.At.Unix() || stream.ShardAt(number.Shard) == nil {
		return wire.Refuse(state.InvalidArgument, "ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.",
			*text, stream.Name, c.server.options.Account)
	}
	return nil
}

// wants is the value of an optional flag.
func wants(flag *bool) bool { return flag != nil && *flag }

// errDryRun is the answer to a dry run that passed every check.
func errDryRun() error {
	return wire.Refuse("DryRunOperationException", "The request would have succeeded, but the DryRun parameter was set.")
}
