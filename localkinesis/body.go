package localkinesis

import (
	"bytes"
	"context"
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

// readBody reads the whole body, and no longer than the request's context
// lasts: a client that sends half a body does not hold up Close.
func readBody(to *bytes.Buffer, w http.ResponseWriter, r *http.Request, limit int64) error {
	to.Reset()
	if r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	if r.ContentLength > 0 {
		// A length is only a promise: memory for more comes with the bytes.
		to.Grow(int(min(r.ContentLength, maxPromised)) + bytes.MinRead)
	}
	defer stopReadingWith(r.Context(), w)()
	_, err := to.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	return err
}

// stopReadingWith makes reads of a request's body fail once its context ends,
// until release is called.
func stopReadingWith(ctx context.Context, w http.ResponseWriter) (release func()) {
	stopped := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // in process, there is none
	})
	return func() {
		if !cancel() {
			<-stopped // w must not be used once its request is answered
		}
	}
}
