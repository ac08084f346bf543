package codec_test

import (
	"bytes"
	"errors"
	"iter"

	"github.com/kinetrail/kinetrail/codec"
)

// texts is a codec of texts seen as one of any value.
type texts struct{ codec.Codec[string] }

func (c texts) Append(dst []byte, v any) ([]byte, error) { return c.Codec.Append(dst, v.(string)) }

func (c texts) Decode(data []byte) iter.Seq2[any, error] { return anyOf(c.Codec.Decode(data)) }

// netstrings hold texts here.
var netstrings = codec.Netstrings(
	func(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil },
	func(item []byte) (string, error) {
		if bytes.HasPrefix(item, []byte("bad")) {
			return "", errors.New("a bad item")
		}
		return string(item), nil
	})

func anyOf(values iter.Seq2[string, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for text, err := range values {
			v := any(text)
			if err != nil {
				v = nil
			}
			if !yield(v, err) {
				return
			}
		}
	}
}
