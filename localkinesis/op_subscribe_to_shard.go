package localkinesis

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type subscribeToShardInput struct {
	ConsumerARN      *string                `shape:"ConsumerARN,required"`
	ShardId          *string                `shape:"ShardId,required"`
	StartingPosition *startingPositionInput `shape:"Structure,required"`
	StreamId         *string                `shape:"StreamId"`
	DryRun           *bool
}

type startingPositionInput struct {
	Type           *string `shape:"ShardIteratorType,required"`
	SequenceNumber *string `shape:"SequenceNumber"`
	Timestamp      *time.Time
}

func (in *subscribeToShardInput) aim(*call) aim {
	return aim{stream: streamNameIn(*in.ConsumerARN), shards: []string{*in.ShardId}}
}

var subscribeToShard = define("SubscribeToShard", func(c *call, in *subscribeToShardInput) (any, error) {
	consumer, err := c.consumerByARN(*in.ConsumerARN)
	if err != nil {
		return nil, err
	}
	shard, err := consumer.Stream.Shard(*in.ShardId)
	if err != nil {
		return nil, err
	}
	start := startingPosition{kind: *in.StartingPosition.Type, number: in.StartingPosition.SequenceNumber, timestamp: in.StartingPosition.Timestamp}
	next, err := start.locate(c, consumer.Stream, shard, "SubscribeToShard")
	if err != nil {
		return nil, err
	}
	if wants(in.DryRun) {
		return nil, errDryRun()
	}
	hold, ctx, err := consumer.Subscribe(c.request.Context(), shard)
	if err != nil {
		return nil, err
	}
	return &subscription{hold: hold, ctx: ctx, stream: consumer.Stream, shard: shard, call: c, next: next}, nil
})

// subscription pushes a shard's records to a client.
type subscription struct {
	hold   *state.Subscription
	ctx    context.Context // ends with the request, the server, or another subscription's takeover
	stream *state.Stream
	shard  *state.Shard
	call   *call

	next   uint64 // counter of the record to go on from
	latest int64  // arrival of the latest record that was sent, in Unix milliseconds
	events int
}

// An event is sent as soon as there are records, and at least every five
// seconds; one holds at most so many bytes, or a single record.
const (
	eventInterval = 5 * time.Second
	maxEventBytes = 2 << 20
)

// serve answers with events until the shard or the subscription ends.
func (s *subscription) serve() {
	defer s.hold.Close()
	c := s.call
	c.Status = http.StatusOK
	c.log()
	giveMoment(c.request, momentForEvents)
	c.writer.Header()["Content-Type"] = []string{wire.EventStream}
	c.begun = true
	c.writer.WriteHeader(c.Status)
	if !s.write(wire.AppendInitialResponse(nil, c.codec)) {
		return
	}
	over := c.server.clock.Alarm(kinetrail.SubscriptionLifetime)
	defer over.Stop()
	for s.push() && s.wait(c.server.clock, over) {
	}
	if taken, ok := errors.AsType[*state.Error](context.Cause(s.ctx)); ok {
		s.write(wire.AppendException(nil, c.codec, asWireError(taken)))
	}
}

// push sends everything up to the tip, or one event without records. It
// reports whether more can come.
func (s *subscription) push() bool {
	for s.ctx.Err() == nil {
		frame, state, err := s.event()
		if err != nil {
			s.write(wire.AppendException(nil, s.call.codec, asWireError(err)))
			return false
		}
		sent := s.write(*frame)
		keepAnswer(frame)
		if !sent || state == atEnd {
			return false
		}
		if s.events++; s.events == s.call.effects.Cut {
			panic(http.ErrAbortHandler)
		}
		if state == atTip {
			return true
		}
	}
	return false
}

// place is where a subscription stands behind an event.
type place int

const (
	behind place = iota
	atTip
	atEnd // of a closed shard
)

// event is the frame of the next event. Its memory and that of its records are
// borrowed: a subscription that waits holds neither.
func (s *subscription) event() (frame *[]byte, at place, err error) {
	records := pages.Get().(*[]state.Record)
	page, err := s.stream.Read(s.shard, (*records)[:0], s.next, kinetrail.MaxGetRecords, maxEventBytes)
	if err != nil {
		return nil, 0, err
	}
	defer keepPage(records, &page)
	s.next = page.Next
	if n := len(page.Records); n > 0 {
		s.latest = page.Records[n-1].ArrivedMillis
	}
	event := &wire.SubscribeEvent{
		Count:              len(page.Records),
		Record:             recordsOf(s.shard, page.Records),
		Continuation:       s.continuation(),
		MillisBehindLatest: page.Behind.Milliseconds(),
		AtEnd:              page.AtEnd,
	}
	switch {
	case page.AtEnd:
		at = atEnd
		event.ChildShards = childShards(s.stream, s.shard)
	case page.Behind == 0:
		at = atTip
	}
	frame = answers.Get().(*[]byte)
	*frame = wire.AppendSubscribeEvent((*frame)[:0], s.call.codec, event)
	return frame, at, nil
}

// continuation is the number behind which the next record lies.
func (s *subscription) continuation() sequence.Number {
	if s.next <= 1 {
		return s.shard.Start()
	}
	return s.shard.Number(&state.Record{Counter: s.next - 1, ArrivedMillis: s.latest})
}

// write sends a frame to a client that takes it in within Options.ClientTimeout.
func (s *subscription) write(frame []byte) bool {
	s.call.limitWrite()
	defer s.call.setWriteDeadline(time.Time{})
	if _, err := s.call.writer.Write(frame); err != nil {
		return false // the client has gone
	}
	return http.NewResponseController(s.call.writer).Flush() == nil
}

// wait returns when there is something to send, and false when the
// subscription is over.
func (s *subscription) wait(clock *Clock, over *state.Alarm) bool {
	changed := s.shard.Changed()
	if s.shard.Tip() > s.next || s.shard.Ended() {
		return true // it changed before the line above
	}
	interval := clock.Alarm(eventInterval)
	defer interval.Stop()
	select {
	case <-changed:
		return true
	case <-interval.C:
		return true
	case <-over.C:
		return false
	case <-s.ctx.Done():
		return false
	}
}
