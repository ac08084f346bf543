package state

import (
	"slices"
	"time"
)

// daily is a change that a strict account lets be made to a stream so often in
// a rolling day.
type daily struct {
	name  string // of the operation, and in documents
	limit int
}

// The first three are in the text of their operations in the API reference, the
// last is in the developer guide ("On-demand mode").
var (
	shardCountUpdates = daily{"UpdateShardCount", 10}
	encryptionStarts  = daily{"StartStreamEncryption", 25}
	encryptionStops   = daily{"StopStreamEncryption", 25}
	modeUpdates       = daily{"UpdateStreamMode", 2}
)

const day = 24 * time.Hour

// countToday counts a change, or refuses one too many in a day. s.mu is held.
func (s *Stream) countToday(d daily) error {
	if !s.region.account.Strict {
		return nil
	}
	now := s.now()
	made := slices.DeleteFunc(s.made[d.name], func(at time.Time) bool { return now.Sub(at) >= day })
	if len(made) >= d.limit {
		return refuse(LimitExceeded, "%s cannot be called more than %d times per rolling 24 hour period for stream %s under account %s",
			d.name, d.limit, s.Name, s.region.account.ID)
	}
	if s.made == nil {
		s.made = make(map[string][]time.Time)
	}
	s.made[d.name] = append(made, now)
	return nil
}
