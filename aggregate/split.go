package aggregate

import (
	"crypto/md5"
	"errors"
	"fmt"
	"slices"

	"github.com/kinetrail/kinetrail"
)

// Split appends the user records of a container to dst, in order: the index of
// a record counted from len(dst) is its sub-sequence number.
//
// Nothing is copied. Every Data slice and every string of the records aliases
// data and keeps it in memory, so data must not be changed as long as one of
// them is in use. Appending to a Data slice does not write into data.
//
// The checksum is verified. A container without records, which holds nothing
// that could be lost, adds nothing. Unknown fields are skipped, as protobuf's
// own readers do. Keys, hash keys and headers come back byte for byte, also
// where they are not valid UTF-8 or no number: that is for the caller to judge,
// not for a reader to mend.
//
// On an error the returned slice is dst as it was, and the caller loses nothing
// when it treats data as one plain record. The error is ErrNotContainer, or
// wraps ErrChecksum or ErrMalformed. Whatever data holds, Split does not panic,
// and the memory it allocates is a small multiple of the size of data. When dst
// has room, that is one allocation for the tables of a container with more than
// 16 keys, and one for the headers if there are any.
func Split(data []byte, dst []UserRecord) ([]UserRecord, error) {
	message, err := open(data)
	if err != nil {
		return dst, err
	}
	return splitMessage(message, dst)
}

// SplitVerified is Split for a container whose checksum Verify has found right.
func SplitVerified(data []byte, dst []UserRecord) ([]UserRecord, error) {
	if !IsContainer(data) {
		return dst, ErrNotContainer
	}
	return splitMessage(data[len(magic):len(data)-md5.Size], dst)
}

func splitMessage(message []byte, dst []UserRecord) ([]UserRecord, error) {
	records, usual := splitUsual(message, dst)
	if usual {
		return records, nil
	}
	records, err := splitAny(message, records)
	if err != nil {
		return dst, err
	}
	return records, nil
}

// splitAny splits any message.
func splitAny(message []byte, dst []UserRecord) ([]UserRecord, error) {
	size, err := measure(message)
	if err != nil {
		return dst, malformed(err)
	}
	var few [16]string // most containers hold few keys: tables on the stack
	texts := few[:]
	if n := size.keys + size.hashKeys; n > len(few) {
		texts = make([]string, n)
	}
	t := tables{keys: texts[:size.keys], hashKeys: texts[size.keys:][:size.hashKeys]}
	readTables(message, t)
	records, tags, err := readRecords(message, t, slices.Grow(dst, size.records))
	if err != nil {
		return dst, malformed(err)
	}
	if tags > 0 {
		if err := readHeaders(message, records[len(dst):], make([]kinetrail.Header, 0, tags)); err != nil {
			return dst, malformed(err)
		}
	}
	return records, nil
}

// open returns the message of a container whose MD5 it has verified.
func open(data []byte) (message []byte, err error) {
	if !IsContainer(data) {
		return nil, ErrNotContainer
	}
	end := len(data) - md5.Size
	message, stored := data[len(magic):end], [md5.Size]byte(data[end:])
	if sum := checksum(message); sum != stored {
		return nil, checksumError(sum, stored)
	}
	return message, nil
}

// checksumError stands apart because formatting would move its arguments to
// the heap.
func checksumError(sum, stored [md5.Size]byte) error {
	return fmt.Errorf("%w: the message has the MD5 %x, the container says %x", ErrChecksum, sum, stored)
}

func malformed(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }

// A message is read in several walks, because protobuf lets its fields stand in
// any order: the tables may follow the records that refer to them, and tables
// and headers get their memory in one piece each once they are counted.

// content is how many entries of each kind a message holds.
type content struct {
	keys, hashKeys, records int
}

// measure counts, and finds whether the message is a list of fields at all; the
// later walks rely on it.
func measure(message []byte) (c content, err error) {
	f := fields{message: message}
	for f.next() {
		switch {
		case f.is(fieldRecord, wireBytes):
			c.records++
		case f.is(fieldPartitionKey, wireBytes):
			c.keys++
		case f.is(fieldExplicitHashKey, wireBytes):
			c.hashKeys++
		}
	}
	return c, f.err
}

// tables are the texts that records refer to by number.
type tables struct {
	keys     []string
	hashKeys []string
}

// readTables fills tables of the measured size. They nearly always come first,
// so it stops once they are full.
func readTables(message []byte, t tables) {
	keys, hashKeys := 0, 0
	f := fields{message: message}
	for keys+hashKeys < len(t.keys)+len(t.hashKeys) && f.next() {
		switch {
		case f.is(fieldPartitionKey, wireBytes):
			t.keys[keys] = f.text()
			keys++
		case f.is(fieldExplicitHashKey, wireBytes):
			t.hashKeys[hashKeys] = f.text()
			hashKeys++
		}
	}
}

// readRecords appends every record, without its headers, and counts the tags.
func readRecords(message []byte, t tables, dst []UserRecord) (records []UserRecord, tags int, err error) {
	records = dst
	f := fields{message: message}
	for f.next() {
		if !f.is(fieldRecord, wireBytes) {
			continue
		}
		records = append(records, UserRecord{})
		n, err := readRecord(f.bytes(), t, &records[len(records)-1])
		if err != nil {
			return nil, 0, fmt.Errorf("record %d: %w", len(records)-len(dst)-1, err)
		}
		tags += n
	}
	return records, tags, nil
}

// readRecord fills in r from a Record message. Of a field that stands there
// twice the last one counts, which is protobuf's rule.
func readRecord(message []byte, t tables, r *UserRecord) (tags int, err error) {
	var key, hashKey uint64
	var hasKey, hasHashKey, hasData bool
	f := fields{message: message}
	for f.next() {
		switch {
		case f.is(fieldPartitionKeyIndex, wireVarint):
			key, hasKey = f.varint, true
		case f.is(fieldExplicitHashKeyIndex, wireVarint):
			hashKey, hasHashKey = f.varint, true
		case f.is(fieldData, wireBytes):
			r.Data, hasData = f.bytes(), true
		case f.is(fieldTag, wireBytes):
			tags++
		}
	}
	switch {
	case f.err != nil:
		return 0, f.err
	case !hasKey:
		return 0, errors.New("the partition key index is missing")
	case !hasData:
		return 0, errors.New("the data is missing")
	case key >= uint64(len(t.keys)):
		return 0, fmt.Errorf("partition key index %d is outside a table of %d", key, len(t.keys))
	case hasHashKey && hashKey >= uint64(len(t.hashKeys)):
		return 0, fmt.Errorf("explicit hash key index %d is outside a table of %d", hashKey, len(t.hashKeys))
	}
	r.PartitionKey = t.keys[key]
	if hasHashKey {
		r.ExplicitHashKey = t.hashKeys[hashKey]
	}
	return tags, nil
}

// readHeaders gives the records of the message, in its order, their headers.
// The slab has room for all of them.
func readHeaders(message []byte, records []UserRecord, slab []kinetrail.Header) error {
	record := 0
	f := fields{message: message}
	for f.next() {
		if !f.is(fieldRecord, wireBytes) {
			continue
		}
		first := len(slab)
		tags := fields{message: f.bytes()}
		for tags.next() {
			if !tags.is(fieldTag, wireBytes) {
				continue
			}
			h, err := readTag(tags.bytes())
			if err != nil {
				return fmt.Errorf("record %d: tag %d: %w", record, len(slab)-first, err)
			}
			slab = append(slab, h)
		}
		if len(slab) > first {
			records[record].Headers = slab[first:len(slab):len(slab)]
		}
		record++
	}
	return nil
}

func readTag(message []byte) (h kinetrail.Header, err error) {
	var hasKey bool
	f := fields{message: message}
	for f.next() {
		switch {
		case f.is(fieldTagKey, wireBytes):
			h.Name, hasKey = f.text(), true
		case f.is(fieldTagValue, wireBytes):
			h.Value = f.text()
		}
	}
	if f.err != nil {
		return h, f.err
	}
	if !hasKey {
		return h, errors.New("the key is missing")
	}
	return h, nil
}
