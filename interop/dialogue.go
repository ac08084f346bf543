package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"time"
)

// sdk is a library, or a program, that calls Kinesis.
type sdk interface {
	// version is what it calls itself.
	version() string

	// has tells whether it knows an operation.
	has(operation string) bool

	// call makes a call to the server at an endpoint. The error is that of the
	// library itself; what the service refuses is in the answer.
	call(ctx context.Context, endpoint string, c apiCall) (apiAnswer, error)

	close() error
}

// apiCall is a line to a library. Input is the operation's as the Go SDK has
// it: binary is base64, a time is RFC 3339, what is absent is left out.
type apiCall struct {
	Endpoint  string `json:"endpoint"`
	Operation string `json:"operation"`
	Input     any    `json:"input"`

	// Records ends a subscription after so many records. Zero reads to the
	// end. The output of a subscription is its Events.
	Records int `json:"records,omitempty"`

	// begun is called when a subscription has begun, if it is not nil.
	begun func()
}

// apiAnswer is a line of a library: the output in the form of the input, or what
// the library says of the service's error. Before that of a subscription comes a
// line that says that it has begun.
type apiAnswer struct {
	Subscribed bool            `json:"subscribed"`
	Output     json.RawMessage `json:"output"`
	Error      *apiError       `json:"error"`
}

type apiError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Status  int    `json:"status"` // of HTTP, 0 when the library does not show it
}

// process is a library behind a program that answers lines with lines.
type process struct {
	name       string
	command    *exec.Cmd
	in         io.WriteCloser
	out        *bufio.Reader
	complaints bytes.Buffer
	gone       error // why it has ended before its time
	greeting   struct {
		Version    string   `json:"version"`
		Operations []string `json:"operations"`
	}
}

// start runs a program and reads its greeting: its version and operations.
func (s *session) start(name string, command *exec.Cmd) (*process, error) {
	p := &process{name: name, command: command}
	command.Stderr, command.Env, command.WaitDelay = &p.complaints, s.environment(), 5*time.Second
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := command.Start(); err != nil {
		return nil, err
	}
	if err := p.read(&p.greeting); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) version() string { return p.greeting.Version }

func (p *process) has(operation string) bool {
	return slices.Contains(p.greeting.Operations, operation)
}

func (p *process) call(_ context.Context, endpoint string, c apiCall) (apiAnswer, error) {
	c.Endpoint = endpoint
	line, err := json.Marshal(c)
	if err != nil {
		return apiAnswer{}, err
	}
	var answer apiAnswer
	err = p.exchange(line, &answer)
	if err == nil && answer.Subscribed {
		if c.begun != nil {
			c.begun()
		}
		answer = apiAnswer{}
		err = p.read(&answer)
	}
	return answer, err
}

// exchange writes a line and reads the answer.
func (p *process) exchange(line []byte, answer any) error {
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.ended(err)
	}
	return p.read(answer)
}

func (p *process) read(into any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return p.ended(err)
	}
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("%s wrote %q: %w", p.name, line, err)
	}
	return nil
}

// ended says why the program has ended.
func (p *process) ended(err error) error {
	if p.gone == nil {
		_ = p.in.Close()
		if wait := p.command.Wait(); wait != nil {
			err = wait
		}
		p.gone = fmt.Errorf("%s has ended: %w\n%s", p.name, err, lastLines(p.complaints.String(), 15))
	}
	return p.gone
}

// close ends the program by the end of its input.
func (p *process) close() error {
	if p.gone != nil {
		return nil // reported by the call that found it
	}
	_ = p.in.Close()
	_, _ = io.Copy(io.Discard, p.out)
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, err, lastLines(p.complaints.String(), 15))
	}
	return nil
}

// lastLines is the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// talk is a conversation with a library about one server. The first call that
// cannot be made ends it: what is asked after that is answered with nothing,
// and result tells of the call alone.
type talk struct {
	ctx      context.Context
	sdk      sdk
	endpoint string

	operations map[string]bool // that were called
	calls      int
	broken     error
	wrong      []string
}

// ask makes a call that has to succeed.
func ask[Out any](t *talk, input any) *Out {
	return read[Out](t, apiCall{Operation: operationOf(input), Input: input})
}

// read makes a call that has to succeed, such as a subscription for some
// records.
func read[Out any](t *talk, c apiCall) *Out {
	out := new(Out)
	answer, ok := t.call(c)
	switch {
	case !ok:
	case answer.Error != nil:
		t.broken = fmt.Errorf("%s: the answer is %s, %d: %s", c.Operation, answer.Error.Name, answer.Error.Status, answer.Error.Message)
	default:
		if err := json.Unmarshal(answer.Output, out); err != nil {
			t.broken = fmt.Errorf("%s: the output %s: %w", c.Operation, answer.Output, err)
		}
	}
	return out
}

// refused makes a call that the service has to refuse, and holds what the
// library tells of it.
func (t *talk) refused(input any, want apiError) {
	operation := operationOf(input)
	answer, ok := t.call(apiCall{Operation: operation, Input: input})
	if !ok {
		return
	}
	if answer.Error == nil {
		t.broken = fmt.Errorf("%s: it succeeded with %s, want %s", operation, answer.Output, want.Name)
		return
	}
	if answer.Error.Status == 0 {
		want.Status = 0
	}
	if *answer.Error != want {
		t.wrong = append(t.wrong, fmt.Sprintf("%s: refused with %+v\n    want %+v", operation, *answer.Error, want))
	}
}

func (t *talk) call(c apiCall) (apiAnswer, bool) {
	if t.broken != nil {
		return apiAnswer{}, false
	}
	var answer apiAnswer
	if c.Input, t.broken = given(c.Input); t.broken == nil {
		answer, t.broken = t.sdk.call(t.ctx, t.endpoint, c)
	}
	if t.broken != nil {
		t.broken = fmt.Errorf("%s: %w", c.Operation, t.broken)
		return apiAnswer{}, false
	}
	t.calls++
	t.operations[c.Operation] = true
	return answer, true
}

// expect holds what was seen.
func (t *talk) expect(what string, got, want any) {
	if t.broken == nil && !reflect.DeepEqual(got, want) {
		t.wrong = append(t.wrong, fmt.Sprintf("%s: %v\n    want %v", what, got, want))
	}
}

// result is what went wrong.
func (t *talk) result() error {
	if t.broken != nil {
		return t.broken
	}
	if len(t.wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(t.wrong, "\n"))
	}
	return nil
}

// operationOf is the operation whose input this is, such as PutRecord for
// kinesis.PutRecordInput.
func operationOf(input any) string {
	return strings.TrimSuffix(reflect.TypeOf(input).Name(), "Input")
}

// given is an input of the Go SDK without the members that are absent.
func given(input any) (any, error) {
	text, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	var members any
	err = json.Unmarshal(text, &members)
	return pruned(members), err
}

func pruned(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil || member == "" {
				delete(v, name)
			} else {
				v[name] = pruned(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
	}
	return value
}
