package wire

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
	"unsafe"
)

func (jsonCodec) ReadPutRecord(body []byte, in *PutRecordInput) bool {
	in.room.want(6, len(body))
	s := jsonScan{body: body, ok: true}
	for s.members() {
		switch string(s.name) {
		case "Data":
			in.Data = s.blob(&in.room)
		case "PartitionKey":
			in.PartitionKey = s.text(&in.room, isPartitionKey)
		case "ExplicitHashKey":
			in.ExplicitHashKey = s.text(&in.room, isHashKey)
		case "SequenceNumberForOrdering":
			in.SequenceNumberForOrdering = s.text(&in.room, isSequenceNumber)
		case "StreamName":
			in.StreamName = s.text(&in.room, isStreamName)
		case "StreamARN":
			in.StreamARN = s.text(&in.room, isStreamARN)
		default:
			return false
		}
	}
	return s.end() && in.Data != nil && in.PartitionKey != nil
}

func (jsonCodec) ReadPutRecords(body []byte, in *PutRecordsInput) bool {
	in.room.want(2*maxEntries+2, len(body))
	s := jsonScan{body: body, ok: true}
	for s.members() {
		switch string(s.name) {
		case "Records":
			s.entries(in)
		case "StreamName":
			in.StreamName = s.text(&in.room, isStreamName)
		case "StreamARN":
			in.StreamARN = s.text(&in.room, isStreamARN)
		default:
			return false
		}
	}
	return s.end() && len(in.Records) > 0
}

// entries reads the list of records.
func (s *jsonScan) entries(in *PutRecordsInput) {
	in.Records = in.Records[:0]
	list := s.inner()
	for list.list() {
		entry := list.inner()
		e := entry.entry(&in.room)
		list.resume(entry)
		list.ok = list.ok && len(in.Records) < maxEntries
		in.Records = append(in.Records, e)
	}
	s.resume(list)
}

func (s *jsonScan) entry(r *room) (e PutRecordsRequestEntry) {
	for s.members() {
		switch string(s.name) {
		case "Data":
			e.Data = s.blob(r)
		case "PartitionKey":
			e.PartitionKey = s.text(r, isPartitionKey)
		case "ExplicitHashKey":
			e.ExplicitHashKey = s.text(r, isHashKey)
		default:
			s.ok = false
		}
	}
	s.ok = s.ok && e.Data != nil && e.PartitionKey != nil
	return e
}

// inner is a scan of the value that comes next; resume goes on behind it.
func (s *jsonScan) inner() jsonScan        { return jsonScan{body: s.body, at: s.at, ok: s.ok} }
func (s *jsonScan) resume(behind jsonScan) { s.at, s.ok = behind.at, behind.ok }

func (jsonCodec) ReadGetRecords(body []byte, in *GetRecordsInput) bool {
	in.room.want(2, 0)
	s := jsonScan{body: body, ok: true}
	for s.members() {
		switch string(s.name) {
		case "ShardIterator":
			in.ShardIterator = s.text(&in.room, isShardIterator)
		case "StreamARN":
			in.StreamARN = s.text(&in.room, isStreamARN)
		case "Limit":
			in.room.number = s.whole()
			in.Limit = &in.room.number
			s.ok = s.ok && in.room.number >= 1 && in.room.number <= maxLimit
		default:
			return false
		}
	}
	return s.end() && in.ShardIterator != nil
}

// maxLimit is the most GetRecords can be asked for.
const maxLimit = 10_000

// jsonScan walks through a document whose form is expected. Anything else
// makes ok false and every further step do nothing.
type jsonScan struct {
	body   []byte
	at     int
	ok     bool
	inside bool   // past the opening bracket
	name   []byte // of the member
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *jsonScan) peek() byte {
	for s.at < len(s.body) {
		switch c := s.body[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
	return 0
}

func (s *jsonScan) take(c byte) bool {
	if !s.ok || s.peek() != c {
		s.ok = false
		return false
	}
	s.at++
	return true
}

// members goes to the value of the next member of an object and sets its name.
func (s *jsonScan) members() bool {
	if !s.next('{', '}') {
		return false
	}
	name, plain := s.quoted()
	s.name = name
	s.ok = s.ok && plain && s.take(':')
	return s.ok
}

// list goes to the next element of an array.
func (s *jsonScan) list() bool { return s.next('[', ']') }

func (s *jsonScan) next(opening, closing byte) bool {
	if !s.ok {
		return false
	}
	first := !s.inside
	if first {
		s.inside = s.take(opening)
		if !s.inside {
			return false
		}
	}
	switch {
	case s.peek() == closing:
		s.at++
		s.inside = false
		return false
	case first:
		return true
	}
	return s.take(',')
}

// end reports whether everything was as expected up to the end of the body.
func (s *jsonScan) end() bool { return s.ok && s.peek() == 0 && s.at == len(s.body) }

// quoted reads a string; plain says that it holds no escapes and only ASCII.
func (s *jsonScan) quoted() (content []byte, plain bool) {
	if !s.take('"') {
		return nil, false
	}
	start := s.at
	plain = true
	for ; s.at < len(s.body); s.at++ {
		switch c := s.body[s.at]; {
		case c == '"':
			content = s.body[start:s.at]
			s.at++
			return content, plain
		case c == '\\':
			plain = false
			s.at++ // what is escaped does not end the string
		case c < ' ':
			s.ok = false
			return nil, false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	s.ok = false
	return nil, false
}

// text reads a string that passes the test.
func (s *jsonScan) text(r *room, valid func(string) bool) *string {
	start := s.peekAt()
	content, plain := s.quoted()
	if !s.ok {
		return nil
	}
	text := unsafe.String(unsafe.SliceData(content), len(content))
	if !plain {
		var unescaped string
		if json.Unmarshal(s.body[start:s.at], &unescaped) != nil {
			s.ok = false
			return nil
		}
		text = unescaped
	}
	if !valid(text) {
		s.ok = false
		return nil
	}
	kept := r.keep(text)
	s.ok = kept != nil
	return kept
}

func (s *jsonScan) peekAt() int {
	s.peek()
	return s.at
}

// blob reads a string of base64.
func (s *jsonScan) blob(r *room) []byte {
	content, plain := s.quoted()
	if !s.ok || !plain || len(content)%4 != 0 {
		s.ok = false
		return nil
	}
	start := len(r.blobs)
	end := start + base64.StdEncoding.DecodedLen(len(content))
	if end > cap(r.blobs) || end-start > maxBlob {
		s.ok = false
		return nil
	}
	n, err := strictBase64.Decode(r.blobs[start:end], content)
	if err != nil {
		s.ok = false
		return nil
	}
	r.blobs = r.blobs[:start+n]
	return r.blobs[start : start+n : start+n]
}

var strictBase64 = base64.StdEncoding.Strict()

// whole reads a number without sign, fraction or exponent.
func (s *jsonScan) whole() (n int64) {
	first := s.peek()
	start := s.at
	for s.at < len(s.body) && s.body[s.at] >= '0' && s.body[s.at] <= '9' && s.at-start < 6 {
		n = n*10 + int64(s.body[s.at]-'0')
		s.at++
	}
	if s.at == start || first == '0' {
		s.ok = false
	}
	return n
}
