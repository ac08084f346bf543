package producer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// A program is a random run of a producer: records of many sizes and keys, put
// by several goroutines while the service fails and reshards, and a Close that
// has time or has not. What a program does depends on its seed; the schedule of
// goroutines does not.

// The short form of the programs runs in every test. A longer one:
//
//	go test ./producer -run RandomPrograms -programs 2000 -first-seed 60
var (
	programCount = flag.Uint64("programs", 60, "how many random programs to play on the fake service; a tenth of them on the local server")
	firstSeed    = flag.Uint64("first-seed", 0, "the seed of the first program")
)

// world is a stream that a program runs against.
type world interface {
	api() API
	// begin lets every kind of trouble happen to one of the first calls.
	begin(random *rand.Rand)
	// trouble lets something go wrong with one of the next calls.
	trouble(random *rand.Rand)
	// reshard splits or merges shards.
	reshard(random *rand.Rand)
	// hits counts what really went wrong, by kind.
	hits() map[string]int
	// contents are the Kinesis records, those of one key on the shards that own
	// it in the order they were stored.
	contents(t *testing.T) []storedRecord
	// shardRange is the range of a shard, open or closed.
	shardRange(t *testing.T, id string) shardmap.Range
}

// fate is what a program knows of one record it put.
type fate struct {
	key, hashKey string
	headers      int
	putter       int
	hash         shardmap.HashKey
	accepted     bool // by the producer
	results      []Result
	calledBack   int // as the how manieth
}

type programRun struct {
	t       *testing.T
	random  *rand.Rand
	world   world
	hasty   bool // Close has no time
	options Options
	sink    *metrics.Memory
	p       *Producer

	mu        sync.Mutex
	fates     map[string]*fate    // by the record's data
	order     map[string][]string // per key, data in the order of the puts
	closeErr  error
	callbacks int
	seen      map[string]int // what the program went through
}

const (
	programPutters  = 3
	programTroubles = 50
)

// runProgram plays the program of one seed and checks what came of it. It
// returns what is wrong, and what the program went through.
func runProgram(t *testing.T, w world, seed uint64, records int, adjust ...func(*Options)) (wrong []string, seen map[string]int) {
	t.Helper()
	r := &programRun{
		t:      t,
		random: rand.New(rand.NewPCG(seed, 0)),
		world:  w,
		hasty:  seed%4 == 3,
		sink:   metrics.NewMemory(),
		fates:  map[string]*fate{},
		order:  map[string][]string{},
		seen:   map[string]int{},
	}
	p, err := New(w.api(), "orders", func(o *Options) {
		quiet(o)
		r.chooseOptions(o)
		for _, a := range adjust {
			a(o)
		}
		r.options = *o
	})
	if err != nil {
		t.Fatalf("seed %d: New: %v", seed, err)
	}
	r.p = p
	w.begin(r.random)
	r.play(records)
	wrong = r.verdict()
	maps.Copy(r.seen, w.hits())
	return wrong, r.seen
}

func (r *programRun) chooseOptions(o *Options) {
	o.Aggregation = Aggregation(r.random.IntN(3))
	if r.random.IntN(6) == 0 {
		o.Order = BestEffort
	}
	if o.Aggregation == Off && r.random.IntN(2) == 0 {
		o.Carrier = tracecarrier.Headers
	}
	o.Linger = time.Duration(r.random.IntN(3)) * 5 * time.Millisecond
	o.Concurrency = 1 + r.random.IntN(8)
	o.MaxRequestRecords = 1 + r.random.IntN(60)
	o.MaxRecordBytes = 9050 // which some records with a container around them would pass
	o.MaxContainerBytes = 600 + r.random.IntN(6000)
	o.MaxBufferedRecords = 20 + r.random.IntN(400)
	o.RequestTimeout = 300 * time.Millisecond
	o.Wire = kinesisprotocol.Wire(r.random.IntN(4))
	o.Deadline = time.Duration(1+r.random.IntN(20)) * time.Second
	o.RefreshInterval = time.Duration(r.random.IntN(2)) * 200 * time.Millisecond
	o.ShardShare = []float64{0, 1, 0.5, 0.2}[r.random.IntN(4)] // so that shards come near their quotas, and away again
	o.keyBits = []int{3, 6, 0}[r.random.IntN(3)]
	o.Metrics = r.sink
}

// play puts the records from several goroutines, each with keys of its own so
// that it knows their order, and closes the producer.
func (r *programRun) play(records int) {
	ctx := r.t.Context()
	var putters sync.WaitGroup
	for putter := range programPutters {
		random := rand.New(rand.NewPCG(r.random.Uint64(), uint64(putter)))
		putters.Go(func() {
			for i := range records/programPutters + 1 {
				r.put(ctx, random, putter, i)
			}
		})
	}
	stop := make(chan struct{})
	pace := time.Duration(1+r.random.IntN(40)) * time.Millisecond
	var chaos sync.WaitGroup
	random := rand.New(rand.NewPCG(r.random.Uint64(), 99))
	chaos.Go(func() {
		r.world.reshard(random)
		for range programTroubles {
			select {
			case <-stop:
				return
			case <-time.After(pace + time.Duration(random.IntN(10))*time.Millisecond):
			}
			if random.IntN(12) == 0 {
				r.world.reshard(random)
			} else {
				r.world.trouble(random)
			}
		}
	})
	if r.hasty {
		time.Sleep(time.Duration(r.random.IntN(40)) * time.Millisecond)
		limited, cancel := context.WithTimeout(ctx, time.Duration(r.random.IntN(20))*time.Millisecond)
		r.closeErr = r.p.Close(limited)
		cancel()
		putters.Wait()
	} else {
		putters.Wait()
		r.closeErr = r.p.Close(ctx)
	}
	close(stop)
	chaos.Wait()
}

func (r *programRun) put(ctx context.Context, random *rand.Rand, putter, i int) {
	data := fmt.Sprintf("%d-%05d-", putter, i)
	size := random.IntN(300)
	if random.IntN(20) == 0 {
		size = 8900 + random.IntN(150)
	}
	data += strings.Repeat("x", size)
	if random.IntN(50) == 0 {
		data = "\xf3\x89\x9a\xc2" + data // begins like a container
	}
	record := kinetrail.Record{Data: []byte(data)}
	switch n := random.IntN(20); {
	case n == 0: // no key
	case n < 4:
		record.PartitionKey = fmt.Sprintf("%d-hot", putter)
	default:
		record.PartitionKey = fmt.Sprintf("%d-%d", putter, random.IntN(30))
	}
	f := &fate{key: record.PartitionKey, putter: putter, hash: shardmap.HashKeyOf(record.PartitionKey)}
	if random.IntN(25) == 0 && record.PartitionKey != "" {
		f.hash = shardmap.HashKey{Hi: random.Uint64(), Lo: random.Uint64()}
		record.ExplicitHashKey = f.hash.String()
		f.hashKey = record.ExplicitHashKey
	}
	if (r.options.Aggregation != Off || r.options.Carrier == tracecarrier.Headers) && random.IntN(3) == 0 {
		record.Headers = []kinetrail.Header{{Name: "n", Value: fmt.Sprint(i)}}
		f.headers = 1
	}
	r.mu.Lock()
	r.fates[data] = f
	r.mu.Unlock()
	err := r.p.PutAsync(ctx, record, func(result Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		f.results = append(f.results, result)
		r.callbacks++
		f.calledBack = r.callbacks
	})
	if err != nil {
		tooLarge := errors.Is(err, ErrInvalidRecord) && size > 8900
		if !errors.Is(err, ErrClosed) && !tooLarge {
			r.t.Errorf("PutAsync: %v", err)
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f.accepted = true
	if lane := record.PartitionKey; lane != "" {
		lane += " " + record.ExplicitHashKey // another shard, and nothing to compare
		r.order[lane] = append(r.order[lane], data)
	}
}

// verdict is what is wrong with the outcome.
func (r *programRun) verdict() []string {
	var wrong []string
	complain := func(format string, args ...any) {
		if len(wrong) < 10 {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	contents := r.world.contents(r.t)
	copies := r.unpack(contents, complain)
	undelivered := r.undelivered(complain)
	sent, failed := 0, 0
	for data, f := range r.fates {
		switch {
		case !f.accepted && len(f.results) > 0:
			complain("%.10s was refused by Put and has a result", data)
		case !f.accepted:
			if len(copies[data]) > 0 {
				complain("%.10s was refused by Put and is in the stream", data)
			}
		case len(f.results) != 1:
			complain("%.10s has %d results, want 1", data, len(f.results))
		case f.results[0].Err != nil:
			failed++
			r.seen["user records given up"]++
			var rejected *RejectedError
			if !errors.As(f.results[0].Err, &rejected) {
				complain("%.10s failed with %v, want a RejectedError", data, f.results[0].Err)
			} else if rejected.Code == CodeClosed && !undelivered[data] {
				complain("%.10s was given up by Close, which did not return it", data)
			}
		default:
			sent++
			if len(f.results[0].Attempts) > 1 {
				r.seen["user records retried"]++
			}
			r.checkPlace(data, f, copies[data], complain)
		}
	}
	if r.options.Order == PerKey {
		r.checkOrder(copies, complain)
	}
	r.checkMetrics(sent, failed, complain)
	return wrong
}

// place is where a copy of a record lies.
type place struct {
	index int // in contents
	at    kinetrail.Position
	shard string
}

// unpack finds the copies of every record, and checks containers on the way.
func (r *programRun) unpack(contents []storedRecord, complain func(string, ...any)) map[string][]place {
	copies := map[string][]place{}
	misplaced := 0
	for index, stored := range contents {
		users, err := aggregate.Split(stored.data, nil)
		if err != nil {
			copies[string(stored.data)] = append(copies[string(stored.data)], place{index, kinetrail.At(stored.sequence, 0), stored.shard})
			continue
		}
		if len(users) > 1 && len(stored.data)+len(stored.key) > r.options.MaxContainerBytes {
			complain("container %s of %d records has %d bytes, the limit is %d", stored.sequence, len(users), len(stored.data)+len(stored.key), r.options.MaxContainerBytes)
		}
		whole := true
		for sub, u := range users {
			hash, _ := u.HashKey()
			whole = whole && r.world.shardRange(r.t, stored.shard).Contains(hash)
			copies[string(u.Data)] = append(copies[string(u.Data)], place{index, kinetrail.At(stored.sequence, sub), stored.shard})
			if f := r.fates[string(u.Data)]; f == nil || f.key != "" && f.key != u.PartitionKey || f.hashKey != u.ExplicitHashKey || f.headers != len(u.Headers) {
				complain("record %.10s has key %q, hash key %q, %d headers in its container; want %+v", u.Data, u.PartitionKey, u.ExplicitHashKey, len(u.Headers), f)
			}
		}
		if !whole {
			misplaced++
		}
	}
	r.seen["containers on the wrong shard"] += misplaced
	return copies
}

// checkPlace compares a result with the stream.
func (r *programRun) checkPlace(data string, f *fate, copies []place, complain func(string, ...any)) {
	result := f.results[0]
	i := slices.IndexFunc(copies, func(c place) bool { return c.at == result.Position && c.shard == result.ShardID })
	switch {
	case i < 0:
		complain("%.10s was acknowledged at %s %v, its copies are %v", data, result.ShardID, result.Position, copies)
	case f.key != "" && !r.world.shardRange(r.t, result.ShardID).Contains(f.hash):
		complain("%.10s was acknowledged on %s, which does not own its key", data, result.ShardID)
	}
}

// checkOrder checks the copies of the records of each key against the order of
// the puts: the first copies and the last copies lie in that order, because a
// container that is sent again repeats all its records. Without containers of
// several records every copy lies before every copy of a later record. Records
// that were rejected count as well, but not for the last copies when containers
// hold several: one may be given up after its container was repeated for others.
func (r *programRun) checkOrder(copies map[string][]place, complain func(string, ...any)) {
	before := func(a, b place) bool { return a.index < b.index || a.index == b.index && a.at.Sub() < b.at.Sub() }
	for key, order := range r.order {
		first, last, of := place{index: -1}, place{index: -1}, ""
		calledBack := 0
		for _, data := range order {
			if f := r.fates[data]; f.calledBack < calledBack {
				complain("key %s: the callback of %.10s came before that of a record put earlier", key, data)
			} else {
				calledBack = f.calledBack
			}
			// A copy on a shard that does not own its key belongs to a container
			// that was found out and repeated; readers leave it out.
			all := slices.DeleteFunc(slices.Clone(copies[data]), func(c place) bool {
				return !r.world.shardRange(r.t, c.shard).Contains(r.fates[data].hash)
			})
			if len(all) == 0 {
				continue
			}
			limit := first
			if r.options.Aggregation == Off {
				limit = last
			}
			acknowledged := r.fates[data].results[0].Err == nil
			if !before(limit, all[0]) || (acknowledged || r.options.Aggregation == Off) && !before(last, all[len(all)-1]) {
				complain("key %s: %.10s at %v, put after %.10s at %v to %v", key, data, all, of, first, last)
			}
			first, of = all[0], data
			if acknowledged || r.options.Aggregation == Off {
				last = all[len(all)-1]
			}
		}
	}
}

// undelivered are the records that Close returned.
func (r *programRun) undelivered(complain func(string, ...any)) map[string]bool {
	returned := map[string]bool{}
	if r.closeErr == nil {
		return returned
	}
	var undelivered *UndeliveredError
	if !errors.As(r.closeErr, &undelivered) {
		complain("Close: %v, want an UndeliveredError", r.closeErr)
		return returned
	}
	for _, record := range undelivered.Records {
		f := r.fates[string(record.Data)]
		if f == nil || f.key != record.PartitionKey || f.hashKey != record.ExplicitHashKey || f.headers != len(record.Headers) {
			complain("Close returned %.10s with key %q, want %+v", record.Data, record.PartitionKey, f)
		}
		returned[string(record.Data)] = true
	}
	return returned
}

// checkMetrics checks that put = sent + failed + waiting, and each part.
func (r *programRun) checkMetrics(sent, failed int, complain func(string, ...any)) {
	if n := r.count("producer_user_records_put_total"); n != int64(sent+failed) {
		complain("producer_user_records_put_total is %d, want %d", n, sent+failed)
	}
	if n := r.count("producer_user_records_sent_total"); n != int64(sent) {
		complain("producer_user_records_sent_total is %d, want %d", n, sent)
	}
	if n := r.count("producer_user_records_failed_total"); n != int64(failed) {
		complain("producer_user_records_failed_total is %d, want %d", n, failed)
	}
	for name, value := range r.sink.Gauges() {
		if strings.HasPrefix(name, "producer_") && value != 0 {
			complain("%s is %v after Close, want 0", name, value)
		}
	}
}

// count sums a counter over its series.
func (r *programRun) count(name string) int64 {
	var sum int64
	for series, n := range r.sink.Counters() {
		if series == name || strings.HasPrefix(series, name+"{") {
			sum += n
		}
	}
	return sum
}

// programs collects what several programs went through.
type programs struct {
	mu   sync.Mutex
	seen map[string]int
}

func (p *programs) add(seen map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[string]int{}
	}
	for what, n := range seen {
		p.seen[what] += n
	}
}

// report logs what the programs went through, and fails when one of the kinds
// never happened.
func (p *programs) report(t *testing.T, kinds ...string) {
	t.Helper()
	t.Logf("the programs went through: %v", p.seen)
	for _, kind := range kinds {
		if p.seen[kind] == 0 {
			t.Errorf("no program went through: %s", kind)
		}
	}
}
