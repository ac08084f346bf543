package consumer

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnsAreSpreadEvenlyOverARoundAndComeOnceInEach(t *testing.T) {
	t.Parallel()
	const round = 4 * time.Second
	for _, seats := range []int{1, 10, 250, 1000} {
		p := &polling{begun: time.Now()}
		together := make(map[time.Duration]int)
		for seat := range uint64(seats) {
			first := p.turn(seat, round, p.begun)
			at := first.Sub(p.begun)
			if at <= 0 || at > round || at%moment != 0 {
				t.Fatalf("seat %d has its first turn %v after the beginning; want it within %v, on the grid of %v", seat, at, round, moment)
			}
			for _, late := range []time.Duration{0, 1, 3 * time.Millisecond, round - 1} {
				if next := p.turn(seat, round, first.Add(late)); next.Sub(first) != round {
					t.Errorf("seat %d was %v late and has its next turn after %v; want %v", seat, late, next.Sub(first), round)
				}
			}
			together[at]++
		}
		most, average := 0, float64(seats)*moment.Seconds()/round.Seconds()
		for _, n := range together {
			most = max(most, n)
		}
		if float64(most) > average+2 {
			t.Errorf("%d seats: %d turns at one moment; want about %.2f", seats, most, average)
		}
	}
}

func TestTurnsKeepTheirDistanceToNow(t *testing.T) {
	t.Parallel()
	p := &polling{begun: time.Now()}
	for seat := range uint64(100) {
		for _, round := range []time.Duration{1, moment - 1, time.Second, time.Minute} {
			for _, now := range []time.Time{p.begun.Add(-time.Hour), p.begun, p.begun.Add(time.Hour + 1)} {
				if in := p.turn(seat, round, now).Sub(now); in <= 0 || in > round {
					t.Errorf("seat %d, a round of %v, %v after the beginning: the turn comes after %v; want more than 0 and at most a round", seat, round, now.Sub(p.begun), in)
				}
			}
		}
	}
}

func TestCallersKeepFewGoroutinesAndUseThemAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c callers
		waiting := func() int {
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()

			return len(c.idle)
		}
		made := 0
		for range 10 {
			c.do(func() { made++ })
		}
		if got := waiting(); made != 10 || got != 1 {
			t.Errorf("%d of 10 calls one after another were made, and %d goroutines wait; want all, and one", made, got)
		}
		const atOnce = 100
		release, ended := make(chan struct{}), make(chan struct{})
		for range atOnce {
			go func() {
				c.do(func() { <-release })
				ended <- struct{}{}
			}()
		}
		if got := waiting(); got != 0 {
			t.Errorf("%d goroutines wait during %d calls; want none", got, atOnce)
		}
		close(release)
		for range atOnce {
			<-ended
		}
		if got := waiting(); got != idleCallers {
			t.Errorf("%d goroutines wait after %d calls at once; want %d", got, atOnce, idleCallers)
		}
		c.close() // a goroutine that were left would fail the test
	})
}

func TestACallWhoseGoroutineTheClientEndsIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c callers
		c.do(runtime.Goexit)
		made := false
		c.do(func() { made = true })
		if !made {
			t.Error("the call after it was not made")
		}
		c.close()
	})
}

func TestIdleShardsAreAskedAFewAtOnceUnlessCallsTakeLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolling()
		began := time.Now()
		var after []time.Duration
		for range idleLines + 2 {
			hangUp, err := p.line(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			after = append(after, time.Since(began))
			if len(after) == idleLines {
				time.AfterFunc(time.Millisecond, hangUp)
			}
		}
		want := append(make([]time.Duration, idleLines), time.Millisecond, time.Millisecond+patience)
		if !slices.Equal(after, want) {
			t.Errorf("calls begin after %v; want %v", after, want)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(ErrDraining)
		if _, err := p.line(ctx); err != ErrDraining {
			t.Errorf("with a ctx that has ended: %v; want its cause", err)
		}
	})
}
