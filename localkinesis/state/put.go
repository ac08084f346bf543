package state

import (
	"errors"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/kinetrail/kinetrail/shardmap"
)

// NewRecord is a record to be stored, and what became of it.
type NewRecord struct {
	PartitionKey    string
	ExplicitHashKey *shardmap.HashKey // nil unless the caller chose the hash key
	Data            []byte

	Shard  *Shard // where it lies
	Number sequence.Number
	Err    error // why it was not stored

	hash shardmap.HashKey
}

// errThrottled is the Err of what a strict account's shard does not take in.
var errThrottled = errors.New("throttled")

// Put stores a record and returns the shard it lies on and its sequence
// number. The rest is as with PutAll.
func (s *Stream) Put(now time.Time, key string, explicit *shardmap.HashKey, data []byte) (*Shard, sequence.Number, error) {
	r := []NewRecord{{PartitionKey: key, ExplicitHashKey: explicit, Data: data}}
	s.PutAll(now, r)
	return r[0].Shard, r[0].Number, r[0].Err
}

// PutAll stores records, those of a shard together and in their order, and
// notes on each what became of it: where it lies, or the refusal of a strict
// account's shard that has taken too much already, or what kept it from being
// written. A record that has an Err is left out. Keys and data are only read.
func (s *Stream) PutAll(now time.Time, records []NewRecord) {
	waiting := make([]*NewRecord, 0, len(records))
	for i := range records {
		if r := &records[i]; r.Err == nil {
			r.hash = s.route(r.PartitionKey, r.ExplicitHashKey)
			waiting = append(waiting, r)
		}
	}
	batch := Batch{Arrived: now.UnixMilli(), Encrypted: s.encrypted.Load(), Horizon: s.horizon(now)}
	var others []*NewRecord
	for len(waiting) > 0 {
		shard := s.layout.Load().owner(waiting[0].hash)
		batch.Records, others = pick(waiting, shard, batch.Records[:0], others[:0])
		if !shard.put(&batch) {
			// The shard was closed between the lines above; the layout in which
			// it has children is in place by now.
			continue
		}
		waiting, others = others, waiting
	}
	gone := s.due.Load() == goneForever
	for i := range records {
		switch r := &records[i]; {
		case r.Err == errThrottled:
			r.Err = s.throttled(s.ShardFor(r.hash))
		case r.Err != nil && gone:
			r.Err = s.region.noStream(s.Name) // its log is gone, too
		}
	}
}

// pick appends the records that lie on the shard to on, the others to off.
func pick(records []*NewRecord, shard *Shard, on, off []*NewRecord) (onShard, elsewhere []*NewRecord) {
	for _, r := range records {
		if shard.Range.Contains(r.hash) {
			on = append(on, r)
		} else {
			off = append(off, r)
		}
	}
	return on, off
}
