package tracecarrier

import (
	"unicode/utf8"

	"github.com/kinetrail/kinetrail"
)

// The parts of an extended key.
const (
	parentLength = 55 // "00-" 32 hex "-" 16 hex "-" 2 hex, W3C Trace Context version 00
	version1     = "-k1"
	endOfFields  = '='

	zeroTraceID = "00000000000000000000000000000000"
	zeroSpanID  = "0000000000000000"
	escape      = "00-" + zeroTraceID + "-" + zeroSpanID + "-00" + version1 + string(endOfFields)
)

// MaxOriginalLength is the length of the longest partition key, in UTF-16
// units, that an extended key has room for: what the service allows less the
// traceparent and "-k1=".
const MaxOriginalLength = kinetrail.MaxPartitionKeyLength - len(escape)

// ids says what the ids of a text that has the shape of a traceparent are.
type ids uint8

const (
	noTraceparent ids = iota // the text does not have that shape
	halfIDs                  // one id is all zeros, the other is not
	zeroIDs
	validIDs
)

// idsOf looks at the first 55 characters of s.
func idsOf(s string) ids {
	if len(s) < parentLength || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return noTraceparent
	}
	if !isHex(s[3:35]) || !isHex(s[36:52]) || !isHex(s[53:55]) {
		return noTraceparent
	}
	switch hasTrace, hasSpan := s[3:35] != zeroTraceID, s[36:52] != zeroSpanID; {
	case hasTrace && hasSpan:
		return validIDs
	case hasTrace || hasSpan:
		return halfIDs
	}
	return zeroIDs
}

// isHex reports whether s is made of lower-case hexadecimal digits.
//
// Every record that carries a context is asked twice, so it looks at eight bytes
// at a time: adding lifts the top bit of those that are at least some digit, and
// cannot reach into the next byte when none has its own top bit set.
func isHex(s string) bool {
	const (
		ones = 0x0101010101010101
		tops = 0x80 * ones
	)
	for ; len(s) >= 8; s = s[8:] {
		word := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		digits := (word + (0x80-'0')*ones) &^ (word + (0x7f-'9')*ones)
		letters := (word + (0x80-'a')*ones) &^ (word + (0x7f-'f')*ones)
		if word&tops != 0 || (digits|letters)&tops != tops {
			return false
		}
	}
	for i := range len(s) {
		if c := s[i]; c-'0' > 9 && c-'a' > 5 {
			return false
		}
	}
	return true
}

// ValidTraceparent reports whether s is a W3C traceparent of version 00:
// exactly 55 characters, lower case, neither id all zeros. The flags can be any
// byte; whatever this package returns or writes has unknown flags cleared.
func ValidTraceparent(s string) bool {
	return len(s) == parentLength && idsOf(s) == validIDs
}

// knownFlags is the sampled and the random flag of W3C Trace Context level 2.
// Parsers that follow the letter of version 00 refuse any other.
const knownFlags = 0x03

// lowFlagsDigit is the second digit of the flags of a traceparent with the
// unknown ones cleared; the first digit is then 0.
func lowFlagsDigit(parent string) byte {
	digit := parent[54]
	if digit >= 'a' {
		digit -= 'a' - 10
	}
	return '0' + digit&knownFlags
}

// maskFlags returns a valid traceparent with the unknown flags cleared. It
// allocates only when there are some.
func maskFlags(parent string) string {
	if parent[53] == '0' && parent[54] <= '0'+knownFlags {
		return parent
	}
	return parent[:53] + "0" + string(rune(lowFlagsDigit(parent)))
}

// isPrintable reports whether s is printable ASCII, 0x20 to 0x7E.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i]-' ' > '~'-' ' {
			return false
		}
	}
	return true
}

// printable is s, or nothing when s is not printable ASCII.
func printable(s string) string {
	if !isPrintable(s) {
		return ""
	}
	return s
}

// eightASCII reports whether the first eight bytes of s are ASCII. The compiler makes
// one load of them.
func eightASCII(s string) bool {
	_ = s[7]
	eight := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	return eight&0x8080808080808080 == 0
}

// utf16Length counts the UTF-16 units of s, which is how the Kinesis Producer
// Library and most servers count the characters of a key; a count of code
// points is never larger. valid is false when s is not valid UTF-8.
func utf16Length(s string) (n int, valid bool) {
	for len(s)-n >= 8 && eightASCII(s[n:]) {
		n += 8
	}
	for n < len(s) && s[n] < utf8.RuneSelf {
		n++
	}
	if n == len(s) {
		return n, true
	}
	rest := s[n:]
	if !utf8.ValidString(rest) {
		return 0, false
	}
	for i := range len(rest) {
		// Every byte that begins a rune is a unit, and the first of a rune of
		// four bytes is two: such runes are written as a surrogate pair.
		if utf8.RuneStart(rest[i]) {
			n++
		}
		if rest[i] >= 0xF0 {
			n++
		}
	}
	return n, true
}
