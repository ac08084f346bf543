package lambdatrigger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/kinetrail/kinetrail"
)

// Limits of an event source mapping and of a function (Lambda API reference,
// CreateEventSourceMapping and CreateFunction; Lambda quotas).
const (
	maxBatchSize       = 10_000
	maxBatchingWindow  = 5 * time.Minute
	maxParallelization = 10
	maxRetryAttempts   = 10_000
	maxTimeout         = 15 * time.Minute
	maxPayloadBytes    = 6 << 20
)

// Options tunes a Trigger. New fills in every default before it calls the
// caller's functions, so a zero written there means zero.
type Options struct {
	// StartingPosition is TrimHorizon, Latest or AtTime. Latest means the open
	// shards as they are when Run begins: those that are closed by then are left
	// out, and those that come later are read from their beginning. The default
	// is TrimHorizon.
	StartingPosition kinetrail.Position

	// BatchSize is the largest number of Kinesis records in one invocation, from
	// 1 to 10,000. A batch is also full when its event has 6 MiB. The default is
	// 100.
	BatchSize int

	// MaximumBatchingWindow is how long a batch may wait to be full, at most
	// 5 minutes. Zero, the default, invokes with what is there.
	MaximumBatchingWindow time.Duration

	// ParallelizationFactor is how many batches of one shard may be in flight,
	// from 1 to 10. Order is kept among records with the same stored partition
	// key. Which keys share a lane is not documented; here the hash key decides.
	// The default is 1.
	ParallelizationFactor int

	// ReportBatchItemFailures reads partial batch responses: what lies before
	// the lowest sequence number in batchItemFailures is done. The default is
	// false: then whatever the function answers is a success.
	ReportBatchItemFailures bool

	// BisectBatchOnFunctionError splits a batch that fails in two halves, which
	// are tried one after the other. A split does not count as a retry. The
	// default is false.
	BisectBatchOnFunctionError bool

	// MaximumRetryAttempts is how often a batch is retried before it is
	// discarded, from 0 to 10,000. −1, the default, retries without end. A
	// partial response is a retry, too, unless batches are split.
	MaximumRetryAttempts int

	// MaximumRecordAge discards records that arrived longer ago. Zero, the
	// default, discards none.
	MaximumRecordAge time.Duration

	// OnFailure is told of each batch that is discarded, in the order of its
	// lane, before the next one is tried. The default, nil, logs it.
	OnFailure func(ctx context.Context, discarded FailureRecord)

	// FunctionName is the last part of the function's ARN. The default is
	// function.
	FunctionName string

	// Timeout is how long an invocation may take, at most 15 minutes, and the
	// deadline of its ctx. With a Runtime, the wait for a process is part of it.
	// A function in this process that overruns it has failed once it returns.
	// The default is 30 s; Lambda's own is 3 s.
	Timeout time.Duration

	// PollInterval is the pause after a shard had nothing new. The default is
	// 10 ms, for a local server; Lambda polls once a second.
	PollInterval time.Duration

	// RetryPause is the pause before a batch is tried again, and before a failed
	// call of Kinesis is; it doubles from one failure to the next up to
	// MaxRetryPause. The defaults are 10 ms and 1 s. Lambda's are not
	// documented.
	RetryPause, MaxRetryPause time.Duration

	// Now is the time that the age of records is measured with. The default is
	// time.Now; with a local server whose clock was moved, it is that clock's.
	Now func() time.Time

	// Logger takes what an operator should know. Nil, the default, is
	// slog.Default(). Payloads and partition keys are never logged.
	Logger *slog.Logger
}

func defaults() Options {
	return Options{
		StartingPosition:      kinetrail.TrimHorizon(),
		BatchSize:             100,
		ParallelizationFactor: 1,
		MaximumRetryAttempts:  -1,
		FunctionName:          "function",
		Timeout:               30 * time.Second,
		PollInterval:          10 * time.Millisecond,
		RetryPause:            10 * time.Millisecond,
		MaxRetryPause:         time.Second,
		Now:                   time.Now,
	}
}

// check returns everything that is wrong, joined.
func (o *Options) check() error {
	var problems []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf("lambdatrigger: "+format, args...))
		}
	}
	_, atTime := o.StartingPosition.Time()
	refuse(!atTime && !o.StartingPosition.IsTrimHorizon() && !o.StartingPosition.IsLatest(),
		"StartingPosition is %q, not TrimHorizon, Latest or AtTime", o.StartingPosition)
	refuse(o.BatchSize < 1 || o.BatchSize > maxBatchSize, "BatchSize is %d, not between 1 and %d", o.BatchSize, maxBatchSize)
	refuse(o.MaximumBatchingWindow < 0 || o.MaximumBatchingWindow > maxBatchingWindow,
		"MaximumBatchingWindow is %v, not between 0 and %v", o.MaximumBatchingWindow, maxBatchingWindow)
	refuse(o.ParallelizationFactor < 1 || o.ParallelizationFactor > maxParallelization,
		"ParallelizationFactor is %d, not between 1 and %d", o.ParallelizationFactor, maxParallelization)
	refuse(o.MaximumRetryAttempts < -1 || o.MaximumRetryAttempts > maxRetryAttempts,
		"MaximumRetryAttempts is %d, not between -1 and %d", o.MaximumRetryAttempts, maxRetryAttempts)
	refuse(o.MaximumRecordAge < 0, "MaximumRecordAge is %v, below zero", o.MaximumRecordAge)
	refuse(o.FunctionName == "", "FunctionName is empty")
	refuse(o.Timeout <= 0 || o.Timeout > maxTimeout, "Timeout is %v, not between 0 and %v", o.Timeout, maxTimeout)
	refuse(o.PollInterval <= 0, "PollInterval is %v, not above zero", o.PollInterval)
	refuse(o.RetryPause < 0 || o.MaxRetryPause < o.RetryPause,
		"RetryPause is %v and MaxRetryPause %v, not 0 ≤ RetryPause ≤ MaxRetryPause", o.RetryPause, o.MaxRetryPause)
	refuse(o.Now == nil, "Now is nil")
	return errors.Join(problems...)
}

// pause is how long to wait after so many failures in a row.
func (o *Options) pause(failures int) time.Duration {
	return min(o.RetryPause<<min(failures-1, 20), o.MaxRetryPause)
}
