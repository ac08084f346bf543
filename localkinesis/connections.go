package localkinesis

import (
	"net"
	"net/http"
	"sync"
)

// waiting are the connections on which no request is running: those that
// nobody has used yet, and those that wait for the next request. Close closes
// them at once; http.Server.Shutdown alone would give each unused one five
// seconds, and each one of HTTP/2 a second.
type waiting struct {
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

// note follows a connection from state to state, as http.Server.ConnState.
func (w *waiting) note(conn net.Conn, state http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case state != http.StateNew && state != http.StateIdle:
		delete(w.conns, conn)
	case !w.closed:
		if w.conns == nil {
			w.conns = make(map[net.Conn]struct{})
		}
		w.conns[conn] = struct{}{}
	case state == http.StateNew:
		// It was accepted just before the listener closed. An idle one has an
		// answer that may not be sent to the last byte yet: Shutdown waits.
		_ = conn.Close()
	}
}

// close closes the connections, and from now on every new one.
func (w *waiting) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for conn := range w.conns {
		_ = conn.Close()
	}
	w.conns = nil
}
