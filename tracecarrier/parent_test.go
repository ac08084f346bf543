package tracecarrier_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// checkPlan asserts that a key written by plan is the one of Write, and returns
// the plan.
func checkPlan(t interface{ Errorf(string, ...any) }, w tracecarrier.Writer, key string, p tracecarrier.Parent) tracecarrier.Outcome {
	plan := w.Plan(key)
	got := string(w.AppendKey([]byte("x"), plan, key, p))
	want, _, outcome := w.Write(key, "", kinetrail.TraceContext{Parent: p.String()})
	if plan != outcome || got != "x"+want || w.KeyLength(plan, key) != len(want) {
		t.Errorf("%+v, key %q: planned %s, %q of %d bytes; Write says %s, %q", w, key, plan, got, w.KeyLength(plan, key), outcome, "x"+want)
	}
	return plan
}

func TestEveryOutcomeIsPlannedAsWrite(t *testing.T) {
	t.Parallel()
	var (
		none     = tracecarrier.Writer{}
		off      = tracecarrier.Writer{Carrier: tracecarrier.Off}
		headers  = tracecarrier.Writer{Carrier: tracecarrier.Headers}
		first    = tracecarrier.Writer{Carrier: tracecarrier.PartitionKey}
		bare     = tracecarrier.Writer{Carrier: tracecarrier.Traceparent}
		lossless = tracecarrier.Writer{Carrier: tracecarrier.Lossless}
		trusting = tracecarrier.Writer{Carrier: tracecarrier.Lossless, TrustExisting: true}
		lenient  = tracecarrier.Writer{Carrier: tracecarrier.Lossless, LongKey: tracecarrier.TraceparentForLongKeys}

		extended = parent2 + "-k1=bob"
		room     = strings.Repeat("é", 197)
		long     = room + "é"
		tooLong  = strings.Repeat("é", 257)
	)
	for _, tt := range []struct {
		writer tracecarrier.Writer
		key    string
		want   tracecarrier.Outcome
	}{
		{none, "group-1", tracecarrier.SkippedNoCarrier},
		{none, "", tracecarrier.AsGiven},
		{off, "group-1", tracecarrier.AsGiven},
		{headers, extended, tracecarrier.AsGiven},
		{lossless, "", tracecarrier.AsGiven},
		{lossless, "group-1", tracecarrier.Injected},
		{lossless, room, tracecarrier.Injected},
		{lossless, extended, tracecarrier.Injected},
		{lossless, escape + "bob", tracecarrier.Injected},
		{trusting, "group-1", tracecarrier.Injected},
		{first, "group-1", tracecarrier.InjectedTraceparent},
		{bare, long, tracecarrier.InjectedTraceparent},
		{lenient, long, tracecarrier.InjectedTraceparent},
		{lossless, parent2, tracecarrier.Existing},
		{trusting, parent2, tracecarrier.Existing},
		{trusting, extended, tracecarrier.Kept},
		{trusting, escape + "bob", tracecarrier.Kept},
		{trusting, parent2 + "-k2=bob", tracecarrier.Kept},
		{lossless, extended + room, tracecarrier.Ambiguous},
		{lossless, long, tracecarrier.SkippedKeyLength},
		{bare, tooLong, tracecarrier.SkippedKeyLength},
		{lossless, "group-\xff", tracecarrier.SkippedInvalidUTF8},
	} {
		p := tracecarrier.Parent{TraceID: [16]byte{1, 15: 0xa0}, SpanID: [8]byte{2}, Flags: 0xff}
		if plan := checkPlan(t, tt.writer, tt.key, p); plan != tt.want {
			t.Errorf("%+v plans %s for %q, want %s", tt.writer, plan, tt.key, tt.want)
		}
	}
}

// TestPlannedKeysAreThoseOfWrite draws keys, look-alikes among them, and writers.
func TestPlannedKeysAreThoseOfWrite(t *testing.T) {
	t.Parallel()
	keys := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ -~]{0,260}`),
		rapid.Map(rapid.IntRange(190, 260), func(n int) string { return strings.Repeat("é", n) }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.StringMatching(`(-k[12](;s1:x)?=.{0,150})?`), func(s string) string { return parent + s }),
		rapid.Map(rapid.StringMatching(`.{0,150}`), func(s string) string { return escape + s }),
	)
	carriers := rapid.SampledFrom([]tracecarrier.Carrier{"", tracecarrier.Off, tracecarrier.PartitionKey, tracecarrier.Traceparent, tracecarrier.Lossless, tracecarrier.Headers})
	rapid.Check(t, func(t *rapid.T) {
		w := tracecarrier.Writer{
			Carrier:       carriers.Draw(t, "carrier"),
			LongKey:       rapid.SampledFrom([]tracecarrier.LongKeyPolicy{tracecarrier.SkipLongKeys, tracecarrier.TraceparentForLongKeys}).Draw(t, "long keys"),
			TrustExisting: rapid.Bool().Draw(t, "trust existing"),
		}
		p := tracecarrier.Parent{TraceID: [16]byte{1: rapid.ByteMin(1).Draw(t, "trace ID"), 15: 0xa0}, SpanID: [8]byte{rapid.ByteMin(1).Draw(t, "span ID")}, Flags: rapid.Byte().Draw(t, "flags")}
		checkPlan(t, w, keys.Draw(t, "key"), p)
	})
}

func TestAParentIsWrittenAsATraceparent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := tracecarrier.Parent{
			TraceID: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace ID")),
			SpanID:  [8]byte(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "span ID")),
			Flags:   rapid.Byte().Draw(t, "flags"),
		}
		text, ids := p.String(), "00-"+hex.EncodeToString(p.TraceID[:])+"-"+hex.EncodeToString(p.SpanID[:])+"-0"
		if !strings.HasPrefix(text, ids) || tracecarrier.ValidTraceparent(text) != p.IsValid() || string(p.AppendTo([]byte("x"))) != "x"+text {
			t.Errorf("%+v is written %q, valid %v; want it to begin with %s", p, text, p.IsValid(), ids)
		}
	})
	p := tracecarrier.Parent{
		TraceID: [16]byte{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36},
		SpanID:  [8]byte{0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7}, Flags: 0xfd,
	}
	if got := p.String(); got != parent {
		t.Errorf("the parent is %s, want %s", got, parent)
	}
}

func TestPlannedKeysCostNoAllocation(t *testing.T) {
	w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	p := tracecarrier.Parent{TraceID: [16]byte{1}, SpanID: [8]byte{1}}
	room := make([]byte, 0, 300)
	if n := testing.AllocsPerRun(100, func() { w.AppendKey(room, w.Plan("group-1"), "group-1", p) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
