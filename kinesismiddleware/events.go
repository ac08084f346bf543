package kinesismiddleware

import (
	"context"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Event is one event of a subscription whose records have their own keys back.
type Event struct {
	types.SubscribeToShardEvent

	readings readings
}

// Events yields the events of a SubscribeToShard subscription as they arrive,
// with the keys of their records restored. It needs no middleware on the client,
// and counts nothing.
//
// It ends when the stream does: without an error when the service has closed it,
// which it does after five minutes, and otherwise with the stream's error and an
// empty Event. Closing the stream is the caller's business, also after leaving
// the loop early.
func Events(stream *kinesis.SubscribeToShardEventStream) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for received := range stream.Events() {
			member, ok := received.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
			if !ok {
				continue // a kind of event that this SDK does not know
			}
			event := Event{SubscribeToShardEvent: member.Value}
			event.readings, _ = restore(event.Records, false)
			if !yield(event, nil) {
				return
			}
		}
		if err := stream.Err(); err != nil {
			yield(Event{}, err)
		}
	}
}

// Extract returns ctx with the trace context of record i of the event, as the
// function Extract does for a GetRecords response.
func (e Event) Extract(ctx context.Context, i int) context.Context {
	return e.readings.extract(ctx, i)
}

// StoredKey returns the partition key of record i of the event as Kinesis stores
// it, as the function StoredKey does for a GetRecords response.
func (e Event) StoredKey(i int) (key string, originalKnown bool) {
	return e.readings.storedKey(e.Records, i)
}
