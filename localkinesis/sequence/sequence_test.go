package sequence_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// documented are numbers the service gave out: a stream of one shard that was
// brought to two and back to one, and a stream of five shards.
var documented = []struct {
	text    string
	created string
	counter uint64
	at      string
	shard   uint32
}{
	{"49646421264737784557324905820411013094940000525450477570", "2023-11-14T09:31:23Z", 0, "2023-11-14T09:31:23Z", 0},
	{"49646421264748934929924171131980572028256847859579617282", "2023-11-14T09:31:23Z", sequence.LastCounter, "2023-11-14T10:04:48Z", 0},
	{"49646421980524803194562316794282962492134597634174222354", "2023-11-14T10:04:49Z", 0, "2023-11-14T10:04:49Z", 1},
	{"49646421980547103939760847417424498210407245995680202786", "2023-11-14T10:04:49Z", 0, "2023-11-14T10:04:49Z", 2},
	{"49646421980535953567161582105852521425451370064073719826", "2023-11-14T10:04:49Z", sequence.LastCounter, "2023-11-14T10:20:04Z", 1},
	{"49646421980558254312360112728994057143724018425579700258", "2023-11-14T10:04:49Z", sequence.LastCounter, "2023-11-14T10:20:04Z", 2},
	{"49646422307409126314624190802913520932614343535875850290", "2023-11-14T10:20:05Z", 0, "2023-11-14T10:20:05Z", 3},
	{"49646447835808079664180011482520906336196071965037953026", "2023-11-15T06:12:31Z", 0, "2023-11-15T06:12:31Z", 0},
	{"49646447835830380409378542105662442054468720326543933458", "2023-11-15T06:12:31Z", 0, "2023-11-15T06:12:31Z", 1},
	{"49646447835852681154577072728803977772741368688049913890", "2023-11-15T06:12:31Z", 0, "2023-11-15T06:12:31Z", 2},
	{"49646447835874981899775603351945513491014017049555894322", "2023-11-15T06:12:31Z", 0, "2023-11-15T06:12:31Z", 3},
	{"49646447835897282644974133975087049209286665411061874754", "2023-11-15T06:12:31Z", 0, "2023-11-15T06:12:31Z", 4},
}

func TestNumbersTheServiceGaveOutReadBackAndComeOutDigitForDigit(t *testing.T) {
	t.Parallel()
	for _, want := range documented {
		got, err := sequence.Parse(want.text)
		if err != nil {
			t.Errorf("Parse(%s): %v", want.text, err)
			continue
		}
		if got.CreatedAt().Format(time.RFC3339) != want.created || got.Counter != want.counter ||
			got.At().Format(time.RFC3339) != want.at || got.Shard != want.shard {
			t.Errorf("Parse(%s) = created %v, counter %x, at %v, shard %d; want %s, %x, %s, %d",
				want.text, got.CreatedAt(), got.Counter, got.At(), got.Shard, want.created, want.counter, want.at, want.shard)
		}
		if got.String() != want.text {
			t.Errorf("%+v.String() = %s; want %s", got, got.String(), want.text)
		}
		if got.IsEnd() != (want.counter == sequence.LastCounter) {
			t.Errorf("Parse(%s).IsEnd() = %t", want.text, got.IsEnd())
		}
	}
}

// numbers draws any number the layout can hold.
func numbers() *rapid.Generator[sequence.Number] {
	return rapid.Custom(func(t *rapid.T) sequence.Number {
		return sequence.Number{
			Created: rapid.Int64Range(0, 1<<36-1).Draw(t, "created"),
			Counter: rapid.Uint64Range(0, sequence.LastCounter).Draw(t, "counter"),
			Time:    rapid.Int64Range(0, 1<<36-1).Draw(t, "time"),
			Shard:   rapid.Uint32().Draw(t, "shard"),
		}
	})
}

// asBig lays the fields out with math/big, as the package comment draws them.
func asBig(n sequence.Number) *big.Int {
	value := big.NewInt(2)
	field := func(digits uint, v uint64) {
		value.Lsh(value, 4*digits)
		value.Or(value, new(big.Int).SetUint64(v))
	}
	field(9, uint64(n.Created))
	field(1, uint64(n.Shard&0xf))
	field(16, n.Counter)
	field(2, 0)
	field(9, uint64(n.Time))
	field(8, uint64(n.Shard))
	field(1, 2)
	return value
}

func TestDecimalFormAgreesWithBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := numbers().Draw(t, "number")
		if got, want := n.String(), asBig(n).String(); got != want {
			t.Fatalf("%+v.String() = %s; want %s", n, got, want)
		}
		back, err := sequence.Parse(n.String())
		if err != nil || back != n {
			t.Fatalf("Parse(%s) = %+v, %v; want %+v", n, back, err, n)
		}
	})
}

func TestCompareOrdersAsTheDecimalFormsAreOrdered(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers().Draw(t, "a"), numbers().Draw(t, "b")
		if rapid.Bool().Draw(t, "same shard") {
			b.Created, b.Shard = a.Created, a.Shard
		}
		if got, want := a.Compare(b), strings.Compare(a.String(), b.String()); got != want {
			t.Fatalf("%+v.Compare(%+v) = %d; want %d", a, b, got, want)
		}
	})
}

func TestParseRefusesWhatIsNoCurrentNumber(t *testing.T) {
	t.Parallel()
	valid := documented[0].text
	withVersion1 := new(big.Int).Sub(asBig(sequence.Start(0, 1_700_000_000)), big.NewInt(1)).String()
	for _, text := range []string{
		"", "0", "21269319989900637946712965403778482371", valid + "0", valid[:55], valid[:55] + "x",
		"-" + valid[1:], strings.Repeat("9", 56), strings.Repeat("0", 56), withVersion1,
	} {
		if n, err := sequence.Parse(text); !errors.Is(err, sequence.ErrInvalid) {
			t.Errorf("Parse(%q) = %+v, %v; want ErrInvalid", text, n, err)
		}
	}
}

func TestFormattingDoesNotAllocate(t *testing.T) {
	n := sequence.Start(3, 1_700_000_000)
	buf := make([]byte, 0, sequence.Digits)
	if got := testing.AllocsPerRun(100, func() { buf = n.AppendDecimal(buf[:0]) }); got != 0 {
		t.Errorf("AppendDecimal allocates %v times; want 0", got)
	}
}

func FuzzParseGivesBackWhatItRead(f *testing.F) {
	for _, d := range documented {
		f.Add(d.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := sequence.Parse(text)
		if err == nil && n.String() != text {
			t.Errorf("Parse(%q).String() = %s", text, n)
		}
	})
}

func BenchmarkAppendDecimal(b *testing.B) {
	n := sequence.Number{Created: 1_700_000_000, Counter: 123456, Time: 1_700_000_999, Shard: 3}
	buf := make([]byte, 0, sequence.Digits)
	b.ReportAllocs()
	for b.Loop() {
		buf = n.AppendDecimal(buf[:0])
	}
}
