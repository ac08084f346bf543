package metrics

import "sync/atomic"

var processDefault atomic.Pointer[Sink]

// SetDefault sets the sink of the whole process: of every client that is made
// afterwards and was given none of its own. Nil goes back to Noop.
func SetDefault(sink Sink) {
	if sink == nil {
		sink = Noop
	}
	processDefault.Store(&sink)
}

// Default is the sink of the whole process: what SetDefault was last given, or
// Noop.
func Default() Sink {
	if sink := processDefault.Load(); sink != nil {
		return *sink
	}
	return Noop
}
