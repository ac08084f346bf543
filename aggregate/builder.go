package aggregate

import (
	"encoding/binary"
	"slices"

	"github.com/kinetrail/kinetrail"
)

// Builder builds one container after another. Its zero value is an empty
// container. Reset keeps the memory, so a Builder that is reused allocates only
// while it grows to the size of its largest container.
//
// It writes keys, hash keys and headers as they are given and checks none of
// them: a reader may refuse a whole container over one text that is not UTF-8,
// so text from outside is checked before it is added. A Builder must not be
// used by two goroutines at once.
type Builder struct {
	keys     table
	hashKeys table
	records  []byte // the records field after field, as they stand in the message
	len      int
}

// Add appends a copy of r. Its sub-sequence number is Len()−1 afterwards.
func (b *Builder) Add(r *UserRecord) {
	key := b.keys.entryOf(fieldPartitionKey, r.PartitionKey)
	hashKey := noEntry
	if r.ExplicitHashKey != "" {
		hashKey = b.hashKeys.entryOf(fieldExplicitHashKey, r.ExplicitHashKey)
	}
	size := recordSize(r, key, hashKey)
	b.records = appendFieldLength(b.records, fieldRecord, size)
	b.records = appendRecord(b.records, r, key, hashKey)
	b.len++
}

// Len is the number of records added since the last Reset.
func (b *Builder) Len() int { return b.len }

// Size is the exact size of the container in bytes, and 0 while it is empty.
func (b *Builder) Size() int {
	if b.len == 0 {
		return 0
	}
	return overhead + b.messageSize()
}

func (b *Builder) messageSize() int {
	return len(b.keys.encoded) + len(b.hashKeys.encoded) + len(b.records)
}

// SizeWith is what Size would be after Add(r). It adds nothing.
func (b *Builder) SizeWith(r *UserRecord) int {
	key, tableGrowth := b.keys.plan(r.PartitionKey)
	hashKey := noEntry
	if r.ExplicitHashKey != "" {
		var growth int
		hashKey, growth = b.hashKeys.plan(r.ExplicitHashKey)
		tableGrowth += growth
	}
	return overhead + b.messageSize() + tableGrowth + bytesFieldSize(recordSize(r, key, hashKey))
}

// AppendTo appends the container to dst and returns the result, Size() bytes
// longer. An empty container is nothing at all: dst comes back as it is. The
// Builder is not changed.
func (b *Builder) AppendTo(dst []byte) []byte {
	if b.len == 0 {
		return dst
	}
	message := len(dst) + len(magic)
	dst = b.appendMessage(dst)
	sum := checksum(dst[message:])
	return append(dst, sum[:]...)
}

// appendMessage appends the container up to its MD5, with room for that.
func (b *Builder) appendMessage(dst []byte) []byte {
	dst = slices.Grow(dst, b.Size())
	dst = append(dst, magic...)
	// In the order of their numbers, as other writers have it, so that equal
	// records make equal bytes.
	dst = append(dst, b.keys.encoded...)
	dst = append(dst, b.hashKeys.encoded...)
	return append(dst, b.records...)
}

// Reset empties the container and keeps its memory for the next one.
func (b *Builder) Reset() {
	b.keys.reset()
	b.hashKeys.reset()
	b.records = b.records[:0]
	b.len = 0
}

// recordSize is the size of a Record message that refers to these table
// entries.
func recordSize(r *UserRecord, key, hashKey int) int {
	size := 1 + varintSize(key) + bytesFieldSize(len(r.Data))
	if hashKey != noEntry {
		size += 1 + varintSize(hashKey)
	}
	for i := range r.Headers {
		size += bytesFieldSize(tagSize(&r.Headers[i]))
	}
	return size
}

func tagSize(h *kinetrail.Header) int {
	return bytesFieldSize(len(h.Name)) + bytesFieldSize(len(h.Value))
}

// appendRecord appends a Record message. Required fields are written even when
// they are zero: a proto2 reader refuses a message that lacks one.
func appendRecord(dst []byte, r *UserRecord, key, hashKey int) []byte {
	dst = append(dst, fieldKey(fieldPartitionKeyIndex, wireVarint))
	dst = binary.AppendUvarint(dst, uint64(key))
	if hashKey != noEntry {
		dst = append(dst, fieldKey(fieldExplicitHashKeyIndex, wireVarint))
		dst = binary.AppendUvarint(dst, uint64(hashKey))
	}
	dst = appendFieldLength(dst, fieldData, len(r.Data))
	dst = append(dst, r.Data...)
	for i := range r.Headers {
		h := &r.Headers[i]
		dst = appendFieldLength(dst, fieldTag, tagSize(h))
		dst = appendStringField(dst, fieldTagKey, h.Name)
		dst = appendStringField(dst, fieldTagValue, h.Value)
	}
	return dst
}
