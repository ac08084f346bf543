package codec

import "iter"

// Codec turns values of one type into the data of records and back. A Codec may
// be used by many goroutines at once.
type Codec[T any] interface {
	// Append appends the data of a record that holds v alone to dst. On an
	// error dst comes back as it was.
	Append(dst []byte, v T) ([]byte, error)

	// Decode yields the values in the data of a record, in their order. A
	// value that cannot be read is yielded as the zero value of T and a
	// *DecodeError, and what follows it is yielded all the same; only where
	// the data does not show where the next value begins, such an error is
	// the last thing yielded. Values do not alias data.
	Decode(data []byte) iter.Seq2[T, error]
}

// Packing is a Codec whose records hold many values.
type Packing[T any] interface {
	Codec[T]

	// Packer makes a packer of records with at most maxBytes of data.
	Packer(maxBytes int) *Packer[T]
}

// values turns one value into bytes and back.
type values[T any] struct {
	append func(dst []byte, v T) ([]byte, error)
	parse  func(item []byte) (T, error)
}

// alone is the codec that puts a value into a record as it is.
type alone[T any] struct{ values[T] }

func (c alone[T]) Append(dst []byte, v T) ([]byte, error) {
	data, err := c.append(dst, v)
	switch {
	case err != nil:
		return dst, err
	case len(data) == len(dst):
		return dst, ErrEmpty
	}
	return data, nil
}

func (c alone[T]) Decode(data []byte) iter.Seq2[T, error] {
	return c.decode(func(yield func([]byte, error) bool) { yield(data, nil) })
}

// packing is a codec that puts values into a frame.
type packing[T any] struct {
	values[T]
	frame
}

// frame is how the items of a record, each the bytes of one value, lie in its
// data.
type frame struct {
	// box makes an empty record.
	box func() box

	// items yields the items of a record. An error is the last it yields.
	items func(data []byte) iter.Seq2[[]byte, error]
}

func (c packing[T]) Append(dst []byte, v T) ([]byte, error) {
	item, err := c.append(nil, v)
	if err != nil {
		return dst, err
	}
	box := c.box()
	box.add(item)
	return box.appendTo(dst), nil
}

func (c packing[T]) Decode(data []byte) iter.Seq2[T, error] { return c.decode(c.items(data)) }

func (c packing[T]) Packer(maxBytes int) *Packer[T] {
	return &Packer[T]{maxBytes: maxBytes, encode: c.append, box: c.box(), empty: c.box()}
}

// decode parses items.
func (v values[T]) decode(items iter.Seq2[[]byte, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		index := 0
		for item, err := range items {
			var value T
			if err == nil {
				value, err = v.parse(item)
			}
			if err != nil {
				value, err = *new(T), &DecodeError{Index: index, Err: err}
			}
			if !yield(value, err) {
				return
			}
			index++
		}
	}
}
