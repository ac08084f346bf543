package kinesislambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesislambda"
)

var errPoison = errors.New("poison")

// failAt is a handler of one record that fails at the record with this data,
// and the data of the records it was called with.
func failAt(data string, fail func() error) (func(context.Context, kinetrail.Record) error, *[]string) {
	var handled []string
	return func(_ context.Context, r kinetrail.Record) error {
		handled = append(handled, string(r.Data))
		if string(r.Data) == data {
			return fail()
		}
		return nil
	}, &handled
}

func TestTheFirstFailedRecordEndsTheInvocationAndIsNamed(t *testing.T) {
	t.Parallel()
	container := containerOf(userWith(0, "k", "20a"), userWith(0, "k", "20b"), userWith(0, "k", "20c"))
	event := eventOf(received(9, "k", "9"), received(10, "k", "10"), received(20, "k", container), received(21, "k", "21"))
	tests := []struct {
		name, fails string
		handled     []string
		want        []string
	}{
		{"none", "", []string{"9", "10", "20a", "20b", "20c", "21"}, nil},
		{"the first", "9", []string{"9"}, []string{"9"}},
		{"one in the middle", "10", []string{"9", "10"}, []string{"10"}},
		{"one inside a container, which comes again whole", "20b", []string{"9", "10", "20a", "20b"}, []string{"20"}},
		{"the last", "21", []string{"9", "10", "20a", "20b", "20c", "21"}, []string{"21"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			handle, handled := failAt(tt.fails, func() error { return errPoison })
			answer, err := kinesislambda.Records(handle, f.options())(t.Context(), event)
			if err != nil {
				t.Fatal(err)
			}
			wantFailure(t, answer, tt.want...)
			if !slices.Equal(*handled, tt.handled) {
				t.Errorf("handled %q, want %q", *handled, tt.handled)
			}
			span := f.theSpan(t)
			if failed := span.Status().Code == codes.Error; failed != (tt.want != nil) {
				t.Errorf("the span's status is %v", span.Status())
			}
			if logged := strings.Contains(f.log.String(), "poison"); logged != (tt.want != nil) {
				t.Errorf("the log says %q", f.log)
			}
		})
	}
}

func TestAPartialResponseThatNamesNothingIsAnEmptyList(t *testing.T) {
	t.Parallel()
	answer, err := kinesislambda.Records(nothing)(t.Context(), eventOf())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(answer); err != nil || string(got) != `{"batchItemFailures":[]}` {
		t.Errorf("the answer is %s, %v; want an empty list", got, err)
	}
}

func TestABatchFailsAtTheLowestPositionItNames(t *testing.T) {
	t.Parallel()
	event := eventOf(received(9, "k", ""), received(10, "k", ""), received(100, "k", containerOf(userWith(0, "k", ""), userWith(0, "k", ""))))
	at := func(sequence string, sub int) error {
		return &kinesislambda.RecordError{Position: kinetrail.At(sequence, sub), Err: errPoison}
	}
	tests := []struct {
		name string
		err  error
		want []string
	}{
		{"no error", nil, nil},
		{"one record", at("10", 0), []string{"10"}},
		{"one in a container", at("100", 1), []string{"100"}},
		{"several, compared as numbers", errors.Join(at("100", 0), at("10", 0)), []string{"10"}},
		{"several, the lowest first", errors.Join(at("10", 0), at("100", 0)), []string{"10"}},
		{"compared as numbers, not as text", errors.Join(at("10", 0), at("9", 0)), []string{"9"}},
		{"wrapped", fmt.Errorf("store: %w", errors.Join(fmt.Errorf("row: %w", at("100", 0)))), []string{"100"}},
		{"an error about no record", errPoison, []string{"9"}},
		{"one of several about no record", errors.Join(at("100", 0), errPoison), []string{"9"}},
		{"a record of another batch", at("11", 0), []string{"9"}},
		{"one of several of another batch", errors.Join(at("100", 0), at("11", 0)), []string{"9"}},
		{"one of several of a later batch", errors.Join(at("100", 0), at("101", 0)), []string{"9"}},
		{"one of several with no record's position",
			errors.Join(at("10", 0), &kinesislambda.RecordError{Position: kinetrail.Latest(), Err: errPoison}), []string{"9"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			answer, err := kinesislambda.Batches(func(context.Context, []kinetrail.Record) error { return tt.err }, f.options())(t.Context(), event)
			if err != nil {
				t.Fatal(err)
			}
			wantFailure(t, answer, tt.want...)
		})
	}
}

func TestAPanicIsAFailureOfItsRecord(t *testing.T) {
	t.Parallel()
	event := eventOf(received(1, "k", "1"), received(2, "k", "2"), received(3, "k", "3"))
	f := newFixture(t)
	flushed := 0
	flush := func(o *kinesislambda.Options) {
		o.Flush = func(context.Context) error {
			flushed = len(f.spans.Ended())
			return nil
		}
	}
	handle, _ := failAt("2", func() error { panic("no such order") })
	answer, err := kinesislambda.Records(handle, f.options(flush))(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	wantFailure(t, answer, "2")
	if flushed != 1 {
		t.Errorf("%d spans had ended when Flush was called, want 1", flushed)
	}
	for _, want := range []string{"no such order", "handlers_test.go"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log does not have %q: %s", want, f.log)
		}
	}
	if got := attributeOf(f.theSpan(t).Attributes(), "error.type"); got != "*kinesislambda.PanicError" {
		t.Errorf("error.type = %q, want *kinesislambda.PanicError", got)
	}

	batches := kinesislambda.Batches(func(context.Context, []kinetrail.Record) error { panic(errPoison) }, f.options())
	if answer, err = batches(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, answer, "1")
}

func TestWithoutPartialResponsesTheErrorIsReturned(t *testing.T) {
	t.Parallel()
	event := eventOf(received(1, "k", "1"), received(2, "k", "2"))
	whole := func(o *kinesislambda.Options) { o.WholeBatch = true }

	handle, _ := failAt("2", func() error { return errPoison })
	answer, err := kinesislambda.Records(handle, whole)(t.Context(), event)
	wantFailure(t, answer)
	if !errors.Is(err, errPoison) || err.Error() != "record 2: poison" {
		t.Errorf("the error is %v, want record 2: poison", err)
	}

	handle, _ = failAt("1", func() error { panic(errPoison) })
	_, err = kinesislambda.Records(handle, whole)(t.Context(), event)
	if panicked, ok := errors.AsType[*kinesislambda.PanicError](err); !ok || panicked.Value != errPoison || !errors.Is(err, errPoison) {
		t.Errorf("the error is %v, want the panic", err)
	}
}

func TestWhenTheCtxEndsTheRestHasFailed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	handle, handled := failAt("1", func() error {
		cancel(errPoison)
		return nil
	})
	answer, err := kinesislambda.Records(handle, f.options())(ctx, eventOf(received(1, "k", "1"), received(2, "k", "2")))
	if err != nil {
		t.Fatal(err)
	}
	wantFailure(t, answer, "2")
	if !slices.Equal(*handled, []string{"1"}) {
		t.Errorf("handled %q, want 1 alone", *handled)
	}
}

func TestAnExistingHandlerSeesUserRecordsInItsEvent(t *testing.T) {
	t.Parallel()
	event := eventOf(
		received(1, keyWith(1, "a"), "1"),
		received(2, "b", containerOf(userWith(2, "b", "2a"), userWith(0, "c", "2b"))),
	)
	before, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	function := kinesislambda.Wrap(func(ctx context.Context, e events.KinesisEvent) error {
		for i, r := range e.Records {
			known, ok := kinesislambda.RecordAt(ctx, i)
			lines = append(lines, fmt.Sprintf("%s %s %s %s, %t %s %d headers",
				r.EventID, r.Kinesis.SequenceNumber, r.Kinesis.PartitionKey, r.Kinesis.Data, ok, known.Position, len(known.Headers)))
		}
		if _, ok := kinesislambda.RecordAt(ctx, len(e.Records)); ok {
			t.Error("RecordAt finds a record behind the last one")
		}
		return errPoison
	})
	if err := function(t.Context(), event); err != errPoison {
		t.Errorf("the error is %v, want the handler's own", err)
	}
	want := []string{
		"shardId-000000000003:1 1 a 1, true 1 0 headers",
		"shardId-000000000003:2 2 b 2a, true 2 1 headers",
		"shardId-000000000003:2 2 c 2b, true 2/1 0 headers",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the handler saw\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if after, _ := json.Marshal(event); !bytes.Equal(before, after) {
		t.Errorf("the caller's event has changed to %s", after)
	}
}

func TestSortingABatchLeavesRecordAtAndExtractWithTheOrderOfTheEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	function := kinesislambda.Batches(func(ctx context.Context, batch []kinetrail.Record) error {
		before := slices.Clone(batch)
		slices.Reverse(batch)
		for i := range before {
			known, _ := kinesislambda.RecordAt(ctx, i)
			if known.Position != before[i].Position {
				t.Errorf("RecordAt(%d) is at %v after the batch was sorted, want %v", i, known.Position, before[i].Position)
			}
			inTrace := trace.SpanContextFromContext(kinesislambda.Extract(ctx, i)).TraceID()[0]
			if want := byte(i + 1); inTrace != want {
				t.Errorf("Extract(%d) is in trace %d after the batch was sorted, want %d", i, inTrace, want)
			}
		}
		return nil
	}, f.options())
	if _, err := function(t.Context(), eventOf(received(1, keyWith(1, "a"), ""), received(2, keyWith(2, "b"), ""))); err != nil {
		t.Fatal(err)
	}
}

func TestOutsideAHandlerThereIsNoRecord(t *testing.T) {
	t.Parallel()
	if r, ok := kinesislambda.RecordAt(t.Context(), 0); ok {
		t.Errorf("RecordAt = %v, want none", r)
	}
	if ctx := kinesislambda.Extract(t.Context(), 0); ctx != t.Context() {
		t.Error("Extract has changed the ctx")
	}
}

func TestAResponseIsPassedOnAsItIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	own := events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{{ItemIdentifier: "2"}, {ItemIdentifier: "1"}}}
	function := kinesislambda.WrapResponse(func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error) {
		return own, nil
	}, f.options())
	answer, err := function(t.Context(), eventOf(received(1, "k", ""), received(2, "k", "")))
	if err != nil {
		t.Fatal(err)
	}
	wantFailure(t, answer, "2", "1")
	if status := f.theSpan(t).Status(); status.Code != codes.Error || status.Description != "the handler reports 2 failed records" {
		t.Errorf("the span's status is %v, want an error with the number of records", status)
	}
}

func TestAPanicOfAnExistingHandlerGoesOnAfterFlushing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	flushed := 0
	function := kinesislambda.Wrap(func(context.Context, events.KinesisEvent) error { panic("no such order") },
		f.options(func(o *kinesislambda.Options) {
			o.Flush = func(context.Context) error {
				flushed = len(f.spans.Ended())
				return nil
			}
		}))
	defer func() {
		if got := recover(); got != "no such order" {
			t.Errorf("the panic is %v, want the handler's", got)
		}
		if flushed != 1 || f.theSpan(t).Status().Code != codes.Error {
			t.Errorf("%d spans had ended when Flush was called, the span's status is %v; want 1 and an error", flushed, f.theSpan(t).Status())
		}
	}()
	_ = function(t.Context(), eventOf(received(1, "k", "")))
}

func TestAWindowWithoutRecordsReachesItsHandler(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	function := kinesislambda.WrapResponse(func(_ context.Context, e events.KinesisTimeWindowEvent) (events.KinesisTimeWindowEventResponse, error) {
		if !e.IsFinalInvokeForWindow || len(e.Records) != 0 {
			t.Errorf("the handler got %+v, want a final window without records", e)
		}
		var answer events.KinesisTimeWindowEventResponse
		answer.State = e.State
		return answer, nil
	}, f.options())
	final := events.KinesisTimeWindowEvent{}
	final.IsFinalInvokeForWindow = true
	final.State = map[string]string{"sum": "42"}
	answer, err := function(t.Context(), final)
	if err != nil || answer.State["sum"] != "42" {
		t.Errorf("the answer is %v, %v; want the window's state", answer, err)
	}
	if spans := f.spans.Ended(); len(spans) != 0 {
		t.Errorf("%d spans have ended, want none without a record", len(spans))
	}
}

// The event is the example in AWS's documentation of Lambda with Kinesis, and a
// record that came through enhanced fan-out.
func TestRecordsKnowWhereAndWhenTheyWereStored(t *testing.T) {
	t.Parallel()
	payload, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	function := lambda.NewHandler(kinesislambda.Records(func(_ context.Context, r kinetrail.Record) error {
		got = append(got, fmt.Sprintf("%s %s %s %s %s %s", r.Stream.Name(), r.Stream.ARN(), r.ShardID, r.Position, r.ArrivedAt, r.Data))
		return nil
	}))
	if _, err := function.Invoke(t.Context(), payload); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"lambda-stream arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream shardId-000000000006 " +
			"49590338271490256608559692538361571095921575989136588898 2018-12-07 17:59:10.987 +0000 UTC Hello, this is a test.",
		"lambda-stream arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream shardId-000000000006 " +
			"49590338271490256608559692540925702759324208523137515618 2018-12-07 17:59:11.729 +0000 UTC This is only a test.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the records are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
