package aggregate

import (
	"crypto/md5"

	"github.com/kinetrail/kinetrail/internal/md5lanes"
)

// AppendUnsealed is AppendTo without the MD5: it leaves room for it at the end,
// and the container is none until Seal has been there.
func (b *Builder) AppendUnsealed(dst []byte) []byte {
	if b.len == 0 {
		return dst
	}
	dst = append(b.appendMessage(dst), make([]byte, md5.Size)...)
	return dst
}

// Seal sets the MD5 of containers that AppendUnsealed has made. Sealing many at
// once costs a fraction of sealing one after the other. It does not allocate.
func Seal(containers [][]byte) {
	var messages [md5lanes.Lanes][]byte
	var sums [md5lanes.Lanes][md5.Size]byte
	for len(containers) > 0 {
		n := min(len(containers), md5lanes.Lanes)
		for i, c := range containers[:n] {
			messages[i] = c[len(magic) : len(c)-md5.Size]
		}
		md5lanes.Sum(sums[:n], messages[:n])
		for i, c := range containers[:n] {
			copy(c[len(c)-md5.Size:], sums[i][:])
		}
		containers = containers[n:]
	}
}

// Verify tells of each of data whether it is a container whose checksum is
// right: intact[i] is about data[i]. Verifying many at once costs a fraction of
// what Split spends on one after the other. It does not allocate.
func Verify(intact []bool, data [][]byte) {
	var messages [md5lanes.Lanes][]byte
	var at [md5lanes.Lanes]int
	n := 0
	for i, d := range data {
		intact[i] = false
		if !IsContainer(d) {
			continue
		}
		messages[n], at[n] = d[len(magic):len(d)-md5.Size], i
		if n++; n == len(messages) {
			verify(intact, data, messages[:], at[:])
			n = 0
		}
	}
	verify(intact, data, messages[:n], at[:n])
}

// verify compares the checksums of messages, each that of data[at[i]].
func verify(intact []bool, data, messages [][]byte, at []int) {
	var sums [md5lanes.Lanes][md5.Size]byte
	md5lanes.Sum(sums[:len(messages)], messages)
	for i := range messages {
		d := data[at[i]]
		intact[at[i]] = sums[i] == [md5.Size]byte(d[len(d)-md5.Size:])
	}
}
