package kinesisprotocol_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/localkinesis"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// protocolInto is a protocol whose records go into *records.
func protocolInto(records *[]kinesisprotocol.Record) kinesis.Options {
	return kinesis.New(kinesis.Options{}, kinesisprotocol.Into(records)).Options()
}

// stale is what a list holds from the call before.
func stale() []kinesisprotocol.Record {
	return []kinesisprotocol.Record{{Data: []byte("old"), PartitionKey: "old", SequenceNumber: "1"}, {PartitionKey: "older"}}
}

// checkInto reads one answer of GetRecords into a list and by the SDK.
func checkInto(t interface {
	Helper()
	Errorf(string, ...any)
}, body []byte) {
	t.Helper()
	records := stale()
	want, wantErr := read(sdk, getRecords, 200, body)
	got, err := read(protocolInto(&records).Protocol, getRecords, 200, body)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("answer %q: error %v; the SDK's is %v", body, err, wantErr)
	}
	if err != nil || wantErr != nil {
		return
	}
	output, wanted := got.(*kinesis.GetRecordsOutput), want.(*kinesis.GetRecordsOutput)
	if output.Records != nil {
		t.Errorf("answer %q: %d records in the output too", body, len(output.Records))
	}
	if len(records) != len(wanted.Records) {
		t.Errorf("answer %q: %d records; want %d", body, len(records), len(wanted.Records))
		return
	}
	for i := range records {
		r, want := &records[i], &wanted.Records[i]
		if !bytes.Equal(r.Data, want.Data) || r.PartitionKey != aws.ToString(want.PartitionKey) ||
			r.SequenceNumber != aws.ToString(want.SequenceNumber) || arrival(want) != r.ArrivedAt() {
			t.Errorf("answer %q: record %d is %+v; want %s", body, i, r, describe(want))
		}
	}
	if aws.ToString(output.NextShardIterator) != aws.ToString(wanted.NextShardIterator) ||
		aws.ToInt64(output.MillisBehindLatest) != aws.ToInt64(wanted.MillisBehindLatest) || len(output.ChildShards) != len(wanted.ChildShards) {
		t.Errorf("answer %q: %s; want %s", body, describe(output), describe(wanted))
	}
}

// arrival is the SDK's, of which nanoseconds that an int64 cannot hold are left.
func arrival(r *types.Record) time.Time {
	if r.ApproximateArrivalTimestamp == nil {
		return time.Time{}
	}
	return time.UnixMilli(r.ApproximateArrivalTimestamp.UnixMilli()).UTC()
}

func TestRecordsComeIntoAListAsTheSDKReadsThem(t *testing.T) {
	t.Parallel()
	for _, body := range oddAnswers {
		checkInto(t, []byte(body))
	}
	for _, body := range [][]byte{getAnswer(0, 0), getAnswer(1, 1), getAnswer(300, 100), getAnswer(20, 5000)} {
		checkInto(t, body)
	}
}

// FuzzInto reads arbitrary answers into a list.
func FuzzInto(f *testing.F) {
	for _, body := range oddAnswers {
		f.Add([]byte(body))
	}
	f.Add(getAnswer(3, 20))
	f.Fuzz(func(t *testing.T, body []byte) { checkInto(t, body) })
}

func TestAListIsUsedAgain(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	client := server.Client()
	put, err := client.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: putInput(5, 20).Records})
	if err != nil {
		t.Fatal(err)
	}
	iterator, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String("orders"), ShardId: put.Records[0].ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	list := make([]kinesisprotocol.Record, 9, 100)
	first := &list[0]
	output, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator}, kinesisprotocol.Into(&list))
	if err != nil || len(list) != 5 || &list[0] != first || output.Records != nil {
		t.Fatalf("%d records in a list of their own (%t), %d in the output, error %v; want 5 in the list given", len(list), &list[0] != first, len(output.Records), err)
	}
	if want := put.Records[4]; list[4].SequenceNumber != *want.SequenceNumber || time.Since(list[4].ArrivedAt()) > time.Minute {
		t.Errorf("the last record has number %s and arrived %v; want %s, just now", list[4].SequenceNumber, list[4].ArrivedAt(), *want.SequenceNumber)
	}
	_, err = client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("gone")}, kinesisprotocol.Into(&list))
	var invalid *types.InvalidArgumentException
	if !errors.As(err, &invalid) || len(list) != 0 {
		t.Errorf("a call that failed leaves %d records, error %v; want none and an InvalidArgumentException", len(list), err)
	}
}
