package aggregate

import (
	"github.com/kinetrail/kinetrail"
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
