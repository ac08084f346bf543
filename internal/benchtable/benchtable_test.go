package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestResultsAreReadFromWhatGoTestPrints(t *testing.T) {
	t.Parallel()
	m := &measured{results: make(map[key][]result)}
	cpu := m.add("aggregate", []byte(`goos: linux
cpu: AMD EPYC
BenchmarkMD5-2   	 1000000	        80.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkSplit100B/keys=same-2         	    5000	     46000 ns/op	        92.00 ns/record	         1.100 ×md5	     128 B/op	       5 allocs/op
BenchmarkSplit100B/keys=distinct,traced 	    5000	     46000 ns/op
PASS
`))
	if cpu != "AMD EPYC" {
		t.Errorf("the CPU is %q, want AMD EPYC", cpu)
	}
	for name, want := range map[string][2]float64{ // nanoseconds and allocations of a record
		"MD5":                            {80.5, 0},
		"Split100B/keys=same":            {92, 0.01},
		"Split100B/keys=distinct,traced": {46000, 0},
	} {
		results := m.results[key{"aggregate", name}]
		if len(results) != 1 || results[0].nanoseconds() != want[0] || results[0].allocations() != want[1] {
			t.Errorf("%s has the results %v, want %v ns and %v allocations", name, results, want[0], want[1])
		}
	}
}

func TestFiguresAreTheBestOfTheRounds(t *testing.T) {
	t.Parallel()
	m := &measured{rounds: 3, results: map[key][]result{
		{"p", "MD5"}:  {{"ns/op": 100}, {"ns/op": 200}, {"ns/op": 100}},
		{"p", "Base"}: {{"ns/op": 10}, {"ns/op": 40}, {"ns/op": 20}},
		{"p", "X"}:    {{"ns/op": 50, "allocs/op": 1}, {"ns/op": 400, "allocs/op": 1}, {"ns/op": 60, "allocs/op": 1}},
	}}
	got, err := m.figures(row{folder: "p", benchmark: "X", baseline: "Base"})
	want := figures{best: 50, median: 60, allocations: 1, ratio: 5, ofKey: 0.5}
	if err != nil || got != want {
		t.Errorf("the figures are %+v, %v; want %+v", got, err, want)
	}
	for _, missing := range []row{{folder: "p", benchmark: "Y"}, {folder: "p", benchmark: "X", baseline: "Y"}, {folder: "q", benchmark: "X"}} {
		if got, err := m.figures(missing); err == nil {
			t.Errorf("%+v has the figures %+v, want an error: it did not run", missing, got)
		}
	}
}

func TestAnAimIsMissedByTheBestRun(t *testing.T) {
	t.Parallel()
	a := &aim{nanoseconds: 180, allocations: 0}
	for _, tt := range []struct {
		figures figures
		want    string
	}{
		{figures{best: 180, median: 250}, "≤ 180 ns, 0"},
		{figures{best: 181, median: 181}, "≤ 180 ns, 0 (missed)"},
		{figures{best: 1, allocations: 0.01}, "≤ 180 ns, 0"},
		{figures{best: 1, allocations: 1}, "≤ 180 ns, 0 (missed)"},
	} {
		if got := a.verdict(tt.figures); got != tt.want {
			t.Errorf("the verdict on %+v is %q, want %q", tt.figures, got, tt.want)
		}
	}
}

func TestNumbersHaveAboutThreeDigits(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{0: "0", 0.004: "0", 0.014: "0.01", 0.5: "0.5", 1: "1", 4.44: "4.4", 12.6: "13", 1234: "1234"} {
		if got := number(value); got != want {
			t.Errorf("%v is written %q, want %q", value, got, want)
		}
	}
}

func TestAPageIsFilledBetweenItsMarks(t *testing.T) {
	t.Parallel()
	const page = "# Page\n<!-- figures: keys -->\nold\n<!-- end -->\nand\n<!-- figures: readme -->\n<!-- end -->\nend\n"
	got, err := filledIn(page, map[string]string{"keys": "new\n", "readme": "short\n"})
	want := "# Page\n<!-- figures: keys -->\nnew\n<!-- end -->\nand\n<!-- figures: readme -->\nshort\n<!-- end -->\nend\n"
	if err != nil || got != want {
		t.Errorf("the page is\n%s%v\nwant\n%s", got, err, want)
	}
	for _, bad := range []string{"<!-- figures: coffee -->\n<!-- end -->\n", "<!-- figures: keys -->\n"} {
		if got, err := filledIn(bad, map[string]string{"keys": ""}); err == nil {
			t.Errorf("%q was filled in as %q, want an error", bad, got)
		}
	}
}

func TestEveryRowHasItsBenchmark(t *testing.T) {
	t.Parallel()
	for folder, names := range benchmarks() {
		for _, name := range names {
			files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				found = found || strings.Contains(string(text), "func "+name+"(b *testing.B)")
			}
			if !found {
				t.Errorf("%s has no %s", folder, name)
			}
		}
	}
}

// The tables of the pages come from one run of this program, with the rows it
// has today: whoever changes one by hand, or the rows, runs it again.
func TestThePagesHaveTheTablesOfOneRun(t *testing.T) {
	t.Parallel()
	texts := make(map[string]string)
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range markNames() {
			if _, rest, found := strings.Cut(string(text), mark+name+" -->\n"); found {
				texts[name], _, _ = strings.Cut(rest, endMark)
			}
		}
	}
	long := make(map[string][]string) // cells by what a row is about
	for _, table := range tables {
		rows := cells(texts[table.name])
		if len(rows) != len(table.rows) {
			t.Errorf("the table %s has %d rows, want %d", table.name, len(rows), len(table.rows))
		}
		for _, r := range table.rows {
			if rows[r.what] == nil {
				t.Errorf("the table %s has no row %q", table.name, r.what)
			}
			if r.readme {
				long[r.what] = rows[r.what]
			}
		}
	}
	short := cells(texts[readmeMark])
	if len(short) != len(long) {
		t.Errorf("the README has %d rows, want %d", len(short), len(long))
	}
	for what, row := range short {
		if want := long[what]; len(row) != 4 || len(want) != 5 || row[0] != want[0] || row[1] != want[2] || row[3] != want[4] {
			t.Errorf("the README says of %q %q, docs/benchmarks.md %q", what, row, want)
		}
	}
	if !regexp.MustCompile(`^Measured on .* with go1\.\d+.*rounds`).MatchString(texts[machineMark]) {
		t.Errorf("docs/benchmarks.md says of the machine %q", texts[machineMark])
	}
}

// cells are those of a table behind the first, by the first.
func cells(table string) map[string][]string {
	rows := make(map[string][]string)
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		if i < 2 {
			continue // headings
		}
		parts := strings.Split(strings.Trim(line, "|"), " | ")
		for n := range parts {
			parts[n] = strings.TrimSpace(parts[n])
		}
		rows[parts[0]] = parts[1:]
	}
	return rows
}
