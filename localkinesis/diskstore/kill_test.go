//go:build unix

package diskstore_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The kill test can be made longer and be repeated: make chaos does it.
const (
	killsVariable = "KINETRAIL_KILLS"
	seedVariable  = "KINETRAIL_SEED"

	usualKills       = 50
	killsOfDirectory = 100 // then another directory is begun
)

// TestNothingAcknowledgedIsLostByAKill kills a server while writers write to
// it, again and again on the same directory. Half of the kills come at a random
// moment from outside, once so many requests are answered, half inside a random
// write of the server, which then has written a part of it. After each restart,
// everything that was acknowledged must be there, in order, and nothing may have
// changed.
func TestNothingAcknowledgedIsLostByAKill(t *testing.T) {
	t.Parallel()
	kills := variable(t, killsVariable, usualKills)
	seed := variable(t, seedVariable, rand.Uint64())
	var sum tally
	defer func() {
		t.Logf("seed %d: %d kills, %d with a request in flight, %d inside an open write, %d torn tails found; "+
			"%d records acknowledged, %d found that were not; %d reshards, %d of them acknowledged",
			seed, sum.kills, sum.inFlight, sum.insideWrite, sum.torn, sum.acknowledged, sum.unanswered, sum.reshards, sum.resharded)
	}()
	for begun := uint64(0); begun < kills; begun += killsOfDirectory {
		k := &killing{t: t, sum: &sum, dir: t.TempDir(), shards: make(map[string]*shardSeen)}
		random := rand.New(rand.NewPCG(seed, begun))
		for range min(killsOfDirectory, kills-begun) {
			k.round(random)
			if t.Failed() {
				return
			}
		}
		k.finish()
	}
	if kills >= usualKills && (sum.acknowledged == 0 || sum.torn == 0 || sum.insideWrite == 0 || sum.resharded == 0 || sum.inFlight < sum.kills/2) {
		t.Error("the test did not do what it is for")
	}
}

// variable is a number from the environment.
func variable(t *testing.T, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// tally is what a test has seen.
type tally struct {
	kills, inFlight, insideWrite, torn int
	acknowledged, unanswered           int
	reshards, resharded                int
}

// killing is the test on one data directory.
type killing struct {
	t   *testing.T
	sum *tally
	dir string

	rounds int
	record atomic.Uint64 // identity of the latest record

	// What clients were told, and what was found.
	acknowledged []acknowledgement // in this round
	shards       map[string]*shardSeen
	list         []string // shards that a client has seen, in order
	tag          int      // latest acknowledged
	tagTried     int
}

// acknowledgement is what a client was told about a record.
type acknowledgement struct {
	shard, number string
	id            uint64
	writer        int
}

// shardSeen is what was read of a shard.
type shardSeen struct {
	iterator string // to go on with; empty at the end of a closed shard
	ended    bool
	count    int
	sum      uint64 // over every record, in order
	latest   string
}

// resharded is the round of five whose kill waits for a reshard that was
// acknowledged.
const resharded = 0

// round starts the server, looks at what it has kept, and kills it while
// writers are at work.
func (k *killing) round(random *rand.Rand) {
	k.rounds++
	order := childOrder{Dir: k.dir, Fsync: random.IntN(4) == 0, Seed: random.Uint64()}
	inside := random.IntN(2) == 0
	switch k.rounds % 5 { // of each kind there are some
	case 1:
		inside = true
	case resharded:
		inside = false
	}
	if inside {
		order.DieIn = 1 + random.Int64N(80)
	}
	server := k.start(order)
	defer server.end()
	k.sum.torn += len(server.news.Cuts)
	died := make(chan struct{})
	go func() {
		defer close(died)
		server.wait()
	}()
	k.check(server, k.rounds%25 == 0)
	writing := k.write(server, random, 1+random.Int64N(40))
	enough := writing.enough
	if server.dies {
		enough = nil
	}
	byItself := false
	select {
	case <-died:
		byItself = true
	case <-enough:
		byItself = closedWithin(died, time.Duration(random.IntN(5_000))*time.Microsecond)
	case <-time.After(time.Minute):
	}
	inFlight := writing.underWay.Load()
	server.kill()
	<-died
	writing.writers.Wait()
	k.sum.kills++
	if byItself {
		k.sum.insideWrite++
		inFlight = 1 // the request that was being written
	}
	if inFlight > 0 {
		k.sum.inFlight++
	}
	if signal := server.signal(); signal != syscall.SIGKILL {
		k.t.Fatalf("round %d: the server ended by itself: %v\n%s", k.rounds, server.command.ProcessState, server.stderr.Bytes())
	}
}

// finish looks at everything once more.
func (k *killing) finish() {
	server := k.start(childOrder{Dir: k.dir})
	defer server.end()
	k.sum.torn += len(server.news.Cuts)
	k.check(server, true)
	server.kill()
	server.wait()
}

func closedWithin(c <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}
