package consumer

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestBudgetServesThoseWhoWaitInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &budget{max: 10}
		if err := b.reserve(t.Context(), 8, nil); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var served []int
		reserve := func(n int) {
			if err := b.reserve(t.Context(), n, nil); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			served = append(served, n)
		}
		for _, n := range []int{5, 2, 3} { // 2 would fit at once, but 5 came first
			go reserve(n)
			synctest.Wait()
		}
		if len(served) != 0 {
			t.Fatalf("served %v while 8 of 10 are held; want nobody", served)
		}
		b.correct(8, 4)
		synctest.Wait()
		if len(served) != 1 || served[0] != 5 {
			t.Fatalf("served %v with 4 of 10 held; want the first", served)
		}
		b.release(4)
		synctest.Wait()
		if len(served) != 3 {
			t.Errorf("served %v; want all three", served)
		}
	})
}

func TestBudgetAdmitsWhatNeverFitsWhenNothingElseIsHeld(t *testing.T) {
	t.Parallel()
	b := &budget{max: 10}
	if err := b.reserve(t.Context(), 1000, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := b.reserve(ctx, 1, nil); !errors.Is(err, why) {
		t.Errorf("reserve while more than everything is held = %v; want the cause of ctx", err)
	}
	b.release(1000)
	if err := b.reserve(t.Context(), 1, nil); err != nil || b.used != 1 {
		t.Errorf("reserve = %v with %d held; want 1 held: who gave up must not count", err, b.used)
	}
}

func TestBudgetPassesOnWhenTheFirstGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &budget{max: 10}
		if err := b.reserve(t.Context(), 6, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = b.reserve(ctx, 9, nil) }()
		synctest.Wait()
		served := false
		go func() { served = b.reserve(t.Context(), 4, nil) == nil }()
		synctest.Wait()
		if served {
			t.Fatal("the second overtook the first")
		}
		cancel()
		synctest.Wait()
		if !served || b.used != 10 {
			t.Errorf("served %t, %d held; want the second served, 10 held", served, b.used)
		}
	})
}
