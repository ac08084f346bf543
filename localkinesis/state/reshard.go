package state

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail/shardmap"
)

// ShardIndex reads a shard ID, in the service's generous reading: digits alone,
// or behind any prefix and a dash.
func ShardIndex(id string) (uint32, bool) {
	if _, digits, ok := strings.Cut(id, "-"); ok {
		id = digits
	}
	index, err := strconv.ParseUint(id, 10, 31)
	return uint32(index), err == nil
}

// Split cuts an open shard in two at the start of the second.
func (s *Stream) Split(id string, start shardmap.HashKey) error {
	shard, err := s.Shard(id)
	if err != nil {
		return err
	}
	if err := s.allowShards(1); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeProvisioned(); err != nil {
		return err
	}
	if start.Compare(shard.Range.Start.Next()) <= 0 || start.Compare(shard.Range.End) >= 0 {
		return refuse(InvalidArgument, "NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s "+
			"is not both greater than one plus the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
			start, shard.ID, s.Name, s.region.account.ID, shard.Range.Start, shard.Range.End)
	}
	if err := s.mustBeActive(); err != nil {
		return err
	}
	if !shard.Open() {
		return refuse(InvalidArgument, "Shard %s in stream %s under account %s is already CLOSED and cannot be split.",
			shard.ID, s.Name, s.region.account.ID)
	}
	return s.update(s.now(), change{Split: &split{Shard: shard.Index, At: start.String()}})
}

// Merge makes one shard out of two open ones, the second of which begins right
// behind the first.
func (s *Stream) Merge(id, adjacentID string) error {
	shard, err := s.Shard(id)
	if err != nil {
		return err
	}
	adjacent, err := s.Shard(adjacentID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeProvisioned(); err != nil {
		return err
	}
	if !shard.Range.AdjacentTo(adjacent.Range) || !shard.Open() || !adjacent.Open() {
		return refuse(InvalidArgument, "Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
			shard.ID, adjacent.ID, s.Name, s.region.account.ID)
	}
	if err := s.mustBeActive(); err != nil {
		return err
	}
	return s.update(s.now(), change{Merge: &merge{Shard: shard.Index, Adjacent: adjacent.Index}})
}

// UpdateShardCount brings the stream to target shards of equal ranges and
// returns how many it had. Open shards are split at every boundary of the
// target that lies inside them; then the pieces of each target range are
// merged pairwise. So every shard keeps its parents, and shards that live for
// a moment only can come out, as the service documents.
func (s *Stream) UpdateShardCount(target int) (before int, err error) {
	open := s.OpenShards()
	if additional := target - len(open); additional > 0 {
		if err := s.allowShards(additional); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeProvisioned(); err != nil {
		return 0, err
	}
	if err := s.mustBeActive(); err != nil {
		return 0, err
	}
	before = len(s.OpenShards())
	if err := s.allowUpdate(before, target); err != nil {
		return 0, err
	}
	return before, s.update(s.now(), change{Shards: target})
}

// mustBeProvisioned refuses a reshard of a stream that scales itself. s.mu is
// held.
func (s *Stream) mustBeProvisioned() error {
	if s.onDemand {
		return refuse(Validation, "Request is invalid. Stream %s under account %s is in On-Demand mode.", s.Name, s.region.account.ID)
	}
	return nil
}

// maxUpdateTarget is the most shards UpdateShardCount scales to by default.
const maxUpdateTarget = 10_000

// allowUpdate refuses what a strict account may not ask of UpdateShardCount,
// and counts the update. s.mu is held.
func (s *Stream) allowUpdate(open, target int) error {
	if !s.region.account.Strict {
		return nil
	}
	switch {
	case target > 2*open:
		return refuse(LimitExceeded, "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: %d, Target shard count: %d", open, target)
	case 2*target < open:
		return refuse(LimitExceeded, "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: %d, Target shard count: %d", open, target)
	case target > maxUpdateTarget:
		return refuse(LimitExceeded, "UpdateShardCount cannot scale to more than %d shards. Target shard count: %d", maxUpdateTarget, target)
	}
	return s.countToday(shardCountUpdates)
}

func (s *Stream) allowShards(additional int) error {
	s.region.mu.RLock()
	defer s.region.mu.RUnlock()
	return s.region.allowShards(s.region.account.Clock.Now(), additional)
}

// reshard changes the layout. It is written before the first record can come
// to a new shard. s.mu is held.
func (s *Stream) reshard(c change, now time.Time) error {
	r := newResharding(s, now.Unix())
	if err := c.steps(r); err != nil {
		return err
	}
	if err := r.save(); err != nil {
		return err
	}
	r.publish(s)
	s.settled()
	return nil
}

// save writes the stream's document as it will be.
func (r *resharding) save() error {
	if r.stream.region.account.Store == nil {
		return nil
	}
	d := r.stream.document()
	d.Status, d.Due, d.Change = Active, 0, nil
	d.Shards, d.Before = documentShards(r.shards), r.before
	for _, ended := range r.closed {
		d.Shards[ended.shard.Index].Closed = ended.at
	}
	return r.stream.put(d)
}

// resharding is a change of layout in the making.
type resharding struct {
	stream *Stream
	before int
	shards []*Shard
	open   []*Shard
	second int64
	closed []closing
}

type closing struct {
	shard *Shard
	at    int64
}

func newResharding(s *Stream, second int64) *resharding {
	l := s.layout.Load()
	return &resharding{stream: s, before: len(l.shards), shards: slices.Clone(l.shards), open: slices.Clone(l.open), second: second}
}

// closeAt notes the end of a shard: now, or the second it is created in when
// it comes out of this very change.
func (r *resharding) closeAt(shard *Shard) (second int64) {
	second = max(r.second, shard.Created)
	r.closed = append(r.closed, closing{shard, second})
	return second
}

func (r *resharding) add(keys shardmap.Range, created int64, parent, adjacent int) *Shard {
	index := uint32(len(r.shards))
	shard := newShard(index, keys, created, parent, adjacent, r.stream.newLog(index), r.stream.region.account.Strict)
	r.shards = append(r.shards, shard)
	return shard
}

// split cuts a shard at the given keys, each the start of a piece, one cut
// after another. It returns the pieces.
func (r *resharding) split(shard *Shard, at []shardmap.HashKey) []*Shard {
	pieces := []*Shard{shard}
	for _, start := range at {
		whole := pieces[len(pieces)-1]
		// Children begin one second after their parent's end.
		created := r.closeAt(whole) + 1
		low := r.add(shardmap.Range{Start: whole.Range.Start, End: start.Prev()}, created, int(whole.Index), NoShard)
		high := r.add(shardmap.Range{Start: start, End: whole.Range.End}, created, int(whole.Index), NoShard)
		pieces = append(pieces[:len(pieces)-1], low, high)
	}
	i := slices.Index(r.open, shard)
	r.open = slices.Replace(r.open, i, i+1, pieces...)
	return pieces
}

// merge makes one shard out of neighbours, two at a time, and returns it.
func (r *resharding) merge(shards []*Shard) *Shard {
	i := slices.Index(r.open, shards[0])
	whole := shards[0]
	for _, next := range shards[1:] {
		created := max(r.closeAt(whole), r.closeAt(next)) + 1
		whole = r.add(shardmap.Range{Start: whole.Range.Start, End: next.Range.End}, created, int(whole.Index), int(next.Index))
	}
	r.open = slices.Replace(r.open, i, i+len(shards), whole)
	return whole
}

// uniform brings the open shards to the ranges of a new stream.
func (r *resharding) uniform(target int) {
	ranges := shardmap.Uniform(target)
	next := 0 // the first boundary behind the start of the shard
	for _, shard := range slices.Clone(r.open) {
		for next < target && ranges[next].Start.Compare(shard.Range.Start) <= 0 {
			next++
		}
		var inside []shardmap.HashKey
		for ; next < target && shard.Range.Contains(ranges[next].Start); next++ {
			inside = append(inside, ranges[next].Start)
		}
		if len(inside) > 0 {
			r.split(shard, inside)
		}
	}
	// Every target range is now covered by whole shards, in order.
	pieces := slices.Clone(r.open)
	for _, keys := range ranges {
		n := 0
		for n < len(pieces) && keys.Contains(pieces[n].Range.Start) {
			n++
		}
		if n > 1 {
			r.merge(pieces[:n])
		}
		pieces = pieces[n:]
	}
}

// publish closes the old shards and puts the new layout in place. A put that
// waits for one of the old shards finds the new layout when it is refused.
func (r *resharding) publish(s *Stream) {
	for _, c := range r.closed {
		c.shard.mu.Lock()
		defer c.shard.mu.Unlock()
	}
	s.layout.Store(&layout{shards: r.shards, open: r.open, before: r.before})
	for _, c := range r.closed {
		c.shard.close(c.at)
	}
}
