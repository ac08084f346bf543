package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/filelease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

// seen collects what handlers were given.
type seen struct {
	mu      sync.Mutex
	records []kinetrail.Record
	changed chan struct{}
}

func newSeen() *seen { return &seen{changed: make(chan struct{}, 1)} }

func (s *seen) handle(_ context.Context, r kinetrail.Record) error {
	s.mu.Lock()
	s.records = append(s.records, r)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil
}

// receive waits for a channel, but not for ever.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Minute):
		t.Fatal("nothing happened for 10 minutes")
		panic("unreachable")
	}
}

// data returns the data of all records seen.
func (s *seen) data() []string {
	s.mu.Lock()
	defer s.mu.Unlock()

	var data []string
	for _, r := range s.records {
		data = append(data, string(r.Data))
	}
	return data
}

// patience is how long a test waits for what takes a moment: on a busy machine,
// in the time of that machine, it may be a long one.
const patience = 2 * time.Minute

// await waits until n records were seen.
func (s *seen) await(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		have := len(s.records)
		s.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-s.changed:
		case <-deadline:
			t.Fatalf("%d records arrived after %v; want %d", have, patience, n)
		}
	}
}

// quiet drops the log.
func quiet(o *consumer.Options) { o.Logger = slog.New(slog.DiscardHandler) }

// running is a Run in the background.
type running struct {
	*consumer.Consumer

	cancel context.CancelCauseFunc
	result chan error
}

// start runs a worker of the group until the test ends.
func start(t *testing.T, client consumer.API, store lease.Store, handle consumer.Handler, opts ...func(*consumer.Options)) *running {
	t.Helper()
	return startWith(t, client, store, func(c *consumer.Consumer, ctx context.Context) error { return c.Run(ctx, handle) }, opts...)
}

func startWith(t *testing.T, client consumer.API, store lease.Store, run func(*consumer.Consumer, context.Context) error, opts ...func(*consumer.Options)) *running {
	t.Helper()
	c, err := consumer.New(client, "orders", store, append([]func(*consumer.Options){fast, quiet}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &running{Consumer: c, cancel: cancel, result: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.result <- run(c, ctx)
	}()
	t.Cleanup(func() {
		cancel(errTestOver)
		<-done
	})
	return r
}

var errTestOver = errors.New("the test is over")

// drain drains the worker and checks that Run returns nil.
func (r *running) drain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Drain(ctx); err != nil {
		t.Fatalf("Drain: %v; want no error", err)
	}
	if err := <-r.result; err != nil {
		t.Fatalf("Run after Drain: %v; want nil", err)
	}
}

// rows returns the leases by shard.
func rows(t *testing.T, store lease.Store) map[string]lease.Lease {
	t.Helper()
	leases, err := store.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	byShard := make(map[string]lease.Lease)
	for _, l := range leases {
		byShard[l.ShardID] = l
	}
	return byShard
}

func TestRunHandlesEveryRecordAndResumesBehindTheCheckpoint(t *testing.T) {
	t.Parallel()
	_, client := serve(t, 3)
	store := memlease.New()
	var want []string
	for round := range 3 {
		for i := range 20 {
			d := fmt.Sprintf("r%d-%02d", round, i)
			put(t, client, fmt.Sprintf("key-%d", i), d)
			want = append(want, d)
		}
		got := newSeen()
		worker := start(t, client, store, got.handle)
		got.await(t, 20)
		worker.drain(t)
		data := got.data()
		slices.Sort(data)
		if !slices.Equal(data, want[20*round:]) {
			t.Errorf("round %d handled %v; want %v", round, data, want[20*round:])
		}
	}
	for id, l := range rows(t, store) {
		if l.Owner != "" || !l.Checkpoint.IsRecord() {
			t.Errorf("lease of shard %s after the drain: owner %q, checkpoint %v; want it free, at a record", id, l.Owner, l.Checkpoint)
		}
	}
}

func TestRunFollowsSplitsAndMergesWithParentsBeforeChildren(t *testing.T) {
	t.Parallel()
	server, client := serve(t, 1)
	store := memlease.New()
	got := newSeen()
	worker := start(t, client, store, got.handle)
	ctx := t.Context()
	var want []string
	n := 0
	more := func() {
		for range 10 {
			d := fmt.Sprintf("%03d", n)
			put(t, client, "one key", d)
			want = append(want, d)
			n++
		}
	}
	more()
	for _, shards := range []int32{2, 4, 2, 1} {
		_, err := client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: aws.String("orders"), TargetShardCount: &shards, ScalingType: "UNIFORM_SCALING"})
		if err != nil {
			t.Fatal(err)
		}
		more()
	}
	got.await(t, len(want))
	worker.drain(t)
	if data := got.data(); !slices.Equal(data, want) {
		t.Errorf("handled %v; want %v: one key, so one order over all generations", data, want)
	}
	shards, err := server.Shards("orders")
	if err != nil {
		t.Fatal(err)
	}
	leases := rows(t, store)
	if len(leases) != len(shards) {
		t.Errorf("%d leases; want one for each of %d shards", len(leases), len(shards))
	}
}

func TestRunLosesNothingWhileTheServiceFailsAndTheStreamIsResharded(t *testing.T) {
	t.Parallel()
	server, client := serve(t, 2)
	// Fourteen shards are read, so every fault with a number is met; how often
	// chance strikes depends on how many calls there are.
	for _, line := range []string{
		"GetRecords nth=1 times=2 error=ProvisionedThroughputExceededException",
		"GetRecords nth=4 times=2 error=ExpiredIteratorException",
		"GetRecords nth=7 times=2 drop=before",
		"GetRecords nth=10 times=2 drop=after",
		"GetShardIterator nth=2 times=2 error=InternalFailure",
		"ListShards nth=1 times=8 stale",
		"GetRecords p=0.1 seed=1 error=ProvisionedThroughputExceededException",
		"GetRecords p=0.1 seed=2 error=ExpiredIteratorException",
		"ListShards p=0.2 seed=6 stale",
	} {
		rule, err := fault.Parse(line)
		if err == nil {
			err = server.Faults().Add(rule)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	store := memlease.New()
	got := newSeen()
	// No worker is so slow that it loses a lease, which would repeat records.
	pace := func(o *consumer.Options) { o.ShardSyncInterval, o.LeaseDuration = 50*time.Millisecond, patience }
	workers := []*running{start(t, client, store, got.handle, pace), start(t, client, store, got.handle, pace)}
	const keys, rounds = 6, 5
	total := 0
	for round := range rounds {
		for i := range 10 {
			for k := range keys {
				put(t, client, fmt.Sprintf("key-%d", k), fmt.Sprintf("%d/%03d", k, round*10+i))
				total++
			}
		}
		shards := []int32{4, 2, 3, 1, 2}[round]
		if _, err := client.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{StreamName: aws.String("orders"), TargetShardCount: &shards, ScalingType: "UNIFORM_SCALING"}); err != nil {
			t.Fatal(err)
		}
	}
	got.await(t, total)
	for _, w := range workers {
		w.drain(t)
	}
	next := make(map[string]int)
	for _, d := range got.data() {
		key, n, _ := strings.Cut(d, "/")
		if want := fmt.Sprintf("%03d", next[key]); n != want {
			t.Errorf("key %s: record %s; want %s, each once and in order", key, n, want)
		}
		next[key]++
	}
	for _, hit := range server.Faults().Hits() {
		if hit.Hits == 0 && hit.Rule.Probability == 0 {
			t.Errorf("rule %v struck no call of %d; want every fault met", hit.Rule, hit.Matched)
		}
	}
}

func TestRunFromLatestSeesWhatIsPutOnceItIsReady(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} { // the service's clock, of ours
		server, client := serve(t, 2)
		server.Clock().Set(time.Now().Add(ahead))
		put(t, client, "k", "before")
		server.Clock().Advance(2 * time.Second) // the service tells its time in whole seconds
		got := newSeen()
		worker := start(t, client, memlease.New(), got.handle, consumer.From(kinetrail.Latest()))
		receive(t, worker.Ready())
		put(t, client, "k", "after")
		got.await(t, 1)
		worker.drain(t)
		if data := got.data(); !slices.Equal(data, []string{"after"}) {
			t.Errorf("clock %v ahead: handled %v; want what was put after Ready", ahead, data)
		}
	}
}

func TestAGroupInAFileGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	_, client := serve(t, 2)
	path := filepath.Join(t.TempDir(), "orders-app.leases")
	for round := range 2 {
		store, err := filelease.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{fmt.Sprint(round, "a"), fmt.Sprint(round, "b"), fmt.Sprint(round, "c")}
		put(t, client, "k", want...)
		got := newSeen()
		worker := start(t, client, store, got.handle)
		got.await(t, 3)
		worker.drain(t)
		if data := got.data(); !slices.Equal(data, want) {
			t.Errorf("round %d handled %v; want %v", round, data, want)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAHandlerThatIgnoresTheEndOfItsCtxGetsNoFurtherRecord(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	run := map[string]func(c *consumer.Consumer, ctx context.Context, handle func()) error{
		"Run": func(c *consumer.Consumer, ctx context.Context, handle func()) error {
			return c.Run(ctx, func(context.Context, kinetrail.Record) error { handle(); return nil })
		},
		"RunBatch": func(c *consumer.Consumer, ctx context.Context, handle func()) error {
			return c.RunBatch(ctx, func(context.Context, []kinetrail.Record) error { handle(); return nil })
		},
	}
	for name, run := range run {
		for _, manual := range []bool{false, true} {
			stream := newFakeStream(1)
			for range 20 {
				stream.put(0, "k", []byte("x"))
			}
			c, err := consumer.New(stream, "orders", memlease.New(), fast, quiet, func(o *consumer.Options) { o.MaxBatch, o.ManualCheckpoints = 1, manual })
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			handled := 0
			err = run(c, ctx, func() { handled++; cancel(cause) })
			if handled != 1 || !errors.Is(err, cause) {
				t.Errorf("%s, manual checkpoints %t: %d records were handled, error %v; want one and %v", name, manual, handled, err, cause)
			}
		}
	}
}
