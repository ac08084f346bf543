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
	return aim{stream: streamNameIn(*in.ConsumerARN), shards: []string{*in.ShardId}, consumer: *in.ConsumerARN}
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
	return &subscription{
		hold: hold, ctx: ctx, stream: consumer.Stream, shard: shard, call: c, next: next,
		out: state.NewAllowance(kinetrail.ReadBytesPerSecond),
	}, nil
})

// subscription pushes a shard's records to a client.
type subscription struct {
	hold   *state.Subscription
	ctx    context.Context // ends with the request, the server, or another subscription's takeover
	stream *state.Stream
	shard  *state.Shard
	call   *call

	next   uint64          // counter of the record to go on from
	latest int64           // arrival of the latest record that was sent, in Unix milliseconds
	events int             // sent so far
	out    state.Allowance // what a strict server sends in a second
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
		e, err := s.event()
		if err != nil {
			s.write(wire.AppendException(nil, s.call.codec, asWireError(err)))
			return false
		}
		sent := s.write(*e.frame)
		keepAnswer(e.frame)
		if !sent || e.atEnd {
			return false
		}
		if s.events++; s.events == s.call.effects.Cut {
			panic(http.ErrAbortHandler)
		}
		if !s.pace(e.bytes) {
			return false
		}
		if e.atTip {
			return true
		}
	}
	return false
}

// event is one that is ready to be sent.
type event struct {
	frame *[]byte // from answers
	bytes int     // of its records, as limits count them
	atTip bool    // nothing is behind it
	atEnd bool    // and the shard is closed
}

// event takes the next event. The memory of its frame and its records is
// borrowed: a subscription that waits holds neither.
func (s *subscription) event() (event, error) {
	records := pages.Get().(*[]state.Record)
	page, err := s.stream.Read(s.shard, (*records)[:0], s.next, kinetrail.MaxGetRecords, maxEventBytes)
	if err != nil {
		return event{}, err
	}
	defer keepPage(records, &page)
	s.next = page.Next
	if n := len(page.Records); n > 0 {
		s.latest = page.Records[n-1].ArrivedMillis
	}
	content := &wire.SubscribeEvent{
		Count:              len(page.Records),
		Record:             recordsOf(s.shard, page.Records),
		Continuation:       s.continuation(),
		MillisBehindLatest: page.Behind.Milliseconds(),
		AtEnd:              page.AtEnd,
	}
	if page.AtEnd {
		content.ChildShards = childShards(s.stream, s.shard)
	}
	e := event{frame: answers.Get().(*[]byte), bytes: page.Bytes(), atTip: page.Behind == 0, atEnd: page.AtEnd}
	*e.frame = wire.AppendSubscribeEvent((*e.frame)[:0], s.call.codec, content)
	return e, nil
}

// pace makes a subscription of a strict server wait until a shard gives its
// consumer more. It reports whether the subscription goes on.
func (s *subscription) pace(bytes int) bool {
	clock := s.call.server.clock
	if !s.call.server.options.Strict {
		return true
	}
	pause := s.out.Owe(clock.Now(), float64(bytes))
	if pause == 0 {
		return true
	}
	alarm := clock.Alarm(pause)
	defer alarm.Stop()
	select {
	case <-alarm.C:
		return true
	case <-s.ctx.Done():
		return false
	}
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
