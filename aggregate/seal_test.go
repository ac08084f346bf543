package aggregate_test

import (
	"bytes"
	"testing"

	"github.com/kinetrail/kinetrail/aggregate"
	"pgregory.net/rapid"
)

func TestSealedContainersAreThoseOfAppendTo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want, got [][]byte
		for range rapid.IntRange(0, 40).Draw(t, "containers") {
			var b aggregate.Builder
			for _, r := range anyRecords().Draw(t, "records") {
				b.Add(&r)
			}
			want = append(want, b.AppendTo(nil))
			got = append(got, b.AppendUnsealed(nil))
		}
		aggregate.Seal(got)
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("container %d of %d = %x\nwant %x", i, len(want), got[i], want[i])
			}
		}
	})
}

func TestAnEmptyContainerIsNothingToSeal(t *testing.T) {
	t.Parallel()
	var b aggregate.Builder
	if got := b.AppendUnsealed([]byte("before")); string(got) != "before" {
		t.Errorf("AppendUnsealed of an empty Builder = %q, want what was there before", got)
	}
	aggregate.Seal(nil)
}
