package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/dynamolease"
	"github.com/kinetrail/kinetrail/lease/redislease"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/producer"
)

const asyncKinesisCheckpoints = "async-kinesis checkpoints"

// checkCheckpoints lets async-kinesis read half of a stream, imports its
// checkpoints into a group, and lets a Go worker read the rest.
func checkCheckpoints(s *session) {
	if s.skipped("python") || s.skipped("java") {
		language := "python"
		if s.skipped("java") {
			language = "java" // of DynamoDB Local
		}
		s.report.skip(asyncKinesisCheckpoints, language)
		return
	}
	keepers, err := startKeepers(s)
	if err != nil {
		s.check(asyncKinesisCheckpoints, "are kept", func() (string, error) { return "", err })
		return
	}
	defer keepers.close()
	for _, keeper := range []string{"redis", "dynamodb"} {
		for _, c := range []struct {
			what, processor string
			aggregation     producer.Aggregation
			killed          bool
		}{
			{"plain records, closed", "string", producer.Off, false},
			{"plain records, killed", "string", producer.Off, true},
			{"KPL containers, closed", "kplstring", producer.ByShard, false},
			{"KPL containers, killed", "kplstring", producer.ByShard, true},
		} {
			s.check(asyncKinesisCheckpoints, fmt.Sprintf("in %s, of %s", keeper, c.what), func() (string, error) {
				m := moving{s: s, keepers: keepers, keeper: keeper, killed: c.killed, processor: c.processor, name: fmt.Sprintf("%s-%s-%t", keeper, c.processor, c.killed)}
				return m.check(c.aggregation)
			})
		}
	}
}

// keepers are the servers that checkpoints are kept in.
type keepers struct {
	dynamodb, redis *daemon
	client          *redis.Client
}

func startKeepers(s *session) (*keepers, error) {
	k := &keepers{}
	var err error
	if k.dynamodb, err = startDynamoDB(s); err != nil {
		return nil, err
	}
	if k.redis, err = startRedis(s); err != nil {
		k.dynamodb.close()
		return nil, fmt.Errorf("start Debian's redis-server: %w", err)
	}
	k.client = redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(k.redis.url, "redis://")})
	return k, nil
}

func (k *keepers) close() {
	_ = k.client.Close()
	k.redis.close()
	k.dynamodb.close()
}

// moving is a group of async-kinesis that moves to one of Go workers.
type moving struct {
	s         *session
	keepers   *keepers
	keeper    string // redis or dynamodb
	processor string
	killed    bool
	name      string // of the stream and of both groups

	server *localkinesis.Server
}

// movingRecords is how many records there are to read, on three shards of which
// async-kinesis reads two.
const movingRecords = 600

func (m *moving) check(aggregation producer.Aggregation) (seen string, err error) {
	if m.server, err = listen(func(o *localkinesis.Options) { o.Streams = map[string]int{m.name: 3} }); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, m.server.Close()) }()
	if err := m.put(aggregation); err != nil {
		return "", err
	}
	read, err := m.readHalf()
	if err != nil {
		return "", err
	}
	from, err := m.imported()
	if err != nil {
		return "", err
	}
	t, err := truthOf(m.server, m.name)
	if err != nil {
		return "", err
	}
	return m.goOn(t, read, from)
}

func (m *moving) put(aggregation producer.Aggregation) error {
	p, err := producer.New(m.server.Client(), m.name, func(o *producer.Options) {
		o.Aggregation, o.Linger, o.MaxContainerBytes = aggregation, 20*time.Millisecond, 512
	})
	if err != nil {
		return err
	}
	records := make([]kinetrail.Record, movingRecords)
	for i := range records {
		records[i] = kinetrail.Record{PartitionKey: fmt.Sprintf("key-%d", i%50), Data: fmt.Appendf(nil, "%d:record", i)}
	}
	_, err = putAll(m.s.ctx, p, records)
	return errors.Join(err, p.Close(m.s.ctx))
}

// readHalf lets async-kinesis read some records, and returns their numbers.
func (m *moving) readHalf() (map[int]bool, error) {
	input, err := json.Marshal(map[string]any{
		"endpoint": m.server.URL(), "stream": m.name, "processor": m.processor, "checkpointer": m.keeper, "dynamodb": m.keepers.dynamodb.url,
		"name": m.name, "page": 4, "shards": 2, "items": movingRecords / 4, "killed": m.killed,
	})
	if err != nil {
		return nil, err
	}
	var complaints bytes.Buffer
	command := exec.CommandContext(m.s.ctx, m.s.path("python-checkpoints", "bin", "python"), "python/read_with_checkpoints.py")
	_, port, _ := strings.Cut(strings.TrimPrefix(m.keepers.redis.url, "redis://"), ":")
	command.Env = append(m.s.environment(), "REDIS_HOST=127.0.0.1", "REDIS_PORT="+port)
	command.Stdin, command.Stderr = bytes.NewReader(input), &complaints
	out, err := command.Output()
	if killed := command.ProcessState != nil && command.ProcessState.ExitCode() == -1; err != nil && !(m.killed && killed) {
		return nil, fmt.Errorf("python/read_with_checkpoints.py: %w\n%s", err, lastLines(complaints.String(), 15))
	}
	read := make(map[int]bool)
	for i, line := range slices.Collect(bytes.Lines(out)) {
		var text string
		if err := json.Unmarshal(line, &text); err != nil {
			return nil, fmt.Errorf("python/read_with_checkpoints.py wrote %q: %w", line, err)
		}
		if i == 0 {
			m.s.report.version(asyncKinesisCheckpoints, text)
			continue
		}
		n, err := numberOf([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("python/read_with_checkpoints.py read %q: %w", text, err)
		}
		read[n] = true
	}
	if len(read) != movingRecords/4 {
		return nil, fmt.Errorf("async-kinesis read %d records; want %d\n%s", len(read), movingRecords/4, lastLines(complaints.String(), 15))
	}
	return read, nil
}

// store is where the Go group keeps its leases: beside what it takes over.
func (m *moving) store() lease.Store {
	if m.keeper == "redis" {
		return redislease.New(m.keepers.client, m.name+"-go")
	}
	return dynamolease.New(m.keepers.dynamodb.tables(), m.name+"-go")
}

// imported moves the checkpoints to the Go group, and returns for each shard the
// sequence number up to which async-kinesis says it is done.
func (m *moving) imported() (map[string]string, error) {
	var leases []lease.Lease
	var kept map[string]checkpoint
	var err error
	if m.keeper == "redis" {
		if kept, err = m.inRedis(); err == nil {
			leases, err = redislease.ReadAsyncKinesis(m.s.ctx, m.keepers.client, m.name, []string{shardID(0), shardID(1), shardID(2)})
		}
	} else {
		if kept, err = m.inDynamoDB(); err == nil {
			leases, err = dynamolease.ReadAsyncKinesis(m.s.ctx, m.keepers.dynamodb.tables(), "kinesis-checkpoints-"+m.name)
		}
	}
	if err != nil {
		return nil, err
	}
	from := make(map[string]string)
	for shard, c := range kept {
		if c.Sequence != "" {
			from[shard] = c.Sequence
		}
		if owned := c.Ref != ""; owned != m.killed {
			return nil, fmt.Errorf("the worker has left %+v of %s", c, shard)
		}
	}
	if len(kept) != 2 || len(from) == 0 {
		return nil, fmt.Errorf("async-kinesis has written %v; want two shards, and a checkpoint", kept)
	}
	for _, l := range leases {
		if from[l.ShardID] != l.Checkpoint.Sequence() || (l.Owner != "") != m.killed {
			return nil, fmt.Errorf("%s is read as %+v; want the checkpoint %s", l.ShardID, l, from[l.ShardID])
		}
	}
	if len(leases) != len(from) {
		return nil, fmt.Errorf("%d checkpoints are read of %v", len(leases), from)
	}
	copied, err := lease.Import(m.s.ctx, leases, m.store())
	if err == nil && len(copied.Created) != len(leases) {
		err = fmt.Errorf("%d leases were created of %d", len(copied.Created), len(leases))
	}
	return from, err
}

// checkpoint is what async-kinesis keeps for a shard, as it stands there.
type checkpoint struct {
	Ref      string `json:"ref"`
	Sequence string `json:"sequence"`
}

func (m *moving) inRedis() (map[string]checkpoint, error) {
	prefix := "pyredis-" + m.name + "-"
	keys, err := m.keepers.client.Keys(m.s.ctx, prefix+"*").Result()
	if err != nil {
		return nil, err
	}
	kept := make(map[string]checkpoint)
	for _, key := range keys {
		text, err := m.keepers.client.Get(m.s.ctx, key).Bytes()
		if err != nil {
			return nil, err
		}
		var c checkpoint
		if err := json.Unmarshal(text, &c); err != nil {
			return nil, fmt.Errorf("%s holds %s: %w", key, text, err)
		}
		kept[strings.TrimPrefix(key, prefix)] = c
	}
	return kept, nil
}

func (m *moving) inDynamoDB() (map[string]checkpoint, error) {
	rows, err := rowsOf(m.s.ctx, m.keepers.dynamodb.tables(), "kinesis-checkpoints-"+m.name)
	kept := make(map[string]checkpoint)
	for _, r := range rows {
		kept[textOf(r, "shard_id")] = checkpoint{textOf(r, "ref"), textOf(r, "sequence")}
	}
	return kept, err
}

// goOn lets a Go worker read the rest of the stream, and holds that it is
// exactly that.
func (m *moving) goOn(t truth, read map[int]bool, from map[string]string) (string, error) {
	first := make(map[string]int) // the place of the first record to read, by shard
	rest := t.count()
	for shard, sequence := range from {
		i := 0
		for i < len(t.records[shard]) && compareNumbers(t.records[shard][i].SequenceNumber, sequence) <= 0 {
			i++
		}
		first[shard], rest = i, rest-i
	}
	got, err := m.handled(rest)
	if err != nil {
		return "", err
	}
	again := 0
	for shard, records := range t.records {
		if len(got[shard]) != len(records)-first[shard] {
			return "", fmt.Errorf("the Go worker handled %d records of %s; want %d", len(got[shard]), shard, len(records)-first[shard])
		}
		for i, r := range records {
			n, err := numberOf(r.Data)
			if err != nil {
				return "", err
			}
			if i < first[shard] {
				if !read[n] {
					return "", fmt.Errorf("record %d of %s was handled by nobody: async-kinesis has not read it, and its checkpoint is behind it", i, shard)
				}
				continue
			}
			if data := got[shard][i-first[shard]]; data != string(r.Data) {
				return "", fmt.Errorf("the Go worker goes on with %q, %d records after the checkpoint of %s; want %q", data, i-first[shard], shard, r.Data)
			}
			if read[n] {
				again++
			}
		}
	}
	m.s.report.add(asyncKinesisCheckpoints, len(from), "checkpoints")
	return fmt.Sprintf("%d records read by async-kinesis, %s, %d handled by a Go worker from there on; %d of them async-kinesis had read and not checkpointed",
		len(read), things(len(from), "checkpoints"), rest, again), nil
}

// handled is what a Go worker of the group handles, which is to be so many
// records.
func (m *moving) handled(want int) (map[string][]string, error) {
	worker, err := consumer.New(m.server.Client(), m.name, m.store())
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	got, count := make(map[string][]string), 0
	ended := make(chan error, 1)
	go func() {
		ended <- worker.Run(m.s.ctx, func(_ context.Context, r kinetrail.Record) error {
			mu.Lock()
			defer mu.Unlock()
			got[r.ShardID] = append(got[r.ShardID], string(r.Data))
			count++
			return nil
		})
	}()
	err = await(m.s.ctx, time.Minute, fmt.Sprintf("a Go worker handles %d records", want), func() (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return count >= want, nil
	})
	err = errors.Join(err, worker.Drain(m.s.ctx), <-ended)
	if err != nil {
		err = fmt.Errorf("%w; it has handled %d", err, count)
	}
	return got, err
}

// compareNumbers compares two sequence numbers.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
