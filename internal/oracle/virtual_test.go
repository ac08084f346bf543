package oracle

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// The tests can be made longer and be repeated: make chaos does it.
var (
	seedFlag     = flag.Uint64("seed", 1, "seed of the first program; 0 draws one")
	journalFlag  = flag.String("journal", "", "file for the whole journal of a program that fails")
	programsFlag = flag.Int("programs", 0, "programs in virtual time; 0 is a few")

	processProgramsFlag = flag.Int("process-programs", 0, "programs with real processes; 0 is a few")
	allMutationsFlag    = flag.Bool("all-mutations", false, "try every mutation, and not only a few")
)

// usualPrograms are run in virtual time when nothing else is asked for.
const usualPrograms = 50

// TestPrograms runs random programs in virtual time, one after another.
func TestPrograms(t *testing.T) {
	t.Parallel()
	first, n := firstSeed(), usualPrograms
	if *programsFlag > 0 {
		n = *programsFlag
	}
	total := newReport()
	for seed := first; seed < first+uint64(n) && !t.Failed(); seed++ {
		p := generate(seed, virtual)
		synctest.Test(t, func(t *testing.T) { total.add(t, playVirtually(t, p)) })
	}
	t.Logf("seeds from %d in virtual time: %v", first, total)
	total.demand(t, n)
}

func firstSeed() uint64 {
	if *seedFlag != 0 {
		return *seedFlag
	}
	return rand.Uint64() >> 16
}

// playVirtually plays a program in a bubble and fails the test on what the judge
// finds.
func playVirtually(t *testing.T, p *program) *report {
	t.Helper()
	server, err := newServer(p)
	if err != nil {
		t.Fatal(err)
	}
	house := newBubble(p, server)
	r, err := play(p, virtual, server, house, 0)
	if err != nil {
		t.Fatalf("%v%v", p, err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if len(r.violations) > 0 {
		t.Errorf("%vwrong:\n%s\nseed %d", p, r.verdict(), p.Seed)
		keepJournal(t, house)
	}
	return r
}

// keepJournal writes the journal where the flag says.
func keepJournal(t *testing.T, house house) {
	t.Helper()
	if *journalFlag == "" {
		return
	}
	events, err := house.read()
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i := range events {
		fmt.Fprintf(&lines, "%s %v\n", events[i].Shard, &events[i])
	}
	if err := os.WriteFile(*journalFlag, []byte(lines.String()), 0o600); err != nil {
		t.Error(err)
	}
}

// bubble is a house in the process of the test.
type bubble struct {
	program *program
	server  *localkinesis.Server
	leases  *memlease.Store
	journal *memory
}

func newBubble(p *program, server *localkinesis.Server) *bubble {
	return &bubble{program: p, server: server, leases: memlease.New(), journal: newMemory()}
}

func (b *bubble) store() lease.Store { return b.leases }

func (b *bubble) change(write func() event) { b.journal.change(write) }

func (b *bubble) read() ([]event, error) { return b.journal.all(), nil }

func (b *bubble) start(number int) (tenant, error) {
	net := newNetwork(b.journal, number)
	client := b.server.Client(func(o *kinesis.Options) { o.HTTPClient = net.client(b.server.Transport()) })
	w, err := newWorker(number, b.program, b.journal, client, b.leases, net)
	if err != nil {
		return nil, err
	}
	l := &lodger{worker: w, journal: b.journal, gone: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	go func() {
		defer close(l.gone)
		_ = w.run(l.ctx) // the journal has its error
	}()
	return l, nil
}

// lodger is a worker in a bubble.
type lodger struct {
	worker  *worker
	journal *memory
	ctx     context.Context
	cancel  context.CancelCauseFunc
	gone    chan struct{}
}

func (l *lodger) obey(s step) { l.worker.network.obey(s) }

func (l *lodger) mend() { l.worker.network.mend() }

func (l *lodger) stop() { l.cancel(errStopped) }

func (l *lodger) ended() <-chan struct{} { return l.gone }

func (l *lodger) drain(within time.Duration) { go l.worker.drain(within) }

// crash lets nothing of the worker be seen any more, and ends it.
func (l *lodger) crash() {
	l.journal.crash(l.worker.number)
	l.worker.network.cutOff()
	l.cancel(errCut)
}
