package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// benchstat compares the samples.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

// benchmarks are the samples in the format of Go's benchmarks.
func (m *measured) benchmarks() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pkg: github.com/kinetrail/kinetrail/bench/metricscost\n# %s, load average %s\n", machine(), m.load)
	for _, w := range workloads() {
		for _, state := range states {
			for _, s := range m.samples[key(w.name, state)] {
				fmt.Fprintf(&b, "Benchmark%s/metrics=%s\t%d\t%.1f ns/op\t%.4f allocs/op\n",
					w.name, state, s.Records, s.cpuPerRecord()*1e3, float64(s.Mallocs)/float64(s.Records))
			}
		}
	}
	return b.String()
}

// figure is what benchstat says of one workload in one state.
type figure struct {
	median     float64
	interval   string // how far the interval of 95 % reaches
	difference string // to the state it is compared with, ~ when not significant
	p          string
}

func (f figure) String() string { return fmt.Sprintf("%s ± %s", duration(f.median), f.interval) }

// duration takes seconds.
func duration(seconds float64) string { return fmt.Sprintf("%.0f ns", seconds*1e9) }

// figures are those of one unit, by workload and state; the difference of a
// state is that to base.
func figures(ctx context.Context, benchmarks, unit, base string) (map[string]figure, error) {
	folder, err := os.MkdirTemp("", "metricscost-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	file := filepath.Join(folder, "samples.txt")
	if err := os.WriteFile(file, []byte(inOrder(benchmarks, base)), 0o644); err != nil {
		return nil, err
	}
	var complaints strings.Builder
	compare := exec.CommandContext(ctx, "go", "run", benchstat, "-format", "csv", "-col", "/metrics", "-filter", ".unit:"+unit, file)
	compare.Stderr = &complaints
	out, err := compare.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", compare, err, complaints.String())
	}
	return parse(string(out))
}

// inOrder puts the samples of base first: benchstat compares with the first.
func inOrder(benchmarks, base string) string {
	var first, others strings.Builder
	for line := range strings.Lines(benchmarks) {
		if !strings.HasPrefix(line, "Benchmark") || strings.Contains(line, "/metrics="+base+"\t") {
			first.WriteString(line)
		} else {
			others.WriteString(line)
		}
	}
	return first.String() + others.String()
}

// parse reads benchstat's table: a line with the states, one with the headings,
// and one for each workload, with a cell for the median, one for its interval
// and, but for the first state, two for the difference.
func parse(text string) (map[string]figure, error) {
	lines := csv.NewReader(strings.NewReader(text))
	lines.FieldsPerRecord = -1
	all := make(map[string]figure)
	var columns []string // the state that begins at a cell
	for {
		cells, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read what benchstat says: %w", err)
		}
		switch {
		case len(cells) < 2:
		case cells[0] == "" && len(columns) == 0:
			columns = cells
		case cells[0] == "" || cells[0] == "geomean":
		default:
			for i, state := range columns {
				if i == 0 || state == "" || i+1 >= len(cells) {
					continue
				}
				f := figure{interval: cells[i+1]}
				if f.median, err = strconv.ParseFloat(cells[i], 64); err != nil {
					return nil, fmt.Errorf("read what benchstat says of %s: %w", cells[0], err)
				}
				if i > 1 && i+3 < len(cells) {
					f.difference, f.p = cells[i+2], cells[i+3]
				}
				name, _, _ := strings.Cut(cells[0], "-")
				all[key(name, state)] = f
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("benchstat says nothing: %q", text)
	}
	return all, nil
}

// table is what a reader of docs/metrics.md is told.
func (m *measured) table(ctx context.Context) (string, error) {
	samples := m.benchmarks()
	withoutCalls, err := figures(ctx, samples, "sec/op", without)
	if err != nil {
		return "", err
	}
	whenOff, err := figures(ctx, samples, "sec/op", off)
	if err != nil {
		return "", err
	}
	allocations, err := figures(ctx, samples, "allocs/op", without)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| processor time per record | without the calls | off | to without | Prometheus | to off | aim |\n|---|---|---|---|---|---|---|\n")
	for _, w := range workloads() {
		if len(m.samples[key(w.name, off)]) == 0 {
			continue
		}
		idle, working := withoutCalls[key(w.name, off)], whenOff[key(w.name, on)]
		fmt.Fprintf(&b, "| %s | %v | %v | %s | %v | %s | %s |\n", w.what, withoutCalls[key(w.name, without)],
			idle, idle.change(), working, working.change(), w.verdict(whenOff[key(w.name, off)].median, working))
	}
	b.WriteString("\n| allocations per record | without the calls | off | Prometheus |\n|---|---|---|---|\n")
	for _, w := range workloads() {
		if len(m.samples[key(w.name, off)]) > 0 {
			fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.2f |\n", w.what, allocations[key(w.name, without)].median,
				allocations[key(w.name, off)].median, allocations[key(w.name, on)].median)
		}
	}
	fmt.Fprintf(&b, "\nMedians of %d runs in turn with benchstat's interval of 95 %%, and the differences it finds with their p; ~ is none\n"+
		"that is significant. Measured on %s: %s, load average %s.\n", m.rounds, m.at.Format("2 January 2006"), machine(), m.load)
	return b.String(), nil
}

func (f figure) change() string {
	return fmt.Sprintf("%s (%s)", f.difference, strings.ReplaceAll(f.p, "=", " = "))
}

// verdict is the aim, and whether a significant difference misses it.
func (w *workload) verdict(before float64, after figure) string {
	if w.aim == 0 {
		return ""
	}
	text := fmt.Sprintf("≤ %.0f %%", w.aim)
	if after.difference != "~" && (after.median/before-1)*100 > w.aim {
		text += " (missed)"
	}
	return text
}

// The table stands between these in the page.
const (
	tableBegins = "<!-- The figures are written by: make bench-metrics -->\n"
	tableEnds   = "<!-- The figures end. -->\n"
)

// fill writes the table into the page.
func fill(file, table string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the figures", file)
	}
	return os.WriteFile(file, []byte(before+tableBegins+"\n"+table+"\n"+tableEnds+after), 0o644)
}
