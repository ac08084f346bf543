package consumer

import (
	"math/rand/v2"

	"github.com/kinetrail/kinetrail/lease"
)

// candidate is a lease that could be read now: its shard is not finished and its
// parents are.
type candidate struct {
	*lease.Lease

	available bool // free or expired: it may be taken without asking
	neglected bool // available for so long that nobody else seems to want it
}

// plan is what a worker does next.
type plan struct {
	take    []lease.Lease // without asking
	request []lease.Lease // from their owners
}

// assign plans what worker me does to get its fair share of the leases. Every
// worker plans for itself, from the same rows: the leases are shared out evenly
// among all that own or are about to own one, and me.
//
// Available leases are taken up to the share, and beyond it when they are
// neglected. Only when none is available leases are requested, from the worker
// with the most, as long as it has at least two more; at most a quarter of a
// share at once, since other workers may be asking too.
func assign(me string, leases []candidate, maxLeases int) plan {
	counts := map[string]int{me: 0}
	var free []candidate
	for _, l := range leases {
		if l.available {
			free = append(free, l)
			continue
		}
		counts[claimant(*l.Lease)]++
	}
	share := (len(leases) + len(counts) - 1) / len(counts)
	limit := len(leases)
	if maxLeases > 0 {
		limit, share = min(limit, maxLeases), min(share, maxLeases)
	}

	var p plan
	rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	for _, l := range free {
		have := counts[me] + len(p.take)
		if have < share || l.neglected && have < limit {
			p.take = append(p.take, *l.Lease)
		}
	}
	counts[me] += len(p.take)
	if len(free) == 0 {
		p.request = requests(me, leases, counts, min(share, limit))
	}
	return p
}

// claimant is who reads a lease, or will once it is handed over.
func claimant(l lease.Lease) string {
	if l.Successor != "" {
		return l.Successor
	}
	return l.Owner
}

// requests picks the leases to ask for.
func requests(me string, leases []candidate, counts map[string]int, share int) []lease.Lease {
	if counts[me] >= share {
		return nil
	}
	owned := make(map[string][]*lease.Lease)
	for _, l := range leases {
		if l.Owner != me && l.Successor == "" {
			owned[l.Owner] = append(owned[l.Owner], l.Lease)
		}
	}
	var asked []lease.Lease
	for atOnce := max(1, len(leases)/(4*len(counts))); len(asked) < atOnce && counts[me] < share; {
		from := ""
		for owner, left := range owned {
			if len(left) > 0 && (from == "" || counts[owner] > counts[from] || counts[owner] == counts[from] && owner < from) {
				from = owner
			}
		}
		if from == "" || counts[from] < counts[me]+2 {
			break
		}
		left := owned[from]
		i := rand.IntN(len(left))
		asked = append(asked, *left[i])
		left[i] = left[len(left)-1]
		owned[from] = left[:len(left)-1]
		counts[from]--
		counts[me]++
	}
	return asked
}
