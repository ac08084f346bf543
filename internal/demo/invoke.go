package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/kinetrail/kinetrail/kinesislambda"
	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
)

// errAllHandled ends the trigger, which has no end of its own.
var errAllHandled = errors.New("every event was handled")

// invoke runs event-consumer as a Lambda function, which a trigger invokes for
// one record of each shard at a time, until it has handled every event or ctx
// ends. It calls ready when the shards are being read.
func (s *stage) invoke(ctx context.Context, ready func()) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	function := kinesislambda.Records(s.lambda.handle, func(o *kinesislambda.Options) {
		o.TracerProvider = s.services[Lambda].provider
		o.Metrics = s.services[Lambda].sink
		o.Logger = slog.New(slog.DiscardHandler)
	})
	t, err := lambdatrigger.New(s.client, s.stream, function, func(o *lambdatrigger.Options) {
		o.BatchSize = 1
		o.ReportBatchItemFailures = true
		o.MaximumRetryAttempts = 0
		o.OnFailure = func(_ context.Context, discarded lambdatrigger.FailureRecord) {
			failed := discarded.KinesisBatchInfo
			stop(fmt.Errorf("the Lambda function failed on record %s of shard %s", failed.StartSequenceNumber, failed.ShardID))
		}
		o.PollInterval = s.pollInterval()
		o.Logger = slog.New(slog.DiscardHandler)
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- t.Run(ctx) }()
	select {
	case <-t.Ready():
		ready()
	case err := <-ended:
		return err
	}
	select {
	case <-s.lambda.all:
		stop(errAllHandled)
	case err := <-ended:
		return err
	}
	if err := <-ended; !errors.Is(err, errAllHandled) {
		return err
	}
	return nil
}
