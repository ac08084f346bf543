package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// The kinds of workers in a fleet.
const (
	goKind   = "Go"
	javaKind = "Java"
)

// member is a worker of a group in a process of its own.
type member struct {
	name string
	kind string

	command    *exec.Cmd
	in         io.WriteCloser
	complaints bytes.Buffer
	gone       chan struct{} // its output has ended and is read

	mu       sync.Mutex
	version  string
	events   []event
	broken   error // a line that is none
	killedAt int64 // microseconds since 1970, 0 when it was not killed
}

// startMember starts a worker.
func startMember(s *session, kind, classPath string, config workerConfig) (*member, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	m := &member{name: config.Worker, kind: kind, gone: make(chan struct{})}
	if kind == javaKind {
		m.command, err = s.java(classPath, "Worker", []string{"-Xmx256m", "-XX:CICompilerCount=1"}, string(text))
	} else {
		var program string
		program, err = os.Executable()
		m.command = exec.CommandContext(s.ctx, program, workerCommand, string(text))
	}
	if err != nil {
		return nil, err
	}
	m.command.Stderr, m.command.Env, m.command.WaitDelay = &m.complaints, s.environment(), 5*time.Second
	if m.in, err = m.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := m.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := m.command.Start(); err != nil {
		return nil, err
	}
	kept, err := s.keep("workers", config.Application+"-"+m.name+".jsonl")
	if err != nil {
		return nil, err
	}
	go m.listen(io.TeeReader(out, kept), kept)
	return m, nil
}

// listen reads what the worker tells, until it is gone, and keeps it. The last
// line of a worker that was killed may lack its end.
func (m *member) listen(out io.Reader, kept io.Closer) {
	defer close(m.gone)
	defer kept.Close()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var said struct {
			event
			Version string `json:"version"`
		}
		err = json.Unmarshal(line, &said)
		m.mu.Lock()
		switch {
		case err != nil:
			m.broken = errors.Join(m.broken, fmt.Errorf("%s wrote %q: %w", m.name, line, err))
		case said.Version != "":
			m.version = said.Version
		default:
			m.events = append(m.events, said.event)
		}
		m.mu.Unlock()
	}
}

// stop ends the worker by the end of its input, and waits until it is gone.
func (m *member) stop() error {
	if err := m.in.Close(); err != nil {
		return fmt.Errorf("stop %s: %w", m.name, err)
	}
	select {
	case <-m.gone:
	case <-time.After(time.Minute):
		m.kill()
		return fmt.Errorf("stop %s: it goes on for a minute\n%s", m.name, lastLines(m.complaints.String(), 15))
	}
	if err := m.command.Wait(); err != nil {
		return fmt.Errorf("stop %s: %w\n%s", m.name, err, lastLines(m.complaints.String(), 15))
	}
	if !m.said("stopped") {
		return fmt.Errorf("stop %s: it has ended without a word", m.name)
	}
	return nil
}

// kill is kill -9.
func (m *member) kill() {
	m.mu.Lock()
	m.killedAt = time.Now().UnixMicro()
	m.mu.Unlock()
	_ = m.command.Process.Kill()
	<-m.gone
	_ = m.command.Wait() // says that it was killed
}

// isGone tells whether the worker has ended.
func (m *member) isGone() bool {
	select {
	case <-m.gone:
		return true
	default:
		return false
	}
}

// said tells whether the worker has told of such an event.
func (m *member) said(what string) bool {
	return slices.ContainsFunc(m.told(), func(e event) bool { return e.Event == what })
}

// told are the events so far.
func (m *member) told() []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events[:len(m.events):len(m.events)]
}
