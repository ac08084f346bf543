package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// pages have the marks: <!-- figures: NAME --> before a table, <!-- end --> after
// it.
var pages = []string{"README.md", "docs/benchmarks.md"}

// The marks besides those of the tables.
const (
	readmeMark  = "readme"
	machineMark = "machine"
)

func markNames() []string {
	names := []string{machineMark}
	for _, t := range tables {
		names = append(names, t.name)
	}
	return append(names, readmeMark)
}

// tables are the texts between the marks, by name.
func (m *measured) tables() (map[string]string, error) {
	texts := map[string]string{machineMark: m.machine + "\n"}
	var short strings.Builder
	short.WriteString("| per record | ns | allocations | × MD5 | aim |\n|---|---|---|---|---|\n")
	for _, t := range tables {
		var long strings.Builder
		fmt.Fprintf(&long, "| | %s | median | allocations | × %s | aim |\n|---|---|---|---|---|---|\n", t.unit, t.of)
		for _, r := range t.rows {
			f, err := m.figures(r)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&long, "| %s | %s | %s | %s | %s | %s |\n", r.what, number(f.best), number(f.median), number(f.allocations), number(f.ratio), r.aim.verdict(f))
			if r.readme {
				fmt.Fprintf(&short, "| %s | %s | %s | %s | %s |\n", r.what, number(f.best), number(f.allocations), number(f.ofKey), r.aim.verdict(f))
			}
		}
		texts[t.name] = long.String()
	}
	texts[readmeMark] = short.String()
	return texts, nil
}

// figures are those of one row.
type figures struct {
	best, median float64 // nanoseconds
	allocations  float64
	ratio        float64 // to the row's baseline
	ofKey        float64 // to MD5 of a partition key
}

func (m *measured) figures(r row) (figures, error) {
	results, err := m.of(key{r.folder, r.benchmark})
	if err != nil {
		return figures{}, err
	}
	md5, err := m.of(key{r.folder, md5Benchmark})
	if err != nil {
		return figures{}, err
	}
	baseline := md5
	if r.baseline != "" {
		if baseline, err = m.of(key{r.folder, r.baseline}); err != nil {
			return figures{}, err
		}
	}
	best := bestOf(results)
	return figures{
		best:        best,
		median:      median(results, result.nanoseconds),
		allocations: median(results, result.allocations),
		ratio:       best / bestOf(baseline),
		ofKey:       best / bestOf(md5),
	}, nil
}

// of returns the results of one benchmark, one for every round.
func (m *measured) of(k key) ([]result, error) {
	results := m.results[k]
	if len(results) != m.rounds {
		return nil, fmt.Errorf("benchmark %s of %s ran %d times in %d rounds", k.benchmark, k.folder, len(results), m.rounds)
	}
	return results, nil
}

// bestOf is the shortest time.
func bestOf(results []result) float64 {
	best := math.Inf(1)
	for _, r := range results {
		best = min(best, r.nanoseconds())
	}
	return best
}

func median(results []result, of func(result) float64) float64 {
	var sorted []float64
	for _, r := range results {
		sorted = append(sorted, of(r))
	}
	slices.Sort(sorted)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// verdict is an aim, and whether the best run missed it. A tenth of an
// allocation is one that many records share.
func (a *aim) verdict(f figures) string {
	if a == nil {
		return ""
	}
	text := fmt.Sprintf("≤ %s ns, %s", number(a.nanoseconds), number(a.allocations))
	if f.best > a.nanoseconds || f.allocations > a.allocations+0.1 {
		text += " (missed)"
	}
	return text
}

// number writes about three digits.
func number(v float64) string {
	switch {
	case v >= 10:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	case math.Round(v*100) == 0:
		return "0"
	}
	return strings.TrimRight(fmt.Sprintf("%.2f", v), "0")
}

// fill writes the texts into a page, each between its marks.
func fill(file string, texts map[string]string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	filled, err := filledIn(string(page), texts)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(filled), 0o644)
}

const (
	mark    = "<!-- figures: "
	endMark = "<!-- end -->\n"
)

func filledIn(page string, texts map[string]string) (string, error) {
	var filled strings.Builder
	for {
		before, rest, found := strings.Cut(page, mark)
		filled.WriteString(before)
		if !found {
			return filled.String(), nil
		}
		name, rest, _ := strings.Cut(rest, " -->\n")
		_, after, closed := strings.Cut(rest, endMark)
		text, known := texts[name]
		if !known || !closed {
			return "", fmt.Errorf("the mark of %q is unknown or has no end", cmp.Or(name, "nothing"))
		}
		filled.WriteString(mark + name + " -->\n" + text + endMark)
		page = after
	}
}
