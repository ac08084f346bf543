package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/metrics"
)

// poller fetches the records of one shard with GetRecords, page by page. It
// repeats what fails; the SDK's own retries are off, because they would hide
// how often the shard is asked.
type poller struct {
	source

	seat      uint64
	iterator  *string
	options   []func(*kinesis.Options) // of its GetRecords calls
	into      []kinesisprotocol.Record // where their records go
	notBefore time.Time
	pause     time.Duration // after an empty answer
	failures  int           // in a row
	expect    int           // bytes of the next page, at most
}

// noRetries turns the SDK's retries off for one call.
func noRetries(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }

// callOptions are those of the GetRecords calls of one poller, whose records go
// into *into where that is possible. Whatever is wrapped around a client may look
// at the records it answers, so only a bare client gets to hear of the list.
func callOptions(api API, o *Options, into *[]kinesisprotocol.Record) []func(*kinesis.Options) {
	options := []func(*kinesis.Options){noRetries, o.speak, o.locate}
	if _, bare := api.(*kinesis.Client); bare && o.Wire != kinesisprotocol.SDK {
		options = append(options, kinesisprotocol.Into(into))
	}
	return options
}

const (
	// unknownPage is what a page may bring when nothing is known of the shard:
	// the most that GetRecords returns.
	unknownPage = kinetrail.MaxGetRecordsBytes

	// smallestPage is what is reserved for a shard that had nothing last time.
	smallestPage = 64 << 10

	// firstPause and lastPause bound the pauses between failed calls.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second

	// shortestPause is the first pause after an empty answer when PollInterval
	// asks for none.
	shortestPause = 5 * time.Millisecond
)

// next returns the next page, which may be empty, as soon as the shard's pace
// allows. It fails when ctx ends, or with an error that ends the reading of the
// shard: ErrShardGone, ErrUnknownPosition, and with giveUp every other error
// that is the caller's fault.
func (p *poller) next(ctx context.Context) (*page, error) {
	for {
		if err := sleepUntil(ctx, p.notBefore); err != nil {
			return nil, err
		}
		started := time.Now()
		pg, err := p.inTurn(ctx)
		if err == nil {
			p.pace(pg, started)
			return pg, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := p.recover(ctx, err); err != nil {
			return nil, &ShardError{Stream: p.stream.Name(), ShardID: p.shardID, Position: p.resume, Err: err}
		}
	}
}

// newPoller counts a poller in.
func newPoller(s source) *poller {
	s.polling.shards.Add(1)
	return &poller{source: s, seat: s.polling.seats.Add(1)}
}

// close counts the poller out; between two calls it holds nothing open.
func (p *poller) close() { p.polling.shards.Add(-1) }

// inTurn fetches, and leaves busy shards the way when this one was idle.
func (p *poller) inTurn(ctx context.Context) (*page, error) {
	if p.pause == 0 {
		return p.fetch(ctx)
	}
	hangUp, err := p.polling.line(ctx)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	return p.fetch(ctx)
}

// fetch makes one GetRecords call, and one for an iterator when there is none.
func (p *poller) fetch(ctx context.Context) (*page, error) {
	if p.iterator == nil {
		if err := p.open(ctx); err != nil {
			return nil, err
		}
	}
	reserved := min(cmp.Or(p.expect, unknownPage), p.opts.MaxBufferedBytes)
	if err := p.buffered.reserve(ctx, reserved, p.waits); err != nil {
		return nil, err
	}
	m := p.split.memories.get()
	out, err := p.getRecords(ctx, m)
	if err != nil {
		p.buffered.release(reserved)
		p.split.memories.put(m)
		return nil, err
	}
	pg := p.take(out, m)
	p.buffered.correct(reserved, pg.bytes)
	return pg, nil
}

// open asks for an iterator at the place to go on from. A container that was
// handed on in part is read again and its first records are skipped, so the
// iterator begins at the record, not after it.
func (p *poller) open(ctx context.Context) error {
	in := &kinesis.GetShardIteratorInput{ShardId: &p.shardID}
	in.StreamName, in.StreamARN = p.stream.APINames()
	switch at, isTime := p.resume.Time(); {
	case p.resume.IsRecord():
		sequence := p.resume.Sequence()
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAtSequenceNumber, &sequence
	case isTime:
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &at
	case p.resume.IsLatest():
		in.ShardIteratorType = types.ShardIteratorTypeLatest
	default:
		in.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	}
	ctx, cancel := p.request(ctx)
	defer cancel()
	asked := time.Now()
	out, err := p.api.GetShardIterator(ctx, in, noRetries)
	if err != nil {
		return fmt.Errorf("get an iterator: %w", timedOut(ctx, err))
	}
	p.iterator, p.skipping = out.ShardIterator, p.resume.IsRecord()
	if p.resume.IsLatest() {
		// Should this iterator expire before it brought a record, the next one
		// begins where this one did.
		p.resume = kinetrail.AtTime(serverTime(out.ResultMetadata, asked))
	}
	if p.opened != nil {
		p.opened()
	}
	return nil
}

// getRecords fetches records into m.
func (p *poller) getRecords(ctx context.Context, m *memory) (out *kinesis.GetRecordsOutput, err error) {
	limit := int32(p.opts.MaxRecords)
	in := &kinesis.GetRecordsInput{ShardIterator: p.iterator, Limit: &limit}
	_, in.StreamARN = p.stream.APINames()
	ctx, cancel := p.request(ctx)
	defer cancel()
	if p.options == nil {
		p.options = callOptions(p.api, p.opts, &p.into)
	}
	p.into = m.fetched[:0]
	started := time.Now()
	err = errNoReturn
	p.polling.do(func() {
		out, err = p.api.GetRecords(ctx, in, p.options...)
		if errors.Is(err, kinesisprotocol.ErrNotCBOR) {
			out, err = p.api.GetRecords(ctx, in, p.options...)
		}
	})
	m.fetched, p.into = p.into, nil
	if err != nil {
		return nil, fmt.Errorf("get records: %w", timedOut(ctx, err))
	}
	m.take(out)
	if n := len(m.fetched); n > 0 {
		p.spans.fetched(ctx, started, n)
	}
	return out, nil
}

// errNoReturn says that the client ended the goroutine of its call.
var errNoReturn = errors.New("the client has not returned")

// take makes a page of an answer and moves the place to go on from behind it.
func (p *poller) take(out *kinesis.GetRecordsOutput, m *memory) *page {
	pg := p.split.pageOf(m, out.MillisBehindLatest, p.skip())
	p.passed(pg)
	p.iterator = out.NextShardIterator
	pg.end = out.NextShardIterator == nil
	pg.children = out.ChildShards
	p.meter.page(pg)
	return pg
}

// pace decides when the shard is asked again, and what its next page may bring.
func (p *poller) pace(pg *page, started time.Time) {
	p.failures = 0
	p.notBefore = started.Add(p.opts.PollInterval)
	p.expect = max(pg.bytes, smallestPage)
	switch {
	case !pg.atTip():
		p.pause = 0
		p.expect = min(max(2*pg.bytes, smallestPage), unknownPage)
	case pg.kinesisRecords > 0:
		p.pause = 0
	default:
		longest := p.opts.longestPause(p.polling.shards.Load())
		p.pause = min(max(2*p.pause, p.opts.PollInterval, shortestPause), longest)
		again := started.Add(p.pause)
		if p.pause == longest {
			again = p.polling.turn(p.seat, longest, started)
		}
		if again.After(p.notBefore) {
			p.notBefore = again
		}
	}
}

const (
	// idlePause is how long an idle shard is left alone.
	idlePause = time.Second

	// idleShare is how long it is left alone for each shard that is polled, when
	// that is longer: 250 calls a second cost less than a tenth of a core.
	idleShare = 4 * time.Millisecond
)

// longestPause is MaxPollInterval where this many shards are polled.
func (o *Options) longestPause(shards int64) time.Duration {
	if o.MaxPollInterval > 0 {
		return o.MaxPollInterval
	}
	return max(idlePause, time.Duration(shards)*idleShare)
}

// recover decides what follows a failed call: an iterator anew, a pause, or the
// end of the shard's reading, whose error it returns.
func (p *poller) recover(ctx context.Context, err error) error {
	code := errorType(err)
	p.meter.errors.Add(code, 1)
	var invalid *types.InvalidArgumentException
	var gone *types.ResourceNotFoundException
	switch {
	case code == "ExpiredIteratorException":
		p.iterator = nil
		p.notBefore = time.Now().Add(p.opts.PollInterval)
		p.opts.Logger.InfoContext(ctx, "kinetrail: iterator expired, reading goes on from the last position",
			p.attrs(slog.String("position", p.resume.String()))...)
		return nil
	case errors.As(err, &gone):
		return fmt.Errorf("%w: %w", ErrShardGone, err)
	case errors.As(err, &invalid) && p.iterator == nil && p.resume.IsRecord():
		return fmt.Errorf("%w: %w", ErrUnknownPosition, err)
	case errors.As(err, &invalid) && p.iterator == nil && isTime(p.resume):
		// By the service's clock the time lies ahead: no record of then or later
		// is there yet, so the tip is no later than the time.
		p.resume = kinetrail.Latest()
		return nil
	case p.giveUp && isCallersFault(err):
		return err
	}
	if errors.As(err, &invalid) {
		p.iterator = nil // the place is known without it
	}
	p.failures++
	p.notBefore = time.Now().Add(backoff(p.failures, firstPause, lastPause))
	level := slog.LevelWarn
	if isThrottle(code) && p.failures < 5 {
		level = slog.LevelDebug
	}
	p.opts.Logger.Log(ctx, level, "kinetrail: a fetch failed and is repeated",
		p.attrs(slog.Int("failures", p.failures), slog.Any("error", err))...)
	return nil
}

func isTime(p kinetrail.Position) bool {
	_, ok := p.Time()
	return ok
}

// serverTime is the service's clock as its answer shows it, which is how two
// readers mean the same by a time. The answer holds whole seconds, so it is up to
// a second early. Our own clock cannot give the fraction: ahead of the service's,
// it would pass over records of that second. An answer without a time leaves only
// our own, when the service was asked.
func serverTime(answer middleware.Metadata, asked time.Time) time.Time {
	if second, ok := awsmiddleware.GetServerTime(answer); ok {
		return second
	}
	return asked
}

// errorType is the value of the label error_type: the service's code, or what
// kept its answer away.
func errorType(err error) string {
	var api smithy.APIError
	var network net.Error
	var send *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &api):
		return api.ErrorCode()
	case errors.Is(err, errRequestTimeout), errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return metrics.ErrorTimeout
	case errors.As(err, &send), errors.As(err, &network):
		return metrics.ErrorConnection
	}
	return metrics.ErrorUnknown
}

// isThrottle reports whether a code means that the shard, the account or the
// key service was asked too often.
func isThrottle(code string) bool {
	switch code {
	case "ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException", "ThrottlingException":
		return true
	}
	return false
}

// isCallersFault reports whether asking again cannot help: the request or its
// signer is at fault.
func isCallersFault(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) || isThrottle(api.ErrorCode()) {
		return false
	}
	var response *smithyhttp.ResponseError
	return api.ErrorFault() == smithy.FaultClient ||
		errors.As(err, &response) && response.HTTPStatusCode() >= 400 && response.HTTPStatusCode() < 500
}

// backoff is the pause after the nth failure in a row: it doubles from first to
// last, less a random part of up to a half, so that readers which failed
// together do not come back together.
func backoff(n int, first, last time.Duration) time.Duration {
	pause := last
	if n < 32 && first<<(n-1) < last && first<<(n-1) > 0 {
		pause = first << (n - 1)
	}
	if pause < 2 {
		return pause
	}
	return pause - rand.N(pause/2)
}

// sleepUntil waits for a moment or the end of ctx.
func sleepUntil(ctx context.Context, moment time.Time) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return sleep(ctx, time.Until(moment))
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
