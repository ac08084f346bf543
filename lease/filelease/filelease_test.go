package filelease_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/filelease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
)

// TestMain lets the test binary be one of several processes on a file.
func TestMain(m *testing.M) {
	if path := os.Getenv("FILELEASE_TEST_WORKER"); path != "" {
		work(path, os.Getenv("FILELEASE_TEST_NAME"))
		return
	}
	os.Exit(m.Run())
}

func open(t testing.TB, path string) *filelease.Store {
	t.Helper()
	s, err := filelease.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, filelease.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestStoreKeepsEveryPromiseOfALeaseStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leasetest.Run(t, leasetest.Harness{Open: func(t *testing.T, group string) lease.Store {
		return open(t, filepath.Join(dir, group+".leases"))
	}})
}

func create(t testing.TB, s lease.Store, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := s.Create(t.Context(), lease.Lease{Key: key, ShardID: key, Checkpoint: kinetrail.TrimHorizon()}); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t testing.TB, s lease.Store) map[string]lease.Lease {
	t.Helper()
	leases, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]lease.Lease)
	for _, l := range leases {
		rows[l.Key] = l
	}
	return rows
}

func TestLeasesSurviveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orders.leases")
	s := open(t, path)
	create(t, s, "a", "b")
	held, err := s.Take(t.Context(), list(t, s)["a"], "w")
	if err != nil {
		t.Fatal(err)
	}
	if held, err = s.Checkpoint(t.Context(), held, kinetrail.At("41", 3)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path)
	if got := list(t, again)["a"]; got.Checkpoint != held.Checkpoint || got.Counter != held.Counter || got.Owner != "w" || len(list(t, again)) != 2 {
		t.Errorf("after a restart %+v; want %+v", got, held)
	}
	if again.Group() != "orders" {
		t.Errorf("group %q; want orders", again.Group())
	}
	if _, err := s.List(t.Context()); !errors.Is(err, filelease.ErrClosed) {
		t.Errorf("List after Close: %v; want ErrClosed", err)
	}
}

func TestALastLineCutOffByACrashIsDropped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orders.leases")
	create(t, open(t, path), "a", "b")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lastLine := strings.LastIndexByte(strings.TrimSuffix(string(whole), "\n"), '\n') + 1
	for cut := 0; cut < len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := filelease.Open(path)
		if err != nil {
			t.Fatalf("Open with %d of %d bytes: %v; want no error", cut, len(whole), err)
		}
		if n := len(list(t, s)); cut >= lastLine && n != 1 {
			t.Errorf("%d leases with %d of %d bytes; want the whole line alone", n, cut, len(whole))
		}
		create(t, s, "c")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := open(t, path)
		if _, ok := list(t, again)["c"]; !ok {
			t.Errorf("a write after %d of %d bytes is not there", cut, len(whole))
		}
		_ = again.Close()
	}
	// Zeros, as a file system may leave them after a loss of power.
	if err := os.WriteFile(path, append(whole, "\x00\x00\x00\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := len(list(t, open(t, path))); n != 2 {
		t.Errorf("%d leases with zeros behind them; want 2", n)
	}
}

func TestAnotherFileIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"hello\n", `{"format":"kinetrail leases","version":2}` + "\n", "\x00"} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := filelease.Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open of a file with %q: %v; want an error that names the file", text, err)
		}
		if left, _ := os.ReadFile(path); string(left) != text {
			t.Errorf("the file holds %q now; want it untouched", left)
		}
	}
	if _, err := filelease.Open(filepath.Join(t.TempDir(), "no", "such", "directory")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open in a directory that is not there: %v; want os.ErrNotExist", err)
	}
}

func TestADamagedLineInTheMiddleIsAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	create(t, open(t, path), "a", "b")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(text), `{"key":"a"`, `{"key:"a" `, 1)
	if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := filelease.Open(path); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Open: %v; want it to say that a line is damaged", err)
	}
}

func TestTheFileStaysSmallAndOthersFollowItsRewriting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orders.leases")
	writer, reader := open(t, path), open(t, path)
	create(t, writer, "a", "b", "c")
	held, err := writer.Take(t.Context(), list(t, writer)["b"], "w")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		if held, err = writer.Renew(t.Context(), held); err != nil {
			t.Fatal(err)
		}
		if i%500 == 0 {
			if got := list(t, reader)["b"]; got.Counter != held.Counter {
				t.Errorf("another handle sees counter %d; want %d", got.Counter, held.Counter)
			}
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 200_000 {
		t.Errorf("the file has %d bytes after 3,000 renewals of three leases; want it rewritten", info.Size())
	}
	if rows := list(t, reader); len(rows) != 3 || rows["b"].Counter != held.Counter {
		t.Errorf("rows %v; want three, b with counter %d", rows, held.Counter)
	}
}

func TestAProcessThatSleptThroughTwoRewritingsSeesTheRowsAsTheyAre(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orders.leases")
	writer, sleeper := open(t, path), open(t, path)
	create(t, writer, "a")
	old, err := sleeper.Take(t.Context(), list(t, sleeper)["a"], "sleeper")
	if err != nil {
		t.Fatal(err)
	}
	held, err := writer.Take(t.Context(), old, "writer")
	if err != nil {
		t.Fatal(err)
	}
	for range 2100 { // a file of one lease is rewritten after a thousand lines
		if held, err = writer.Renew(t.Context(), held); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sleeper.Renew(t.Context(), old); !errors.Is(err, lease.ErrConflict) {
		t.Errorf("Renew of a lease that was taken while its owner slept: %v; want ErrConflict", err)
	}
	if row := list(t, sleeper)["a"]; row.Owner != "writer" || row.Counter != held.Counter {
		t.Errorf("the sleeper sees %+v; want owner writer and counter %d", row, held.Counter)
	}
}

// work is one process: it takes the one lease from whoever has it and renews it,
// and prints how often it has written.
func work(path, name string) {
	s, err := filelease.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	written := 0
	for written < 200 {
		leases, err := s.List(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		held, err := s.Take(ctx, leases[0], name)
		for err == nil {
			written++
			fmt.Println(written)
			if written%7 == 0 {
				break
			}
			held, err = s.Renew(ctx, held)
		}
		if err != nil && !errors.Is(err, lease.ErrConflict) {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("done")
}

func TestProcessesExcludeEachOtherAndMayBeKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orders.leases")
	s := open(t, path)
	create(t, s, "a")
	const processes = 4
	type result struct {
		written int
		last    string
	}
	results := make(chan result, processes)
	for i := range processes {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "FILELEASE_TEST_WORKER="+path, "FILELEASE_TEST_NAME=worker-"+strconv.Itoa(i))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			var r result
			for lines := bufio.NewScanner(out); lines.Scan(); {
				r.last = lines.Text()
				if n, err := strconv.Atoi(r.last); err == nil {
					r.written = n
					if i == 0 && n == 50 { // in the middle of its work
						_ = cmd.Process.Kill()
					}
				}
			}
			_ = cmd.Wait()
			results <- r
		}()
	}
	var counted int64
	for range processes {
		select {
		case r := <-results:
			counted += int64(r.written)
			if r.last != "done" && r.written < 50 {
				t.Errorf("a process ended after %d writes with %q", r.written, r.last)
			}
		case <-time.After(5 * time.Minute):
			t.Fatal("the processes are not through after five minutes")
		}
	}
	// The killed one may have written once more than it could tell.
	if got := list(t, s)["a"].Counter; got != counted && got != counted+1 {
		t.Errorf("counter %d after %d writes that were acknowledged; want every one of them, and none twice", got, counted)
	}
}
