package main

import (
	"context"
	"crypto/md5"
	"math/big"
	"sort"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/awslabs/kinesis-aggregation/go/v2/records"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/kinetrail/kinetrail/shardmap"

	"github.com/kinetrail/kinetrail/bench/nullkinesis"
)

// handPutter is what a careful user writes around the SDK to aggregate: the
// protobuf messages of awslabs, MD5 and math/big to find a record's shard, a map
// for the key table, containers of 50 KiB. Each goroutine has its own, and sends
// a megabyte of containers a call.
type handPutter struct {
	api    *kinesis.Client
	stream string
	load   *load
	sides  [putters]handAggregator
}

// handAggregator makes containers and collects them for a request.
type handAggregator struct {
	ends    []*big.Int // of the shards
	shards  []handContainer
	entries []types.PutRecordsRequestEntry
	bytes   int
}

// handContainer is the container of a shard in the making.
type handContainer struct {
	message records.AggregatedRecord
	keys    map[string]uint64
	size    int
	hashKey string
}

const (
	handContainerBytes = 50 << 10
	handRequestBytes   = 1 << 20
)

func putByHand(_ context.Context, api *kinesis.Client, w *workload) (worker, error) {
	p := &handPutter{api: api, stream: w.stream, load: newLoad(w.bytes)}
	for i := range p.sides {
		p.sides[i] = newHandAggregator()
	}
	return p, nil
}

func newHandAggregator() handAggregator {
	a := handAggregator{shards: make([]handContainer, nullkinesis.Shards)}
	for _, r := range shardmap.Uniform(nullkinesis.Shards) {
		end, _ := new(big.Int).SetString(r.End.String(), 10)
		a.ends = append(a.ends, end)
	}
	return a
}

func (p *handPutter) work(ctx context.Context, count int) (int, error) {
	err := spread(count, 1000, func(putter, from, to int) error {
		side := &p.sides[putter]
		for i := from; i < to; i++ {
			side.add(p.load.key(i), p.load.data(i))
			if side.bytes >= handRequestBytes {
				if err := side.send(ctx, p); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for i := range p.sides {
		p.sides[i].finish()
		if err == nil && len(p.sides[i].entries) > 0 {
			err = p.sides[i].send(ctx, p)
		}
	}
	return count, err
}

func (p *handPutter) close(context.Context) error { return nil }

func (a *handAggregator) add(key string, data []byte) {
	digest := md5.Sum([]byte(key))
	hash := new(big.Int).SetBytes(digest[:])
	shard := sort.Search(len(a.ends), func(i int) bool { return a.ends[i].Cmp(hash) >= 0 })
	c := &a.shards[shard]
	size := len(data) + len(key) + 16
	if c.size > 0 && c.size+size > handContainerBytes {
		a.complete(c)
	}
	if c.keys == nil {
		c.keys = make(map[string]uint64)
	}
	if c.size == 0 {
		c.hashKey = hash.String()
	}
	index, known := c.keys[key]
	if !known {
		index = uint64(len(c.message.PartitionKeyTable))
		c.message.PartitionKeyTable = append(c.message.PartitionKeyTable, key)
		c.keys[key] = index
	}
	c.message.Records = append(c.message.Records, &records.Record{PartitionKeyIndex: &index, Data: data})
	c.size += size
}

// complete makes the bytes of a container.
func (a *handAggregator) complete(c *handContainer) {
	if c.size == 0 {
		return
	}
	container := []byte{0xf3, 0x89, 0x9a, 0xc2}
	container, err := proto.MarshalOptions{}.MarshalAppend(container, protoadapt.MessageV2Of(&c.message))
	if err != nil {
		panic(err) // the texts are ASCII
	}
	sum := md5.Sum(container[4:])
	container = append(container, sum[:]...)
	key, hashKey := "a", c.hashKey
	a.entries = append(a.entries, types.PutRecordsRequestEntry{Data: container, PartitionKey: &key, ExplicitHashKey: &hashKey})
	a.bytes += len(container)
	c.message.PartitionKeyTable = c.message.PartitionKeyTable[:0]
	c.message.Records = c.message.Records[:0]
	clear(c.keys)
	c.size = 0
}

func (a *handAggregator) finish() {
	for i := range a.shards {
		a.complete(&a.shards[i])
	}
}

func (a *handAggregator) send(ctx context.Context, p *handPutter) error {
	err := putAll(ctx, p.api, p.stream, a.entries)
	a.entries, a.bytes = a.entries[:0], 0
	return err
}
