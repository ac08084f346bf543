package tracecarrier

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/kinetrail/kinetrail"
)

// MaxJSONBytes is the size of the largest payload that FromJSON looks into.
// Tools that write a context into payloads leave larger ones alone: it was the
// size limit of a record.
const MaxJSONBytes = kinetrail.DefaultMaxRecordBytes

// FromJSON looks for a context that another tool has put into a payload, and
// changes nothing there. It understands a JSON object with
//
//   - the members traceparent and tracestate, or
//   - a member _datadog, an object with traceparent and tracestate or with
//     Datadog's own x-datadog-trace-id, x-datadog-parent-id,
//     x-datadog-sampling-priority and, in x-datadog-tags, _dd.p.tid
//
// and prefers them in this order. Of a name that is repeated, the last counts.
// What follows the object is ignored, so that the first of several JSON lines
// speaks for the record.
//
// ok is false when there is no valid context, for anything that is no JSON
// object and for more than MaxJSONBytes. The time is linear in the size, and a
// payload that mentions none of the names costs one search for each of two
// words. The strings share no memory with data.
func FromJSON(data []byte) (trace kinetrail.TraceContext, ok bool) {
	if len(data) > MaxJSONBytes || !mentionsContext(data) {
		return kinetrail.TraceContext{}, false
	}
	var top, nested jsonContext
	s := jsonScanner{data: data}
	if !s.object(func(name []byte) bool { return top.member(&s, name, &nested) }) {
		return kinetrail.TraceContext{}, false
	}
	if trace, ok := top.w3c(); ok {
		return trace, true
	}
	if trace, ok := nested.w3c(); ok {
		return trace, true
	}
	return nested.datadog()
}

func mentionsContext(data []byte) bool {
	return bytes.Contains(data, []byte(`"traceparent"`)) || bytes.Contains(data, []byte(`"_datadog"`))
}

// jsonContext is the members of one object that speak of a context, as they are
// written.
type jsonContext struct {
	parent, state                       []byte // strings without their quotes
	traceID, parentID, priority, ddTags []byte // strings without their quotes, or numbers
}

// member takes in the value of the member name, at which s stands. A value of
// _datadog goes to nested; inside of it, nested is nil.
func (c *jsonContext) member(s *jsonScanner, name []byte, nested *jsonContext) bool {
	switch string(name) {
	case "traceparent":
		return s.text(&c.parent)
	case "tracestate":
		return s.text(&c.state)
	case "x-datadog-trace-id":
		return s.text(&c.traceID)
	case "x-datadog-parent-id":
		return s.text(&c.parentID)
	case "x-datadog-sampling-priority":
		return s.text(&c.priority)
	case "x-datadog-tags":
		return s.text(&c.ddTags)
	case "_datadog":
		if nested == nil || s.peek() != '{' {
			return s.skip()
		}
		*nested = jsonContext{}
		return s.object(func(name []byte) bool { return nested.member(s, name, nil) })
	}
	return s.skip()
}

func (c *jsonContext) w3c() (kinetrail.TraceContext, bool) {
	if len(c.parent) != parentLength {
		return kinetrail.TraceContext{}, false
	}
	parent := string(c.parent)
	if !ValidTraceparent(parent) {
		return kinetrail.TraceContext{}, false
	}
	return kinetrail.TraceContext{Parent: maskFlags(parent), State: printable(unquote(c.state))}, true
}

// datadog makes a traceparent of Datadog's headers: ids in decimal, the upper
// half of a 128-bit trace id in hexadecimal among the tags, and a sampling
// priority that keeps the trace when it is above 0.
func (c *jsonContext) datadog() (kinetrail.TraceContext, bool) {
	if len(c.traceID) == 0 || len(c.parentID) == 0 {
		return kinetrail.TraceContext{}, false
	}
	low, err1 := strconv.ParseUint(string(c.traceID), 10, 64)
	span, err2 := strconv.ParseUint(string(c.parentID), 10, 64)
	if err1 != nil || err2 != nil {
		return kinetrail.TraceContext{}, false
	}
	high := upperTraceID(unquote(c.ddTags))
	flags := "00"
	if priority, err := strconv.Atoi(string(c.priority)); err == nil && priority > 0 {
		flags = "01"
	}
	parent := make([]byte, 0, parentLength)
	parent = append(parent, "00-"...)
	parent = append(parent, high...)
	parent = appendHex16(parent, low)
	parent = append(parent, '-')
	parent = appendHex16(parent, span)
	parent = append(parent, '-')
	parent = append(parent, flags...)
	text := string(parent)
	if !ValidTraceparent(text) {
		return kinetrail.TraceContext{}, false
	}
	return kinetrail.TraceContext{Parent: text}, true
}

// upperTraceID finds the 16 digits of _dd.p.tid in a list of name=value,
// separated by commas.
func upperTraceID(tags string) string {
	for tag := range strings.SplitSeq(tags, ",") {
		id, ok := strings.CutPrefix(strings.TrimSpace(tag), "_dd.p.tid=")
		if ok && len(id) == len(zeroSpanID) && isHex(id) {
			return id
		}
	}
	return zeroSpanID
}

// appendHex16 appends n as 16 hexadecimal digits.
func appendHex16(dst []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&0xf])
	}
	return dst
}

// unquote decodes the inside of a JSON string; what cannot be decoded is empty.
func unquote(inside []byte) string {
	if bytes.IndexByte(inside, '\\') < 0 {
		return string(inside)
	}
	quoted := make([]byte, 0, len(inside)+2)
	quoted = append(append(append(quoted, '"'), inside...), '"')
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return ""
	}
	return text
}

// jsonScanner walks over JSON without decoding it. It is forgiving inside of
// values that nobody asked for. All its methods report whether they could go
// on.
type jsonScanner struct {
	data []byte
	at   int
}

// peek skips white space and returns the byte that follows, 0 at the end.
func (s *jsonScanner) peek() byte {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take skips white space and the byte c.
func (s *jsonScanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// object walks over an object. visit is called with each member's name and
// walks over its value.
func (s *jsonScanner) object(visit func(name []byte) bool) bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		var name []byte
		if !s.str(&name) || !s.take(':') || !visit(name) {
			return false
		}
		if !s.take(',') {
			return s.take('}')
		}
	}
}

// str walks over a string and sets inside to what is between its quotes.
func (s *jsonScanner) str(inside *[]byte) bool {
	if !s.take('"') {
		return false
	}
	for begin := s.at; s.at < len(s.data); s.at++ {
		switch s.data[s.at] {
		case '"':
			*inside = s.data[begin:s.at]
			s.at++
			return true
		case '\\':
			s.at++
		}
	}
	return false
}

// text walks over a value and sets dst to the inside of a string, to the
// characters of a number, or to nil for any other value.
func (s *jsonScanner) text(dst *[]byte) bool {
	*dst = nil
	switch c := s.peek(); {
	case c == '"':
		return s.str(dst)
	case c == '-' || c-'0' <= 9:
		begin := s.at
		if !s.skip() {
			return false
		}
		*dst = s.data[begin:s.at]
		return true
	}
	return s.skip()
}

// skip walks over a value of any kind, at any depth.
func (s *jsonScanner) skip() bool {
	var ignored []byte
	switch s.peek() {
	case '"':
		return s.str(&ignored)
	case '{', '[':
	default:
		return s.skipWord()
	}
	depth := 0
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case '"':
			if !s.str(&ignored) {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return true
		}
	}
	return false
}

// skipWord walks over a number, true, false or null.
func (s *jsonScanner) skipWord() bool {
	begin := s.at
	for ; s.at < len(s.data); s.at++ {
		switch s.data[s.at] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			return s.at > begin
		}
	}
	return s.at > begin
}
