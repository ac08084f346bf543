package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// measured are all results of a run.
type measured struct {
	options options
	kinds   []kind
	ready   map[kind][]time.Duration
	results map[kind][][]result // by round and workload
	machine string
}

// measure lets the servers take turns.
func measure(ctx context.Context, o options) (*measured, error) {
	m := &measured{
		options: o,
		kinds:   []kind{doingNothing, inMemory},
		ready:   make(map[kind][]time.Duration),
		results: make(map[kind][][]result),
	}
	if o.disk {
		m.kinds = append(m.kinds, onDisk)
	}
	folder, err := os.MkdirTemp("", "serverload-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	kinetrail, err := build(ctx, folder)
	if err != nil {
		return nil, err
	}
	before := loadAverage()
	for round := range o.rounds {
		turns := slices.Clone(m.kinds)
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, k := range turns {
			if err := m.measure(ctx, k, kinetrail); err != nil {
				return nil, err
			}
		}
	}
	m.machine = m.where(time.Now(), before)
	return m, nil
}

// measure starts a server and puts every workload on it.
func (m *measured) measure(ctx context.Context, k kind, kinetrail string) error {
	s, err := start(ctx, k, kinetrail)
	if err != nil {
		return err
	}
	defer s.stop()
	m.ready[k] = append(m.ready[k], s.ready)
	var results []result
	for _, w := range workloads {
		r, err := m.load(ctx, s, w)
		if err != nil {
			return fmt.Errorf("%s on %s: %w", w.name, k, err)
		}
		fmt.Fprintf(os.Stderr, "%-27s %-30s %9.0f records/s  %6.2f µs of CPU per record  %d failed\n",
			k, w.name, r.recordsPerSecond(), r.cpuPerRecord(), r.failed)
		results = append(results, r)
	}
	m.results[k] = append(m.results[k], results)
	return nil
}

// load runs one workload.
func (m *measured) load(ctx context.Context, s *server, w workload) (result, error) {
	server, client := statisticsOf(s.pid), statisticsOf(os.Getpid())
	began := time.Now()
	l := &load{ctx: ctx, until: began.Add(m.options.length), client: newClient(s.url), clients: m.options.clients}
	w.run(l)
	r := result{calls: l.calls.Load(), records: l.records.Load(), failed: l.failed.Load(), took: time.Since(began), memoryBefore: server.memory}
	serverNow, clientNow := statisticsOf(s.pid), statisticsOf(os.Getpid())
	r.serverCPU, r.clientCPU, r.memoryNow = serverNow.cpu-server.cpu, clientNow.cpu-client.cpu, serverNow.memory
	if r.records == 0 {
		return r, fmt.Errorf("of %d calls none succeeded", r.failed)
	}
	return r, nil
}
