package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// secondsAMinute is how long a minute of the rules takes here.
const secondsAMinute = 2

// config scrapes and evaluates twice a second, so that the shortest window of
// the rules has twenty values.
const config = `global:
  scrape_interval: 500ms
  evaluation_interval: 500ms
rule_files: [%q]
scrape_configs:
  - job_name: kinetrail
    static_configs:
      - targets: [%q]
`

// prometheus is a running one.
type prometheus struct {
	url      string
	process  *exec.Cmd
	printed  bytes.Buffer
	folder   string
	recorded []string // names of the recording rules
}

// startPrometheus runs a Prometheus that scrapes target. Its files are in a
// folder of their own, which stop removes.
func startPrometheus(ctx context.Context, program, rules, target string) (*prometheus, error) {
	folder, err := os.MkdirTemp("", "kinetrail-drill-")
	if err != nil {
		return nil, err
	}
	p := &prometheus{folder: folder}
	if err := p.start(ctx, program, rules, target); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return p, nil
}

func (p *prometheus) start(ctx context.Context, program, rules, target string) error {
	if err := p.writeRules(rules); err != nil {
		return err
	}
	text := fmt.Sprintf(config, filepath.Join(p.folder, "rules", "*.yaml"), target)
	file := filepath.Join(p.folder, "prometheus.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	p.url = "http://" + address
	p.process = exec.CommandContext(ctx, program, "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(p.folder, "data"), "--web.listen-address="+address)
	p.process.Stdout, p.process.Stderr = &p.printed, &p.printed
	p.process.Cancel = func() error { return p.process.Process.Signal(syscall.SIGTERM) }
	p.process.WaitDelay = 10 * time.Second
	return p.process.Start()
}

var (
	minutes  = regexp.MustCompile(`(\[|for: )(\d+)(m|h)\b`)
	recorded = regexp.MustCompile(`(?m)^\s*- record: (\S+)$`)
)

// writeRules copies the rules with shorter times.
func (p *prometheus) writeRules(from string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("there are no rules in %s", from)
	}
	to := filepath.Join(p.folder, "rules")
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, found := range recorded.FindAllSubmatch(text, -1) {
			p.recorded = append(p.recorded, string(found[1]))
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), minutes.ReplaceAllFunc(text, shorten), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// shorten turns [5m] into [10s].
func shorten(time []byte) []byte {
	found := minutes.FindSubmatch(time)
	number, _ := strconv.Atoi(string(found[2])) // the expression lets only digits through
	if string(found[3]) == "h" {
		number *= 60
	}
	return fmt.Appendf(nil, "%s%ds", found[1], number*secondsAMinute)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// alert is an alert about a stream.
type alert struct{ name, stream string }

// firing are the alerts that fire now.
func (p *prometheus) firing(ctx context.Context) ([]alert, error) {
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := p.get(ctx, "/api/v1/alerts", &answer); err != nil {
		return nil, err
	}
	var all []alert
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			all = append(all, alert{a.Labels["alertname"], a.Labels["stream_name"]})
		}
	}
	return all, nil
}

// awaitRecorded waits until every recording rule has a value.
func (p *prometheus) awaitRecorded(ctx context.Context, patience time.Duration) error {
	missing := p.recorded
	err := every(ctx, patience, func() (bool, error) {
		var still []string
		for _, name := range missing {
			var answer struct{ Data struct{ Result []any } }
			if err := p.get(ctx, "/api/v1/query?query="+url.QueryEscape(name), &answer); err != nil {
				return false, err
			}
			if len(answer.Data.Result) == 0 {
				still = append(still, name)
			}
		}
		missing = still
		return len(missing) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("recording rules without a value: %s: %w", strings.Join(missing, ", "), err)
	}
	return nil
}

func (p *prometheus) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("prometheus answers %s to %s: %s", answer.Status, path, text)
	}
	return json.Unmarshal(text, into)
}

// log stops the process and returns what it printed.
func (p *prometheus) log() string {
	_ = p.process.Process.Signal(syscall.SIGTERM)
	_ = p.process.Wait()
	return p.printed.String()
}

// stop ends the process, if it still runs, and removes its files.
func (p *prometheus) stop() error {
	if p.process.ProcessState == nil {
		_ = p.process.Process.Signal(syscall.SIGTERM)
		_ = p.process.Wait() // its exit status tells nothing: it was told to end
	}
	return os.RemoveAll(p.folder)
}
