package cli

import (
	"fmt"
	"io"
	"time"
)

// progress is one line on stderr that is written over and over during long
// work. It shows nothing unless stderr is a terminal and stdout is not, for
// there the result itself tells how far the work is.
type progress struct {
	out   io.Writer // nil for nothing
	shown bool
	last  time.Time
}

// progressInterval keeps fast work from spending its time on telling about it.
const progressInterval = 100 * time.Millisecond

func (a *app) newProgress() *progress {
	if !isTerminal(a.stderr) || isTerminal(a.stdout) {
		return &progress{}
	}
	return &progress{out: a.stderr}
}

// newStatusLine is a progress for work that prints nothing until it is done: it
// shows whenever stderr is a terminal.
func (a *app) newStatusLine() *progress {
	if !isTerminal(a.stderr) {
		return &progress{}
	}
	return &progress{out: a.stderr}
}

func (p *progress) show(format string, args ...any) {
	if p.out == nil || time.Since(p.last) < progressInterval {
		return
	}
	p.last, p.shown = time.Now(), true
	fmt.Fprintf(p.out, "\r\x1b[K"+format, args...)
}

// clear takes the line away.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
