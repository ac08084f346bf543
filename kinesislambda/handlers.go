package kinesislambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/aws/aws-lambda-go/events"

	"github.com/kinetrail/kinetrail"
)

// Records makes a Lambda function of a handler of one record. It is called with
// the user records of an event in order. The first that fails ends the
// invocation: Lambda is told its sequence number and delivers it and what
// follows again, and nothing before it. A record in a container fails with its
// container, whose first records are then delivered again, too. A panic is a
// failure of the record. When the ctx of the handler ends, the next record has
// failed.
//
// The ctx of each call continues the trace of its record.
//
// The event source mapping must have ReportBatchItemFailures, see
// Options.WholeBatch.
func Records(handle func(context.Context, kinetrail.Record) error, opts ...func(*Options)) func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error) {
	w := newWrapper(opts)
	return w.answer(func(ctx context.Context, b *batch) error {
		for i := range b.records {
			err := context.Cause(ctx)
			if err == nil {
				err = guard(func() error { return handle(w.recordContext(ctx, b, i), b.records[i]) })
			}
			if err != nil {
				return &RecordError{Position: b.records[i].Position, Err: err}
			}
		}
		return nil
	})
}

// Batches makes a Lambda function of a handler of all user records of an event,
// in order; an event without any does not reach it. When it returns an error,
// Lambda is told the lowest position among the RecordErrors in it and delivers
// from there again. An error, or a part of a joined one, without a RecordError
// of this batch stands for the whole batch; so does a panic.
//
// The slice is the handler's to keep and to sort. Extract gives the ctx of
// record i of the batch as it was handed over.
//
// The event source mapping must have ReportBatchItemFailures, see
// Options.WholeBatch.
func Batches(handle func(context.Context, []kinetrail.Record) error, opts ...func(*Options)) func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error) {
	return newWrapper(opts).answer(func(ctx context.Context, b *batch) error {
		if len(b.records) == 0 {
			return nil
		}
		own := slices.Clone(b.records) // for Extract and RecordAt b.records stays in its order
		return guard(func() error { return handle(ctx, own) })
	})
}

// answer makes a Lambda function that answers with what failed.
func (w *wrapper) answer(handle func(context.Context, *batch) error) func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error) {
	return func(ctx context.Context, event events.KinesisEvent) (events.KinesisEventResponse, error) {
		var err error
		w.invoke(ctx, event.Records, func(ctx context.Context, b *batch) error {
			err = handle(ctx, b)
			return cause(err)
		})
		answer := events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{}}
		if err == nil || w.WholeBatch {
			return answer, err
		}
		failed := failedSequence(err, event.Records)
		w.logFailure(ctx, &event.Records[0], failed, err)
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.KinesisBatchItemFailure{ItemIdentifier: failed})
		return answer, nil
	}
}

// cause is what a span says about err: where a record failed is told by its
// position, why by the error inside.
func cause(err error) error {
	if failed, ok := err.(*RecordError); ok {
		return failed.Err
	}
	return err
}

// failedSequence is the sequence number of the first Kinesis record that has to
// be delivered again. A number that is not in the event would mean the same to
// Lambda as the first one.
func failedSequence(err error, received []events.KinesisEventRecord) string {
	sequences := make(map[string]bool, len(received))
	for i := range received {
		sequences[received[i].Kinesis.SequenceNumber] = true
	}
	inBatch := func(p kinetrail.Position) bool { return sequences[p.Sequence()] }
	if failed := firstFailed(err, inBatch); inBatch(failed) {
		return failed.Sequence()
	}
	return received[0].Kinesis.SequenceNumber
}

// logFailure reports a failure that the answer hides: to Lambda the invocation
// has succeeded.
func (w *wrapper) logFailure(ctx context.Context, first *events.KinesisEventRecord, failed string, err error) {
	attrs := []any{
		slog.String("source", first.EventSourceArn), slog.String("shard", recordOf(first).ShardID),
		slog.String("sequence_number", failed), slog.Any("error", err),
	}
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack)))
	}
	w.Logger.ErrorContext(ctx, "kinetrail: the batch is delivered again from a failed record on", attrs...)
}

// Event is an event that Lambda hands to a function for a Kinesis stream.
type Event interface {
	events.KinesisEvent | events.KinesisTimeWindowEvent
}

// Wrap makes an existing handler continue traces. It sees the event with its
// containers taken apart and the producer's partition keys; Extract and RecordAt
// tell the rest about record i of it. The records of one container share their
// event ID and sequence number. Errors and panics go on as they are, after
// flushing.
func Wrap[E Event](handle func(context.Context, E) error, opts ...func(*Options)) func(context.Context, E) error {
	wrapped := WrapResponse(func(ctx context.Context, event E) (struct{}, error) {
		return struct{}{}, handle(ctx, event)
	}, opts...)
	return func(ctx context.Context, event E) error {
		_, err := wrapped(ctx, event)
		return err
	}
}

// WrapResponse is Wrap for a handler with a response, such as
// events.KinesisEventResponse or events.KinesisTimeWindowEventResponse. It is
// passed on as it is.
func WrapResponse[E Event, R any](handle func(context.Context, E) (R, error), opts ...func(*Options)) func(context.Context, E) (R, error) {
	w := newWrapper(opts)
	return func(ctx context.Context, event E) (response R, err error) {
		records := recordsOf(&event)
		received := *records
		w.invoke(ctx, received, func(ctx context.Context, b *batch) error {
			*records = b.event(received)
			response, err = handle(ctx, event)
			if err != nil {
				return err
			}
			return reported(response)
		})
		return response, err
	}
}

// recordsOf is where an event has its records.
func recordsOf[E Event](event *E) *[]events.KinesisEventRecord {
	if windowed, ok := any(event).(*events.KinesisTimeWindowEvent); ok {
		return &windowed.Records
	}
	return &any(event).(*events.KinesisEvent).Records
}

// reported is the error of a span whose handler has reported failed records.
func reported(response any) error {
	var failures []events.KinesisBatchItemFailure
	switch response := response.(type) {
	case events.KinesisEventResponse:
		failures = response.BatchItemFailures
	case events.KinesisTimeWindowEventResponse:
		failures = response.BatchItemFailures
	}
	if len(failures) == 0 {
		return nil
	}
	return fmt.Errorf("the handler reports %d failed records", len(failures))
}
