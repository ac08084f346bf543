package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/metrics/promsink"
	"github.com/kinetrail/kinetrail/producer"
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// play is one alert's: a stream of its own with a producer and a consumer, and
// what goes wrong there.
type play struct {
	alert string

	// fault is a rule for the server, without the stream.
	fault string

	// failure is what the consumer does about a handler that fails while the
	// fault strikes; nil means that it does not fail.
	failure *consumer.FailurePolicy

	// slow makes the handler take its time while the fault strikes, with the
	// records that are two minutes old by then.
	slow bool

	// checkpoints fail and leases are stolen while the fault strikes.
	checkpoints, stolen bool

	// split splits the shard.
	split bool
}

var plays = []play{
	{alert: "HighProducerErrorRate", fault: "PutRecords p=0.5 seed=1 error=InternalFailure"},
	{alert: "ProducerThrottled", fault: "PutRecords p=0.5 seed=2 records=1"},
	{alert: "HighConsumerIteratorAge", slow: true},
	{alert: "ConsumerFetchErrors", fault: "GetRecords p=0.5 seed=3 error=InternalFailure"},
	{alert: "ConsumerCheckpointFailures", checkpoints: true},
	{alert: "ConsumerShardStalled", failure: &consumer.FailurePolicy{MaxAttempts: 1, Then: consumer.StopShard}},
	{alert: "ConsumerLeasesLost", stolen: true},
	{alert: "ConsumerDeadLetters", failure: &consumer.FailurePolicy{
		MaxAttempts: 1, Then: consumer.DeadLetter,
		DeadLetter: func(context.Context, kinetrail.Record, error) error { return nil },
	}},
	{alert: "ReshardingDetected", split: true},
}

// streamOf is the stream of an alert's play.
func streamOf(alert string) string { return strings.ToLower(alert) }

// scene is all plays at once, and the endpoint that shows their metrics.
type scene struct {
	actors []*actor
	server *http.Server
	listen net.Listener
	serve  sync.WaitGroup
}

// newScene starts the producers and consumers.
func newScene(ctx context.Context) (*scene, error) {
	registry := client.NewRegistry()
	sink, err := promsink.New(func(o *promsink.Options) { o.Registerer = registry })
	if err != nil {
		return nil, err
	}
	s := &scene{server: &http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})}}
	if s.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.serve.Go(func() { _ = s.server.Serve(s.listen) }) // until end closes it
	for _, p := range plays {
		a, err := newActor(ctx, p, sink)
		if err != nil {
			return nil, errors.Join(err, s.end())
		}
		s.actors = append(s.actors, a)
	}
	return s, nil
}

func (s *scene) address() string { return s.listen.Addr().String() }

// alerts are the names of all alerts.
func (s *scene) alerts() []string {
	var all []string
	for _, p := range plays {
		all = append(all, p.alert)
	}
	return all
}

func (s *scene) strike(ctx context.Context) error { return s.each(ctx, (*actor).strike) }
func (s *scene) mend(ctx context.Context) error   { return s.each(ctx, (*actor).mend) }

func (s *scene) each(ctx context.Context, do func(*actor, context.Context) error) error {
	for _, a := range s.actors {
		if err := do(a, ctx); err != nil {
			return fmt.Errorf("%s: %w", a.alert, err)
		}
	}
	return nil
}

// end stops everything.
func (s *scene) end() error {
	var errs []error
	for _, a := range s.actors {
		errs = append(errs, a.end())
	}
	errs = append(errs, s.server.Close())
	s.serve.Wait()
	return errors.Join(errs...)
}

// actor plays a play: on a server of its own, because the clock of one moves.
type actor struct {
	play
	sink      *promsink.Sink
	server    *localkinesis.Server
	store     *store
	producer  *producer.Producer
	struck    atomic.Bool
	consuming func() error // ends the consumer
	stop      context.CancelFunc
	putting   sync.WaitGroup
}

func newActor(ctx context.Context, p play, sink *promsink.Sink) (*actor, error) {
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{streamOf(p.alert): 1} })
	if err != nil {
		return nil, err
	}
	a := &actor{play: p, sink: sink, server: server}
	a.store = &store{Store: memlease.New(), actor: a}
	a.producer, err = producer.New(server.Client(), streamOf(p.alert), func(o *producer.Options) {
		o.Metrics, o.Logger, o.Linger = sink, quiet, 0
	})
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	ctx, a.stop = context.WithCancel(ctx)
	a.putting.Go(func() { a.put(ctx) })
	if err := a.consume(ctx); err != nil {
		return nil, errors.Join(err, a.end())
	}
	return a, nil
}

// quiet drops what the clients say about the faults.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// put puts fifty records a second.
func (a *actor) put(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			record := kinetrail.Record{PartitionKey: fmt.Sprint("key-", i), Data: []byte("data")}
			_ = a.producer.PutAsync(ctx, record, func(producer.Result) {}) // its metrics tell
		}
	}
}

// consume starts a consumer. A second one goes on where the first has ended.
func (a *actor) consume(ctx context.Context) error {
	c, err := consumer.New(a.server.Client(), streamOf(a.alert), a.store, func(o *consumer.Options) {
		o.Metrics, o.Logger = a.sink, quiet
		o.PollInterval, o.MaxPollInterval = 0, 50*time.Millisecond
		o.CheckpointInterval, o.LeaseDuration, o.ShardSyncInterval = time.Second/2, 2*time.Second, time.Second
		if a.failure != nil {
			o.Failure = *a.failure
		}
		if a.slow { // each record is a fetch, so that the age is always that of the next one
			o.MaxRecords, o.MaxBufferedBytes = 1, 1
		}
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx, a.handle) // until consuming cancels it
	}()
	a.consuming = func() error {
		cancel()
		<-ended
		return nil
	}
	return nil
}

var errStruck = errors.New("the handler is told to fail")

func (a *actor) handle(ctx context.Context, _ kinetrail.Record) error {
	if !a.struck.Load() {
		return nil
	}
	if a.slow {
		select {
		case <-time.After(time.Second / 2):
		case <-ctx.Done():
		}
	}
	if a.failure != nil {
		return errStruck
	}
	return nil
}

// strike begins what goes wrong.
func (a *actor) strike(ctx context.Context) error {
	a.struck.Store(true)
	switch {
	case a.fault != "":
		rule, err := fault.Parse(a.fault)
		if err != nil {
			return err
		}
		return a.server.Faults().Add(rule)
	case a.slow:
		return a.growOld(ctx)
	case a.split:
		return a.splitShard(ctx)
	case a.stolen:
		a.putting.Go(func() { a.steal(ctx) })
	}
	return nil
}

// growOld makes the records of some seconds two minutes old: enough for a slow
// handler to be late until it is mended.
func (a *actor) growOld(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(4 * time.Second):
	}
	a.server.Clock().Advance(2 * time.Minute)
	return nil
}

// splitShard splits the only shard in the middle.
func (a *actor) splitShard(ctx context.Context) error {
	shards, err := a.server.Shards(streamOf(a.alert))
	if err != nil {
		return err
	}
	_, err = a.server.Client().SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName:         aws.String(streamOf(a.alert)),
		ShardToSplit:       aws.String(shards[0].ID),
		NewStartingHashKey: aws.String("170141183460469231731687303715884105728"), // 2^127
	})
	if _, busy := errors.AsType[*types.ResourceInUseException](err); busy {
		return fmt.Errorf("split: the stream is not active: %w", err)
	}
	return err
}

// steal takes every lease for a worker that does not exist, until the actor is
// mended.
func (a *actor) steal(ctx context.Context) {
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	for a.struck.Load() {
		leases, err := a.store.List(ctx)
		for _, l := range leases {
			if err == nil && l.Owner != "" && l.Owner != "thief" {
				_, _ = a.store.Take(ctx, l, "thief") // another try follows
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// mend ends what goes wrong. A consumer whose shard is stalled is started anew,
// as its runbook says.
func (a *actor) mend(ctx context.Context) error {
	a.struck.Store(false)
	a.server.Faults().Clear()
	if a.failure == nil || a.failure.Then != consumer.StopShard {
		return nil
	}
	return errors.Join(a.consuming(), a.consume(ctx))
}

// end stops the actor's clients and its server.
func (a *actor) end() error {
	a.struck.Store(false)
	a.stop()
	a.putting.Wait()
	if a.consuming != nil {
		_ = a.consuming()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = a.producer.Close(ctx) // what it could not deliver does not matter
	return a.server.Close()
}

// store is a lease store whose checkpoints can fail.
type store struct {
	lease.Store
	actor *actor
}

// Checkpoint fails while a fault says so.
func (s *store) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	if s.actor.checkpoints && s.actor.struck.Load() {
		return lease.Lease{}, errors.New("the store is told to fail")
	}
	return s.Store.Checkpoint(ctx, held, done)
}
