package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/metrics"
)

func place(n int) kinetrail.Position { return kinetrail.At(strconv.Itoa(100+n), 0) }

func TestTrackerStopsBeforeTheFirstOpenRecord(t *testing.T) {
	t.Parallel()
	tr := &tracker{max: 10}
	var tickets []uint64
	for i := range 5 {
		ticket, err := tr.add(t.Context(), place(i))
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	for _, step := range []struct {
		finish int
		want   kinetrail.Position
	}{{1, kinetrail.Position{}}, {2, kinetrail.Position{}}, {0, place(2)}, {4, place(2)}, {3, place(4)}} {
		tr.finish(tickets[step.finish])
		if got := tr.position(); got != step.want {
			t.Errorf("after record %d: position %v; want %v", step.finish, got, step.want)
		}
	}
}

// The position is never beyond a gap, and everything is done in the end.
func TestTrackerNeverPassesAGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(rt, "records")
		limit := rapid.IntRange(1, 12).Draw(rt, "max")
		byAck := rapid.Bool().Draw(rt, "by position")
		tr := &tracker{max: limit}
		type open struct {
			i      int
			ticket uint64
		}
		var pending []open
		done := make([]bool, n)
		next := 0
		for next < n || len(pending) > 0 {
			if next < n && len(pending) < limit && (len(pending) == 0 || rapid.Bool().Draw(rt, "add")) {
				ticket, err := tr.add(context.Background(), place(next))
				if err != nil {
					rt.Fatal(err)
				}
				pending = append(pending, open{next, ticket})
				next++
				continue
			}
			k := rapid.IntRange(0, len(pending)-1).Draw(rt, "finish")
			o := pending[k]
			pending = append(pending[:k], pending[k+1:]...)
			if byAck {
				if !tr.ack(place(o.i)) || tr.ack(place(o.i)) {
					rt.Fatalf("ack of record %d: want it to count once", o.i)
				}
			} else {
				tr.finish(o.ticket)
			}
			done[o.i] = true
			want := kinetrail.Position{}
			for i := 0; i < n && done[i]; i++ {
				want = place(i)
			}
			if got := tr.position(); got != want {
				rt.Fatalf("position %v; want %v", got, want)
			}
		}
	})
}

func TestTrackerIgnoresAcksOfRecordsItDoesNotHave(t *testing.T) {
	t.Parallel()
	tr := &tracker{max: 10}
	for _, p := range []kinetrail.Position{kinetrail.At("100", 1), kinetrail.At("200", 0)} {
		if _, err := tr.add(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []kinetrail.Position{kinetrail.At("100", 0), kinetrail.At("100", 2), kinetrail.At("99", 0), kinetrail.At("201", 0)} {
		if tr.ack(p) {
			t.Errorf("ack(%v) counts; want it ignored", p)
		}
	}
	if tr.pending() != 2 || !tr.position().IsZero() {
		t.Errorf("%d open, position %v; want 2 and none", tr.pending(), tr.position())
	}
}

func TestTrackerAddWaitsForRoomOrTheEndOfItsContext(t *testing.T) {
	t.Parallel()
	tr := &tracker{max: 1}
	ticket, err := tr.add(t.Context(), place(0))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := tr.add(ctx, place(1)); !errors.Is(err, why) {
		t.Errorf("add while full = %v; want the cause of its ctx", err)
	}
	added := make(chan error)
	go func() {
		_, err := tr.add(context.Background(), place(1))
		added <- err
	}()
	tr.finish(ticket)
	if err := <-added; err != nil {
		t.Errorf("add after a record was done: %v; want no error", err)
	}
}

func TestTrackerPassesOnlyWhatLiesBehindNothingOpen(t *testing.T) {
	t.Parallel()
	tr := &tracker{max: 10}
	tr.pass(place(1))
	if got := tr.position(); got != place(1) {
		t.Errorf("position %v; want %v", got, place(1))
	}
	ticket, err := tr.add(t.Context(), place(2))
	if err != nil {
		t.Fatal(err)
	}
	tr.pass(place(3))
	if got := tr.position(); got != place(1) {
		t.Errorf("position %v while a record is open; want %v", got, place(1))
	}
	tr.finish(ticket)
	tr.pass(place(0))
	if got := tr.position(); got != place(2) {
		t.Errorf("position %v; want %v: it never moves back", got, place(2))
	}
}

func TestTrackerMemoryIsBoundedAlsoWhenTheOldestIsNeverDone(t *testing.T) {
	t.Parallel()
	tr := &tracker{max: 8}
	oldest, err := tr.add(t.Context(), place(0))
	if err != nil {
		t.Fatal(err)
	}
	added := 1
	for ; !tr.full() && added < 10_000; added++ {
		ticket, err := tr.add(t.Context(), place(added))
		if err != nil {
			t.Fatal(err)
		}
		tr.finish(ticket)
	}
	if added != furthest*8 {
		t.Errorf("%d records were added behind one that is not done; want %d", added, furthest*8)
	}
	waiting, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := tr.add(waiting, place(added)); err == nil {
		t.Error("another record is added; want it to wait")
	}
	tr.finish(oldest)
	if tr.full() || tr.position() != place(added-1) {
		t.Errorf("position %v, full %t, once it is done; want %v and room", tr.position(), tr.full(), place(added-1))
	}
}

func TestAnEmptyPageBehindRecordsThatWereLeftDoesNotMoveThePosition(t *testing.T) {
	t.Parallel()
	for _, leaving := range []bool{false, true} {
		meter := newStreamMeter(metrics.Isolate(metrics.Noop, slog.Default()), "orders").shard("shardId-000000000000")
		reading := &tenure{g: &group{buffered: &budget{max: 1}}, opts: &Options{CheckpointInterval: 1}, tracker: &tracker{max: 1}, meter: meter}
		reading.leaving.Store(leaving)
		handed := 0
		count := func(kinetrail.Record, error) bool { handed++; return true }
		if leaving {
			fetched := kinesisprotocol.RecordOf(&types.Record{SequenceNumber: aws.String(place(1).Sequence())})
			pageOfOne := &page{memory: &memory{fetched: []kinesisprotocol.Record{fetched}}, meter: reading.meter, records: 1, last: place(1)}
			if err := reading.yieldPage(t.Context(), pageOfOne, count); err != nil || handed > 0 {
				t.Errorf("%d records handed on while leaving, error %v; want none", handed, err)
			}
		}
		if err := reading.yieldPage(t.Context(), &page{last: place(2)}, count); err != nil {
			t.Fatal(err)
		}
		if got, moved := reading.tracker.position(), reading.tracker.position() == place(2); moved == leaving {
			t.Errorf("leaving %t: position %v behind a page without records; want it moved only when nothing was left", leaving, got)
		}
	}
}

func TestTrackerKeepsNoMemoryOfWhatIsDone(t *testing.T) {
	t.Parallel()
	tr := &tracker{max: 8}
	var open []uint64
	for i := range 10_000 {
		if len(open) == 8 {
			k := rand.IntN(8)
			tr.finish(open[k])
			open = append(open[:k], open[k+1:]...)
			if tr.full() {
				t.Fatal("full after a record was done")
			}
		}
		if len(open) > 0 && len(tr.marks)-tr.head > 64 { // let the oldest go
			tr.finish(open[0])
			open = open[1:]
		}
		ticket, err := tr.add(t.Context(), place(i))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, ticket)
	}
	if cap(tr.marks) > 1024 {
		t.Errorf("%d marks of memory for 8 open records; want it bounded", cap(tr.marks))
	}
}

func TestWhatIsWithdrawnIsWaitedForNoMore(t *testing.T) {
	t.Parallel()
	tr := &tracker{max: 10}
	at := func(i int) kinetrail.Position { return kinetrail.At(fmt.Sprint(i), 0) }
	for i := range 3 {
		if _, err := tr.add(t.Context(), at(i)); err != nil {
			t.Fatal(err)
		}
	}
	waited := make(chan error)
	go func() { waited <- tr.wait(t.Context(), tr.allDone) }()
	tr.ack(at(0))
	tr.withdraw(2)
	if err := <-waited; err != nil || tr.position() != at(0) || tr.ack(at(1)) {
		t.Errorf("waiting ended with %v, at %v; want no error, at 0, and the others unknown", err, tr.position())
	}
	if _, err := tr.add(t.Context(), at(1)); err != nil || !tr.ack(at(1)) || tr.position() != at(1) {
		t.Errorf("added again and acknowledged: %v, at %v; want 1", err, tr.position())
	}
}
