package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
)

func TestMediansOfRoundsAreTakenPairByPair(t *testing.T) {
	t.Parallel()
	second := func(records int64, cpu time.Duration) result {
		return result{calls: records, records: records, took: time.Second, serverCPU: cpu / 2, clientCPU: cpu / 2}
	}
	round := func(records int64, cpu time.Duration) []result {
		r := second(records, cpu)
		return []result{r, r, r}
	}
	m := &measured{
		kinds: []kind{doingNothing, inMemory},
		ready: map[kind][]time.Duration{doingNothing: {time.Millisecond}, inMemory: {3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond}},
		results: map[kind][][]result{
			doingNothing: {round(1000, time.Second), round(100, time.Second), round(2000, time.Second)},
			inMemory:     {round(900, time.Second), round(80, time.Second), round(1000, time.Second)},
		},
	}
	text := m.tables()
	for _, want := range []string{
		"| `PutRecord` of 100 B | 1000 | 900 | 0.80 | 0.80 | ≥ 0.77 |",
		"| `GetRecords`, pages of 10,000 | 1000 | 900 | 0.80 | 0.80 | ≥ 250000/s |",
		"| kinetrail serve | 2.0 ms | < 20ms |",
		"Calls that failed, of 15240: 0 on a server that does nothing, 0 on kinetrail serve.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the tables lack %q:\n%s", want, text)
		}
	}
}

func TestTheTablesAreWrittenBetweenTheirMarks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# A\n" + mark + "old\n" + endMark + "after\n")
	if err := fill(file, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if want := "# A\n" + mark + "new\n" + endMark + "after\n"; err != nil || string(got) != want {
		t.Errorf("the page is %q, %v; want %q", got, err, want)
	}
	write("# A\n" + mark)
	if err := fill(file, "new\n"); err == nil {
		t.Error("a page without an end mark was filled; want an error")
	}
}

func TestEveryWorkloadRunsOnBothServers(t *testing.T) {
	t.Parallel()
	local := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{stream: shards} })
	input, stop := io.Pipe()
	url, said := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- nothing(input, said) }()
	line, err := bufio.NewReader(url).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{local.URL(), strings.TrimSpace(line)} {
		if err := firstAnswer(t.Context(), at); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		m := &measured{options: options{length: 50 * time.Millisecond, clients: 2}}
		s := &server{url: at, pid: os.Getpid()}
		for _, w := range workloads {
			r, err := m.load(t.Context(), s, w)
			if err != nil || r.records < r.calls {
				t.Errorf("%s on %s: %+v, %v; want a record a call at least", w.name, at, r, err)
			}
		}
	}
	_ = stop.Close()
	if err := <-done; err != nil {
		t.Errorf("the server that does nothing ended with %v", err)
	}
}
