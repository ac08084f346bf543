package consumer

import (
	"fmt"
	"testing"

	"github.com/kinetrail/kinetrail/lease"
)

// leases makes candidates from owners: "" is free, "a>b" is a's, asked for by b.
func owned(owners ...string) []candidate {
	var leases []candidate
	for i, owner := range owners {
		c := candidate{Lease: &lease.Lease{Key: fmt.Sprint(i), Owner: owner}, available: owner == ""}
		if len(owner) == 3 {
			c.Owner, c.Successor = owner[:1], owner[2:]
		}
		leases = append(leases, c)
	}
	return leases
}

func repeat(owner string, n int) []string {
	var owners []string
	for range n {
		owners = append(owners, owner)
	}
	return owners
}

func TestAssignPlansAFairShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		leases        []candidate
		max           int
		take, request int
	}{
		{"alone takes everything", owned("", "", ""), 0, 3, 0},
		{"alone takes no more than allowed", owned("", "", ""), 2, 2, 0},
		{"takes up to its share", owned("", "", "", "a"), 0, 2, 0},
		{"the share is rounded up, so that nothing is left over", owned("", "", "a", "b", "b"), 0, 2, 0},
		{"leaves what others are due", owned("", "me", "me", "a"), 0, 0, 0},
		{"requests from the one that has more", owned("a", "a", "a", "a"), 0, 0, 1},
		{"requests nothing for a difference of one", owned("a", "a", "me"), 0, 0, 0},
		{"counts what it has asked for", owned("a>m", "a", "me"), 0, 0, 0},
		{"requests several at once of many", owned(append(repeat("a", 80), repeat("b", 80)...)...), 0, 0, 13},
		{"requests nothing while something is free", owned("", "a", "a", "a"), 0, 1, 0},
		{"requests nothing beyond its maximum", owned("a", "a", "a", "a", "me"), 1, 0, 0},
		{"nothing to do", nil, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := assign("me", tt.leases, tt.max)
			if len(p.take) != tt.take || len(p.request) != tt.request {
				t.Errorf("take %d, request %d; want %d and %d", len(p.take), len(p.request), tt.take, tt.request)
			}
			for _, l := range p.request {
				if l.Owner == "me" || l.Owner == "" || l.Successor != "" {
					t.Errorf("requests %+v; want leases of others that nobody asked for", l)
				}
			}
		})
	}
}

func TestAssignTakesNeglectedLeasesBeyondItsShare(t *testing.T) {
	t.Parallel()
	leases := owned("", "", "", "me", "me", "a", "b", "c")
	for i := range 3 {
		leases[i].neglected = true
	}
	if p := assign("me", leases, 0); len(p.take) != 3 {
		t.Errorf("takes %d; want all 3 that nobody else wants", len(p.take))
	}
	if p := assign("me", leases, 4); len(p.take) != 2 {
		t.Errorf("takes %d with 2 held and a maximum of 4; want 2", len(p.take))
	}
}

// Every worker plans from the same rows; in the end the shares differ by one at
// most and nothing moves any more.
func TestAssignSettlesInFewRounds(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 3, 7, 10} {
		for _, shards := range []int{1, 9, 10, 1000} {
			owners := make([]string, shards) // all of the first worker
			for i := range owners {
				owners[i] = "w0"
			}
			rounds, moved := 0, true
			for ; moved && rounds < 30; rounds++ {
				moved = false
				snapshot := owned2(owners)
				asked := make(map[string]bool)
				for w := range workers {
					me := fmt.Sprintf("w%d", w)
					for _, l := range assign(me, snapshot, 0).request {
						if !asked[l.Key] { // the store lets the first one ask
							asked[l.Key] = true
							var i int
							fmt.Sscan(l.Key, &i)
							owners[i] = me
							moved = true
						}
					}
				}
			}
			counts := make(map[string]int)
			for _, owner := range owners {
				counts[owner]++
			}
			least, most := shards, 0
			for w := range workers {
				n := counts[fmt.Sprintf("w%d", w)]
				least, most = min(least, n), max(most, n)
			}
			if most-least > 1 || rounds > 12 {
				t.Errorf("%d shards on %d workers: %d to %d each after %d rounds; want a difference of 1 at most within 12", shards, workers, least, most, rounds)
			}
		}
	}
}

func owned2(owners []string) []candidate {
	var leases []candidate
	for i, owner := range owners {
		leases = append(leases, candidate{Lease: &lease.Lease{Key: fmt.Sprint(i), Owner: owner}})
	}
	return leases
}
