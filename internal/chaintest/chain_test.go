package chaintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// put is how many records a chain carries, each in a trace of its own.
const put = 3

func TestATraceCrossesThreeProcesses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		putWith string
		putSpan string
	}{
		{"lossless keys by the middleware", "middleware", "put_record orders"},
		{"headers by the producer", "producer", "create orders"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := playChain(t, tt.putWith)
			puts := c.find("event-producer", tt.putSpan)
			if len(puts) != put {
				t.Fatalf("the receiver has %d spans %q, want %d", len(puts), tt.putSpan, put)
			}
			for _, wrong := range slices.Concat(
				checkProducer(puts, c.find("event-producer", "place order")),
				checkConnected(puts, c.find("event-consumer", "process orders"), c.find("event-consumer", "ship order")),
				checkConnected(puts, c.findSingle(), first(put, c.find("event-function", "bill order"))),
				checkBatch(puts, c.findBatch()),
				checkProcesses(c.spans),
			) {
				t.Error(wrong)
			}
		})
	}
}

// Without the injection the same checks must fail: they are not true by
// themselves.
func TestWithoutInjectionNothingIsConnected(t *testing.T) {
	t.Parallel()
	c := playChain(t, "middleware", tracecarrier.EnvironmentVariable+"=off")
	orders := c.find("event-producer", "place order")
	if len(orders) != put {
		t.Fatalf("the receiver has %d spans of the producer, want %d", len(orders), put)
	}
	for service, handled := range map[string][]span{
		"event-consumer": c.find("event-consumer", "process orders"),
		"event-function": c.findSingle(),
	} {
		if len(handled) != put {
			t.Errorf("%s has %d process spans, want %d", service, len(handled), put)
		}
		for _, s := range handled {
			if s.parent != "" || len(s.links) != 0 {
				t.Errorf("%s: a process span has parent %s and links %v, want none", service, s.parent, s.links)
			}
			if slices.ContainsFunc(orders, func(order span) bool { return order.trace == s.trace }) {
				t.Errorf("%s: a process span shares trace %s with the producer", service, s.trace)
			}
		}
	}
	if links := c.findBatch().links; len(links) != 0 {
		t.Errorf("the span of the batch has links %v, want none", links)
	}
}

// checkProducer returns what is wrong with the spans of the puts, each the child
// of an order's.
func checkProducer(puts, orders []span) (wrong []string) {
	for _, p := range puts {
		if p.kind != tracepb.Span_SPAN_KIND_PRODUCER {
			wrong = append(wrong, fmt.Sprintf("span %q of the producer has kind %s, want PRODUCER", p.name, p.kind))
		}
		if !slices.ContainsFunc(orders, func(order span) bool { return order.trace == p.trace && order.span == p.parent }) {
			wrong = append(wrong, fmt.Sprintf("span %q has parent %s, which is no order of the producer's", p.name, p.parent))
		}
	}
	return wrong
}

// checkConnected returns what is wrong with the spans that handle one record
// each: their parents are the puts, in order, and the handler's own spans are
// their children.
func checkConnected(puts, processes, own []span) (wrong []string) {
	if len(processes) != len(puts) || len(own) != len(puts) {
		return []string{fmt.Sprintf("%d records have %d process spans and %d of the handler", len(puts), len(processes), len(own))}
	}
	for i, p := range processes {
		if p.trace != puts[i].trace || p.parent != puts[i].span {
			wrong = append(wrong, fmt.Sprintf("%s: record %d is processed in trace %s with parent %s, want the put's %s and %s",
				p.service, i, p.trace, p.parent, puts[i].trace, puts[i].span))
		}
		if p.kind != tracepb.Span_SPAN_KIND_CONSUMER || len(p.links) != 0 {
			wrong = append(wrong, fmt.Sprintf("%s: record %d has a process span of kind %s with %d links, want CONSUMER without", p.service, i, p.kind, len(p.links)))
		}
		if own[i].trace != p.trace || own[i].parent != p.span {
			wrong = append(wrong, fmt.Sprintf("%s: the handler's span of record %d has parent %s, want the process span %s", p.service, i, own[i].parent, p.span))
		}
	}
	return wrong
}

// checkBatch returns what is wrong with the span of a batch of all records.
func checkBatch(puts []span, batch span) (wrong []string) {
	if batch.parent != "" {
		wrong = append(wrong, fmt.Sprintf("the span of the batch has parent %s, want none", batch.parent))
	}
	var want []place
	for _, p := range puts {
		want = append(want, p.place)
		if p.trace == batch.trace {
			wrong = append(wrong, "the span of the batch is in the trace of one of its records")
		}
	}
	if !slices.Equal(batch.links, want) {
		wrong = append(wrong, fmt.Sprintf("the span of the batch links to %v, want %v", batch.links, want))
	}
	return wrong
}

// checkProcesses returns what is wrong with who sent the spans.
func checkProcesses(spans []span) (wrong []string) {
	services := map[int64]string{int64(os.Getpid()): "the test"}
	for _, s := range spans {
		if other, ok := services[s.pid]; ok && other != s.service {
			wrong = append(wrong, fmt.Sprintf("%s and %s are one process", other, s.service))
		}
		services[s.pid] = s.service
	}
	if len(services) != 4 {
		wrong = append(wrong, fmt.Sprintf("spans came from %v, want three processes beside the test", services))
	}
	return wrong
}

// chain is a local server and a receiver after the processes have run.
type chain struct {
	*testing.T
	*receiver
	server *localkinesis.Server
}

// playChain runs the producer with these further variables, the consumer, and
// the function twice: with a record at a time, and with all of them at once.
func playChain(t *testing.T, putWith string, producerEnv ...string) *chain {
	t.Helper()
	c := &chain{T: t, receiver: startReceiver(t)}
	c.server = localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{streamName: 2} })
	c.run("event-producer", append(producerEnv, putterVariable+"="+putWith)...)
	c.run("event-consumer")

	runtime, err := lambdatrigger.NewRuntime("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	function, output := c.command("event-function", "AWS_LAMBDA_RUNTIME_API="+runtime.Addr())
	if err := function.Start(); err != nil {
		t.Fatal(err)
	}
	c.invoke(runtime, 1)
	c.invoke(runtime, put)
	if err := runtime.Close(); err != nil {
		t.Error(err)
	}
	if err := function.Wait(); !isExit(err) {
		t.Errorf("the function ended with %v, want the exit of a process whose runtime is gone", err)
	}
	if t.Failed() {
		t.Logf("event-function said:\n%s", output)
	}
	return c
}

func isExit(err error) bool {
	_, ok := errors.AsType[*exec.ExitError](err)
	return ok
}

// command is the test binary in a role.
func (c *chain) command(role string, env ...string) (*exec.Cmd, *bytes.Buffer) {
	c.Helper()
	binary, err := os.Executable()
	if err != nil {
		c.Fatal(err)
	}
	command := exec.CommandContext(c.Context(), binary)
	command.Env = append(neutralEnvironment(),
		roleVariable+"="+role,
		endpointVariable+"="+c.server.URL(),
		recordsVariable+"="+strconv.Itoa(put),
		"OTEL_SERVICE_NAME="+role,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL,
	)
	command.Env = append(command.Env, env...)
	output := new(bytes.Buffer)
	command.Stdout, command.Stderr = output, output
	return command, output
}

// neutralEnvironment is this process's without what would change the play.
func neutralEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "OTEL_") || strings.HasPrefix(variable, "AWS_") ||
			strings.HasPrefix(variable, tracecarrier.EnvironmentVariable)
	})
}

// run plays a role to its end.
func (c *chain) run(role string, env ...string) {
	c.Helper()
	command, output := c.command(role, env...)
	if err := command.Run(); err != nil {
		c.Fatalf("%s: %v\n%s", role, err, output)
	}
}

// invoke delivers the stream to the function in batches of this size. The spans
// of an invocation must be at the receiver when it has answered: nothing runs in
// a sandbox afterwards.
func (c *chain) invoke(runtime *lambdatrigger.Runtime, batchSize int) {
	c.Helper()
	ctx, stop := context.WithTimeout(c.Context(), 3*time.Minute)
	defer stop()
	before := len(c.find("event-function", "process orders"))
	invocations := 0
	function := func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		response, err := runtime.Invoke(ctx, event)
		invocations++
		if got := len(c.find("event-function", "process orders")) - before; err != nil || got != invocations {
			c.Errorf("invocation %d ended with %v and %d process spans at the receiver, want none and %d", invocations, err, got, invocations)
			stop()
		}
		if invocations == put/batchSize {
			stop()
		}
		return response, err
	}
	trigger, err := lambdatrigger.New(c.server.Client(), streamName, function, func(o *lambdatrigger.Options) {
		o.BatchSize, o.ReportBatchItemFailures = batchSize, true
		o.Timeout = 2 * time.Minute
	})
	if err != nil {
		c.Fatal(err)
	}
	if err := trigger.Run(ctx); !errors.Is(err, context.Canceled) {
		c.Fatalf("Run = %v after %d invocations, want the end of its ctx", err, invocations)
	}
}

// findSingle returns the spans of the function's invocations with one record.
func (c *chain) findSingle() []span {
	return first(put, c.find("event-function", "process orders"))
}

func first(n int, spans []span) []span { return spans[:min(n, len(spans))] }

// findBatch returns the span of the invocation with all records.
func (c *chain) findBatch() span {
	c.Helper()
	processes := c.find("event-function", "process orders")
	if len(processes) != put+1 {
		c.Fatalf("the function has %d process spans, want %d", len(processes), put+1)
	}
	return processes[put]
}
