package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
	"unsafe"
)

func (jsonCodec) newScanner(body []byte) scanner { return &jsonScan{body: body} }

type jsonScan struct {
	body   []byte
	at     int
	failed bool
	depth  int
	frames [maxScanDepth]jsonFrame
	member []byte
}

// jsonFrame is an object or a list that was entered.
type jsonFrame struct {
	closing byte
	started bool // an element was seen
}

func (s *jsonScan) fail()        { s.failed = true }
func (s *jsonScan) name() []byte { return s.member }
func (s *jsonScan) object()      { s.enter('{', '}') }
func (s *jsonScan) list()        { s.enter('[', ']') }

func (s *jsonScan) enter(opening, closing byte) {
	if s.depth == maxScanDepth || !s.take(opening) {
		s.failed = true
		return
	}
	s.frames[s.depth] = jsonFrame{closing: closing}
	s.depth++
}

func (s *jsonScan) more() bool {
	if s.failed || s.depth == 0 {
		return false
	}
	f := &s.frames[s.depth-1]
	if s.peek() == f.closing {
		s.at++
		s.depth--
		return false
	}
	if f.started && !s.take(',') {
		return false
	}
	f.started = true
	if f.closing == ']' {
		// After a comma the list must not end.
		s.failed = s.peek() == ']'
		return !s.failed
	}
	name, plain := s.quoted()
	s.member = name
	s.failed = s.failed || !plain
	return s.take(':')
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
	if s.failed || s.peek() != c {
		s.failed = true
		return false
	}
	s.at++
	return true
}

func (s *jsonScan) end() bool {
	return !s.failed && s.depth == 0 && s.peek() == 0 && s.at == len(s.body)
}

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
			s.failed = true
			return nil, false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	s.failed = true
	return nil, false
}

func (s *jsonScan) text(r *room, valid func(string) bool) *string {
	s.peek()
	start := s.at
	content, plain := s.quoted()
	if s.failed {
		return nil
	}
	text := unsafe.String(unsafe.SliceData(content), len(content))
	if !plain {
		text = s.unescape(s.body[start:s.at])
	}
	return keepIfValid(s, r, text, valid)
}

// unescape reads a string with its quotes.
func (s *jsonScan) unescape(quoted []byte) (text string) {
	if json.Unmarshal(quoted, &text) != nil {
		s.failed = true
	}
	return text
}

// keepIfValid returns where a text is kept in r, or makes the scan fail.
func keepIfValid(s scanner, r *room, text string, valid func(string) bool) *string {
	if !valid(text) {
		s.fail()
		return nil
	}
	kept := r.keep(text)
	if kept == nil {
		s.fail()
	}
	return kept
}

func (s *jsonScan) blob(r *room) []byte {
	if !s.take('"') {
		return nil
	}
	length := bytes.IndexByte(s.body[s.at:], '"')
	start := len(r.blobs)
	end := start + base64.StdEncoding.DecodedLen(max(length, 0))
	if length < 0 || end > cap(r.blobs) || end-start > maxBlob {
		s.failed = true
		return nil
	}
	content := s.body[s.at : s.at+length]
	s.at += length + 1
	n, err := strictBase64.Decode(r.blobs[start:end], content)
	// The decoder refuses escapes, but skips line breaks: then there is less
	// than the length promises.
	if padding := length - len(bytes.TrimRight(content, "=")); err != nil || n != end-start-padding {
		s.failed = true
		return nil
	}
	r.blobs = r.blobs[:start+n]
	return r.blobs[start : start+n : start+n]
}

var strictBase64 = base64.StdEncoding.Strict()

func (s *jsonScan) whole() (n int64) {
	first := s.peek()
	start := s.at
	for s.at < len(s.body) && s.body[s.at] >= '0' && s.body[s.at] <= '9' && s.at-start < 6 {
		n = n*10 + int64(s.body[s.at]-'0')
		s.at++
	}
	if s.at == start || first == '0' {
		s.failed = true
	}
	return n
}
