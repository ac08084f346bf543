package codec

import (
	"bytes"
	"iter"
)

// JSONLines is the codec of JSON texts that end with a line break each, many in
// a record. Empty lines are skipped when read. A line that is no JSON does not
// hinder those behind it.
func JSONLines[T any](options ...func(*Options)) Packing[T] {
	return packing[T]{jsonValues[T](optionsOf(options)), frame{func() box { return &lines{} }, lineItems}}
}

// lines are items with a line break behind each.
type lines struct{ text }

func (b *lines) sizeWith(item []byte) int { return len(b.bytes) + len(item) + 1 }

func (b *lines) add(item []byte) { b.wrote(append(append(b.bytes, item...), '\n')) }

func lineItems(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			if len(line) > 0 && !yield(line, nil) {
				return
			}
		}
	}
}

// text is a record whose data grows at its end.
type text struct {
	bytes []byte
	items int
}

// wrote takes what bytes became with one more item.
func (t *text) wrote(bytes []byte) { t.bytes, t.items = bytes, t.items+1 }

func (t *text) size() int                  { return len(t.bytes) }
func (t *text) count() int                 { return t.items }
func (t *text) appendTo(dst []byte) []byte { return append(dst, t.bytes...) }
func (t *text) reset()                     { t.bytes, t.items = t.bytes[:0], 0 }
