package docs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// patience is how long one thing that a block does may take, also on a machine
// with much else to do.
const patience = 2 * time.Minute

// play runs every block of a README and returns what is wrong.
func play(t *testing.T, text string) []failure {
	t.Helper()
	blocks, err := blocksOf("README.md", text)
	if err != nil {
		return []failure{{err: err}}
	}
	r := &readme{t: t, folder: t.TempDir()}
	for _, b := range blocks {
		k, err := kindOf(b)
		if err != nil {
			r.fail(b, err)
			continue
		}
		r.blocks, r.kinds = append(r.blocks, b), append(r.kinds, k)
	}
	for _, k := range []kind{picture, functions, fragment, program, goTest, ownTests, commands} {
		if len(r.of(k)) == 0 {
			r.fail(block{}, fmt.Errorf("it has no block that is %s", k))
		}
	}
	var typing sync.WaitGroup
	typing.Go(r.playShell)
	r.playGo()
	typing.Wait()
	return r.failures
}

// readme is a README being played.
type readme struct {
	t      *testing.T
	folder string
	blocks []block
	kinds  []kind // of the blocks

	mu       sync.Mutex
	failures []failure
}

func (r *readme) fail(b block, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, failure{b, err})
}

// of returns the blocks of one kind.
func (r *readme) of(k kind) []block {
	var found []block
	for i, b := range r.blocks {
		if r.kinds[i] == k {
			found = append(found, b)
		}
	}
	return found
}

// playGo compiles the Go blocks, runs what main.go calls, the Lambda function
// and the test.
func (r *readme) playGo() {
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*patience)
	defer cancel()
	laid, err := overlay(r.folder, r.blocks, r.kinds)
	if err != nil {
		r.fail(block{}, err)
		return
	}
	if _, err := goCommand(ctx, "build", laid, "-o", r.folder+string(filepath.Separator), "./"+readmePackage, "./"+functionPackage); err != nil {
		r.blame(err)
	} else {
		r.playCalls(ctx)
	}
	r.playTests(ctx, laid)
}

// blame tells once what the compiler has to say.
func (r *readme) blame(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range blame(r.blocks, err) {
		if !slices.ContainsFunc(r.failures, func(known failure) bool { return known.block == f.block }) {
			r.failures = append(r.failures, f)
		}
	}
}

// playTests runs the tests among the blocks as anybody would run a test.
func (r *readme) playTests(ctx context.Context, laid string) {
	for _, b := range r.of(goTest) {
		name := regexp.MustCompile(`^func (Test\w+)`).FindStringSubmatch(b.text)[1]
		output, err := goCommand(ctx, "test", laid, "-count=1", "-v", "-run", "^"+name+"$", "./"+readmePackage)
		switch {
		case strings.Contains(output, "[build failed]"):
			r.blame(err)
		case err != nil:
			r.fail(b, err)
		case !strings.Contains(output, "--- PASS: "+name):
			r.fail(b, fmt.Errorf("go test does not say that %s has passed:\n%s", name, output))
		}
	}
}

// playCalls puts, consumes, invokes and installs, on local servers.
func (r *readme) playCalls(ctx context.Context) {
	server := localkinesis.Start(r.t, withOrders)
	where := map[string]block{}
	for _, b := range r.of(functions) {
		for _, name := range called {
			if strings.Contains(b.text, "func "+name+"(") {
				where[name] = b
			}
		}
	}
	for _, b := range r.of(fragment) {
		if err := r.install(localkinesis.Start(r.t, withOrders)); err != nil {
			r.fail(b, err)
		}
	}
	created, err := r.put(server)
	if err != nil {
		r.fail(where["put"], err)
	}
	if records, err := server.Records("orders", ""); err != nil || len(records) == 0 {
		return // there is nothing to handle
	}
	if err := r.consume(server, created); err != nil {
		r.fail(where["consume"], err)
	}
	for _, b := range r.of(program) {
		if err := r.invoke(ctx, server); err != nil {
			r.fail(b, err)
		}
	}
}

func withOrders(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 4} }

const (
	putKey      = "customer-7" // what the README puts
	putData     = "one espresso"
	handledLine = putKey + " ordered " + putData // what its handlers print
	createSpan  = "create orders"
	processSpan = "process orders"
)

// put runs put and checks that its record lies where it says, on the shard of
// its own key, with the context of its create span, which it returns.
func (r *readme) put(server *localkinesis.Server) (created span, err error) {
	p, err := r.start(server, "put")
	if err != nil {
		return span{}, err
	}
	if err := p.end(); err != nil {
		return span{}, err
	}
	created, err = p.span(createSpan)
	if err != nil {
		return span{}, err
	}
	own, err := shardOf(server, putKey)
	if err != nil {
		return span{}, err
	}
	if want := "stored on " + own; p.printed() != want {
		return created, fmt.Errorf("it prints %q, want %q", p.printed(), want)
	}
	return created, stored(server, own, putKey, putData, created)
}

// consume runs consume until its process span has ended, and checks that the
// span continues the one that the record was put with.
func (r *readme) consume(server *localkinesis.Server, created span) error {
	p, err := r.start(server, "consume")
	if err != nil {
		return err
	}
	p.await(func() bool { _, err := p.span(processSpan); return err == nil })
	if err := p.end(); err != nil {
		return err
	}
	process, err := p.span(processSpan)
	switch {
	case err != nil:
		return err
	case p.printed() != handledLine:
		return fmt.Errorf("it prints %q, want %q", p.printed(), handledLine)
	case process.Trace != created.Trace || process.Parent != created.Span:
		return fmt.Errorf("its span %+v does not continue %+v", process, created)
	}
	return nil
}

// install runs the lines for SDK clients and checks that a put through such a
// client carries its span on the shard of the record's own key, and that the key
// comes back.
func (r *readme) install(server *localkinesis.Server) error {
	const key, data = "customer-9", "two espressi" // as in main.go
	p, err := r.start(server, "install")
	if err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	own, err := shardOf(server, key)
	if err != nil {
		return err
	}
	put, err := p.span("put_record orders")
	if err != nil {
		return err
	}
	if p.printed() != key {
		return fmt.Errorf("the record comes back with the key %q, want %q", p.printed(), key)
	}
	return stored(server, own, key, data, put)
}

// invoke lets a trigger invoke the Lambda function, in a process of its own,
// with the record that put has put.
func (r *readme) invoke(ctx context.Context, server *localkinesis.Server) error {
	runtime, err := lambdatrigger.NewRuntime("127.0.0.1:0")
	if err != nil {
		return err
	}
	p, err := start(exec.Command(filepath.Join(r.folder, "function")), "AWS_LAMBDA_RUNTIME_API="+runtime.Addr())
	if err != nil {
		return errors.Join(err, runtime.Close())
	}
	err = trigger(ctx, server, runtime)
	if err := errors.Join(err, runtime.Close()); err != nil {
		return err
	}
	_ = p.end() // the function ends with an error when its runtime is gone
	if p.printed() != handledLine {
		return fmt.Errorf("the function prints %q, want %q\n%s", p.printed(), handledLine, p.complaints())
	}
	return nil
}

// trigger runs a trigger until its first invocation is answered.
func trigger(ctx context.Context, server *localkinesis.Server, runtime *lambdatrigger.Runtime) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	function := func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		defer stop()
		return runtime.Invoke(ctx, event)
	}
	t, err := lambdatrigger.New(server.Client(), "orders", function, func(o *lambdatrigger.Options) {
		o.ReportBatchItemFailures = true
		o.Logger = slog.New(slog.DiscardHandler)
	})
	if err != nil {
		return err
	}
	if err := t.Run(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the trigger ends with %w", err)
	}
	return nil
}

// shardOf is the shard that a partition key names.
func shardOf(server *localkinesis.Server, key string) (string, error) {
	shards, err := server.Shards("orders")
	if err != nil {
		return "", err
	}
	for _, s := range shards {
		if s.Range.Contains(shardmap.HashKeyOf(key)) {
			return s.ID, nil
		}
	}
	return "", fmt.Errorf("no shard owns the key %q", key)
}

// stored checks that a stream holds one record, perhaps more than once, with its
// own key and this context.
func stored(server *localkinesis.Server, shard, key, data string, carried span) error {
	records, err := server.Records("orders", "")
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return errors.New("no record is in the stream")
	}
	for _, r := range records {
		read := tracecarrier.Read(r.PartitionKey)
		switch {
		case r.ShardID != shard || string(r.Data) != data || read.PartitionKey != key:
			return fmt.Errorf("the stream has %q with the key %q on %s, want %q with %q on %s", r.Data, read.PartitionKey, r.ShardID, data, key, shard)
		case !strings.HasPrefix(read.Trace.Parent, "00-"+carried.Trace+"-"+carried.Span):
			return fmt.Errorf("the record carries %q, want the span %+v", read.Trace.Parent, carried)
		}
	}
	return nil
}

// start starts a call of testdata/readme/main.go.
func (r *readme) start(server *localkinesis.Server, name string) (*process, error) {
	return start(exec.Command(filepath.Join(r.folder, "readme"), name),
		"AWS_ENDPOINT_URL_KINESIS="+server.URL(), "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=readme", "AWS_SECRET_ACCESS_KEY=readme",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
}

// span is one as testdata/readme/main.go writes it.
type span struct{ Name, Trace, Span, Parent string }

// process is a program that runs: what it has written so far, and its stdin,
// whose end tells it to end.
type process struct {
	command *exec.Cmd
	stdin   io.Closer
	reading sync.WaitGroup
	killer  *time.Timer // ends it when patience is over

	mu      sync.Mutex
	out     []string
	err     []string
	written chan struct{} // closed and replaced with every line
	silent  bool          // nothing more will be written
}

func start(command *exec.Cmd, variables ...string) (*process, error) {
	command.Env = environment(variables...)
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{command: command, stdin: stdin, written: make(chan struct{})}
	p.killer = time.AfterFunc(patience, func() { _ = command.Process.Kill() })
	var pipes sync.WaitGroup
	pipes.Go(func() { p.collect(stdout, &p.out) })
	pipes.Go(func() { p.collect(stderr, &p.err) })
	p.reading.Go(func() {
		pipes.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.silent = true
		close(p.written)
	})
	return p, nil
}

// collect keeps the lines of a pipe.
func (p *process) collect(pipe io.Reader, lines *[]string) {
	scanner := bufio.NewScanner(pipe)
	for scanner.Scan() {
		p.mu.Lock()
		*lines = append(*lines, scanner.Text())
		close(p.written)
		p.written = make(chan struct{})
		p.mu.Unlock()
	}
}

// await returns when something holds of what the process has written, or when
// it writes no more.
func (p *process) await(holds func() bool) {
	for {
		p.mu.Lock()
		written, silent := p.written, p.silent
		p.mu.Unlock()
		if holds() || silent {
			return
		}
		<-written
	}
}

// end ends stdin and waits for the process, which is killed when it takes too
// long. The error has what it complained of.
func (p *process) end() error {
	if err := p.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	p.reading.Wait()
	err := p.command.Wait()
	p.killer.Stop()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(p.command.Args, " "), err, p.complaints())
	}
	return nil
}

// printed is what the process has written to stdout, lines that repeat
// themselves once: a record may be in a stream twice.
func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.TrimSpace(strings.Join(slices.Compact(slices.Clone(p.out)), "\n"))
}

func (p *process) complaints() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.err, "\n")
}

// span finds the first span of a name.
func (p *process) span(name string) (span, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.err {
		var s span
		if json.Unmarshal([]byte(line), &s) == nil && s.Name == name {
			return s, nil
		}
	}
	return span{}, fmt.Errorf("there is no span %q among\n%s", name, strings.Join(p.err, "\n"))
}
