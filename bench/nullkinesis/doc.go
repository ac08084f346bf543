// Package nullkinesis answers the calls of Kinesis clients and does nothing
// else: what a client costs can be measured against it because it costs less
// than any client.
//
//	PutRecords ──► find the records' ends and hash keys ──► one prepared entry for each
//	GetRecords ──► a prepared page of the stream's kind
//
// It keeps no record, knows no credentials and speaks only as much HTTP/1.1, JSON
// and CBOR as the AWS SDK for Go and package kinesisprotocol send. The shards it names in answers are the ones
// the real service would name, so that a client which predicts them is not
// surprised. Every read of a shard answers with the same full page, for ever.
package nullkinesis
