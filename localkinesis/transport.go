package localkinesis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Transport returns a RoundTripper that calls the server in the same process
// and skips the network. An answer that streams is read while it is written.
func (s *Server) Transport() http.RoundTripper { return inProcess{s} }

type inProcess struct{ server *Server }

// errDropped is what a client sees of a connection that a fault has cut.
var errDropped = fmt.Errorf("localkinesis: connection dropped: %w", io.ErrUnexpectedEOF)

// RoundTrip serves the request. Its context ends the answer's body, too.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	served := r.Clone(ctx)
	served.RequestURI = r.URL.RequestURI()
	if served.Host == "" {
		served.Host = r.URL.Host
	}
	if r.Body == nil {
		served.Body = http.NoBody
	}
	answer := &answer{header: make(http.Header), ready: make(chan struct{}), request: r, cancel: cancel}
	stopWithServer := context.AfterFunc(t.server.ctx, cancel)
	serve := func() {
		defer stopWithServer()
		defer answer.finish()
		t.server.ServeHTTP(answer, served)
	}
	if !t.server.background(serve) {
		stopWithServer()
		cancel()
		return nil, errors.Join(ErrClosed, served.Body.Close())
	}
	select {
	case <-answer.ready:
		_ = served.Body.Close()
		return answer.response()
	case <-ctx.Done():
		_ = served.Body.Close()
		return nil, context.Cause(ctx)
	}
}

// answer is the ResponseWriter of a request in the same process. It is ready
// when the handler is done, or at the first Flush; from then on the body is a
// pipe.
type answer struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	request *http.Request
	cancel  context.CancelFunc

	once  sync.Once
	ready chan struct{}
	pipe  *io.PipeWriter // set when the answer streams
	read  *io.PipeReader
	err   error
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.pipe != nil {
		return a.pipe.Write(p)
	}
	return a.body.Write(p)
}

// Flush makes the answer a stream.
func (a *answer) Flush() {
	a.WriteHeader(http.StatusOK)
	a.once.Do(func() {
		a.read, a.pipe = io.Pipe()
		close(a.ready)
	})
}

// finish ends the answer when the handler has returned or given up.
func (a *answer) finish() {
	if p := recover(); p != nil {
		if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		a.err = errDropped
	}
	a.WriteHeader(http.StatusOK)
	a.once.Do(func() { close(a.ready) })
	if a.pipe != nil {
		a.pipe.CloseWithError(a.err)
	}
}

// response is what the client gets once the answer is ready.
func (a *answer) response() (*http.Response, error) {
	streams := a.read != nil
	if !streams && a.err != nil {
		a.cancel()
		return nil, a.err
	}
	header := make(http.Header, len(a.header))
	for name, values := range a.header {
		header[http.CanonicalHeaderKey(name)] = values
	}
	response := &http.Response{
		Status:     fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  header,
		Request: a.request,
	}
	if streams {
		response.ContentLength = -1
		response.Body = &streamBody{Reader: io.MultiReader(&a.body, a.read), pipe: a.read, cancel: a.cancel}
		return response, nil
	}
	a.cancel()
	response.ContentLength = int64(a.body.Len())
	response.Body = io.NopCloser(&a.body)
	return response, nil
}

// streamBody ends the handler when the client closes it.
type streamBody struct {
	io.Reader // what was written before the first Flush, then the pipe

	pipe   *io.PipeReader
	cancel context.CancelFunc
}

func (b *streamBody) Close() error {
	b.cancel()
	return b.pipe.Close()
}
