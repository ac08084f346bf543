package lambdatrigger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// Two lanes wait for one reader. Lane 0 takes nothing, as behind a failing
// record.
func TestABacklogMakesTheReaderWaitUntilItHasRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		options := defaults()
		options.ParallelizationFactor, options.BatchSize = 2, 1
		b := newBacklog(&options)
		megabyte := entry{json: make([]byte, 1<<20)}
		pages := 0
		go func() {
			for ; pages < 40; pages++ {
				b.add([][]entry{{megabyte}, {megabyte}})
				if b.waitForRoom(t.Context()) != nil {
					return
				}
			}
			b.close()
		}()
		synctest.Wait()
		if pages != 8 {
			t.Fatalf("%d pages of 2 MiB were added before the reader had to wait, want 8 and one more that waits", pages)
		}

		for range 3 {
			if _, ok := b.next(t.Context(), 1); !ok {
				t.Fatal("lane 1 has nothing although much is waiting")
			}
		}
		synctest.Wait()
		if pages != 9 {
			t.Errorf("%d pages were added when lane 1 had taken 3 MiB, want 9", pages)
		}

		for taken := 3; taken < 40; taken++ {
			for lane := range 2 {
				if _, ok := b.next(t.Context(), lane); !ok {
					t.Fatalf("lane %d has nothing more when lane 1 had taken %d records, want 40 in each", lane, taken)
				}
			}
		}
		for range 3 {
			if _, ok := b.next(t.Context(), 0); !ok {
				t.Fatal("lane 0 has lost a record")
			}
		}
		if _, ok := b.next(t.Context(), 0); ok {
			t.Error("lane 0 has more than was added")
		}
		if b.bytes != 0 {
			t.Errorf("the backlog counts %d bytes when it is empty", b.bytes)
		}
	})
}

func TestAReaderThatWaitsForRoomEndsWithItsCtx(t *testing.T) {
	t.Parallel()
	options := defaults()
	b := newBacklog(&options)
	b.add([][]entry{{{json: make([]byte, maxBacklogBytes+1)}}})
	errStop := errors.New("stop")
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errStop)
	if err := b.waitForRoom(ctx); !errors.Is(err, errStop) {
		t.Errorf("waitForRoom = %v, want the cause of its ctx", err)
	}
}
