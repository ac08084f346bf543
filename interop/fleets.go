package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	kcl2Worker = "KCL 2 worker"
	kcl3Worker = "KCL 3 worker"

	compatible = "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X"
	native     = "CLIENT_VERSION_CONFIG_3X"
)

// play is what a fleet of KCL workers and Go workers does.
type play struct {
	what      string
	classPath string
	version   string // how KCL 3 is to take part
	group     string
	shards    int
	run       func(f *fleet) (string, error)
}

// checkKCL2 lets workers of KCL 2 and Go workers share a table of DynamoDB Local.
func checkKCL2(s *session) {
	checkFleets(s, kcl2Worker, "kcl-2.json", []play{
		{"shares a KPL container with Go workers", "kcl2", "", "containers", 1, shareContainer},
		{"shares leases with Go workers", "kcl2", "", "fleet2", 4, shareLeases},
	})
}

// checkKCL3 does so with KCL 3, in both of its modes.
func checkKCL3(s *session) {
	checkFleets(s, kcl3Worker, "kcl-3.json", []play{
		{"shares leases with Go workers in the mode compatible with KCL 2", "kcl3", compatible, "fleet3", 4, shareLeasesWith3},
		{"in native mode is no company for Go workers", "kcl3", native, "native", 2, refuseNative},
	})
}

// checkFleets plays one play after another, as there is a Java program or two in
// each, and holds the tables against a file of lease/dynamolease/testdata.
func checkFleets(s *session, library, file string, plays []play) {
	if s.skipped("java") {
		s.report.skip(library, "java")
		return
	}
	s.fleets.Lock()
	defer s.fleets.Unlock()
	database, err := startDynamoDB(s)
	if err != nil {
		s.check(library, "meets Go workers", func() (string, error) { return "", err })
		return
	}
	defer database.close()
	var kept tables
	for _, p := range plays {
		s.check(library, p.what, func() (string, error) {
			f, err := startFleet(s, database, library, p)
			if err != nil {
				return "", err
			}
			seen, err := p.run(f)
			if err != nil {
				err = f.explain(err)
			}
			kept.Tables = append(kept.Tables, f.kept...)
			return seen, errors.Join(err, f.close())
		})
	}
	s.check(library, "and the Go workers write the rows of dynamolease/testdata/fleet", func() (string, error) {
		kept.MadeBy = s.report.versionOf(library) + " and kinetrail, in DynamoDB Local"
		return things(len(kept.Tables), "tables"), s.goldenTables(testdata("lease/dynamolease", "fleet/"+file), kept)
	})
}

// explain adds what the workers complained about to an error.
func (f *fleet) explain(err error) error {
	texts := []string{err.Error()}
	for _, m := range f.members {
		if said := strings.TrimSpace(m.complaints.String()); said != "" {
			texts = append(texts, m.name+" says:\n"+lastLines(said, 12))
		}
	}
	return errors.New(strings.Join(texts, "\n"))
}

// shareLeases lets leases move both ways, between workers that come, are
// stopped and are killed, with a split and a merge twice. A Java worker makes the
// table and the leases.
func shareLeases(f *fleet) (string, error) {
	return f.during(javaKind, func(f *fleet, first *member) error {
		second, err := f.join(goKind, first, 2)
		if err != nil {
			return err
		}
		if err := f.reshard(first, second); err != nil {
			return err
		}
		first.kill()
		if err := f.left(second); err != nil {
			return err
		}
		third, err := f.join(javaKind, second, 2)
		if err != nil {
			return err
		}
		second.kill()
		if err := f.left(third); err != nil {
			return err
		}
		fourth, err := f.join(goKind, third, 2)
		if err != nil {
			return err
		}
		if err := errors.Join(third.stop(), f.left(fourth)); err != nil {
			return err
		}
		fifth, err := f.join(javaKind, fourth, 2)
		if err != nil {
			return err
		}
		if err := f.reshard(fourth, fifth); err != nil {
			return err
		}
		return errors.Join(fourth.stop(), f.left(fifth))
	})
}

// shareLeasesWith3 is a shorter play, in which a Go worker makes the table.
func shareLeasesWith3(f *fleet) (string, error) {
	seen, err := f.during(goKind, func(f *fleet, first *member) error {
		second, err := f.join(javaKind, first, 2)
		if err != nil {
			return err
		}
		if err := f.reshard(first, second); err != nil {
			return err
		}
		second.kill()
		if err := f.left(first); err != nil {
			return err
		}
		third, err := f.join(javaKind, first, 2)
		if err != nil {
			return err
		}
		return errors.Join(first.stop(), f.left(third))
	})
	if err != nil {
		return "", err
	}
	mode, err := f.mode()
	if err == nil && mode != "CLIENT_VERSION_UPGRADE_FROM_2X" {
		err = fmt.Errorf("the fleet is in the mode %q", mode)
	}
	return seen + "; " + mode, err
}

// during starts a first worker, puts records while others come and go, lets the
// last one finish, and judges all.
func (f *fleet) during(kind string, play func(f *fleet, first *member) error) (string, error) {
	first, err := f.start(kind)
	if err != nil {
		return "", err
	}
	if err := f.awaitOwners(patience, map[*member]int{first: f.shards}); err != nil {
		return "", err
	}
	watching := f.watch()
	puts, err := f.put()
	if err != nil {
		return "", errors.Join(err, watching.stop())
	}
	err = f.awaitRecords(first)
	if err == nil {
		err = play(f, first)
	}
	acked, putErr := puts.stop()
	if err = errors.Join(err, putErr); err == nil {
		err = f.awaitHandled(time.Minute)
	}
	for _, m := range f.members {
		if err == nil && !m.isGone() {
			err = m.stop()
		}
	}
	if err = errors.Join(err, watching.stop()); err != nil {
		return "", err
	}
	t, err := truthOf(f.server, f.group)
	if err != nil {
		return "", err
	}
	if err := t.holds(acked); err != nil {
		return "", err
	}
	v, err := judge(t, f.members)
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, v.tally())
	}
	if v.moves["Go → Java"] == 0 || v.moves["Java → Go"] == 0 {
		return "", fmt.Errorf("no lease has moved both ways: %s", v.tally())
	}
	f.tell(v, len(acked))
	return fmt.Sprintf("%s on %s, %d handlings, %s", things(len(acked), "records"), things(len(t.shards), "shards"), v.handled, v.tally()), nil
}

// tell adds a verdict to the report.
func (f *fleet) tell(v verdict, records int) {
	f.s.report.add(f.library, records, "records")
	f.s.report.add(f.library, v.moves["Go → Java"], "moves Go → Java")
	f.s.report.add(f.library, v.moves["Java → Go"], "moves Java → Go")
	for _, m := range f.members {
		if m.kind == javaKind {
			m.mu.Lock()
			f.s.report.version(f.library, m.version)
			m.mu.Unlock()
		}
	}
}

// holds tells whether each of these records is to be read somewhere.
func (t *truth) holds(numbers map[int]bool) error {
	found := make(map[int]bool)
	for _, records := range t.records {
		for _, r := range records {
			i, err := numberOf(r.Data)
			if err != nil {
				return err
			}
			found[i] = true
		}
	}
	missing := 0
	for i := range numbers {
		if !found[i] {
			missing++
		}
	}
	if missing > 0 || len(numbers) == 0 {
		return fmt.Errorf("%d of %d records that were put are nowhere to be read; %d lie in containers on the wrong shard", missing, len(numbers), t.thrown)
	}
	return nil
}

// patience is how long a fleet may take to share its leases anew. KCL workers
// look for leases every other lease duration and take one at a time, a Java
// program needs seconds to begin, and a killed worker's leases have to expire.
const patience = 90 * time.Second

// join adds a worker to one that is there, and waits until it has its leases and
// has handled records.
func (f *fleet) join(kind string, other *member, leases int) (*member, error) {
	m, err := f.start(kind)
	if err != nil {
		return nil, err
	}
	return m, errors.Join(f.awaitOwners(patience, map[*member]int{m: leases, other: 1}), f.awaitRecords(m))
}

// left waits until a worker that is left alone has every lease, and handles
// records.
func (f *fleet) left(m *member) error {
	return errors.Join(f.awaitOwners(patience, map[*member]int{m: f.shards}), f.awaitRecords(m))
}

// awaitRecords waits until a worker has handled 200 more records.
func (f *fleet) awaitRecords(m *member) error {
	want := m.handled() + 200
	return await(f.s.ctx, patience, m.name+" handles records", func() (bool, error) { return m.handled() >= want, nil })
}

// handled is the number of records that the worker has handled.
func (m *member) handled() int {
	n := 0
	for _, e := range m.told() {
		if e.Event == "record" {
			n++
		}
	}
	return n
}

// reshard splits a shard of a worker, merges two others, and waits until the
// parents are finished and it and another worker read what has come of them.
func (f *fleet) reshard(of, other *member) error {
	parents, err := f.splitAndMerge(of)
	if err != nil {
		return err
	}
	if err := f.awaitRecords(of); err != nil {
		return err
	}
	if err := f.keep("after a split and a merge", ""); err != nil {
		return err
	}
	err = await(f.s.ctx, patience, "the shards that were split and merged are finished", func() (bool, error) {
		leases, err := f.store.List(f.s.ctx)
		if err != nil {
			return false, err
		}
		unfinished := 0
		for _, l := range leases {
			if slices.Contains(parents, l.ShardID) && !l.Finished() {
				unfinished++
			}
		}
		return unfinished == 0, nil
	})
	if err != nil {
		return err
	}
	return errors.Join(f.awaitOwners(patience, map[*member]int{of: 1, other: 1}), f.awaitRecords(of), f.awaitRecords(other))
}
