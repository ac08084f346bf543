package docs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

// page is where the readers for programs without kinetrail stand.
const page = "../../docs/tracing.md"

// require names the languages that have to be there, separated by commas.
const require = "KINETRAIL_REQUIRE"

// language says how a reader in one language is run: the folder testdata/name
// has the rest of its program.
type language struct {
	name     string
	file     string     // what the snippet is saved as
	head     string     // what it does not show
	commands [][]string // the last one runs it
}

var languages = []language{
	{"go", "reader.go", "package main\n\n", [][]string{{"go", "run", "main.go", "reader.go"}}},
	{"python", "reader.py", "", [][]string{{"python3", "main.py"}}},
	{"node", "reader.mjs", "", [][]string{{"node", "main.mjs"}}},
	{"java", "ReadKey.java", "", [][]string{{"javac", "-d", ".", "Main.java", "ReadKey.java"}, {"java", "-cp", ".", "Main"}}},
}

func TestTheReadersOnTheTracingPageReadEveryVector(t *testing.T) {
	t.Parallel()
	all := append(vectors(t, "../../tracecarrier/testdata/carrier_vectors.json"), vectors(t, "testdata/escape_vectors.json")...)
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			reader := snippet(t, l.name)
			if missing := l.missing(); missing != "" {
				if l.name == "go" || slices.Contains(required(), l.name) {
					t.Fatalf("the reader in %s cannot be run: %s is not on the PATH", l.name, missing)
				}
				t.Logf("the reader in %s was not run, because %s is not on the PATH; %s=%s makes this a failure", l.name, missing, require, l.name)
				return
			}
			found := l.run(t, reader, all)
			for i, v := range all {
				if want := v.found(); !reflect.DeepEqual(found[i], want) {
					t.Errorf("%s: the key %q\n reads as %q\nwant     %q", v.Name, v.StoredKey, found[i], want)
				}
			}
		})
	}
}

func TestTheRequiredLanguagesAreThoseThatAreRun(t *testing.T) {
	t.Parallel()
	for _, name := range required() {
		if name != "sh" && !slices.ContainsFunc(languages, func(l language) bool { return l.name == name }) {
			t.Errorf("%s names %q, which nothing is run by", require, name)
		}
	}
}

// The vectors of this folder say what tracecarrier does.
func TestTheVectorsOfEscapesHoldForTracecarrier(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "testdata/escape_vectors.json") {
		r := tracecarrier.Read(v.StoredKey)
		got := make(map[string]string)
		for name, value := range map[string]string{"traceparent": r.Trace.Parent, "tracestate": r.Trace.State, "baggage": r.Trace.Baggage} {
			if value != "" {
				got[name] = value
			}
		}
		if r.OriginalKeyKnown {
			got["key"] = r.PartitionKey
		}
		if want := v.found(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the key %q\n reads as %q\nwant     %q", v.Name, v.StoredKey, got, want)
		}
	}
}

// vector is a stored key and what is in it.
type vector struct {
	Name      string `json:"name"`
	StoredKey string `json:"stored_key"`
	Want      struct {
		Traceparent      *string `json:"traceparent"`
		Tracestate       *string `json:"tracestate"`
		Baggage          *string `json:"baggage"`
		PartitionKey     string  `json:"partition_key"`
		OriginalKeyKnown bool    `json:"original_key_known"`
	} `json:"want"`
}

func vectors(t *testing.T, file string) []vector {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Read []vector `json:"read"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(document.Read) == 0 {
		t.Fatalf("%s has no vectors", file)
	}
	return document.Read
}

// found is what a reader finds: the trace headers by name, and the key under
// "key" when it is known.
func (v vector) found() map[string]string {
	found := make(map[string]string)
	for name, value := range map[string]*string{"traceparent": v.Want.Traceparent, "tracestate": v.Want.Tracestate, "baggage": v.Want.Baggage} {
		if value != nil {
			found[name] = *value
		}
	}
	if v.Want.OriginalKeyKnown {
		found["key"] = v.Want.PartitionKey
	}
	return found
}

// snippet is the block of the page behind the mark of this name.
func snippet(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	mark := fmt.Sprintf("<!-- snippet: %s -->\n```", name)
	if n := strings.Count(string(text), mark); n != 1 {
		t.Fatalf("%s has %d blocks behind the mark of %s, want 1", page, n, name)
	}
	_, block, _ := strings.Cut(string(text), mark)
	_, block, _ = strings.Cut(block, "\n") // the name of the language
	block, _, closed := strings.Cut(block, "\n```\n")
	if !closed {
		t.Fatalf("%s: the block of %s has no end", page, name)
	}
	return block + "\n"
}

// required are the languages that have to be there.
func required() []string {
	return strings.FieldsFunc(os.Getenv(require), func(r rune) bool { return r == ',' || r == ' ' })
}

// missing is the first program of the language that is not there, empty when
// all are.
func (l language) missing() string {
	for _, command := range l.commands {
		if _, err := exec.LookPath(command[0]); err != nil {
			return command[0]
		}
	}
	return ""
}

// run returns what the reader finds in the key of each vector.
func (l language) run(t *testing.T, reader string, all []vector) []map[string]string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", l.name))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, l.file), []byte(l.head+reader), 0o600); err != nil {
		t.Fatal(err)
	}
	var keys, lines bytes.Buffer
	for _, v := range all {
		fmt.Fprintln(&keys, base64.StdEncoding.EncodeToString([]byte(v.StoredKey)))
	}
	for _, command := range l.commands {
		lines.Reset()
		var complaints bytes.Buffer
		c := exec.CommandContext(t.Context(), command[0], command[1:]...)
		c.Dir, c.Stdin, c.Stdout, c.Stderr = folder, bytes.NewReader(keys.Bytes()), &lines, &complaints
		// The programs stand alone: no workspace, no flags, no network.
		c.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOPROXY=off", "GOTOOLCHAIN=local")
		if err := c.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, complaints.Bytes())
		}
	}
	return parse(t, lines.String(), len(all))
}

// parse reads what a program wrote: a line for each key, of name:base64.
func parse(t *testing.T, output string, keys int) []map[string]string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(output, "\r\n", "\n"), "\n"), "\n")
	if len(lines) != keys {
		t.Fatalf("the program wrote %d lines for %d keys:\n%s", len(lines), keys, output)
	}
	all := make([]map[string]string, keys)
	for i, line := range lines {
		all[i] = make(map[string]string)
		for _, field := range strings.Fields(line) {
			name, value, _ := strings.Cut(field, ":")
			text, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatalf("line %d of the program is %q: %v", i+1, line, err)
			}
			all[i][name] = string(text)
		}
	}
	return all
}
