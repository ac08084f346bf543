package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
)

func TestTheFilesOfThisFolderAreThoseOfTheDefaultNamespace(t *testing.T) {
	t.Parallel()
	files, err := filesFor("kinetrail")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got := read(t, name); got != string(want) {
			t.Errorf("%s is not what the generator writes; go run ./monitoring writes it anew", name)
		}
	}
}

func TestAnotherNamespaceRenamesEveryMetricAndNothingElse(t *testing.T) {
	t.Parallel()
	for namespace, want := range map[string]string{
		"my_service": "sum by (stream_name) (rate(my_service_producer_records_sent_total[5m]))",
		"":           "sum by (stream_name) (rate(producer_records_sent_total[5m]))",
	} {
		files, err := filesFor(namespace)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if bytes.Contains(text, []byte("kinetrail_")) {
				t.Errorf("%s for %q still has a name of the default namespace", name, namespace)
			}
		}
		if rules := string(files["alerts/recording.yaml"]); !strings.Contains(rules, want) {
			t.Errorf("the rules for %q lack %s:\n%s", namespace, want, rules)
		}
		if alerts := string(files["alerts/alerts.yaml"]); !strings.Contains(alerts, "github.com/kinetrail/kinetrail/") {
			t.Errorf("the alerts for %q lead to no runbook of kinetrail's:\n%s", namespace, alerts)
		}
		if got := strings.Contains(string(files["grafana/kinetrail.json"]), "${namespace}"); got != (namespace != "") {
			t.Errorf("the dashboard for %q has the variable: %t", namespace, got)
		}
	}
}

func TestANamespaceThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, namespace := range []string{"my.service", "1st", "a b"} {
		if _, err := filesFor(namespace); err == nil || !strings.Contains(err.Error(), namespace) {
			t.Errorf("namespace %q: %v; want an error that names it", namespace, err)
		}
	}
}

func TestEveryInstrumentIsOnTheDashboard(t *testing.T) {
	t.Parallel()
	queries := strings.Join(newDashboard("kinetrail").queries(), "\n")
	for _, in := range metrics.Catalog() {
		if !regexp.MustCompile(`\$\{namespace\}_` + in.Name + `(_bucket|_sum)?\b`).MatchString(queries) {
			t.Errorf("no panel shows %s", in.Name)
		}
	}
}

func TestLegendsNameLabelsThatTheQueryKeeps(t *testing.T) {
	t.Parallel()
	label := regexp.MustCompile(`\{\{(\w+)\}\}`)
	for _, p := range newDashboard("kinetrail").Panels {
		for _, target := range p.Targets {
			kept := regexp.MustCompile(`by \(([^)]*)\)`).FindStringSubmatch(target.Expr)
			for _, found := range label.FindAllStringSubmatch(target.LegendFormat, -1) {
				if kept != nil && !slices.Contains(strings.Split(kept[1], ", "), found[1]) {
					t.Errorf("%s: the legend %s names %s, which %s does not keep", p.Title, target.LegendFormat, found[1], target.Expr)
				}
			}
		}
	}
}

// What Grafana would object to, or show wrongly.
func TestTheDashboardIsLaidOut(t *testing.T) {
	t.Parallel()
	d := newDashboard("kinetrail")
	ids := make(map[int]bool)
	taken := make(map[[2]int]string)
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s has the id %d, which is 0 or another's", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= gridColumns {
					t.Fatalf("%s lies over %q or outside the grid at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		refs := make(map[string]bool)
		for _, target := range p.Targets {
			if refs[target.RefID] || target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `stream_name=~"$stream"`) {
				t.Errorf("%s: the query %+v repeats its letter, or does not use the variables", p.Title, target)
			}
			refs[target.RefID] = true
		}
		if (p.Type == "row") != (len(p.Targets) == 0) || p.Type != "row" && (p.Description == "" || p.FieldConfig.Defaults.Unit == "") {
			t.Errorf("%s: a %s with %d queries, the description %q", p.Title, p.Type, len(p.Targets), p.Description)
		}
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
	}
	if want := []string{"datasource", "namespace", "stream"}; !slices.Equal(names, want) {
		t.Errorf("the variables are %q; want %q", names, want)
	}
}

func TestTheQueriesAreWrittenAsRules(t *testing.T) {
	t.Parallel()
	rules := queryRules("kinetrail")
	if strings.Contains(rules, "$") {
		t.Errorf("a variable is left in\n%s", rules)
	}
	if got, want := strings.Count(rules, "- record: "), len(newDashboard("kinetrail").queries()); got != want || want == 0 {
		t.Errorf("%d rules for %d queries", got, want)
	}
}
