package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

// program is what happens in one run. All of it follows from the seed.
type program struct {
	Seed    uint64
	Shards  int // at the beginning
	Workers int // at the beginning
	Writers []writer
	Group   groupOptions
	Steps   []step
}

// mode is how workers take their records.
type mode string

const (
	run    mode = "Run"
	perKey mode = "Run per key"
	batch  mode = "RunBatch"
	manual mode = "Run with Ack"
	acked  mode = "RunBatch with Ack"
	shards mode = "RunShards"
)

// groupOptions are the options of all workers of a program.
type groupOptions struct {
	Mode               mode
	FanOut             int // of ten workers
	Wire               kinesisprotocol.Wire
	PerKey             int
	MaxBatch           int
	MaxRecords         int
	BatchWait          time.Duration
	CheckpointInterval time.Duration
	PollInterval       time.Duration
	MaxPollInterval    time.Duration
	LeaseDuration      time.Duration
	HandoverTimeout    time.Duration
	HandlerTimeout     time.Duration
	DeadLetters        bool
	RangeKCL           bool
	Handlers           handlers
}

// manual reports whether records are done when they are acknowledged.
func (g *groupOptions) manual() bool { return g.Mode == manual || g.Mode == acked }

// handlers is how handlers behave, in records of a thousand.
type handlers struct {
	Slow    int
	SlowFor time.Duration // at most
	Deaf    int           // slow the first time, and ignoring the end of their ctx
	DeafFor time.Duration // at most
	Fail    int           // once or a few times
	Hang    int           // the first time, until their ctx ends
	Poison  int           // always, when there are dead letters
}

// action is what a step does.
type action string

const (
	put      action = "put"
	split    action = "split"
	merge    action = "merge"
	scale    action = "scale" // UpdateShardCount
	trouble  action = "fault"
	jump     action = "jump" // of the service's clock
	outage   action = "outage"
	late     action = "late"
	lose     action = "lose"
	freeze   action = "freeze"
	start    action = "start"
	drain    action = "drain"
	stop     action = "stop"
	crash    action = "crash"
	erase    action = "erase" // a lease, by hand
	mended   action = "mend"  // the end of all faults
	everyone        = -1
)

// step is one thing that happens, After the one before it.
type step struct {
	After  time.Duration
	Do     action
	Which  int           // writer, shard or worker, modulo those there are; everyone is all workers
	N      int           // records, shards or writes
	For    time.Duration // of what lasts; of a drain, what it may take, 0 without end
	Hang   bool          // calls of an outage hang instead of failing
	Fault  string        // a rule of package fault
	random uint64        // for what the step decides when it comes
}

// pace is how long things take in a kind of run.
type pace struct {
	unit time.Duration
}

// In virtual time a lease lives for seconds; with real processes it is as short
// as a busy machine allows.
var (
	virtual  = pace{unit: time.Second}
	realTime = pace{unit: 150 * time.Millisecond}
)

// minima are what every program holds at least.
const (
	leastWorkers = 2
	leastRecords = 2000
)

// generate makes the program of a seed.
func generate(seed uint64, pace pace) *program {
	random := rand.New(rand.NewPCG(seed, 0x6f7261636c65))
	p := &program{
		Seed:    seed,
		Shards:  1 + random.IntN(4),
		Workers: leastWorkers + random.IntN(3),
		Group:   generateGroup(random, pace),
	}
	for range 2 + random.IntN(2) {
		p.Writers = append(p.Writers, generateWriter(random))
	}
	g := generator{random: random, pace: pace, program: p}
	g.steps()
	return p
}

func generateGroup(random *rand.Rand, pace pace) groupOptions {
	u := pace.unit
	lease := time.Duration(3+random.IntN(5)) * u
	g := groupOptions{
		Mode:               pick(random, run, run, perKey, perKey, batch, batch, manual, acked, shards),
		FanOut:             pick(random, 0, 0, 5, 10),
		Wire:               pick(random, kinesisprotocol.CBOR, kinesisprotocol.JSON, kinesisprotocol.SDK),
		PerKey:             2 + random.IntN(8),
		MaxBatch:           pick(random, 7, 50, 500),
		MaxRecords:         pick(random, 20, 100, 10_000),
		BatchWait:          pick(random, 0, u/2, 5*u),
		CheckpointInterval: pick(random, 0, u/10, u/2, 2*u),
		PollInterval:       pick(random, 0, u/20, u/5),
		MaxPollInterval:    pick(random, u/5, u),
		LeaseDuration:      lease,
		HandoverTimeout:    pick(random, lease/2, 2*lease),
		DeadLetters:        random.IntN(4) == 0,
		RangeKCL:           random.IntN(3) == 0,
		Handlers: handlers{
			Slow: pick(random, 0, 5, 20), SlowFor: pick(random, u/100, u/10, u/2),
			Deaf: pick(random, 0, 0, 2), DeafFor: lease / 2,
			Fail: pick(random, 0, 3, 10),
		},
	}
	if random.IntN(4) == 0 {
		g.HandlerTimeout, g.Handlers.Hang = u/2, 3
	}
	if g.Mode == shards { // its loop has no policy for failures
		g.DeadLetters = false
		g.Handlers.Fail, g.Handlers.Hang = 0, 0
	}
	if g.DeadLetters {
		g.Handlers.Poison = 5
	}
	return g
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// generator makes the steps of a program.
type generator struct {
	random  *rand.Rand
	pace    pace
	program *program
}

// steps makes puts all through the program, and everything else between them. A
// reshard and a crash are always among it.
func (g *generator) steps() {
	puts := 8 + g.random.IntN(5)
	total := leastRecords + g.random.IntN(1000)
	var others []action
	for range 6 + g.random.IntN(8) {
		others = append(others, pick(g.random,
			split, split, merge, scale,
			trouble, trouble, trouble, trouble, trouble, jump,
			outage, outage, late, lose, freeze, erase,
			start, drain, stop, crash, crash))
	}
	others = append(others, pick(g.random, split, merge, scale), crash)
	if g.program.Shards == 1 {
		others = append(others, split)
	}
	g.random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	for i := range puts {
		n := total / (puts - i)
		total -= n
		g.add(step{Do: put, Which: g.random.IntN(1 << 16), N: n})
		for range len(others) / (puts - i) {
			g.other(others[0])
			others = others[1:]
		}
	}
}

func (g *generator) add(s step) {
	s.After = g.upTo(1.5)
	s.random = g.random.Uint64()
	g.program.Steps = append(g.program.Steps, s)
}

// upTo is a random time of at most so many units.
func (g *generator) upTo(units float64) time.Duration {
	return time.Duration(g.random.Float64() * units * float64(g.pace.unit))
}

// other adds a step that is no put.
func (g *generator) other(do action) {
	s := step{Do: do, Which: g.random.IntN(1 << 16)}
	lease := g.program.Group.LeaseDuration
	switch do {
	case scale:
		s.N = 1 + g.random.IntN(6)
	case trouble:
		s.Fault = g.rule()
	case jump:
		s.For = time.Duration(1+g.random.IntN(10)) * time.Minute
	case outage:
		s.For = g.upTo(2*float64(lease)/float64(g.pace.unit)) + g.pace.unit/4
		s.Hang = g.random.IntN(2) == 0
		if g.random.IntN(3) == 0 {
			s.Which = everyone
		}
	case late:
		s.N = 1 + g.random.IntN(4)
		s.For = g.upTo(3 * float64(lease) / float64(g.pace.unit))
	case lose:
		s.N = 1 + g.random.IntN(4)
	case freeze:
		s.For = lease/2 + g.upTo(2*float64(lease)/float64(g.pace.unit))
	case drain: // half of them within so little time that handlers may have to be cancelled
		s.For = pick(g.random, 0, lease/8)
	case start, stop, crash:
	}
	g.add(s)
}

// rule is something that goes wrong between a client and the service, a few
// times.
func (g *generator) rule() string {
	throttled := "ProvisionedThroughputExceededException"
	call := pick(g.random, "GetRecords", "GetRecords", "GetRecords", "GetShardIterator", "ListShards", "PutRecords", "PutRecords", "SubscribeToShard")
	rule := fault.Rule{Operation: call, Probability: 0.05 + 0.4*g.random.Float64(), Seed: g.random.Uint64(), Times: 1 + g.random.IntN(10)}
	what := g.random.IntN(6)
	switch {
	case what == 0:
		rule.Drop = fault.DropBefore
	case what == 1:
		rule.Drop = fault.DropAfter
	case what == 2:
		rule.Error = "InternalFailure"
	case what == 3 && call == "GetRecords":
		rule.Error = "ExpiredIteratorException"
	case what == 3 && call == "ListShards":
		rule.Stale = true
	case what == 3 && call == "PutRecords":
		rule.Records = 1 + g.random.IntN(5)
	case what == 3 && call == "SubscribeToShard":
		rule.Cut = 1 + g.random.IntN(3)
	case what == 4:
		rule.Delay = g.upTo(1)
	case call == "ListShards" || call == "SubscribeToShard":
		rule.Error = "LimitExceededException"
	default:
		rule.Error = throttled
	}
	return rule.String()
}

// String is the program in words, a line a step.
func (p *program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d shards, %d workers, %+v\n", p.Seed, p.Shards, p.Workers, p.Group)
	for i, w := range p.Writers {
		fmt.Fprintf(&b, "writer %d: %v\n", i, w)
	}
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%10v %s\n", s.After.Round(time.Millisecond), s)
	}
	return b.String()
}

func (s step) String() string {
	var b strings.Builder
	b.WriteString(string(s.Do))
	switch {
	case s.Fault != "":
		fmt.Fprintf(&b, " %s", s.Fault)
	case s.Which == everyone:
		b.WriteString(" everyone")
	default:
		fmt.Fprintf(&b, " %d", s.Which)
	}
	if s.N != 0 {
		fmt.Fprintf(&b, " n=%d", s.N)
	}
	if s.For != 0 {
		fmt.Fprintf(&b, " for %v", s.For.Round(time.Millisecond))
	}
	if s.Hang {
		b.WriteString(", hanging")
	}
	return b.String()
}
