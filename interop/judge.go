package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// truth is what lies in a stream, as a group has to read it: every user record,
// in the order of its shard, without the containers that the KCL throws away.
type truth struct {
	shards  []localkinesis.Shard
	records map[string][]userRecord  // by shard
	place   map[string]map[place]int // in records, by shard
	thrown  int                      // records in containers on the wrong shard
}

type place struct {
	sequence string
	sub      int
}

// truthOf reads a stream from its server.
func truthOf(server *localkinesis.Server, stream string) (truth, error) {
	shards, err := server.Shards(stream)
	if err != nil {
		return truth{}, err
	}
	t := truth{shards: shards, records: make(map[string][]userRecord), place: make(map[string]map[place]int)}
	for _, shard := range shards {
		stored, err := server.Records(stream, shard.ID)
		if err != nil {
			return truth{}, err
		}
		t.place[shard.ID] = make(map[place]int)
		for _, r := range stored {
			if err := t.add(shard, r); err != nil {
				return truth{}, err
			}
		}
	}
	return t, nil
}

func (t *truth) add(shard localkinesis.Shard, r localkinesis.Record) error {
	inside := []aggregate.UserRecord{{PartitionKey: r.PartitionKey, Data: r.Data}}
	if aggregate.IsContainer(r.Data) {
		var err error
		if inside, err = aggregate.Split(r.Data, nil); err != nil {
			return err
		}
		for i := range inside {
			key, err := inside[i].HashKey()
			if err != nil {
				return err
			}
			if !shard.Range.Contains(key) {
				t.thrown += len(inside)
				return nil
			}
		}
	}
	for sub, user := range inside {
		at := place{r.Number.String(), sub}
		t.place[shard.ID][at] = len(t.records[shard.ID])
		t.records[shard.ID] = append(t.records[shard.ID], userRecord{
			PartitionKey: user.PartitionKey, Data: user.Data, SequenceNumber: at.sequence, SubSequenceNumber: sub,
		})
	}
	return nil
}

// count is the number of user records.
func (t *truth) count() int {
	n := 0
	for _, records := range t.records {
		n += len(records)
	}
	return n
}

// after is the place in its shard of the first record after a position, which
// may also be that of a record that is not to be read.
func (t *truth) after(shard string, p kinetrail.Position) int {
	i, found := slices.BinarySearchFunc(t.records[shard], p, func(r userRecord, p kinetrail.Position) int {
		return kinetrail.At(r.SequenceNumber, r.SubSequenceNumber).Compare(p)
	})
	if found {
		i++
	}
	return i
}

// tenure is what one worker did with a shard while it held the lease.
type tenure struct {
	member *member
	shard  string
	began  int64
	from   kinetrail.Position
	first  int     // the place of the first record
	at     []int64 // when each was handled
	ended  string  // released, lost, ended, killed; empty when it goes on
	until  int64
}

// verdict is what a fleet did.
type verdict struct {
	handled    int // times that a record was handled
	tenures    int
	inside     map[string]int // tenures that began within a container, as Go → Java
	moves      map[string]int // of leases, as Go → Java
	duplicates map[string]int // records handled again, by why
	latest     time.Duration  // a worker went on so long after the next had begun
}

// judge holds what the workers have told against what lies in the stream.
func judge(t truth, members []*member) (verdict, error) {
	v := verdict{inside: make(map[string]int), moves: make(map[string]int), duplicates: make(map[string]int)}
	var all []*tenure
	var wrong []string
	for _, m := range members {
		tenures, err := tenuresOf(t, m)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		all = append(all, tenures...)
	}
	slices.SortStableFunc(all, func(a, b *tenure) int { return int(a.began - b.began) })
	v.tenures = len(all)
	firsts := make(map[string][]int64) // when each record was first handled, 0 when it was not
	for _, shard := range t.shards {
		firsts[shard.ID] = make([]int64, len(t.records[shard.ID]))
		wrong = append(wrong, v.shard(t, shard.ID, all, firsts[shard.ID])...)
	}
	for _, shard := range t.shards {
		wrong = append(wrong, inOrder(shard, all, firsts)...)
	}
	if len(wrong) > 0 {
		return v, errors.New(strings.Join(wrong[:min(len(wrong), 20)], "\n"))
	}
	return v, nil
}

// tenuresOf cuts what a worker has told into tenures, each of which has to begin
// right after its checkpoint and leave nothing out.
func tenuresOf(t truth, m *member) ([]*tenure, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	open := make(map[string]*tenure)
	var all []*tenure
	for _, e := range m.events {
		now := open[e.Shard]
		switch e.Event {
		case "begin":
			p, err := e.position()
			if err != nil {
				return all, fmt.Errorf("%s begins with %s at %q: %w", m.name, e.Shard, e.Sequence, err)
			}
			if now != nil && now.ended == "" {
				now.ended, now.until = "lost", e.At // and got again before it noticed
			}
			now = &tenure{member: m, shard: e.Shard, began: e.At, from: p, first: t.after(e.Shard, p)}
			open[e.Shard], all = now, append(all, now)
		case "record":
			if now == nil {
				return all, fmt.Errorf("%s handles a record of %s without a lease", m.name, e.Shard)
			}
			if err := now.record(t, e); err != nil {
				return all, err
			}
		case "released", "lost", "ended":
			// The KCL says "lost" of what it has released, too.
			if now != nil && (now.ended == "" || now.ended == "ended" && e.Event == "lost") {
				now.ended, now.until = e.Event, e.At
			}
		case "refused":
			// The lease was taken before the position could be written.
			if now != nil && now.ended == "released" {
				now.ended = "lost"
			}
		}
	}
	for _, now := range all {
		if m.killedAt > 0 && (now.ended == "" || now.ended != "lost" && m.killedAt-now.until < time.Second.Microseconds()) {
			now.ended, now.until = "killed", m.killedAt
		}
	}
	return all, errors.Join(m.broken)
}

func (now *tenure) record(t truth, e event) error {
	next := now.first + len(now.at)
	got, known := t.place[now.shard][place{e.Sequence, e.Sub}]
	switch {
	case !known:
		return fmt.Errorf("%s handles a record at %s/%d of %s, where none is to be read", now.member.name, e.Sequence, e.Sub, e.Shard)
	case got != next:
		return fmt.Errorf("%s, which has %s from %v on, handles record %d of the shard after %d others; want %d", now.member.name, e.Shard, now.from, got, len(now.at), next)
	}
	want := t.records[now.shard][got]
	if want.PartitionKey != e.Key || string(want.Data) != e.Data {
		return fmt.Errorf("%s handles %q %q at %s/%d; want %q %q", now.member.name, e.Key, e.Data, e.Sequence, e.Sub, want.PartitionKey, want.Data)
	}
	now.at = append(now.at, e.At)
	return nil
}

// shard judges the tenures of one shard, which are given in the order they began
// in.
func (v *verdict) shard(t truth, id string, all []*tenure, first []int64) (wrong []string) {
	var before *tenure
	last := make([]*tenure, len(first)) // that handled a record
	for _, now := range all {
		if now.shard != id {
			continue
		}
		if before != nil && before.member != now.member {
			move := before.member.kind + " → " + now.member.kind
			v.moves[move]++
			if now.from.IsRecord() && now.first < len(first) && t.records[id][now.first].SubSequenceNumber > 0 {
				v.inside[move]++
			}
			if n := len(before.at); n > 0 && before.at[n-1] > now.began {
				v.latest = max(v.latest, time.Duration(before.at[n-1]-now.began)*time.Microsecond)
			}
		}
		before = now
		v.handled += len(now.at)
		for i, at := range now.at {
			i += now.first
			if first[i] == 0 || at < first[i] {
				first[i] = at
			}
			if earlier := last[i]; earlier != nil {
				v.duplicates[earlier.why(now)]++
				if earlier.ended == "released" || earlier.ended == "ended" {
					wrong = append(wrong, fmt.Sprintf("%s handles record %d of %s again, although %s gave the shard up in good order", now.member.name, i, id, earlier.member.name))
				}
			}
			last[i] = now
		}
	}
	for i, at := range first {
		if at == 0 {
			wrong = append(wrong, fmt.Sprintf("record %d of %d of %s is lost: nobody handled it", i, len(first), id))
		}
	}
	return wrong
}

// why says why a record of an earlier tenure is handled again.
func (earlier *tenure) why(now *tenure) string {
	if earlier.ended == "killed" {
		return earlier.member.kind + " worker killed"
	}
	return fmt.Sprintf("%s worker took over without a word from a %s worker", now.member.kind, earlier.member.kind)
}

// inOrder holds that nobody has begun with a shard before every record of its
// parents was handled.
func inOrder(shard localkinesis.Shard, all []*tenure, firsts map[string][]int64) (wrong []string) {
	began := slices.IndexFunc(all, func(now *tenure) bool { return now.shard == shard.ID })
	for _, parent := range []string{shard.ParentID, shard.AdjacentParentID} {
		if parent == "" || began < 0 || len(firsts[parent]) == 0 {
			continue
		}
		if done := slices.Max(firsts[parent]); done > all[began].began {
			wrong = append(wrong, fmt.Sprintf("%s begins with %s %v before its parent %s is done", all[began].member.name, shard.ID,
				time.Duration(done-all[began].began)*time.Microsecond, parent))
		}
	}
	return wrong
}
