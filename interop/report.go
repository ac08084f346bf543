package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// report writes a line for each check, and at the end a summary by peer. Several
// goroutines may use it at once.
type report struct {
	mu    sync.Mutex
	out   io.Writer
	peers []*peer
}

// peer is a library and how it did.
type peer struct {
	name     string
	version  string
	language string // when it was left out
	ok       int
	failed   int
	counts   []count
}

// count is a number of things that were seen.
type count struct {
	n     int
	thing string
}

func newReport(out io.Writer) *report { return &report{out: out} }

// peer puts a peer behind those of the summary, unless it is among them.
func (r *report) peer(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known(name)
}

func (r *report) known(name string) *peer {
	for _, p := range r.peers {
		if p.name == name {
			return p
		}
	}
	p := &peer{name: name}
	r.peers = append(r.peers, p)
	return p
}

// version is what a peer calls itself.
func (r *report) version(name, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known(name).version = version
}

func (r *report) versionOf(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known(name).version
}

// skip notes that a peer was left out with its language.
func (r *report) skip(name, language string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known(name).language = language
}

// add counts things that a peer has done.
func (r *report) add(name string, n int, thing string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.known(name)
	for i := range p.counts {
		if p.counts[i].thing == thing {
			p.counts[i].n += n
			return
		}
	}
	p.counts = append(p.counts, count{n, thing})
}

// line writes what came of a check.
func (r *report) line(name, what, seen string, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.known(name)
	if err != nil {
		p.failed++
		fmt.Fprintf(r.out, "FAIL  %-28s %s\n      %s\n", name, what, strings.ReplaceAll(err.Error(), "\n", "\n      "))
		return
	}
	p.ok++
	if seen != "" {
		what += ": " + seen
	}
	fmt.Fprintf(r.out, "ok    %-28s %s (%.1f s)\n", name, what, took.Seconds())
}

// summary writes what was checked against which version, and tells whether all
// of it held. A run without a single check, or without one of a peer that was not
// skipped, does not hold.
func (r *report) summary(took time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(r.out)
	var ok, failed, missing int
	skipped := make(map[string]bool)
	for _, p := range r.peers {
		ok, failed = ok+p.ok, failed+p.failed
		switch {
		case p.language != "":
			skipped[p.language] = true
			fmt.Fprintf(r.out, "%-28s not checked: %s is skipped\n", p.name, p.language)
		case p.ok+p.failed == 0:
			missing++
			fmt.Fprintf(r.out, "%-28s NOT CHECKED\n", p.name)
		case p.failed > 0:
			fmt.Fprintf(r.out, "%-28s %d of %d checks FAILED; %s\n", p.name, p.failed, p.ok+p.failed, p.version)
		default:
			fmt.Fprintf(r.out, "%-28s %s ok%s; %s\n", p.name, things(p.ok, "checks"), p.seen(), p.version)
		}
	}
	result := "all ok"
	switch {
	case failed > 0:
		result = fmt.Sprintf("%d FAILED", failed)
	case missing > 0:
		result = things(missing, "peers") + " NOT CHECKED"
	case ok == 0:
		result = "nothing was checked"
	}
	fmt.Fprintf(r.out, "%s, %s, %.0f s\n", things(ok+failed, "checks"), result, took.Seconds())
	return failed+missing == 0 && ok > 0
}

func (p *peer) seen() string {
	var text strings.Builder
	for _, c := range p.counts {
		fmt.Fprintf(&text, ", %s", things(c.n, c.thing))
	}
	return text.String()
}

// things is a number and its noun, which is given in the plural.
func things(n int, noun string) string {
	if n == 1 {
		noun = strings.TrimSuffix(noun, "s")
	}
	return fmt.Sprintf("%d %s", n, noun)
}
