package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// judge reads the journal of a program from its beginning to its end.
type judge struct {
	program *program
	stream  truth
	report  *report

	// patience is how long after another worker took its lease, or after a fault,
	// a worker may begin to handle a record. Zero is virtual time, where every
	// timer is punctual and the journal holds every write.
	patience time.Duration

	names   map[int]string  // of the workers in the leases
	gone    map[string]bool // names of workers that crashed
	over    map[int]ending  // of workers that have ended or crashed
	ends    map[string]time.Time
	last    map[string]*event // the last write to each lease
	faults  map[int]time.Time // the last of each worker
	rows    map[string]lease.Lease
	shards  map[string]*shardStory
	byKey   map[string]recordID // the latest record of each key that was handled first
	handled map[recordID]bool
}

// shardStory is what happened to one shard so far.
type shardStory struct {
	*shardTruth

	lanes   map[string][]int // indices of the records that are handled in order
	lane    []string         // of each record
	ordinal []int            // of each record in its lane
	bare    []bool           // of each record: its original key is not known to readers

	by       []*tenure // who handled each record last
	frontier int       // all records before it were handled
	tenures  map[int]*tenure
	latest   *tenure
	erased   bool // its lease was deleted by hand, so that it may be read again from its beginning
	checked  bool // its parents were done when it was first read
}

// tenure is the time in which a worker holds a lease.
type tenure struct {
	worker  int
	since   time.Time
	from    int // index of the first record it has to handle
	upTo    int // all records from there to here were handled
	next    map[string]int
	open    map[int]bool // being handled
	failed  map[int]bool // and not handled again yet
	untold  bool         // the worker does not know that it took the lease
	over    int          // handlers called after their ctx had ended
	ended   ending
	endedAt time.Time
}

// ending is how a tenure ended, and why its records were handled again.
type ending string

const (
	released   ending = "released"
	lost       ending = "lease lost to a fault"
	starved    ending = "lease lost on a busy machine"
	lostAlone  ending = "lease lost without a fault"
	died       ending = "crash"
	outOfOrder ending = "released before this record, or one before it, was done"
	retried    ending = "handler failed"
	deleted    ending = "lease deleted by hand"
	overlap    ending = "handed out in the moment in which the lease was lost"
)

func newJudge(p *program, stream truth, r *report, patience time.Duration) *judge {
	j := &judge{
		program: p, stream: stream, report: r, patience: patience,
		names: make(map[int]string), gone: make(map[string]bool), over: make(map[int]ending), ends: make(map[string]time.Time), last: make(map[string]*event), faults: make(map[int]time.Time), rows: make(map[string]lease.Lease),
		shards: make(map[string]*shardStory), byKey: make(map[string]recordID), handled: make(map[recordID]bool),
	}
	for id, s := range stream {
		j.shards[id] = j.newStory(s)
	}
	return j
}

func (j *judge) newStory(s *shardTruth) *shardStory {
	n := len(s.places)
	story := &shardStory{
		shardTruth: s, lanes: make(map[string][]int), lane: make([]string, n), ordinal: make([]int, n), bare: make([]bool, n),
		by: make([]*tenure, n), tenures: make(map[int]*tenure),
	}
	for i, place := range s.places {
		r := record(j.program.Seed, j.program.Writers, place.id)
		if j.program.Group.Mode == perKey {
			story.lane[i] = r.PartitionKey
		}
		story.bare[i] = j.program.Writers[place.id.writer()].Carrier == tracecarrier.Traceparent && !r.Trace.IsZero()
		lane := story.lane[i]
		story.ordinal[i] = len(story.lanes[lane])
		story.lanes[lane] = append(story.lanes[lane], i)
	}
	return story
}

// read judges all events.
func (j *judge) read(events []event) {
	for i := range events {
		e := &events[i]
		if i > 0 && len(j.report.violations) > 0 && j.report.excerpt == nil {
			j.report.excerpt = excerpt(events[:i])
		}
		switch e.Kind {
		case started:
			j.names[e.Worker] = e.Text
			j.report.count("worker started")
		case crashed:
			j.crash(e)
		case ended:
			j.end(e)
		case wrong:
			j.violate(e, "%s", e.Text)
		case hit, stalled:
			j.faults[e.Worker] = e.At
			j.report.count(e.Text)
		case written:
			j.write(e)
		case adopted:
			j.take(e, j.shards[e.Shard], *e.Row)
		case erased:
			j.erase(e)
		case refused:
			j.report.count("write refused")
		default:
			j.handle(e)
		}
	}
	j.finish()
	if len(j.report.violations) > 0 && j.report.excerpt == nil && len(events) > 0 {
		j.report.excerpt = excerpt(events)
	}
}

// excerpt is what led to the last of the events, as far as it is about its shard:
// the writes, and the first and last of every run of handled records.
func excerpt(events []event) []string {
	const longest = 40
	last := events[len(events)-1]
	var lines []string
	between := 0
	for i := len(events) - 1; i >= 0 && len(lines) < longest; i-- {
		e := &events[i]
		if e.Shard != last.Shard && (e.Shard != "" || e.Worker != last.Worker) {
			continue
		}
		if len(e.Records) == 0 {
			between = 0
		} else if between++; between == 4 {
			lines = append(lines, "...")
		}
		if between < 4 {
			lines = append(lines, e.String())
		}
	}
	slices.Reverse(lines)
	return lines
}

func (j *judge) violate(e *event, format string, args ...any) {
	j.report.violate("%s worker %d %s %s %s: %s", e.At.Format("05.000"), e.Worker, e.Kind, e.Op, e.Shard, fmt.Sprintf(format, args...))
}

// crash ends the tenures of a worker.
func (j *judge) crash(e *event) {
	j.report.count("crash")
	j.report.crashes++
	j.gone[j.names[e.Worker]], j.over[e.Worker] = true, died
	for _, s := range j.shards {
		if t := s.tenures[e.Worker]; t != nil && t.ended == "" {
			t.ended, t.endedAt = died, e.At
		}
	}
}

// end judges why Run returned. A worker that cannot list the shards when it
// starts gives up, as it should: whoever runs it starts another.
func (j *judge) end(e *event) {
	j.over[e.Worker], j.ends[j.names[e.Worker]] = lost, e.At
	switch {
	case e.Text == "", e.Text == errStopped.Error(), e.Text == consumer.ErrDraining.Error():
	case strings.HasPrefix(e.Text, "list the shards of stream"):
		j.report.count("worker gave up: the shards could not be listed")
	default:
		j.violate(e, "Run ended: %s", e.Text)
	}
}

// write judges a write that the store has taken.
func (j *judge) write(e *event) {
	s, known := j.shards[e.Shard]
	if !known {
		j.violate(e, "there is no such shard")
		return
	}
	before, row := j.rows[e.Shard], *e.Row
	j.rows[e.Shard], j.last[e.Shard] = row, e
	if before.Checkpoint.IsRecord() && row.Checkpoint.Compare(before.Checkpoint) < 0 || before.Finished() && !row.Finished() {
		j.violate(e, "the checkpoint moves back from %s to %s", before.Checkpoint, row.Checkpoint)
	}
	if after, known := s.behind(row.Checkpoint); !known {
		j.violate(e, "the checkpoint %s is no place in the shard", row.Checkpoint)
	} else if after > s.frontier {
		j.violate(e, "the checkpoint %s covers record %d, and record %d was not handled yet", row.Checkpoint, after-1, s.frontier)
	}
	switch e.Op {
	case "take":
		j.take(e, s, row)
	case "renew", "checkpoint":
		if row.Owner != j.names[e.Worker] {
			j.violate(e, "it is written by %s while the lease is with %s", j.names[e.Worker], row.Owner)
		}
	case "release":
		if j.patience == 0 && before.Owner != j.names[e.Worker] {
			j.violate(e, "it is written by %s while the lease is with %s", j.names[e.Worker], before.Owner)
		}
		j.release(e, s, row)
	}
}

// erase notes that a lease was deleted by hand. Its owner goes on until it wants to
// renew the lease.
func (j *judge) erase(e *event) {
	s := j.shards[e.Shard]
	delete(j.rows, e.Shard)
	s.erased = true
	j.report.count("lease deleted by hand")
}

// take begins a tenure, and ends the one before it.
func (j *judge) take(e *event, s *shardStory, row lease.Lease) {
	if old := s.latest; old != nil && old.ended == "" {
		old.ended, old.endedAt = j.loss(e, s, old), e.At
		j.report.count(string(old.ended))
	}
	from, _ := s.behind(row.Checkpoint)
	t := &tenure{worker: e.Worker, since: e.At, untold: e.Text == arrivedLate, from: from, upTo: from, next: make(map[string]int), open: make(map[int]bool), failed: make(map[int]bool)}
	if j.over[e.Worker] != "" { // a write that arrived after its worker was gone
		t.ended, t.endedAt = j.over[e.Worker], e.At
	}
	s.tenures[e.Worker], s.latest = t, t
	j.report.count("lease taken")
}

// loss finds out why a tenure ended without a release.
func (j *judge) loss(e *event, s *shardStory, old *tenure) ending {
	at, any := j.faults[old.worker]
	switch {
	case s.erased:
		return deleted
	case any && !at.Before(old.since):
		return lost
	case old.untold:
		return lost
	case j.patience > 0: // and nobody can promise that a worker runs within its lease
		return starved
	}
	j.violate(e, "the lease is taken from worker %d, for which nothing went wrong", old.worker)
	return lostAlone
}

// release ends a tenure in peace: everything that was done up to the first gap
// is in the checkpoint.
func (j *judge) release(e *event, s *shardStory, row lease.Lease) {
	t := s.tenures[e.Worker]
	if t == nil || t.ended != "" {
		j.report.count("lease released that was handed over and not taken")
		return
	}
	t.ended, t.endedAt = released, e.At
	j.report.count("lease released")
	if row.Owner != "" {
		j.report.count("lease handed over")
	}
	after, _ := s.behind(row.Checkpoint)
	if after >= t.upTo || j.program.Group.manual() {
		return
	}
	if at := j.faults[e.Worker]; !at.Before(t.since) {
		// The lease ran out for its owner while the store was out of reach. The
		// owner must not write a position then, and gives back what is still in its
		// name.
		t.ended = lost
	} else {
		j.violate(e, "the lease is released at %s, although everything up to record %d was handled", row.Checkpoint, t.upTo-1)
	}
}

// handle judges what a handler tells.
func (j *judge) handle(e *event) {
	s, known := j.shards[e.Shard]
	if !known {
		j.violate(e, "there is no such shard")
		return
	}
	t := s.tenures[e.Worker]
	if t == nil {
		j.violate(e, "the worker never had the lease")
		return
	}
	if e.Kind == begun {
		j.begin(e, s, t)
	}
	for k, r := range e.Records {
		i, known := s.index[r.Pos]
		if !known || s.places[i].id != r.ID {
			j.violate(e, "there is no record %v at %s", r.ID, r.Pos)
			return
		}
		switch e.Kind {
		case begun:
			j.beginOne(e, s, t, i, k)
		case failed, left:
			delete(t.open, i)
			t.failed[i] = true
		case taken:
			delete(t.open, i)
			t.next[s.lane[i]] = s.ordinal[i] + 1
		case done, buried:
			delete(t.open, i)
			if !j.program.Group.manual() || e.Kind == buried {
				t.next[s.lane[i]] = s.ordinal[i] + 1
			}
			j.finishOne(e, s, t, i)
		}
	}
	switch e.Kind {
	case failed:
		j.report.count("handler failed")
	case left:
		j.report.count("handler gave up")
	}
}

// begin judges that a handler is called at all.
func (j *judge) begin(e *event, s *shardStory, t *tenure) {
	since := t.endedAt
	if at := j.faults[e.Worker]; j.patience > 0 && at.After(since) {
		since = at
	}
	patience := j.patience
	if t.ended == deleted { // by whoever created it anew and took it at once
		patience += j.program.Group.LeaseDuration
	}
	if t.ended != "" && e.At.Sub(since) > patience {
		j.violate(e, "record %v is handled by a worker whose lease ended %v before: %s", e.Records[0].ID, e.At.Sub(t.endedAt), t.ended)
	}
	if e.Over {
		t.over++
		if lanes := max(1, j.lanes()); t.over > lanes {
			j.violate(e, "record %v: handlers were called %d times after their ctx had ended", e.Records[0].ID, t.over)
		}
	}
	if s.checked {
		return
	}
	s.checked = true
	for _, parent := range s.Parents() {
		if p := j.shards[parent]; p != nil && p.frontier < len(p.places) {
			j.violate(e, "record %v of a child is handled when its parent %s has done %d of %d", e.Records[0].ID, parent, p.frontier, len(p.places))
		}
	}
}

// lanes is how many handlers may run for a shard.
func (j *judge) lanes() int {
	if j.program.Group.Mode == perKey {
		return j.program.Group.PerKey
	}
	return 1
}

// beginOne judges that this record, the k-th of a batch, is handed to a handler
// now.
func (j *judge) beginOne(e *event, s *shardStory, t *tenure, i, k int) {
	id := s.places[i].id
	lane := s.lanes[s.lane[i]]
	next, known := t.next[s.lane[i]]
	if !known {
		next, _ = slices.BinarySearch(lane, t.from)
	}
	if next += k; s.ordinal[i] != next {
		j.violate(e, "record %v, the %d. of its lane %q, is handled when the %d. is due", id, s.ordinal[i], s.lane[i], next)
	}
	if j.program.Group.Mode == perKey {
		for other := range t.open {
			if s.bare[i] || s.bare[other] {
				j.violate(e, "record %v is handled next to %v, and the key of one is not known", id, s.places[other].id)
			}
		}
	}
	if t.open[i] {
		j.violate(e, "record %v is handled twice at the same time", id)
	}
	t.open[i] = true
	if t.failed[i] {
		delete(t.failed, i)
		j.report.duplicates[retried]++
	}
	if by := s.by[i]; by != nil {
		j.explain(e, s, t, by, i)
	}
}

// explain finds out why a record that was handled is handled again.
func (j *judge) explain(e *event, s *shardStory, t, by *tenure, i int) {
	id, why := s.places[i].id, by.ended
	switch {
	case t.ended != "": // and begin has judged how long ago
		why = overlap
	case s.erased:
		why = deleted
	case j.program.Group.manual() && (by == t || why == released): // acknowledged late, for an earlier delivery
		why = outOfOrder
	case by == t:
		j.violate(e, "record %v is handled again in the same tenure", id)
		return
	case why == released && i >= by.upTo:
		why = outOfOrder
	case why == "", why == released, why == lostAlone:
		j.violate(e, "record %v is handled again for no reason: worker %d, %s", id, by.worker, why)
		return
	}
	j.report.duplicates[why]++
}

// finishOne notes that a record is done.
func (j *judge) finishOne(e *event, s *shardStory, t *tenure, i int) {
	id := s.places[i].id
	s.by[i] = t
	for s.frontier < len(s.by) && s.by[s.frontier] != nil {
		s.frontier++
	}
	for t.ended == "" && t.upTo < len(s.by) && s.by[t.upTo] == t {
		t.upTo++
	}
	j.report.count("record handled")
	if e.Kind == buried {
		j.report.count("dead letter")
	}
	if j.handled[id] {
		return
	}
	j.handled[id] = true
	if j.program.Writers[id.writer()].Order != producer.PerKey || j.program.Group.manual() {
		return
	}
	key := record(j.program.Seed, j.program.Writers, id).PartitionKey
	if before, ok := j.byKey[key]; ok && before > id {
		j.violate(e, "record %v of key %s is handled first after %v, which was put later", id, key, before)
	}
	j.byKey[key] = id
}

// finish judges what was not done at all, and what was not released.
func (j *judge) finish() {
	for _, id := range slices.Sorted(maps.Keys(j.shards)) {
		s := j.shards[id]
		if s.frontier < len(s.places) {
			missing := 0
			for _, by := range s.by {
				if by == nil {
					missing++
				}
			}
			j.report.violate("shard %s: %d of %d records were never handled, the first is %v at %s",
				id, missing, len(s.places), s.places[s.frontier].id, s.places[s.frontier].at)
		}
	}
	for id, row := range j.rows {
		if row.Owner != "" && !row.Finished() {
			j.leave(id, row)
		}
	}
}

// leave judges a lease that somebody has at the end. Others would take it when it
// has run out; nobody is left who could.
func (j *judge) leave(id string, row lease.Lease) {
	last, end, t := j.last[id], j.ends[row.Owner], j.shards[id].latest
	switch {
	case j.gone[row.Owner]:
	case t != nil && j.names[t.worker] == row.Owner && !j.faults[t.worker].Before(t.since):
		j.report.count("lease left to run out after a fault")
	case last.Text == arrivedLate:
	case last.Op == "release" && !last.At.Before(end.Add(-j.patience)): // asked for by a worker that had gone when it came
		j.report.count("lease handed over to a worker that had gone")
	default:
		j.report.violate("shard %s: %s has stopped and still has the lease", id, row.Owner)
	}
}
