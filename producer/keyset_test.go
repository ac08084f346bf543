package producer

import (
	"math/rand/v2"
	"testing"
)

func TestAKeySetHoldsWhatWasAddedAndNotRemoved(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 0))
		// Few places for many keys, also around the end of the table, so that they
		// get into each other's way; many keys, so that it grows.
		places, most := uint64(1+random.IntN(2000)), 1+random.IntN(3000)
		keys := newKeySet()
		want := map[keyID]bool{} // whether laned
		var ids []keyID
		for range 10_000 {
			if len(ids) == 0 || len(ids) < most && random.IntN(2) == 0 {
				id := keyID(1<<63 | random.Uint64N(1<<8)<<40 | (1000+random.Uint64N(places))<<1)
				at, found := keys.slot(id)
				if _, has := want[id]; found != has {
					t.Fatalf("seed %d: %x found: %t, want %t", seed, id, found, has)
				}
				if found {
					keys.slots[at] |= laned
					want[id] = true
					continue
				}
				keys.add(at, id)
				want[id] = false
				ids = append(ids, id)
				continue
			}
			i := random.IntN(len(ids))
			id := ids[i]
			at, found := keys.slot(id)
			if !found || (keys.slots[at]&laned != 0) != want[id] {
				t.Fatalf("seed %d: %x found: %t, in slot %x; want it there, laned %t", seed, id, found, keys.slots[at], want[id])
			}
			keys.remove(at)
			delete(want, id)
			ids[i] = ids[len(ids)-1]
			ids = ids[:len(ids)-1]
		}
		if keys.count != len(want) {
			t.Errorf("seed %d: %d keys, want %d", seed, keys.count, len(want))
		}
		for _, id := range ids {
			if _, found := keys.slot(id); !found {
				t.Errorf("seed %d: %x is not found at the end", seed, id)
			}
		}
	}
}

func TestAKeyThatRestsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	service := newFakeService(2)
	p := start(t, service, func(o *Options) { o.Linger = 0 })
	for range 3000 {
		if _, err := p.Put(t.Context(), record(randomKey(), "d")); err != nil {
			t.Fatal(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := &p.schedule; s.keys.count != 0 || len(s.keys.slots) != 1<<10 || len(s.lanes) != 0 {
		t.Errorf("%d keys in %d slots and %d lanes are left, want none, 1024 and none", s.keys.count, len(s.keys.slots), len(s.lanes))
	}
}
