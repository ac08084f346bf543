package kinesisprotocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// scanner walks over the JSON of an answer:
//
//	for more := s.open('{', '}'); more; more = s.more('}') {
//		switch string(s.name()) {
//		case "ShardId":
//			id, ok := s.text()
//
// It knows what answers usually hold. Anything else, right or wrong, sets odd,
// which ends every loop, and the SDK decides what it is.
type scanner struct {
	page []byte
	at   int
	odd  bool
}

// peek steps over white space and is the byte behind it, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.page); s.at++ {
		switch c := s.page[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// open steps into an object or array and reports whether it holds anything. An
// empty one is stepped over.
func (s *scanner) open(opening, closing byte) bool {
	if s.odd || s.peek() != opening {
		s.odd = true
		return false
	}
	s.at++
	if s.peek() != closing {
		return true
	}
	s.at++
	return false
}

// more steps over the comma before the next member or element, or out of the
// object or array.
func (s *scanner) more(closing byte) bool {
	if s.odd {
		return false
	}
	switch s.peek() {
	case ',':
		s.at++
		return true
	case closing:
		s.at++
		return false
	}
	s.odd = true
	return false
}

// name is the name of a member. The scanner stands before its value.
func (s *scanner) name() []byte {
	name := s.string()
	if s.peek() != ':' {
		s.odd = true
		return nil
	}
	s.at++
	return name
}

// null steps over a null. The SDK takes a member that is null as absent.
func (s *scanner) null() bool {
	if s.peek() != 'n' || !bytes.HasPrefix(s.page[s.at:], []byte("null")) {
		return false
	}
	s.at += len("null")
	return true
}

// text is a string, or nothing for null.
func (s *scanner) text() (text string, ok bool) {
	if s.null() {
		return "", false
	}
	text = textOf(s.string())
	return text, !s.odd
}

// string is a string without its quotes, in the page unless it has escapes.
func (s *scanner) string() []byte {
	if s.peek() != '"' {
		s.odd = true
		return nil
	}
	start := s.at + 1
	for at := start; ; at++ {
		at += plainLength(s.page[at:])
		switch {
		case at == len(s.page) || s.page[at] < ' ':
			s.odd = true
			return nil
		case s.page[at] == '"':
			s.at = at + 1
			return s.page[start:at:at]
		case s.page[at] == '\\':
			return s.escaped(at)
		}
	}
}

// escaped is a string whose first escape is at escape.
func (s *scanner) escaped(escape int) []byte {
	end := escape
	for end < len(s.page) && s.page[end] != '"' {
		if s.page[end] == '\\' {
			end++
		}
		end++
	}
	var text string
	if end >= len(s.page) || json.Unmarshal(s.page[s.at:end+1], &text) != nil {
		s.odd = true
		return nil
	}
	s.at = end + 1
	return bytesOf(text)
}

// base64 is the text of a blob, not decoded yet, or nil for null.
func (s *scanner) base64() []byte {
	if s.null() {
		return nil
	}
	if s.peek() != '"' {
		s.odd = true
		return nil
	}
	start := s.at + 1
	length := bytes.IndexByte(s.page[start:], '"')
	if length < 0 || bytes.IndexByte(s.page[start:start+length], '\\') >= 0 {
		s.odd = true
		return nil
	}
	end := start + length
	s.at = end + 1
	return s.page[start:end:end]
}

// count is a whole number of at most 9 digits for 32 bits, 18 for 64, so that
// it cannot overflow.
func (s *scanner) count(maxDigits int) int64 {
	first := s.peek()
	start := s.at
	var n int64
	for s.at < len(s.page) && isDigit(s.page[s.at]) {
		n = n*10 + int64(s.page[s.at]-'0')
		s.at++
		if s.at-start > maxDigits {
			break
		}
	}
	digits := s.at - start
	s.odd = s.odd || digits == 0 || digits > maxDigits || (first == '0' && digits > 1)
	return n
}

// milliseconds is a time in seconds since 1970, such as 1700000000.123 or
// 1.700000000123E9, with the SDK's precision: whole milliseconds, cut off.
func (s *scanner) milliseconds() int64 {
	s.peek()
	start := s.at
	mantissa, digits := s.digits(0)
	if digits == 0 || (s.page[start] == '0' && digits > 1) {
		s.odd = true
		return 0
	}
	exponent := 0
	if s.at < len(s.page) && s.page[s.at] == '.' {
		s.at++
		var fraction int
		if mantissa, fraction = s.digits(mantissa); fraction == 0 {
			s.odd = true
		}
		digits += fraction
		exponent = -fraction
	}
	if s.at < len(s.page) && s.page[s.at]|0x20 == 'e' {
		s.at++
		exponent += s.exponent()
	}
	if s.odd {
		return 0
	}

	seconds := s.decimal(start, mantissa, digits, exponent)
	// In the year 2255 the nanoseconds leave the range of an int64, where the
	// SDK's time comes out wrong.
	if !(seconds < 9e9) {
		s.odd = true
		return 0
	}
	// float64 arithmetic, as in smithy-go's time.ParseEpochSeconds, with the
	// same loss: 1441215410.867 becomes 866 or 867 ms here if it does there.
	return int64(seconds * 1e3)
}

// digits goes on with a decimal number by the digits that follow. Beyond 18 of
// them the number means nothing; who has as many must not use it.
func (s *scanner) digits(n uint64) (number uint64, digits int) {
	start := s.at
	for s.at < len(s.page) && isDigit(s.page[s.at]) {
		n = n*10 + uint64(s.page[s.at]-'0')
		s.at++
	}
	return n, s.at - start
}

// exponent is the whole number behind an E.
func (s *scanner) exponent() int {
	sign := 1
	if s.at < len(s.page) && (s.page[s.at] == '+' || s.page[s.at] == '-') {
		if s.page[s.at] == '-' {
			sign = -1
		}
		s.at++
	}
	n, digits := s.digits(0)
	if digits == 0 || digits > 3 {
		s.odd = true
		return 0
	}
	return sign * int(n)
}

// decimal is mantissa × 10^exponent, the number that begins at start and ends
// here, rounded as strconv rounds it. With so few digits both factors are exact,
// and one operation on them rounds once.
func (s *scanner) decimal(start int, mantissa uint64, digits, exponent int) float64 {
	switch {
	case digits > 15 || exponent < -22 || exponent > 22:
		number, err := strconv.ParseFloat(string(s.page[start:s.at]), 64)
		s.odd = s.odd || err != nil
		return number
	case exponent < 0:
		return float64(mantissa) / powersOfTen[-exponent]
	default:
		return float64(mantissa) * powersOfTen[exponent]
	}
}

// powersOfTen are those a float64 holds exactly.
var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// grow makes room for the elements of an array that are still to come, judged by
// the size of those since start. An answer has no more than maxElements.
func grow[T any](s *scanner, elements []T, start, maxElements int) []T {
	room := 1
	if n := len(elements); n > 0 {
		size := (s.at-start)/n + 1
		room += min((len(s.page)-s.at)/size*17/16, max(maxElements-n, 0))
	}
	return slices.Grow(elements, room)
}

// plainLength is how many bytes at the start of text are ASCII that a JSON string
// holds as it is.
func plainLength(text []byte) int {
	const (
		ones = 0x0101010101010101
		tops = 0x80 * ones
	)
	n := 0
	for ; n+8 <= len(text); n += 8 {
		word := binary.LittleEndian.Uint64(text[n:])
		quote, backslash, delete := word^'"'*ones, word^'\\'*ones, word^0x7f*ones
		// A byte that falls below zero gets its top bit and borrows from the
		// next, so the lowest top bit is always right.
		stop := (word | (word - ' '*ones) | (quote - ones) | (backslash - ones) | (delete - ones)) & tops
		if stop != 0 {
			return n + bits.TrailingZeros64(stop)/8
		}
	}
	for n < len(text) && text[n] < utf8.RuneSelf && escapes[text[n]] == "" {
		n++
	}
	return n
}
