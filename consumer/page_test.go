package consumer

import (
	"crypto/md5"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// handed is a page as it ought to be, made the plain way: every record at once.
type handed struct {
	records            []kinetrail.Record
	last               kinetrail.Position
	bytes              int
	broken, outOfRange int
}

// expand makes what a page hands on of an answer.
func expand(d *deaggregator, out *kinesis.GetRecordsOutput, wanted func(kinetrail.Position) bool) (h handed) {
	for _, raw := range out.Records {
		h.bytes += len(raw.Data)
		whole := kinetrail.Record{
			Data: raw.Data, StoredPartitionKey: aws.ToString(raw.PartitionKey), Stream: d.stream, ShardID: d.shardID,
			Position: kinetrail.At(*raw.SequenceNumber, 0), ArrivedAt: *raw.ApproximateArrivalTimestamp, Behind: time.Second,
		}
		h.last = whole.Position
		users, err := aggregate.Split(raw.Data, nil)
		if err != nil {
			if aggregate.IsContainer(raw.Data) {
				h.broken++
			}
			if tracecarrier.Restore(&whole); wanted(whole.Position) {
				h.records = append(h.records, whole)
			}
			continue
		}
		h.last = kinetrail.At(*raw.SequenceNumber, max(0, len(users)-1))
		outside := 0
		for i := range users {
			if key, err := users[i].HashKey(); err != nil || !d.rng.Contains(key) {
				outside++
			}
		}
		h.outOfRange += outside
		if outside > 0 && d.filter == RangeKCL {
			continue
		}
		for sub, user := range users {
			r := whole
			r.Position = kinetrail.At(*raw.SequenceNumber, sub)
			r.Data, r.PartitionKey, r.ExplicitHashKey, r.Headers = user.Data, user.PartitionKey, user.ExplicitHashKey, user.Headers
			if tracecarrier.RestoreUserRecord(&r); wanted(r.Position) {
				h.records = append(h.records, r)
			}
		}
	}
	return h
}

// anyAnswer is an answer of plain records, containers, empty ones, broken ones and
// what only looks like one.
func anyAnswer(t *rapid.T) *kinesis.GetRecordsOutput {
	out := &kinesis.GetRecordsOutput{MillisBehindLatest: aws.Int64(1000)}
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	key := rapid.SampledFrom([]string{"a", "customer", traceparent, traceparent + "-k1=customer", traceparent + "x"})
	for i := range rapid.IntRange(0, 12).Draw(t, "records") {
		data := []byte(fmt.Sprint("data ", i))
		switch kind := rapid.IntRange(0, 6).Draw(t, "kind"); kind {
		case 0, 1: // plain
		case 6: // a container that holds a key and no record
			sum := md5.Sum([]byte("\x0a\x01a"))
			data = append([]byte("\xF3\x89\x9A\xC2\x0a\x01a"), sum[:]...)
		case 2:
			data = append([]byte("\xF3\x89\x9A\xC2"), strings.Repeat("x", 40)...)
		default:
			var b aggregate.Builder
			for j := range rapid.IntRange(1, 20).Draw(t, "users") {
				user := aggregate.UserRecord{PartitionKey: fmt.Sprint("user-", rapid.IntRange(0, 9).Draw(t, "user")), Data: fmt.Appendf(nil, "%d in %d", j, i)}
				if rapid.IntRange(0, 9).Draw(t, "hash key") == 0 {
					user.ExplicitHashKey = rapid.SampledFrom([]string{"0", "no number"}).Draw(t, "hash key")
				}
				if rapid.IntRange(0, 3).Draw(t, "headers") == 0 {
					user.Headers = []kinetrail.Header{{Name: "Traceparent", Value: traceparent}}
				}
				b.Add(&user)
			}
			if data = b.AppendTo(nil); kind == 3 {
				data[len(data)/2] ^= 1
			}
		}
		out.Records = append(out.Records, types.Record{
			Data: data, PartitionKey: aws.String(key.Draw(t, "key")), SequenceNumber: aws.String(fmt.Sprint(1000 + i)),
			ApproximateArrivalTimestamp: aws.Time(time.UnixMilli(1_700_000_000_000 + int64(i)).UTC()),
		})
	}
	return out
}

func TestAPageHandsOnWhatItsRecordsHold(t *testing.T) {
	t.Parallel()
	var pool memories
	meter := newStreamMeter(metrics.Isolate(metrics.NewMemory(), slog.Default()), "orders").shard("shardId-000000000000")
	rapid.Check(t, func(t *rapid.T) {
		d := &deaggregator{
			shardID: "shardId-000000000000", rng: rapid.SampledFrom(append(shardmap.Uniform(1), shardmap.Uniform(2)...)).Draw(t, "range"), rangeKnown: true,
			filter: rapid.SampledFrom([]RangeFilter{RangeDeliver, RangeKCL}).Draw(t, "filter"), extracts: true, meter: meter, memories: &pool,
		}
		for range 2 { // with the memory of the page before
			out := anyAnswer(t)
			var left skip
			if rapid.Bool().Draw(t, "skip") {
				left = skip{until: kinetrail.At(fmt.Sprint(1000+rapid.IntRange(-1, 12).Draw(t, "until")), rapid.IntRange(0, 21).Draw(t, "sub")), inclusive: rapid.Bool().Draw(t, "inclusive")}
			}
			want := expand(d, out, func(p kinetrail.Position) bool { return left.until.IsZero() || !left.has(p) })
			pg := d.page(out, left)
			records := pg.records
			var got []kinetrail.Record
			if rapid.Bool().Draw(t, "all") {
				got = slices.Clone(pg.all())
			} else {
				for r := pg.next(); r != nil; r = pg.next() {
					got = append(got, *r)
				}
			}
			if pg.next() != nil {
				t.Errorf("a page of %d records goes on behind the last", records)
			}
			d.memories.put(pg.memory)
			if describe(got) != describe(want.records) || records != len(want.records) {
				t.Errorf("records (%d)%s\nwant%s", records, describe(got), describe(want.records))
			}
			if pg.last != want.last || pg.bytes != want.bytes || pg.kinesisRecords != len(out.Records) || pg.broken != want.broken || pg.outOfRange != want.outOfRange {
				t.Errorf("last %v, %d bytes of %d, %d broken, %d out of range; want %v, %d of %d, %d, %d",
					pg.last, pg.bytes, pg.kinesisRecords, pg.broken, pg.outOfRange, want.last, want.bytes, len(out.Records), want.broken, want.outOfRange)
			}
		}
	})
}

func describe(records []kinetrail.Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "\n%+v", r)
	}
	return b.String()
}
