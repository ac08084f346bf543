package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/shardmap"
)

// shardList is the shards of a stream as the service lists them at a moment.
type shardList struct {
	*shardmap.Map

	at time.Time // by the service's clock
}

// listShards reads all pages of the shard list.
func listShards(ctx context.Context, api API, stream kinetrail.Stream) (shardList, error) {
	ctx = tracing.Mark(ctx)
	in := &kinesis.ListShardsInput{}
	in.StreamName, in.StreamARN = stream.APINames()
	var list shardList
	var shards []shardmap.Shard
	for {
		asked := time.Now()
		out, err := api.ListShards(ctx, in)
		if err != nil {
			return shardList{}, fmt.Errorf("list the shards of stream %s: %w", stream.Name(), err)
		}
		if list.at.IsZero() {
			list.at = serverTime(out.ResultMetadata, asked)
		}
		for i := range out.Shards {
			shard, err := fromAPI(&out.Shards[i])
			if err != nil {
				return shardList{}, fmt.Errorf("list the shards of stream %s: %w", stream.Name(), err)
			}
			shards = append(shards, shard)
		}
		if aws.ToString(out.NextToken) == "" {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // which also names the stream
	}
	m, err := shardmap.New(shards)
	if err != nil && !errors.Is(err, shardmap.ErrUncovered) {
		return shardList{}, fmt.Errorf("list the shards of stream %s: %w", stream.Name(), err)
	}
	list.Map = m
	return list, nil
}

// fromAPI reads a shard as ListShards describes it.
func fromAPI(s *types.Shard) (shardmap.Shard, error) {
	rng, err := parseRange(s.HashKeyRange)
	if err != nil {
		return shardmap.Shard{}, fmt.Errorf("shard %s: %w", aws.ToString(s.ShardId), err)
	}
	return shardmap.Shard{
		ID:               aws.ToString(s.ShardId),
		Range:            rng,
		ParentID:         aws.ToString(s.ParentShardId),
		AdjacentParentID: aws.ToString(s.AdjacentParentShardId),
		Closed:           s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil,
	}, nil
}

func parseRange(r *types.HashKeyRange) (shardmap.Range, error) {
	if r == nil {
		return shardmap.Range{}, errors.New("it has no hash key range")
	}
	start, err := shardmap.ParseHashKey(aws.ToString(r.StartingHashKey))
	if err != nil {
		return shardmap.Range{}, err
	}
	end, err := shardmap.ParseHashKey(aws.ToString(r.EndingHashKey))
	return shardmap.Range{Start: start, End: end}, err
}

// childrenOf reads the children that the last page of a closed shard names.
func childrenOf(children []types.ChildShard) ([]shardmap.Shard, error) {
	shards := make([]shardmap.Shard, 0, len(children))
	for i := range children {
		c := &children[i]
		rng, err := parseRange(c.HashKeyRange)
		if err != nil {
			return nil, fmt.Errorf("child shard %s: %w", aws.ToString(c.ShardId), err)
		}
		shard := shardmap.Shard{ID: aws.ToString(c.ShardId), Range: rng}
		if len(c.ParentShards) > 0 {
			shard.ParentID = c.ParentShards[0]
		}
		if len(c.ParentShards) > 1 {
			shard.AdjacentParentID = c.ParentShards[1]
		}
		shards = append(shards, shard)
	}
	return shards, nil
}

// table is the leases of one stream by shard.
type table map[string]*lease.Lease

// progressed reports whether the lease of a shard is there and was read from.
func (t table) progressed(shardID string) bool {
	l, leased := t[shardID]
	return leased && progressed(l)
}

// progressed reports whether a lease was read from: then its parents were done.
func progressed(l *lease.Lease) bool { return l.Checkpoint.IsRecord() || l.Finished() }

// ready reports whether the shard of l may be read: every parent is finished, or
// retention has removed it. A parent without a lease was removed only when it is
// missing in a list that has the child, which is younger: else the parent is
// unread, not finished. With only, parents outside the named shards are somebody
// else's business.
func ready(l *lease.Lease, leases table, shards *shardmap.Map, only map[string]bool) bool {
	return len(waitingFor(l, leases, shards, only)) == 0
}

// waitingFor returns the parents of l that are not done.
func waitingFor(l *lease.Lease, leases table, shards *shardmap.Map, only map[string]bool) []string {
	if progressed(l) {
		return nil
	}
	parents := l.Parents
	self, current := shards.Shard(l.ShardID)
	if current && len(parents) == 0 {
		parents = self.Parents()
	}
	var waiting []string
	for _, parent := range parents {
		if len(only) > 0 && !only[parent] {
			continue
		}
		row, leased := leases[parent]
		_, listed := shards.Shard(parent)
		if leased && !row.Finished() || !leased && (listed || !current) {
			waiting = append(waiting, parent)
		}
	}
	return waiting
}

// missing returns the leases that the listed shards lack, ancestors first, so
// that a worker that stops in the middle leaves no child without its parents.
//
// A group without leases begins at from; start is what Latest or a time was
// resolved to. In an established group a shard without a lease begins at
// TrimHorizon when a parent of it was read, because then it is new; otherwise
// where the group began, because then the set-up was interrupted or the row was
// deleted.
//
// A closed shard whose children were read has been finished and cleaned up: it
// is not missing.
func missing(leases table, shards *shardmap.Map, only map[string]bool, from, start kinetrail.Position) []lease.Lease {
	begun := kinetrail.Position{}
	for _, l := range leases {
		if !l.Start.IsZero() && (begun.IsZero() || l.Start.Compare(begun) < 0) {
			begun = l.Start
		}
	}
	if len(leases) == 0 {
		begun = start
	}
	var create []lease.Lease
	sorted := ancestorsFirst(shards)
	cleaned := cleanedUp(sorted, leases, shards)
	for _, shard := range sorted {
		if _, leased := leases[shard.ID]; leased || len(only) > 0 && !only[shard.ID] || cleaned[shard.ID] {
			continue
		}
		l := newLease(shard)
		l.Checkpoint, l.Start = from, begun
		if begun.IsZero() || hasReadParent(shard, leases) {
			l.Checkpoint, l.Start = kinetrail.TrimHorizon(), kinetrail.Position{}
		}
		create = append(create, l)
	}
	return create
}

// hasReadParent reports whether a parent of the shard was read from.
func hasReadParent(shard shardmap.Shard, leases table) bool {
	return slices.ContainsFunc(shard.Parents(), leases.progressed)
}

// generations cuts leases, ancestors first, into runs without a parent and its
// child: each can be created at once.
func generations(leases []lease.Lease) [][]lease.Lease {
	var runs [][]lease.Lease
	first, inRun := 0, make(map[string]bool)
	for i, l := range leases {
		if slices.ContainsFunc(l.Parents, func(parent string) bool { return inRun[parent] }) {
			runs = append(runs, leases[first:i])
			first = i
			clear(inRun)
		}
		inRun[l.ShardID] = true
	}
	if first < len(leases) {
		runs = append(runs, leases[first:])
	}
	return runs
}

// cleanedUp returns the listed shards that were read to their end and their rows
// deleted: each of their children has been read from, or was cleaned up itself.
func cleanedUp(ancestorsFirst []shardmap.Shard, leases table, shards *shardmap.Map) map[string]bool {
	cleaned := make(map[string]bool)
	for _, shard := range slices.Backward(ancestorsFirst) {
		children := shards.Children(shard.ID)
		if _, leased := leases[shard.ID]; leased || !shard.Closed || len(children) == 0 {
			continue
		}
		cleaned[shard.ID] = !slices.ContainsFunc(children, func(child string) bool { return !cleaned[child] && !leases.progressed(child) })
	}
	return cleaned
}

// ancestorsFirst returns the shards so that every parent stands before its
// children.
func ancestorsFirst(shards *shardmap.Map) []shardmap.Shard {
	depth := make(map[string]int)
	var measure func(id string) int
	measure = func(id string) int {
		if d, ok := depth[id]; ok {
			return d
		}
		depth[id] = 0 // so that a list that contradicts itself ends the walk
		shard, ok := shards.Shard(id)
		if !ok {
			return 0
		}
		d := 0
		for _, parent := range shard.Parents() {
			d = max(d, measure(parent)+1)
		}
		depth[id] = d
		return d
	}
	sorted := slices.Clone(shards.Shards())
	for _, s := range sorted {
		measure(s.ID)
	}
	slices.SortStableFunc(sorted, func(a, b shardmap.Shard) int { return cmp.Compare(depth[a.ID], depth[b.ID]) })
	return sorted
}

// outdated returns the finished leases of shards that retention has removed from
// the list, and whose children need them no more.
func outdated(leases table, shards *shardmap.Map) []lease.Lease {
	var gone []lease.Lease
	for _, l := range leases {
		if _, listed := shards.Shard(l.ShardID); listed || !l.Finished() {
			continue
		}
		needed := slices.ContainsFunc(l.Children, func(child string) bool {
			row, leased := leases[child]
			return leased && !progressed(row)
		})
		if !needed && hasListedDescendant(l, leases, shards) {
			gone = append(gone, *l)
		}
	}
	return gone
}

// hasListedDescendant reports whether a shard that came out of l's, or out of one
// of those, is listed. Then the list is younger than l's shard, and the shard
// missing in it is gone. A list without them may just be from before the reshard.
func hasListedDescendant(l *lease.Lease, leases table, shards *shardmap.Map) bool {
	next, seen := slices.Clone(l.Children), make(map[string]bool)
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if _, listed := shards.Shard(id); listed {
			return true
		}
		if l, leased := leases[id]; leased && !seen[id] {
			seen[id] = true
			next = append(next, l.Children...)
		}
	}
	return false
}

// newLease is the row of a shard, without a place to begin.
func newLease(shard shardmap.Shard) lease.Lease {
	return lease.Lease{
		Key: shard.ID, ShardID: shard.ID, Parents: shard.Parents(),
		StartingHashKey: shard.Range.Start.String(), EndingHashKey: shard.Range.End.String(),
	}
}

// soon is how long a shard list that is known to be too old is waited with, so
// that many new shards cost one call.
const soon = time.Second

// opensReshard reports whether shard is the one of the shards that came out of a
// split or merge under which it is counted: each reshard once.
func opensReshard(shard shardmap.Shard, siblings []shardmap.Shard) bool {
	if shard.ParentID == "" {
		return false
	}
	for _, s := range siblings {
		if s.ID < shard.ID && s.ParentID == shard.ParentID && s.AdjacentParentID == shard.AdjacentParentID {
			return false
		}
	}
	return true
}

// sync brings the leases of a stream up to the shards the service lists: it
// creates those that are missing and deletes those that retention has passed.
func (g *group) sync(ctx context.Context, s *stream) error {
	list, err := listShards(ctx, g.api, s.name)
	if err != nil {
		return err
	}
	before := s.listed()
	s.setShards(list.Map)
	rows, lacking, err := g.compare(ctx, s, list)
	if err != nil {
		return err
	}
	for _, generation := range generations(lacking) {
		err := each(generation, func(l lease.Lease) error {
			created, err := g.create(ctx, s, l)
			shard, _ := list.Shard(l.ShardID)
			isNew := before != nil || hasReadParent(shard, rows) // and not merely new to a group that is being set up
			if created && isNew && opensReshard(shard, list.Shards()) {
				s.meter.resharding.Add(1)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, l := range outdated(rows, list.Map) {
		if err := s.store.Delete(ctx, l); err != nil && !errors.Is(err, lease.ErrConflict) {
			return fmt.Errorf("delete the lease of shard %s, which retention has passed: %w", l.ShardID, err)
		}
	}
	return nil
}

// compare lists the leases of a stream, and those it lacks. A listing is no
// snapshot: while it went on, a KCL worker may have deleted a finished lease that
// it would have shown, after it showed the child as unread. So the lease of a
// closed shard has to be missing twice.
func (g *group) compare(ctx context.Context, s *stream, list shardList) (rows table, lacking []lease.Lease, err error) {
	isClosed := func(l lease.Lease) bool {
		shard, _ := list.Shard(l.ShardID)
		return shard.Closed
	}
	for range 2 {
		leases, err := g.list(ctx)
		if err != nil {
			return nil, nil, err
		}
		if err := g.checkKeys(leases); err != nil {
			return nil, nil, err
		}
		rows = leases[s.id]
		lacking = missing(rows, list.Map, g.only, g.opts.From, resolve(g.opts.From, list.at))
		if len(rows) == 0 || !slices.ContainsFunc(lacking, isClosed) {
			break
		}
	}
	return rows, lacking, nil
}

// errOtherKeys says that the leases have keys this consumer would not look for.
var errOtherKeys = errors.New("the group's leases were written with another kind of keys")

// checkKeys refuses leases of a group that has read one stream when this one
// reads several, and the other way around: it would begin anew beside them and
// leave out what came since their checkpoints.
func (g *group) checkKeys(leases map[string]table) error {
	for stream := range leases {
		if several := len(g.names) > 1; several != (stream != "") {
			return fmt.Errorf("consumer: %w: Options.Streams cannot be added to a group that has read one stream, or taken from it; give the group another name", errOtherKeys)
		}
	}
	return nil
}

// resolve makes Latest the moment it is used, so that a crash before the first
// checkpoint leaves no gap. Positions that say by themselves where to begin need
// no start.
func resolve(from kinetrail.Position, now time.Time) kinetrail.Position {
	if _, isTime := from.Time(); isTime {
		return from
	}
	if from.IsLatest() {
		return kinetrail.AtTime(now)
	}
	return kinetrail.Position{}
}

// create adds a lease under the stream's name and reports whether this worker
// was the one that did.
func (g *group) create(ctx context.Context, s *stream, l lease.Lease) (bool, error) {
	l.Stream, l.Key = s.id, s.key(l.ShardID)
	err := s.store.Create(ctx, l)
	if errors.Is(err, lease.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("create the lease of shard %s: %w", l.ShardID, err)
	}
	return true, nil
}

// createChildren adds the leases of the shards that came out of one that was
// read to its end, and returns their IDs. They begin at TrimHorizon.
func (g *group) createChildren(ctx context.Context, t *tenure) ([]string, error) {
	children, err := childrenOf(t.children)
	if err != nil {
		return nil, err
	}
	if len(children) == 0 {
		// The last page named none: an end of reading that the service told in
		// another way, or a server that does not say.
		list, err := listShards(ctx, g.api, t.stream.name)
		if err != nil {
			return nil, err
		}
		t.stream.setShards(list.Map)
		for _, id := range list.Children(t.shardID) {
			child, _ := list.Shard(id)
			children = append(children, child)
		}
	}
	ids := make([]string, 0, len(children))
	for _, child := range children {
		ids = append(ids, child.ID)
		if len(g.only) > 0 && !g.only[child.ID] {
			continue
		}
		l := newLease(child)
		l.Checkpoint = kinetrail.TrimHorizon()
		created, err := g.create(ctx, t.stream, l)
		if err != nil {
			return nil, err
		}
		if created && opensReshard(child, children) {
			t.stream.meter.resharding.Add(1)
		}
	}
	slices.SortFunc(ids, strings.Compare)
	return ids, nil
}

// syncLoop lists the shards of every stream from time to time, and soon after a
// scan has met a shard that the last list did not have.
func (g *group) syncLoop(ctx context.Context) {
	for {
		timer := time.NewTimer(backoff(1, g.opts.ShardSyncInterval, g.opts.ShardSyncInterval))
		select {
		case <-timer.C:
		case <-g.outdated:
			if sleep(ctx, min(soon, g.opts.ShardSyncInterval)) != nil {
				return
			}
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		for _, s := range g.streams {
			if err := g.sync(ctx, s); err != nil && ctx.Err() == nil {
				g.opts.Logger.WarnContext(ctx, "kinetrail: the shard list could not be read", slog.String("stream", s.name.Name()), slog.Any("error", err))
			}
		}
		g.wake()
	}
}
