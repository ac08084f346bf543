package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// route is what becomes of one Kinesis record of the source: one entry of a
// request, or several when it is a container that is divided.
type route struct {
	entries []types.PutRecordsRequestEntry

	// keys are the partition keys whose records it keeps in order. It is alone
	// when one of them is not known: that one can be any.
	keys  []string
	alone bool

	users int // the records in it: 1, or those of the container
}

// routeOf decides where a record goes. source is the range of the shard it lies
// on, target the shards there are to go to.
func routeOf(r *kinetrail.Record, source shardmap.Range, target *shardmap.Map) route {
	if users, err := aggregate.Split(r.Data, nil); err == nil && len(users) > 0 {
		return routeOfContainer(r, users, target)
	}
	entry := types.PutRecordsRequestEntry{Data: r.Data, PartitionKey: outerKey(r)}
	if r.StoredPartitionKey == "" {
		return route{entries: []types.PutRecordsRequestEntry{entry}, users: 1}
	}
	if !r.OriginalKeyKnown {
		entry.ExplicitHashKey = aws.String(source.Start.String())
		return route{entries: []types.PutRecordsRequestEntry{entry}, alone: true, users: 1}
	}
	own := shardmap.HashKeyOf(r.PartitionKey)
	switch {
	case !source.Contains(own):
		entry.ExplicitHashKey = aws.String(source.Start.String())
	case r.PartitionKey != r.StoredPartitionKey:
		entry.ExplicitHashKey = aws.String(own.String())
	}
	return route{entries: []types.PutRecordsRequestEntry{entry}, keys: []string{r.PartitionKey}, users: 1}
}

// outerKey is the key a record is stored under. One that has none comes from a
// stream that places records by itself; its key is drawn, as the producer does it.
func outerKey(r *kinetrail.Record) *string {
	return aws.String(cmp.Or(r.StoredPartitionKey, rand.Text()))
}

// routeOfContainer sends a container as it is when its records share a shard of
// the target, and else a container for each shard.
func routeOfContainer(r *kinetrail.Record, users []aggregate.UserRecord, target *shardmap.Map) route {
	type part struct {
		first shardmap.HashKey
		users []*aggregate.UserRecord
	}
	var parts []*part
	byShard := make(map[string]*part)
	out := route{users: len(users)}
	for i := range users {
		user := &users[i]
		if reading := tracecarrier.Read(user.PartitionKey); reading.OriginalKeyKnown {
			out.keys = append(out.keys, reading.PartitionKey)
		} else {
			out.alone = true
		}
		key, err := user.HashKey()
		if err != nil {
			key = shardmap.HashKeyOf(user.PartitionKey) // an explicit one that is no number
		}
		shard, _ := target.ShardFor(key) // those in a gap belong together as well as any
		p := byShard[shard.ID]
		if p == nil {
			p = &part{first: key}
			byShard[shard.ID], parts = p, append(parts, p)
		}
		p.users = append(p.users, user)
	}
	for _, p := range parts {
		data := r.Data
		if len(parts) > 1 {
			var b aggregate.Builder
			for _, user := range p.users {
				b.Add(user)
			}
			data = b.AppendTo(nil)
		}
		out.entries = append(out.entries, types.PutRecordsRequestEntry{
			Data: data, PartitionKey: outerKey(r), ExplicitHashKey: aws.String(p.first.String()),
		})
	}
	return out
}

// sourceShards knows the hash keys of the source's shards.
type sourceShards struct {
	client *kinesis.Client
	stream kinetrail.Stream
	known  map[string]shardmap.Shard
}

func newSourceShards(client *kinesis.Client, stream kinetrail.Stream) *sourceShards {
	return &sourceShards{client: client, stream: stream, known: make(map[string]shardmap.Shard)}
}

// shard is the shard with this ID, read anew when it is not known yet.
func (s *sourceShards) shard(ctx context.Context, id string) (shardmap.Shard, error) {
	if shard, ok := s.known[id]; ok {
		return shard, nil
	}
	shards, err := readShards(ctx, s.client, s.stream)
	if err != nil {
		return shardmap.Shard{}, err
	}
	for _, shard := range shards.Shards() {
		s.known[shard.ID] = shard
	}
	shard, ok := s.known[id]
	if !ok {
		return shardmap.Shard{}, fmt.Errorf("stream %q does not list its shard %q", s.stream, id)
	}
	return shard, nil
}

func readShards(ctx context.Context, client *kinesis.Client, stream kinetrail.Stream) (*shardmap.Map, error) {
	listed, err := listShards(ctx, client, stream)
	if err != nil {
		return nil, err
	}
	return mapOfShards(listed)
}
