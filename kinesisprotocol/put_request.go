package kinesisprotocol

import (
	"encoding/base64"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// appendPutRecords appends the body of a PutRecords request, with the members in
// the order in which the SDK writes them.
func appendPutRecords(body []byte, input *kinesis.PutRecordsInput) []byte {
	body = slices.Grow(body, bodySize(input))
	start := len(body)
	if input.DryRun != nil {
		body = strconv.AppendBool(append(body, `,"DryRun":`...), *input.DryRun)
	}
	if input.Records != nil {
		body = appendEntries(append(body, `,"Records":`...), input.Records)
	}
	body = appendMember(body, `,"StreamARN":`, input.StreamARN)
	body = appendMember(body, `,"StreamId":`, input.StreamId)
	body = appendMember(body, `,"StreamName":`, input.StreamName)
	return closeObject(body, start)
}

func appendEntries(body []byte, entries []types.PutRecordsRequestEntry) []byte {
	body = append(body, '[')
	for i := range entries {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendEntry(body, &entries[i])
	}
	return append(body, ']')
}

func appendEntry(body []byte, entry *types.PutRecordsRequestEntry) []byte {
	start := len(body)
	if entry.Data != nil {
		body = append(body, `,"Data":"`...)
		body = appendBase64(body, entry.Data)
		body = append(body, '"')
	}
	body = appendMember(body, `,"ExplicitHashKey":`, entry.ExplicitHashKey)
	body = appendMember(body, `,"PartitionKey":`, entry.PartitionKey)
	return closeObject(body, start)
}

// closeObject makes an object of the members from start on. Each begins with a
// comma, and the first comma gives way to the brace.
func closeObject(body []byte, start int) []byte {
	if len(body) == start {
		return append(body, "{}"...)
	}
	body[start] = '{'
	return append(body, '}')
}

// appendMember appends a member unless it is nil.
func appendMember(body []byte, name string, value *string) []byte {
	if value == nil {
		return body
	}
	return appendString(append(body, name...), *value)
}

// appendString appends a JSON string, with the escapes the SDK uses.
func appendString(body []byte, text string) []byte {
	body = append(body, '"')
	for {
		plain := plainLength(bytesOf(text))
		body = append(body, text[:plain]...)
		if text = text[plain:]; text == "" {
			return append(body, '"')
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r < utf8.RuneSelf:
			body = append(body, escapes[r]...)
		case r == utf8.RuneError: // also for what is not UTF-8
			body = append(body, "\uFFFD"...)
		case r == '\u2028':
			body = append(body, `\u2028`...)
		case r == '\u2029':
			body = append(body, `\u2029`...)
		default:
			body = append(body, text[:size]...)
		}
		text = text[size:]
	}
}

// escapes are what stands for the characters of ASCII, "" for themselves.
var escapes = func() (escapes [utf8.RuneSelf]string) {
	const hex = "0123456789abcdef"
	for c := range escapes {
		if c < ' ' || c == 0x7f {
			escapes[c] = `\u00` + hex[c>>4:c>>4+1] + hex[c&15:c&15+1]
		}
	}
	escapes['\n'], escapes['\r'], escapes['\t'] = `\n`, `\r`, `\t`
	escapes['"'], escapes['\\'] = `\"`, `\\`
	return escapes
}()

// bodySize is the exact size of the body when no text needs an escape, with
// room for a few that do.
func bodySize(input *kinesis.PutRecordsInput) int {
	const (
		frame = len(`{"DryRun":false,"Records":[],"StreamARN":"","StreamId":"","StreamName":""}`)
		entry = len(`{"Data":"","PartitionKey":""},`)
		hash  = len(`,"ExplicitHashKey":""`)
		spare = 64
	)
	size := frame + spare + lengthOf(input.StreamARN) + lengthOf(input.StreamId) + lengthOf(input.StreamName)
	for i := range input.Records {
		e := &input.Records[i]
		size += entry + base64.StdEncoding.EncodedLen(len(e.Data)) + lengthOf(e.PartitionKey)
		if e.ExplicitHashKey != nil {
			size += hash + len(*e.ExplicitHashKey)
		}
	}
	return size
}

func lengthOf(text *string) int {
	if text == nil {
		return 0
	}
	return len(*text)
}
