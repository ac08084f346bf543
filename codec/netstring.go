package codec

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strconv"
)

// Netstrings is the codec of netstrings, many in a record: the length of a value
// in decimal, a colon, the value, a comma. The caller says how a value becomes
// bytes and back; encode appends to dst, decode does not keep item. Errors of
// decode come out of Decode in a *DecodeError.
func Netstrings[T any](encode func(dst []byte, v T) ([]byte, error), decode func(item []byte) (T, error)) Packing[T] {
	return packing[T]{values[T]{encode, decode}, frame{func() box { return &netstrings{} }, netstringItems}}
}

// netstrings are items with their length in front and a comma behind.
type netstrings struct{ text }

func (b *netstrings) sizeWith(item []byte) int {
	return len(b.bytes) + len(strconv.AppendInt(nil, int64(len(item)), 10)) + len(":,") + len(item)
}

func (b *netstrings) add(item []byte) {
	bytes := append(strconv.AppendInt(b.bytes, int64(len(item)), 10), ':')
	b.wrote(append(append(bytes, item...), ','))
}

func netstringItems(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(data) > 0 {
			item, rest, err := cutNetstring(data)
			if !yield(item, err) || err != nil {
				return
			}
			data = rest
		}
	}
}

// maxLengthDigits is enough for any record.
const maxLengthDigits = 10

// cutNetstring is the first item of data, and what is behind it.
func cutNetstring(data []byte) (item, rest []byte, err error) {
	colon := bytes.IndexByte(data[:min(len(data), maxLengthDigits+1)], ':')
	if colon < 0 {
		return nil, nil, errors.New("netstring without a length")
	}
	digits, rest := data[:colon], data[colon+1:]
	length, err := strconv.ParseUint(string(digits), 10, 31)
	switch {
	case err != nil || (digits[0] == '0' && len(digits) > 1):
		return nil, nil, fmt.Errorf("netstring with %q for a length", digits)
	case len(rest) <= int(length):
		return nil, nil, fmt.Errorf("netstring of %d bytes with only %d behind its colon", length, len(rest))
	case rest[length] != ',':
		return nil, nil, fmt.Errorf("netstring of %d bytes with %q for a comma behind them", length, rest[length])
	}
	return rest[:length:length], rest[length+1:], nil
}
