package localkinesis

import (
	"errors"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type getShardIteratorInput struct {
	streamRef
	ShardId                *string `shape:"ShardId,required"`
	ShardIteratorType      *string `shape:"ShardIteratorType,required"`
	StartingSequenceNumber *string `shape:"SequenceNumber"`
	Timestamp              *time.Time
	DryRun                 *bool
}

func (in *getShardIteratorInput) aim(c *call) aim {
	a := in.streamRef.aim(c)
	a.shards = []string{*in.ShardId}
	return a
}

type getShardIteratorOutput struct {
	ShardIterator string
}

var getShardIterator = define("GetShardIterator", func(c *call, in *getShardIteratorInput) (any, error) {
	stream, shard, err := c.shardToRead(in)
	if err != nil {
		return nil, err
	}
	start := startingPosition{kind: *in.ShardIteratorType, number: in.StartingSequenceNumber, timestamp: in.Timestamp}
	next, err := start.locate(c, stream, shard, "GetShardIterator")
	if err != nil {
		return nil, err
	}
	if wants(in.DryRun) {
		return nil, errDryRun()
	}
	return &getShardIteratorOutput{
		ShardIterator: c.server.sealer.SealIterator(stream.Iterator(shard, next, c.At)),
	}, nil
})

// shardToRead finds the shard. In this operation the service looks at the form
// of the ID first, and says of a shard what others say of the stream when that is
// not there.
func (c *call) shardToRead(in *getShardIteratorInput) (*state.Stream, *state.Shard, error) {
	stream, err := c.stream(in.streamRef)
	var refused *state.Error
	if err != nil && !(errors.As(err, &refused) && refused.Code == state.ResourceNotFound) {
		return nil, nil, err
	}
	name, account := in.aim(c).stream, c.server.options.Account
	index, ok := state.ShardIndex(*in.ShardId)
	if !ok {
		return nil, nil, wire.Refuse(state.ResourceNotFound, "Could not find shard %s in stream %s under account %s.", *in.ShardId, name, account)
	}
	if stream != nil {
		if shard := stream.ShardAt(index); shard != nil {
			return stream, shard, nil
		}
	}
	return nil, nil, wire.Refuse(state.ResourceNotFound, "Shard %s in stream %s under account %s does not exist", state.ShardID(index), name, account)
}

// startingPosition is where a reader wants to begin.
type startingPosition struct {
	kind      string
	number    *string
	timestamp *time.Time
}

// locate is the counter of the record to begin with. api is the operation that
// asks.
func (p startingPosition) locate(c *call, stream *state.Stream, shard *state.Shard, api string) (uint64, error) {
	switch p.kind {
	case "TRIM_HORIZON", "LATEST":
		if p.number != nil {
			return 0, p.refuseNumber("and also a")
		}
		if p.kind == "LATEST" {
			return shard.Tip(), nil
		}
		return 0, nil
	case "AT_TIMESTAMP":
		return p.locateTime(c, shard)
	}
	if p.number == nil {
		return 0, p.refuseNumber("and no")
	}
	counter, err := stream.Locate(shard, *p.number, api)
	if p.kind == "AFTER_SEQUENCE_NUMBER" {
		counter++
	}
	return counter, err
}

func (p startingPosition) refuseNumber(has string) error {
	return wire.Refuse(state.InvalidArgument, "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "+
		"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s %s StartingSequenceNumber.", p.kind, has)
}

func (p startingPosition) locateTime(c *call, shard *state.Shard) (uint64, error) {
	if p.timestamp == nil {
		return 0, wire.Refuse(state.InvalidArgument, "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
	}
	at := p.timestamp.UnixMilli()
	if at > c.At.UnixMilli() {
		return 0, wire.Refuse(state.InvalidArgument, "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "+
			"timestampInMillis: %d, currentTimestampInMillis: %d", at, c.At.UnixMilli())
	}
	return shard.FirstAt(at)
}
