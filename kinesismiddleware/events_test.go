package kinesismiddleware_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/kinesismiddleware"
)

// subscription is a reader of events that are there already.
type subscription struct {
	events chan types.SubscribeToShardEventStream
	err    error
}

func (s *subscription) Events() <-chan types.SubscribeToShardEventStream { return s.events }
func (s *subscription) Close() error                                     { return nil }
func (s *subscription) Err() error                                       { return s.err }

// subscribed is a stream that brings these events and then ends.
func subscribed(end error, events ...types.SubscribeToShardEventStream) *kinesis.SubscribeToShardEventStream {
	s := &subscription{events: make(chan types.SubscribeToShardEventStream, len(events)), err: end}
	for _, event := range events {
		s.events <- event
	}
	close(s.events)
	return kinesis.NewSubscribeToShardEventStream(func(es *kinesis.SubscribeToShardEventStream) { es.Reader = s })
}

func eventOf(continuation string, keys ...string) types.SubscribeToShardEventStream {
	value := types.SubscribeToShardEvent{ContinuationSequenceNumber: aws.String(continuation), MillisBehindLatest: aws.Int64(0)}
	for _, key := range keys {
		value.Records = append(value.Records, types.Record{PartitionKey: aws.String(key), Data: []byte("data of " + key)})
	}
	return &types.SubscribeToShardEventStreamMemberSubscribeToShardEvent{Value: value}
}

func TestEventsRestoresTheRecordsOfASubscription(t *testing.T) {
	t.Parallel()
	stream := subscribed(nil,
		eventOf("1", "group-1", otherParent+"-k1=group-2", otherParent),
		&types.UnknownUnionMember{Tag: "something new"},
		eventOf("2"),
	)
	var events []kinesismiddleware.Event
	for event, err := range kinesismiddleware.Events(stream) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	if len(events) != 2 || *events[0].ContinuationSequenceNumber != "1" || *events[1].ContinuationSequenceNumber != "2" || len(events[1].Records) != 0 {
		t.Fatalf("the events are %+v, want the first with its records and the second without any", events)
	}
	for i, want := range []struct {
		key, parent, stored string
		known               bool
	}{
		{"group-1", "", "group-1", true},
		{"group-2", otherParent, otherParent + "-k1=group-2", true},
		{otherParent, otherParent, otherParent, false},
	} {
		parent := ""
		if sc := trace.SpanContextFromContext(events[0].Extract(t.Context(), i)); sc.IsValid() {
			parent = parentOf(sc)
		}
		stored, known := events[0].StoredKey(i)
		if got := *events[0].Records[i].PartitionKey; got != want.key || parent != want.parent || stored != want.stored || known != want.known {
			t.Errorf("record %d has the key %q, the context %q and the stored key %q (known: %t), want %+v", i, got, parent, stored, known, want)
		}
		if got := string(events[0].Records[i].Data); got != "data of "+want.stored {
			t.Errorf("record %d has the data %q", i, got)
		}
	}
	for _, i := range []int{-1, 3} {
		if got := events[0].Extract(t.Context(), i); got != t.Context() {
			t.Errorf("Extract of record %d returned another ctx", i)
		}
		if key, known := events[0].StoredKey(i); key != "" || known {
			t.Errorf("StoredKey(%d) = %q, %t; want none", i, key, known)
		}
	}
}

func TestEventsEndsWithTheErrorOfTheStream(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var ends []error
	events := 0
	for event, err := range kinesismiddleware.Events(subscribed(broken, eventOf("1", "group-1"))) {
		ends = append(ends, err)
		events += len(event.Records)
	}
	if len(ends) != 2 || ends[0] != nil || !errors.Is(ends[1], broken) || events != 1 {
		t.Errorf("the errors are %v with %d records, want nil with one record and then %v", ends, events, broken)
	}
}

func TestLeavingTheEventsEarlyLeavesTheRestInTheStream(t *testing.T) {
	t.Parallel()
	stream := subscribed(errors.New("not to be seen"), eventOf("1"), eventOf("2"))
	for _, err := range kinesismiddleware.Events(stream) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if left := len(stream.Events()); left != 1 {
		t.Errorf("%d events are left, want 1", left)
	}
}
