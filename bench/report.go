package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// row is the median of a client's samples.
type row struct {
	workload, client string
	recordsPerSecond float64
	cpu              float64 // µs per record
	low, high        float64 // the extremes of cpu
	allocations      float64 // per record
	allocatedBytes   float64 // per record
	peakRSS          float64 // MiB
}

// report is what the samples of a run come to.
type report struct {
	rows     []row
	rounds   int
	at       time.Time
	machine  string
	versions string
}

func newReport(samples []sample, rounds int, at time.Time) *report {
	r := &report{rounds: rounds, at: at.UTC(), machine: machine(), versions: versions()}
	for _, w := range workloads() {
		for _, c := range w.clients {
			var group []sample
			for _, s := range samples {
				if s.Workload == w.name && s.Client == c.name {
					group = append(group, s)
				}
			}
			if len(group) > 0 {
				r.rows = append(r.rows, summarise(group))
			}
		}
	}
	return r
}

func summarise(group []sample) row {
	sorted := func(value func(s *sample) float64) []float64 {
		values := make([]float64, len(group))
		for i := range group {
			values[i] = value(&group[i])
		}
		slices.Sort(values)
		return values
	}
	cpu := sorted((*sample).cpuPerRecord)
	return row{
		workload:         group[0].Workload,
		client:           group[0].Client,
		recordsPerSecond: median(sorted(func(s *sample) float64 { return float64(s.Records) / s.Wall.Seconds() })),
		cpu:              median(cpu),
		low:              cpu[0],
		high:             cpu[len(cpu)-1],
		allocations:      median(sorted(func(s *sample) float64 { return float64(s.Mallocs) / float64(s.Records) })),
		allocatedBytes:   median(sorted(func(s *sample) float64 { return float64(s.Bytes) / float64(s.Records) })),
		peakRSS:          median(sorted(func(s *sample) float64 { return float64(s.PeakRSS) / (1 << 20) })),
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

func (r *report) find(workload, client string) (row, bool) {
	for _, x := range r.rows {
		if x.workload == workload && x.client == client {
			return x, true
		}
	}
	return row{}, false
}

// machine describes where the figures come from.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d CPUs, %s/%s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

// versions are those of Go and of what is compared.
func versions() string {
	all := []string{runtime.Version()}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return all[0]
	}
	compared := []string{
		"github.com/aws/aws-sdk-go-v2/service/kinesis", "github.com/aws/smithy-go", "google.golang.org/protobuf",
		"github.com/a8m/kinesis-producer", "github.com/harlow/kinesis-consumer", "github.com/awslabs/kinesis-aggregation/go/v2",
	}
	for _, module := range build.Deps {
		if slices.Contains(compared, module.Path) {
			all = append(all, module.Path+" "+module.Version)
		}
	}
	return strings.Join(all, ", ")
}

// tsv is the table for machines.
func (r *report) tsv() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n# %s\n# %s, medians of %d rounds\n", r.at.Format(time.DateOnly), r.machine, r.versions, r.rounds)
	b.WriteString("case\tclient\trecords/s\tCPU µs/record\tlowest\thighest\tallocations/record\tallocated B/record\tpeak RSS MiB\n")
	for _, x := range r.rows {
		fmt.Fprintf(&b, "%s\t%s\t%.0f\t%.3f\t%.3f\t%.3f\t%.3f\t%.0f\t%.0f\n", x.workload, x.client,
			x.recordsPerSecond, x.cpu, x.low, x.high, x.allocations, x.allocatedBytes, x.peakRSS)
	}
	return b.String()
}

// measurements is the table for people.
func (r *report) measurements() string {
	var b strings.Builder
	b.WriteString("| case | client | CPU µs/record (lowest–highest) | records/s | allocations/record | peak RSS, MiB |\n|---|---|---|---|---|---|\n")
	for _, x := range r.rows {
		fmt.Fprintf(&b, "| %s | %s | %.2f (%.2f–%.2f) | %.0f | %.2f | %.0f |\n", x.workload, x.client,
			x.cpu, x.low, x.high, x.recordsPerSecond, x.allocations, x.peakRSS)
	}
	return b.String()
}

// comparisons is the table of what is promised, with what came of it.
func (r *report) comparisons() string {
	var b strings.Builder
	b.WriteString("| case | measured | at least | aim |\n|---|---|---|---|\n")
	for _, c := range comparisons() {
		ours, ok := r.find(c.workload, c.ours)
		theirs, known := r.find(c.workload, c.theirs)
		if !ok || !known {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s |\n", c.title, c.judge(ours.cpu, theirs.cpu))
	}
	return b.String()
}

// judge says how two figures compare, and what was wanted.
func (c comparison) judge(ours, theirs float64) string {
	missed := func(is bool) string {
		if is {
			return " (missed)"
		}
		return ""
	}
	switch {
	case c.timesAtLeast > 0:
		return fmt.Sprintf("%.2f×%s | %.1f× | %.1f×", theirs/ours, missed(theirs/ours < c.timesAtLeast), c.timesAtLeast, c.timesAim)
	case c.moreAtMost > 0:
		more := 100 * (ours/theirs - 1)
		return fmt.Sprintf("%+.0f %%%s | ≤ %.0f %% | %.0f %%", more, missed(more > c.moreAtMost), c.moreAtMost, c.moreAim)
	}
	return fmt.Sprintf("%+.0f ns | – | –", 1000*(ours-theirs))
}

// write writes the table for machines and the plot to a folder, and the tables
// for people into a page.
func (r *report) write(folder, page string) error {
	if err := os.WriteFile(filepath.Join(folder, "clients.tsv"), []byte(r.tsv()), 0o644); err != nil {
		return err
	}
	if err := r.plot(filepath.Join(folder, "clients.svg")); err != nil {
		return fmt.Errorf("draw the plot: %w", err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("%s, %s. %s. Medians of %d alternating rounds.\n", r.at.Format(time.DateOnly), r.machine, r.versions, r.rounds)
	for name, table := range map[string]string{"about": about, "comparisons": r.comparisons(), "measurements": r.measurements()} {
		if text, err = replacePart(text, name, table); err != nil {
			return fmt.Errorf("page %s: %w", page, err)
		}
	}
	return os.WriteFile(page, text, 0o644)
}

// replacePart replaces what stands between two marks of a page.
func replacePart(page []byte, name, part string) ([]byte, error) {
	begin, end := "<!-- bench:"+name+" -->\n", "<!-- /bench:"+name+" -->"
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return nil, fmt.Errorf("it has no part %q", name)
	}
	return []byte(before + begin + "\n" + part + "\n" + end + after), nil
}
