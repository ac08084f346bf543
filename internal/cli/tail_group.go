package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/metrics"
)

// errEnough ends a tail that has shown what it was asked for.
var errEnough = errors.New("everything asked for was shown")

// tailGroup reads as one worker of a group. What was shown is done: the group
// goes on behind it, here or in another worker.
func (a *app) tailGroup(ctx context.Context, client *kinesis.Client, stream kinetrail.Stream, flags *tailFlags, sink metrics.Sink) error {
	// A person waits: what cannot be reached is told, not tried again and again,
	// and a stream that is not there makes no group.
	if _, err := listShards(ctx, client, stream); err != nil {
		return err
	}
	place, err := a.openStore(ctx, flags.store)
	if err != nil {
		return err
	}
	defer place.close()
	store, err := makeGroup(ctx, place, string(flags.group))
	if err != nil {
		return err
	}
	if _, err := store.List(ctx); err != nil {
		return &storeError{place, err}
	}
	worker, err := consumer.New(client, stream.String(), store, consumer.From(flags.start()), a.readerOptions(flags, sink))
	if err != nil {
		return err
	}
	a.note("Reading %s as a worker of group %s in %s. Ctrl-C ends and keeps the place.", stream.Name(), flags.group, place)
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &groupOutput{show: a.recordPrinter(flags.form), limit: int(flags.limit), stop: stop}
	watching := stopWhenStalled(reading, worker, stop)
	err = worker.Run(reading, out.handle)
	stop(nil)
	<-watching
	stalled, isStalled := errors.AsType[*stalledError](err)
	switch {
	case errors.Is(err, errEnough):
		return nil
	case isStalled:
		return stalled.explained(stream, string(flags.group))
	case ctx.Err() != nil:
		return &interruptedError{"interrupted: " + shownText(out.shown, string(flags.group))}
	case out.failure != nil:
		return out.failure
	}
	return tailError(stream, flags.shard, err)
}

// stalledError is a shard that cannot go on.
type stalledError struct {
	shardID string
	err     error
}

func (e *stalledError) Error() string {
	return fmt.Sprintf("shard %s stands still: %v", e.shardID, e.err)
}
func (e *stalledError) Unwrap() error { return e.err }

func (e *stalledError) explained(stream kinetrail.Stream, group string) error {
	if !errors.Is(e.err, consumer.ErrUnknownPosition) {
		return tailError(stream, e.shardID, e.err)
	}
	return &hintedError{
		err:  fmt.Errorf("stream %q does not know the place where group %s is in %s: it was deleted and made again", stream, group, e.shardID),
		hint: fmt.Sprintf("\"kinetrail group reset %s --to trim-horizon\" lets the group begin again.", group),
	}
}

// stalledPoll is how soon a shard that stands still ends a tail.
const stalledPoll = 200 * time.Millisecond

// stopWhenStalled stops a tail that has a shard which cannot go on: a program may
// wait for somebody to mend it, but here somebody is looking. It looks until ctx
// ends, and closes ended then.
func stopWhenStalled(ctx context.Context, worker *consumer.Consumer, stop context.CancelCauseFunc) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait(ctx, stalledPoll) == nil {
			for _, shard := range worker.Status().Shards {
				if shard.Err != nil {
					stop(&stalledError{shard.ShardID, shard.Err})
				}
			}
		}
	}()
	return done
}

// groupOutput shows the records of several shards, one at a time.
type groupOutput struct {
	show  func(*kinetrail.Record) error
	limit int // 0 for none
	stop  context.CancelCauseFunc

	mu      sync.Mutex
	shown   int
	over    bool
	failure error
}

// handle shows a record, which makes it done, unless the output is over.
func (o *groupOutput) handle(ctx context.Context, r kinetrail.Record) error {
	if o.take(&r) {
		return nil
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (o *groupOutput) take(r *kinetrail.Record) (done bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return false
	}
	if o.failure = o.show(r); o.failure != nil {
		o.over = true
		o.stop(o.failure)
		return false
	}
	if o.shown++; o.shown == o.limit {
		o.over = true
		o.stop(errEnough)
	}
	return true
}

// shownText says what an interrupted tail has done.
func shownText(shown int, group string) string {
	switch shown {
	case 0:
		return fmt.Sprintf("no record was shown; group %s stays where it was", group)
	case 1:
		return fmt.Sprintf("1 record was shown; group %s goes on behind it", group)
	}
	return fmt.Sprintf("%d records were shown; group %s goes on behind them", shown, group)
}
