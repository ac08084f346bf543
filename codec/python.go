package codec

import (
	"unicode/utf16"
	"unicode/utf8"
)

// appendPython appends compact JSON the way Python's json.dumps spells it.
func appendPython(dst, text []byte) []byte {
	inString := false
	for at := 0; at < len(text); {
		c := text[at]
		switch {
		case inString && c == '\\':
			dst = append(dst, text[at:at+2]...) // Go's other escapes are Python's
			at += 2
			continue
		case inString && (c >= utf8.RuneSelf || c == 0x7f):
			r, size := utf8.DecodeRune(text[at:])
			dst = appendEscaped(dst, r)
			at += size
			continue
		case c == '"':
			inString = !inString
		}
		dst = append(dst, c)
		at++
		if !inString && (c == ',' || c == ':') {
			dst = append(dst, ' ')
		}
	}
	return dst
}

// appendEscaped appends r as \uXXXX, or as two of them.
func appendEscaped(dst []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendEscaped(appendEscaped(dst, high), low)
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
