package localkinesis

import (
	"slices"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type listShardsInput struct {
	streamRef
	NextToken               *string `shape:"NextToken"`
	ExclusiveStartShardId   *string `shape:"ShardId"`
	MaxResults              *int64  `shape:"Limit"`
	StreamCreationTimestamp *time.Time
	ShardFilter             *shardFilter
}

type shardFilter struct {
	Type      *string `shape:"ShardFilterType,required"`
	ShardId   *string `shape:"ShardId"`
	Timestamp *time.Time
}

type listShardsOutput struct {
	Shards    []shardDescription
	NextToken *string
}

const shardTokens = "ListShards"

var listShards = define("ListShards", func(c *call, in *listShardsInput) (any, error) {
	stream, after, err := c.listedStream(in)
	if err != nil {
		return nil, err
	}
	if err := in.ShardFilter.check(); err != nil {
		return nil, err
	}
	shards := slices.DeleteFunc(c.shardList(stream), func(shard listedShard) bool {
		return !in.ShardFilter.keeps(stream, shard)
	})
	page, more := pageOf(shards, limitOr(in.MaxResults, kinetrail.MaxListShards), after)
	out := &listShardsOutput{Shards: describeShards(page)}
	if more {
		token := c.server.sealer.SealToken(shardTokens, state.Token{
			Stream: stream.Name, Created: stream.Created.Unix(),
			After: page[len(page)-1].ID, Issued: c.At.UnixMilli(),
		})
		out.NextToken = &token
	}
	return out, nil
})

// listedStream is the stream whose shards are listed, named by the request or
// by its token, and the shard to go on behind.
func (c *call) listedStream(in *listShardsInput) (stream *state.Stream, after *string, err error) {
	if in.NextToken == nil {
		stream, err = c.stream(in.streamRef)
		return stream, in.ExclusiveStartShardId, err
	}
	if in.StreamName != nil || in.StreamCreationTimestamp != nil || in.ExclusiveStartShardId != nil {
		return nil, nil, wire.Refuse(state.InvalidArgument, "NextToken and StreamName cannot be provided together.")
	}
	token, err := c.server.sealer.OpenToken(shardTokens, *in.NextToken, c.At)
	if err != nil {
		return nil, nil, err
	}
	if stream, err = c.region.Stream(token.Stream); err != nil {
		return nil, nil, err
	}
	return stream, &token.After, nil
}

// check refuses a filter that lacks what its type needs.
func (f *shardFilter) check() error {
	if f == nil {
		return nil
	}
	switch *f.Type {
	case "AFTER_SHARD_ID":
		if f.ShardId == nil {
			return wire.Refuse(state.InvalidArgument, "ShardId must be specified when the ShardFilter Type is AFTER_SHARD_ID.")
		}
	case "AT_TIMESTAMP", "FROM_TIMESTAMP":
		if f.Timestamp == nil {
			return wire.Refuse(state.InvalidArgument, "Timestamp must be specified when the ShardFilter Type is %s.", *f.Type)
		}
	}
	return nil
}

// keeps reports whether a shard passes the filter.
func (f *shardFilter) keeps(stream *state.Stream, shard listedShard) bool {
	if f == nil {
		return true
	}
	openAt := func(second int64) bool {
		return shard.Created <= second && (!shard.closed || shard.end.Time >= second)
	}
	horizon := max(stream.Horizon().Unix(), stream.Created.Unix())
	switch *f.Type {
	case "AFTER_SHARD_ID":
		return shard.ID > *f.ShardId
	case "AT_TRIM_HORIZON":
		return openAt(horizon)
	case "AT_LATEST":
		return !shard.closed
	case "AT_TIMESTAMP":
		return openAt(max(f.Timestamp.Unix(), horizon))
	case "FROM_TIMESTAMP":
		return !shard.closed || shard.end.Time >= f.Timestamp.Unix()
	}
	return true // FROM_TRIM_HORIZON: every shard that has not expired
}
