package cli

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
)

// replayReader is the client that consumer.Read reads a replay with. It ends every
// shard where the replay is to end, marks containers so that they come whole, and
// knows from when on a replay that fails has to be begun again.
type replayReader struct {
	consumer.API

	stream kinetrail.Stream
	from   kinetrail.Position
	until  time.Time

	mu        sync.Mutex
	shards    map[string]*replayShard
	iterators map[string]string // shard by iterator
}

// replayShard is how far a shard is read.
type replayShard struct {
	fetched, yielded int
	first            time.Time // when the first record that was fetched arrived
	last             time.Time // when the last one that was yielded arrived
	through          bool      // there is nothing more to fetch
	children         []string
}

func newReplayReader(api consumer.API, stream kinetrail.Stream, from kinetrail.Position, until time.Time) *replayReader {
	return &replayReader{
		API: api, stream: stream, from: from, until: until,
		shards: make(map[string]*replayShard), iterators: make(map[string]string),
	}
}

// wholeMark stands before the data of every record, so that no container looks
// like one to the consumer: a replay copies Kinesis records, and what is in them
// is none of its business.
const wholeMark = 0

func (r *replayReader) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, opts ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	out, err := r.API.GetShardIterator(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	shard := aws.ToString(in.ShardId)
	if r.shards[shard] == nil {
		r.shards[shard] = new(replayShard)
	}
	r.iterators[aws.ToString(out.ShardIterator)] = shard
	return out, nil
}

func (r *replayReader) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	out, err := r.API.GetRecords(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	kept := make([]types.Record, 0, len(out.Records))
	for _, record := range out.Records {
		if at := record.ApproximateArrivalTimestamp; at != nil && !at.Before(r.until) {
			continue
		}
		record.Data = append([]byte{wholeMark}, record.Data...)
		kept = append(kept, record)
	}
	if len(kept) < len(out.Records) && out.NextShardIterator != nil {
		out.MillisBehindLatest = aws.Int64(0) // here the shard ends for a replay
	}
	out.Records = kept
	r.note(aws.ToString(in.ShardIterator), out)
	return out, nil
}

// note keeps how far the shard is fetched.
func (r *replayReader) note(iterator string, out *kinesis.GetRecordsOutput) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.iterators[iterator]
	shard := r.shards[id]
	if shard == nil {
		return // an iterator of nobody's; the consumer asks with those it was given
	}
	delete(r.iterators, iterator)
	if out.NextShardIterator != nil {
		r.iterators[*out.NextShardIterator] = id
	}
	for _, record := range out.Records {
		if shard.first.IsZero() && record.ApproximateArrivalTimestamp != nil {
			shard.first = *record.ApproximateArrivalTimestamp
		}
	}
	shard.fetched += len(out.Records)
	shard.through = out.NextShardIterator == nil || aws.ToInt64(out.MillisBehindLatest) == 0
	for _, child := range out.ChildShards {
		shard.children = append(shard.children, aws.ToString(child.ShardId))
	}
}

// yielded keeps how far the shard of a record has come out of the consumer, and
// takes the mark off the data.
func (r *replayReader) yielded(record *kinetrail.Record) {
	record.Data = record.Data[1:]
	r.mu.Lock()
	defer r.mu.Unlock()
	if shard := r.shards[record.ShardID]; shard != nil {
		shard.yielded++
		shard.last = record.ArrivedAt
	}
}

// resumeAt is the --from that leaves nothing out when the records that arrived at
// these times are not copied yet, nor those that were not yielded.
func (r *replayReader) resumeAt(pending []time.Time) string {
	if at := r.copiedUpTo(pending); !at.IsZero() {
		return at.UTC().Format(arrivalLayout)
	}
	if at, ok := r.from.Time(); ok {
		return at.UTC().Format(arrivalLayout)
	}
	return "trim-horizon"
}

// copiedUpTo is the time before which everything is copied when the records that
// arrived at these times are not yet; it is zero when that is not known.
func (r *replayReader) copiedUpTo(pending []time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.shards) == 0 {
		return time.Time{}
	}
	var oldest time.Time
	earlier := func(at time.Time) {
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	for _, at := range pending {
		earlier(at)
	}
	for id, shard := range r.shards {
		if !r.open(shard) {
			continue
		}
		at := r.notBefore(id)
		if at.IsZero() {
			return at
		}
		earlier(at)
	}
	if oldest.IsZero() {
		return r.until
	}
	return oldest
}

// notBefore is a time before which nothing arrived that a shard has yet to yield,
// zero when none is known. A shard's records arrived after those of its parents.
func (r *replayReader) notBefore(id string) time.Time {
	shard := r.shards[id]
	switch {
	case !shard.last.IsZero():
		return shard.last
	case !shard.first.IsZero():
		return shard.first
	}
	var latest time.Time
	for parent, p := range r.shards {
		if !slices.Contains(p.children, id) {
			continue
		}
		if at := r.notBefore(parent); at.After(latest) {
			latest = at
		}
	}
	return latest
}

// open reports whether there may be records of a shard, or of shards that came
// out of it, which were not yielded.
func (r *replayReader) open(shard *replayShard) bool {
	if !shard.through || shard.yielded < shard.fetched {
		return true
	}
	for _, child := range shard.children {
		if r.shards[child] == nil {
			return true
		}
	}
	return false
}
