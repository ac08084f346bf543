package kinesisprotocol

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Result is what PutRecords says of one record, without pointers, as ResultsInto
// takes it. What the service does not say is empty: the code and the message of a
// record that was accepted, the number and the shard of one that was not.
type Result struct {
	SequenceNumber string
	ShardID        string
	ErrorCode      string
	ErrorMessage   string
}

// ResultsInto makes a call of PutRecords put its results into *results, in place
// of what was there, and leave Records of the output nil: that is the cheapest way
// to write many. FailedRecordCount is in the output as ever. It implies Install,
// and is passed behind With where both are. *results is used again if it has room,
// so whoever hands it to a second call has copied what is to be kept of the first;
// the text that the strings of one call lie in is not used again.
//
// With a client that speaks any other protocol than the SDK's JSON or this
// package's, it does nothing, and the results are in the output. They are there,
// too, when the client has middleware or interceptors of its own, which may want
// to see them; ResultOf takes them from there.
//
// The option may be used for one call after another, but not for two at once.
func ResultsInto(results *[]Result) func(*kinesis.Options) {
	return func(o *kinesis.Options) {
		Install(o)
		*results = (*results)[:0]
		if installed, ok := o.Protocol.(*protocol); ok && !watched(o) {
			into := *installed
			into.results = results
			o.Protocol = &into
		}
	}
}

// ResultOf is a result that came in the SDK's types. Its strings are the same
// memory.
func ResultOf(from *types.PutRecordsResultEntry) Result {
	return Result{
		SequenceNumber: aws.ToString(from.SequenceNumber),
		ShardID:        aws.ToString(from.ShardId),
		ErrorCode:      aws.ToString(from.ErrorCode),
		ErrorMessage:   aws.ToString(from.ErrorMessage),
	}
}
