package localkinesis_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/localkinesis"
)

const subscribeBody = `{"ConsumerARN":"` + arnOfReports + `","ShardId":"shardId-000000000001","StartingPosition":{"Type":"TRIM_HORIZON"}}`

// subscribe opens an event stream of shard 1 for the consumer reports.
func subscribe(t *testing.T, s *localkinesis.Server, position types.StartingPosition) (*kinesis.SubscribeToShardEventStream, error) {
	t.Helper()
	out, err := s.Client(once).SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: aws.String(arnOfReports), ShardId: aws.String("shardId-000000000001"), StartingPosition: &position,
	})
	if err != nil {
		return nil, err
	}
	events := out.GetStream()
	t.Cleanup(func() { _ = events.Close() })
	return events, nil
}

var fromTrimHorizon = types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}

// next is the next event, nil at the end of the stream.
func next(events *kinesis.SubscribeToShardEventStream) *types.SubscribeToShardEvent {
	e, ok := <-events.Events()
	if !ok {
		return nil
	}
	return &e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
}

func keysOf(e *types.SubscribeToShardEvent) (keys []string) {
	for _, r := range e.Records {
		keys = append(keys, *r.PartitionKey)
	}
	return keys
}

// onShard1 is a partition key that belongs to the second of two shards.
const onShard1 = "k"

// subscribable is a server on which the consumer reports exists.
func subscribable(t *testing.T) *localkinesis.Server {
	t.Helper()
	s := tabled(t)
	withConsumer(t, s)
	return s
}

func TestASubscriptionPushesWhatIsThereAndWhatComes(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, s *localkinesis.Server) {
		s.Clock().Freeze()
		withConsumer(t, s)
		client := s.Client(once)
		listed, err := client.ListStreamConsumers(t.Context(), &kinesis.ListStreamConsumersInput{StreamARN: aws.String(arnOfOrders)})
		arn := *must(t, listed, err).Consumers[0].ConsumerARN
		must(t, 0, putOne(client, onShard1))
		out, err := client.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
			ConsumerARN: &arn, ShardId: aws.String("shardId-000000000001"), StartingPosition: &fromTrimHorizon,
		})
		must(t, out, err)
		events := out.GetStream()
		defer events.Close()
		first := next(events)
		if first == nil {
			t.Fatalf("no event: %v", events.Err())
		}
		if got := keysOf(first); !slices.Equal(got, []string{onShard1}) || *first.MillisBehindLatest != 0 {
			t.Errorf("the first event has %v, %d ms behind; want what was put before", got, *first.MillisBehindLatest)
		}
		must(t, 0, putOne(client, onShard1))
		second := next(events)
		if second == nil {
			t.Fatalf("no second event: %v", events.Err())
		}
		if len(second.Records) != 1 || *second.Records[0].SequenceNumber != *second.ContinuationSequenceNumber {
			t.Errorf("the second event is %+v; want the new record, and its number to continue from", second)
		}
		if *second.Records[0].SequenceNumber <= *first.Records[0].SequenceNumber {
			t.Errorf("numbers %s, then %s", *first.Records[0].SequenceNumber, *second.Records[0].SequenceNumber)
		}
	})
}

func TestASubscriptionGoesOnBehindItsContinuationNumber(t *testing.T) {
	t.Parallel()
	s := subscribable(t)
	client := s.Client(once)
	position := fromTrimHorizon
	var got []string
	for i := range 3 {
		events, err := subscribe(t, s, position)
		e := next(must(t, events, err))
		for _, r := range e.Records {
			got = append(got, string(r.Data))
		}
		must(t, 0, events.Close())
		position = types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: e.ContinuationSequenceNumber}
		_, err = client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String(onShard1), Data: []byte(fmt.Sprint(i))})
		must(t, 0, err)
		s.Clock().Advance(6 * time.Second)
	}
	if want := []string{"0", "1"}; !slices.Equal(got, want) {
		t.Errorf("three subscriptions, one after another, gave %v; want %v", got, want)
	}
}

func TestASubscriptionSendsAnEmptyEventEveryFiveSecondsAndEndsAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := subscribable(t)
		events, err := subscribe(t, s, types.StartingPosition{Type: types.ShardIteratorTypeLatest})
		must(t, events, err)
		received := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e := range events.Events() {
				if n := len(e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value.Records); n != 0 {
					t.Errorf("an event has %d records", n)
				}
				received++
			}
		}()
		synctest.Wait()
		for second := range 300 {
			if want := 1 + second/5; received != want {
				t.Fatalf("after %d seconds %d events; want %d", second, received, want)
			}
			s.Clock().Advance(time.Second)
			synctest.Wait()
		}
		select {
		case <-done:
		default:
			t.Error("the subscription goes on after five minutes")
		}
		if err := events.Err(); err != nil {
			t.Errorf("the subscription ended with %v; want no error", err)
		}
	})
}

func TestAnotherSubscriptionIsRefusedForFiveSecondsAndThenTakesOver(t *testing.T) {
	t.Parallel()
	s := subscribable(t)
	first, err := subscribe(t, s, fromTrimHorizon)
	next(must(t, first, err))
	s.Clock().Advance(5*time.Second - time.Millisecond)
	if _, err := subscribe(t, s, fromTrimHorizon); !isA[*types.ResourceInUseException](err) {
		t.Errorf("a second subscription before five seconds are over: %v; want ResourceInUseException", err)
	}
	s.Clock().Advance(time.Millisecond)
	second, err := subscribe(t, s, fromTrimHorizon)
	must(t, second, err)
	for next(first) != nil {
	}
	if err := first.Err(); !isA[*types.ResourceInUseException](err) {
		t.Errorf("the first subscription ended with %v; want ResourceInUseException", err)
	}
	if next(second) == nil {
		t.Error("the second subscription has no event")
	}
}

func TestTheLastEventOfAClosedShardNamesItsChildren(t *testing.T) {
	t.Parallel()
	s := subscribable(t)
	must(t, 0, putOne(s.Client(once), onShard1))
	events, err := subscribe(t, s, fromTrimHorizon)
	next(must(t, events, err))
	mustSend(t, s, "SplitShard", `{"StreamName":"orders","ShardToSplit":"shardId-000000000001","NewStartingHashKey":"270141183460469231731687303715884105728"}`)
	last := next(events)
	for len(last.ChildShards) == 0 {
		last = next(events)
	}
	if len(last.ChildShards) != 2 || *last.ChildShards[0].ShardId != "shardId-000000000002" || last.ChildShards[0].ParentShards[0] != "shardId-000000000001" || last.ContinuationSequenceNumber != nil {
		t.Errorf("the last event is %+v; want the children and no number to continue from", last)
	}
	if e := next(events); e != nil || events.Err() != nil {
		t.Errorf("after the last event: %+v, %v; want the end", e, events.Err())
	}
}

func TestDeregisteringAConsumerEndsItsSubscriptions(t *testing.T) {
	t.Parallel()
	s := subscribable(t)
	events, err := subscribe(t, s, fromTrimHorizon)
	next(must(t, events, err))
	mustSend(t, s, "DeregisterStreamConsumer", `{"ConsumerARN":"`+arnOfReports+`"}`)
	for next(events) != nil {
	}
	if err := events.Err(); !isA[*types.ResourceNotFoundException](err) {
		t.Errorf("the subscription ended with %v; want ResourceNotFoundException", err)
	}
}

func TestAFaultCutsAnEventStream(t *testing.T) {
	t.Parallel()
	s := subscribable(t)
	strike(t, s, "SubscribeToShard nth=1 cut=1")
	events, err := subscribe(t, s, fromTrimHorizon)
	if next(must(t, events, err)) == nil {
		t.Error("no event before the cut")
	}
	if e := next(events); e != nil || events.Err() == nil {
		t.Errorf("after the cut: %+v, %v; want an error", e, events.Err())
	}
}

func TestClosingTheServerEndsSubscriptions(t *testing.T) {
	t.Parallel()
	s := subscribable(t)
	must(t, 0, s.Listen("127.0.0.1:0"))
	events, err := subscribe(t, s, fromTrimHorizon)
	next(must(t, events, err))
	must(t, 0, s.Close())
	for next(events) != nil {
	}
}

func TestRefusalsOfSubscriptionsAreOrdinaryAnswers(t *testing.T) {
	t.Parallel()
	s := subscribable(t)
	for _, tt := range []struct{ body, code, message string }{
		{`{}`, "ValidationException", "3 validation errors detected: Value null at 'consumerARN' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'shardId' failed to satisfy constraint: Member must not be null; Value null at 'startingPosition' failed to satisfy constraint: Member must not be null"},
		{strings.Replace(subscribeBody, "TRIM_HORIZON", "FIRST", 1), "ValidationException", "Value 'FIRST' at 'startingPosition.type' failed to satisfy constraint: Member must satisfy enum value set: " +
			"[AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]"},
		{strings.Replace(subscribeBody, "shardId-000000000001", "shardId-000000000002", 1), "ResourceNotFoundException", "Could not find shard shardId-000000000002 in stream orders under account 000000000000."},
		{strings.Replace(subscribeBody, "reports", "none", 1), "ResourceNotFoundException", "Consumer none, stream orders under account 000000000000 not found."},
		{strings.Replace(subscribeBody, "TRIM_HORIZON", "AT_SEQUENCE_NUMBER", 1), "InvalidArgumentException", "Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber."},
		{strings.Replace(subscribeBody, `"}}`, `"},"DryRun":true}`, 1), "DryRunOperationException", ""},
	} {
		if code, message := refusal(t, s, "SubscribeToShard", tt.body); code != tt.code || !strings.Contains(message, tt.message) {
			t.Errorf("%s: %s %q; want %s %q", tt.body, code, message, tt.code, tt.message)
		}
	}
	if code, _ := refusal(t, s, "SubscribeToShard", `{"ConsumerARN":7}`); code != "SerializationException" {
		t.Errorf("a number as ConsumerARN: %s; want SerializationException", code)
	}
}

func TestEventsComeInTheCodecOfTheRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ request, event string }{
		{"application/x-amz-json-1.1", "application/json"},
		{"application/x-amz-cbor-1.1", "application/x-amz-cbor-1.1"},
	} {
		s := subscribable(t)
		must(t, 0, putOne(s.Client(once), onShard1))
		mustSend(t, s, "SplitShard", `{"StreamName":"orders","ShardToSplit":"shardId-000000000001","NewStartingHashKey":"270141183460469231731687303715884105728"}`)
		body := subscribeBody
		edit := func(r *http.Request) { r.Header.Set("Content-Type", tt.request) }
		if strings.Contains(tt.request, "cbor") {
			body = toCBOR(t, body)
		}
		r := send(t, s, "SubscribeToShard", body, edit)
		if got := r.header.Get("Content-Type"); got != "application/vnd.amazon.eventstream" {
			t.Errorf("Content-Type = %s", got)
		}
		var types []string
		var last string
		frames := strings.NewReader(string(r.body))
		for {
			frame, err := eventstream.NewDecoder().Decode(frames, nil)
			if err == io.EOF {
				break
			}
			must(t, frame, err)
			types = append(types, frame.Headers.Get(":event-type").String())
			if got := frame.Headers.Get(":content-type").String(); got != tt.event {
				t.Errorf(":content-type = %s; want %s", got, tt.event)
			}
			last = string(frame.Payload)
			if strings.Contains(tt.request, "cbor") {
				last = fromCBOR(t, frame.Payload)
			}
		}
		if want := []string{"initial-response", "SubscribeToShardEvent"}; !slices.Equal(types, want) || !strings.Contains(last, `"PartitionKey":"k"`) || !strings.Contains(last, `"ShardId":"shardId-000000000003"`) {
			t.Errorf("%s: events %v, the last %s; want %v", tt.request, types, last, want)
		}
	}
}

func TestConsumersAndTheirOpenSubscriptionsCanBeInspected(t *testing.T) {
	t.Parallel()
	s := subscribable(t)
	mustSend(t, s, "TagResource", `{"ResourceARN":"`+arnOfReports+`","Tags":{"team":"blue"}}`)
	look := func() localkinesis.Consumer {
		t.Helper()
		consumers, err := s.Consumers("orders")
		if must(t, consumers, err); len(consumers) != 1 {
			t.Fatalf("Consumers = %+v; want one", consumers)
		}
		return consumers[0]
	}
	c := look()
	if c.Name != "reports" || c.ARN != arnOfReports || c.Status != "ACTIVE" || !c.CreatedAt.Equal(at(t, "2023-11-14T09:31:26Z")) || c.Tags["team"] != "blue" || len(c.Subscriptions) != 0 {
		t.Errorf("the consumer is %+v", c)
	}
	s.Clock().Advance(time.Minute)
	events, err := subscribe(t, s, fromTrimHorizon)
	next(must(t, events, err))
	want := localkinesis.Subscription{ShardID: "shardId-000000000001", StartedAt: at(t, "2023-11-14T09:32:26Z")}
	if got := look().Subscriptions; len(got) != 1 || got[0].ShardID != want.ShardID || !got[0].StartedAt.Equal(want.StartedAt) {
		t.Errorf("open subscriptions: %+v; want %+v", got, want)
	}
	must(t, 0, s.Close()) // waits for the subscription to end
	if got := look().Subscriptions; len(got) != 0 {
		t.Errorf("open subscriptions after the end: %+v", got)
	}
	if _, err := s.Consumers("none"); err == nil {
		t.Error("consumers of a stream that does not exist: no error")
	}
}
