package lambdatrigger

import (
	"context"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// work delivers the batches of one lane, one after another.
func (s *shard) work(ctx context.Context, lane int) {
	for {
		batch, ok := s.backlog.next(ctx, lane)
		if !ok || !s.deliver(ctx, delivery{batch: batch}) {
			return
		}
	}
}

// delivery is a batch, or what is left of one, and its past.
type delivery struct {
	batch    []entry
	invoked  int // invocations so far
	retries  int // those that count as retries
	failures int // since the last one that got anything done
	last     invocation
}

// invocation is what came of calling the function once.
type invocation struct {
	requestID string
	err       error // nil when the function has answered
	failed    int   // index of the first record that is not done; the batch's length on success
}

// deliver invokes the function until every record of d is done or discarded. It
// returns false when ctx has ended before that.
func (s *shard) deliver(ctx context.Context, d delivery) bool {
	for {
		s.dropOld(ctx, &d)
		if len(d.batch) == 0 {
			return true
		}
		d.last = s.invoke(ctx, d.batch)
		if ctx.Err() != nil {
			return false
		}
		d.invoked++
		if d.last.failed > 0 {
			d.batch, d.failures = d.batch[d.last.failed:], 0
		}
		if len(d.batch) == 0 {
			return true
		}
		d.failures++
		bisect := s.options.BisectBatchOnFunctionError
		if bisect && d.last.failed == 0 && len(d.batch) > 1 {
			return s.deliverHalves(ctx, d)
		}
		if !bisect || d.last.failed == 0 {
			if d.retries == s.options.MaximumRetryAttempts {
				s.discard(ctx, &d, len(d.batch), RetryAttemptsExhausted)
				return true
			}
			d.retries++
		}
		if sleep(ctx, s.options.pause(d.failures)) != nil {
			return false
		}
	}
}

// deliverHalves delivers what is left of d in two parts. The second waits until
// the first is done or discarded: the order of the lane holds.
func (s *shard) deliverHalves(ctx context.Context, d delivery) bool {
	if sleep(ctx, s.options.pause(d.failures)) != nil {
		return false
	}
	first, second := d, d
	half := (len(d.batch) + 1) / 2
	first.batch, second.batch = d.batch[:half], d.batch[half:]
	return s.deliver(ctx, first) && s.deliver(ctx, second)
}

// invoke calls the function once.
func (s *shard) invoke(ctx context.Context, batch []entry) invocation {
	inv := invocation{requestID: newRequestID()}
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       inv.requestID,
		InvokedFunctionArn: s.source.functionARN(s.options.FunctionName),
	})
	response, err := s.call(ctx, payload(batch))
	if inv.err = err; err != nil {
		s.options.Logger.WarnContext(ctx, "kinetrail: the function has failed",
			slog.String("stream", s.stream.Name()), slog.String("shard", s.id), slog.Int("records", len(batch)),
			slog.String("first", batch[0].sequence), slog.Any("error", err))
		return inv
	}
	inv.failed = len(batch)
	if s.options.ReportBatchItemFailures {
		inv.failed = firstFailure(response, batch)
	}
	return inv
}

// dropOld discards the records at the front of d that are too old.
func (s *shard) dropOld(ctx context.Context, d *delivery) {
	if s.options.MaximumRecordAge == 0 {
		return
	}
	oldest := s.options.Now().Add(-s.options.MaximumRecordAge)
	n := 0
	for n < len(d.batch) && d.batch[n].arrived.Before(oldest) {
		n++
	}
	if n > 0 {
		s.discard(ctx, d, n, RecordAgeExceeded)
	}
}

// discard gives up the first n records of d.
func (s *shard) discard(ctx context.Context, d *delivery, n int, condition Condition) {
	failure := s.failureRecord(d, n, condition)
	d.batch = d.batch[n:]
	if s.options.OnFailure != nil {
		s.options.OnFailure(ctx, failure)
		return
	}
	s.options.Logger.ErrorContext(ctx, "kinetrail: records are discarded",
		slog.String("stream", s.stream.Name()), slog.String("shard", s.id), slog.String("condition", string(condition)),
		slog.Int("records", n), slog.String("first", failure.KinesisBatchInfo.StartSequenceNumber), slog.Any("error", d.last.err))
}
