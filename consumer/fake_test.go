package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/shardmap"
)

// fakeStream is a stream in memory for tests in virtual time: every answer is
// immediate, and a test can make any call fail.
type fakeStream struct {
	mu     sync.Mutex
	shards []*fakeShard
	calls  map[string]int       // by operation, and by "GetRecords shard"
	at     map[string]time.Time // of the last call
	fail   func(op, shard string) error
	page   int // shards in a page of ListShards
	limit  int // records in a page of GetRecords
	seq    int
	epoch  int // of iterators
}

type fakeShard struct {
	types.Shard

	records  []types.Record
	children []types.ChildShard
}

// newFakeStream has n shards of equal ranges.
func newFakeStream(n int) *fakeStream {
	f := &fakeStream{calls: make(map[string]int), at: make(map[string]time.Time), page: 1000, limit: 1000}
	for _, r := range shardmap.Uniform(n) {
		f.add(r)
	}
	return f
}

func (f *fakeStream) add(r shardmap.Range, parents ...string) *fakeShard {
	s := &fakeShard{Shard: types.Shard{
		ShardId:             aws.String(shardID(len(f.shards))),
		HashKeyRange:        &types.HashKeyRange{StartingHashKey: aws.String(r.Start.String()), EndingHashKey: aws.String(r.End.String())},
		SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1")},
	}}
	if len(parents) > 0 {
		s.ParentShardId = &parents[0]
	}
	if len(parents) > 1 {
		s.AdjacentParentShardId = &parents[1]
	}
	f.shards = append(f.shards, s)
	return s
}

func shardID(i int) string { return fmt.Sprintf("shardId-%012d", i) }

// put appends a record to a shard and returns its sequence number.
func (f *fakeStream) put(shard int, key string, data []byte) string {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.seq++
	sequence := strconv.Itoa(1000 + f.seq)
	f.shards[shard].records = append(f.shards[shard].records, types.Record{
		Data: data, PartitionKey: &key, SequenceNumber: &sequence, ApproximateArrivalTimestamp: aws.Time(time.Now()),
	})
	return sequence
}

// reshard closes shards and opens n children of theirs.
func (f *fakeStream) reshard(n int, parents ...int) {
	f.mu.Lock()
	defer f.mu.Unlock()

	var ids []string
	for _, p := range parents {
		ids = append(ids, shardID(p))
		closed := *f.shards[p].SequenceNumberRange // an answer may still be read
		closed.EndingSequenceNumber = aws.String("9999999")
		f.shards[p].SequenceNumberRange = &closed
	}
	for i := range n {
		first := f.shards[parents[0]].HashKeyRange
		start, _ := shardmap.ParseHashKey(*first.StartingHashKey)
		end, _ := shardmap.ParseHashKey(*f.shards[parents[len(parents)-1]].HashKeyRange.EndingHashKey)
		r := shardmap.Range{Start: start, End: end}
		if middle, ok := r.Middle(); ok && n == 2 {
			if i == 0 {
				r.End = middle.Prev()
			} else {
				r.Start = middle
			}
		}
		child := f.add(r, ids...)
		for _, p := range parents {
			f.shards[p].children = append(f.shards[p].children, types.ChildShard{ShardId: child.ShardId, ParentShards: ids, HashKeyRange: child.HashKeyRange})
		}
	}
}

// forget removes shards from the list, as retention does.
func (f *fakeStream) forget(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.shards = slices.DeleteFunc(f.shards, func(s *fakeShard) bool { return slices.Contains(ids, *s.ShardId) })
}

// expireIterators makes every iterator handed out until now expired.
func (f *fakeStream) expireIterators() {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.epoch++
}

// failWith makes the calls fail for which fail returns an error.
func (f *fakeStream) failWith(fail func(op, shard string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.fail = fail
}

func (f *fakeStream) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.calls[op]
}

// enter counts a call. It returns with f.mu held when there is no error.
func (f *fakeStream) enter(ctx context.Context, op, shard string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	f.calls[op]++
	f.calls[op+" "+shard]++
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		if err := fail(op, shard); err != nil {
			return err
		}
	}
	f.mu.Lock()
	return nil
}

func (f *fakeStream) find(id string) (*fakeShard, error) {
	for _, s := range f.shards {
		if *s.ShardId == id {
			return s, nil
		}
	}
	return nil, &types.ResourceNotFoundException{Message: aws.String("no shard " + id)}
}

func (f *fakeStream) ListShards(ctx context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	if err := f.enter(ctx, "ListShards", ""); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if in.NextToken != nil && (in.StreamName != nil || in.StreamARN != nil) {
		return nil, &types.InvalidArgumentException{Message: aws.String("NextToken and a stream")}
	}
	from, _ := strconv.Atoi(aws.ToString(in.NextToken))
	out := &kinesis.ListShardsOutput{}
	for _, s := range f.shards[from:min(from+f.page, len(f.shards))] {
		out.Shards = append(out.Shards, s.Shard)
	}
	if from+f.page < len(f.shards) {
		out.NextToken = aws.String(strconv.Itoa(from + f.page))
	}
	return out, nil
}

func (f *fakeStream) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	if err := f.enter(ctx, "GetShardIterator", *in.ShardId); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	s, err := f.find(*in.ShardId)
	if err != nil {
		return nil, err
	}
	next := 0
	switch in.ShardIteratorType {
	case types.ShardIteratorTypeLatest:
		next = len(s.records)
	case types.ShardIteratorTypeAtSequenceNumber:
		next = slices.IndexFunc(s.records, func(r types.Record) bool { return *r.SequenceNumber == *in.StartingSequenceNumber })
		if next < 0 {
			return nil, &types.InvalidArgumentException{Message: aws.String("the sequence number did not come from this stream")}
		}
	case types.ShardIteratorTypeAtTimestamp:
		if in.Timestamp.After(time.Now()) {
			return nil, &types.InvalidArgumentException{Message: aws.String("the timestamp lies in the future")}
		}
		next = slices.IndexFunc(s.records, func(r types.Record) bool { return !r.ApproximateArrivalTimestamp.Before(*in.Timestamp) })
		if next < 0 {
			next = len(s.records)
		}
	case types.ShardIteratorTypeTrimHorizon:
	default:
		return nil, errors.New("fake stream: iterator type " + string(in.ShardIteratorType))
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: f.iterator(*in.ShardId, next)}, nil
}

func (f *fakeStream) iterator(shard string, next int) *string {
	return aws.String(fmt.Sprintf("%s/%d/%d", shard, next, f.epoch))
}

func (f *fakeStream) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	parts := strings.Split(*in.ShardIterator, "/")
	if err := f.enter(ctx, "GetRecords", parts[0]); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if parts[2] != strconv.Itoa(f.epoch) {
		return nil, &types.ExpiredIteratorException{Message: aws.String("expired")}
	}
	s, err := f.find(parts[0])
	if err != nil {
		return nil, err
	}
	next, _ := strconv.Atoi(parts[1])
	end := min(next+min(f.limit, int(*in.Limit)), len(s.records))
	out := &kinesis.GetRecordsOutput{Records: slices.Clone(s.records[next:end]), MillisBehindLatest: aws.Int64(0)}
	if end < len(s.records) {
		out.MillisBehindLatest = aws.Int64(time.Since(*s.records[end].ApproximateArrivalTimestamp).Milliseconds() + 1)
	}
	if end == len(s.records) && s.SequenceNumberRange.EndingSequenceNumber != nil {
		out.ChildShards = s.children
		return out, nil
	}
	out.NextShardIterator = f.iterator(parts[0], end)
	return out, nil
}

func (f *fakeStream) DescribeStreamSummary(ctx context.Context, in *kinesis.DescribeStreamSummaryInput, _ ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	if err := f.enter(ctx, "DescribeStreamSummary", ""); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
		StreamARN:               aws.String("arn:aws:kinesis:eu-west-1:123456789012:stream/" + *in.StreamName),
		StreamCreationTimestamp: aws.Time(time.Unix(1700000000, 0)),
	}}, nil
}
