package producer

import (
	"testing"
	"time"
)

func TestALimiterThatRestedLetsGoWhatItHoldsAndNoMore(t *testing.T) {
	t.Parallel()
	const start = instant(1)
	l := newLimiter(1, start)
	now := start.add(10 * time.Second)
	went := 0
	for ; l.allows(now) && went < 5000; went++ {
		l.spend(1)
	}
	if went != 1000 {
		t.Errorf("after a rest of 10 s %d records went at once, want 1000, a second's worth", went)
	}
}
