package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// report is what came of a program, or of many.
type report struct {
	mu         sync.Mutex
	programs   int
	records    int // put
	crashes    int
	duplicates map[ending]int // by what explains them
	counts     map[string]int // of everything that happened
	violations []string
	excerpt    []string // of the journal, before the first violation
}

func newReport() *report {
	return &report{duplicates: make(map[ending]int), counts: make(map[string]int)}
}

func (r *report) count(what string) { r.countN(what, 1) }

func (r *report) countN(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.counts[what] += n
}

func (r *report) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}

// add adds what came of another program. A long run tells how far it is.
func (r *report) add(t *testing.T, o *report) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()

	defer func() {
		if r.programs%100 == 0 {
			t.Logf("%d programs, %d crashes so far", r.programs, r.crashes)
		}
	}()

	r.programs, r.records, r.crashes = r.programs+o.programs, r.records+o.records, r.crashes+o.crashes
	for why, n := range o.duplicates {
		r.duplicates[why] += n
	}
	for what, n := range o.counts {
		r.counts[what] += n
	}
}

// demand fails the test when fewer things happened than n programs hold.
func (r *report) demand(t *testing.T, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()

	reshards := 0
	for _, a := range []action{split, merge, scale} {
		reshards += r.counts["reshard: "+string(a)]
	}
	if !t.Failed() && (r.programs < n || r.records < n*leastRecords || r.crashes < n || reshards < n) {
		t.Errorf("%d programs with %d records, %d crashes and %d reshards; want at least %d, %d each, one and one",
			r.programs, r.records, r.crashes, reshards, n, leastRecords)
	}
}

// String is the report in words.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d programs, %d records put, %d crashes\n", r.programs, r.records, r.crashes)
	b.WriteString("handled again, and why:\n")
	for _, why := range slices.Sorted(maps.Keys(r.duplicates)) {
		fmt.Fprintf(&b, "%9d  %s\n", r.duplicates[why], why)
	}
	b.WriteString("what happened:\n")
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		fmt.Fprintf(&b, "%9d  %s\n", r.counts[what], what)
	}
	return b.String()
}

// verdict is the violations of a program, a few of them.
func (r *report) verdict() string {
	const most = 12
	text := strings.Join(r.violations[:min(most, len(r.violations))], "\n")
	if more := len(r.violations) - most; more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	if r.excerpt != nil {
		text += "\nwhat led to the first:\n" + strings.Join(r.excerpt, "\n")
	}
	return text
}
