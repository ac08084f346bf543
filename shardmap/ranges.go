package shardmap

import "math/bits"

// Range is the inclusive range of hash keys a shard owns.
type Range struct {
	Start, End HashKey
}

// FullRange is the whole hash key space.
var FullRange = Range{End: MaxHashKey}

// Contains reports whether the range owns key.
func (r Range) Contains(key HashKey) bool {
	return r.Start.Compare(key) <= 0 && key.Compare(r.End) <= 0
}

// AdjacentTo reports whether next begins right behind r, which is what Kinesis
// asks of two shards to be merged.
func (r Range) AdjacentTo(next Range) bool {
	return r.End != MaxHashKey && r.End.Next() == next.Start
}

// String reads "start-end" in decimal.
func (r Range) String() string {
	return r.Start.String() + "-" + r.End.String()
}

// Uniform cuts the hash key space into n ranges the way Kinesis does for a new
// stream: steps of floor(2^128/n), the last range taking what remains. It
// returns nil when n is less than 1.
func Uniform(n int) []Range {
	if n < 1 {
		return nil
	}
	if n == 1 {
		return []Range{FullRange}
	}
	step := uniformStep(uint64(n))
	ranges := make([]Range, n)
	var start HashKey
	for i := range ranges {
		next := start.add(step)
		ranges[i] = Range{Start: start, End: next.Prev()}
		start = next
	}
	ranges[n-1].End = MaxHashKey
	return ranges
}

// uniformStep is floor(2^128/n) for n > 1, by long division of the three words
// 1, 0, 0.
func uniformStep(n uint64) HashKey {
	hi, r := bits.Div64(1, 0, n)
	lo, _ := bits.Div64(r, 0, n)
	return HashKey{Hi: hi, Lo: lo}
}

func (k HashKey) add(o HashKey) HashKey {
	lo, carry := bits.Add64(k.Lo, o.Lo, 0)
	hi, _ := bits.Add64(k.Hi, o.Hi, carry)
	return HashKey{Hi: hi, Lo: lo}
}

// Middle is the hash key that cuts the range into two halves when it is given
// to SplitShard as the start of the second: start + ceil(size/2). ok is false
// when the range holds fewer than two keys.
func (r Range) Middle() (start HashKey, ok bool) {
	if r.Start.Compare(r.End) >= 0 {
		return HashKey{}, false
	}
	// (end − start)/2 + 1 above start: halves of the full range meet at 2^127.
	lo, borrow := bits.Sub64(r.End.Lo, r.Start.Lo, 0)
	hi, _ := bits.Sub64(r.End.Hi, r.Start.Hi, borrow)
	half := HashKey{Hi: hi >> 1, Lo: lo>>1 | hi<<63}
	return r.Start.add(half).Next(), true
}
