package localkinesis

import (
	"bytes"
	"net/http"
	"sync"
	"time"
)

// bodies keeps the memory of request bodies. Nothing but the request's own
// goroutine sees them, and only until it is answered.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKeptBody is the size of a body or an answer whose memory is kept for the
// next one: a page of 10,000 small records fits.
const maxKeptBody = 4 << 20

func keepBody(b *bytes.Buffer) {
	if b.Cap() <= maxKeptBody {
		bodies.Put(b)
	}
}

// maxPromised is how much memory a body gets before any of it is there.
const maxPromised = 1 << 20

// receive reads the whole body.
func (c *call) receive(to *bytes.Buffer) error {
	c.server.receiving.begin(c)
	defer c.server.receiving.end(c)
	to.Reset()
	limit, length := c.server.options.MaxBodyBytes, c.request.ContentLength
	if length > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	if length > 0 {
		// A length is only a promise: memory for more comes with the bytes.
		to.Grow(int(min(length, maxPromised)) + bytes.MinRead)
	}
	_, err := to.ReadFrom(http.MaxBytesReader(c.writer, c.request.Body, limit))
	return err
}

// receiving are the calls whose body is being read. Close gives up those: what
// has not been sent to the end is not under way.
type receiving struct {
	mu     sync.Mutex
	closed bool
	calls  map[*call]struct{}
}

func (r *receiving) begin(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls = make(map[*call]struct{})
	}
	r.calls[c] = struct{}{}
	if r.closed {
		c.stopReading()
	}
}

func (r *receiving) end(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.calls, c)
}

func (r *receiving) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for c := range r.calls {
		c.stopReading()
	}
}

// stopReading makes reads of the body fail. In process it does nothing: there
// the client closes the body when the server closes.
func (c *call) stopReading() {
	_ = http.NewResponseController(c.writer).SetReadDeadline(time.Unix(1, 0))
}
