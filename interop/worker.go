package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/dynamolease"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// workerConfig is what a worker of a group is told, be it java/Worker.java or
// this program.
type workerConfig struct {
	Kinesis          string `json:"kinesis"`  // URL
	DynamoDB         string `json:"dynamodb"` // URL
	Stream           string `json:"stream"`
	Application      string `json:"application"`
	Worker           string `json:"worker"`
	FailoverMillis   int64  `json:"failover_millis"`
	CheckpointMillis int64  `json:"checkpoint_millis"`

	// HoldAfter makes the worker handle so many records of a shard, write its
	// position, and then only hold the lease. 0 is never.
	HoldAfter int `json:"hold_after,omitempty"`

	// ClientVersion is how KCL 3 is to take part in the fleet.
	ClientVersion string `json:"client_version,omitempty"`
}

// event is a line of a worker.
type event struct {
	Event    string `json:"event"` // begin, record, checkpoint, holding, ended, released, lost, refused, stopped
	Shard    string `json:"shard"`
	At       int64  `json:"at"` // microseconds since 1970
	Sequence string `json:"sequence,omitempty"`
	Sub      int    `json:"sub,omitempty"`
	Key      string `json:"key,omitempty"`
	Data     string `json:"data,omitempty"`
}

// position is the place that an event tells of.
func (e event) position() (kinetrail.Position, error) {
	p, err := kinetrail.ParsePosition(e.Sequence)
	if err == nil && p.IsRecord() {
		p = kinetrail.At(e.Sequence, e.Sub)
	}
	return p, err
}

// workerCommand is the argument that makes this program a worker.
const workerCommand = "worker"

// goWorker is a worker of a group that tells what it does, as java/Worker.java
// does.
type goWorker struct {
	config  workerConfig
	group   *consumer.Consumer
	stopped chan struct{} // its input has ended

	mu  sync.Mutex
	out *json.Encoder
}

// work runs a worker until in ends, and returns the exit code.
func work(ctx context.Context, config string, in io.Reader, out io.Writer) int {
	w := &goWorker{stopped: make(chan struct{}), out: json.NewEncoder(out)}
	w.out.SetEscapeHTML(false)
	err := json.Unmarshal([]byte(config), &w.config)
	if err == nil {
		err = w.run(ctx, in)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop worker:", err)
		return 1
	}
	return 0
}

func (w *goWorker) run(ctx context.Context, in io.Reader) error {
	w.mu.Lock()
	err := w.out.Encode(map[string]string{"version": "kinetrail"})
	w.mu.Unlock()
	if err != nil {
		return err
	}
	store := tellingStore{dynamolease.New(dynamoDBAt(w.config.DynamoDB), w.config.Application), w}
	w.group, err = consumer.New(kinesisAt(w.config.Kinesis), w.config.Stream, store, asKCLWorker(w.config))
	if err != nil {
		return err
	}
	drained := make(chan error, 1)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		close(w.stopped)
		patience, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		drained <- w.group.Drain(patience)
	}()
	if err := w.group.RunShards(ctx, w.read); err != nil {
		return err
	}
	if err := <-drained; err != nil {
		return err
	}
	w.say(event{Event: "stopped"})
	return nil
}

// tellingStore tells what was written, and what was refused because the lease is
// somebody else's.
type tellingStore struct {
	*dynamolease.Store
	w *goWorker
}

func (s tellingStore) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	row, err := s.Store.Checkpoint(ctx, held, done)
	if err == nil {
		s.w.sayAt("checkpoint", held.ShardID, done)
	}
	s.refused(held, err)
	return row, err
}

func (s tellingStore) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	row, err := s.Store.Release(ctx, held)
	s.refused(held, err)
	return row, err
}

func (s tellingStore) refused(held lease.Lease, err error) {
	if errors.Is(err, lease.ErrConflict) {
		s.w.say(event{Event: "refused", Shard: held.ShardID})
	}
}

// asKCLWorker makes a consumer what docs/kcl-compatibility.md wants beside KCL
// workers.
func asKCLWorker(config workerConfig) func(*consumer.Options) {
	return func(o *consumer.Options) {
		o.Worker = config.Worker
		o.RangeFilter = consumer.RangeKCL
		o.LeaseDuration = time.Duration(config.FailoverMillis) * time.Millisecond
		o.CheckpointInterval = time.Duration(config.CheckpointMillis) * time.Millisecond
		o.ShardSyncInterval = 5 * time.Second
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
}

// read handles the records of one shard while its lease is held.
func (w *goWorker) read(ctx context.Context, s *consumer.ShardReader) error {
	w.sayAt("begin", s.ID(), w.written(s.ID()))
	handled := 0
	for r, err := range s.Records(ctx) {
		switch {
		case errors.Is(err, consumer.ErrLeaseLost):
			w.say(event{Event: "lost", Shard: s.ID()})
			return nil
		case err != nil:
			return err
		}
		if w.config.HoldAfter > 0 && handled == w.config.HoldAfter {
			return w.hold(ctx, s.ID())
		}
		handled++
		w.say(event{Event: "record", Shard: s.ID(), Sequence: r.Position.Sequence(), Sub: r.Position.Sub(), Key: r.PartitionKey, Data: string(r.Data)})
	}
	w.say(event{Event: "released", Shard: s.ID()})
	return nil
}

// hold writes what was handled and waits to be stopped or killed.
func (w *goWorker) hold(ctx context.Context, shard string) error {
	if err := w.group.Checkpoint(ctx); err != nil {
		return err
	}
	w.sayAt("holding", shard, w.written(shard))
	select {
	case <-w.stopped:
	case <-ctx.Done():
	}
	w.say(event{Event: "released", Shard: shard})
	return nil
}

// written is the position of a shard in the table.
func (w *goWorker) written(shard string) kinetrail.Position {
	for _, s := range w.group.Status().Shards {
		if s.ShardID == shard {
			return s.Checkpoint
		}
	}
	return kinetrail.Position{}
}

func (w *goWorker) sayAt(what, shard string, p kinetrail.Position) {
	e := event{Event: what, Shard: shard, Sequence: p.String()}
	if p.IsRecord() {
		e.Sequence, e.Sub = p.Sequence(), p.Sub()
	}
	w.say(e)
}

// say writes an event. What cannot be written nobody waits for: whoever started
// the worker is gone.
func (w *goWorker) say(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.At = time.Now().UnixMicro()
	if err := w.out.Encode(e); err != nil {
		os.Exit(1)
	}
}

// kinesisAt is a client of a local server of Kinesis.
func kinesisAt(url string) *kinesis.Client {
	return kinesis.New(kinesis.Options{BaseEndpoint: &url, Region: "us-east-1", Credentials: throwAway()})
}

// dynamoDBAt is a client of a local server of DynamoDB.
func dynamoDBAt(url string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{BaseEndpoint: &url, Region: "us-east-1", Credentials: throwAway()})
}

func throwAway() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider("interop", "interop", "")
}
