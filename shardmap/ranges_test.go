package shardmap_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/kinetrail/kinetrail/shardmap"
)

// shardCounts are the shard counts whose every boundary is checked: all the
// small ones, some round ones, and some nobody chose.
func shardCounts() []int {
	var counts []int
	for n := 1; n <= 64; n++ {
		counts = append(counts, n)
	}
	counts = append(counts, 100, 1000)
	random := rand.New(rand.NewPCG(7, 11))
	for range 20 {
		counts = append(counts, 65+random.IntN(20_000))
	}
	return counts
}

func TestUniformRangesStepByTheFloorOf2To128OverN(t *testing.T) {
	t.Parallel()
	for _, n := range shardCounts() {
		ranges := shardmap.Uniform(n)
		if len(ranges) != n {
			t.Fatalf("Uniform(%d) has %d ranges", n, len(ranges))
		}
		step := new(big.Int).Div(twoTo128, big.NewInt(int64(n)))
		for i, r := range ranges {
			start := new(big.Int).Mul(step, big.NewInt(int64(i)))
			end := new(big.Int).Add(start, step)
			if i == n-1 {
				end.Set(twoTo128)
			}
			want := shardmap.Range{Start: keyOf(start), End: keyOf(end.Sub(end, big.NewInt(1)))}
			if r != want {
				t.Fatalf("Uniform(%d)[%d] = %v, want %v", n, i, r, want)
			}
		}
	}
}

func TestShardForTurnsExactlyAtEveryBoundaryOfUniformShards(t *testing.T) {
	t.Parallel()
	for _, n := range shardCounts() {
		m := uniformMap(t, n)
		step := new(big.Int).Div(twoTo128, big.NewInt(int64(n)))
		check := func(key *big.Int) {
			if key.Sign() < 0 || key.Cmp(twoTo128) >= 0 {
				return
			}
			index := int(new(big.Int).Div(key, step).Int64())
			want := shardID(min(index, n-1)) // the last shard takes what the division left over
			if got, ok := m.ShardFor(keyOf(key)); !ok || got.ID != want {
				t.Errorf("ShardFor(%v) of %d shards = %q, %t; want %q", key, n, got.ID, ok, want)
			}
		}
		for i := range n + 1 {
			boundary := new(big.Int).Mul(step, big.NewInt(int64(i)))
			for delta := int64(-1); delta <= 1; delta++ {
				check(new(big.Int).Add(boundary, big.NewInt(delta)))
			}
		}
		check(new(big.Int).Sub(twoTo128, big.NewInt(1)))
	}
}

func TestUniformOfNoShardsIsEmpty(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, -1} {
		if got := shardmap.Uniform(n); got != nil {
			t.Errorf("Uniform(%d) = %v, want nil", n, got)
		}
	}
}

func TestMiddleCutsARangeWhereKinesisDoes(t *testing.T) {
	t.Parallel()
	upperHalf := shardmap.Range{Start: shardmap.HashKey{Hi: 1 << 63}, End: shardmap.MaxHashKey}
	tests := []struct {
		name string
		r    shardmap.Range
		want string // empty when the range cannot be cut
	}{
		{"the whole space", shardmap.FullRange, "170141183460469231731687303715884105728"},
		{"its upper half", upperHalf, "255211775190703847597530955573826158592"},
		{"two keys", rangeOf(6, 7), "7"},
		{"three keys", rangeOf(6, 8), "8"},
		{"four keys", rangeOf(6, 9), "8"},
		{"one key", rangeOf(6, 6), ""},
		{"a range that ends before it starts", rangeOf(7, 6), ""},
		{"the last two keys", shardmap.Range{Start: shardmap.MaxHashKey.Prev(), End: shardmap.MaxHashKey},
			"340282366920938463463374607431768211455"},
		{"two keys around a word", shardmap.Range{Start: shardmap.HashKey{Lo: 1<<64 - 1}, End: shardmap.HashKey{Hi: 1}},
			"18446744073709551616"},
	}
	for _, tt := range tests {
		got, ok := tt.r.Middle()
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%s: Middle of %v = %v, %t; want %q", tt.name, tt.r, got, ok, tt.want)
		}
	}
}

func TestMiddleIsHalfOfTheSizeRoundedUp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 5))
	for range 10_000 {
		r := randomRange(random)
		got, ok := r.Middle()
		if r.Start == r.End {
			if ok {
				t.Errorf("Middle of the one key %v = %v, want none", r.Start, got)
			}
			continue
		}
		size := new(big.Int).Sub(bigOf(r.End), bigOf(r.Start))
		size.Add(size, big.NewInt(1))
		half := size.Add(size, big.NewInt(1)).Rsh(size, 1)
		if want := keyOf(half.Add(half, bigOf(r.Start))); !ok || got != want {
			t.Errorf("Middle of %v = %v, %t; want %v", r, got, ok, want)
		}
	}
}

// randomRange is a range of any size, small ones as likely as large ones.
func randomRange(random *rand.Rand) shardmap.Range {
	size := new(big.Int).SetUint64(random.Uint64())
	size.Lsh(size, 64).Add(size, new(big.Int).SetUint64(random.Uint64())).Rsh(size, uint(random.IntN(129)))
	room := new(big.Int).Sub(twoTo128, size)
	start := new(big.Int).SetUint64(random.Uint64())
	start.Lsh(start, 64).Add(start, new(big.Int).SetUint64(random.Uint64())).Mod(start, room)
	return shardmap.Range{Start: keyOf(start), End: keyOf(size.Add(size, start))}
}

func TestARangeContainsItsEndsAndNothingBeside(t *testing.T) {
	t.Parallel()
	tests := []struct {
		r    shardmap.Range
		key  shardmap.HashKey
		want bool
	}{
		{rangeOf(5, 7), shardmap.HashKey{Lo: 4}, false},
		{rangeOf(5, 7), shardmap.HashKey{Lo: 5}, true},
		{rangeOf(5, 7), shardmap.HashKey{Lo: 7}, true},
		{rangeOf(5, 7), shardmap.HashKey{Lo: 8}, false},
		{rangeOf(5, 7), shardmap.HashKey{Hi: 1, Lo: 6}, false},
		{shardmap.FullRange, shardmap.HashKey{}, true},
		{shardmap.FullRange, shardmap.MaxHashKey, true},
	}
	for _, tt := range tests {
		if got := tt.r.Contains(tt.key); got != tt.want {
			t.Errorf("%v.Contains(%v) = %t, want %t", tt.r, tt.key, got, tt.want)
		}
	}
}

func TestRangesAreAdjacentWhenTheNextKeyStartsTheOther(t *testing.T) {
	t.Parallel()
	tests := []struct {
		r, next shardmap.Range
		want    bool
	}{
		{rangeOf(0, 4), rangeOf(5, 9), true},
		{rangeOf(5, 9), rangeOf(0, 4), false},
		{rangeOf(0, 4), rangeOf(4, 9), false},
		{rangeOf(0, 4), rangeOf(6, 9), false},
		{shardmap.FullRange, rangeOf(0, 4), false}, // nothing stands behind the last key
	}
	for _, tt := range tests {
		if got := tt.r.AdjacentTo(tt.next); got != tt.want {
			t.Errorf("%v.AdjacentTo(%v) = %t, want %t", tt.r, tt.next, got, tt.want)
		}
	}
}

func rangeOf(start, end uint64) shardmap.Range {
	return shardmap.Range{Start: shardmap.HashKey{Lo: start}, End: shardmap.HashKey{Lo: end}}
}
