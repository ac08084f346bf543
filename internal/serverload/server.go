package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// kind is a server that is measured.
type kind string

const (
	doingNothing kind = "a server that does nothing"
	inMemory     kind = "kinetrail serve"
	onDisk       kind = "kinetrail serve --data-dir"
)

// shards is how many the stream has that is loaded.
const shards = 4

// serveNothing is the argument with which this program is its own server.
const serveNothing = "serve-nothing"

// server is a process that serves.
type server struct {
	kind    kind
	url     string
	pid     int
	ready   time.Duration // from the start of the process to its first answer
	process *exec.Cmd
	said    bytes.Buffer // on its standard error
	input   io.Closer    // its end is the end of the server that does nothing
	folder  string       // with its records, empty for none
}

// build compiles kinetrail and returns where it lies.
func build(ctx context.Context, folder string) (program string, err error) {
	program = filepath.Join(folder, "kinetrail")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/kinetrail/kinetrail/cmd/kinetrail").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build kinetrail: %w\n%s", err, out)
	}
	return program, nil
}

var listening = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// start starts a server and returns once it has answered.
func start(ctx context.Context, k kind, kinetrail string) (*server, error) {
	s := &server{kind: k}
	args := []string{"serve", "--addr", "127.0.0.1:0", "--stream", fmt.Sprintf("%s:%d", stream, shards)}
	switch k {
	case doingNothing:
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		kinetrail, args = self, []string{serveNothing}
	case onDisk:
		folder, err := os.MkdirTemp("", "serverload-")
		if err != nil {
			return nil, err
		}
		s.folder = folder
		args = append(args, "--data-dir", folder)
	}
	s.process = exec.CommandContext(ctx, kinetrail, args...)
	s.process.Stderr = &s.said
	s.process.Cancel = func() error { return s.process.Process.Signal(os.Interrupt) }
	began := time.Now()
	if err := s.run(); err != nil {
		return nil, fmt.Errorf("start %s: %w", k, err)
	}
	if err := firstAnswer(ctx, s.url); err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	s.ready = time.Since(began)
	return s, nil
}

// run starts the process and reads where it listens.
func (s *server) run() error {
	output, err := s.process.StdoutPipe()
	if err != nil {
		return err
	}
	if s.input, err = s.process.StdinPipe(); err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	s.pid = s.process.Process.Pid
	lines := bufio.NewScanner(output)
	for s.url == "" && lines.Scan() {
		s.url = listening.FindString(lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, output) }() // until the process ends
	if s.url == "" {
		return fmt.Errorf("it does not say where it listens: %w\n%s", s.process.Wait(), &s.said)
	}
	return nil
}

// stop ends the process and removes what it has kept.
func (s *server) stop() {
	_ = s.input.Close()
	_ = s.process.Process.Signal(os.Interrupt)
	_ = s.process.Wait() // interrupted, as it was asked for
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
}

// statistics are what the kernel says about a process; zero where it says
// nothing.
type statistics struct {
	cpu    time.Duration
	memory int64 // resident bytes
}

// ticks are the kernel's for CPU times in /proc, 100 a second on every Linux.
const tick = 10 * time.Millisecond

// statisticsOf reads those of a process, on Linux.
func statisticsOf(pid int) statistics {
	var s statistics
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s
	}
	// The name, in parentheses, may hold anything; the third field follows it.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var user, system, pages int64
	if _, err := fmt.Sscan(strings.Join([]string{fields[11], fields[12], fields[21]}, " "), &user, &system, &pages); err != nil {
		return s
	}
	return statistics{cpu: time.Duration(user+system) * tick, memory: pages * int64(os.Getpagesize())}
}
