package md5lanes

import (
	"crypto/md5"
	"math/rand/v2"
	"testing"
)

// check sums messages at once and compares with crypto/md5.
func check(t *testing.T, messages [][]byte) {
	t.Helper()
	sums := make([][md5.Size]byte, len(messages))
	Sum(sums, messages)
	for i, m := range messages {
		if want := md5.Sum(m); sums[i] != want {
			t.Errorf("message %d of %d, %d bytes: sum %x, want %x", i, len(messages), len(m), sums[i], want)
		}
	}
}

func TestSumsAreThoseOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	lengths := []int{0, 1, 16, 54, 55, 56, 57, 63, 64, 65, 119, 120, 121, 127, 128, 129, 1000, 51_200}
	for range 300 {
		messages := make([][]byte, random.IntN(20))
		for i := range messages {
			messages[i] = make([]byte, lengths[random.IntN(len(lengths))])
			for at := range messages[i] {
				messages[i][at] = byte(random.Uint32())
			}
		}
		check(t, messages)
	}
}

func TestSumsOfEveryLengthInEveryLane(t *testing.T) {
	t.Parallel()
	text := make([]byte, 300)
	for i := range text {
		text[i] = byte(i * 7)
	}
	for length := range text {
		messages := make([][]byte, Lanes)
		for lane := range messages {
			messages[lane] = text[:(length+lane*31)%len(text)]
		}
		check(t, messages)
	}
}

func TestSumsWhereTheProcessorIsNotWide(t *testing.T) {
	t.Parallel()
	messages := make([][]byte, Lanes)
	for lane := range messages {
		messages[lane] = make([]byte, 37*lane)
	}
	sums := make([][md5.Size]byte, Lanes)
	sumEach(sums, messages)
	for lane, m := range messages {
		if want := md5.Sum(m); sums[lane] != want {
			t.Errorf("message of %d bytes: sum %x, want %x", len(m), sums[lane], want)
		}
	}
}

func TestSumsOfMessagesAtAnyAddress(t *testing.T) {
	t.Parallel()
	text := make([]byte, 1000)
	for i := range text {
		text[i] = byte(i * 11)
	}
	for from := range 70 {
		messages := make([][]byte, Lanes)
		for lane := range messages {
			messages[lane] = text[from+lane : from+lane+200+from]
		}
		check(t, messages)
	}
}

func TestSumDoesNotAllocate(t *testing.T) {
	messages := make([][]byte, 13)
	for i := range messages {
		messages[i] = make([]byte, 100*i)
	}
	sums := make([][md5.Size]byte, len(messages))
	if n := testing.AllocsPerRun(100, func() { Sum(sums, messages) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("message digest"), uint8(3), uint8(7))
	f.Fuzz(func(t *testing.T, text []byte, count, step uint8) {
		messages := make([][]byte, int(count)%(3*Lanes))
		for i := range messages {
			messages[i] = text[:len(text)*(i*int(step)%16)/15]
		}
		check(t, messages)
	})
}

func BenchmarkKeys(b *testing.B) {
	messages := make([][]byte, Lanes)
	for i := range messages {
		messages[i] = []byte("0123456789abcdef")
	}
	benchmark(b, messages)
}

func BenchmarkContainers(b *testing.B) {
	messages := make([][]byte, Lanes)
	for i := range messages {
		messages[i] = make([]byte, 50<<10)
	}
	benchmark(b, messages)
}

func benchmark(b *testing.B, messages [][]byte) {
	sums := make([][md5.Size]byte, len(messages))
	b.SetBytes(int64(len(messages) * len(messages[0])))
	b.ReportAllocs()
	for b.Loop() {
		Sum(sums, messages)
	}
}
