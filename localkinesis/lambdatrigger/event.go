package lambdatrigger

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// source is where the records of one shard come from, as events say it.
type source struct {
	streamARN string
	region    string
	account   string
	shardID   string
}

func newSource(streamARN, shardID string) source {
	parts := append(strings.Split(streamARN, ":"), "", "", "", "", "")
	return source{streamARN: streamARN, region: parts[3], account: parts[4], shardID: shardID}
}

// functionARN is the ARN of a function beside the stream.
func (s source) functionARN(name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", s.region, s.account, name)
}

// entry is a record as it stands in events.
type entry struct {
	sequence string
	arrived  time.Time
	fetched  time.Time
	json     []byte
}

// encode makes an entry of a record.
func (s source) encode(r *types.Record) (entry, error) {
	sequence := aws.ToString(r.SequenceNumber)
	encoded, err := json.Marshal(events.KinesisEventRecord{
		AwsRegion:         s.region,
		EventID:           s.shardID + ":" + sequence,
		EventName:         "aws:kinesis:record",
		EventSource:       "aws:kinesis",
		EventSourceArn:    s.streamARN,
		EventVersion:      "1.0",
		InvokeIdentityArn: fmt.Sprintf("arn:aws:iam::%s:role/lambdatrigger", s.account),
		Kinesis: events.KinesisRecord{
			ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: aws.ToTime(r.ApproximateArrivalTimestamp)},
			Data:                        r.Data,
			EncryptionType:              string(r.EncryptionType),
			PartitionKey:                aws.ToString(r.PartitionKey),
			SequenceNumber:              sequence,
			KinesisSchemaVersion:        "1.0",
		},
	})
	if err != nil {
		return entry{}, fmt.Errorf("encode record %s: %w", sequence, err)
	}
	return entry{sequence: sequence, arrived: aws.ToTime(r.ApproximateArrivalTimestamp), fetched: time.Now(), json: encoded}, nil
}

// The parts of an event around and between its records.
const (
	eventHead = `{"Records":[`
	eventTail = `]}`
)

// payload is the event of a batch.
func payload(batch []entry) []byte {
	event := []byte(eventHead)
	for i, e := range batch {
		if i > 0 {
			event = append(event, ',')
		}
		event = append(event, e.json...)
	}
	return append(event, eventTail...)
}
