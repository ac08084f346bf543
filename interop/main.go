package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == workerCommand {
		os.Exit(work(context.Background(), os.Args[2], os.Stdin, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run is main with the exit code: 1 when a check fails, 2 when none could be
// made.
func run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	cache := flags.String("cache", ".cache", "`folder` that the libraries were installed in")
	skip := flags.String("skip", "", "`languages` to leave out, separated by commas: "+strings.Join(languages, ", "))
	only := flags.String("only", "", "`part` of the checks to make alone: "+strings.Join(partNames(), ", "))
	timeout := flags.Duration("timeout", 15*time.Minute, "give up after this `time`")
	update := flags.Bool("update", false, "write the bytes that the libraries make to the testdata folders")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	s, err := newSession(ctx, *cache, *skip, *update)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		return 2
	}
	wanted := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return *only != "" && *only != p.name })
	if len(wanted) == 0 {
		fmt.Fprintf(os.Stderr, "interop: there is no part %q, only %s\n", *only, strings.Join(partNames(), ", "))
		return 2
	}
	began := time.Now()
	s.checkAll(wanted)
	if !s.report.summary(time.Since(began)) {
		return 1
	}
	return 0
}

// part is a group of checks, and the peers in the order of the summary.
type part struct {
	name  string
	check func(s *session)
	peers []string
}

var parts = []part{
	{"aws-cli", checkAWSCLI, []string{awsCLIName}},
	{"sdks", checkSDKs, namesOf(libraries, func(l library) string { return l.name })},
	{"containers", checkContainers, namesOf(deaggregators, func(d deaggregator) string { return d.name })},
	{"kpl", checkKPL, []string{kplName}},
	{"kcl2", checkKCL2, []string{kcl2Worker}},
	{"kcl3", checkKCL3, []string{kcl3Worker}},
	{"codecs", checkCodecs, []string{asyncKinesis}},
	{"checkpoints", checkCheckpoints, []string{asyncKinesisCheckpoints}},
	{"readers", checkReaders, append(namesOf(pageReaders, func(r pageReader) string { return r.name }), handlerName)},
}

func partNames() []string { return namesOf(parts, func(p part) string { return p.name }) }

func namesOf[T any](all []T, name func(T) string) []string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = name(all[i])
	}
	return names
}

// checkAll makes the checks of some parts, two at a time: the AWS CLI takes as
// long as all others.
func (s *session) checkAll(parts []part) {
	for _, p := range parts {
		for _, name := range p.peers {
			s.report.peer(name)
		}
	}
	next := make(chan part)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for p := range next {
				p.check(s)
			}
		})
	}
	for _, p := range parts {
		next <- p
	}
	close(next)
	workers.Wait()
}

// languages are those whose libraries can be left out.
var languages = []string{"python", "node", "java"}

// session is what the checks share.
type session struct {
	ctx    context.Context
	report *report
	cache  string // absolute
	skip   []string
	update bool
	secure *identity
	fleets sync.Mutex // of whoever has a fleet
}

func newSession(ctx context.Context, cache, skip string, update bool) (*session, error) {
	folder, err := filepath.Abs(cache)
	if err != nil {
		return nil, err
	}
	s := &session{ctx: ctx, report: newReport(os.Stdout), cache: folder, update: update}
	s.skip = strings.FieldsFunc(skip, func(r rune) bool { return r == ',' || r == ' ' })
	for _, name := range s.skip {
		if !slices.Contains(languages, name) {
			return nil, fmt.Errorf("%q cannot be skipped, only %s can", name, strings.Join(languages, ", "))
		}
	}
	if s.secure, err = newIdentity(folder); err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return s, nil
}

// skipped tells whether a language was left out.
func (s *session) skipped(language string) bool { return slices.Contains(s.skip, language) }

// path is a file of the cache.
func (s *session) path(elements ...string) string {
	return filepath.Join(append([]string{s.cache}, elements...)...)
}

// keep makes a file of the cache, for whoever wants to see more than the report.
func (s *session) keep(folder, name string) (*os.File, error) {
	if err := os.MkdirAll(s.path(folder), 0o755); err != nil {
		return nil, err
	}
	return os.Create(s.path(folder, name))
}

// check makes a check of a peer and reports it.
func (s *session) check(peer, what string, make func() (seen string, err error)) {
	if s.ctx.Err() != nil {
		return
	}
	began := time.Now()
	seen, err := make()
	if s.ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", context.Cause(s.ctx))
	}
	s.report.line(peer, what, seen, time.Since(began), err)
}
