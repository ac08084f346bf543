package diskstore

import (
	"encoding/binary"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// The body of an entry with records: the counter of the first, when they
// arrived, how many they are, flags, and the records. A record is the length of
// its key, whose highest bit says that an explicit hash key follows, the length
// of its data, the hash key, the key and the data.
const (
	batchHeadBytes  = 8 + 8 + 4 + 1
	recordHeadBytes = 2 + 4
	hashKeyBytes    = 16

	explicitBit   = 1 << 15
	encryptedFlag = 1
)

// fullEntry is the length of a body from which on the records of a batch go on
// in another entry. A reader has to read an entry whole.
const fullEntry = 32 << 10

// batchHead is the head of a batch.
type batchHead struct {
	first     uint64
	arrived   int64
	count     uint32
	encrypted bool
}

// written is where an entry with records lies in a write.
type written struct {
	first uint64 // counter of its first record
	at    int
}

// appendBatch appends a batch as one or more entries.
func appendBatch(dst []byte, b *state.Batch) ([]byte, []written) {
	var entries []written
	first, records := b.First, b.Records
	for len(records) > 0 {
		at := len(dst)
		entries = append(entries, written{first, at})
		dst = beginEntry(dst)
		dst = binary.LittleEndian.AppendUint64(dst, first)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(b.Arrived))
		dst = append(dst, 0, 0, 0, 0, flags(b))
		n := 0
		for n < len(records) && (n == 0 || len(dst)-at < fullEntry) {
			dst = appendRecord(dst, records[n])
			n++
		}
		binary.LittleEndian.PutUint32(dst[at+headBytes+16:], uint32(n))
		endEntry(dst[at:])
		first += uint64(n)
		records = records[n:]
	}
	return dst, entries
}

func flags(b *state.Batch) byte {
	if b.Encrypted {
		return encryptedFlag
	}
	return 0
}

func appendRecord(dst []byte, r *state.NewRecord) []byte {
	key := uint16(len(r.PartitionKey))
	if r.ExplicitHashKey != nil {
		key |= explicitBit
	}
	dst = binary.LittleEndian.AppendUint16(dst, key)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.Data)))
	if r.ExplicitHashKey != nil {
		dst = binary.LittleEndian.AppendUint64(dst, r.ExplicitHashKey.Hi)
		dst = binary.LittleEndian.AppendUint64(dst, r.ExplicitHashKey.Lo)
	}
	dst = append(dst, r.PartitionKey...)
	return append(dst, r.Data...)
}

// parseBatch reads the head of a batch.
func parseBatch(body []byte) (h batchHead, records []byte, ok bool) {
	if len(body) < batchHeadBytes {
		return batchHead{}, nil, false
	}
	h = batchHead{
		first:     binary.LittleEndian.Uint64(body),
		arrived:   int64(binary.LittleEndian.Uint64(body[8:])),
		count:     binary.LittleEndian.Uint32(body[16:]),
		encrypted: body[20]&encryptedFlag != 0,
	}
	return h, body[batchHeadBytes:], true
}

// parseRecord reads a record into r, whose bytes are those of b.
func parseRecord(b []byte, r *state.Record) (rest []byte, ok bool) {
	if len(b) < recordHeadBytes {
		return nil, false
	}
	key, data := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint32(b[2:]))
	b = b[recordHeadBytes:]
	r.ExplicitGiven = key&explicitBit != 0
	key &^= explicitBit
	if r.ExplicitGiven {
		if len(b) < hashKeyBytes {
			return nil, false
		}
		r.ExplicitHashKey.Hi = binary.LittleEndian.Uint64(b)
		r.ExplicitHashKey.Lo = binary.LittleEndian.Uint64(b[8:])
		b = b[hashKeyBytes:]
	}
	if len(b) < key+data {
		return nil, false
	}
	r.PartitionKey = b[:key:key]
	r.Data = b[key : key+data : key+data]
	return b[key+data:], true
}
