package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"

	"crypto/tls"

	"github.com/kinetrail/kinetrail"
)

// shareContainer lets the KPL put containers, and workers that handle some
// records of one and are stopped or killed: the next worker, of the other kind,
// has to go on with the next record of the container.
func shareContainer(f *fleet) (string, error) {
	if err := f.putWithKPL(400); err != nil {
		return "", err
	}
	t, err := truthOf(f.server, f.group)
	if err != nil {
		return "", err
	}
	watching := f.watch()
	done := 0
	for _, link := range []struct {
		kind string
		end  func(m *member) error
	}{
		{goKind, (*member).killed}, {javaKind, (*member).killed}, {goKind, (*member).stop}, {javaKind, (*member).stop},
	} {
		next, err := t.within(shardID(0), done+20)
		if err != nil {
			return "", err
		}
		if err := f.hold(t, link.kind, done, next, link.end); err != nil {
			return "", err
		}
		done = next
	}
	last, err := f.start(goKind)
	if err != nil {
		return "", err
	}
	if err := errors.Join(f.awaitHandled(patience), last.stop(), watching.stop()); err != nil {
		return "", err
	}
	v, err := judge(t, f.members)
	if err == nil && (len(v.duplicates) > 0 || v.inside["Go → Java"] != 2 || v.inside["Java → Go"] != 2) {
		err = errors.New("want two moves each way within a container, and nothing handled again")
	}
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, v.tally())
	}
	f.tell(v, t.count())
	return fmt.Sprintf("%s, %s", things(t.count(), "records"), v.tally()), nil
}

// hold starts a worker that goes on at one record of the only shard and stops
// before another, looks at the row, and ends the worker.
func (f *fleet) hold(t truth, kind string, from, to int, end func(m *member) error) error {
	m, err := f.start(kind, func(c *workerConfig) { c.HoldAfter = to - from })
	if err != nil {
		return err
	}
	err = await(f.s.ctx, patience, m.name+" holds the lease", func() (bool, error) {
		if m.isGone() {
			return false, fmt.Errorf("%s has ended", m.name)
		}
		return m.said("holding"), nil
	})
	if err != nil {
		return err
	}
	leases, err := f.store.List(f.s.ctx)
	if err != nil {
		return err
	}
	last := t.records[shardID(0)][to-1]
	want := kinetrail.At(last.SequenceNumber, last.SubSequenceNumber)
	if len(leases) != 1 || leases[0].Checkpoint != want {
		return fmt.Errorf("%s has written %v; want %v", m.name, leases, want)
	}
	return errors.Join(f.keep("a "+kind+" worker is within a container", ""), end(m))
}

// killed is kill, as a way to end a worker.
func (m *member) killed() error {
	m.kill()
	return nil
}

// within is the place of the first record from a place on that is not the first
// of its container.
func (t *truth) within(shard string, from int) (int, error) {
	for i, r := range t.records[shard] {
		if i >= from && r.SubSequenceNumber > 0 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("there is no record within a container after the first %d of %d", from, len(t.records[shard]))
}

// putWithKPL puts so many records with the Kinesis Producer Library, which wants
// TLS.
func (f *fleet) putWithKPL(n int) error {
	secure := httptest.NewUnstartedServer(f.server)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{*f.s.secure.certificate}, MinVersion: tls.VersionTLS12}
	secure.StartTLS()
	defer secure.Close()
	p, err := startKPL(f.s, secure.URL)
	if err != nil {
		return err
	}
	library := &kpl{p, f.server}
	records := make([]userRecord, n)
	for i := range records {
		records[i] = userRecord{PartitionKey: fmt.Sprintf("key-%d", i%7), Data: fmt.Appendf(nil, "%d:%s", i, strings.Repeat("x", i%100))}
	}
	err = library.warm(f.group)
	if err == nil {
		_, err = library.put(f.group, records)
	}
	return errors.Join(err, library.close())
}
