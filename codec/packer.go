package codec

// Packer packs values into one record after another, none larger than its
// limit. It is made by a Packing codec and must not be used by two goroutines
// at once.
//
//	for _, v := range values {
//		record, err := packer.Add(v)
//		// put record unless it is nil
//	}
//	record := packer.Flush()
//	// put record unless it is nil
type Packer[T any] struct {
	maxBytes int
	encode   func(dst []byte, v T) ([]byte, error)
	box      box
	empty    box    // never filled: what a value takes alone
	item     []byte // memory for the next
}

// box is one record in the making.
type box interface {
	// sizeWith is what size would be after add(item).
	sizeWith(item []byte) int

	// size is the size of the record in bytes, 0 without an item.
	size() int

	// count is the number of items.
	count() int

	add(item []byte)
	appendTo(dst []byte) []byte
	reset()
}

// Add puts v into the record that is being packed. When v does not fit there any
// more, that record is complete: it is returned, and v begins the next one.
// Otherwise record is nil. The caller owns what is returned.
//
// A value that cannot be encoded, or whose own record would be too large
// (*TooLargeError), changes nothing.
func (p *Packer[T]) Add(v T) (record []byte, err error) {
	item, err := p.encode(p.item[:0], v)
	if err != nil {
		return nil, err
	}
	p.item = item
	if size := p.empty.sizeWith(item); size > p.maxBytes {
		return nil, &TooLargeError{Size: size, MaxBytes: p.maxBytes}
	}
	if p.box.sizeWith(item) > p.maxBytes {
		record = p.Flush()
	}
	p.box.add(item)
	return record, nil
}

// Flush returns the record that is being packed, nil when it has no values, and
// begins the next one.
func (p *Packer[T]) Flush() (record []byte) {
	if p.box.count() == 0 {
		return nil
	}
	record = p.box.appendTo(make([]byte, 0, p.box.size()))
	p.box.reset()
	return record
}

// Len is the number of values in the record that is being packed.
func (p *Packer[T]) Len() int { return p.box.count() }

// Size is the exact size of the record that is being packed, in bytes, and 0
// while it has no values.
func (p *Packer[T]) Size() int { return p.box.size() }
