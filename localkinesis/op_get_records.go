package localkinesis

import (
	"sync"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

var getRecords = &operation{name: "GetRecords", serve: func(c *call) (any, error) {
	in := new(wire.GetRecordsInput)
	if !wire.ReadGetRecords(c.codec, c.body, in) {
		*in = wire.GetRecordsInput{}
		if err := c.read(in); err != nil {
			return nil, err
		}
	}
	return c.perform(getRecordsAim{in}, func() (any, error) { return c.getRecords(in) })
}}

type getRecordsAim struct{ *wire.GetRecordsInput }

func (in getRecordsAim) aim(c *call) aim {
	it, err := c.server.sealer.OpenIterator(*in.ShardIterator, c.At)
	if err != nil {
		return aim{}
	}
	return aim{stream: it.Stream, shards: []string{state.ShardID(it.Shard)}}
}

func (c *call) getRecords(in *wire.GetRecordsInput) (any, error) {
	it, err := c.server.sealer.OpenIterator(*in.ShardIterator, c.At)
	if err != nil {
		return nil, err
	}
	stream, shard, err := c.region.Follow(it)
	if err != nil {
		return nil, err
	}
	if wants(in.DryRun) {
		return nil, errDryRun()
	}
	records := pages.Get().(*[]state.Record)
	page, err := stream.Poll(shard, (*records)[:0], it.Next, limitOr(in.Limit, kinetrail.MaxGetRecords), kinetrail.MaxGetRecordsBytes)
	if err != nil {
		return nil, err
	}
	out := &wire.GetRecordsOutput{
		Count:              len(page.Records),
		Record:             recordsOf(shard, page.Records),
		MillisBehindLatest: page.Behind.Milliseconds(),
		Release:            func() { keepPage(records, &page) },
	}
	if page.AtEnd {
		out.ChildShards = childShards(stream, shard)
	} else {
		out.NextShardIterator = c.server.sealer.SealIterator(stream.Iterator(shard, page.Next, c.At))
	}
	return out, nil
}

// pages keeps the memory of pages from one answer to the next.
var pages = sync.Pool{New: func() any { return new([]state.Record) }}

// keepPage gives back a page and the memory of its records.
func keepPage(records *[]state.Record, page *state.Page) {
	page.Release()
	clear(page.Records)
	*records = page.Records
	pages.Put(records)
}

// recordsOf shows stored records as an answer wants them.
func recordsOf(shard *state.Shard, records []state.Record) func(i int) wire.Record {
	return func(i int) wire.Record {
		r := &records[i]
		return wire.Record{
			Number:        shard.Number(r),
			ArrivedMillis: r.ArrivedMillis,
			PartitionKey:  r.PartitionKey,
			Data:          r.Data,
			Encrypted:     r.Encrypted,
		}
	}
}

// childShards are the children of a closed shard, as its last page names them.
func childShards(stream *state.Stream, shard *state.Shard) []wire.ChildShard {
	var children []wire.ChildShard
	for _, child := range stream.Children(shard) {
		c := wire.ChildShard{ShardId: child.ID, HashKeyRange: hashKeyRange(child)}
		for _, parent := range []int{child.Parent, child.AdjacentParent} {
			if parent != state.NoShard {
				c.ParentShards = append(c.ParentShards, state.ShardID(uint32(parent)))
			}
		}
		children = append(children, c)
	}
	return children
}
