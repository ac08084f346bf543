package aggregate

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unsafe"
)

// wireType is the low three bits of a protobuf field's key: how its value is
// written. The values are those of the protobuf encoding specification.
type wireType uint8

const (
	wireVarint     wireType = 0
	wireFixed64    wireType = 1
	wireBytes      wireType = 2
	wireStartGroup wireType = 3
	wireEndGroup   wireType = 4
	wireFixed32    wireType = 5
)

const (
	// maxFieldNumber is the largest field number protobuf knows.
	maxFieldNumber = 1<<29 - 1

	// maxGroupDepth is how many groups may be open at once in an unknown
	// field, the limit of protobuf's Java and C++ readers.
	maxGroupDepth = 100
)

// fieldKey is what stands before a value: field number and wire type. All
// numbers of the format are below 16, so it is one byte.
func fieldKey(number int, wire wireType) byte {
	return byte(number)<<3 | byte(wire)
}

// varintSize is the length of v as a varint.
func varintSize(v int) int {
	return (bits.Len64(uint64(v)|1) + 6) / 7
}

// bytesFieldSize is the size of a field that holds n bytes: key, length, bytes.
func bytesFieldSize(n int) int {
	return 1 + varintSize(n) + n
}

// appendFieldLength appends key and length of a field whose n bytes follow.
func appendFieldLength(dst []byte, number, n int) []byte {
	return binary.AppendUvarint(append(dst, fieldKey(number, wireBytes)), uint64(n))
}

// appendStringField appends a whole field.
func appendStringField(dst []byte, number int, text string) []byte {
	return append(appendFieldLength(dst, number, len(text)), text...)
}

// fields walks over the fields of one protobuf message:
//
//	f := fields{message: message}
//	for f.next() {
//		switch { case f.is(…): … }
//	}
//	return f.err
//
// A field of a known number but another wire type is an unknown field, as it is
// for protobuf's own readers: is tells them apart.
type fields struct {
	message []byte
	at      int // what comes before is read

	number     uint64
	wire       wireType
	varint     uint64 // the value of a wireVarint field
	start, end int    // where in message the value of a wireBytes field is

	err error // why next stopped before the end
}

// bytes is the value of a wireBytes field. It aliases the message and is
// capped, so that appending to it does not write there.
func (f *fields) bytes() []byte { return f.message[f.start:f.end:f.end] }

// text is bytes as a string, which aliases the message too.
func (f *fields) text() string { return alias(f.bytes()) }

// is reports whether the current field has this number and wire type.
func (f *fields) is(number uint64, wire wireType) bool {
	return f.number == number && f.wire == wire
}

// next reads one field. It returns false at the end and on an error.
func (f *fields) next() bool {
	return f.at < len(f.message) && f.readKey() && f.readValue(f.number, f.wire, 0)
}

func (f *fields) readKey() bool {
	key, ok := f.readVarint()
	if !ok {
		return false
	}
	f.number, f.wire = key>>3, wireType(key&7)
	if f.number == 0 || f.number > maxFieldNumber {
		return f.fail("field number %d is not between 1 and %d", f.number, maxFieldNumber)
	}
	return true
}

// readValue reads the value of a field; depth counts the groups around it.
func (f *fields) readValue(number uint64, wire wireType, depth int) bool {
	switch wire {
	case wireBytes:
		length, ok := f.readVarint()
		if !ok {
			return false
		}
		return f.take(length)
	case wireVarint:
		v, ok := f.readVarint()
		f.varint = v
		return ok
	case wireFixed64:
		return f.take(8)
	case wireFixed32:
		return f.take(4)
	case wireStartGroup:
		return f.skipGroup(number, depth+1)
	case wireEndGroup:
		return f.fail("field %d ends a group that was not begun", number)
	}
	return f.fail("field %d has wire type %d, which does not exist", number, wire)
}

// skipGroup reads up to the end of group number. Groups are a form of nesting
// that this format does not use, so one can only be an unknown field.
func (f *fields) skipGroup(number uint64, depth int) bool {
	if depth > maxGroupDepth {
		return f.fail("more than %d groups are nested", maxGroupDepth)
	}
	for f.readKey() {
		inner, wire := f.number, f.wire
		if wire == wireEndGroup && inner == number {
			return true
		}
		if !f.readValue(inner, wire, depth) {
			return false
		}
	}
	return false
}

// take makes the next n bytes the current value.
func (f *fields) take(n uint64) bool {
	left := len(f.message) - f.at
	if n > uint64(left) {
		return f.fail("a value of %d bytes runs past the end, %d bytes are left", n, left)
	}
	f.start, f.end = f.at, f.at+int(n)
	f.at = f.end
	return true
}

// readVarint reads one or two bytes, as nearly every number of a container is,
// without a loop.
func (f *fields) readVarint() (v uint64, ok bool) {
	rest := f.message[f.at:]
	if len(rest) > 0 && rest[0] < 0x80 {
		f.at++
		return uint64(rest[0]), true
	}
	if len(rest) > 1 && rest[1] < 0x80 {
		f.at += 2
		return uint64(rest[0]&0x7f) | uint64(rest[1])<<7, true
	}
	return f.readLongVarint()
}

func (f *fields) readLongVarint() (v uint64, ok bool) {
	v, n := binary.Uvarint(f.message[f.at:])
	switch {
	case n == 0:
		return 0, f.fail("a varint runs past the end")
	case n < 0:
		return 0, f.fail("a varint does not fit 64 bits")
	}
	f.at += n
	return v, true
}

func (f *fields) fail(format string, args ...any) bool {
	f.err = fmt.Errorf(format, args...)
	return false
}

// alias is string(b) without a copy; b must not be written to afterwards.
func alias(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
