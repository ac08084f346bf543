//go:build linux || darwin

package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/filelease"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// usualProcessPrograms are run with real processes when nothing else is asked
// for, programsAtOnce of them at the same time.
const (
	usualProcessPrograms = 2
	programsAtOnce       = 8
)

// toNotice is how long after its lease was taken, or after it was stopped or
// starved, a process may begin to handle a record: its timers are not punctual.
const toNotice = 2 * time.Second

// TestKilledProcesses runs random programs whose workers are processes that
// share a file of leases. Their crashes are SIGKILL.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	total := newReport()
	seeds := make(chan uint64)
	var lanes sync.WaitGroup
	for range programsAtOnce {
		lanes.Go(func() {
			for seed := range seeds {
				if !t.Failed() {
					playInProcesses(t, generate(seed, realTime), total)
				}
			}
		})
	}
	first, n := firstSeed(), processPrograms()
	for seed := first; seed < first+uint64(n); seed++ {
		seeds <- seed
	}
	close(seeds)
	lanes.Wait()
	t.Logf("seeds from %d in processes: %v", first, total)
	total.demand(t, n)
}

func processPrograms() int {
	if *processProgramsFlag > 0 {
		return *processProgramsFlag
	}
	return usualProcessPrograms
}

// playInProcesses plays a program, and fails the test on what the judge finds.
func playInProcesses(t *testing.T, p *program, total *report) {
	server, err := newServer(p)
	if err == nil {
		err = server.Listen("127.0.0.1:0")
	}
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = server.Close() }()
	dir, err := os.MkdirTemp("", "oracle-") // not one of the test's, of which there would be a thousand in the end
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	house, err := newStreet(dir, p, server)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = house.close() }()
	r, err := play(p, realTime, server, house, toNotice)
	if err != nil {
		t.Errorf("%v%v", p, err)
		return
	}
	total.add(t, r)
	if len(r.violations) > 0 {
		t.Errorf("%vwrong:\n%s\nseed %d", p, r.verdict(), p.Seed)
		keepJournal(t, house)
	}
}

// street is a house for every worker: a process each.
type street struct {
	program *program
	server  *localkinesis.Server
	dir     string
	leases  *filelease.Store
	journal *file
}

func newStreet(dir string, p *program, server *localkinesis.Server) (*street, error) {
	leases, err := filelease.Open(filepath.Join(dir, leasesFile))
	if err != nil {
		return nil, err
	}
	j, err := openJournal(dir)
	if err != nil {
		return nil, err
	}
	return &street{program: p, server: server, dir: dir, leases: leases, journal: j}, nil
}

const (
	leasesFile  = "oracle.leases"
	journalFile = "journal"
)

func (s *street) store() lease.Store { return s.leases }

func (s *street) change(write func() event) { s.journal.change(write) }

func (s *street) read() ([]event, error) { return readJournal(s.dir) }

func (s *street) close() error { return errors.Join(s.journal.close(), s.leases.Close()) }

// workerOrder is what the process of a worker is told when it starts.
type workerOrder struct {
	Seed   uint64
	Number int
	URL    string
	Dir    string
}

func (s *street) start(number int) (tenant, error) {
	order, err := json.Marshal(workerOrder{Seed: s.program.Seed, Number: number, URL: s.server.URL(), Dir: s.dir})
	if err != nil {
		return nil, err
	}
	p := &process{number: number, journal: s.journal, command: exec.Command(os.Args[0]), gone: make(chan struct{})}
	p.command.Env = append(os.Environ(), workerVariable+"="+string(order))
	p.command.Stderr = &p.stderr
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.orders = json.NewEncoder(stdin)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.gone)
		p.await(p.command.Wait())
	}()
	return p, nil
}

// process is a worker in a process of its own.
type process struct {
	number  int
	journal *file
	command *exec.Cmd
	stderr  bytes.Buffer
	gone    chan struct{}

	mu     sync.Mutex
	orders *json.Encoder
	thaw   *time.Timer // when it is frozen
	killed bool
}

// await notes how the process ended.
func (p *process) await(err error) {
	p.mu.Lock()
	killed := p.killed
	p.mu.Unlock()
	switch status, _ := p.command.ProcessState.Sys().(syscall.WaitStatus); {
	case killed && status.Signaled() && status.Signal() == syscall.SIGKILL:
		p.journal.add(event{Worker: p.number, Kind: crashed})
	case err != nil:
		p.journal.add(event{Worker: p.number, Kind: ended, Text: fmt.Sprintf("the process: %v\n%s", err, p.stderr.Bytes())})
	}
}

func (p *process) ended() <-chan struct{} { return p.gone }

func (p *process) drain(within time.Duration) { p.obey(step{Do: drain, For: within}) }

func (p *process) stop() { p.obey(step{Do: stop}) }

// obey tells the process what to do. A process that is gone does nothing.
func (p *process) obey(s step) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if s.Do != freeze {
		_ = p.orders.Encode(s)
		return
	}
	if p.thaw != nil || p.command.Process.Signal(syscall.SIGSTOP) != nil {
		return
	}
	p.journal.add(event{Worker: p.number, Kind: hit, Text: "process stopped by SIGSTOP"})
	p.thaw = time.AfterFunc(s.For, p.cont)
}

// cont lets a frozen process run on.
func (p *process) cont() {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.thaw == nil {
		return
	}
	p.thaw.Stop()
	p.thaw = nil
	_ = p.command.Process.Signal(syscall.SIGCONT)
	p.journal.add(event{Worker: p.number, Kind: stalled, Text: "process continued by SIGCONT"})
}

func (p *process) mend() {
	p.cont()
	p.obey(step{Do: mended})
}

// crash kills the process, in whatever it does.
func (p *process) crash() {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.killed = true
	_ = p.command.Process.Signal(syscall.SIGKILL)
}

// file is a journal in a file that several processes append to, each event in
// one write.
type file struct {
	lines *os.File
	turn  *os.File // whose lock is held during a write to the store

	mu sync.Mutex // for the lock, which the file holds and not a goroutine
}

func openJournal(dir string) (*file, error) {
	lines, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	turn, err := os.OpenFile(filepath.Join(dir, journalFile+".turn"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errors.Join(err, lines.Close())
	}
	return &file{lines: lines, turn: turn}, nil
}

func (f *file) close() error { return errors.Join(f.lines.Close(), f.turn.Close()) }

func (f *file) add(e event) {
	e.At = time.Now()
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	// A worker whose events are lost must not go on. The parent's own events may
	// come after the program.
	if _, err := f.lines.Write(append(line, '\n')); err != nil && !errors.Is(err, os.ErrClosed) {
		panic(err)
	}
}

func (f *file) change(write func() event) {
	f.mu.Lock()
	defer f.mu.Unlock()

	for {
		err := syscall.Flock(int(f.turn.Fd()), syscall.LOCK_EX)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EINTR) {
			panic(err)
		}
	}
	defer func() { _ = syscall.Flock(int(f.turn.Fd()), syscall.LOCK_UN) }()
	f.add(write())
}

// readJournal reads all events.
func readJournal(dir string) ([]event, error) {
	text, err := os.ReadFile(filepath.Join(dir, journalFile))
	if err != nil {
		return nil, err
	}
	var events []event
	for line := range bytes.Lines(text) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("the journal says %q: %w", line, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// workerVariable makes the test binary a worker.
const workerVariable = "KINETRAIL_ORACLE_WORKER"

func init() {
	if os.Getenv(workerVariable) != "" {
		child = workUntilKilled
	}
}

// workUntilKilled is a worker in a process of its own. It ends at the latest
// when its parent does.
func workUntilKilled() error {
	var order workerOrder
	if err := json.Unmarshal([]byte(os.Getenv(workerVariable)), &order); err != nil {
		return err
	}
	leases, err := filelease.Open(filepath.Join(order.Dir, leasesFile))
	if err != nil {
		return err
	}
	j, err := openJournal(order.Dir)
	if err != nil {
		return err
	}
	net := newNetwork(j, order.Number)
	w, err := newWorker(order.Number, generate(order.Seed, realTime), j, clientOf(order.URL, net), leases, net)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go w.listen(cancel)
	go j.watchStalls(order.Number)
	_ = w.run(ctx) // the journal has its error
	return nil
}

// listen obeys the orders of the parent until it is gone.
func (w *worker) listen(cancel context.CancelCauseFunc) {
	orders := json.NewDecoder(os.Stdin)
	for {
		var s step
		if err := orders.Decode(&s); err != nil {
			os.Exit(3)
		}
		switch s.Do {
		case drain:
			go w.drain(s.For)
		case stop:
			cancel(errStopped)
		case mended:
			w.network.mend()
		default:
			w.network.obey(s)
		}
	}
}

// watchStalls notes when the machine has not run this process for a while.
func (f *file) watchStalls(worker int) {
	const period, longest = 20 * time.Millisecond, 60 * time.Millisecond
	for last := time.Now(); ; {
		<-time.After(period)
		now := time.Now()
		if late := now.Sub(last) - period; late > longest {
			f.add(event{Worker: worker, Kind: stalled, For: late, Text: "process starved"})
		}
		last = now
	}
}
