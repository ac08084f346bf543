package metrics_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
)

var update = flag.Bool("update", false, "write the table of docs/metrics.md anew")

// The table of docs/metrics.md stands between these lines.
const (
	tableBegins = "<!-- The table is written by: go test ./metrics -run Page -update -->\n"
	tableEnds   = "<!-- The table ends. -->\n"
)

func TestTheTableOfThePageIsTheCatalogue(t *testing.T) {
	t.Parallel()
	const page = "../docs/metrics.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), tableBegins)
	got, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s lacks the lines around the table", page)
	}
	want := "\n" + pageTable() + "\n"
	if *update {
		if err := os.WriteFile(page, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("the table of %s is\n%s\nwant\n%s\n-update writes it anew", page, got, want)
	}
}

// pageTable is the catalogue in Markdown.
func pageTable() string {
	var table strings.Builder
	table.WriteString("| name | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, in := range metrics.Catalog() {
		help := in.Help
		if len(in.Buckets) > 0 {
			help += fmt.Sprintf(" Buckets: %s.", strings.Trim(fmt.Sprint(in.Buckets), "[]"))
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", in.Name, in.Kind, strings.Join(in.Labels, ", "), help)
	}
	return table.String()
}
