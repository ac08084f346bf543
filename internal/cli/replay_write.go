package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
)

// replayWriter puts records in rounds of one PutRecords request each. A request
// promises no order among its records, so a round has at most one record of each
// partition key, and what is refused is the first of its key in the next round.
type replayWriter struct {
	client   *kinesis.Client
	source   *sourceShards
	target   kinetrail.Stream
	rate     int // Kinesis records a second, 0 for no limit
	patience time.Duration
	progress *progress
	reader   *replayReader
	until    time.Time

	shards       *shardmap.Map // of the target
	pending      []*replayRecord
	pendingBytes int

	copied, users int // Kinesis records of the source, and the records in them
	divided       int
	bytes         int64 // copied
	began         time.Time
	failing       time.Time // since when nothing is accepted, zero when something was
	first         time.Time // when the first record arrived
	last          string    // the shard of the record before
}

// replayRecord is a record of the source on its way.
type replayRecord struct {
	route

	arrived time.Time
	size    int
}

// A window is how many records, and bytes of them, are looked at to fill a round.
const (
	windowRecords = 4 * kinetrail.MaxPutRecords
	windowBytes   = 2 * kinetrail.MaxPutRecordsBytes
)

func (w *replayWriter) begin(ctx context.Context) (err error) {
	w.began = time.Now()
	w.shards, err = readShards(ctx, w.client, w.target)
	return err
}

// add takes a record and makes room for the next.
func (w *replayWriter) add(ctx context.Context, r *kinetrail.Record) error {
	w.reader.yielded(r)
	source, err := w.source.shard(ctx, r.ShardID)
	if err != nil {
		return err
	}
	// Records whose key is not known keep their order with those of their
	// shard alone, so the shards before it are copied first.
	if r.ShardID != w.last && len(source.Parents()) > 0 {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.last = r.ShardID
	if w.first.IsZero() {
		w.first = r.ArrivedAt
	}
	record := &replayRecord{route: routeOf(r, source.Range, w.shards), arrived: r.ArrivedAt}
	for _, entry := range record.entries {
		record.size += entrySize(entry)
	}
	if len(record.entries) > 1 {
		w.divided++
	}
	w.pending = append(w.pending, record)
	w.pendingBytes += record.size
	for len(w.pending) >= windowRecords || w.pendingBytes >= windowBytes {
		if err := w.round(ctx); err != nil {
			return err
		}
	}
	return nil
}

// flush copies everything that was added.
func (w *replayWriter) flush(ctx context.Context) error {
	for len(w.pending) > 0 {
		if err := w.round(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pendingArrivals are when the records arrived that are not copied yet.
func (w *replayWriter) pendingArrivals() []time.Time {
	arrivals := make([]time.Time, len(w.pending))
	for i, r := range w.pending {
		arrivals[i] = r.arrived
	}
	return arrivals
}

func entrySize(e types.PutRecordsRequestEntry) int {
	return len(e.Data) + len(aws.ToString(e.PartitionKey))
}

// round puts what may be put together.
func (w *replayWriter) round(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	batch := w.pick()
	var entries []types.PutRecordsRequestEntry
	for _, r := range batch {
		entries = append(entries, r.entries...)
	}
	entries = entries[:min(len(entries), kinetrail.MaxPutRecords)]
	name, arn := w.target.APINames()
	// Ctrl-C waits for the answer, so that it is known what was copied.
	asking, answered := outlasting(ctx, interruptedFlush)
	defer answered()
	out, err := w.client.PutRecords(asking, &kinesis.PutRecordsInput{StreamName: name, StreamARN: arn, Records: entries})
	if err != nil {
		return w.afterFailure(ctx, err)
	}
	if len(out.Records) != len(entries) {
		return fmt.Errorf("PutRecords: the answer has %d records, not %d", len(out.Records), len(entries))
	}
	refused, err := w.settle(batch, out.Records)
	if err != nil {
		return err
	}
	if err := w.noteShards(ctx, out.Records); err != nil {
		return err
	}
	w.show()
	if refused != nil {
		return w.afterFailure(ctx, refused)
	}
	return w.keepRate(ctx)
}

// pick takes the records of a round in their order: each whose keys no record
// before it has, for that one is to be put first.
func (w *replayWriter) pick() []*replayRecord {
	most := kinetrail.MaxPutRecords
	if w.rate > 0 {
		most = min(most, max(w.rate/roundsPerSecond, 1))
	}
	var batch []*replayRecord
	entries, bytes := 0, 0
	taken := make(map[string]bool)
	for i, r := range w.pending {
		isFree := !slices.ContainsFunc(r.keys, func(key string) bool { return taken[key] })
		if r.alone && i > 0 {
			break // it waits for all before it, and all behind it for it
		}
		for _, key := range r.keys {
			taken[key] = true
		}
		if !isFree {
			continue
		}
		if len(batch) > 0 && (len(batch) == most || entries+len(r.entries) > kinetrail.MaxPutRecords || bytes+r.size > kinetrail.MaxPutRecordsBytes) {
			break
		}
		batch = append(batch, r)
		entries, bytes = entries+len(r.entries), bytes+r.size
		if r.alone {
			break
		}
	}
	return batch
}

// roundsPerSecond is into how many rounds a --rate is cut.
const roundsPerSecond = 10

// settle takes what was accepted off. refused is why something was not, when it
// may be tried again; err when it may not.
func (w *replayWriter) settle(batch []*replayRecord, results []types.PutRecordsResultEntry) (refused, err error) {
	for _, r := range batch {
		var left []types.PutRecordsRequestEntry
		for i, entry := range r.entries {
			if len(results) == 0 { // one container for more shards than a request has room for
				left = append(left, r.entries[i:]...)
				break
			}
			result := results[0]
			results = results[1:]
			if result.ErrorCode == nil {
				w.bytes += int64(entrySize(entry))
				continue
			}
			left = append(left, entry)
			refused = fmt.Errorf("%s (%s)", strings.TrimSuffix(aws.ToString(result.ErrorMessage), "."), *result.ErrorCode)
			if !passes(*result.ErrorCode) {
				err = refused
			}
		}
		r.entries = left
		if len(left) == 0 {
			w.copied++
			w.users += r.users
			w.pendingBytes -= r.size
			w.failing = time.Time{}
		}
	}
	w.pending = slices.DeleteFunc(w.pending, func(r *replayRecord) bool { return len(r.entries) == 0 })
	return refused, err
}

// passes reports whether a record that was refused with this code may be tried
// again.
func passes(code string) bool {
	return code == "ProvisionedThroughputExceededException" || code == "InternalFailure" || code == "KMSThrottlingException"
}

// noteShards reads the target's shards again when a record went to one that is
// not known: containers are divided by them.
func (w *replayWriter) noteShards(ctx context.Context, results []types.PutRecordsResultEntry) (err error) {
	for _, result := range results {
		if result.ShardId == nil {
			continue
		}
		if _, known := w.shards.Shard(*result.ShardId); !known {
			w.shards, err = readShards(ctx, w.client, w.target)
			return err
		}
	}
	return nil
}

// afterFailure waits before a round that failed is tried again, unless that is
// no use or nothing was accepted for too long.
func (w *replayWriter) afterFailure(ctx context.Context, failure error) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	var fatal interface{ ErrorCode() string }
	if errors.As(failure, &fatal) && !newRetryer().IsErrorRetryable(failure) {
		return streamError(w.target, failure)
	}
	if w.failing.IsZero() {
		w.failing = time.Now()
	}
	if time.Since(w.failing) > w.patience {
		return failure
	}
	return wait(ctx, failurePause)
}

// failurePause is how long a shard that is full gets to take records again.
const failurePause = 100 * time.Millisecond

// keepRate waits until the next round is due.
func (w *replayWriter) keepRate(ctx context.Context) error {
	if w.rate == 0 {
		return nil
	}
	due := w.began.Add(time.Duration(w.copied) * time.Second / time.Duration(w.rate))
	if ahead := time.Until(due); ahead > 0 {
		return wait(ctx, ahead)
	}
	return nil
}

// show draws how much of the time to copy is copied.
func (w *replayWriter) show() {
	if w.progress.out == nil {
		return
	}
	w.progress.show("%s", replayBar(w.first, w.reader.copiedUpTo(w.pendingArrivals()), w.until)+
		fmt.Sprintf("  %s, %.0f/s", count(w.users, "record"), float64(w.users)/max(time.Since(w.began).Seconds(), 0.001)))
}

// replayBar draws how far a time is from another to a third.
func replayBar(from, at, to time.Time) string {
	const width = 20
	part := 0.0
	if whole := to.Sub(from); whole > 0 && at.After(from) {
		part = min(at.Sub(from).Seconds()/whole.Seconds(), 1)
	}
	full := int(part * width)
	return fmt.Sprintf("%s%s %3.0f %%", strings.Repeat("█", full), strings.Repeat("·", width-full), part*100)
}
