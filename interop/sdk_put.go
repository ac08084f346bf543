package main

import (
	"fmt"
	"math/big"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// putFaults make the first record of PutRecords to the stream partial fail, and
// every PutRecord to the stream busy.
var putFaults = []string{
	"PutRecords stream=partial records=1",
	"PutRecord stream=busy error=ProvisionedThroughputExceededException",
}

func put(t *talk) {
	groups := create(t, "groups", 5)
	putGroups(t, groups)
	putOne(t, groups)

	partial := create(t, "partial", 1)
	out := ask[kinesis.PutRecordsOutput](t, kinesis.PutRecordsInput{StreamName: partial, Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("a"), Data: []byte("1")}, {PartitionKey: aws.String("b"), Data: []byte("2")},
	}})
	t.expect("the failed records", aws.ToInt32(out.FailedRecordCount), int32(1))
	if len(out.Records) == 2 {
		t.expect("the error of the first", aws.ToString(out.Records[0].ErrorCode), "ProvisionedThroughputExceededException")
		t.expect("its message", aws.ToString(out.Records[0].ErrorMessage), "Rate exceeded for shard shardId-000000000000 in stream partial under account 000000000000.")
		t.expect("the shard of the second", aws.ToString(out.Records[1].ShardId), shardID(0))
	} else {
		t.expect("the records of the answer", len(out.Records), 2)
	}

	busy := create(t, "busy", 1)
	t.refused(kinesis.PutRecordInput{StreamName: busy, PartitionKey: aws.String("a"), Data: []byte("1")},
		apiError{"ProvisionedThroughputExceededException", "Rate exceeded for shard shardId-000000000000 in stream busy under account 000000000000.", 400})
}

// fifth is the shard of five that a hash key belongs to.
func fifth(h *big.Int) int {
	step := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(5))
	return min(int(new(big.Int).Div(h, step).Int64()), 4)
}

// putGroups puts a record for each of twenty groups, as the article does, and
// expects them on the shards of their keys.
func putGroups(t *talk, stream *string) {
	var in kinesis.PutRecordsInput
	var want []string
	for i := 1; i <= 20; i++ {
		key := fmt.Sprintf("group-%d", i)
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &key, Data: []byte("event of " + key)})
		want = append(want, shardID(fifth(hashKey(key))))
	}
	in.StreamName = stream
	out := ask[kinesis.PutRecordsOutput](t, in)
	var got []string
	for _, r := range out.Records {
		got = append(got, aws.ToString(r.ShardId))
	}
	t.expect("the shards of twenty groups", got, want)
	t.expect("the failed records", aws.ToInt32(out.FailedRecordCount), int32(0))
}

// putOne puts single records: binary data, keys beyond ASCII, hash keys, an
// order, an ARN.
func putOne(t *talk, stream *string) {
	for _, key := range []string{"\u00e9", "ключ", "😀", "a b\"c\\d"} {
		out := ask[kinesis.PutRecordOutput](t, kinesis.PutRecordInput{StreamName: stream, PartitionKey: &key, Data: []byte{0, 0xff, 0x80, '\n'}})
		t.expect(fmt.Sprintf("the shard of the key %q", key), aws.ToString(out.ShardId), shardID(fifth(hashKey(key))))
	}
	for hash, shard := range map[string]int{"0": 0, lastHashKey: 4} {
		out := ask[kinesis.PutRecordOutput](t, kinesis.PutRecordInput{StreamARN: arn(*stream), PartitionKey: aws.String("a"), ExplicitHashKey: &hash, Data: []byte("x")})
		t.expect("the shard of the hash key "+hash, aws.ToString(out.ShardId), shardID(shard))
	}
	var last *string
	for i := range 3 {
		out := ask[kinesis.PutRecordOutput](t, kinesis.PutRecordInput{StreamName: stream, PartitionKey: aws.String("a"), Data: []byte("x"), SequenceNumberForOrdering: last})
		if aws.ToString(out.SequenceNumber) <= aws.ToString(last) {
			t.expect(fmt.Sprintf("sequence number %d", i), aws.ToString(out.SequenceNumber), "above "+aws.ToString(last))
		}
		last = out.SequenceNumber
	}
}
