package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
)

func record(key, data string) kinetrail.Record {
	return kinetrail.Record{PartitionKey: key, Data: []byte(data)}
}

// collector gathers results in the order of the callbacks.
type collector struct{ results []Result }

func (c *collector) take(r Result) { c.results = append(c.results, r) }

func TestPutReturnsWhereTheRecordLies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		p := start(t, service)
		for i := range 8 {
			result, err := p.Put(t.Context(), record(fmt.Sprint("key-", i), "data"))
			if err != nil {
				t.Fatalf("Put %d: %v", i, err)
			}
			stored := service.stored[i]
			if result.ShardID != stored.shard || result.Position != kinetrail.At(stored.sequence, 0) || len(result.Attempts) != 1 || result.Attempts[0].Code != "" {
				t.Errorf("Put %d = %+v; stored as %+v", i, result, stored)
			}
		}
	})
}

func TestRecordsLingerForCompany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		p := start(t, service)
		started := time.Now()
		var c collector
		for i := range 10 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "data"), c.take); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if sizes := service.requestSizes(); !slices.Equal(sizes, []int{10}) {
			t.Errorf("requests of %v records, want one of 10", sizes)
		}
		if waited := service.calls[0].at.Sub(started); waited != 100*time.Millisecond {
			t.Errorf("the request went after %v, want the linger of 100ms", waited)
		}
		if len(c.results) != 10 {
			t.Errorf("%d results, want 10", len(c.results))
		}
	})
}

func TestFiveHundredMeansFiveHundred(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(8)
		p := start(t, service, func(o *Options) { o.Linger = 50 * time.Millisecond })
		for i := range 1203 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "data"), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		sizes := service.requestSizes()
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{203, 500, 500}) {
			t.Errorf("requests of %v records, want 500, 500 and 203", sizes)
		}
	})
}

func TestPutAfterCloseIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newFakeService(1))
		if err := p.Close(t.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if _, err := p.Put(t.Context(), record("a", "b")); !errors.Is(err, ErrClosed) {
			t.Errorf("Put after Close: %v, want ErrClosed", err)
		}
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}
