// Package kinesisprotocol makes the AWS SDK's own Kinesis client cheaper: it
// writes PutRecords requests and reads the answers of PutRecords and GetRecords,
// and the events of SubscribeToShard, in the place of the SDK's JSON protocol.
//
//	kinesis.Client ─► retries, endpoint, signing ─► HTTP        all the SDK's, untouched
//	       │
//	   Options.Protocol
//	       │
//	   this package ── PutRecords: request and answer
//	       │           GetRecords: answer
//	       │           SubscribeToShard: events
//	       ▼
//	   the SDK's JSON protocol ── every other operation, every error, every
//	                              answer that looks unusual
//
// One line switches it on, for a client or for a single call:
//
//	client := kinesis.NewFromConfig(config, kinesisprotocol.Install)
//	output, err := client.GetRecords(ctx, input, kinesisprotocol.Install)
//
// With makes the same calls in CBOR instead, which costs less still, at endpoints
// that speak it.
//
// Results are those of the SDK: in JSON requests are the same to the byte, answers
// give the same values, and what one refuses the other refuses. An answer with
// members this package does not know, with ChildShards, or with anything else
// that is seldom seen is read by the SDK's protocol from the same bytes.
//
// Into takes the records of one call without the SDK's types, each part of which is
// behind a pointer: for who reads many. ResultsInto does so with the results of
// PutRecords, for who writes many.
//
// # Memory
//
// An answer with records, or an event, is read into one piece of memory, its page.
// The records parsed from it are not copies: their strings and Data lie in the page, where the
// base64 text stood. A page and its records are garbage together, so a program
// that handles records and lets go of them has nothing to mind. One that keeps a
// record, or a string of it, keeps the page, which is up to 14 MB for GetRecords;
// [Clone], strings.Clone and bytes.Clone make copies that hold nothing but
// themselves. NextShardIterator is such a copy already, and so is
// ContinuationSequenceNumber. A page is never used again for another answer, so
// nothing changes under a record that is kept. Appending to the Data of a record
// does not write into its neighbour.
//
// The results of PutRecords are copied out of their page. The texts of one answer
// lie in one string, of some 30 KB for 500 results, and those that name the same
// shard share its text, in the SDK's types the pointer to it too.
package kinesisprotocol
