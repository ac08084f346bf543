package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
)

// fetcher fetches the records of one shard, page by page. Its methods are
// called by one goroutine.
type fetcher interface {
	// next returns the next page, which may be empty. Its bytes are reserved in
	// the budget until the caller releases them. It fails when ctx ends, or
	// with an error that ends the reading of the shard. Every call has the same
	// ctx: what one call opens may live until the ctx ends.
	next(ctx context.Context) (*page, error)

	// close gives up what next has opened. No call of next follows.
	close()
}

// source is the shard that a fetcher reads, and the place it has come to.
type source struct {
	api      API
	fanOut   *fanOut // nil: polling
	stream   kinetrail.Stream
	shardID  string
	opts     *Options
	meter    *shardMeter
	spans    *spans
	buffered *budget
	polling  *polling
	split    *deaggregator
	giveUp   bool // on errors that asking again does not heal
	opened   func()
	waits    func() // when there is no room for the next page; nil is nothing

	resume    kinetrail.Position // the place to go on from
	inclusive bool               // the record at resume is wanted, too
	skipping  bool               // records up to resume may come again
}

// fetcher returns what fetches the shard as Options.Fetch says.
func (s source) fetcher() fetcher {
	if s.fanOut != nil {
		return newSubscriber(s)
	}
	return newPoller(s)
}

// passed moves the place to go on from behind a page, which it does not keep: an
// idle shard would hold its last page, of up to ten megabytes, for the sake of one
// sequence number.
func (s *source) passed(pg *page) {
	if !pg.last.IsZero() {
		pg.last = detached(pg.last)
		s.resume, s.inclusive, s.skipping = pg.last, false, false
	}
}

// skip tells which records of the next page are not wanted: those before the
// returned place, and the one at it when inclusive is false.
func (s *source) skip() skip {
	if !s.skipping {
		return skip{}
	}
	return skip{until: s.resume, inclusive: s.inclusive}
}

// request prepares ctx for one call: bounded, and marked as ours.
func (s *source) request(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = tracing.Mark(ctx)
	if s.opts.RequestTimeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, s.opts.RequestTimeout, errRequestTimeout)
}

var errRequestTimeout = errors.New("the service did not answer in time")

// timedOut puts the cause of an ended ctx in place of the SDK's cancelled call.
func timedOut(ctx context.Context, err error) error {
	if context.Cause(ctx) == errRequestTimeout {
		return fmt.Errorf("%w: %w", errRequestTimeout, err)
	}
	return err
}

func (s *source) attrs(more ...any) []any {
	return append([]any{slog.String("stream", s.stream.Name()), slog.String("shard", s.shardID)}, more...)
}
