package producer

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiterLetsAShardsQuotaPass(t *testing.T) {
	t.Parallel()
	const start = instant(time.Second)
	tests := []struct {
		name  string
		share float64
		size  int
		want  int // records in the 10 s after a second's worth in one burst
	}{
		{name: "small records", share: 1, size: 100, want: 10_000},
		{name: "large records", share: 1, size: 64 << 10, want: 160},
		{name: "half a shard", share: 0.5, size: 100, want: 5_000},
		{name: "records larger than the bucket", share: 1, size: 5 << 20, want: 2},
		{name: "a share below one record a second", share: 0.0002, size: 100, want: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLimiter(tt.share, start)
			now := start
			for l.allows(now) {
				l.spend(tt.size)
			}
			passed := 0
			for end := now.add(10 * time.Second); ; {
				now = l.allowsAt()
				if now > end {
					break
				}
				if !l.allows(now) {
					t.Fatalf("allowsAt said %v, and then no record may go", now)
				}
				l.spend(tt.size)
				passed++
				l.allows(now)
			}
			if math.Abs(float64(passed-tt.want)) > float64(tt.want)/20+1 {
				t.Errorf("%d records of %d bytes passed in 10 s, want about %d", passed, tt.size, tt.want)
			}
		})
	}
}

func TestLimiterWithoutShareLimitsNothing(t *testing.T) {
	t.Parallel()
	l := newLimiter(0, 1)
	for range 10_000 {
		if !l.allows(1) {
			t.Fatal("a limiter that is off held a record")
		}
		l.spend(1 << 20)
		l.throttled(1)
	}
}

func TestLimiterSlowsDownOncePerOverload(t *testing.T) {
	t.Parallel()
	now := instant(time.Second)
	l := newLimiter(1, now)
	for range 500 {
		l.throttled(now)
	}
	if l.pace != paceCut {
		t.Errorf("after 500 throttles at once the pace is %v, want %v", l.pace, paceCut)
	}
	for range 1000 {
		now = now.add(paceSettles)
		l.throttled(now)
	}
	if l.pace < paceFloor || l.pace > 0.2 {
		t.Errorf("under lasting throttles the pace is %v, want it low and not below %v", l.pace, paceFloor)
	}
	l.fill(now.add(time.Minute))
	if l.pace != 1 {
		t.Errorf("a minute later the pace is %v, want 1", l.pace)
	}
}

// throttlingService lets a shard take its quota and no more.
func throttlingService(shards int) *fakeService {
	f := newFakeService(shards)
	f.latency = 5 * time.Millisecond
	type second struct {
		began   time.Time
		records int
	}
	taken := map[string]*second{}
	f.onPut = func(c *call) error {
		for i, e := range c.entries {
			shard := f.owner(e)
			if s := taken[shard]; s == nil || time.Since(s.began) >= time.Second {
				taken[shard] = &second{began: time.Now()}
			}
			if taken[shard].records++; taken[shard].records > 1000 {
				c.codes[i] = "ProvisionedThroughputExceededException"
			}
		}
		return nil
	}
	return f
}

func TestProducersShareAShardWithoutTalkingToEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := throttlingService(1)
		const producers, seconds = 3, 60
		delivered := make([]int, producers)
		for n := range producers {
			p := start(t, service, func(o *Options) { o.MaxBufferedRecords, o.Order = 2000, BestEffort })
			go func() {
				for i := 0; ; i++ {
					data := fmt.Sprint(n)
					err := p.PutAsync(t.Context(), record(fmt.Sprint(i), data), func(r Result) {
						if r.Err == nil {
							delivered[n]++
						}
					})
					if err != nil {
						return
					}
				}
			}()
		}
		time.Sleep(seconds * time.Second)
		synctest.Wait()
		throttled, total := 0, 0
		service.with(func() {
			for _, c := range service.calls {
				for _, code := range c.codes {
					if code != "" {
						throttled++
					}
				}
			}
		})
		for _, n := range delivered {
			total += n
			if n < 1000*seconds/producers/2 {
				t.Errorf("a producer delivered %d records in %d s, the shares are %v; want no share below half of an equal one", n, seconds, delivered)
			}
		}
		t.Logf("shares %v, %d throttled", delivered, throttled)
		if total < 700*seconds {
			t.Errorf("%d records in %d s, want at least 70 %% of the shard's quota", total, seconds)
		}
		if throttled > total/5 {
			t.Errorf("%d records were throttled for %d delivered, want at most a fifth", throttled, total)
		}
	})
}
