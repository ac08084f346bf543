package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/dynamolease"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/producer"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// fleet is a group of Go workers and KCL workers that share one table, on a
// stream of a local server.
type fleet struct {
	s         *session
	library   string // as reports name it
	classPath string
	version   string // how KCL 3 is to take part

	server   *localkinesis.Server
	database *daemon
	group    string // the application's name, and the stream's
	shards   int    // that the stream has, open ones: a play splits as many as it merges
	store    *dynamolease.Store

	members []*member
	kept    []keptTable
}

// failover is the lease duration of the fleets: short, so that leases of killed
// workers are soon taken, and long enough for a machine with other things to do.
const failover = 3 * time.Second

// startFleet makes a fleet without a worker.
func startFleet(s *session, database *daemon, library string, p play) (*fleet, error) {
	server, err := listen(func(o *localkinesis.Options) { o.Streams = map[string]int{p.group: p.shards} })
	if err != nil {
		return nil, err
	}
	return &fleet{
		s: s, library: library, classPath: p.classPath, version: p.version, server: server, database: database, group: p.group, shards: p.shards,
		store: dynamolease.New(database.tables(), p.group),
	}, nil
}

// start adds a worker to the fleet.
func (f *fleet) start(kind string, opts ...func(*workerConfig)) (*member, error) {
	config := workerConfig{
		Kinesis: f.server.URL(), DynamoDB: f.database.url, Stream: f.group, Application: f.group,
		Worker:         fmt.Sprintf("%s-%d", strings.ToLower(kind), len(f.members)+1),
		FailoverMillis: failover.Milliseconds(), CheckpointMillis: 1000,
	}
	if kind == javaKind {
		config.ClientVersion = f.version
	}
	for _, opt := range opts {
		opt(&config)
	}
	m, err := startMember(f.s, kind, f.classPath, config)
	if err != nil {
		return nil, err
	}
	f.members = append(f.members, m)
	return m, nil
}

// owned counts the unfinished leases in the table by the worker that has them.
// The owner of a lease that is handed over still has it.
func (f *fleet) owned(ctx context.Context) (map[string]int, error) {
	leases, err := f.store.List(ctx)
	if err != nil {
		return nil, err
	}
	owned := make(map[string]int)
	for _, l := range leases {
		if l.Finished() {
			continue
		}
		owned[f.memberOf(l.Owner)]++
	}
	return owned, nil
}

// memberOf is the worker behind an owner, whose name may have a suffix.
func (f *fleet) memberOf(owner string) string {
	for _, m := range f.members {
		if owner == m.name || strings.HasPrefix(owner, m.name+"-") {
			return m.name
		}
	}
	return owner
}

// awaitOwners waits until each of these workers, and nobody else, has unfinished
// leases: at least so many.
func (f *fleet) awaitOwners(within time.Duration, least map[*member]int) error {
	var last map[string]int
	var names []string
	for m, n := range least {
		names = append(names, fmt.Sprintf("%s %d", m.name, n))
	}
	slices.Sort(names)
	err := await(f.s.ctx, within, "the workers have at least these leases, and nobody else has one: "+strings.Join(names, ", "), func() (bool, error) {
		for m := range least {
			if m.isGone() {
				return false, fmt.Errorf("%s has ended\n%s", m.name, lastLines(m.complaints.String(), 15))
			}
		}
		var err error
		if last, err = f.owned(f.s.ctx); err != nil {
			return false, err
		}
		if len(last) != len(least) {
			return false, nil
		}
		for m, n := range least {
			if last[m.name] < n {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		err = fmt.Errorf("%w; now %v%s", err, last, f.table())
	}
	return err
}

// table is the leases as they stand, a line each.
func (f *fleet) table() string {
	leases, err := f.store.List(f.s.ctx)
	if err != nil {
		return "\n" + err.Error()
	}
	var text strings.Builder
	for _, l := range leases {
		fmt.Fprintf(&text, "\n%s: owner %q, counter %d, checkpoint %v, parents %v", l.ShardID, l.Owner, l.Counter, l.Checkpoint, l.Parents)
	}
	return text.String()
}

// close ends what is left of the fleet.
func (f *fleet) close() error {
	for _, m := range f.members {
		if !m.isGone() {
			m.kill()
		}
	}
	return f.server.Close()
}

// putting is a producer that puts records until it is stopped.
type putting struct {
	cancel context.CancelFunc
	ended  chan error

	mu    sync.Mutex
	acked map[int]bool
}

// putsPerSecond is what a putting puts. With its linger every shard gets some
// containers a second, of some dozen records each.
const putsPerSecond = 400

// put begins to put.
func (f *fleet) put() (*putting, error) {
	p, err := producer.New(f.server.Client(), f.group, func(o *producer.Options) {
		o.Aggregation, o.Linger = producer.ByShard, 250*time.Millisecond
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(f.s.ctx)
	puts := &putting{cancel: cancel, ended: make(chan error, 1), acked: make(map[int]bool)}
	go func() { puts.ended <- puts.run(ctx, f.s.ctx, p) }()
	return puts, nil
}

func (puts *putting) run(ctx, closing context.Context, p *producer.Producer) error {
	random := rand.New(rand.NewPCG(3, 4))
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	var refused error
	for i := 0; ctx.Err() == nil; {
		for range putsPerSecond / 20 {
			n := i
			record := kinetrail.Record{PartitionKey: fmt.Sprintf("key-%d", random.IntN(200)), Data: fmt.Appendf(nil, "%d:%x", n, random.Uint64())}
			err := p.PutAsync(closing, record, func(r producer.Result) {
				puts.mu.Lock()
				defer puts.mu.Unlock()
				if r.Err == nil {
					puts.acked[n] = true
				} else {
					refused = r.Err
				}
			})
			if err != nil {
				return err
			}
			i++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	err := p.Close(closing)
	puts.mu.Lock()
	defer puts.mu.Unlock()
	return errors.Join(refused, err)
}

// stop ends putting, and returns the numbers of the records that were put.
func (puts *putting) stop() (map[int]bool, error) {
	puts.cancel()
	err := <-puts.ended
	return puts.acked, err
}

// watching looks at the table while the fleet runs.
type watching struct {
	cancel context.CancelFunc
	ended  chan error
	last   map[string]lease.Lease
}

// watch begins to hold the rows of the table: a checkpoint never moves back. It
// looks away while the store refuses the table.
func (f *fleet) watch() *watching {
	ctx, cancel := context.WithCancel(f.s.ctx)
	w := &watching{cancel: cancel, ended: make(chan error, 1), last: make(map[string]lease.Lease)}
	go func() { w.ended <- w.run(ctx, f.store) }()
	return w
}

func (w *watching) run(ctx context.Context, store lease.Store) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		leases, err := store.List(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, dynamolease.ErrKCL3) {
			leases, err = nil, nil
		}
		if err != nil {
			return err
		}
		for _, l := range leases {
			if before := w.last[l.Key]; l.Checkpoint.Compare(before.Checkpoint) < 0 {
				return fmt.Errorf("the checkpoint of %s moved back from %v of %s to %v of %s", l.Key, before.Checkpoint, before.Owner, l.Checkpoint, l.Owner)
			}
			w.last[l.Key] = l
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *watching) stop() error {
	w.cancel()
	return <-w.ended
}

// awaitHandled waits until the workers have handled every record of the stream.
func (f *fleet) awaitHandled(within time.Duration) error {
	t, err := truthOf(f.server, f.group)
	if err != nil {
		return err
	}
	want := t.count()
	seen := 0
	err = await(f.s.ctx, within, "every record is handled", func() (bool, error) {
		handled := make(map[string]map[place]bool)
		for _, m := range f.members {
			for _, e := range m.told() {
				if e.Event != "record" {
					continue
				}
				if handled[e.Shard] == nil {
					handled[e.Shard] = make(map[place]bool)
				}
				handled[e.Shard][place{e.Sequence, e.Sub}] = true
			}
		}
		seen = 0
		for _, places := range handled {
			seen += len(places)
		}
		return seen >= want, nil
	})
	if err != nil {
		err = fmt.Errorf("%w: %d of %d", err, seen, want)
	}
	return err
}

// splitAndMerge splits the first open shard that a worker has, and merges two
// others that lie side by side, of different workers if there are such. It
// returns the three.
func (f *fleet) splitAndMerge(of *member) ([]string, error) {
	leases, err := f.store.List(f.s.ctx)
	if err != nil {
		return nil, err
	}
	owners := make(map[string]string)
	for _, l := range leases {
		owners[l.ShardID] = f.memberOf(l.Owner)
	}
	shards, err := f.server.Shards(f.group)
	if err != nil {
		return nil, err
	}
	open := slices.DeleteFunc(shards, func(s localkinesis.Shard) bool { return s.Closed })
	slices.SortFunc(open, func(a, b localkinesis.Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	split := slices.IndexFunc(open, func(s localkinesis.Shard) bool { return owners[s.ID] == of.name })
	if split < 0 {
		return nil, fmt.Errorf("%s has no shard to split", of.name)
	}
	left := -1 // of the two to merge
	for i := range len(open) - 1 {
		if i == split || i+1 == split {
			continue
		}
		if left = i; owners[open[i].ID] != owners[open[i+1].ID] {
			break
		}
	}
	if left < 0 {
		return nil, errors.New("no two shards lie side by side")
	}
	client := f.server.Client()
	middle, _ := open[split].Range.Middle()
	if _, err := client.SplitShard(f.s.ctx, &kinesis.SplitShardInput{
		StreamName: &f.group, ShardToSplit: &open[split].ID, NewStartingHashKey: aws.String(middle.String()),
	}); err != nil {
		return nil, err
	}
	if err := kinesis.NewStreamExistsWaiter(client).Wait(f.s.ctx, &kinesis.DescribeStreamInput{StreamName: &f.group}, time.Minute); err != nil {
		return nil, err
	}
	_, err = client.MergeShards(f.s.ctx, &kinesis.MergeShardsInput{StreamName: &f.group, ShardToMerge: &open[left].ID, AdjacentShardToMerge: &open[left+1].ID})
	return []string{open[split].ID, open[left].ID, open[left+1].ID}, err
}

// tally is what a verdict says, in words.
func (v verdict) tally() string {
	return fmt.Sprintf("moves %s; %d begun within a container (%s); handled again %s", counts(v.moves), sum(v.inside), counts(v.inside), counts(v.duplicates))
}

func counts(m map[string]int) string {
	if len(m) == 0 {
		return "none"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[name], name))
	}
	return strings.Join(parts, ", ")
}

func sum(m map[string]int) int {
	n := 0
	for _, one := range m {
		n += one
	}
	return n
}
