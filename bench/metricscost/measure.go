package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// measured are the samples of all rounds, by workload and state.
type measured struct {
	samples map[string][]sample
	rounds  int
	at      time.Time
	load    string // average of the machine, before and after
}

func key(workload, state string) string { return workload + "/" + state }

// measure lets every workload take its turn in every state, round by round.
func measure(ctx context.Context, rounds, records int, only string) (*measured, error) {
	folder, err := os.MkdirTemp("", "metricscost-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	idle, err := buildWithout(ctx, folder)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	server, err := startServer(ctx, self)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	m := &measured{samples: make(map[string][]sample), rounds: rounds, at: time.Now().UTC(), load: loadAverage()}
	for round := range rounds {
		for _, w := range workloads() {
			if only != "" && w.name != only {
				continue
			}
			for turn := range states {
				state := states[(turn+round)%len(states)] // none is always the first
				program := self
				if state == without {
					program = idle
				}
				s, err := sampleIn(ctx, program, w.name, state, server.url, records)
				if err != nil {
					return nil, err
				}
				fmt.Fprintf(os.Stderr, "round %d  %-18s %-10s %6.3f µs/record\n", round+1, w.name, state, s.cpuPerRecord())
				m.samples[key(w.name, state)] = append(m.samples[key(w.name, state)], s)
			}
		}
	}
	if len(m.samples) == 0 {
		return nil, fmt.Errorf("there is no workload %q", only)
	}
	m.load += " before, " + loadAverage() + " after"
	return m, nil
}

// sampleIn takes a sample in a process of its own, on one core.
func sampleIn(ctx context.Context, program, workload, state, endpoint string, records int) (s sample, err error) {
	cmd := exec.CommandContext(ctx, program, "client", workload, state, endpoint, strconv.Itoa(records))
	cmd.Env, cmd.Stderr = []string{"GOMAXPROCS=1", "PATH=" + os.Getenv("PATH")}, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("%s, metrics %s: %w", workload, state, err)
	}
	return s, json.Unmarshal(out, &s)
}

// cpuPerRecord is in microseconds.
func (s *sample) cpuPerRecord() float64 { return s.CPU.Seconds() * 1e6 / float64(s.Records) }

// serverProcess is a server that runs until stop.
type serverProcess struct {
	cmd   *exec.Cmd
	input io.Closer
	url   string
}

func startServer(ctx context.Context, self string) (*serverProcess, error) {
	s := &serverProcess{cmd: exec.CommandContext(ctx, self, "serve")}
	s.cmd.Stderr = os.Stderr
	input, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.input = input
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s.url = strings.TrimSpace(line)
	return s, nil
}

func (s *serverProcess) stop() {
	_ = errors.Join(s.input.Close(), s.cmd.Wait()) // it has nothing to say
}

// loadAverage is that of the last minute, where Linux tells it.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// machine describes where the figures come from.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d CPUs, %s %s/%s", model, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
