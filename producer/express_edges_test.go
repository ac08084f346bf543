package producer

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAYoungerRecordOfALaneDoesNotKeepAnExpressOneBeyondItsLinger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newFakeService(4))
		began := time.Now()
		var took time.Duration
		if err := p.PutAsync(t.Context(), record("a", "d"), func(Result) { took = time.Since(began) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Millisecond)
		if _, err := p.Put(t.Context(), record("b", "d")); err != nil { // which is never express
			t.Fatal(err)
		}
		synctest.Wait()
		if took != 100*time.Millisecond {
			t.Errorf("the first of two records has its result after %v, want 100ms, its linger", took)
		}
	})
}

func TestAYoungerRecordOfALaneDoesNotKeepExpressOnesBeyondTheirDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		service.latency = 20 * time.Second
		p := start(t, service, func(o *Options) { o.Deadline, o.Concurrency, o.RequestTimeout = 5*time.Second, 1, 0 })
		var order []string
		put := func(key string) {
			t.Helper()
			began := time.Now()
			err := p.PutAsync(t.Context(), record(key, "d"), func(r Result) {
				order = append(order, key)
				if took := time.Since(began); key != "under way" && (r.Err == nil || took > 5*time.Second) {
					t.Errorf("%s has its result after %v, error %v; want it expired after 5s", key, took, r.Err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		put("under way")
		time.Sleep(time.Second)
		put("a")
		put("b")
		time.Sleep(4 * time.Second)
		if _, err := p.Put(t.Context(), record("younger, in a lane", "d")); err == nil {
			t.Error("a record was sent while the only request takes longer than its deadline, want it expired")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if len(order) != 3 {
			t.Errorf("results came for %q, want three", order)
		}
	})
}
