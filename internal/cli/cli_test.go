package cli

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files under testdata anew")

// ran is what one run of the program left behind.
type ran struct {
	code           int
	stdout, stderr string
}

// run runs the program in this process, without variables of its own.
func run(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	return runWith(t.Context(), stdin, nil, args...)
}

func runWith(ctx context.Context, stdin string, env map[string]string, args ...string) ran {
	var stdout, stderr bytes.Buffer
	lookup := func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
	code := Run(ctx, args, strings.NewReader(stdin), &stdout, &stderr, lookup)
	return ran{code: code, stdout: stdout.String(), stderr: stderr.String()}
}

func noVariables(string) (string, bool) { return "", false }

// succeed is run for a command that must work; it returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	got := run(t, "", args...)
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("kinetrail %s: exit code %d, stderr %q; want 0 and silence", strings.Join(args, " "), got.code, got.stderr)
	}
	return got.stdout
}

// golden compares text with a file under testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./internal/cli -update writes it anew)\n--- got\n%s--- want\n%s", path, got, want)
	}
}

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	t.Parallel()
	a := &app{}
	for _, cmd := range a.commands() {
		t.Run(cmd.Name(), func(t *testing.T) {
			t.Parallel()
			help := succeed(t, cmd.Name(), "--help")
			if !strings.Contains(help, "Examples:\n  ") {
				t.Errorf("kinetrail %s --help has no examples:\n%s", cmd.Name(), help)
			}
			golden(t, "help_"+cmd.Name()+".txt", help)
			for _, part := range cmd.Commands() {
				help := succeed(t, cmd.Name(), part.Name(), "--help")
				if !strings.Contains(help, "Examples:\n  ") {
					t.Errorf("kinetrail %s %s --help has no examples:\n%s", cmd.Name(), part.Name(), help)
				}
				golden(t, "help_"+cmd.Name()+"_"+part.Name()+".txt", help)
			}
		})
	}
	golden(t, "help.txt", succeed(t, "--help"))
}
