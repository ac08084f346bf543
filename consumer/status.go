package consumer

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// Status is what a worker knows of its group at a moment.
type Status struct {
	// Worker is this worker's name in the leases.
	Worker string

	// Ready and Draining tell how far Run is.
	Ready    bool
	Draining bool

	// Shards are the leases of the group, by stream and shard: those this worker
	// holds as they are now, the others as they were last listed.
	Shards []ShardStatus
}

// ShardStatus is one shard of the group.
type ShardStatus struct {
	// Stream and ShardID are the shard.
	Stream  string
	ShardID string

	// Owner is the worker that reads it, empty when none does. Held reports that
	// it is this worker, and then the fields below are known.
	Owner string
	Held  bool

	// Finished reports that the shard was read to its end.
	Finished bool

	// WaitingFor are the parents that have to be finished before this shard is
	// read.
	WaitingFor []string

	// Checkpoint is the place written to the store.
	Checkpoint kinetrail.Position

	// Position is the place up to which everything is done, zero until the
	// first record is.
	Position kinetrail.Position

	// Behind is how far the last response was behind the tip of the shard.
	Behind time.Duration

	// InFlight is how many records were handed to the handler and are not done.
	InFlight int

	// LastFetch is when records were last asked for with success, LastHandled
	// when a record was last done.
	LastFetch   time.Time
	LastHandled time.Time

	// Err is why the shard stands still, nil when it does not.
	Err error
}

// Status returns what this worker knows now. Before Run it is empty.
func (c *Consumer) Status() Status {
	status := Status{Worker: c.worker, Ready: closed(c.ready), Draining: closed(c.draining)}
	g := c.running()
	if g == nil {
		return status
	}
	status.Shards = g.status()
	return status
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// status returns the shards, sorted.
func (g *group) status() []ShardStatus {
	g.mu.Lock()
	rows, streams := g.seen, slices.Clone(g.streams)
	g.mu.Unlock()

	byStream := tables(rows)
	var shards []ShardStatus
	for _, s := range streams {
		for _, l := range byStream[s.id] {
			shards = append(shards, g.shardStatus(s, l, byStream[s.id]))
		}
	}
	slices.SortFunc(shards, func(a, b ShardStatus) int {
		return strings.Compare(a.Stream+"\x00"+a.ShardID, b.Stream+"\x00"+b.ShardID)
	})
	return shards
}

func (g *group) shardStatus(s *stream, l *lease.Lease, leases table) ShardStatus {
	status := ShardStatus{
		Stream: s.name.Name(), ShardID: l.ShardID, Owner: l.Owner,
		Finished: l.Finished(), Checkpoint: l.Checkpoint,
	}
	if t := g.tenure(l.Key); t != nil {
		t.addStatus(&status)
	} else if shards := s.listed(); shards != nil && !l.Finished() {
		status.WaitingFor = waitingFor(l, leases, shards, g.only)
	}
	return status
}

// addStatus fills in what only the owner knows.
func (t *tenure) addStatus(status *ShardStatus) {
	row := t.held.Lease()
	status.Held, status.Owner, status.Checkpoint = true, row.Owner, row.Checkpoint
	status.Position, status.InFlight = t.tracker.position(), t.tracker.pending()
	t.mu.Lock()
	defer t.mu.Unlock()

	status.LastFetch = t.lastFetch
	if after := t.lastHandled.Load(); after != 0 {
		status.LastHandled = t.began.Add(time.Duration(after)).Round(0)
	}
	status.Behind, status.Err = t.behind, t.stalled
}

// Health answers probes: 200 while the worker is ready and none of its shards
// stands still, else 503. The body is the status as JSON.
func (c *Consumer) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := c.Status()
		code := http.StatusOK
		if !status.Ready || slices.ContainsFunc(status.Shards, func(s ShardStatus) bool { return s.Err != nil }) {
			code = http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		// A probe that hung up is no concern of ours.
		_ = json.NewEncoder(w).Encode(status.forJSON())
	})
}

// forJSON spells the status in words that need no Go to read.
func (s Status) forJSON() any {
	type shard struct {
		Stream      string             `json:"stream"`
		ShardID     string             `json:"shard_id"`
		Owner       string             `json:"owner,omitempty"`
		Held        bool               `json:"held"`
		Finished    bool               `json:"finished,omitempty"`
		WaitingFor  []string           `json:"waiting_for,omitempty"`
		Checkpoint  kinetrail.Position `json:"checkpoint"`
		Position    kinetrail.Position `json:"position"`
		BehindMS    int64              `json:"behind_ms"`
		InFlight    int                `json:"in_flight,omitempty"`
		LastFetch   time.Time          `json:"last_fetch,omitzero"`
		LastHandled time.Time          `json:"last_handled,omitzero"`
		Error       string             `json:"error,omitempty"`
	}
	shards := make([]shard, 0, len(s.Shards))
	for _, sh := range s.Shards {
		out := shard{
			Stream: sh.Stream, ShardID: sh.ShardID, Owner: sh.Owner, Held: sh.Held, Finished: sh.Finished,
			WaitingFor: sh.WaitingFor, Checkpoint: sh.Checkpoint, Position: sh.Position, BehindMS: sh.Behind.Milliseconds(),
			InFlight: sh.InFlight, LastFetch: sh.LastFetch, LastHandled: sh.LastHandled,
		}
		if sh.Err != nil {
			out.Error = sh.Err.Error()
		}
		shards = append(shards, out)
	}
	return map[string]any{"worker": s.Worker, "ready": s.Ready, "draining": s.Draining, "shards": shards}
}
