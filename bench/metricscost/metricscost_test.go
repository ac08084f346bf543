package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/bench/nullkinesis"
)

func TestEveryWorkloadTakesItsSampleInEveryState(t *testing.T) {
	t.Parallel()
	server, err := nullkinesis.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, w := range workloads() {
		for _, state := range states {
			t.Run(key(w.name, state), func(t *testing.T) {
				t.Parallel()
				s, err := sampleOf(t.Context(), w.name, state, server.URL(), 4000)
				if err != nil {
					t.Fatal(err)
				}
				if s.Records < 500 || s.CPU <= 0 || s.Workload != w.name || s.State != state {
					t.Errorf("the sample is %+v; want some hundred records of %s, %s, and their time", s, w.name, state)
				}
			})
		}
	}
}

// What is measured without the calls is the same program but for them.
func TestTheBuildWithoutTheCallsTakesSamplesToo(t *testing.T) {
	t.Parallel()
	program, err := buildWithout(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := nullkinesis.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, w := range []string{"Put100", "Handle100"} {
		if s, err := sampleIn(t.Context(), program, w, without, server.URL(), 1000); err != nil || s.Records < 1000 {
			t.Errorf("%s without the calls = %+v, %v; want 1000 records", w, s, err)
		}
	}
}

func TestMethodsWithoutResultsReturnAtOnce(t *testing.T) {
	t.Parallel()
	source := "package p\n\nfunc (m *meter) put() {\n\tm.n++\n}\n\nfunc (m *meter) n() int { return m.n }\n\nfunc (o *other) put() { o.n++ }\n"
	want := "package p\n\nfunc (m *meter) put() { return; \n\tm.n++\n}\n\nfunc (m *meter) n() int { return m.n }\n\nfunc (o *other) put() { o.n++ }\n"
	if got, err := returnAtOnce([]byte(source), []string{"meter"}); err != nil || string(got) != want {
		t.Errorf("returnAtOnce = %q, %v; want %q", got, err, want)
	}
	if _, err := returnAtOnce([]byte(source), []string{"gauge"}); err == nil {
		t.Error("returnAtOnce of a type that is not there = nil; want an error")
	}
}

func TestWhatBenchstatSaysIsRead(t *testing.T) {
	t.Parallel()
	got, err := parse(",off,,Prometheus,,,\n,sec/op,CI,sec/op,CI,vs base,P\nPut100,4.5e-07,2%,4.7e-07,1%,+4.44%,p=0.001 n=12\ngeomean,1,,1,,+1%,\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]figure{
		"Put100/off":        {median: 4.5e-07, interval: "2%"},
		"Put100/Prometheus": {median: 4.7e-07, interval: "1%", difference: "+4.44%", p: "p=0.001 n=12"},
	} {
		if got[name] != want {
			t.Errorf("%s is %+v; want %+v", name, got[name], want)
		}
	}
	if _, err := parse("nothing\n"); err == nil {
		t.Error("parse of a text without figures = nil; want an error")
	}
}

func TestAVerdictNeedsASignificantDifference(t *testing.T) {
	t.Parallel()
	w := workload{aim: 5}
	for _, tt := range []struct {
		after figure
		want  string
	}{
		{figure{median: 1.04, difference: "+4.00%"}, "≤ 5 %"},
		{figure{median: 1.06, difference: "+6.00%"}, "≤ 5 % (missed)"},
		{figure{median: 1.06, difference: "~"}, "≤ 5 %"},
	} {
		if got := w.verdict(1, tt.after); got != tt.want {
			t.Errorf("verdict of %+v = %q; want %q", tt.after, got, tt.want)
		}
	}
}

func TestTheTableGoesBetweenItsMarks(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "page.md")
	for _, text := range []string{"before\n" + tableBegins + "\nold\n\n" + tableEnds + "after\n"} {
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := fill(page, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(page)
	if want := "before\n" + tableBegins + "\nnew\n\n" + tableEnds + "after\n"; err != nil || string(got) != want {
		t.Errorf("the page is %q, %v; want %q", got, err, want)
	}
	if err := os.WriteFile(page, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fill(page, "new\n"); err == nil || !strings.Contains(err.Error(), "no place") {
		t.Errorf("a page without marks: %v; want an error that says so", err)
	}
}
