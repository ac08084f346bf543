package demo

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// consume runs event-consumer as a consumer, which handles the shards side by
// side and the records of each one after another, until it has handled every
// event or ctx ends. It calls ready when the shards are being read.
func (s *stage) consume(ctx context.Context, ready func()) error {
	c, err := consumer.New(s.client, s.stream, memlease.New(), func(o *consumer.Options) {
		o.PollInterval = 0
		o.MaxPollInterval = s.pollInterval()
		o.LeaseDuration = time.Minute // nobody else wants the leases, however slow the machine
		o.Failure.MaxAttempts = 1
		o.TracerProvider = s.services[Consumer].provider
		o.Metrics = s.services[Consumer].sink
		o.Logger = slog.New(slog.DiscardHandler)
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, s.consumer.handle) }()
	select {
	case <-c.Ready():
		ready()
	case err := <-ended:
		return err
	}
	select {
	case <-s.consumer.all:
		return errors.Join(c.Drain(ctx), <-ended)
	case err := <-ended:
		return err
	}
}

// pollInterval lets an idle reader ask each shard a hundred times a second, and
// less often when there are many.
func (s *stage) pollInterval() time.Duration {
	return max(10*time.Millisecond, time.Duration(len(s.shards.Open()))*2*time.Millisecond)
}
