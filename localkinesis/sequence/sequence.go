package sequence

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// Digits is the length of every sequence number's decimal form: the leading
// hexadecimal digit is always 2, so a number lies between 2^185 and 1.5·2^185.
const Digits = 56

// LastCounter is the counter of the number that ends a closed shard. No record
// has it.
const LastCounter = 0x7fffffffffffffff

// ErrInvalid is wrapped by Parse.
var ErrInvalid = errors.New("invalid sequence number")

const (
	version    = 2         // the last hexadecimal digit
	lead       = 2         // the first hexadecimal digit
	maxSeconds = 1<<36 - 1 // nine hexadecimal digits
	tenTo19    = 10_000_000_000_000_000_000
)

// Number is the content of a sequence number. It is a comparable value.
type Number struct {
	// Created is the second in which the shard was created, in Unix time.
	Created int64

	// Counter counts the records of the shard. It is 0 in the shard's
	// starting number and LastCounter in its ending number.
	Counter uint64

	// Time is the second the number was given out in, in Unix time.
	Time int64

	// Shard is the index of the shard, the number in its ID.
	Shard uint32
}

// Start is the starting number of a shard created in this second.
func Start(shard uint32, created int64) Number {
	return Number{Created: created, Time: created, Shard: shard}
}

// End is the ending number of a shard created and closed in these seconds.
func End(shard uint32, created, closed int64) Number {
	return Number{Created: created, Counter: LastCounter, Time: closed, Shard: shard}
}

// IsEnd reports whether n is the ending number of a closed shard.
func (n Number) IsEnd() bool { return n.Counter == LastCounter }

// CreatedAt is Created as a time in UTC.
func (n Number) CreatedAt() time.Time { return time.Unix(n.Created, 0).UTC() }

// At is Time as a time in UTC.
func (n Number) At() time.Time { return time.Unix(n.Time, 0).UTC() }

// ShardID is the ID of the shard the number belongs to.
func (n Number) ShardID() string { return fmt.Sprintf("shardId-%012d", n.Shard) }

// Compare orders numbers as their decimal forms are ordered: by the creation
// of the shard, the low digit of its index, the counter, the time, the shard.
func (n Number) Compare(o Number) int {
	return cmp.Or(
		cmp.Compare(n.Created, o.Created),
		cmp.Compare(n.Shard&0xf, o.Shard&0xf),
		cmp.Compare(n.Counter, o.Counter),
		cmp.Compare(n.Time, o.Time),
		cmp.Compare(n.Shard, o.Shard),
	)
}

// words packs n into 192 bits, the lowest 64 first. The hexadecimal digits
// from the left: 2, nine of Created, the low one of Shard, sixteen of Counter,
// 00, nine of Time, eight of Shard, the version.
func (n Number) words() (low, middle, high uint64) {
	created, at := clamp(n.Created), clamp(n.Time)
	low = at<<36 | uint64(n.Shard)<<4 | version
	middle = n.Counter<<16 | at>>28
	high = lead<<56 | created<<20 | uint64(n.Shard&0xf)<<16 | n.Counter>>48
	return low, middle, high
}

// clamp keeps a second within the nine hexadecimal digits it has.
func clamp(second int64) uint64 {
	return uint64(min(max(second, 0), maxSeconds))
}

// AppendDecimal appends the decimal form, Digits bytes. It does not allocate
// when dst has room.
func (n Number) AppendDecimal(dst []byte) []byte {
	low, middle, high := n.words()
	// Two long divisions by 10^19 leave three groups of decimal digits. high
	// is below 10^19, and so is middle once the first division is done.
	middle, r := bits.Div64(high, middle, tenTo19)
	low, last := bits.Div64(r, low, tenTo19)
	first, second := bits.Div64(middle, low, tenTo19)

	var text [Digits]byte
	putDigits(text[:18], first)
	putDigits(text[18:37], second)
	putDigits(text[37:], last)
	return append(dst, text[:]...)
}

// putDigits writes n with leading zeros over the whole of text.
func putDigits(text []byte, n uint64) {
	i := len(text)
	for ; i >= 2; i -= 2 {
		pair := n % 100 * 2
		n /= 100
		text[i-1], text[i-2] = pairs[pair+1], pairs[pair]
	}
	if i == 1 {
		text[0] = byte('0' + n%10)
	}
}

const pairs = "00010203040506070809" +
	"10111213141516171819" +
	"20212223242526272829" +
	"30313233343536373839" +
	"40414243444546474849" +
	"50515253545556575859" +
	"60616263646566676869" +
	"70717273747576777879" +
	"80818283848586878889" +
	"90919293949596979899"

// String is the decimal form.
func (n Number) String() string {
	return string(n.AppendDecimal(make([]byte, 0, Digits)))
}

// Parse reads the decimal form. The error wraps ErrInvalid and says what is
// wrong: another length, something that is no digit, or digits that the layout
// does not allow, such as those of the layouts before 2014.
func Parse(text string) (Number, error) {
	if len(text) != Digits {
		return Number{}, fmt.Errorf("%w: %q has %d characters, not %d", ErrInvalid, text, len(text), Digits)
	}
	var groups [3]uint64
	for i, group := range []string{text[:18], text[18:37], text[37:]} {
		for _, c := range []byte(group) {
			if c < '0' || c > '9' {
				return Number{}, fmt.Errorf("%w: %q holds %q, which is no digit", ErrInvalid, text, c)
			}
			groups[i] = groups[i]*10 + uint64(c-'0')
		}
	}
	// (first·10^19 + second)·10^19 + last
	carry, low := bits.Mul64(groups[0], tenTo19)
	low, c := bits.Add64(low, groups[1], 0)
	middle := carry + c
	midHigh, midLow := bits.Mul64(middle, tenTo19)
	lowHigh, lowLow := bits.Mul64(low, tenTo19)
	low, c = bits.Add64(lowLow, groups[2], 0)
	middle, c = bits.Add64(midLow, lowHigh, c)
	high := midHigh + c

	n := Number{
		Created: int64(high >> 20 & maxSeconds),
		Counter: high<<48 | middle>>16,
		Time:    int64(middle&0xff<<28 | low>>36),
		Shard:   uint32(low >> 4),
	}
	if l, m, h := n.words(); l != low || m != middle || h != high {
		return Number{}, fmt.Errorf("%w: %q does not have the layout of a current sequence number", ErrInvalid, text)
	}
	if n.Counter > LastCounter {
		return Number{}, fmt.Errorf("%w: %q has a counter beyond that of a closed shard", ErrInvalid, text)
	}
	return n, nil
}
