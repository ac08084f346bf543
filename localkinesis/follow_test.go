package localkinesis_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// history is what was put on the stream orders while its shards changed.
type history struct {
	t      *rapid.T
	server *localkinesis.Server
	client *kinesis.Client
	puts   []historicPut
}

type historicPut struct {
	key, payload  string
	shard, number string
	at            time.Time // whole milliseconds
}

// newHistory puts records by a few keys, moves the clock and reshards, in any
// order.
func newHistory(t *rapid.T) *history {
	s, client := serverFor(t, withStream("orders", rapid.IntRange(1, 3).Draw(t, "shards")))
	s.Clock().Freeze()
	s.Clock().Set(time.UnixMilli(1_700_000_000_000))
	h := &history{t: t, server: s, client: client}
	for range rapid.IntRange(1, 6).Draw(t, "rounds") {
		for range rapid.IntRange(0, 6).Draw(t, "puts") {
			h.put(fmt.Sprint("key-", rapid.IntRange(0, 3).Draw(t, "key")))
			s.Clock().Advance(time.Duration(rapid.IntRange(0, 1500).Draw(t, "pause")) * time.Millisecond)
		}
		reshard(t, s, client)
		// A child begins in the second after its parent's end.
		s.Clock().Advance(time.Duration(rapid.IntRange(0, 3000).Draw(t, "pause")) * time.Millisecond)
	}
	h.put("key-0")
	return h
}

func (h *history) put(key string) {
	h.t.Helper()
	payload := fmt.Sprint(len(h.puts))
	out, err := h.client.PutRecord(background, &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: &key, Data: []byte(payload)})
	if err != nil {
		h.t.Fatalf("PutRecord: %v", err)
	}
	h.puts = append(h.puts, historicPut{key: key, payload: payload, shard: *out.ShardId, number: *out.SequenceNumber, at: h.server.Clock().Now()})
}

// payloads are those of the puts that are kept.
func (h *history) payloads(keep func(historicPut) bool) (list []string) {
	for _, p := range h.puts {
		if keep(p) {
			list = append(list, p.payload)
		}
	}
	return list
}

// drain reads a shard from a position to its end or the tip, and returns its
// children in the first case.
func (h *history) drain(shard string, in kinesis.GetShardIteratorInput) (payloads, children []string) {
	h.t.Helper()
	r := reader{h.t, h.client}
	in.ShardId = &shard
	payloads, last := r.drain(r.iterator(&in), 2)
	for _, child := range last.ChildShards {
		children = append(children, *child.ShardId)
	}
	return payloads, children
}

// follow reads on in the children, and theirs, from their beginnings. A child
// of two parents is read once.
func (h *history) follow(payloads, children []string) []string {
	seen := make(map[string]bool)
	for len(children) > 0 {
		slices.Sort(children) // parents have lower numbers
		shard := children[0]
		children = children[1:]
		if seen[shard] {
			continue
		}
		seen[shard] = true
		more, further := h.drain(shard, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		payloads, children = append(payloads, more...), append(children, further...)
	}
	return payloads
}

// of keeps those payloads that were put by a key.
func (h *history) of(key string, payloads []string) (list []string) {
	byKey := h.payloads(func(p historicPut) bool { return p.key == key })
	for _, payload := range payloads {
		if slices.Contains(byKey, payload) {
			list = append(list, payload)
		}
	}
	return list
}

func TestReadingOnInTheChildrenGivesAllLaterRecordsOfAKeyInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.server.Close()
		i := rapid.IntRange(0, len(h.puts)-1).Draw(t, "record")
		from := h.puts[i]
		for kind, first := range map[types.ShardIteratorType]int{
			types.ShardIteratorTypeAtSequenceNumber:    i,
			types.ShardIteratorTypeAfterSequenceNumber: i + 1,
		} {
			payloads, children := h.drain(from.shard, kinesis.GetShardIteratorInput{ShardIteratorType: kind, StartingSequenceNumber: &from.number})
			var want []string
			for _, p := range h.puts[first:] {
				if p.key == from.key {
					want = append(want, p.payload)
				}
			}
			if got := h.of(from.key, h.follow(payloads, children)); !slices.Equal(got, want) {
				t.Fatalf("%s %s of %s: records %v; want %v", kind, from.number, from.key, got, want)
			}
		}
	})
}

func TestReadingEveryShardFromATimeGivesWhatArrivedSinceThenOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.server.Close()
		p := h.puts[rapid.IntRange(0, len(h.puts)-1).Draw(t, "record")]
		instant := p.at.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "beside")) * time.Millisecond)
		if now := h.server.Clock().Now(); instant.After(now) {
			instant = now
		}
		listed, err := h.client.ListShards(background, &kinesis.ListShardsInput{
			StreamName:  aws.String("orders"),
			ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: &instant},
		})
		if err != nil {
			t.Fatalf("ListShards: %v", err)
		}
		var got []string
		for _, shard := range listed.Shards {
			payloads, _ := h.drain(*shard.ShardId, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &instant})
			got = append(got, payloads...)
		}
		want := h.payloads(func(p historicPut) bool { return !p.at.Before(instant) })
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("from %s: records %v; want %v", instant, got, want)
		}
	})
}

func TestIteratorsAtTheEdgesOfAShard(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.server.Close()
		shards, err := h.server.Shards("orders")
		if err != nil {
			t.Fatalf("%v", err)
		}
		shard := shards[rapid.IntRange(0, len(shards)-1).Draw(t, "shard")]
		all := h.payloads(func(p historicPut) bool { return p.shard == shard.ID })
		start, end := shard.Start.String(), shard.End.String()
		expect := func(what string, in kinesis.GetShardIteratorInput, want []string) {
			t.Helper()
			got, children := h.drain(shard.ID, in)
			if !slices.Equal(got, want) || shard.Closed != (len(children) > 0) {
				t.Fatalf("%s of %s: records %v, children %v; want %v", what, shard.ID, got, children, want)
			}
		}
		expect("AT the starting number", kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &start}, all)
		expect("AFTER the starting number", kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &start}, all)
		expect("LATEST", kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest}, nil)
		if shard.Closed {
			expect("AT the ending number", kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &end}, nil)
			expect("AFTER the ending number", kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &end}, nil)
		}
	})
}

func TestAnIteratorIsTakenForFiveMinutesOfAnyClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.server.Close()
		p := h.puts[rapid.IntRange(0, len(h.puts)-1).Draw(t, "record")]
		iterator := reader{t, h.client}.iterator(&kinesis.GetShardIteratorInput{
			ShardId: &p.shard, ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &p.number,
		})
		age := time.Duration(rapid.SampledFrom([]int{0, 1, 299_999, 300_000, 300_001, 300_002, 86_400_000}).Draw(t, "age")) * time.Millisecond
		h.server.Clock().Advance(age)
		out, err := h.client.GetRecords(background, &kinesis.GetRecordsInput{ShardIterator: iterator})
		if tooOld := age > 5*time.Minute; tooOld != isA[*types.ExpiredIteratorException](err) || !tooOld && err != nil {
			t.Fatalf("an iterator of %v: %v", age, err)
		}
		expired := age > 23*time.Hour // and so have the records
		if err == nil && !expired && (len(out.Records) == 0 || string(out.Records[0].Data) != p.payload) {
			t.Fatalf("an iterator of %v gave %v; want %s first", age, out.Records, p.payload)
		}
	})
}
