package diskstore

import (
	"bytes"
	"encoding/binary"
	"io"
)

// An entry is the length of its body, a checksum of the body, a checksum of
// these two, and the body. The second checksum tells a length that was changed,
// which would hide everything behind the entry, from an entry that was not
// written to its end.
const headBytes = 12

// beginEntry makes room for the head of an entry whose body is appended next.
func beginEntry(dst []byte) []byte { return append(dst, make([]byte, headBytes)...) }

// endEntry fills in the head of an entry, which is all of b.
func endEntry(b []byte) {
	body := b[headBytes:]
	binary.LittleEndian.PutUint32(b, uint32(len(body)))
	binary.LittleEndian.PutUint32(b[4:], checksum(body))
	binary.LittleEndian.PutUint32(b[8:], checksum(b[:8]))
}

// head is the head of an entry.
type head struct {
	length int64 // of the body
	sum    uint32
}

// parseHead reads headBytes; false when they are not what was written.
func parseHead(b []byte) (head, bool) {
	h := head{length: int64(binary.LittleEndian.Uint32(b)), sum: binary.LittleEndian.Uint32(b[4:])}
	return h, binary.LittleEndian.Uint32(b[8:]) == checksum(b[:8])
}

// Why an entry is damaged.
const (
	damagedHead = "the head of the entry does not match its checksum"
	damagedBody = "the entry does not match its checksum"
)

// scanBytes is how much of a file is read at once, unless an entry is larger.
const scanBytes = 256 << 10

// scan calls visit with the body of every entry from an offset on, and returns
// where the last one ends. What follows is a write that was not finished: a
// part of an entry, or, after a power failure, zeros. The body is visit's until
// it returns.
func scan(f io.ReaderAt, path string, offset, size int64, visit func(at int64, body []byte) error) (end int64, err error) {
	buffer := make([]byte, scanBytes)
	for offset < size {
		chunk := buffer[:min(int64(len(buffer)), size-offset)]
		if _, err := f.ReadAt(chunk, offset); err != nil {
			return 0, err
		}
		used, missing, err := scanChunk(chunk, path, offset, size, visit)
		switch {
		case err != nil:
			if damaged, ok := err.(*DamagedError); ok && onlyZeros(f, damaged.Offset, size) {
				return damaged.Offset, nil
			}
			return 0, err
		case missing == 0, offset+used+missing > size:
			return offset + used, nil
		case used == 0:
			buffer = make([]byte, missing)
		}
		offset += used
	}
	return offset, nil
}

// scanChunk visits the entries that lie whole in a chunk. missing is how many
// bytes the next one has, as far as is known: at least the length of a head,
// and 0 at the end of the file.
func scanChunk(chunk []byte, path string, offset, size int64, visit func(int64, []byte) error) (used, missing int64, err error) {
	for {
		rest := chunk[used:]
		if len(rest) < headBytes {
			if offset+int64(len(chunk)) == size {
				return used, 0, nil
			}
			return used, headBytes, nil
		}
		h, ok := parseHead(rest)
		if !ok {
			return 0, 0, &DamagedError{File: path, Offset: offset + used, Reason: damagedHead}
		}
		if h.length > int64(len(rest)-headBytes) {
			return used, headBytes + h.length, nil
		}
		body := rest[headBytes : headBytes+h.length]
		if checksum(body) != h.sum {
			return 0, 0, &DamagedError{File: path, Offset: offset + used, Reason: damagedBody}
		}
		if err := visit(offset+used, body); err != nil {
			return 0, 0, err
		}
		used += headBytes + h.length
	}
}

// onlyZeros reports whether a file holds nothing else from the offset on.
func onlyZeros(f io.ReaderAt, offset, size int64) bool {
	zeros, chunk := make([]byte, 4<<10), make([]byte, 4<<10)
	for offset < size {
		n := min(int64(len(chunk)), size-offset)
		if _, err := f.ReadAt(chunk[:n], offset); err != nil || !bytes.Equal(chunk[:n], zeros[:n]) {
			return false
		}
		offset += n
	}
	return true
}
