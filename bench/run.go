package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// run measures every client in turns and writes what came of it.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "how many `times` each client runs")
	scale := flags.Float64("scale", 1, "how much of the work to do")
	only := flags.String("only", "", "run the workload/client pairs that match this `expression`, and write no files")
	results := flags.String("results", "results", "the `folder` for table and plot")
	page := flags.String("page", "../docs/benchmarks-clients.md", "the `page` whose tables are rewritten")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	samples, err := measureAll(ctx, wanted, *rounds, *scale)
	if err != nil {
		return err
	}
	r := newReport(samples, *rounds, time.Now())
	fmt.Print("\n", r.measurements(), "\n", r.comparisons())
	if *only != "" {
		return nil
	}
	return r.write(*results, *page)
}

// measureAll starts the server and lets each client run once a round.
func measureAll(ctx context.Context, wanted *regexp.Regexp, rounds int, scale float64) ([]sample, error) {
	server, err := startServer(ctx)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	var samples []sample
	for round := range rounds {
		for _, w := range workloads() {
			for _, c := range w.clients {
				if !wanted.MatchString(w.name + "/" + c.name) {
					continue
				}
				s, err := runProcess(ctx, w.name, c.name, server.url, scale)
				if err != nil {
					return nil, err
				}
				fmt.Printf("round %d  %-26s %-22s %6.3f µs/record\n", round+1, s.Workload, s.Client, s.cpuPerRecord())
				samples = append(samples, s)
			}
		}
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("no workload/client matches %q", wanted)
	}
	return samples, nil
}

// runProcess runs one client in a process of its own, on one core.
func runProcess(ctx context.Context, workload, client, endpoint string, scale float64) (s sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, self, "client", "-endpoint", endpoint,
		"-scale", strconv.FormatFloat(scale, 'g', -1, 64), workload, client)
	cmd.Env = append(withoutSettings(os.Environ()), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("run %s %s: %w", workload, client, err)
	}
	return s, json.Unmarshal(out, &s)
}

// withoutSettings leaves out of an environment what would change how a client
// works.
func withoutSettings(environment []string) []string {
	var kept []string
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "KINETRAIL_") || strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "GO") {
			continue
		}
		kept = append(kept, variable)
	}
	return kept
}

// serverProcess is a server that runs until stop.
type serverProcess struct {
	cmd   *exec.Cmd
	input io.Closer
	url   string
}

func startServer(ctx context.Context) (*serverProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &serverProcess{cmd: exec.CommandContext(ctx, self, "serve")}
	s.cmd.Env = withoutSettings(os.Environ())
	s.cmd.Stderr = os.Stderr
	if s.input, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server does not say where it listens: %w", err), s.stop())
	}
	s.url = strings.TrimSpace(line)
	return s, nil
}

func (s *serverProcess) stop() error {
	return errors.Join(s.input.Close(), s.cmd.Wait())
}
