package kinesisprotocol_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/eventstream"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"

	"github.com/kinetrail/kinetrail/kinesisprotocol"
)

// frame is a message of an event stream with headers in pairs of name and value.
func frame(payload []byte, headers ...string) []byte {
	message := eventstream.Message{Payload: payload}
	for i := 0; i < len(headers); i += 2 {
		message.Headers.Set(headers[i], eventstream.StringValue(headers[i+1]))
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, message); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// eventFrame is a SubscribeToShardEvent.
func eventFrame(payload []byte) []byte {
	return frame(payload, ":message-type", "event", ":event-type", "SubscribeToShardEvent", ":content-type", "application/json")
}

// eventPayload is an event as the service sends it: an answer of GetRecords with
// another name for where it goes on.
func eventPayload(records, size int) []byte {
	return bytes.Replace(getAnswer(records, size), []byte("NextShardIterator"), []byte("ContinuationSequenceNumber"), 1)
}

// readEventWith reads an event with one protocol. A panic counts as an error.
func readEventWith(protocol smithyhttp.ClientProtocol, stream io.Reader) (event smithy.Deserializable, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	return protocol.DeserializeEventMessage(schemas.SubscribeToShardEventStream, kinesis.TypeRegistry, stream)
}

// newSDK is a protocol of the SDK's that no other test reads events with.
func newSDK() smithyhttp.ClientProtocol { return awsjson.New11(schemas.Kinesis_20131202) }

// checkSameEvent reads one event with both protocols.
func checkSameEvent(t interface {
	Helper()
	Errorf(string, ...any)
}, stream []byte) {
	t.Helper()
	given := bytes.Clone(stream)
	want, wantErr := readEventWith(newSDK(), bytes.NewReader(stream))
	got, err := readEventWith(ours, bytes.NewReader(stream))
	var api, wantAPI smithy.APIError
	switch {
	case !bytes.Equal(given, stream):
		t.Errorf("the stream %q was changed to %q", given, stream)
	case (err == nil) != (wantErr == nil) || (err == io.EOF) != (wantErr == io.EOF):
		t.Errorf("stream %q: error %v; the SDK's is %v", stream, err, wantErr)
	case err != nil && strings.HasPrefix(err.Error(), "panic"):
		t.Errorf("stream %q: %v; the SDK's error is %v", stream, err, wantErr)
	case errors.As(wantErr, &wantAPI) && (!errors.As(err, &api) || api.Error() != wantAPI.Error()):
		t.Errorf("stream %q: error %v; the SDK's is %v", stream, err, wantErr)
	case err == nil && !reflect.DeepEqual(got, want):
		t.Errorf("stream %q\n%s\nwant\n%s", stream, describe(got), describe(want))
	}
}

// asEvent makes an event of an answer of GetRecords.
func asEvent(body string) []byte {
	return []byte(strings.ReplaceAll(body, "NextShardIterator", "ContinuationSequenceNumber"))
}

func TestEventsAreReadAsTheSDKReadsThem(t *testing.T) {
	t.Parallel()
	checkSameEvent(t, eventFrame(eventPayload(5, 100)))
	for _, body := range oddAnswers {
		checkSameEvent(t, eventFrame(asEvent(body)))
		checkSameEvent(t, eventFrame([]byte(body)))
	}
	for _, message := range [][]byte{
		nil,
		frame(nil),
		frame([]byte("{}"), ":message-type", "event"),
		frame([]byte("{}"), ":event-type", "SubscribeToShardEvent"),
		frame([]byte("{}"), ":message-type", "event", ":event-type", "Unheard"),
		frame([]byte("{}"), ":message-type", "news", ":event-type", "SubscribeToShardEvent"),
		frame([]byte(`{"message":"taken"}`), ":message-type", "exception", ":exception-type", "ResourceInUseException"),
		frame([]byte(`{"message":"gone"}`), ":message-type", "exception", ":exception-type", "ResourceNotFoundException"),
		frame([]byte(`{"message":"?"}`), ":message-type", "exception", ":exception-type", "Unheard"),
		frame(nil, ":message-type", "error", ":error-code", "InternalFailure", ":error-message", "sorry"),
	} {
		checkSameEvent(t, message)
	}
}

func TestABrokenEventStreamEndsAsWithTheSDK(t *testing.T) {
	t.Parallel()
	whole := eventFrame(eventPayload(2, 30))
	for length := range whole {
		checkSameEvent(t, whole[:length])
	}
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 1
		checkSameEvent(t, broken)
	}
	for _, length := range []uint32{0, 15, 16, 1 << 20, 1 << 24, 1<<32 - 1} {
		checkSameEvent(t, append(binary.BigEndian.AppendUint32(nil, length), whole[4:]...))
	}
}

func FuzzEvent(f *testing.F) {
	f.Add(eventPayload(3, 10), false)
	for _, body := range oddAnswers {
		f.Add(asEvent(body), false)
	}
	f.Add(eventFrame([]byte("{}")), true)
	f.Fuzz(func(t *testing.T, stream []byte, whole bool) {
		if !whole {
			stream = eventFrame(stream)
		}
		checkSameEvent(t, stream)
	})
}

// With the SDK's own protocol, streams of one client race.
func TestStreamsOfOneClientDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	initial := frame([]byte("{}"), ":message-type", "event", ":event-type", "initial-response")
	payloads := [][]byte{eventPayload(3, 100), []byte(`{"ChildShards":[],"Records":[]}`)} // read here, and by the SDK
	var streams sync.WaitGroup
	for range 8 {
		streams.Go(func() {
			for range 50 {
				stream := bytes.NewReader(bytes.Join([][]byte{initial, eventFrame(payloads[0]), eventFrame(payloads[1])}, nil))
				if err := ours.DeserializeInitialResponse(schemas.SubscribeToShardOutput, stream, &kinesis.SubscribeToShardOutput{}); err != nil {
					t.Errorf("read the initial response: %v", err)
					return
				}
				for i, want := range []int{3, 0} {
					event, err := readEventWith(ours, stream)
					if err != nil {
						t.Errorf("read event %d: %v", i, err)
						return
					}
					if n := len(event.(*types.SubscribeToShardEvent).Records); n != want {
						t.Errorf("event %d has %d records; want %d", i, n, want)
					}
				}
			}
		})
	}
	streams.Wait()
}

func TestAKeptPlaceToContinueFromDoesNotKeepItsEvent(t *testing.T) {
	t.Parallel()
	payload := []byte(`{"ContinuationSequenceNumber":"49545115243490985018280067714973144582180062593244200961","Records":[],"MillisBehindLatest":0}`)
	event := &types.SubscribeToShardEvent{}
	if usual, err := kinesisprotocol.ReadEvent(payload, event); !usual || err != nil {
		t.Fatalf("the event is read here: %t, %v; want so", usual, err)
	}
	want := *event.ContinuationSequenceNumber
	want = strings.Clone(want)
	clear(payload)
	if *event.ContinuationSequenceNumber != want {
		t.Errorf("the number changed with its page to %q", *event.ContinuationSequenceNumber)
	}
}

func BenchmarkEvent(b *testing.B) {
	stream := eventFrame(eventPayload(500, 1024))
	for _, p := range protocols {
		b.Run("500x1024B/"+p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readEventWith(p.protocol, bytes.NewReader(stream)); err != nil {
					b.Fatal(err)
				}
			}
			perRecord(b, 500)
		})
	}
}
