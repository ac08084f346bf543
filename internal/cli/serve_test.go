package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestServeGreetsServesAndStopsOnCtrlC(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ready := make(chan struct{})
	stdout := &onLines{counts: map[int]func(){7: func() { close(ready) }}} // the greeting has seven lines
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		args := []string{"serve", "--addr", "127.0.0.1:0", "--stream", "orders:2", "--fault", "ListStreams error=AccessDeniedException"}
		done <- Run(ctx, args, strings.NewReader(""), stdout, &stderr, noVariables)
	}()
	<-ready
	greeting := stdout.text.String()
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(greeting)
	golden(t, "serve.txt", strings.ReplaceAll(greeting, url, "URL"))

	flags := []string{"--local", "--endpoint-url", url}
	if got := succeed(t, with(flags, "put", "orders", "hello", "-o", "tsv")...); !strings.HasPrefix(got, "shardId-00000000000") {
		t.Errorf("put on the served stream printed %q; want its shard", got)
	}
	if got := run(t, "", with(flags, "list")...); got.code != exitFailure || !strings.Contains(got.stderr, "(AccessDeniedException)") {
		t.Errorf("list under the fault rule: %+v; want AccessDeniedException", got)
	}

	interrupt()
	if code := <-done; code != exitInterrupted || stderr.String() != "kinetrail: the server has stopped\n" {
		t.Errorf("serve: exit code %d, stderr %q; want %d and that it has stopped", code, stderr.String(), exitInterrupted)
	}
}

func TestServeGoesOnWithItsDataDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first := startServe(t, "--data-dir", dir, "--stream", "orders:2")
	if !strings.Contains(first.greeting, "It keeps everything in "+dir+" and takes any credentials.") {
		t.Errorf("the greeting does not say where everything is kept:\n%s", first.greeting)
	}
	succeed(t, first.flags("put", "orders", "hello", "-k", "key")...)

	busy := run(t, "", "serve", "--addr", "127.0.0.1:0", "--data-dir", dir)
	want := fmt.Sprintf("kinetrail: data directory %s is in use by process %d\nStop it, or take another directory with --data-dir.\n", dir, os.Getpid())
	if busy.code != exitFailure || busy.stderr != want {
		t.Errorf("serve on a directory in use: exit code %d, stderr %q; want %d, %q", busy.code, busy.stderr, exitFailure, want)
	}
	first.stop()

	second := startServe(t, "--data-dir", dir, "--stream", "orders:2", "--fsync")
	if got := succeed(t, second.flags("tail", "orders", "--from", "trim-horizon", "-n", "1", "-o", "json")...); !strings.Contains(got, `"data":"hello"`) {
		t.Errorf("tail after the restart printed %q; want the record of before", got)
	}
	second.stop()

	// The end of a write that was not finished: too short for anything.
	control := filepath.Join(dir, "control.log")
	appendTo(t, control, "torn")
	third := startServe(t, "--data-dir", dir)
	third.stop()
	if got := third.stderr.String(); !strings.Contains(got, control+": 4 bytes of an unfinished write were cut off at offset") {
		t.Errorf("serve after a torn write said %q; want what was cut off", got)
	}

	appendTo(t, control, "this is not what kinetrail writes")
	damaged := run(t, "", "serve", "--addr", "127.0.0.1:0", "--data-dir", dir)
	if damaged.code != exitFailure || !strings.Contains(damaged.stderr, "kinetrail: "+control+" is damaged at offset ") || !strings.Contains(damaged.stderr, "\nNothing was changed.") {
		t.Errorf("serve on a damaged directory: exit code %d, stderr %q; want %d and what is damaged", damaged.code, damaged.stderr, exitFailure)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// served is a serve that is running.
type served struct {
	t         *testing.T
	greeting  string
	url       string
	stderr    bytes.Buffer
	interrupt context.CancelFunc
	done      chan int
}

func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	s := &served{t: t, interrupt: interrupt, done: make(chan int, 1)}
	ready := make(chan struct{})
	lines := 6 // of the greeting, and one for each stream
	for _, arg := range args {
		if arg == "--stream" {
			lines++
		}
	}
	stdout := &onLines{counts: map[int]func(){lines: func() { close(ready) }}}
	go func() {
		s.done <- Run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), strings.NewReader(""), stdout, &s.stderr, noVariables)
	}()
	select {
	case <-ready:
	case code := <-s.done:
		t.Fatalf("serve ended with exit code %d: %s", code, s.stderr.String())
	}
	s.greeting = stdout.text.String()
	s.url = regexp.MustCompile(`https?://127\.0\.0\.1:\d+`).FindString(s.greeting)
	return s
}

// flags are the arguments of a command for this server.
func (s *served) flags(args ...string) []string {
	return with([]string{"--local", "--endpoint-url", s.url}, args...)
}

func (s *served) stop() {
	s.t.Helper()
	s.interrupt()
	if code := <-s.done; code != exitInterrupted {
		s.t.Errorf("serve ended with exit code %d: %s; want %d", code, s.stderr.String(), exitInterrupted)
	}
}
