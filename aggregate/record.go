package aggregate

import (
	"crypto/md5"
	"encoding/binary"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/md5lanes"
	"github.com/kinetrail/kinetrail/shardmap"
)

// UserRecord is one record inside a container.
type UserRecord struct {
	// PartitionKey is the record's own key; the key of the Kinesis record
	// that holds the container is another matter.
	PartitionKey string

	// ExplicitHashKey is the decimal hash key that overrides the MD5 of
	// PartitionKey. Empty means none was given.
	ExplicitHashKey string

	// Data is the payload.
	Data []byte

	// Headers are the record's headers, in order; the format calls them tags.
	Headers []kinetrail.Header
}

// HashKey is the hash key that decides the record's shard: its ExplicitHashKey
// if it has one, else the MD5 of its PartitionKey. The error wraps
// shardmap.ErrInvalidHashKey and tells of an ExplicitHashKey that is no decimal
// number from 0 to 2^128−1. It does not allocate when it succeeds.
func (r *UserRecord) HashKey() (shardmap.HashKey, error) {
	if r.ExplicitHashKey != "" {
		return shardmap.ParseHashKey(r.ExplicitHashKey)
	}
	return shardmap.HashKeyOf(r.PartitionKey), nil
}

// Outside counts the records whose hash key lies outside r; one that is no number
// lies outside every range. Counting many at once costs a fraction of asking each
// record for its HashKey. It does not allocate when all hash keys are numbers.
func Outside(records []UserRecord, r shardmap.Range) int {
	outside := 0
	var keys [md5lanes.Lanes]string
	var sharing [md5lanes.Lanes]int // records that have the key: those of one key often stand together
	n := 0
	for i := range records {
		switch record := &records[i]; {
		case record.ExplicitHashKey != "":
			if key, err := record.HashKey(); err != nil || !r.Contains(key) {
				outside++
			}
		case n > 0 && keys[n-1] == record.PartitionKey:
			sharing[n-1]++
		case n == len(keys):
			outside += keysOutside(keys[:], sharing[:], r)
			keys[0], sharing[0], n = record.PartitionKey, 1, 1
		default:
			keys[n], sharing[n] = record.PartitionKey, 1
			n++
		}
	}
	return outside + keysOutside(keys[:n], sharing[:n], r)
}

// keysOutside counts the records of keys whose MD5 lies outside r.
func keysOutside(keys []string, sharing []int, r shardmap.Range) int {
	outside := 0
	var sums [md5lanes.Lanes][md5.Size]byte
	md5lanes.Sum(sums[:len(keys)], keys)
	for i := range keys {
		key := shardmap.HashKey{Hi: binary.BigEndian.Uint64(sums[i][:8]), Lo: binary.BigEndian.Uint64(sums[i][8:])}
		if !r.Contains(key) {
			outside += sharing[i]
		}
	}
	return outside
}
