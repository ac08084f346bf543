package kinesislambda

import (
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
)

// batch is the user records of one event. All of them come from one shard.
type batch struct {
	stream  kinetrail.Stream
	shardID string
	records []kinetrail.Record
	sources []int // for each record the Kinesis record it came out of, by index

	extracted, malformed, unknownVersion int64
}

// deaggregate makes user records of an event's Kinesis records. What begins
// like a container and is none is one plain record.
func (w *wrapper) deaggregate(received []events.KinesisEventRecord) *batch {
	b := &batch{
		records: make([]kinetrail.Record, 0, len(received)),
		sources: make([]int, 0, len(received)),
	}
	var users []aggregate.UserRecord
	for i := range received {
		whole := recordOf(&received[i])
		if i == 0 {
			b.stream, b.shardID = whole.Stream, whole.ShardID
		}
		var err error
		if users, err = aggregate.Split(whole.Data, users[:0]); err != nil {
			w.extract(b, &whole)
			b.add(i, whole)
			continue
		}
		for sub := range users {
			r, user := whole, &users[sub]
			r.Position = kinetrail.At(whole.Position.Sequence(), sub)
			r.Data, r.PartitionKey, r.ExplicitHashKey, r.Headers = user.Data, user.PartitionKey, user.ExplicitHashKey, user.Headers
			w.extractUser(b, &r)
			b.add(i, r)
		}
	}
	return b
}

func (b *batch) add(source int, r kinetrail.Record) {
	b.records, b.sources = append(b.records, r), append(b.sources, source)
}

// recordOf is a Kinesis record as it came, its key not restored.
func recordOf(e *events.KinesisEventRecord) kinetrail.Record {
	shardID, _, _ := strings.Cut(e.EventID, ":")
	r := kinetrail.Record{
		Data:               e.Kinesis.Data,
		StoredPartitionKey: e.Kinesis.PartitionKey,
		Stream:             streamOf(e.EventSourceArn),
		ShardID:            shardID,
		Position:           kinetrail.At(e.Kinesis.SequenceNumber, 0),
	}
	// The event has the time in seconds as a float, which is not exact below
	// the millisecond that Kinesis means.
	if at := e.Kinesis.ApproximateArrivalTimestamp.Time; !at.IsZero() {
		r.ArrivedAt = at.Round(time.Millisecond).UTC()
	}
	return r
}

// streamOf is the stream of an event source, zero when the ARN names none. A
// mapping with enhanced fan-out has a consumer as its source, whose ARN is that
// of the stream followed by /consumer/ and its name.
func streamOf(sourceARN string) kinetrail.Stream {
	arn, _, _ := strings.Cut(sourceARN, "/consumer/")
	stream, err := kinetrail.ParseStream(arn)
	if err != nil {
		return kinetrail.Stream{}
	}
	return stream
}

// event is the user records in the form of the event they came in.
func (b *batch) event(received []events.KinesisEventRecord) []events.KinesisEventRecord {
	restored := make([]events.KinesisEventRecord, len(b.records))
	for i := range b.records {
		restored[i] = received[b.sources[i]]
		restored[i].Kinesis.Data = b.records[i].Data
		restored[i].Kinesis.PartitionKey = b.records[i].PartitionKey
	}
	return restored
}
