// Command monitoring writes a Grafana dashboard and Prometheus rules for
// kinetrail's metrics under any namespace:
//
//	go run ./monitoring -namespace my_service -to /etc/prometheus/kinetrail
//
//	dashboard.go ─► namespace ─► grafana/kinetrail.json
//	alerts/*.yaml ─► namespace ─► alerts/*.yaml
//
// Without flags it writes the dashboard of this folder anew, from dashboard.go.
// The rules of this folder are written by hand, for the default namespace.
package main

import (
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kinetrail/kinetrail/metrics/promsink"
)

//go:embed alerts/*.yaml
var rules embed.FS

func main() {
	namespace := flag.String("namespace", promsink.DefaultNamespace, "namespace of the metrics, as given to promsink; empty for none")
	to := flag.String("to", "monitoring", "folder to write to")
	queries := flag.Bool("queries", false, "print the queries of the dashboard as recording rules, for promtool check rules, and write nothing")
	flag.Parse()
	if *queries {
		fmt.Print(queryRules(*namespace))
		return
	}
	if err := write(*namespace, *to); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write writes every file for one namespace.
func write(namespace, to string) error {
	files, err := filesFor(namespace)
	if err != nil {
		return err
	}
	for name, text := range files {
		file := filepath.Join(to, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// filesFor are the dashboard and the rules, by their paths in this folder.
func filesFor(namespace string) (map[string][]byte, error) {
	if !namespaceFits.MatchString(namespace) {
		return nil, fmt.Errorf("namespace %q: it takes letters, digits and underscores and does not begin with a digit", namespace)
	}
	dashboard, err := json.MarshalIndent(newDashboard(namespace), "", "  ")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"grafana/kinetrail.json": append(dashboard, '\n')}
	entries, err := rules.ReadDir("alerts")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := "alerts/" + entry.Name()
		text, err := rules.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files[name] = rename(text, namespace)
	}
	return files, nil
}

var (
	namespaceFits = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)?$`)
	ownNames      = regexp.MustCompile(`\b` + promsink.DefaultNamespace + `_`)
)

// rename gives the metrics of a text another namespace.
func rename(text []byte, namespace string) []byte {
	return ownNames.ReplaceAllLiteral(text, []byte(prefix(namespace)))
}

// prefix stands before the names of a namespace.
func prefix(namespace string) string {
	if namespace == "" {
		return ""
	}
	return namespace + "_"
}

// queryRules are the dashboard's queries with their variables filled in.
func queryRules(namespace string) string {
	var b strings.Builder
	b.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, query := range newDashboard(namespace).queries() {
		query = strings.NewReplacer("${namespace}", namespace, "$stream", "orders").Replace(query)
		fmt.Fprintf(&b, "      - record: query:%d\n        expr: %q\n", i, query)
	}
	return b.String()
}
