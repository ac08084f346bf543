package kinesisprotocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/eventstream"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// preludeLength is the length of what an event begins with: its length, that of
// its headers, and a checksum of both.
const preludeLength = 12

// DeserializeEventMessage reads the next event of a SubscribeToShard stream, and
// io.EOF at its end, also where a connection has broken.
func (p *protocol) DeserializeEventMessage(schema *smithy.Schema, types *smithy.TypeRegistry, stream io.Reader) (smithy.Deserializable, error) {
	message, err := readMessage(stream)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	if isEvent(&message) {
		event := &kinesistypes.SubscribeToShardEvent{}
		switch usual, err := readEvent(message.Payload, event); {
		case err != nil:
			return nil, &smithy.DeserializationError{Err: fmt.Errorf("deserialize event: %w", err)}
		case usual:
			return event, nil
		}
	}
	return unusualEvent(schema, types, message)
}

// DeserializeInitialResponse reads what an event stream begins with.
func (p *protocol) DeserializeInitialResponse(schema *smithy.Schema, stream io.Reader, output smithy.Deserializable) error {
	return eventReader().DeserializeInitialResponse(schema, stream, output)
}

// eventReader is the SDK's protocol for one message. A client's own one keeps what
// it reads messages with in one place for all of its streams, which is a data race
// (github.com/aws/smithy-go/issues/714).
func eventReader() *awsjson.Protocol { return awsjson.New11(schemas.Kinesis_20131202) }

// readMessage reads a message into memory of its own.
func readMessage(stream io.Reader) (eventstream.Message, error) {
	prelude := make([]byte, preludeLength)
	if _, err := io.ReadFull(stream, prelude); err != nil {
		return eventstream.Message{}, err
	}
	length := uint32(bytes.MinRead) // the reader of messages wants room behind the payload, or moves it
	if crc32.ChecksumIEEE(prelude[:8]) == binary.BigEndian.Uint32(prelude[8:]) {
		length += min(binary.BigEndian.Uint32(prelude), maxTrustedLength)
	}
	return eventstream.NewDecoder().Decode(io.MultiReader(bytes.NewReader(prelude), stream), make([]byte, 0, length))
}

// isEvent reports whether a message has records, and is neither an exception nor
// of a kind that this package does not know.
func isEvent(m *eventstream.Message) bool {
	kind, event := m.Headers.Get(eventstream.MessageTypeHeader), m.Headers.Get(eventstream.EventTypeHeader)
	return kind != nil && kind.String() == eventstream.EventMessageType && event != nil && event.String() == "SubscribeToShardEvent"
}

// readEvent reads the payload of an event, unless it is unusual.
func readEvent(page []byte, event *kinesistypes.SubscribeToShardEvent) (usual bool, err error) {
	read := answer{records: spare()}
	defer func() { keepSpare(read.records) }()
	if usual, err := readAnswer(page, &read, "ContinuationSequenceNumber"); !usual || err != nil {
		return false, err
	}
	*event = kinesistypes.SubscribeToShardEvent{ContinuationSequenceNumber: read.next, MillisBehindLatest: read.behind}
	if read.listed {
		event.Records = sdkRecords(read.records)
	}
	return true, nil
}

// unusualEvent leaves a message to the SDK, see unusual.
func unusualEvent(schema *smithy.Schema, types *smithy.TypeRegistry, message eventstream.Message) (event smithy.Deserializable, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			event, err = nil, &smithy.DeserializationError{Err: fmt.Errorf("the SDK cannot read the event: %v", reason)}
		}
	}()
	var again bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&again, message); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	return eventReader().DeserializeEventMessage(schema, types, &again)
}
