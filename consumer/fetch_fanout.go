package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/metrics"
)

// subscriber fetches the records of one shard by enhanced fan-out: each event of
// a SubscribeToShard stream is a page.
//
//	subscribe ──► receive ──► receive ──► … ──► renew ──► receive ──► …
//	    ▲            │                            │ fails: the old one goes on
//	    └── pause ◄──┴── ended, cut, silent, taken over
//
// A subscription is renewed before it ends: the new one begins behind the last
// event, and takes the place of the old one. What the old one has sent and
// nobody has received is sent again.
//
// What is pushed is received one event at a time. While there is no room for
// one, or nobody asks for the next, the connection's own flow control holds the
// service back.
type subscriber struct {
	source

	held         *subscription // nil: none
	continuation string        // the sequence number behind which the next event begins, empty before the first
	before       bool          // there was a subscription
	timer        *time.Timer   // of receive
	reconnects   metrics.Counter

	asked, subscribed time.Time // the last call, and the last that succeeded
	notBefore         time.Time // of the next call
	failures          int       // in a row, without an event between them

	instead *poller // when Auto has found no room for a consumer
}

// subscription is an open stream of events.
type subscription struct {
	events  *kinesis.SubscribeToShardEventStream
	end     context.CancelCauseFunc
	renewAt time.Time
}

const (
	// longestSilence is how long a subscription may send nothing. The service
	// sends an event without records every few seconds when there are none; the
	// KCL gives up a request for the next event after as long.
	longestSilence = 35 * time.Second

	// renewBefore is how long before its end a subscription is renewed, and at
	// most twice as long, by chance, so that those which began together are not
	// renewed together.
	renewBefore = 30 * time.Second

	// subscribeSpacing is the shortest time between two SubscribeToShard calls
	// of one consumer for one shard (SubscribeToShard).
	subscribeSpacing = time.Second
)

var (
	errSilent    = fmt.Errorf("the subscription was silent for too long: %w", errRequestTimeout)
	errEnded     = errors.New("the subscription has ended")
	errTakenOver = errors.New("another subscription of the same consumer has taken the shard over")
	errNoStream  = errors.New("the answer has no event stream")
)

func newSubscriber(s source) *subscriber {
	return &subscriber{source: s, reconnects: s.meter.sink.Counter(metrics.ConsumerFanoutReconnects, s.stream.Name(), s.shardID)}
}

// next returns the page of the next event, which may be empty. It fails as that
// of a poller.
func (s *subscriber) next(ctx context.Context) (*page, error) {
	for {
		if s.instead != nil {
			return s.instead.next(ctx)
		}
		pg, err := s.fetch(ctx)
		if err == nil {
			return pg, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := s.recover(ctx, err); err != nil {
			return nil, &ShardError{Stream: s.stream.Name(), ShardID: s.shardID, Position: s.resume, Err: err}
		}
	}
}

// close ends the subscription, or the polling.
func (s *subscriber) close() {
	s.drop()
	if s.instead != nil {
		s.instead.close()
	}
	if s.timer != nil {
		s.timer.Stop()
	}
}

// fetch makes a page of the next event, subscribing before when need be.
func (s *subscriber) fetch(ctx context.Context) (*page, error) {
	if s.held == nil {
		if err := sleepUntil(ctx, s.notBefore); err != nil {
			return nil, err
		}
		if err := s.subscribe(ctx); err != nil {
			return nil, err
		}
	}
	for {
		event, err := s.receive(ctx)
		if err != nil {
			s.drop()
			return nil, err
		}
		if event != nil {
			return s.take(ctx, event)
		}
	}
}

// subscribe begins a subscription behind the last event, in the place of the one
// that is held if any.
func (s *subscriber) subscribe(ctx context.Context) error {
	consumer, err := s.fanOut.consumer(ctx)
	if err != nil {
		return err
	}
	if err := s.fanOut.pace.wait(ctx); err != nil {
		return err
	}
	s.asked = time.Now()
	subscribed, out, err := s.call(ctx, consumer)
	if err != nil {
		return fmt.Errorf("subscribe to the shard: %w", err)
	}
	s.drop()
	s.held, s.subscribed = subscribed, time.Now()
	s.skipping = s.continuation == "" && s.resume.IsRecord()
	if s.continuation == "" && s.resume.IsLatest() {
		// Should this subscription end before its first event, the next one begins
		// where this one did.
		s.resume = kinetrail.AtTime(serverTime(out.ResultMetadata, s.asked))
	}
	if s.before {
		s.reconnects.Add(1)
	}
	s.before = true
	s.noteOpened()
	return nil
}

func (s *subscriber) noteOpened() {
	if s.opened != nil {
		s.opened()
	}
}

// call makes one SubscribeToShard call. Its answer has to come within
// RequestTimeout; the stream lives as long as ctx, or until it is ended.
func (s *subscriber) call(ctx context.Context, consumer string) (*subscription, *kinesis.SubscribeToShardOutput, error) {
	in := &kinesis.SubscribeToShardInput{ConsumerARN: &consumer, ShardId: &s.shardID, StartingPosition: s.start()}
	ctx, end := context.WithCancelCause(tracing.Mark(ctx))
	if s.opts.RequestTimeout > 0 {
		late := time.AfterFunc(s.opts.RequestTimeout, func() { end(errRequestTimeout) })
		defer late.Stop()
	}
	// The protocol is what reads events for less, and keeps subscriptions of one
	// client from a data race in the SDK's.
	out, err := s.fanOut.api.SubscribeToShard(ctx, in, noRetries, kinesisprotocol.Install)
	if err == nil && out.GetStream() == nil {
		err = errNoStream
	}
	if err != nil {
		err = timedOut(ctx, err)
		end(nil)
		return nil, nil, err
	}
	lifetime := kinetrail.SubscriptionLifetime - renewBefore - rand.N(renewBefore)
	return &subscription{events: out.GetStream(), end: end, renewAt: s.asked.Add(lifetime)}, out, nil
}

// start is where a subscription begins. A container that was handed on in part
// is sent again and its first records are skipped, so the subscription begins at
// its record, not behind it.
func (s *subscriber) start() *types.StartingPosition {
	switch at, isTime := s.resume.Time(); {
	case s.continuation != "":
		return &types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: &s.continuation}
	case s.resume.IsRecord():
		return &types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: aws.String(s.resume.Sequence())}
	case isTime:
		return &types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: &at}
	case s.resume.IsLatest():
		return &types.StartingPosition{Type: types.ShardIteratorTypeLatest}
	}
	return &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
}

// receive waits for the next event, and renews the subscription when its time
// has come. It returns no event after that.
func (s *subscriber) receive(ctx context.Context) (*types.SubscribeToShardEvent, error) {
	waiting := time.Now()
	wait := min(s.held.renewAt.Sub(waiting), longestSilence)
	if s.timer == nil {
		s.timer = time.NewTimer(wait)
	} else {
		s.timer.Reset(wait)
	}
	select {
	case received, open := <-s.held.events.Events():
		if !open {
			return nil, s.ended()
		}
		event, known := received.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
		if !known {
			return nil, nil // a kind of event that this SDK does not know
		}
		s.failures = 0
		return &event.Value, nil
	case <-s.timer.C:
		if time.Since(waiting) >= longestSilence {
			return nil, errSilent
		}
		s.renew(ctx)
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ended says why the stream of events is over.
func (s *subscriber) ended() error {
	err := s.held.events.Err()
	var inUse *types.ResourceInUseException
	switch {
	case err == nil:
		return errEnded
	case errors.As(err, &inUse):
		return fmt.Errorf("%w: %w", errTakenOver, err)
	}
	return fmt.Errorf("receive records: %w", err)
}

// renew puts a new subscription in the place of the one that is held. When that
// fails, the one that is held goes on and renewing is repeated.
func (s *subscriber) renew(ctx context.Context) {
	err := s.subscribe(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	s.meter.errors.Add(errorType(err), 1)
	s.failures++
	s.held.renewAt = s.afterFailure()
	s.opts.Logger.WarnContext(ctx, "kinetrail: a subscription could not be renewed yet", s.attrs(slog.Any("error", err))...)
}

// drop ends the subscription that is held, if any, and waits for its end.
func (s *subscriber) drop() {
	if s.held == nil {
		return
	}
	s.held.end(nil)
	_ = s.held.events.Close() // whatever it says, the next one begins behind the last event
	for range s.held.events.Events() {
		// The SDK's goroutines close the channel when they end.
	}
	s.held = nil
}

// take makes a page of an event, once there is room for it, and moves the place
// to go on from behind it.
func (s *subscriber) take(ctx context.Context, event *types.SubscribeToShardEvent) (*page, error) {
	received := time.Now()
	size := 0
	for i := range event.Records {
		size += len(event.Records[i].Data)
	}
	if err := s.buffered.reserve(ctx, size, s.waits); err != nil {
		return nil, err
	}
	pg := s.split.page(&kinesis.GetRecordsOutput{Records: event.Records, MillisBehindLatest: event.MillisBehindLatest}, s.skip())
	s.passed(pg)
	// Without a number to continue from, the next subscription begins at the last
	// record.
	s.continuation = aws.ToString(event.ContinuationSequenceNumber)
	// An event that has neither children nor a number to continue from is no end:
	// a shard that is closed has children.
	pg.children, pg.end = event.ChildShards, len(event.ChildShards) > 0
	s.buffered.correct(size, pg.bytes)
	s.meter.page(pg)
	if pg.kinesisRecords > 0 {
		s.spans.pushed(ctx, received, pg.kinesisRecords)
	}
	return pg, nil
}

// recover decides what follows a subscription that ended or did not come about:
// another one after a pause, polling, or the end of the shard's reading, whose
// error it returns.
func (s *subscriber) recover(ctx context.Context, err error) error {
	if errors.Is(err, errEnded) && s.failures == 0 {
		s.failures++ // until the next event: one that ends again and again at once is no healthy one
		s.notBefore = s.afterFailure()
		return nil
	}
	s.meter.errors.Add(errorType(err), 1)
	var invalid *types.InvalidArgumentException
	var inUse *types.ResourceInUseException
	var gone *types.ResourceNotFoundException
	switch {
	case errors.Is(err, errPollInstead):
		s.instead = newPoller(s.source)
		return nil
	case errors.As(err, &gone) && s.asked.After(s.subscribed): // the answer to a call, not the end of a subscription
		if err := s.notFound(ctx, err); err != nil {
			return err
		}
	case errors.As(err, &invalid) && (s.continuation != "" || s.resume.IsRecord()):
		return fmt.Errorf("%w: %w", ErrUnknownPosition, err)
	case errors.As(err, &invalid) && isTime(s.resume):
		// By the service's clock the time lies ahead. The place is known all the
		// same, and records of then or later are not lost by waiting.
		s.noteOpened()
	case s.giveUp && isCallersFault(err) && !errors.As(err, &inUse):
		return err
	}
	s.failures++
	s.notBefore = s.afterFailure()
	if errors.Is(err, errTakenOver) {
		s.notBefore = time.Now().Add(kinetrail.SubscriptionTakeover + rand.N(subscribeSpacing))
	}
	s.log(ctx, err)
	return nil
}

// afterFailure is when the shard may be subscribed to again: after a growing
// pause, not more often than the service allows, and not before a subscription
// that succeeded would let another one take over.
func (s *subscriber) afterFailure() time.Time {
	at := time.Now().Add(backoff(s.failures, firstPause, lastPause))
	for _, earliest := range []time.Time{s.asked.Add(subscribeSpacing), s.subscribed.Add(kinetrail.SubscriptionTakeover)} {
		if at.Before(earliest) {
			at = earliest.Add(rand.N(firstPause))
		}
	}
	return at
}

// notFound finds out what it is that is not there: the shard, which is the error
// it returns, or the consumer, which is registered again.
func (s *subscriber) notFound(ctx context.Context, err error) error {
	switch lost, failed := s.fanOut.lost(ctx); {
	case failed != nil: // it will be asked again
		return nil
	case lost:
		s.opts.Logger.WarnContext(ctx, "kinetrail: the registered consumer is gone and is registered again", s.attrs(slog.String("consumer", s.fanOut.name))...)
		return nil
	}
	return fmt.Errorf("%w: %w", ErrShardGone, err)
}

// log tells of a failure: loudly of what somebody may have to look into, and
// quietly of the five seconds in which a new owner waits for the subscription of
// the old one.
func (s *subscriber) log(ctx context.Context, err error) {
	level := slog.LevelWarn
	var inUse *types.ResourceInUseException
	if s.failures < 6 && !errors.Is(err, errTakenOver) && (errors.As(err, &inUse) || isThrottle(errorType(err))) {
		level = slog.LevelDebug
	}
	s.opts.Logger.Log(ctx, level, "kinetrail: a subscription failed and is repeated",
		s.attrs(slog.Int("failures", s.failures), slog.Any("error", err))...)
}
