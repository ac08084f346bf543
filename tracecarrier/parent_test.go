package tracecarrier_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// TestPlannedKeysAreThoseOfWrite draws keys, look-alikes among them, and writers.
func TestPlannedKeysAreThoseOfWrite(t *testing.T) {
	t.Parallel()
	keys := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ -~]{0,260}`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.StringMatching(`(-k[12](;s1:x)?=.{0,150})?`), func(s string) string { return parent + s }),
		rapid.Map(rapid.StringMatching(`.{0,150}`), func(s string) string { return escape + s }),
	)
	carriers := rapid.SampledFrom([]tracecarrier.Carrier{"", tracecarrier.Off, tracecarrier.PartitionKey, tracecarrier.Traceparent, tracecarrier.Lossless, tracecarrier.Headers})
	outcomes := map[tracecarrier.Outcome]bool{}
	rapid.Check(t, func(t *rapid.T) {
		w := tracecarrier.Writer{
			Carrier:       carriers.Draw(t, "carrier"),
			LongKey:       rapid.SampledFrom([]tracecarrier.LongKeyPolicy{tracecarrier.SkipLongKeys, tracecarrier.TraceparentForLongKeys}).Draw(t, "long keys"),
			TrustExisting: rapid.Bool().Draw(t, "trust existing"),
		}
		key := keys.Draw(t, "key")
		p := tracecarrier.Parent{TraceID: [16]byte{1: rapid.ByteMin(1).Draw(t, "trace ID"), 15: 0xa0}, SpanID: [8]byte{rapid.ByteMin(1).Draw(t, "span ID")}, Flags: rapid.Byte().Draw(t, "flags")}

		plan := w.Plan(key)
		got := string(w.AppendKey([]byte("x"), plan, key, p))
		want, _, outcome := w.Write(key, "", kinetrail.TraceContext{Parent: p.String()})
		if plan != outcome || got != "x"+want || w.KeyLength(plan, key) != len(want) {
			t.Errorf("%+v, key %q: planned %s, %q of %d bytes; Write says %s, %q", w, key, plan, got, w.KeyLength(plan, key), outcome, "x"+want)
		}
		outcomes[plan] = true
	})
	for _, outcome := range []tracecarrier.Outcome{tracecarrier.Injected, tracecarrier.InjectedTraceparent, tracecarrier.Existing, tracecarrier.Kept, tracecarrier.AsGiven} {
		if !outcomes[outcome] {
			t.Errorf("no key was planned to be %s", outcome)
		}
	}
}

func TestAParentIsWrittenAsATraceparent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := tracecarrier.Parent{
			TraceID: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace ID")),
			SpanID:  [8]byte(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "span ID")),
			Flags:   rapid.Byte().Draw(t, "flags"),
		}
		if text := p.String(); tracecarrier.ValidTraceparent(text) != p.IsValid() || string(p.AppendTo([]byte("x"))) != "x"+text {
			t.Errorf("%+v is written %q, valid %v", p, text, p.IsValid())
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
