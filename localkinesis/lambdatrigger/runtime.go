package lambdatrigger

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// ErrRuntimeClosed is what Invoke returns on a Runtime that is closed.
var ErrRuntimeClosed = errors.New("lambdatrigger: the runtime is closed")

// Runtime is a function whose code runs in other processes: it serves the Lambda
// Runtime API, which they poll for invocations, one at a time each. Start such a
// process with AWS_LAMBDA_RUNTIME_API set to Addr; lambda.Start of aws-lambda-go
// then serves invocations, and so do the runtimes of other languages.
//
// A Runtime starts no process. Until one polls, invocations wait. A process
// whose poll is refused because the Runtime was closed ends, if it is built on
// lambda.Start.
type Runtime struct {
	server  *http.Server
	addr    string
	serving sync.WaitGroup
	ctx     context.Context
	stop    context.CancelFunc
	waiting chan *remoteInvocation // handed to whoever polls next

	mu       sync.Mutex
	inFlight map[string]*remoteInvocation // by request ID; nil when nobody waits for the answer any more
}

// remoteInvocation is an invocation on its way through another process.
type remoteInvocation struct {
	id       string
	arn      string
	payload  []byte
	deadline time.Time

	answer chan answer // holds one
}

// answer is what became of an invocation.
type answer struct {
	response []byte
	err      error
}

// NewRuntime listens on an address of this machine, 127.0.0.1:0 for a free port,
// and serves until Close.
func NewRuntime(addr string) (*Runtime, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("lambdatrigger: %w", err)
	}
	r := &Runtime{
		addr:     listener.Addr().String(),
		waiting:  make(chan *remoteInvocation),
		inFlight: make(map[string]*remoteInvocation),
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.server = &http.Server{
		Handler:           r.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return r.ctx },
	}
	r.serving.Go(func() { _ = r.server.Serve(listener) })
	return r, nil
}

// Addr is where the Runtime listens, host and port: the value of
// AWS_LAMBDA_RUNTIME_API.
func (r *Runtime) Addr() string { return r.addr }

// Close refuses every poll, fails the invocations that are waiting or in flight
// and returns when no goroutine of the Runtime is left.
func (r *Runtime) Close() error {
	r.stop()
	err := r.server.Close()
	r.serving.Wait()
	return err
}

// Invoke hands the payload to the next process that polls and waits for its
// answer, both at most until ctx ends; the deadline of ctx is the one the process
// is told, 15 minutes if it has none. An error that the process reports is a
// *FunctionError.
func (r *Runtime) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	inv := &remoteInvocation{id: newRequestID(), payload: payload, answer: make(chan answer, 1)}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		inv.id, inv.arn = lc.AwsRequestID, lc.InvokedFunctionArn
	}
	var ok bool
	if inv.deadline, ok = ctx.Deadline(); !ok {
		inv.deadline = time.Now().Add(maxTimeout)
	}
	select {
	case r.waiting <- inv:
	case <-ctx.Done():
		return nil, fmt.Errorf("no process has asked for an invocation: %w", context.Cause(ctx))
	case <-r.ctx.Done():
		return nil, ErrRuntimeClosed
	}
	select {
	case a := <-inv.answer:
		return a.response, a.err
	case <-ctx.Done():
		r.abandon(inv.id)
		return nil, context.Cause(ctx)
	case <-r.ctx.Done():
		return nil, ErrRuntimeClosed
	}
}

// abandon says that an answer still to come is for nobody.
func (r *Runtime) abandon(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.inFlight[id]; ok {
		r.inFlight[id] = nil
	}
}
