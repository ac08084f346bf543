package codec

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// String is the codec that puts a text into a record as it is. The text has to
// be UTF-8, which other readers insist on, and not empty.
func String() Codec[string] { return alone[string]{textValues} }

// errNotUTF8 is what becomes of other bytes.
var errNotUTF8 = errors.New("the text is not UTF-8")

// textValues are texts in UTF-8.
var textValues = values[string]{
	append: func(dst []byte, v string) ([]byte, error) {
		if !utf8.ValidString(v) {
			return dst, fmt.Errorf("encode value: %w", errNotUTF8)
		}
		return append(dst, v...), nil
	},
	parse: func(item []byte) (string, error) {
		if !utf8.Valid(item) {
			return "", errNotUTF8
		}
		return string(item), nil
	},
}
