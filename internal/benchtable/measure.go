package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// result is what one run of a benchmark printed, by unit: ns/op, allocs/op and
// those of its own.
type result map[string]float64

// perRecord is how many operations a record is: less than one where a benchmark
// does many records at once and says what one of them takes.
func (r result) perRecord() float64 {
	if each, ok := r["ns/record"]; ok {
		return each / r["ns/op"]
	}
	return 1
}

func (r result) nanoseconds() float64 { return r["ns/op"] * r.perRecord() }
func (r result) allocations() float64 { return r["allocs/op"] * r.perRecord() }

// measured are the results of all rounds, by folder and benchmark. Every folder
// has results of MD5, from the moments before its own benchmarks ran.
type measured struct {
	results map[key][]result
	rounds  int
	machine string // in a sentence
}

type key struct{ folder, benchmark string }

// measure runs the benchmarks of all rows.
func measure(ctx context.Context, root string, rounds int, length time.Duration) (*measured, error) {
	binaries, err := os.MkdirTemp("", "benchtable-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(binaries) }()

	wanted := benchmarks()
	folders := slices.Sorted(maps.Keys(wanted))
	for _, folder := range folders {
		build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary(binaries, folder), "./"+folder)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", build, err, out)
		}
	}
	run := func(folder string, names ...string) ([]byte, error) {
		c := exec.CommandContext(ctx, binary(binaries, folder), "-test.run=^$", "-test.benchmem",
			"-test.benchtime="+length.String(), "-test.bench=^("+strings.Join(names, "|")+")$")
		c.Dir = filepath.Join(root, filepath.FromSlash(folder))
		out, err := c.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("benchmarks of %s: %w\n%s", folder, err, out)
		}
		return out, nil
	}
	m := &measured{results: make(map[key][]result), rounds: rounds}
	loadBefore, cpu := load(), ""
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for _, folder := range folders {
			if folder != md5Folder {
				out, err := run(md5Folder, "Benchmark"+md5Benchmark)
				if err != nil {
					return nil, err
				}
				m.add(folder, out)
			}
			out, err := run(folder, wanted[folder]...)
			if err != nil {
				return nil, err
			}
			cpu = m.add(folder, out)
		}
	}
	m.machine = fmt.Sprintf("Measured on %s with %s %s/%s, %s, %d CPUs: %d rounds of %v each; load average %s before, %s after.",
		time.Now().UTC().Format("2 January 2006"), runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu, runtime.NumCPU(), rounds, length, loadBefore, load())
	return m, nil
}

func binary(folder, of string) string {
	return filepath.Join(folder, strings.ReplaceAll(of, "/", "-")+".test")
}

// benchmarks are the functions that the rows need, by folder.
func benchmarks() map[string][]string {
	names := make(map[string][]string)
	need := func(folder, benchmark string) {
		name, _, _ := strings.Cut("Benchmark"+benchmark, "/")
		if benchmark != "" && !slices.Contains(names[folder], name) {
			names[folder] = append(names[folder], name)
		}
	}
	for _, t := range tables {
		for _, r := range t.rows {
			need(r.folder, r.benchmark)
			need(r.folder, r.baseline)
		}
	}
	return names
}

var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// add takes the results out of what a test binary printed, and returns the name
// of the CPU.
func (m *measured) add(folder string, out []byte) (cpu string) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "cpu: "); ok {
			cpu = strings.TrimSpace(name)
		}
		found := benchmarkLine.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		r, fields := make(result), strings.Fields(found[2])
		for i := 0; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				r[fields[i+1]] = value
			}
		}
		k := key{folder, found[1]}
		m.results[k] = append(m.results[k], r)
	}
	return cpu
}

// load is the load average of the last minute, where Linux tells it.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
