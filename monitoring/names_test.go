package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
)

func TestEveryNameAndLabelInTheQueriesIsInTheCatalogue(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"alerts/alerts.yaml", "alerts/recording.yaml", "tests/alerts.yaml", "tests/recording.yaml"} {
		for _, wrong := range checkQuery(read(t, file), "kinetrail_") {
			t.Errorf("%s: %s", file, wrong)
		}
	}
	for _, query := range newDashboard("kinetrail").queries() {
		for _, wrong := range checkQuery(query, "${namespace}_") {
			t.Errorf("the dashboard's query %s: %s", query, wrong)
		}
	}
}

func TestWhatTheCatalogueLacksIsFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ query, want string }{
		{`rate(kinetrail_producer_records_put_total[5m])`, "kinetrail_producer_records_put_total is no metric"},
		{`rate(kinetrail_producer_records_sent[5m])`, "kinetrail_producer_records_sent is no metric"},
		{`kinetrail_producer_records_sent_total_bucket`, "is no metric"},
		{`kinetrail_producer_batch_size`, "kinetrail_producer_batch_size is a histogram"},
		{`kinetrail_producer_records_sent_total{shard_id="x"}`, "producer_records_sent_total has no label shard_id"},
		{`kinetrail_producer_records_sent_total{stream_name="x", shard="y"}`, "producer_records_sent_total has no label shard"},
		{`sum by (stream_name, shard_id) (rate(kinetrail_producer_records_sent_total[5m]))`, "producer_records_sent_total has no label shard_id"},
		{`summary: "{{ $labels.stream }}"`, "no metric has the label stream"},
	} {
		if got := checkQuery(tt.query, "kinetrail_"); len(got) == 0 || !strings.Contains(strings.Join(got, "; "), tt.want) {
			t.Errorf("checking %s finds %q; want %q", tt.query, got, tt.want)
		}
	}
	if got := checkQuery(`sum by (stream_name, le) (rate(kinetrail_producer_batch_size_bucket{stream_name=~"x"}[5m]))`, "kinetrail_"); len(got) > 0 {
		t.Errorf("checking a good query finds %q; want nothing", got)
	}
}

var (
	grouping = regexp.MustCompile(`by \(([^)]*)\) \(`)
	template = regexp.MustCompile(`\{\{\s*\$labels\.(\w+)\s*\}\}`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!=|!~|=)`)
)

// scraped are the labels that Prometheus adds, and that of buckets.
var scraped = []string{"instance", "job", "le"}

// checkQuery finds names and labels in PromQL, or in YAML with it, that are not
// in the catalogue. Names of recording rules stand behind a colon.
func checkQuery(text, prefix string) (wrong []string) {
	name := regexp.MustCompile(`(:?)` + regexp.QuoteMeta(prefix) + `(\w+)(\{[^{}]*\})?`)
	for _, found := range name.FindAllStringSubmatch(text, -1) {
		if found[1] == ":" {
			continue
		}
		in, why := lookUp(found[2])
		if in == nil {
			wrong = append(wrong, prefix+found[2]+" "+why)
			continue
		}
		for _, m := range matcher.FindAllStringSubmatch(found[3], -1) {
			wrong = append(wrong, checkLabel(in, m[1])...)
		}
	}
	for _, at := range grouping.FindAllStringSubmatchIndex(text, -1) {
		labels := strings.Split(text[at[2]:at[3]], ", ")
		first := name.FindStringSubmatch(text[at[1]:])
		if first == nil {
			continue
		}
		if in, _ := lookUp(first[2]); in != nil {
			for _, label := range labels {
				wrong = append(wrong, checkLabel(in, label)...)
			}
		}
	}
	for _, found := range template.FindAllStringSubmatch(text, -1) {
		if !slices.ContainsFunc(metrics.Catalog(), func(in *metrics.Instrument) bool { return slices.Contains(in.Labels, found[1]) }) {
			wrong = append(wrong, "no metric has the label "+found[1])
		}
	}
	return wrong
}

func checkLabel(in *metrics.Instrument, label string) []string {
	if slices.Contains(in.Labels, label) || slices.Contains(scraped, label) {
		return nil
	}
	return []string{in.Name + " has no label " + label}
}

// lookUp finds the instrument of a series, or says why there is none.
func lookUp(series string) (in *metrics.Instrument, why string) {
	for _, in := range metrics.Catalog() {
		switch {
		case in.Kind == metrics.KindHistogram && series == in.Name:
			return nil, "is a histogram, and has no series of that name"
		case in.Kind == metrics.KindHistogram && slices.Contains([]string{in.Name + "_bucket", in.Name + "_sum", in.Name + "_count"}, series),
			in.Kind != metrics.KindHistogram && series == in.Name:
			return in, ""
		}
	}
	return nil, "is no metric of the catalogue"
}

// word is what looks like a metric's name on a page, behind any namespace.
var word = regexp.MustCompile(`\b(?:[a-z]+_)*?((?:producer|consumer|stream|trace)_[a-z_]*[a-z])\b`)

// noMetrics are words like that which are none.
var noMetrics = []string{metrics.LabelStream, "trace_id"}

func TestEveryNameOnThePagesIsInTheCatalogue(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"../docs/metrics.md", "../docs/operations.md"} {
		for _, wrong := range checkPage(read(t, page)) {
			t.Errorf("%s names %s, which is not in the catalogue", page, wrong)
		}
	}
}

func TestAWrongNameOnAPageIsFound(t *testing.T) {
	t.Parallel()
	text := "`my_service_producer_records_put_total` of `stream_name`, not `producer_batch_size` or `producer_batch_size_count`"
	if got, want := checkPage(text), []string{"producer_records_put_total"}; !slices.Equal(got, want) {
		t.Errorf("checking %q finds %q; want %q", text, got, want)
	}
}

func checkPage(text string) (wrong []string) {
	for _, found := range word.FindAllStringSubmatch(text, -1) {
		name := found[1]
		known := slices.ContainsFunc(metrics.Catalog(), func(in *metrics.Instrument) bool { return in.Name == name })
		if in, _ := lookUp(name); !known && in == nil && !slices.Contains(noMetrics, name) {
			wrong = append(wrong, name)
		}
	}
	return wrong
}

func TestEveryAlertHasARunbookAndCasesThatFireAndStayQuiet(t *testing.T) {
	t.Parallel()
	rules, cases, runbooks := read(t, "alerts/alerts.yaml"), read(t, "tests/alerts.yaml"), read(t, "../docs/operations.md")
	alerts := regexp.MustCompile(`(?m)^      - alert: (\w+)$`).FindAllStringSubmatch(rules, -1)
	if len(alerts) == 0 {
		t.Fatal("alerts.yaml has no alert")
	}
	for _, found := range alerts {
		name := found[1]
		if url := "docs/operations.md#" + strings.ToLower(name) + "\n"; !strings.Contains(rules, url) {
			t.Errorf("%s has no runbook_url that ends in %s", name, url)
		}
		if !strings.Contains(runbooks, "\n### "+name+"\n") {
			t.Errorf("docs/operations.md has no section %s", name)
		}
		for _, verb := range []string{"fires", "stays quiet"} {
			if !strings.Contains(cases, fmt.Sprintf("  - name: %s %s ", name, verb)) {
				t.Errorf("tests/alerts.yaml has no case in which %s %s", name, verb)
			}
		}
	}
	if got, want := strings.Count(rules, "\n          summary: "), len(alerts); got != want {
		t.Errorf("alerts.yaml has %d summaries for %d alerts", got, want)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
