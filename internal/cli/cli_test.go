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
	golden(t, "help_help.txt", succeed(t, "help", "--help"))
}

func TestHelpSaysWhichKinesisOnlyOfCommandsThatAskOne(t *testing.T) {
	t.Parallel()
	a := &app{}
	for _, cmd := range a.commands() {
		help := succeed(t, cmd.Name(), "--help")
		if got, want := strings.Contains(help, "--endpoint-url URL"), asksKinesis(cmd); got != want {
			t.Errorf("the help of %s names --endpoint-url: %t; want %t", cmd.Name(), got, want)
		}
		own, _, _ := strings.Cut(help, "Which Kinesis")
		if strings.Contains(own, "--endpoint-url URL ") {
			t.Errorf("the help of %s has --endpoint-url among its own flags:\n%s", cmd.Name(), help)
		}
	}
}

func TestCompletionWritesAScriptForEveryShell(t *testing.T) {
	t.Parallel()
	for shell, begin := range map[string]string{"bash": "# bash completion", "zsh": "#compdef kinetrail", "fish": "# fish completion", "powershell": "# powershell completion"} {
		if got := succeed(t, "completion", shell); !strings.HasPrefix(got, begin) {
			t.Errorf("kinetrail completion %s begins with %q; want %q", shell, got[:min(len(got), 40)], begin)
		}
	}
	const want = "kinetrail: \"tcsh\": it takes bash, zsh, fish or powershell\nRun \"kinetrail completion --help\" for how to use it.\n"
	if got := run(t, "", "completion", "tcsh"); got != (ran{code: exitUsage, stderr: want}) {
		t.Errorf("kinetrail completion tcsh: %+v; want exit code 2 and %q", got, want)
	}
	if got, want := run(t, "", "__completeNoDesc", "put", "--carrier", "").stdout, "off\nlossless\ntraceparent\nheaders\npartition-key\n:4\n"; got != want {
		t.Errorf("the carriers a shell completes are %q; want %q", got, want)
	}
}
