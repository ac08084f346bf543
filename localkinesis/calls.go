package localkinesis

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// Call is a request the server has answered.
type Call struct {
	Number    uint64 // of all calls, from 1
	At        time.Time
	Operation string // as the request named it, empty when it named none
	Region    string
	Status    int    // of HTTP, 0 when the connection was dropped
	Error     string // the error's name, empty when there was none
	RequestID string
}

// callLog keeps the latest calls without a lock.
type callLog struct {
	count atomic.Uint64
	ring  []atomic.Pointer[Call]
}

func (l *callLog) keep(n int) { l.ring = make([]atomic.Pointer[Call], n) }

func (l *callLog) add(c *Call) {
	c.Number = l.count.Add(1)
	if len(l.ring) > 0 {
		kept := *c
		l.ring[c.Number%uint64(len(l.ring))].Store(&kept)
	}
}

// Calls returns the latest calls, the oldest first, at most as many as
// Options.KeepCalls.
func (s *Server) Calls() []Call {
	var calls []Call
	for i := range s.calls.ring {
		if c := s.calls.ring[i].Load(); c != nil {
			calls = append(calls, *c)
		}
	}
	slices.SortFunc(calls, func(a, b Call) int { return cmp.Compare(a.Number, b.Number) })
	return calls
}
