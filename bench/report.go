package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (s *sample) cpuPerRecord() float64 {
	return float64(s.CPU.Nanoseconds()) / 1e3 / float64(s.Records)
}

// row is the median of a client's samples.
type row struct {
	Workload, Client    string
	RecordsPerSecond    float64
	CPUMicros           float64 // per record
	LowMicros, HiMicros float64 // the extremes of CPUMicros
	Allocations         float64 // per record
	AllocatedBytes      float64 // per record
	PeakRSS             float64 // MiB
}

// report is what the samples of a run come to.
type report struct {
	rows   []row
	rounds int
	at     time.Time
}

func newReport(samples []sample, rounds int, at time.Time) *report {
	r := &report{rounds: rounds, at: at}
	type key struct{ workload, client string }
	groups := map[key][]sample{}
	for _, s := range samples {
		k := key{s.Workload, s.Client}
		groups[k] = append(groups[k], s)
	}
	for _, w := range workloads() {
		for _, c := range w.clients {
			if group := groups[key{w.name, c.name}]; group != nil {
				r.rows = append(r.rows, summarise(group))
			}
		}
	}
	return r
}

func summarise(group []sample) row {
	of := func(value func(s *sample) float64) []float64 {
		values := make([]float64, len(group))
		for i := range group {
			values[i] = value(&group[i])
		}
		slices.Sort(values)
		return values
	}
	perRecord := func(value func(s *sample) uint64) float64 {
		return median(of(func(s *sample) float64 { return float64(value(s)) / float64(s.Records) }))
	}
	cpu := of((*sample).cpuPerRecord)
	return row{
		Workload: group[0].Workload, Client: group[0].Client,
		RecordsPerSecond: median(of(func(s *sample) float64 { return float64(s.Records) / s.Wall.Seconds() })),
		CPUMicros:        median(cpu), LowMicros: cpu[0], HiMicros: cpu[len(cpu)-1],
		Allocations:    perRecord(func(s *sample) uint64 { return s.Mallocs }),
		AllocatedBytes: perRecord(func(s *sample) uint64 { return s.Bytes }),
		PeakRSS:        median(of(func(s *sample) float64 { return float64(s.PeakRSS) / (1 << 20) })),
	}
}

// median is that of sorted values.
func median(sorted []float64) float64 {
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

var _ = maps.Keys[map[int]int]
var _ = cmp.Compare[int]
var _ = strings.Cut

func (r *report) find(workload, client string) (row, bool) {
	for _, row := range r.rows {
		if row.Workload == workload && row.Client == client {
			return row, true
		}
	}
	return row{}, false
}

func (r *report) resultTable() string {
	var b strings.Builder
	for _, x := range r.rows {
		fmt.Fprintf(&b, "%-26s %-22s %7.3f µs (%.3f–%.3f) %9.0f/s %6.3f allocs %7.0f B %5.0f MiB\n", x.Workload, x.Client, x.CPUMicros, x.LowMicros, x.HiMicros, x.RecordsPerSecond, x.Allocations, x.AllocatedBytes, x.PeakRSS)
	}
	return b.String()
}

func (r *report) comparisonTable() string {
	var b strings.Builder
	for _, c := range comparisons() {
		ours, ok := r.find(c.workload, c.ours)
		theirs, ok2 := r.find(c.workload, c.theirs)
		if !ok || !ok2 {
			continue
		}
		switch {
		case c.timesAtLeast > 0:
			fmt.Fprintf(&b, "%-70s %.2f× (%.1f, aim %.1f)\n", c.title, theirs.CPUMicros/ours.CPUMicros, c.timesAtLeast, c.timesAim)
		case c.moreAtMost > 0:
			fmt.Fprintf(&b, "%-70s +%.0f %% (%.0f, aim %.0f)\n", c.title, 100*(ours.CPUMicros/theirs.CPUMicros-1), c.moreAtMost, c.moreAim)
		default:
			fmt.Fprintf(&b, "%-70s +%.0f ns\n", c.title, 1000*(ours.CPUMicros-theirs.CPUMicros))
		}
	}
	return b.String()
}

func (r *report) write(results, page string) error { return nil }
