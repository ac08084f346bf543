package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// TestMain lets this test binary be the program, so that a test can send it
// signals.
func TestMain(m *testing.M) {
	if os.Getenv("BE_KINETRAIL") != "" {
		main()
	}
	os.Exit(m.Run())
}

func kinetrail(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "BE_KINETRAIL=1")
	return cmd
}

func TestCtrlCLetsPutFinishAndSaysHowManyRecordsWereAccepted(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	put := kinetrail(t.Context(), "--local", "--endpoint-url", server.URL(), "put", "orders", "-k", "user-1")
	stdin, err := put.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := put.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	put.Stderr = &stderr
	if err := put.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "one\ntwo\n"); err != nil { // and no more for now
		t.Fatal(err)
	}
	printed := bufio.NewScanner(stdout)
	for range 2 {
		if !printed.Scan() {
			t.Fatal("put ended before it had printed two lines")
		}
	}
	if err := put.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := put.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("put ended with %v; want exit code 130", err)
	}
	const want = "kinetrail: interrupted: 2 records were accepted and are in the stream\n"
	if stderr.String() != want {
		t.Errorf("stderr holds %q; want %q", stderr.String(), want)
	}
	records, err := server.Records("orders", "")
	if err != nil || len(records) != 2 {
		t.Errorf("the stream holds %d records (%v); want 2", len(records), err)
	}
}

func TestTheProgramPrintsItsHelpAndEndsWithTheExitCode(t *testing.T) {
	t.Parallel()
	out, err := kinetrail(t.Context()).Output()
	if err != nil || !strings.Contains(string(out), "kinetrail COMMAND [flags]") {
		t.Errorf("kinetrail ended with %v and printed %q; want its help", err, out)
	}
	var exit *exec.ExitError
	if err := kinetrail(t.Context(), "nosuch").Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("kinetrail nosuch ended with %v; want exit code 2", err)
	}
}
