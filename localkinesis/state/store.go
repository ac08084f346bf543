package state

import "iter"

// Store keeps an account beyond its process: its documents, which are all but
// the records, and the logs of its shards. It may be used by several goroutines
// at once, and by one account.
type Store interface {
	// Documents returns every document and its key.
	Documents() iter.Seq2[string, []byte]

	// Put replaces the document of a key, or removes it when it is nil. When
	// Put returns, the document outlives what the store is meant to outlive.
	// The store keeps the slice.
	Put(key string, document []byte) error

	// Streams are the names under which logs are kept.
	Streams() ([]string, error)

	// OpenLog reads the log of a shard that was made in this process or an
	// earlier one. It is empty when nothing was ever appended.
	OpenLog(stream string, shard uint32) (Log, error)

	// NewLog is the log of a shard that never had one.
	NewLog(stream string, shard uint32) Log

	// RemoveLogs removes every log of a stream. They are not used any more.
	RemoveLogs(stream string) error

	// Close ends the use of the store and of its logs.
	Close() error
}

// Log holds the records of one shard, in the order of their counters, which
// have no gaps. It may be used by several goroutines at once, but Append only
// by one at a time.
type Log interface {
	// Next is the counter behind the latest record, 1 at first. It does not go
	// back when records expire.
	Next() uint64

	// Append adds records and copies their bytes. When it fails, none of them
	// is there.
	Append(b *Batch) error

	// Sync returns when everything that was appended before the call will
	// outlive what the log is meant to outlive.
	Sync() error

	// Read calls visit with every record from the counter on, until visit
	// returns false. The Record is visit's until it returns, its bytes are the
	// caller's until release is called; nil means for good.
	Read(from uint64, visit func(r *Record) bool) (release func(), err error)

	// FirstAt is the counter of the first record that arrived at or after this
	// time, in Unix milliseconds, and Next when there is none.
	FirstAt(millis int64) (uint64, error)

	// Trim may give up the space of records that arrived before the horizon, in
	// Unix milliseconds.
	Trim(horizon int64) error

	// Remove gives up every record for good.
	Remove() error
}

// Batch is a run of records that arrived together.
type Batch struct {
	First     uint64 // counter of Records[0]
	Arrived   int64  // Unix milliseconds
	Encrypted bool   // arrived while the stream was encrypted
	Records   []*NewRecord
	Horizon   int64 // what arrived before has expired, in Unix milliseconds
}
