package tracecarrier_test

import (
	"crypto/fips140"
	"crypto/md5"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// wantHashKey computes a hash key the long way.
func wantHashKey(key string) string {
	var digest [md5.Size]byte
	fips140.WithoutEnforcement(func() { digest = md5.Sum([]byte(key)) })
	return new(big.Int).SetBytes(digest[:]).String()
}

func utf16Length(s string) int { return len(utf16.Encode([]rune(s))) }

func isLookAlike(f tracecarrier.Form) bool {
	return f == tracecarrier.FormExtended || f == tracecarrier.FormEscaped || f == tracecarrier.FormUnknownVersion
}

// wantTrace is what an extended key carries of trace beside key.
func wantTrace(key string, trace kinetrail.TraceContext) kinetrail.TraceContext {
	field := func(value string) int {
		if value == "" {
			return 0
		}
		return len(";s:") + len(strconv.Itoa(len(value))) + len(value)
	}
	room := 256 - len(parent) - len("-k1=") - utf16Length(key)
	if field(trace.State)+field(trace.Baggage) > room {
		trace.Baggage = ""
	}
	if field(trace.State) > room {
		trace.State = ""
	}
	return trace
}

// checkRoundTrip asserts the promise of the lossless carrier for one key of
// valid UTF-8 and one context that is valid or zero, with no unknown flags.
func checkRoundTrip(t *testing.T, key, explicitHashKey string, trace kinetrail.TraceContext) {
	t.Helper()
	w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	stored, hashKey, outcome := w.Write(key, explicitHashKey, trace)
	got := tracecarrier.Read(stored)
	form := tracecarrier.Read(key).Form
	fail := func(what string) {
		t.Helper()
		t.Errorf("%s\n    key %q\n   hash %q\n  trace %+v\n stored %q, %q, %s\n   read %+v", what, key, explicitHashKey, trace, stored, hashKey, outcome, got)
	}

	switch asGiven := stored == key && hashKey == explicitHashKey; {
	case tracecarrier.ValidTraceparent(key):
		if !asGiven || got.OriginalKeyKnown || got.Form != tracecarrier.FormTraceparent {
			fail("the first exception: a bare traceparent is somebody's own carrier and goes as given")
		}
		return
	case utf16Length(key) > 197:
		if !asGiven && (isLookAlike(form) || !trace.IsZero()) {
			fail("the second exception: there is no room, the key goes as given")
		}
		if isLookAlike(form) != (outcome == tracecarrier.Ambiguous) {
			fail("a key is ambiguous when it is a look-alike without room")
		}
		return
	case key == "":
		if !asGiven || !got.Trace.IsZero() {
			fail("an empty key goes as given")
		}
		return
	}

	if got.PartitionKey != key || !got.OriginalKeyKnown {
		fail("the key does not come back")
	}
	want := kinetrail.TraceContext{}
	if !trace.IsZero() {
		want = wantTrace(key, trace)
	}
	if got.Trace != want {
		fail("the context does not come back")
	}
	if n := utf16Length(stored); n > 256 {
		fail("the stored key has " + strconv.Itoa(n) + " units")
	}
	wantHash := explicitHashKey
	if stored != key && wantHash == "" {
		wantHash = wantHashKey(key)
	}
	if hashKey != wantHash {
		fail("the record changes its shard, want hash key " + wantHash)
	}
	if trace.IsZero() && stored != key && !isLookAlike(form) {
		fail("a plain key without a context was rewritten")
	}
	if again := tracecarrier.Restore(&kinetrail.Record{StoredPartitionKey: stored}); again.Malformed && got.Form != tracecarrier.FormPlain {
		fail("what was written reads as malformed")
	}
}

func TestEveryKeyUpTo197UnitsComesBackExactly(t *testing.T) {
	t.Parallel()
	const seed, rounds = 1, 60_000
	g := generator{rand.New(rand.NewPCG(seed, seed))}
	for i := range rounds {
		key, trace := g.key(), g.trace()
		if !utf8.ValidString(key) {
			t.Fatalf("round %d: the generator made invalid UTF-8: %q", i, key)
		}
		checkRoundTrip(t, key, g.pick("", "", "", "42"), trace)
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, i)
		}
	}
}

// generator makes keys that are likely to be taken for something they are not.
type generator struct{ *rand.Rand }

func (g generator) pick(options ...string) string { return options[g.IntN(len(options))] }

func (g generator) repeat(s string, n int) string {
	if n < 0 {
		return ""
	}
	return strings.Repeat(s, n)
}

func (g generator) hex(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("0123456789abcdef"[g.IntN(16)])
	}
	return b.String()
}

func (g generator) parent() string {
	switch g.IntN(12) {
	case 0:
		return escape[:55]
	case 1:
		return "00-" + g.hex(32) + "-0000000000000000-01"
	case 2:
		return strings.ToUpper(parent)
	case 3:
		return g.pick("01-", "00_", "ff-") + parent[3:]
	case 4:
		return parent[:g.IntN(len(parent))]
	default:
		return "00-" + g.hex(32) + "-" + g.hex(16) + "-" + g.pick("00", "01", "02", "03", "09", "ff")
	}
}

func (g generator) version() string {
	return g.pick("-k1", "-k1", "-k1", "-k1", "-k2", "-k10", "-k01", "-k0", "-k", "-k1x", "-K1", "-k99999999999999999999", "")
}

func (g generator) fields() string {
	var b strings.Builder
	for range g.IntN(4) {
		value := g.repeat(g.pick("a", "=", ";", "-k1=", "é", "~ "), g.IntN(5))
		length := strconv.Itoa(len(value) + g.pickInt(0, 0, 0, 0, 1, -1))
		b.WriteString(g.pick(";", ";", ";", "", ":") + g.pick("s", "b", "z", "S") + g.pick("", "", "", "0", "+") + length + g.pick(":", ":", ":", "=") + value)
	}
	return b.String()
}

func (g generator) pickInt(options ...int) int { return options[g.IntN(len(options))] }

func (g generator) key() string {
	var key string
	switch g.IntN(8) {
	case 0:
		key = g.pick("", "group-1", "=", ";", "-", "k1", "-k1=", "00-", "🙂", "é", "e\u0301", "\x00", "\uFFFD")
	case 1:
		key = g.parent()
	case 2:
		key = escape + g.key()
	default:
		key = g.parent() + g.version() + g.fields() + g.pick("=", "=", "=", "", ";", ":") + g.key()
	}
	if g.IntN(4) > 0 {
		return key
	}
	// Up to the edge of what fits, in units of one, of two, and of two bytes.
	key += g.repeat(g.pick("x", "🙂", "é", "漢", "a🙂"), (200-utf16Length(key))/2)
	return key + g.repeat("x", 196+g.IntN(3)-utf16Length(key))
}

func (g generator) trace() kinetrail.TraceContext {
	if g.IntN(4) == 0 {
		return kinetrail.TraceContext{}
	}
	trace := kinetrail.TraceContext{Parent: "00-1" + g.hex(31) + "-1" + g.hex(15) + "-" + g.pick("00", "01", "02", "03")}
	if g.IntN(2) == 0 {
		trace.State = g.pick("a=b", "vendor=abc,other=1", "k1=;s3:a=b", "a="+g.repeat("x", g.IntN(200)), "a="+g.repeat("y", 1200))
	}
	if g.IntN(2) == 0 {
		trace.Baggage = g.pick("tenant=7", "a=b;c=d", "=", "a="+g.repeat("z", g.IntN(200)))
	}
	return trace
}

func TestAKeyComesBackThroughAnyNumberOfHops(t *testing.T) {
	t.Parallel()
	w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	const key = "group-1"
	stored := key
	const hops = 4 // as many as there is room for
	for range hops - 1 {
		stored, _, _ = w.Write(stored, "", kinetrail.TraceContext{Parent: parent})
	}
	for range hops - 1 {
		got := tracecarrier.Read(stored)
		if !got.OriginalKeyKnown || got.Trace.Parent != parent {
			t.Fatalf("Read(%q) = %+v, want the context and one layer less", stored, got)
		}
		stored = got.PartitionKey
	}
	if stored != key {
		t.Errorf("after %d layers the key is %q, want %q", hops-1, stored, key)
	}
}
