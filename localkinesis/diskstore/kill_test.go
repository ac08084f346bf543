//go:build unix

package diskstore_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
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
// moment from outside, half inside a random write of the server, which then
// has written a part of it. After each restart, everything that was
// acknowledged must be there, in order, and nothing may have changed.
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
	if sum.acknowledged == 0 || sum.torn == 0 || sum.insideWrite == 0 || sum.resharded == 0 || sum.inFlight < sum.kills/2 {
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

// round starts the server, looks at what it has kept, and kills it while
// writers are at work.
func (k *killing) round(random *rand.Rand) {
	k.rounds++
	order := childOrder{Dir: k.dir, Fsync: random.IntN(4) == 0, Seed: random.Uint64()}
	inside := random.IntN(2) == 0
	if inside {
		order.DieIn = 1 + random.Int64N(150)
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
	writing, writers := k.write(server, random)
	patience := time.Duration(5+random.IntN(60)) * time.Millisecond
	if inside {
		patience = time.Second // it should die by itself
	}
	byItself := closedWithin(died, patience)
	inFlight := writing.Load()
	server.kill()
	<-died
	writers.Wait()
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

// child is a server in a process of its own.
type child struct {
	t       *testing.T
	command *exec.Cmd
	news    childNews
	client  *kinesis.Client
	stdin   io.Closer
	stderr  bytes.Buffer
	waited  sync.Once
}

func (k *killing) start(order childOrder) *child {
	text, err := json.Marshal(order)
	if err != nil {
		k.t.Fatal(err)
	}
	c := &child{t: k.t, command: exec.Command(os.Args[0])}
	c.command.Env = append(os.Environ(), childVariable+"=server", orderVariable+"="+string(text))
	c.command.Stderr = &c.stderr
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		k.t.Fatal(err)
	}
	stdout, err := c.command.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		k.t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.news)
	}
	if err != nil {
		if c.wait(); c.signal() == syscall.SIGKILL && order.DieIn > 0 {
			order.DieIn = 0 // it died in a write of its start
			k.sum.kills++
			k.sum.insideWrite++
			return k.start(order)
		}
		k.t.Fatalf("round %d: the server does not start: %v\n%s", k.rounds, err, c.stderr.Bytes())
	}
	c.client = kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(c.news.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	return c
}

func (c *child) wait() { c.waited.Do(func() { _ = c.command.Wait() }) }
func (c *child) kill() { _ = c.command.Process.Kill() }
func (c *child) signal() syscall.Signal {
	return c.command.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

// end lets nothing of the server stay behind when a test fails.
func (c *child) end() {
	c.kill()
	c.wait()
}

// write starts writers on a server. writing is how many requests are under way.
func (k *killing) write(server *child, random *rand.Rand) (writing *atomic.Int64, writers *sync.WaitGroup) {
	writing, writers = new(atomic.Int64), new(sync.WaitGroup)
	var mu sync.Mutex
	acknowledge := func(a ...acknowledgement) {
		mu.Lock()
		defer mu.Unlock()
		k.acknowledged = append(k.acknowledged, a...)
	}
	for i := range 6 {
		w := &writer{k: k, server: server, index: i, random: rand.New(rand.NewPCG(random.Uint64(), 0)), acknowledge: acknowledge}
		put := w.putRecord
		if i%2 == 0 {
			put = w.putRecords
		}
		if i == 5 {
			put = w.changeStream
		}
		writers.Go(func() {
			for {
				writing.Add(1)
				err := put()
				if err != nil {
					return // the server is gone; what was under way was under way
				}
				writing.Add(-1)
			}
		})
	}
	return writing, writers
}

// writer is a client that notes what it is told.
type writer struct {
	k           *killing
	server      *child
	index       int
	random      *rand.Rand
	acknowledge func(...acknowledgement)
}

// next is the data of the next record: its identity, and something behind it.
func (w *writer) next(largest int) (id uint64, data []byte) {
	id = w.k.record.Add(1)
	return id, fmt.Appendf(nil, "%d %s", id, strings.Repeat("x", w.random.IntN(largest)))
}

func (w *writer) key() *string { return aws.String(strconv.Itoa(w.random.IntN(1000))) }

func (w *writer) putRecord() error {
	id, data := w.next(2000)
	out, err := w.server.client.PutRecord(context.Background(), &kinesis.PutRecordInput{
		StreamName: aws.String("orders"), PartitionKey: w.key(), Data: data,
	})
	if err == nil {
		w.acknowledge(acknowledgement{*out.ShardId, *out.SequenceNumber, id, w.index})
	}
	return err
}

func (w *writer) putRecords() error {
	in := &kinesis.PutRecordsInput{StreamName: aws.String("orders")}
	largest := 200
	if w.random.IntN(20) == 0 {
		largest = 20_000
	}
	var ids []uint64
	for range 1 + w.random.IntN(60) {
		id, data := w.next(largest)
		ids = append(ids, id)
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: w.key(), Data: data})
	}
	out, err := w.server.client.PutRecords(context.Background(), in)
	if err != nil {
		return err
	}
	var told []acknowledgement
	for i, r := range out.Records {
		if r.ErrorCode != nil {
			w.k.t.Errorf("round %d: a record was refused: %s %s", w.k.rounds, *r.ErrorCode, *r.ErrorMessage)
			return errors.New("refused")
		}
		told = append(told, acknowledgement{*r.ShardId, *r.SequenceNumber, ids[i], w.index})
	}
	w.acknowledge(told...)
	return nil
}

// changeStream sets a tag, or reshards now and then. It is the only one that
// does.
func (w *writer) changeStream() error {
	if w.random.IntN(8) > 0 {
		w.k.tagTried++
		_, err := w.server.client.AddTagsToStream(context.Background(), &kinesis.AddTagsToStreamInput{
			StreamName: aws.String("orders"), Tags: map[string]string{"latest": strconv.Itoa(w.k.tagTried)},
		})
		if err == nil {
			w.k.tag = w.k.tagTried
		}
		return err
	}
	w.k.sum.reshards++
	_, err := w.server.client.UpdateShardCount(context.Background(), &kinesis.UpdateShardCountInput{
		StreamName: aws.String("orders"), TargetShardCount: aws.Int32(1 + w.random.Int32N(5)), ScalingType: types.ScalingTypeUniformScaling,
	})
	if err != nil {
		return err
	}
	w.k.sum.resharded++
	list, err := listShards(w.server.client)
	if err == nil {
		w.k.list = list
	}
	return err
}

func listShards(client *kinesis.Client) (ids []string, err error) {
	in := &kinesis.ListShardsInput{StreamName: aws.String("orders")}
	for {
		out, err := client.ListShards(context.Background(), in)
		if err != nil {
			return nil, err
		}
		for _, s := range out.Shards {
			ids = append(ids, *s.ShardId)
		}
		if out.NextToken == nil {
			return ids, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// check compares what the server has with what clients were told and what was
// read before. whole reads every shard from its beginning, too.
func (k *killing) check(server *child, whole bool) {
	list, err := listShards(server.client)
	k.must(err, "list the shards")
	if len(list) < len(k.list) || !slices.Equal(list[:len(k.list)], k.list) {
		k.t.Fatalf("round %d: the shards are %v; a client had seen %v", k.rounds, list, k.list)
	}
	k.list = list
	k.checkTag(server)
	found := make(map[string]acknowledgement)
	for _, shard := range list {
		seen := k.shards[shard]
		if seen == nil {
			seen = &shardSeen{}
			k.shards[shard] = seen
		}
		k.readOn(server, shard, seen, found)
		if !whole {
			continue
		}
		again := &shardSeen{}
		k.readOn(server, shard, again, nil)
		if again.count != seen.count || again.sum != seen.sum {
			k.t.Fatalf("round %d: shard %s has %d records when read from its beginning, and had %d, or others", k.rounds, shard, again.count, seen.count)
		}
	}
	k.compare(found)
}

// must ends the test on an error of a server that nobody kills.
func (k *killing) must(err error, doing string) {
	if err != nil {
		k.t.Helper()
		k.t.Fatalf("round %d: %s: %v", k.rounds, doing, err)
	}
}

func (k *killing) checkTag(server *child) {
	out, err := server.client.ListTagsForStream(context.Background(), &kinesis.ListTagsForStreamInput{StreamName: aws.String("orders")})
	k.must(err, "list the tags")
	tag := 0
	for _, t := range out.Tags {
		tag, _ = strconv.Atoi(*t.Value)
	}
	if tag < k.tag || tag > k.tagTried {
		k.t.Fatalf("round %d: the tag is %d; %d was acknowledged and %d tried", k.rounds, tag, k.tag, k.tagTried)
	}
	k.tag = tag
}

// readOn reads a shard to its tip, with the iterator of before the kill if
// there is one, and adds the records to found.
func (k *killing) readOn(server *child, shard string, seen *shardSeen, found map[string]acknowledgement) {
	if seen.ended {
		return
	}
	if seen.iterator == "" {
		out, err := server.client.GetShardIterator(context.Background(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String("orders"), ShardId: aws.String(shard), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		k.must(err, "get an iterator of "+shard)
		seen.iterator = *out.ShardIterator
	}
	for {
		out, err := server.client.GetRecords(context.Background(), &kinesis.GetRecordsInput{ShardIterator: aws.String(seen.iterator)})
		k.must(err, "read "+shard+" on")
		for _, r := range out.Records {
			k.see(shard, seen, r, found)
		}
		if out.NextShardIterator == nil {
			seen.iterator, seen.ended = "", true
			return
		}
		seen.iterator = *out.NextShardIterator
		if *out.MillisBehindLatest == 0 {
			return
		}
	}
}

// see takes up a record that was read.
func (k *killing) see(shard string, seen *shardSeen, r types.Record, found map[string]acknowledgement) {
	number := *r.SequenceNumber
	if number <= seen.latest {
		k.t.Fatalf("round %d: shard %s has %s behind %s", k.rounds, shard, number, seen.latest)
	}
	text, _, _ := strings.Cut(string(r.Data), " ")
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		k.t.Fatalf("round %d: shard %s has a record that nobody put: %.100q", k.rounds, shard, r.Data)
	}
	seen.latest = number
	seen.count++
	h := fnv.New64a()
	fmt.Fprint(h, seen.sum, number, *r.PartitionKey, string(r.Data))
	seen.sum = h.Sum64()
	if found != nil {
		found[number] = acknowledgement{shard: shard, number: number, id: id}
	}
}

// compare holds what clients were told against what is there.
func (k *killing) compare(found map[string]acknowledgement) {
	type place struct {
		writer int
		shard  string
	}
	latest := make(map[place]string)
	told := make(map[string]bool)
	for _, a := range k.acknowledged {
		is, there := found[a.number]
		if !there || is.shard != a.shard || is.id != a.id {
			k.t.Fatalf("round %d: record %d was acknowledged as %s on %s; there is %v", k.rounds, a.id, a.number, a.shard, is)
		}
		if told[a.number] {
			k.t.Fatalf("round %d: number %s was given twice", k.rounds, a.number)
		}
		told[a.number] = true
		if p := (place{a.writer, a.shard}); a.number <= latest[p] {
			k.t.Fatalf("round %d: writer %d was told %s and then %s on %s", k.rounds, a.writer, latest[p], a.number, a.shard)
		} else {
			latest[p] = a.number
		}
	}
	k.sum.acknowledged += len(k.acknowledged)
	k.sum.unanswered += len(found) - len(k.acknowledged)
	k.acknowledged = nil
	ids := make(map[uint64]bool)
	for a := range maps.Values(found) {
		if ids[a.id] {
			k.t.Fatalf("round %d: record %d is there twice", k.rounds, a.id)
		}
		ids[a.id] = true
	}
}
