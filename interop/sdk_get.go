package main

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// getFaults move the server's clock by six minutes before the first GetRecords
// of the stream slow, whose iterator is then too old.
var getFaults = []string{"GetRecords stream=slow nth=1 clock=6m"}

// stored is a record that was put, or read.
type stored struct{ Number, Key, Data string }

func get(t *talk) {
	orders := create(t, "orders", 1)
	began := time.Now().Add(-time.Hour)
	all := putSome(t, orders, "one", "two", "three", "four")

	for _, tt := range []struct {
		iterator kinesis.GetShardIteratorInput
		want     []stored
	}{
		{kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon}, all},
		{kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest}, nil},
		{kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &all[1].Number}, all[1:]},
		{kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &all[1].Number}, all[2:]},
		{kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &began}, all},
	} {
		got, out := page(t, iterator(t, orders, tt.iterator), 0)
		t.expect(fmt.Sprintf("the records from %s", tt.iterator.ShardIteratorType), got, tt.want)
		t.expect("an iterator behind them", out.NextShardIterator != nil, true)
	}
	getPages(t, orders, all)
	getPastTheEnd(t, orders)
	getTooLate(t)
}

// putSome puts records one by one.
func putSome(t *talk, stream *string, texts ...string) []stored {
	records := make([]stored, len(texts))
	for i, text := range texts {
		key := fmt.Sprintf("key-%d", i)
		out := ask[kinesis.PutRecordOutput](t, kinesis.PutRecordInput{StreamName: stream, PartitionKey: &key, Data: []byte(text)})
		records[i] = stored{aws.ToString(out.SequenceNumber), key, text}
	}
	return records
}

func iterator(t *talk, stream *string, in kinesis.GetShardIteratorInput) *string {
	in.StreamName, in.ShardId = stream, aws.String(shardID(0))
	return ask[kinesis.GetShardIteratorOutput](t, in).ShardIterator
}

// page is what an iterator gives, and the answer it came in.
func page(t *talk, iterator *string, limit int32) ([]stored, *kinesis.GetRecordsOutput) {
	in := kinesis.GetRecordsInput{ShardIterator: iterator}
	if limit > 0 {
		in.Limit = &limit
	}
	out := ask[kinesis.GetRecordsOutput](t, in)
	return storedOf(t, out.Records), out
}

func storedOf(t *talk, records []types.Record) []stored {
	var all []stored
	for _, r := range records {
		all = append(all, stored{aws.ToString(r.SequenceNumber), aws.ToString(r.PartitionKey), string(r.Data)})
		if r.ApproximateArrivalTimestamp == nil || time.Since(*r.ApproximateArrivalTimestamp).Abs() > time.Minute {
			t.expect("the arrival of "+string(r.Data), r.ApproximateArrivalTimestamp, "now")
		}
	}
	return all
}

// getPages reads one record at a time by the iterator of the last answer.
func getPages(t *talk, stream *string, want []stored) {
	var got []stored
	next := iterator(t, stream, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	for range want {
		records, out := page(t, next, 1)
		got, next = append(got, records...), out.NextShardIterator
		t.expect("the milliseconds behind the tip", out.MillisBehindLatest != nil, true)
	}
	t.expect("the records one by one", got, want)
}

// getPastTheEnd splits the shard: the last page of the old one names its
// children and gives no iterator.
func getPastTheEnd(t *talk, stream *string) {
	next := iterator(t, stream, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest})
	ask[kinesis.SplitShardOutput](t, kinesis.SplitShardInput{StreamName: stream, ShardToSplit: aws.String(shardID(0)), NewStartingHashKey: aws.String(highHalf)})
	_, out := page(t, next, 0)
	t.expect("an iterator past the end", out.NextShardIterator, (*string)(nil))
	var children []string
	for _, c := range out.ChildShards {
		children = append(children, fmt.Sprint(aws.ToString(c.ShardId), " of ", c.ParentShards))
	}
	t.expect("the children", children, []string{shardID(1) + " of [" + shardID(0) + "]", shardID(2) + " of [" + shardID(0) + "]"})
}

// getTooLate uses an iterator after its five minutes.
func getTooLate(t *talk) {
	slow := create(t, "slow", 1)
	old := iterator(t, slow, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	in := kinesis.GetRecordsInput{ShardIterator: old}
	answer, ok := t.call(apiCall{Operation: "GetRecords", Input: in})
	if ok && (answer.Error == nil || answer.Error.Name != "ExpiredIteratorException") {
		t.expect("the answer to an old iterator", answer, "an ExpiredIteratorException")
	}
}
