package kinesisprotocol

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// The major types of RFC 8949, section 3.1.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple
)

// The other bytes and numbers of RFC 8949 that are needed by name.
const (
	cborFalse     = cborSimple<<5 | 20
	cborTrue      = cborSimple<<5 | 21
	cborNull      = cborSimple<<5 | 22
	cborUndefined = cborSimple<<5 | 23
	cborBreak     = 0xff
)

// appendPutRecordsCBOR appends the body of a PutRecords request: what
// appendPutRecords appends as JSON.
func appendPutRecordsCBOR(body []byte, input *kinesis.PutRecordsInput) []byte {
	body = slices.Grow(body, bodySize(input)) // enough: JSON is longer
	body = appendHead(body, cborMap, countOf(input.DryRun != nil, input.Records != nil,
		input.StreamARN != nil, input.StreamId != nil, input.StreamName != nil))
	if input.DryRun != nil {
		simple := byte(cborFalse)
		if *input.DryRun {
			simple = cborTrue
		}
		body = append(appendText(body, "DryRun"), simple)
	}
	if input.Records != nil {
		body = appendHead(appendText(body, "Records"), cborArray, len(input.Records))
		for i := range input.Records {
			body = appendEntryCBOR(body, &input.Records[i])
		}
	}
	body = appendMemberCBOR(body, "StreamARN", input.StreamARN)
	body = appendMemberCBOR(body, "StreamId", input.StreamId)
	return appendMemberCBOR(body, "StreamName", input.StreamName)
}

func appendEntryCBOR(body []byte, entry *types.PutRecordsRequestEntry) []byte {
	// The heads of a map and of texts below 24 bytes are one byte each.
	const (
		data = string(rune(cborText<<5|len("Data"))) + "Data"
		hash = string(rune(cborText<<5|len("ExplicitHashKey"))) + "ExplicitHashKey"
		key  = string(rune(cborText<<5|len("PartitionKey"))) + "PartitionKey"
	)
	head := len(body)
	body = append(body, cborMap<<5)
	if entry.Data != nil {
		body[head]++
		body = append(body, data...)
		body = append(appendHead(body, cborBytes, len(entry.Data)), entry.Data...)
	}
	if entry.ExplicitHashKey != nil {
		body[head]++
		body = append(body, hash...)
		body = appendText(body, *entry.ExplicitHashKey)
	}
	if entry.PartitionKey != nil {
		body[head]++
		body = append(body, key...)
		body = appendText(body, *entry.PartitionKey)
	}
	return body
}

// appendGetRecordsCBOR appends the body of a GetRecords request.
func appendGetRecordsCBOR(body []byte, input *kinesis.GetRecordsInput) []byte {
	body = appendHead(body, cborMap, countOf(input.Limit != nil, input.ShardIterator != nil,
		input.StreamARN != nil, input.StreamId != nil))
	if input.Limit != nil {
		body = appendText(body, "Limit")
		if limit := int(*input.Limit); limit < 0 {
			body = appendHead(body, cborNegative, -1-limit)
		} else {
			body = appendHead(body, cborUint, limit)
		}
	}
	body = appendMemberCBOR(body, "ShardIterator", input.ShardIterator)
	body = appendMemberCBOR(body, "StreamARN", input.StreamARN)
	return appendMemberCBOR(body, "StreamId", input.StreamId)
}

// countOf is how many of the members are there.
func countOf(members ...bool) int {
	n := 0
	for _, there := range members {
		if there {
			n++
		}
	}
	return n
}

// appendMemberCBOR appends a member unless it is nil.
func appendMemberCBOR(body []byte, name string, value *string) []byte {
	if value == nil {
		return body
	}
	return appendText(appendText(body, name), *value)
}

// appendText appends a text. What is not UTF-8 becomes U+FFFD, byte by byte, as
// in JSON.
func appendText(body []byte, text string) []byte {
	if !isASCII(text) && !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	return append(appendHead(body, cborText, len(text)), text...)
}

// isASCII reports whether text is ASCII, as keys are: eight of its bytes at a time,
// the last eight once more.
func isASCII(text string) bool {
	const tops = 0x8080808080808080
	bytes := bytesOf(text)
	if len(bytes) < 8 {
		return false // not worth it
	}
	found := binary.LittleEndian.Uint64(bytes[len(bytes)-8:])
	for ; len(bytes) > 8; bytes = bytes[8:] {
		found |= binary.LittleEndian.Uint64(bytes)
	}
	return found&tops == 0
}

// appendHead appends the type of an item with the number that belongs to it, as
// short as possible.
func appendHead(body []byte, major byte, n int) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(body, major|byte(n))
	case n < 1<<8:
		return append(body, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(body, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(body, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(body, major|27), uint64(n))
}
