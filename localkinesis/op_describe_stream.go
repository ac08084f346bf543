package localkinesis

import (
	"strings"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type describeStreamInput struct {
	streamRef
	Limit                 *int64  `shape:"Limit"`
	ExclusiveStartShardId *string `shape:"ShardId"`
}

type describeStreamOutput struct {
	StreamDescription streamDescription
}

type streamDescription struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       modeDetails
	Shards                  []shardDescription
	HasMoreShards           bool
	RetentionPeriodHours    int
	StreamCreationTimestamp time.Time
	EnhancedMonitoring      []enhancedMetrics
	EncryptionType          string
	KeyId                   *string
}

type modeDetails struct{ StreamMode string }

type enhancedMetrics struct{ ShardLevelMetrics []string }

type shardDescription struct {
	ShardId               string
	ParentShardId         *string
	AdjacentParentShardId *string
	HashKeyRange          wire.HashKeyRange
	SequenceNumberRange   sequenceNumberRange
}

type sequenceNumberRange struct {
	StartingSequenceNumber string
	EndingSequenceNumber   *string
}

// describedShards is the default page of DescribeStream.
const describedShards = 100

var describeStream = define("DescribeStream", func(c *call, in *describeStreamInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	all := c.shardList(stream)
	shards, more := pageOf(all, limitOr(in.Limit, describedShards), in.ExclusiveStartShardId)
	out := &describeStreamOutput{StreamDescription: streamDescription{
		StreamName:              stream.Name,
		StreamARN:               stream.ARN(),
		StreamStatus:            string(stream.Status()),
		StreamModeDetails:       modeOf(stream),
		Shards:                  describeShards(shards),
		HasMoreShards:           more,
		RetentionPeriodHours:    int(stream.Retention() / time.Hour),
		StreamCreationTimestamp: stream.Created,
		EnhancedMonitoring:      enhancedMonitoring(stream),
	}}
	out.StreamDescription.EncryptionType, out.StreamDescription.KeyId = encryptionOf(stream)
	return out, nil
})

// listedShard is a shard as a list shows it.
type listedShard struct {
	*state.Shard
	end    sequence.Number
	closed bool
}

// shardList is every shard that has not expired, or with a fault what the list
// was before the latest reshard.
func (c *call) shardList(stream *state.Stream) []listedShard {
	shards, closed := stream.Shards(), map[*state.Shard]bool(nil)
	if c.effects.Stale {
		shards, closed = stream.StaleShards()
	}
	list := make([]listedShard, len(shards))
	for i, shard := range shards {
		list[i].Shard = shard
		list[i].end, list[i].closed = shard.End()
		if c.effects.Stale {
			list[i].closed = closed[shard]
		}
	}
	return list
}

// pageOf returns at most limit shards behind the given ID, and whether more
// follow.
func pageOf(shards []listedShard, limit int, after *string) (page []listedShard, more bool) {
	if after != nil {
		for len(shards) > 0 && strings.Compare(shards[0].ID, *after) <= 0 {
			shards = shards[1:]
		}
	}
	if len(shards) > limit {
		return shards[:limit], true
	}
	return shards, false
}

func describeShards(shards []listedShard) []shardDescription {
	described := make([]shardDescription, len(shards))
	for i, shard := range shards {
		described[i] = shardDescription{
			ShardId:               shard.ID,
			ParentShardId:         parentID(shard.Parent),
			AdjacentParentShardId: parentID(shard.AdjacentParent),
			HashKeyRange:          hashKeyRange(shard.Shard),
			SequenceNumberRange:   sequenceNumberRange{StartingSequenceNumber: shard.Start().String()},
		}
		if shard.closed {
			text := shard.end.String()
			described[i].SequenceNumberRange.EndingSequenceNumber = &text
		}
	}
	return described
}

func hashKeyRange(shard *state.Shard) wire.HashKeyRange {
	return wire.HashKeyRange{StartingHashKey: shard.Range.Start.String(), EndingHashKey: shard.Range.End.String()}
}

func parentID(index int) *string {
	if index == state.NoShard {
		return nil
	}
	id := state.ShardID(uint32(index))
	return &id
}

func modeOf(stream *state.Stream) modeDetails {
	if stream.OnDemand() {
		return modeDetails{StreamMode: modeOnDemand}
	}
	return modeDetails{StreamMode: modeProvisioned}
}

// enhancedMonitoring is always a list of one.
func enhancedMonitoring(stream *state.Stream) []enhancedMetrics {
	return []enhancedMetrics{{ShardLevelMetrics: append([]string{}, stream.Metrics()...)}}
}

func encryptionOf(stream *state.Stream) (encryptionType string, keyID *string) {
	if key := stream.KeyID(); key != "" {
		return "KMS", &key
	}
	return "NONE", nil
}
