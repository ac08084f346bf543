package shardmap

import (
	"cmp"
	"crypto/fips140"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unsafe"
)

// HashKey is a point of the Kinesis hash key space [0, 2^128): an unsigned
// 128-bit integer. It is a comparable value; its zero value is 0.
type HashKey struct {
	Hi, Lo uint64
}

// MaxHashKey is 2^128−1, the last hash key.
var MaxHashKey = HashKey{Hi: 1<<64 - 1, Lo: 1<<64 - 1}

// MaxHashKeyDigits is the number of decimal digits of MaxHashKey.
const MaxHashKeyDigits = 39

// HashKeyOf is the hash key Kinesis gives a partition key: the MD5 of its
// UTF-8 bytes, read as a big-endian integer. Unicode is not normalised: é in
// its one- and two-rune forms are two keys. Bytes that are no UTF-8 are hashed
// as they are. It does not allocate.
//
// MD5 places records here and protects nothing, so it also runs where Go is
// told to allow FIPS 140 algorithms only (GODEBUG=fips140=only).
func HashKeyOf(partitionKey string) (key HashKey) {
	fips140.WithoutEnforcement(func() {
		// md5.Sum only reads its argument; a conversion to []byte would copy.
		digest := md5.Sum(unsafe.Slice(unsafe.StringData(partitionKey), len(partitionKey)))
		key.Hi = binary.BigEndian.Uint64(digest[:8])
		key.Lo = binary.BigEndian.Uint64(digest[8:])
	})
	return key
}

// ParseHashKey reads an ExplicitHashKey: a decimal number from 0 to 2^128−1
// without sign or leading zeros, the service's pattern 0|([1-9]\d{0,38}). The
// error wraps ErrInvalidHashKey. It does not allocate when it succeeds.
func ParseHashKey(text string) (HashKey, error) {
	if text == "" || len(text) > MaxHashKeyDigits || (text[0] == '0' && len(text) > 1) {
		return HashKey{}, invalidHashKey(text)
	}
	var k HashKey
	for i := range len(text) {
		digit := text[i] - '0'
		if digit > 9 {
			return HashKey{}, invalidHashKey(text)
		}
		// k = k×10 + digit, watching for a carry out of 128 bits.
		carry, lo := bits.Mul64(k.Lo, 10)
		over, hi := bits.Mul64(k.Hi, 10)
		hi, c1 := bits.Add64(hi, carry, 0)
		lo, c2 := bits.Add64(lo, uint64(digit), 0)
		hi, c3 := bits.Add64(hi, 0, c2)
		if over != 0 || c1 != 0 || c3 != 0 {
			return HashKey{}, invalidHashKey(text)
		}
		k = HashKey{Hi: hi, Lo: lo}
	}
	return k, nil
}

func invalidHashKey(text string) error {
	return fmt.Errorf("%w: %q is no decimal number from 0 to 340282366920938463463374607431768211455", ErrInvalidHashKey, text)
}

// Compare returns −1, 0 or +1 as k is less than, equal to or greater than o.
func (k HashKey) Compare(o HashKey) int {
	if c := cmp.Compare(k.Hi, o.Hi); c != 0 {
		return c
	}
	return cmp.Compare(k.Lo, o.Lo)
}

// Next is k+1, and 0 after MaxHashKey.
func (k HashKey) Next() HashKey {
	lo, carry := bits.Add64(k.Lo, 1, 0)
	return HashKey{Hi: k.Hi + carry, Lo: lo}
}

// Prev is k−1, and MaxHashKey before 0.
func (k HashKey) Prev() HashKey {
	lo, borrow := bits.Sub64(k.Lo, 1, 0)
	return HashKey{Hi: k.Hi - borrow, Lo: lo}
}

// String is the decimal form, as ExplicitHashKey wants it.
func (k HashKey) String() string {
	var buf [MaxHashKeyDigits]byte
	return string(k.AppendDecimal(buf[:0]))
}

// AppendDecimal appends the decimal form to dst, at most MaxHashKeyDigits
// bytes and no leading zeros.
func (k HashKey) AppendDecimal(dst []byte) []byte {
	// Two divisions by 10^19, the largest power of ten in a word, take the
	// number apart: k = (hi×2^64 + mid)×10^19 + low, where hi is 0 or 1.
	const group = 1e19
	hi, r := k.Hi/group, k.Hi%group
	mid, low := bits.Div64(r, k.Lo, group)
	if hi == 0 && mid == 0 {
		return strconv.AppendUint(dst, low, 10)
	}
	top, mid := bits.Div64(hi, mid, group)

	var text [MaxHashKeyDigits]byte
	text[0] = byte('0' + top)
	putGroup(text[1:1+groupDigits], mid)
	putGroup(text[1+groupDigits:], low)
	start := 0
	for text[start] == '0' {
		start++
	}
	return append(dst, text[start:]...)
}

// groupDigits is how many digits a number below 10^19 has at most.
const groupDigits = 19

// putGroup writes n, below 10^19, with all its groupDigits digits: three, eight
// and eight.
func putGroup(text []byte, n uint64) {
	_ = text[groupDigits-1]
	high, low := n/1e8, n%1e8
	binary.LittleEndian.PutUint64(text[11:], eightDigits(low))
	high, low = high/1e8, high%1e8
	binary.LittleEndian.PutUint64(text[3:], eightDigits(low))
	text[0] = byte('0' + high/100)
	text[1] = byte('0' + high/10%10)
	text[2] = byte('0' + high%10)
}

// eightDigits is the text of n, below 10^8, the first digit in the lowest byte. It
// halves the digits of all parts at once: two of four, four of two, eight of one.
// The products divide by 10,000, 100 and 10, and are exact for parts that small.
func eightDigits(n uint64) uint64 {
	q := n / 10_000
	n = q | (n-q*10_000)<<32
	q = n * 10_486 >> 20 & 0x7f_0000_007f
	n = q | (n-q*100)<<16
	q = n * 103 >> 10 & 0x0f_000f_000f_000f
	n = q | (n-q*10)<<8
	return n | 0x3030_3030_3030_3030
}
