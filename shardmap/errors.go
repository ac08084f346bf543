package shardmap

import "errors"

var (
	// ErrInvalidHashKey is wrapped by ParseHashKey when its text is no hash key.
	ErrInvalidHashKey = errors.New("invalid hash key")

	// ErrUncovered is wrapped by New when the open shards do not cover every
	// hash key exactly once, which is what a shard list read in the middle of
	// a reshard can look like.
	ErrUncovered = errors.New("open shards do not cover the hash key space once")
)
