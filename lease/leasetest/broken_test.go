package leasetest_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
)

// brokenStore names, for the process that runs the suite on it, the store to break.
const brokenStore = "KINETRAIL_BROKEN_STORE"

// mistakes are what a store can get wrong, and a test of the suite that notices.
var mistakes = map[string]struct {
	notices string
	change  func(op string, c *attempt)
	list    func([]lease.Lease) []lease.Lease
}{
	"renews for anybody": {notices: "a_zombie_changes_nothing", change: func(op string, c *attempt) {
		if op == "Renew" && c.refused() {
			c.force(func(l *lease.Lease) { l.Counter++ })
		}
	}},
	"takes a checkpoint of anybody": {notices: "a_zombie_changes_nothing", change: func(op string, c *attempt) {
		if op == "Checkpoint" && c.refused() {
			c.force(func(l *lease.Lease) { l.Counter++ })
		}
	}},
	"takes a lease that was taken": {notices: "of_many_that_take_one_lease_exactly_one_succeeds", change: func(op string, c *attempt) {
		if op == "Take" && c.refused() {
			c.force(func(l *lease.Lease) { l.Owner = "whoever"; l.Counter++ })
		}
	}},
	"creates a lease again": {notices: "creating_a_lease_twice_keeps_the_first", change: func(op string, c *attempt) {
		if op == "Create" && c.refused() {
			c.force(func(l *lease.Lease) { l.Counter = 0 })
		}
	}},
	"deletes what was written to": {notices: "deleting_needs_the_counter_and_forgives_absence", change: func(op string, c *attempt) {
		if op == "Delete" {
			c.err = nil
		}
	}},
	"lets a checkpoint move back": {notices: "a_checkpoint_never_moves_back", change: func(op string, c *attempt) {
		if op == "Checkpoint" && c.err != nil && !c.refused() {
			c.force(func(l *lease.Lease) { l.Checkpoint = kinetrail.TrimHorizon(); l.Counter++ })
		}
	}},
	"drops the sub-sequence number": {notices: "a_checkpoint_keeps_the_sub-sequence_number", change: func(op string, c *attempt) {
		if c.row.Checkpoint.IsRecord() {
			c.row.Checkpoint = kinetrail.At(c.row.Checkpoint.Sequence(), 0)
		}
	}},
	"drops the start": {notices: "a_write_changes_nothing_but_what_it_is_for", change: func(op string, c *attempt) {
		if op == "Take" {
			c.row.Start = kinetrail.Position{}
		}
	}},
	"forgets the checkpoint when a lease is released": {notices: "a_write_changes_nothing_but_what_it_is_for", change: func(op string, c *attempt) {
		if op == "Release" {
			c.row.Checkpoint = kinetrail.TrimHorizon()
		}
	}},
	"forgets the children": {notices: "the_end_of_a_shard_is_written_with_its_children", change: func(op string, c *attempt) {
		c.row.Children = nil
	}},
	"frees a lease that somebody asked for": {notices: "a_released_lease_goes_to_its_successor", change: func(op string, c *attempt) {
		if op == "Release" {
			c.row.Owner = ""
		}
	}},
	"disturbs the owner with a request": {notices: "a_request_leaves_the_owner_in_place", change: func(op string, c *attempt) {
		if op == "Request" && c.err == nil {
			c.row.Counter++
		}
	}},
	"takes the last request": {notices: "a_second_request_is_refused", change: func(op string, c *attempt) {
		if op == "Request" && c.refused() && c.before.Successor != "" {
			c.force(func(l *lease.Lease) { l.Successor = "c" })
		}
	}},
	"keeps the request when the lease is taken": {notices: "taking_a_lease_answers_its_request", change: func(op string, c *attempt) {
		if op == "Take" {
			c.row.Successor = c.before.Successor
		}
	}},
	"does not count a switch": {notices: "taking_a_lease_from_another_owner_counts_a_switch", change: func(op string, c *attempt) {
		c.row.Switches = 0
	}},
	"shows no row in a conflict": {notices: "a_lost_reply_is_told_from_a_lost_lease", change: func(op string, c *attempt) {
		if c.refused() {
			c.err = &lease.ConflictError{Op: op, Exists: true}
		}
	}},
	"lists one page": {notices: "more_than_a_thousand_leases_are_listed", list: func(rows []lease.Lease) []lease.Lease {
		return rows[:min(len(rows), 1000)]
	}},
}

// attempt is a write to one row.
type attempt struct {
	before lease.Lease
	exists bool
	row    lease.Lease // as it will be when err is nil
	err    error
}

// refused reports whether the row that is there did not meet the condition.
func (c *attempt) refused() bool {
	_, conflict := c.err.(*lease.ConflictError)
	return conflict && c.exists
}

// force lets the write happen all the same.
func (c *attempt) force(change func(*lease.Lease)) {
	c.row, c.err = c.before, nil
	change(&c.row)
}

// flawed is a store in memory that makes one mistake.
type flawed struct {
	mistake string

	mu   sync.Mutex
	rows map[string]lease.Lease
}

func (s *flawed) List(ctx context.Context) ([]lease.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	var rows []lease.Lease
	for _, key := range slices.Sorted(maps.Keys(s.rows)) {
		rows = append(rows, s.rows[key].Clone())
	}
	if list := mistakes[s.mistake].list; list != nil {
		rows = list(rows)
	}
	return rows, ctx.Err()
}

func (s *flawed) Create(ctx context.Context, l lease.Lease) error {
	_, err := s.write(ctx, "Create", l.Key, lease.Creating(l))
	return err
}

func (s *flawed) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	return s.write(ctx, "Take", seen.Key, lease.Taking(seen, owner))
}

func (s *flawed) Request(ctx context.Context, seen lease.Lease, successor string) (lease.Lease, error) {
	return s.write(ctx, "Request", seen.Key, lease.Requesting(seen, successor))
}

func (s *flawed) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.write(ctx, "Renew", held.Key, lease.Renewing(held))
}

func (s *flawed) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	return s.write(ctx, "Checkpoint", held.Key, lease.Checkpointing(held, done))
}

func (s *flawed) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.write(ctx, "Release", held.Key, lease.Releasing(held))
}

func (s *flawed) Delete(ctx context.Context, seen lease.Lease) error {
	gone := false
	_, err := s.write(ctx, "Delete", seen.Key, func(row lease.Lease, exists bool) (lease.Lease, error) {
		if gone = !exists; gone {
			return row, nil
		}
		return row, lease.Deleting(seen, row)
	})
	if err == nil || gone {
		s.mu.Lock()
		delete(s.rows, seen.Key)
		s.mu.Unlock()
	}
	return err
}

func (s *flawed) write(ctx context.Context, op, key string, change lease.Change) (lease.Lease, error) {
	if err := ctx.Err(); err != nil {
		return lease.Lease{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	row, exists := s.rows[key]
	c := attempt{before: row.Clone(), exists: exists}
	c.row, c.err = change(row, exists)
	if wrong := mistakes[s.mistake].change; wrong != nil {
		wrong(op, &c)
	}
	if c.err != nil {
		return lease.Lease{}, c.err
	}
	s.rows[key] = c.row.Clone()
	return c.row, nil
}

func TestTheSuiteNoticesWhatAStoreGetsWrong(t *testing.T) {
	t.Parallel()
	if mistake, broken := os.LookupEnv(brokenStore); broken {
		groups := make(map[string]lease.Store)
		var mu sync.Mutex
		leasetest.Run(t, leasetest.Harness{Open: func(t *testing.T, group string) lease.Store {
			mu.Lock()
			defer mu.Unlock()
			if groups[group] == nil {
				groups[group] = &flawed{mistake: mistake, rows: make(map[string]lease.Lease)}
			}
			return groups[group]
		}})
		return
	}
	run := func(t *testing.T, mistake string) (string, error) {
		suite := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheSuiteNoticesWhatAStoreGetsWrong$")
		suite.Env = append(os.Environ(), brokenStore+"="+mistake)
		out, err := suite.CombinedOutput()
		return string(out), err
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		if out, err := run(t, ""); err != nil {
			t.Errorf("a store without a mistake: %v; want that it passes:\n%s", err, out)
		}
	})
	for name, m := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := run(t, name)
			failed := fmt.Sprintf("--- FAIL: %s/%s ", strings.Split(t.Name(), "/")[0], m.notices)
			if err == nil || !strings.Contains(out, failed) {
				t.Errorf("a store that %s: %v; want that this test of the suite fails: %s\n%s", name, err, m.notices, out)
			}
		})
	}
}
