package wire

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// EventStream is the content type of answers that stream events.
const EventStream = "application/vnd.amazon.eventstream"

// AppendInitialResponse appends the frame every event stream begins with.
func AppendInitialResponse(dst []byte, c Codec) []byte {
	return appendFrame(dst, [][2]string{
		{":message-type", "event"}, {":event-type", "initial-response"}, {":content-type", eventType(c)},
	}, Append(nil, c, &struct{}{}))
}

// AppendSubscribeEvent appends the frame of a SubscribeToShardEvent.
func AppendSubscribeEvent(dst []byte, c Codec, e *SubscribeEvent) []byte {
	return appendFrame(dst, [][2]string{
		{":message-type", "event"}, {":event-type", "SubscribeToShardEvent"}, {":content-type", eventType(c)},
	}, Append(nil, c, e))
}

// AppendException appends the frame that ends an event stream with an error.
func AppendException(dst []byte, c Codec, e *Error) []byte {
	w := c.newWriter(nil)
	w.beginStruct()
	w.key("message")
	w.text(e.Message)
	w.endStruct()
	return appendFrame(dst, [][2]string{
		{":message-type", "exception"}, {":exception-type", e.Code}, {":content-type", eventType(c)},
	}, w.bytes())
}

// eventType is the content type of a single event.
func eventType(c Codec) string {
	if c == JSON {
		return "application/json"
	}
	return c.ContentType()
}

// A frame is its length, the length of its headers, a checksum of both, the
// headers, the payload and a checksum of all that; a header is a name, a type
// and a value, each with its length in front.
const (
	framePrelude  = 8
	frameChecksum = 4
	textHeader    = 7 // the type of a header with a text
)

func appendFrame(dst []byte, headers [][2]string, payload []byte) []byte {
	start := len(dst)
	headerBytes := 0
	for _, h := range headers {
		headerBytes += 1 + len(h[0]) + 1 + 2 + len(h[1])
	}
	total := framePrelude + frameChecksum + headerBytes + len(payload) + frameChecksum
	dst = binary.BigEndian.AppendUint32(dst, uint32(total))
	dst = binary.BigEndian.AppendUint32(dst, uint32(headerBytes))
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
	for _, h := range headers {
		dst = append(dst, byte(len(h[0])))
		dst = append(dst, h[0]...)
		dst = append(dst, textHeader)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(h[1])))
		dst = append(dst, h[1]...)
	}
	dst = append(dst, payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// SubscribeEvent is a SubscribeToShardEvent.
type SubscribeEvent struct {
	Count              int
	Record             func(i int) Record // the i-th of Count
	Continuation       sequence.Number    // left out at the end of the shard
	AtEnd              bool
	MillisBehindLatest int64
	ChildShards        []ChildShard
}

func (e *SubscribeEvent) write(w writer) {
	w.beginStruct()
	w.key("Records")
	writeRecords(w, e.Count, e.Record)
	if !e.AtEnd {
		w.key("ContinuationSequenceNumber")
		w.sequenceNumber(e.Continuation)
	}
	w.key("MillisBehindLatest")
	w.number(e.MillisBehindLatest)
	writeChildren(w, e.ChildShards)
	w.endStruct()
}
