package kinetrail_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail"
)

// ascending is every sort of position, each before the next.
var ascending = []kinetrail.Position{
	{},
	kinetrail.AtTime(time.Date(1969, 7, 20, 20, 17, 40, 0, time.UTC)),
	kinetrail.AtTime(time.Unix(0, 0)),
	kinetrail.AtTime(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)),
	kinetrail.AtTime(time.Date(2026, 11, 20, 12, 0, 0, 1, time.UTC)),
	kinetrail.TrimHorizon(),
	kinetrail.Latest(),
	kinetrail.At("0", 0),
	kinetrail.At("9", 0),
	kinetrail.At("9", 1),
	kinetrail.At("9", 10),
	kinetrail.At("10", 0),
	kinetrail.At("49590338271490256608559692538361571095921575989136588898", 0),
	kinetrail.At("49590338271490256608559692538361571095921575989136588898", 2),
	kinetrail.At("49590338271490256608559692538361571095921575989136588899", 0),
	kinetrail.At("149590338271490256608559692538361571095921575989136588898", 0),
	kinetrail.At(strings.Repeat("9", 129), 0),
	kinetrail.ShardEnd(),
}

func TestPositionsHaveTheOrderOfTheKCL(t *testing.T) {
	t.Parallel()
	for i, p := range ascending {
		for j, o := range ascending {
			if got, want := p.Compare(o), cmp.Compare(i, j); got != want {
				t.Errorf("%q.Compare(%q) = %d; want %d", p, o, got, want)
			}
		}
	}
}

// anyPosition draws a position of any kind, from few enough values that equal
// ones come up.
func anyPosition() *rapid.Generator[kinetrail.Position] {
	sequence := rapid.OneOf(
		rapid.StringMatching(`0|[1-9][0-9]{0,2}`),
		rapid.StringMatching(`[1-9][0-9]{55}`),
	)
	return rapid.OneOf(
		rapid.SampledFrom(ascending),
		rapid.Custom(func(t *rapid.T) kinetrail.Position {
			return kinetrail.At(sequence.Draw(t, "sequence"), rapid.IntRange(0, 3).Draw(t, "sub"))
		}),
		rapid.Custom(func(t *rapid.T) kinetrail.Position {
			return kinetrail.AtTime(time.Unix(rapid.Int64Range(-3, 3).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")))
		}),
	)
}

func TestCompareIsATotalOrderThatAgreesWithEquality(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyPosition().Draw(t, "a"), anyPosition().Draw(t, "b"), anyPosition().Draw(t, "c")
		if ab, ba := a.Compare(b), b.Compare(a); ab != -ba {
			t.Errorf("%q.Compare(%q) = %d but the other way round %d", a, b, ab, ba)
		}
		if got := a.Compare(b) == 0; got != (a == b) {
			t.Errorf("%q.Compare(%q) == 0 is %t but == is %t", a, b, got, a == b)
		}
		sorted := []kinetrail.Position{a, b, c}
		slices.SortFunc(sorted, kinetrail.Position.Compare)
		if sorted[0].Compare(sorted[2]) > 0 {
			t.Errorf("%q ≤ %q ≤ %q, but the first is after the last", sorted[0], sorted[1], sorted[2])
		}
	})
}

func TestSequenceNumbersCompareAsNumbers(t *testing.T) {
	t.Parallel()
	number := rapid.StringMatching(`0|[1-9][0-9]{0,128}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, _ := new(big.Int).SetString(a, 10)
		y, _ := new(big.Int).SetString(b, 10)
		if got, want := kinetrail.At(a, 0).Compare(kinetrail.At(b, 0)), x.Cmp(y); got != want {
			t.Errorf("At(%s).Compare(At(%s)) = %d; want %d", a, b, got, want)
		}
	})
}

func TestPositionTextComesBackAsTheSamePosition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anyPosition().Draw(t, "position")
		got, err := kinetrail.ParsePosition(want.String())
		if err != nil || got != want {
			t.Errorf("ParsePosition(%q) = %q, %v; want %q", want.String(), got, err, want)
		}
	})
}

func TestPositionsAreWrittenAsTheServiceAndTheKCLDo(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]kinetrail.Position{
		"":             {},
		"TRIM_HORIZON": kinetrail.TrimHorizon(),
		"LATEST":       kinetrail.Latest(),
		"SHARD_END":    kinetrail.ShardEnd(),
		"4959":         kinetrail.At("4959", 0),
		"4959/3":       kinetrail.At("4959", 3),
		"AT_TIMESTAMP:2026-11-20T12:00:00.25Z": kinetrail.AtTime(
			time.Date(2026, 11, 20, 14, 0, 0, 250_000_000, time.FixedZone("", 2*60*60))),
	} {
		if got := p.String(); got != want {
			t.Errorf("String() = %q; want %q", got, want)
		}
	}
}

func TestParsePositionRefusesWhatIsNoPosition(t *testing.T) {
	t.Parallel()
	const neither = " is neither a sequence number nor a named position"
	for text, want := range map[string]string{
		"latest":                     `invalid position: "latest"` + neither,
		" 4959":                      `invalid position: " 4959"` + neither,
		"-1":                         `invalid position: "-1"` + neither,
		"+1":                         `invalid position: "+1"` + neither,
		"01":                         `invalid position: "01"` + neither,
		"1_0":                        `invalid position: "1_0"` + neither,
		"٣":                          `invalid position: "٣"` + neither,
		"/3":                         `invalid position: "/3"` + neither,
		strings.Repeat("1", 130):     `invalid position: "` + strings.Repeat("1", 130) + `"` + neither,
		"4959/":                      `invalid position: "" is no sub-sequence number`,
		"4959/-1":                    `invalid position: "-1" is no sub-sequence number`,
		"4959/+1":                    `invalid position: "+1" is no sub-sequence number`,
		"4959/01":                    `invalid position: "01" is no sub-sequence number`,
		"4959/2147483648":            `invalid position: "2147483648" is no sub-sequence number`,
		"4959/1/2":                   `invalid position: "1/2" is no sub-sequence number`,
		"AT_TIMESTAMP":               `invalid position: "AT_TIMESTAMP"` + neither,
		"AT_TIMESTAMP:":              `invalid position: "" is no RFC 3339 time`,
		"AT_TIMESTAMP:2026-11-20":    `invalid position: "2026-11-20" is no RFC 3339 time`,
		"AT_TIMESTAMP:1700000000000": `invalid position: "1700000000000" is no RFC 3339 time`,
	} {
		got, err := kinetrail.ParsePosition(text)
		if !errors.Is(err, kinetrail.ErrInvalidPosition) || err.Error() != want {
			t.Errorf("ParsePosition(%q): error %q; want %q", text, err, want)
		}
		if !got.IsZero() {
			t.Errorf("ParsePosition(%q) = %q with an error; want the zero Position", text, got)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, p := range ascending {
		f.Add(p.String())
	}
	f.Add("4959/01")
	f.Add("AT_TIMESTAMP:0001-01-01T00:00:00Z")
	f.Add("AT_TIMESTAMP:2026-11-20T12:00:00,5+02:00")
	sequence := regexp.MustCompile(`^(0|([1-9]\d{0,128}))$`) // the service's own pattern
	f.Fuzz(func(t *testing.T, text string) {
		p, err := kinetrail.ParsePosition(text)
		if err != nil {
			if !errors.Is(err, kinetrail.ErrInvalidPosition) || !p.IsZero() {
				t.Errorf("ParsePosition(%q) = %q, %v; want the zero Position and ErrInvalidPosition", text, p, err)
			}
			return
		}
		if again, err := kinetrail.ParsePosition(p.String()); err != nil || again != p {
			t.Errorf("ParsePosition(%q) = %q, which is read as %q, %v", text, p, again, err)
		}
		if p.IsRecord() != sequence.MatchString(p.Sequence()) {
			t.Errorf("ParsePosition(%q) has the sequence number %q, record %t", text, p.Sequence(), p.IsRecord())
		}
	})
}

func TestEachPositionKnowsWhatItIs(t *testing.T) {
	t.Parallel()
	instant := time.Date(2026, 11, 20, 12, 0, 0, 250_000_000, time.UTC)
	kinds := []string{"zero", "record", "trim horizon", "latest", "shard end", "time"}
	tests := map[string]kinetrail.Position{
		"zero":         {},
		"record":       kinetrail.At("4959", 3),
		"trim horizon": kinetrail.TrimHorizon(),
		"latest":       kinetrail.Latest(),
		"shard end":    kinetrail.ShardEnd(),
		"time":         kinetrail.AtTime(instant),
	}
	for name, p := range tests {
		at, isTime := p.Time()
		answers := []bool{p.IsZero(), p.IsRecord(), p.IsTrimHorizon(), p.IsLatest(), p.IsShardEnd(), isTime}
		for i, kind := range kinds {
			if answers[i] != (kind == name) {
				t.Errorf("the position %s says %t to being %s", name, answers[i], kind)
			}
		}
		if isTime != at.Equal(instant) {
			t.Errorf("the position %s has the time %v, %t; want %v for the time alone", name, at, isTime, instant)
		}
		wantSequence, wantSub := "", 0
		if name == "record" {
			wantSequence, wantSub = "4959", 3
		}
		if p.Sequence() != wantSequence || p.Sub() != wantSub {
			t.Errorf("the position %s has sequence %q, sub %d; want %q, %d", name, p.Sequence(), p.Sub(), wantSequence, wantSub)
		}
	}
}

// A time.Time reaches further than the nanoseconds a Position holds.
func TestTimesOutOfReachBecomeTheEarliestAndTheLatest(t *testing.T) {
	t.Parallel()
	for _, early := range []time.Time{{}, time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if p := kinetrail.AtTime(early); p.Compare(kinetrail.AtTime(time.Unix(0, 0))) >= 0 {
			t.Errorf("AtTime(%v) = %q; want a time before 1970", early, p)
		}
	}
	late := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	if p := kinetrail.AtTime(late); p.Compare(kinetrail.AtTime(time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC))) <= 0 {
		t.Errorf("AtTime(%v) = %q; want a time after 2262", late, p)
	}
}

func TestPositionsStandInJSON(t *testing.T) {
	t.Parallel()
	type document struct {
		From kinetrail.Position            `json:"from"`
		At   map[string]kinetrail.Position `json:"at"`
	}
	const text = `{"from":"TRIM_HORIZON","at":{"shardId-000000000000":"4959/3","shardId-000000000001":""}}`
	var d document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	if d.From != kinetrail.TrimHorizon() || d.At["shardId-000000000000"] != kinetrail.At("4959", 3) {
		t.Errorf("read %+v from %s", d, text)
	}
	if got, err := json.Marshal(d); err != nil || string(got) != text {
		t.Errorf("written %s, %v; want %s", got, err, text)
	}
	before := d.From
	if err := d.From.UnmarshalText([]byte("yesterday")); !errors.Is(err, kinetrail.ErrInvalidPosition) || d.From != before {
		t.Errorf("UnmarshalText(yesterday) = %v and leaves %q; want ErrInvalidPosition and %q", err, d.From, before)
	}
}
