package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/bench/nullkinesis"
)

func TestEveryClientDoesItsWork(t *testing.T) {
	t.Parallel()
	server, err := nullkinesis.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, w := range workloads() {
		for _, c := range w.clients {
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				s, err := measure(t.Context(), &w, c, server.URL(), 2000/float64(w.records), "")
				if err != nil {
					t.Fatal(err)
				}
				if s.Records < 2000 || s.CPU <= 0 || s.Wall <= 0 {
					t.Errorf("the sample is %+v, want 2000 records or more, and times above 0", *s)
				}
			})
		}
	}
}

func TestEveryComparisonIsOfKnownClients(t *testing.T) {
	t.Parallel()
	for _, c := range comparisons() {
		for _, client := range []string{c.ours, c.theirs} {
			if _, _, err := find(c.workload, client); err != nil {
				t.Errorf("%s: %v", c.title, err)
			}
		}
	}
}

// someSamples are two rounds of two clients.
func someSamples() []sample {
	var samples []sample
	for round := range 2 {
		for _, s := range []sample{{Client: "sdk", CPU: 1000 * time.Millisecond}, {Client: "byshard", CPU: 500 * time.Millisecond}} {
			s.Workload, s.Records, s.Wall = "put-100", 1_000_000, time.Second
			s.CPU += time.Duration(round) * 100 * time.Millisecond
			samples = append(samples, s)
		}
	}
	return samples
}

func TestReportComparesMedians(t *testing.T) {
	t.Parallel()
	r := newReport(someSamples(), 2, time.Unix(0, 0))
	want := "| 100 B ByShard, PerKey, against the plain SDK | 1.91× | 1.6× | 2.5× |\n"
	if got := r.comparisons(); !strings.Contains(got, want) {
		t.Errorf("comparisons =\n%s\nwant the line\n%s", got, want)
	}
	if got, want := r.tsv(), "put-100\tsdk\t1000000\t1.050\t1.000\t1.100\t"; !strings.Contains(got, want) {
		t.Errorf("table =\n%s\nwant the line\n%s…", got, want)
	}
}

func TestAComparisonThatMissesSaysSo(t *testing.T) {
	t.Parallel()
	c := comparison{timesAtLeast: 2, timesAim: 3}
	if got, want := c.judge(1, 1.5), "1.50× (missed) | 2.0× | 3.0×"; got != want {
		t.Errorf("judge = %q, want %q", got, want)
	}
}

func TestReportIsWrittenIntoItsPartsOfThePage(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	page := filepath.Join(folder, "page.md")
	parts := "before\n<!-- bench:about -->\nold\n<!-- /bench:about -->\nbetween\n<!-- bench:comparisons -->\n<!-- /bench:comparisons -->\n<!-- bench:measurements -->\n<!-- /bench:measurements -->\nafter\n"
	if err := os.WriteFile(page, []byte(parts), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newReport(someSamples(), 2, time.Unix(0, 0)).write(folder, page); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n", "between\n", "after\n", "1970-01-01", "| 1.91× |", "| put-100 | byshard |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page is\n%s\nwant it to contain %q", text, want)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("the page still has its old part:\n%s", text)
	}
	for _, file := range []string{"clients.tsv", "clients.svg"} {
		if info, err := os.Stat(filepath.Join(folder, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, want it written", file, err)
		}
	}
}
