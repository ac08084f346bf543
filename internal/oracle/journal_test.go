package oracle

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/lease"
)

// kind is what an event tells.
type kind string

const (
	started kind = "started" // a worker runs; Text is its name in the leases
	ended   kind = "ended"   // Run returned; Text is its error
	crashed kind = "crashed"
	begun   kind = "begun"  // a handler was called
	taken   kind = "taken"  // it returned nil and left the record to Ack
	done    kind = "done"   // it returned nil, or the records were acknowledged
	failed  kind = "failed" // it returned an error or panicked
	left    kind = "left"   // it gave up because its ctx ended
	buried  kind = "buried" // a dead letter took the record
	wrong   kind = "wrong"  // a record is not as it was put, or a promise is broken
	written kind = "written"
	refused kind = "refused" // a write whose condition did not hold
	hit     kind = "hit"     // a fault of the store; Text names it
	adopted kind = "adopted" // a lease that a late write of its own keeps in the worker's name
	erased  kind = "erased"  // a lease, by hand
	stalled kind = "stalled" // the machine did not run the worker for a while
)

// seen is a record as a handler sees it.
type seen struct {
	ID  recordID
	Pos string
}

// event is one line of the journal.
type event struct {
	At      time.Time
	Worker  int
	Kind    kind
	Shard   string        `json:",omitempty"`
	Records []seen        `json:",omitempty"`
	Over    bool          `json:",omitempty"` // the ctx of the handler had ended when it was called
	Op      string        `json:",omitempty"`
	Row     *lease.Lease  `json:",omitempty"` // as it is after the write
	For     time.Duration `json:",omitempty"`
	Text    string        `json:",omitempty"`
}

// String is the event in words.
func (e *event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s worker %d %s", e.At.Format("04:05.000"), e.Worker, strings.TrimSpace(string(e.Kind)+" "+e.Op))
	if e.Row != nil {
		fmt.Fprintf(&b, " counter %d owner %q successor %q checkpoint %s", e.Row.Counter, e.Row.Owner, e.Row.Successor, e.Row.Checkpoint)
	}
	if len(e.Records) > 0 {
		fmt.Fprintf(&b, " %v at %s", e.Records[0].ID, e.Records[0].Pos)
	}
	if len(e.Records) > 1 {
		fmt.Fprintf(&b, " and %d more", len(e.Records)-1)
	}
	if e.Over {
		b.WriteString(", its ctx has ended")
	}
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	return b.String()
}

// journal takes the events of all workers in the order in which they happen.
type journal interface {
	// add appends an event.
	add(e event)

	// change runs a write to the store and appends what came of it, before any
	// other write to the store.
	change(write func() event)
}

// memory is a journal for workers of one process.
type memory struct {
	writes sync.Mutex // held during a write to the store

	mu     sync.Mutex
	events []event
	dead   map[int]bool // workers whose handlers are not listened to any more
}

func newMemory() *memory { return &memory{dead: make(map[int]bool)} }

func (j *memory) add(e event) {
	j.mu.Lock()
	defer j.mu.Unlock()

	if j.dead[e.Worker] && e.Kind != written && e.Kind != refused {
		return
	}
	e.At = time.Now()
	j.events = append(j.events, e)
}

func (j *memory) change(write func() event) {
	j.writes.Lock()
	defer j.writes.Unlock()

	j.add(write())
}

// crash notes that a worker is gone: whatever its handlers still do, nobody sees
// it.
func (j *memory) crash(worker int) {
	j.add(event{Worker: worker, Kind: crashed})
	j.mu.Lock()
	defer j.mu.Unlock()

	j.dead[worker] = true
}

func (j *memory) all() []event {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.events
}
