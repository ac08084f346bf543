package state

import (
	"encoding/binary"

	"github.com/kinetrail/kinetrail/shardmap"
)

// A segment's arena starts small, so that a server with many idle shards is
// small, and doubles from one segment to the next. A record larger than an
// arena gets a segment of its own.
const (
	firstArena = 4 << 10
	lastArena  = 1 << 20
)

// segment is a run of records without gaps. Their bytes lie one after another
// in the arena, which never moves: what was handed out stays valid.
type segment struct {
	first   uint64 // counter of entries[0]
	entries []entry
	arena   []byte
	newest  int64 // the latest arrival in it, in Unix milliseconds
}

// entry says where a record lies. 24 bytes a record are all that is kept
// beside its key, data and explicit hash key.
type entry struct {
	arrived  int64  // Unix milliseconds
	offset   uint32 // of the explicit hash key if there is one, then the key, then the data
	data     uint32 // bytes of data
	key      uint16 // bytes of the partition key: at most 4·256
	explicit bool   // 16 bytes of explicit hash key come first
	kms      bool   // stored while the stream was encrypted
}

const explicitBytes = 16

func newSegment(first uint64, arena int) *segment {
	return &segment{first: first, arena: make([]byte, 0, arena)}
}

// fits reports whether a record of this many bytes still goes into the arena.
func (s *segment) fits(size int) bool {
	return len(s.arena)+size <= cap(s.arena)
}

func (s *segment) append(e entry, r *NewRecord) {
	e.offset = uint32(len(s.arena))
	if e.explicit {
		s.arena = binary.BigEndian.AppendUint64(s.arena, r.ExplicitHashKey.Hi)
		s.arena = binary.BigEndian.AppendUint64(s.arena, r.ExplicitHashKey.Lo)
	}
	s.arena = append(s.arena, r.PartitionKey...)
	s.arena = append(s.arena, r.Data...)
	s.entries = append(s.entries, e)
	s.newest = max(s.newest, e.arrived)
}

// next is the counter of the record that would follow.
func (s *segment) next() uint64 { return s.first + uint64(len(s.entries)) }

// record is the view of entry i.
func (s *segment) record(i int) Record {
	e := &s.entries[i]
	r := Record{Counter: s.first + uint64(i), ArrivedMillis: e.arrived, Encrypted: e.kms}
	at := e.offset
	if e.explicit {
		r.ExplicitGiven = true
		r.ExplicitHashKey.Hi = binary.BigEndian.Uint64(s.arena[at:])
		r.ExplicitHashKey.Lo = binary.BigEndian.Uint64(s.arena[at+8:])
		at += explicitBytes
	}
	end := at + uint32(e.key)
	r.PartitionKey = s.arena[at:end:end]
	r.Data = s.arena[end : end+e.data : end+e.data]
	return r
}

// Record is a stored record. Its bytes are shared with the shard, or belong to
// the page it came with: do not change them.
type Record struct {
	Counter         uint64 // of its sequence number
	ArrivedMillis   int64  // Unix milliseconds
	PartitionKey    []byte
	Data            []byte
	ExplicitHashKey shardmap.HashKey // set when ExplicitGiven
	ExplicitGiven   bool
	Encrypted       bool // arrived while the stream was encrypted
}

// size is what the record counts for in the service's limits.
func (r *Record) size() int { return len(r.PartitionKey) + len(r.Data) }
