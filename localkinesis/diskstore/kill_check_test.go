//go:build unix

package diskstore_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// check compares what the server has with what clients were told and what was
// read before. whole reads every shard from its beginning, too.
func (k *killing) check(server *child, whole bool) {
	list, err := listShards(server.client)
	k.must(err, "list the shards")
	if len(list) < len(k.list) || !slices.Equal(list[:len(k.list)], k.list) {
		k.t.Fatalf("round %d: the shards are %v; a client had seen %v", k.rounds, list, k.list)
	}
	k.list = list
	k.checkTag(server)
	found := make(map[string]acknowledgement)
	for _, shard := range list {
		seen := k.shards[shard]
		if seen == nil {
			seen = &shardSeen{}
			k.shards[shard] = seen
		}
		k.readOn(server, shard, seen, found)
		if !whole {
			continue
		}
		again := &shardSeen{}
		k.readOn(server, shard, again, nil)
		if again.count != seen.count || again.sum != seen.sum {
			k.t.Fatalf("round %d: shard %s has %d records when read from its beginning, and had %d, or others", k.rounds, shard, again.count, seen.count)
		}
	}
	k.compare(found)
}

// must ends the test on an error of a server that nobody kills.
func (k *killing) must(err error, doing string) {
	if err != nil {
		k.t.Helper()
		k.t.Fatalf("round %d: %s: %v", k.rounds, doing, err)
	}
}

func (k *killing) checkTag(server *child) {
	out, err := server.client.ListTagsForStream(context.Background(), &kinesis.ListTagsForStreamInput{StreamName: aws.String("orders")})
	k.must(err, "list the tags")
	tag := 0
	for _, t := range out.Tags {
		tag, _ = strconv.Atoi(*t.Value)
	}
	if tag < k.tag || tag > k.tagTried {
		k.t.Fatalf("round %d: the tag is %d; %d was acknowledged and %d tried", k.rounds, tag, k.tag, k.tagTried)
	}
	k.tag = tag
}

// readOn reads a shard to its tip, with the iterator of before the kill if
// there is one, and adds the records to found.
func (k *killing) readOn(server *child, shard string, seen *shardSeen, found map[string]acknowledgement) {
	if seen.ended {
		return
	}
	if seen.iterator == "" {
		out, err := server.client.GetShardIterator(context.Background(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String("orders"), ShardId: aws.String(shard), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		k.must(err, "get an iterator of "+shard)
		seen.iterator = *out.ShardIterator
	}
	for {
		out, err := server.client.GetRecords(context.Background(), &kinesis.GetRecordsInput{ShardIterator: aws.String(seen.iterator)})
		k.must(err, "read "+shard+" on")
		for _, r := range out.Records {
			k.see(shard, seen, r, found)
		}
		if out.NextShardIterator == nil {
			seen.iterator, seen.ended = "", true
			return
		}
		seen.iterator = *out.NextShardIterator
		if *out.MillisBehindLatest == 0 {
			return
		}
	}
}

// see takes up a record that was read.
func (k *killing) see(shard string, seen *shardSeen, r types.Record, found map[string]acknowledgement) {
	number := *r.SequenceNumber
	if number <= seen.latest {
		k.t.Fatalf("round %d: shard %s has %s behind %s", k.rounds, shard, number, seen.latest)
	}
	text, _, _ := strings.Cut(string(r.Data), " ")
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		k.t.Fatalf("round %d: shard %s has a record that nobody put: %.100q", k.rounds, shard, r.Data)
	}
	seen.latest = number
	seen.count++
	h := fnv.New64a()
	fmt.Fprint(h, seen.sum, number, *r.PartitionKey, string(r.Data))
	seen.sum = h.Sum64()
	if found != nil {
		found[number] = acknowledgement{shard: shard, number: number, id: id}
	}
}

// compare holds what clients were told against what is there.
func (k *killing) compare(found map[string]acknowledgement) {
	type place struct {
		writer int
		shard  string
	}
	latest := make(map[place]string)
	told := make(map[string]bool)
	for _, a := range k.acknowledged {
		is, there := found[a.number]
		if !there || is.shard != a.shard || is.id != a.id {
			k.t.Fatalf("round %d: record %d was acknowledged as %s on %s; there is %v", k.rounds, a.id, a.number, a.shard, is)
		}
		if told[a.number] {
			k.t.Fatalf("round %d: number %s was given twice", k.rounds, a.number)
		}
		told[a.number] = true
		if p := (place{a.writer, a.shard}); a.number <= latest[p] {
			k.t.Fatalf("round %d: writer %d was told %s and then %s on %s", k.rounds, a.writer, latest[p], a.number, a.shard)
		} else {
			latest[p] = a.number
		}
	}
	k.sum.acknowledged += len(k.acknowledged)
	k.sum.unanswered += len(found) - len(k.acknowledged)
	k.acknowledged = nil
	ids := make(map[uint64]bool)
	for a := range maps.Values(found) {
		if ids[a.id] {
			k.t.Fatalf("round %d: record %d is there twice", k.rounds, a.id)
		}
		ids[a.id] = true
	}
}

func listShards(client *kinesis.Client) (ids []string, err error) {
	in := &kinesis.ListShardsInput{StreamName: aws.String("orders")}
	for {
		out, err := client.ListShards(context.Background(), in)
		if err != nil {
			return nil, err
		}
		for _, s := range out.Shards {
			ids = append(ids, *s.ShardId)
		}
		if out.NextToken == nil {
			return ids, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}
