package producer

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail/shardmap"
)

// fakeWorld is a world with a clock of its own.
type fakeWorld struct {
	*fakeService
	next map[int]func(*call) error // what goes wrong with a call, by number
	hit  map[string]int
}

func newFakeWorld(shards int) *fakeWorld {
	w := &fakeWorld{fakeService: newFakeService(shards), next: map[int]func(*call) error{}, hit: map[string]int{}}
	w.latency = 3 * time.Millisecond
	w.onPut = func(c *call) error {
		wrong := w.next[c.number]
		delete(w.next, c.number)
		if wrong == nil {
			return nil
		}
		return wrong(c)
	}
	return w
}

func (w *fakeWorld) api() API { return w.fakeService }

func (w *fakeWorld) hits() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.hit)
}

// fakeTroubles is how many kinds of trouble strike can bring.
const fakeTroubles = 4

func (w *fakeWorld) begin(random *rand.Rand) {
	w.with(func() {
		for kind := range fakeTroubles {
			w.strike(1+kind, kind, random)
		}
	})
}

func (w *fakeWorld) trouble(random *rand.Rand) {
	w.with(func() { w.strike(len(w.calls)+1+random.IntN(3), min(random.IntN(6), fakeTroubles-1), random) })
}

// strike lets a kind of trouble happen to a call, by number.
func (w *fakeWorld) strike(number, kind int, random *rand.Rand) {
	code := []string{"ProvisionedThroughputExceededException", "InternalFailure", "KMSThrottlingException", "SomethingNew"}[random.IntN(4)]
	seed := random.Uint64()
	w.next[number] = func(c *call) error {
		switch kind {
		case 0:
			w.hit["request refused"]++
			return apiError(code)
		case 1:
			w.hit["dropped before the effect"]++
			return errors.New("connection reset by peer")
		case 2:
			w.hit["dropped after the effect"]++
			w.store(c)
			return context.DeadlineExceeded
		}
		pick := rand.New(rand.NewPCG(seed, 1))
		for i := range c.codes {
			if i == 0 || pick.IntN(3) == 0 {
				c.codes[i] = code
				w.hit["record failed"]++
			}
		}
		return nil
	}
}

func (w *fakeWorld) reshard(random *rand.Rand) {
	w.with(func() {
		if len(w.shards) > 40 {
			return
		}
		var open []int
		for i, s := range w.shards {
			if !s.Closed {
				open = append(open, i)
			}
		}
		if len(open) > 1 && random.IntN(2) == 0 {
			w.merge(open[random.IntN(len(open))])
			return
		}
		w.hit["split"]++
		w.split(open[random.IntN(len(open))])
	})
}

// merge merges a shard with the one behind it, if there is one.
func (w *fakeWorld) merge(i int) {
	for j := range w.shards {
		a, b := &w.shards[i], &w.shards[j]
		if b.Closed || !a.Range.AdjacentTo(b.Range) {
			continue
		}
		w.hit["merge"]++
		a.Closed, b.Closed = true, true
		w.shards = append(w.shards, shardmap.Shard{ID: shardID(len(w.shards)), ParentID: a.ID, AdjacentParentID: b.ID,
			Range: shardmap.Range{Start: a.Range.Start, End: b.Range.End}})
		return
	}
}

func (w *fakeWorld) contents(*testing.T) []storedRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored
}

func (w *fakeWorld) shardRange(t *testing.T, id string) shardmap.Range {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.shards {
		if s.ID == id {
			return s.Range
		}
	}
	t.Fatalf("there is no shard %s", id)
	return shardmap.Range{}
}

func TestRandomProgramsKeepEveryPromise(t *testing.T) {
	t.Parallel()
	var all programs
	for seed := *firstSeed; seed < *firstSeed+*programCount; seed++ {
		synctest.Test(t, func(t *testing.T) {
			wrong, seen := runProgram(t, newFakeWorld(1+int(seed%4)), seed, 600)
			for _, w := range wrong {
				t.Errorf("seed %d: %s", seed, w)
			}
			all.add(seen)
		})
	}
	all.report(t, "split", "record failed", "request refused", "dropped before the effect", "dropped after the effect", "user records retried")
}

func TestOrderPerKeyRestsOnTheLanes(t *testing.T) {
	t.Parallel()
	broken := 0
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			wrong, _ := runProgram(t, newFakeWorld(2), seed, 500, func(o *Options) { o.Order, o.noLanes = PerKey, true })
			if len(wrong) > 0 {
				broken++
			}
		})
	}
	if broken == 0 {
		t.Error("without lanes none of 10 programs breaks a promise; want nearly all to")
	}
}
