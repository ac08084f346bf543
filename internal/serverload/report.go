package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	page    = "docs/benchmarks-server.md"
	mark    = "<!-- figures: server -->\n"
	endMark = "<!-- end -->\n"
)

// aims are what a server in memory is meant to reach: a part of the rate of the
// server that does nothing, or a rate. On a disk it is half of that.
var aims = []struct{ ratio, recordsPerSecond float64 }{{ratio: 0.77}, {ratio: 0.65}, {recordsPerSecond: 250_000}}

const (
	aimReady  = 20 * time.Millisecond
	aimMemory = 250 // bytes a record takes beyond its data and key
)

// keyBytes is the length of every partition key.
var keyBytes = len(*key(0))

// tables is everything that was measured, as Markdown.
func (m *measured) tables() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s.\n\n", m.machine)
	text.WriteString("| records per second | does nothing | kinetrail | of it | by CPU time | aim |\n|---|---|---|---|---|---|\n")
	for w := range workloads {
		for _, k := range m.kinds[1:] {
			m.row(&text, w, k)
		}
	}
	text.WriteString("\n| | ready after | aim | memory per record beyond its data and key | aim |\n|---|---|---|---|---|\n")
	for _, k := range m.kinds {
		fmt.Fprintf(&text, "| %s | %s ms | %s | %s | %s |\n", k,
			figure(float64(median(m.ready[k]).Microseconds())/1e3), orNothing(k, "< "+aimReady.String()),
			orNothing(k, figure(m.memory(k))+" B"), orNothing(k, fmt.Sprintf("< %d B", aimMemory)))
	}
	fmt.Fprintf(&text, "\nCalls that failed, of %d: %s.\n", m.calls(), m.failures())
	return text.String()
}

func orNothing(k kind, text string) string {
	if k == doingNothing {
		return ""
	}
	return text
}

// row is one workload on one server.
func (m *measured) row(text *strings.Builder, w int, k kind) {
	var rates, nothing, ofRate, ofCPU []float64
	for round, results := range m.results[k] {
		r, n := results[w], m.results[doingNothing][round][w]
		rates = append(rates, r.recordsPerSecond())
		nothing = append(nothing, n.recordsPerSecond())
		ofRate = append(ofRate, r.recordsPerSecond()/n.recordsPerSecond())
		ofCPU = append(ofCPU, n.cpuPerRecord()/r.cpuPerRecord())
	}
	name, part := workloads[w].name, 1.0
	if k == onDisk {
		name, part = name+", `--data-dir`", 0.5
	}
	aim := fmt.Sprintf("≥ %.2f", aims[w].ratio*part)
	if aims[w].recordsPerSecond > 0 {
		aim = fmt.Sprintf("≥ %.0f/s", aims[w].recordsPerSecond*part)
	}
	fmt.Fprintf(text, "| %s | %.0f | %.0f | %.2f | %.2f | %s |\n", name, median(nothing), median(rates), median(ofRate), median(ofCPU), aim)
}

// memory is how much the process has grown by what was put, for each record,
// without what the records hold.
func (m *measured) memory(k kind) float64 {
	var each []float64
	for _, results := range m.results[k] {
		put := results[0].records + results[1].records
		grown := results[1].memoryNow - results[0].memoryBefore
		each = append(each, float64(grown)/float64(put)-payload-float64(keyBytes))
	}
	return median(each)
}

func (m *measured) calls() (n int64) {
	for _, rounds := range m.results {
		for _, results := range rounds {
			for _, r := range results {
				n += r.calls + r.failed
			}
		}
	}
	return n
}

func (m *measured) failures() string {
	var list []string
	for _, k := range m.kinds {
		var failed int64
		for _, results := range m.results[k] {
			for _, r := range results {
				failed += r.failed
			}
		}
		list = append(list, fmt.Sprintf("%d on %s", failed, k))
	}
	return strings.Join(list, ", ")
}

// median is the middle, or the lower of two.
func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

// figure writes about three digits.
func figure(v float64) string {
	if v >= 10 || v <= -10 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// fill writes the tables into the page, between its marks.
func fill(file, tables string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), mark)
	_, after, closed := strings.Cut(rest, endMark)
	if !found || !closed {
		return fmt.Errorf("%s has no marks to write between", file)
	}
	return os.WriteFile(file, []byte(before+mark+tables+endMark+after), 0o644)
}

// where says when and on what it was measured.
func (m *measured) where(now time.Time, before string) string {
	return fmt.Sprintf("Measured on %s with %s %s/%s, %s, %d CPUs for server and client together: medians of %d rounds of %v, %d calls at once; load average %s before, %s after",
		now.UTC().Format("2 January 2006"), runtime.Version(), runtime.GOOS, runtime.GOARCH, processor(), runtime.NumCPU(),
		m.options.rounds, m.options.length, m.options.clients, before, loadAverage())
}

// processor is its name, where Linux tells it.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// loadAverage is that of the last minute, where Linux tells it.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
