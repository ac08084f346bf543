package producer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/shardmap"
)

// fakeService is a stream behind the API interface, for tests with a clock of
// their own: it places records by their hash keys and does what a test tells it.
type fakeService struct {
	mu      sync.Mutex
	shards  []shardmap.Shard
	stored  []storedRecord
	calls   []call
	lists   int
	summary types.StreamDescriptionSummary

	// latency is how long PutRecords takes.
	latency time.Duration

	// onPut may fail a call as a whole, when it returns an error, or some of
	// its entries, by their code. It runs with the service's lock held.
	onPut func(c *call) error

	// onList and onDescribe may fail those calls.
	onList, onDescribe func() error
}

// call is one PutRecords call.
type call struct {
	number  int // from 1
	entries []types.PutRecordsRequestEntry
	codes   []string // of entries to be failed
	marked  bool
	ctx     context.Context
	at      time.Time
	latency time.Duration
}

type storedRecord struct {
	shard    string
	sequence string
	key      string
	hashKey  string
	data     []byte
}

// newFakeService makes a stream of this many shards.
func newFakeService(shards int) *fakeService {
	f := &fakeService{summary: types.StreamDescriptionSummary{
		StreamStatus:       types.StreamStatusActive,
		MaxRecordSizeInKiB: aws.Int32(1024),
	}}
	for i, r := range shardmap.Uniform(shards) {
		f.shards = append(f.shards, shardmap.Shard{ID: shardID(i), Range: r})
	}
	return f
}

func shardID(i int) string { return fmt.Sprintf("shardId-%012d", i) }

func (f *fakeService) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	var options kinesis.Options
	for _, o := range opts {
		o(&options)
	}
	if options.Retryer == nil || options.Retryer.MaxAttempts() != 1 {
		return nil, fmt.Errorf("the SDK's own retries are on")
	}
	c := f.begin(ctx, in)
	if c.latency > 0 {
		select {
		case <-time.After(c.latency):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onPut != nil {
		if err := f.onPut(c); err != nil {
			return nil, err
		}
	}
	return f.store(c), nil
}

func (f *fakeService) begin(ctx context.Context, in *kinesis.PutRecordsInput) *call {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := call{number: len(f.calls) + 1, marked: tracing.Marked(ctx), ctx: ctx, at: time.Now(), latency: f.latency}
	for _, e := range in.Records {
		c.entries = append(c.entries, types.PutRecordsRequestEntry{
			Data:            slices.Clone(e.Data),
			PartitionKey:    aws.String(*e.PartitionKey),
			ExplicitHashKey: e.ExplicitHashKey,
		})
		if e.ExplicitHashKey != nil {
			c.entries[len(c.entries)-1].ExplicitHashKey = aws.String(*e.ExplicitHashKey)
		}
	}
	c.codes = make([]string, len(c.entries))
	f.calls = append(f.calls, c)
	return &f.calls[len(f.calls)-1]
}

// store puts the entries that have no code into the stream, the last one first:
// PutRecords promises no order.
func (f *fakeService) store(c *call) *kinesis.PutRecordsOutput {
	out := &kinesis.PutRecordsOutput{Records: make([]types.PutRecordsResultEntry, len(c.entries)), FailedRecordCount: aws.Int32(0)}
	for i := len(c.entries) - 1; i >= 0; i-- {
		e := c.entries[i]
		if c.codes[i] != "" {
			out.Records[i].ErrorCode = aws.String(c.codes[i])
			out.Records[i].ErrorMessage = aws.String("as the test wants it")
			*out.FailedRecordCount++
			continue
		}
		r := storedRecord{
			shard:    f.owner(e),
			sequence: strconv.Itoa(1_000_000 + len(f.stored)),
			key:      *e.PartitionKey,
			hashKey:  aws.ToString(e.ExplicitHashKey),
			data:     e.Data,
		}
		f.stored = append(f.stored, r)
		out.Records[i].ShardId, out.Records[i].SequenceNumber = aws.String(r.shard), aws.String(r.sequence)
	}
	return out
}

func (f *fakeService) owner(e types.PutRecordsRequestEntry) string {
	hash := shardmap.HashKeyOf(*e.PartitionKey)
	if e.ExplicitHashKey != nil {
		hash, _ = shardmap.ParseHashKey(*e.ExplicitHashKey)
	}
	for _, s := range f.shards {
		if !s.Closed && s.Range.Contains(hash) {
			return s.ID
		}
	}
	panic("no open shard owns " + hash.String())
}

// split closes a shard and opens two in its place.
func (f *fakeService) split(i int) {
	parent := &f.shards[i]
	parent.Closed = true
	start, _ := parent.Range.Middle()
	left := shardmap.Shard{ID: shardID(len(f.shards)), ParentID: parent.ID, Range: shardmap.Range{Start: parent.Range.Start, End: start.Prev()}}
	right := shardmap.Shard{ID: shardID(len(f.shards) + 1), ParentID: parent.ID, Range: shardmap.Range{Start: start, End: parent.Range.End}}
	f.shards = append(f.shards, left, right)
}

func (f *fakeService) ListShards(_ context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if f.onList != nil {
		if err := f.onList(); err != nil {
			return nil, err
		}
	}
	// Two shards a page, so that every test reads all pages.
	from := 0
	if in.NextToken != nil {
		from, _ = strconv.Atoi(*in.NextToken)
	}
	out := &kinesis.ListShardsOutput{}
	for _, s := range f.shards[from:min(from+2, len(f.shards))] {
		listed := types.Shard{
			ShardId:             aws.String(s.ID),
			HashKeyRange:        &types.HashKeyRange{StartingHashKey: aws.String(s.Range.Start.String()), EndingHashKey: aws.String(s.Range.End.String())},
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1")},
		}
		if s.ParentID != "" {
			listed.ParentShardId = aws.String(s.ParentID)
		}
		if s.Closed {
			listed.SequenceNumberRange.EndingSequenceNumber = aws.String("2")
		}
		out.Shards = append(out.Shards, listed)
	}
	if from+2 < len(f.shards) {
		out.NextToken = aws.String(strconv.Itoa(from + 2))
	}
	return out, nil
}

func (f *fakeService) DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onDescribe != nil {
		if err := f.onDescribe(); err != nil {
			return nil, err
		}
	}
	summary := f.summary
	return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &summary}, nil
}

// with runs change while the service answers nothing.
func (f *fakeService) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// userRecords are the user records in the stream, in the order of storing.
func (f *fakeService) userRecords(t testing.TB) []storedRecord {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []storedRecord
	for _, r := range f.stored {
		if !aggregate.IsContainer(r.data) {
			all = append(all, r)
			continue
		}
		users, err := aggregate.Split(r.data, nil)
		if err != nil {
			t.Fatalf("split the container %s: %v", r.sequence, err)
		}
		for _, u := range users {
			all = append(all, storedRecord{shard: r.shard, sequence: r.sequence, key: u.PartitionKey, hashKey: u.ExplicitHashKey, data: u.Data})
		}
	}
	return all
}

// requestSizes are the numbers of records in each call.
func (f *fakeService) requestSizes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sizes []int
	for _, c := range f.calls {
		sizes = append(sizes, len(c.entries))
	}
	return sizes
}

// apiError is an error of the service for a whole call.
func apiError(code string) error {
	return &smithy.GenericAPIError{Code: code, Message: "as the test wants it"}
}

// quiet drops the log.
func quiet(o *Options) { o.Logger = slog.New(slog.DiscardHandler) }

// start makes a producer on a fake that is closed when the test ends.
func start(t testing.TB, api API, opts ...func(*Options)) *Producer {
	t.Helper()
	p, err := New(api, "orders", append([]func(*Options){quiet}, opts...)...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	return p
}
