package aggregate

import (
	"encoding/binary"
	"slices"

	"github.com/kinetrail/kinetrail"
)

// splitUsual appends the records of a message that is laid out as aggregators
// write it: the tables, then the records, the fields of each by their numbers and
// none twice. One walk is enough for that. It reports false for every other
// message, right or wrong, and returns dst, perhaps with more room; splitAny says
// what it is.
func splitUsual(message []byte, dst []UserRecord) (records []UserRecord, usual bool) {
	keys, hashKeys, at := countTables(message)
	var few [16]string // most containers hold few keys: tables on the stack
	texts := few[:]
	if n := keys + hashKeys; n > len(few) {
		texts = make([]string, n)
	}
	t := tables{keys: texts[:keys], hashKeys: texts[keys:][:hashKeys]}
	w := walk{message: message}
	for w.at < at {
		if message[w.at] == keyOfPartitionKey {
			t.keys[len(t.keys)-keys] = alias(w.value())
			keys--
		} else {
			t.hashKeys[len(t.hashKeys)-hashKeys] = alias(w.value())
			hashKeys--
		}
	}
	if w.odd {
		return dst, false
	}
	if records, usual = w.records(t, dst); !usual {
		return records[:len(dst)], false
	}
	return records, true
}

// records appends the records, with which the message ends.
func (w *walk) records(t tables, records []UserRecord) ([]UserRecord, bool) {
	var headers []kinetrail.Header // room for those to come
	for w.at < len(w.message) {
		first := w.at
		if !w.is(keyOfRecord) {
			return records, false
		}
		record := walk{message: w.value()}
		var r UserRecord
		if w.odd || !record.record(&r, t) {
			return records, false
		}
		// If all are like this one.
		inAll := 1 + (len(w.message)-w.at)/(w.at-first)
		if record.at < len(record.message) {
			headers = record.tags(&r, headers, inAll)
		}
		if record.odd || record.at < len(record.message) {
			return records, false
		}
		if len(records) == cap(records) {
			records = slices.Grow(records, inAll)
		}
		records = append(records, r)
	}
	return records, true
}

// The keys of the fields, number and wire type.
const (
	keyOfPartitionKey    = fieldPartitionKey<<3 | byte(wireBytes)
	keyOfExplicitHashKey = fieldExplicitHashKey<<3 | byte(wireBytes)
	keyOfRecord          = fieldRecord<<3 | byte(wireBytes)

	keyOfPartitionKeyIndex    = fieldPartitionKeyIndex<<3 | byte(wireVarint)
	keyOfExplicitHashKeyIndex = fieldExplicitHashKeyIndex<<3 | byte(wireVarint)
	keyOfData                 = fieldData<<3 | byte(wireBytes)
	keyOfTag                  = fieldTag<<3 | byte(wireBytes)

	keyOfTagKey   = fieldTagKey<<3 | byte(wireBytes)
	keyOfTagValue = fieldTagValue<<3 | byte(wireBytes)
)

// countTables counts the entries of the tables that a message begins with, and
// finds what comes behind them.
func countTables(message []byte) (keys, hashKeys, end int) {
	w := walk{message: message}
	for w.at < len(message) {
		before := w.at
		switch message[w.at] {
		case keyOfPartitionKey:
			keys++
		case keyOfExplicitHashKey:
			hashKeys++
		default:
			return keys, hashKeys, before
		}
		w.value()
	}
	return keys, hashKeys, w.at
}

// walk goes over a message whose next field is known to its caller.
type walk struct {
	message []byte
	at      int
	odd     bool // what follows cannot be read; at is then behind the end
}

// is reports whether the next field has this key.
func (w *walk) is(key byte) bool {
	return w.at < len(w.message) && w.message[w.at] == key
}

// value steps over the key of a field and over its value, which it returns. It
// aliases the message and is capped.
func (w *walk) value() []byte {
	length := w.number()
	if length > uint64(len(w.message)-w.at) {
		w.at, w.odd = len(w.message), true
		return nil
	}
	start := w.at
	w.at += int(length)
	return w.message[start:w.at:w.at]
}

// number steps over the key of a field and over a varint.
func (w *walk) number() uint64 {
	w.at++
	rest := w.message[w.at:]
	if len(rest) > 0 && rest[0] < 0x80 {
		w.at++
		return uint64(rest[0])
	}
	if len(rest) > 1 && rest[1] < 0x80 {
		w.at += 2
		return uint64(rest[0]&0x7f) | uint64(rest[1])<<7
	}
	v, n := binary.Uvarint(rest)
	if n <= 0 {
		w.at, w.odd = len(w.message), true
		return 0
	}
	w.at += n
	return v
}

// record fills in r up to its headers.
func (w *walk) record(r *UserRecord, t tables) (usual bool) {
	if !w.is(keyOfPartitionKeyIndex) {
		return false
	}
	key := w.number()
	if key >= uint64(len(t.keys)) {
		return false
	}
	r.PartitionKey = t.keys[key]
	if w.is(keyOfExplicitHashKeyIndex) {
		hashKey := w.number()
		if hashKey >= uint64(len(t.hashKeys)) {
			return false
		}
		r.ExplicitHashKey = t.hashKeys[hashKey]
	}
	if !w.is(keyOfData) {
		return false
	}
	r.Data = w.value()
	return !w.odd
}

// tags fills in the headers of r and returns the room for further ones. About so
// many records are still to come, this one included.
func (w *walk) tags(r *UserRecord, room []kinetrail.Header, records int) []kinetrail.Header {
	start, n := w.at, 0
	for w.is(keyOfTag) {
		w.value()
		n++
	}
	if w.odd {
		return room
	}
	if len(room) < n {
		room = make([]kinetrail.Header, n*records)
	}
	w.at = start
	for i := range n {
		tag := walk{message: w.value()}
		if !tag.is(keyOfTagKey) {
			w.odd = true
			return room
		}
		room[i].Name = alias(tag.value())
		if tag.is(keyOfTagValue) {
			room[i].Value = alias(tag.value())
		}
		if tag.odd || tag.at < len(tag.message) {
			w.odd = true
			return room
		}
	}
	r.Headers = room[:n:n]
	return room[n:]
}
