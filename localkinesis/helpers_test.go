package localkinesis_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// inProcess is a server that does not listen.
func inProcess(t *testing.T, opts ...func(*localkinesis.Options)) *localkinesis.Server {
	t.Helper()
	s, err := localkinesis.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// withStream adds a stream that every region begins with.
func withStream(name string, shards int) func(*localkinesis.Options) {
	return func(o *localkinesis.Options) { o.Streams = map[string]int{name: shards} }
}

// once makes an SDK client try a call one time only.
func once(o *kinesis.Options) { o.RetryMaxAttempts = 1 }

// must returns the output of a call that has to succeed.
func must[Output any](t *testing.T, out Output, err error) Output {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// at is an instant of a test.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339, text)
	return must(t, instant, err)
}

// reply is an answer as it came over the wire.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// members is the answer's document.
func (r reply) members(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatalf("answer %d %q is no JSON: %v", r.status, r.body, err)
	}
	return m
}

const signature = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00"

// send sends a request as an SDK would, changed by edit.
func send(t *testing.T, s *localkinesis.Server, operation, body string, edit ...func(*http.Request)) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localkinesis.internal/", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	r.Header.Set("X-Amz-Date", "20231114T093126Z")
	r.Header.Set("Authorization", signature)
	for _, e := range edit {
		e(r)
	}
	response, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{status: response.StatusCode, header: response.Header, body: answer}
}

// pipes is a listener whose connections are pipes, so that a server and its
// clients can live in virtual time.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
	close   func()
}

// overPipes serves on pipes until the test ends, which is one of virtual time.
func overPipes(t *testing.T, opts ...func(*localkinesis.Options)) (*localkinesis.Server, *pipes) {
	t.Helper()
	p := &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	s := inProcess(t, opts...)
	served := make(chan error, 1)
	go func() { served <- s.Serve(p) }()
	synctest.Wait() // the server knows its URL
	t.Cleanup(func() {
		must(t, 0, s.Close())
		must(t, 0, <-served)
	})
	return s, p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialled:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.close(); return nil }

func (p *pipes) Addr() net.Addr { client, _ := net.Pipe(); return client.LocalAddr() }

// DialContext is that of an http.Transport.
func (p *pipes) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.dialled <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
