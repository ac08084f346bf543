package consumer

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
)

// deaggregator makes user records of one shard's Kinesis records.
type deaggregator struct {
	stream     kinetrail.Stream
	shardID    string
	rng        shardmap.Range
	rangeKnown bool
	filter     RangeFilter
	buffers    *buffers

	scratch []aggregate.UserRecord
}

// skip leaves records out that were handed on before: those before until, and
// the one at until unless inclusive. The zero skip leaves out none.
type skip struct {
	until     kinetrail.Position
	inclusive bool
}

func (s skip) has(p kinetrail.Position) bool {
	if s.until.IsZero() {
		return false
	}
	c := p.Compare(s.until)
	return c < 0 || c == 0 && !s.inclusive
}

// page makes a page of an answer. Records and strings alias the answer.
func (d *deaggregator) page(out *kinesis.GetRecordsOutput, skip skip) *page {
	pg := &page{kinesisRecords: len(out.Records)}
	if out.MillisBehindLatest != nil {
		pg.behind = time.Duration(*out.MillisBehindLatest) * time.Millisecond
	}
	if len(out.Records) > 0 {
		pg.records = d.buffers.get(len(out.Records))
	}
	for i := range out.Records {
		d.add(pg, &out.Records[i], skip)
	}
	return pg
}

// add appends the user records of one Kinesis record. What begins like a
// container and is none is one plain record.
func (d *deaggregator) add(pg *page, raw *types.Record, skip skip) {
	pg.bytes += len(raw.Data)
	sequence := aws.ToString(raw.SequenceNumber)
	whole := kinetrail.Record{
		Data:               raw.Data,
		StoredPartitionKey: aws.ToString(raw.PartitionKey),
		Stream:             d.stream,
		ShardID:            d.shardID,
		Position:           kinetrail.At(sequence, 0),
		ArrivedAt:          aws.ToTime(raw.ApproximateArrivalTimestamp),
		Behind:             pg.behind,
	}
	pg.last = whole.Position
	if aggregate.IsContainer(raw.Data) {
		users, err := aggregate.Split(raw.Data, d.scratch[:0])
		if err == nil {
			d.scratch = users
			pg.last = kinetrail.At(sequence, max(0, len(users)-1))
			d.addUsers(pg, &whole, users, skip)
			clear(users) // so that the scratch does not hold the page
			return
		}
		pg.broken++
	}
	if !skip.has(whole.Position) {
		extract(pg, &whole)
		pg.records = append(pg.records, whole)
	}
}

// addUsers appends the records of a container, by position in it.
func (d *deaggregator) addUsers(pg *page, whole *kinetrail.Record, users []aggregate.UserRecord, skip skip) {
	outside := d.countOutside(users)
	pg.outOfRange += outside
	if outside > 0 && d.filter == RangeKCL {
		return
	}
	for sub := range users {
		r := *whole
		r.Position = kinetrail.At(whole.Position.Sequence(), sub)
		if skip.has(r.Position) {
			continue
		}
		user := &users[sub]
		r.Data, r.PartitionKey, r.ExplicitHashKey, r.Headers = user.Data, user.PartitionKey, user.ExplicitHashKey, user.Headers
		extractUser(pg, &r)
		pg.records = append(pg.records, r)
	}
}

// countOutside counts the user records whose hash key the shard does not own. A
// hash key that is no number belongs nowhere.
func (d *deaggregator) countOutside(users []aggregate.UserRecord) int {
	if !d.rangeKnown {
		return 0
	}
	outside := 0
	lastKey, inside, known := "", false, false // of the last record without a hash key of its own
	for i := range users {
		user := &users[i]
		if user.ExplicitHashKey == "" && known && user.PartitionKey == lastKey {
			if !inside {
				outside++
			}
			continue
		}
		key, err := user.HashKey()
		holds := err == nil && d.rng.Contains(key)
		if !holds {
			outside++
		}
		if user.ExplicitHashKey == "" {
			lastKey, inside, known = user.PartitionKey, holds, true
		}
	}
	return outside
}
