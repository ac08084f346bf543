package md5lanes

import (
	"crypto/fips140"
	"crypto/md5"
	"encoding/binary"
	"unsafe"
)

// Lanes is how many messages are worth summing at once.
const Lanes = 16

const (
	blockSize  = md5.BlockSize
	lengthSize = 8 // of the message's length at the end of its last block
)

// Sum sets sums[i] to the MD5 of messages[i], for all of them. It does not
// allocate.
func Sum[Message string | []byte](sums [][md5.Size]byte, messages []Message) {
	var lanes [Lanes][]byte
	for len(messages) > 0 {
		n := min(len(messages), Lanes)
		for i, m := range messages[:n] {
			lanes[i] = bytesOf(m)
		}
		if n > 1 && wide {
			sumLanes(sums[:n], lanes[:n])
		} else {
			sumEach(sums[:n], lanes[:n])
		}
		sums, messages = sums[n:], messages[n:]
	}
}

// bytesOf is the message without a copy. Nobody writes there.
func bytesOf[Message string | []byte](m Message) []byte {
	switch m := any(m).(type) {
	case string:
		return unsafe.Slice(unsafe.StringData(m), len(m))
	case []byte:
		return m
	}
	return nil
}

func sumEach(sums [][md5.Size]byte, messages [][]byte) {
	fips140.WithoutEnforcement(func() {
		for i := range messages {
			sums[i] = md5.Sum(messages[i])
		}
	})
}

// state is the four words of each lane, word by word.
type state [4][Lanes]uint32

// sumLanes sums up to Lanes messages.
func sumLanes(sums [][md5.Size]byte, messages [][]byte) {
	var s state
	for lane := range Lanes {
		s[0][lane], s[1][lane], s[2][lane], s[3][lane] = 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 // RFC 1321, 3.3
	}
	var whole, last work
	var tails [Lanes][2 * blockSize]byte
	for lane, m := range messages {
		end := len(m) / blockSize * blockSize
		if end > 0 {
			whole.at[lane], whole.blocks[lane] = &m[0], end/blockSize
		}
		last.at[lane], last.blocks[lane] = &tails[lane][0], pad(&tails[lane], m[end:], len(m))
	}
	whole.run(&s)
	last.run(&s)
	for lane := range sums {
		binary.LittleEndian.PutUint64(sums[lane][:8], uint64(s[0][lane])|uint64(s[1][lane])<<32)
		binary.LittleEndian.PutUint64(sums[lane][8:], uint64(s[2][lane])|uint64(s[3][lane])<<32)
	}
}

// pad makes the last one or two blocks of a message, after RFC 1321, 3.1 and 3.2:
// its rest, a bit, zeros, its length in bits. It returns how many.
func pad(tail *[2 * blockSize]byte, rest []byte, length int) (blocks int) {
	n := copy(tail[:], rest)
	tail[n] = 0x80
	blocks = (n + 1 + lengthSize + blockSize - 1) / blockSize
	binary.LittleEndian.PutUint64(tail[blocks*blockSize-lengthSize:], uint64(length)*8)
	return blocks
}

// work is the blocks of each lane.
type work struct {
	at     [Lanes]*byte
	blocks [Lanes]int
}

// run does the work. The lanes go together as far as the shortest reaches; one
// that is done then looks on, and its state is put back.
func (w *work) run(s *state) {
	for done := 0; ; {
		next, busy := w.after(done)
		if next == done {
			return
		}
		before := *s
		var at [Lanes]*byte
		for lane := range Lanes {
			if w.blocks[lane] > done {
				at[lane] = behind(w.at[lane], done)
			} else {
				at[lane] = behind(w.at[busy], done)
			}
		}
		compress(s, &at, next-done)
		for lane := range Lanes {
			for word := range s {
				if w.blocks[lane] <= done {
					s[word][lane] = before[word][lane]
				}
			}
		}
		done = next
	}
}

// after is how far all lanes reach that have more than so many blocks, and one of
// them. It is done itself when there are none.
func (w *work) after(done int) (next, busy int) {
	next = done
	for lane, blocks := range w.blocks {
		if blocks > done && (next == done || blocks < next) {
			next, busy = blocks, lane
		}
	}
	return next, busy
}
