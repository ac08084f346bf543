package codec

import (
	"encoding/json"
	"iter"
)

// JSONList is the codec of a JSON array that fills a record, each element a
// value. async-kinesis reads the array as one value, a list.
func JSONList[T any](options ...func(*Options)) Packing[T] {
	o := optionsOf(options)
	separator := ","
	if o.Python {
		separator = ", "
	}
	return packing[T]{jsonValues[T](o), frame{func() box { return &list{separator: separator} }, listItems}}
}

// list is the text of an array without its closing bracket.
type list struct {
	text
	separator string
}

func (b *list) sizeWith(item []byte) int {
	if b.items == 0 {
		return len("[]") + len(item)
	}
	return b.size() + len(b.separator) + len(item)
}

func (b *list) add(item []byte) {
	before := b.separator
	if b.items == 0 {
		before = "["
	}
	b.wrote(append(append(b.bytes, before...), item...))
}

func (b *list) size() int {
	if b.items == 0 {
		return 0
	}
	return len(b.bytes) + len("]")
}

func (b *list) appendTo(dst []byte) []byte { return append(append(dst, b.bytes...), ']') }

func listItems(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			yield(nil, err)
			return
		}
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}
