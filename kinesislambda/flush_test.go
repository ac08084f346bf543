package kinesislambda_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesislambda"
	"github.com/kinetrail/kinetrail/metrics"
)

func TestFlushingEndsWithinTheInvocation(t *testing.T) {
	t.Parallel()
	const never = -1
	tests := []struct {
		name                string
		invocation, timeout time.Duration
		handlerEnds         time.Duration // after the beginning of the invocation
		flushEnds           time.Duration
	}{
		{"plenty of time", time.Minute, 2 * time.Second, 58 * time.Second, 2 * time.Second},
		{"a quarter of a short invocation", 3 * time.Second, 2 * time.Second, 2250 * time.Millisecond, 2 * time.Second},
		{"before the answer is due", time.Second, 2 * time.Second, 750 * time.Millisecond, 950 * time.Millisecond},
		{"no time of its own", time.Minute, 0, time.Minute, time.Minute - 50*time.Millisecond},
		{"an invocation without a deadline", never, 2 * time.Second, never, 2 * time.Second},
		{"no limit at all", never, 0, never, never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				started := time.Now()
				ctx := t.Context()
				if tt.invocation != never {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.invocation)
					defer cancel()
				}
				check := func(ctx context.Context, who string, want time.Duration) {
					got := time.Duration(never)
					if deadline, ok := ctx.Deadline(); ok {
						got = deadline.Sub(started)
					}
					if got != want {
						t.Errorf("the ctx of %s ends after %v, want %v", who, got, want)
					}
				}
				handle := func(ctx context.Context, _ kinetrail.Record) error {
					check(ctx, "the handler", tt.handlerEnds)
					return nil
				}
				function := kinesislambda.Records(handle, func(o *kinesislambda.Options) {
					o.FlushTimeout = tt.timeout
					o.Flush = func(ctx context.Context) error {
						check(ctx, "Flush", tt.flushEnds)
						return nil
					}
				})
				if _, err := function(ctx, eventOf(received(1, "k", ""))); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestWithoutFlushTheHandlerHasTheWholeInvocation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want, _ := ctx.Deadline()
	function := kinesislambda.Records(func(ctx context.Context, _ kinetrail.Record) error {
		if got, ok := ctx.Deadline(); !ok || !got.Equal(want) {
			t.Errorf("the handler's ctx ends %v, %t; want %v", got, ok, want)
		}
		return nil
	})
	if _, err := function(ctx, eventOf(received(1, "k", ""))); err != nil {
		t.Fatal(err)
	}
}

func TestAHandlerThatUsesUpItsTimeIsStillFlushed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		flushed := false
		handle := func(ctx context.Context, _ kinetrail.Record) error {
			<-ctx.Done()
			return ctx.Err()
		}
		function := kinesislambda.Records(handle, f.options(func(o *kinesislambda.Options) {
			o.Flush = func(flushing context.Context) error {
				flushed = flushing.Err() == nil && ctx.Err() == nil
				return nil
			}
		}))
		answer, err := function(ctx, eventOf(received(1, "k", ""), received(2, "k", "")))
		if err != nil {
			t.Fatal(err)
		}
		wantFailure(t, answer, "1")
		if !flushed {
			t.Error("there was no time left to flush")
		}
	})
}

func TestAnInvocationThatIsCancelledIsStillFlushed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	flushed := false
	handle := func(context.Context, kinetrail.Record) error {
		cancel()
		return nil
	}
	function := kinesislambda.Records(handle, f.options(func(o *kinesislambda.Options) {
		o.Flush = func(flushing context.Context) error {
			flushed = flushing.Err() == nil
			return nil
		}
	}))
	if _, err := function(ctx, eventOf(received(1, "k", ""))); err != nil {
		t.Fatal(err)
	}
	if !flushed {
		t.Error("the ctx of Flush had ended with the invocation's")
	}
}

func TestAFlushThatGoesWrongFailsNoInvocation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		flush  func(context.Context) error
		logged string
	}{
		{"an error", func(context.Context) error { return errors.New("collector is away") }, "collector is away"},
		{"a panic", func(context.Context) error { panic("collector is away") }, "collector is away"},
		{"no answer", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "deadline exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				function := kinesislambda.Records(nothing, f.options(func(o *kinesislambda.Options) { o.Flush = tt.flush }))
				answer, err := function(t.Context(), eventOf(received(1, "k", "")))
				if err != nil {
					t.Error(err)
				}
				wantFailure(t, answer)
				if !strings.Contains(f.log.String(), tt.logged) {
					t.Errorf("the log says %q, want %q in it", f.log, tt.logged)
				}
			})
		})
	}
}

// gatedSink gives out a counter once its gate is open.
type gatedSink struct {
	*metrics.Memory
	gate chan struct{}
}

func (s gatedSink) Counter(in *metrics.Instrument, labels ...string) metrics.Counter {
	<-s.gate
	return s.Memory.Counter(in, labels...)
}

func (gatedSink) Trusted(bool) {} // hides Memory's: the sink is not metrics.Trusted

func TestCountersAreHandedOverWithinTheTimeToFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		sink := gatedSink{f.metrics, make(chan struct{})}
		function := kinesislambda.Records(nothing, f.options(func(o *kinesislambda.Options) { o.Metrics = sink }))
		event := eventOf(received(1, keyWith(1, "k"), ""))
		started := time.Now()
		if _, err := function(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took != 2*time.Second {
			t.Errorf("with a sink that hangs the invocation takes %v, want FlushTimeout", took)
		}

		close(sink.gate)
		synctest.Wait() // for the counters of the first invocation
		if _, err := function(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		const counter = "trace_extracted_total{stream_name=orders}"
		if got := f.metrics.Snapshot()[counter]; got != int64(2) {
			t.Errorf("%s = %v when the function has answered twice, want 2", counter, got)
		}
	})
}
