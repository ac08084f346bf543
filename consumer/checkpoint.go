package consumer

import (
	"context"
	"sort"
	"strings"
	"sync"

	"github.com/kinetrail/kinetrail"
)

// tracker knows up to which position everything of a shard is done, while
// records are finished in any order.
//
//	add ──► │ done │ open │ done │ open │ ◄── next
//	          └── the position is the last one before the first open
//
// Positions are added in the order of the shard.
type tracker struct {
	max int // records added and not done

	mu     sync.Mutex
	first  uint64 // ticket of marks[head]
	marks  []mark
	head   int // marks before it are passed
	open   int
	done   kinetrail.Position
	told   kinetrail.Position // by position
	change chan struct{}      // closed and replaced when open shrinks; nil when nobody waits
}

type mark struct {
	position kinetrail.Position
	done     bool
}

// add registers the next record of the shard, waiting while too many are open.
// The ticket finishes it.
func (t *tracker) add(ctx context.Context, p kinetrail.Position) (ticket uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()

	for !t.hasRoom() {
		t.mu.Unlock()
		err := t.wait(ctx, t.hasRoom)
		t.mu.Lock()
		if err != nil {
			return 0, err
		}
	}
	if t.head > 0 && len(t.marks) == cap(t.marks) {
		t.marks = t.marks[:copy(t.marks, t.marks[t.head:])]
		t.head = 0
	}
	t.marks = append(t.marks, mark{position: p})
	t.open++
	return t.first + uint64(len(t.marks)-t.head-1), nil
}

// furthest is how many records, for each that may be open, may lie between the
// position and the record that is added: done ones are remembered as long as an
// open one stands before them, and a crash repeats them.
const furthest = 64

// hasRoom is called with t.mu held.
func (t *tracker) hasRoom() bool {
	return t.open < t.max && len(t.marks)-t.head < furthest*t.max
}

// allDone is called with t.mu held.
func (t *tracker) allDone() bool { return t.open == 0 }

// idle reports whether everything that was added is done.
func (t *tracker) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.allDone()
}

// wait returns when reached does, which finishing records makes true.
func (t *tracker) wait(ctx context.Context, reached func() bool) error {
	for {
		t.mu.Lock()
		if reached() {
			t.mu.Unlock()
			return nil
		}
		if t.change == nil {
			t.change = make(chan struct{})
		}
		change := t.change
		t.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// finish marks the record of a ticket as done.
func (t *tracker) finish(ticket uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.finishAt(t.head + int(ticket-t.first))
}

// ack marks the record at p as done. It reports false when no such record is
// open.
func (t *tracker) ack(p kinetrail.Position) bool {
	t.mu.Lock()
	defer t.mu.Unlock()

	rest := t.marks[t.head:]
	i := sort.Search(len(rest), func(i int) bool { return rest[i].position.Compare(p) >= 0 })
	if i == len(rest) || rest[i].position.Compare(p) != 0 || rest[i].done {
		return false
	}
	t.finishAt(t.head + i)
	return true
}

// finishAt marks marks[i] and moves the position over everything done.
func (t *tracker) finishAt(i int) {
	t.marks[i].done = true
	t.open--
	for t.head < len(t.marks) && t.marks[t.head].done {
		t.done = t.marks[t.head].position
		t.marks[t.head] = mark{}
		t.head++
		t.first++
	}
	if t.head == len(t.marks) {
		t.marks, t.head = t.marks[:0], 0
	}
	t.changed()
}

// changed tells who waits. It is called with t.mu held.
func (t *tracker) changed() {
	if t.change != nil {
		close(t.change)
		t.change = nil
	}
}

// withdraw takes back the last n records that were added: they are not handed on,
// so that nobody can make them done.
func (t *tracker) withdraw(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()

	clear(t.marks[len(t.marks)-n:])
	t.marks = t.marks[:len(t.marks)-n]
	t.open -= n
	t.changed()
}

// inHand and reach take the place of add and finish for records that are handled in
// their order: then no more need be known than where the last one lies. inHand says
// how many are handed out at a time, reach that everything up to p is done.
func (t *tracker) inHand(n int) {
	t.mu.Lock()
	t.open = n
	t.mu.Unlock()
}

func (t *tracker) reach(p kinetrail.Position) {
	t.mu.Lock()
	t.done = p
	t.mu.Unlock()
}

// pass moves the position over records that were not to be handed on, such as a
// container the range filter dropped. Everything before them must have been
// added. While something is open, the position stays: what is done next moves it
// over them.
func (t *tracker) pass(p kinetrail.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()

	if t.head == len(t.marks) && t.done.Compare(p) < 0 {
		t.done = p
	}
}

// position is the place up to which everything is done, zero when nothing is. From
// then on neither the tracker nor the caller keeps the page it lay in.
func (t *tracker) position() kinetrail.Position {
	t.mu.Lock()
	defer t.mu.Unlock()

	if t.done != t.told {
		t.told = detached(t.done)
	}
	t.done = t.told
	return t.told
}

// detached is p without the memory of the page that its text may lie in.
func detached(p kinetrail.Position) kinetrail.Position {
	if !p.IsRecord() {
		return p
	}
	return kinetrail.At(strings.Clone(p.Sequence()), p.Sub())
}

// full reports whether add would wait.
func (t *tracker) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()

	return !t.hasRoom()
}

// pending is how many records are open.
func (t *tracker) pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.open
}
