package tracecarrier_test

import (
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

const (
	parent  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	parent2 = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	escape  = "00-00000000000000000000000000000000-0000000000000000-00-k1="

	group1Hash = "36878702945378520736626047775679136663" // MD5 of "group-1"
	bobHash    = "212164099741615454138234394844395612632"
)

var carried = kinetrail.TraceContext{Parent: parent, State: "vendor=abc", Baggage: "tenant=7"}

func TestWriteFollowsTheCarrierAndTheKey(t *testing.T) {
	t.Parallel()
	var (
		lossless    = tracecarrier.Writer{Carrier: tracecarrier.Lossless}
		traceparent = tracecarrier.Writer{Carrier: tracecarrier.Traceparent}
		firstTry    = tracecarrier.Writer{Carrier: tracecarrier.PartitionKey}
		trusting    = tracecarrier.Writer{Carrier: tracecarrier.Lossless, TrustExisting: true}
		lenient     = tracecarrier.Writer{Carrier: tracecarrier.Lossless, LongKey: tracecarrier.TraceparentForLongKeys}
		none        kinetrail.TraceContext
		onlyParent  = kinetrail.TraceContext{Parent: parent}
		lookAlike   = parent2 + "-k1=bob"
		newer       = parent2 + "-k2=bob"
		longLook    = lookAlike + strings.Repeat("x", 197-len(lookAlike)+1)
		long        = strings.Repeat("x", 198)
		tooLong     = strings.Repeat("x", 257)
		invalid     = "group-\xff"
	)
	for _, tt := range []struct {
		name    string
		writer  tracecarrier.Writer
		key     string
		hashKey string
		trace   kinetrail.TraceContext

		wantKey     string
		wantHashKey string
		want        tracecarrier.Outcome
	}{
		{"the zero writer counts a missing carrier", tracecarrier.Writer{}, "group-1", "", carried, "group-1", "", tracecarrier.SkippedNoCarrier},
		{"the zero writer misses nothing without a context", tracecarrier.Writer{}, "group-1", "", none, "group-1", "", tracecarrier.AsGiven},
		{"off", tracecarrier.Writer{Carrier: tracecarrier.Off}, "group-1", "7", carried, "group-1", "7", tracecarrier.AsGiven},
		{"off leaves look-alikes alone", tracecarrier.Writer{Carrier: tracecarrier.Off}, lookAlike, "", none, lookAlike, "", tracecarrier.AsGiven},
		{"headers leaves the key alone", tracecarrier.Writer{Carrier: tracecarrier.Headers}, "group-1", "", carried, "group-1", "", tracecarrier.AsGiven},
		{"a carrier nobody knows", tracecarrier.Writer{Carrier: "smoke"}, "group-1", "", carried, "group-1", "", tracecarrier.AsGiven},

		{"traceparent", traceparent, "group-1", "", carried, parent, group1Hash, tracecarrier.InjectedTraceparent},
		{"traceparent keeps a hash key", traceparent, "group-1", "42", carried, parent, "42", tracecarrier.InjectedTraceparent},
		{"traceparent without a context", traceparent, "group-1", "", none, "group-1", "", tracecarrier.AsGiven},
		{"traceparent takes long keys", traceparent, long, "", onlyParent, parent, "321259816771882066798186582595123502965", tracecarrier.InjectedTraceparent},
		{"traceparent leaves keys alone that the service refuses", traceparent, tooLong, "", onlyParent, tooLong, "", tracecarrier.SkippedKeyLength},
		{"traceparent and an empty key", traceparent, "", "", carried, "", "", tracecarrier.AsGiven},
		{"traceparent and somebody's own", traceparent, parent2, "", carried, parent2, "", tracecarrier.Existing},
		{"traceparent does not escape", traceparent, lookAlike, "", none, lookAlike, "", tracecarrier.AsGiven},
		{"traceparent and invalid UTF-8", traceparent, invalid, "", carried, invalid, "", tracecarrier.SkippedInvalidUTF8},
		{"traceparent, existing trusted", tracecarrier.Writer{Carrier: tracecarrier.Traceparent, TrustExisting: true}, lookAlike, "", carried, lookAlike, bobHash, tracecarrier.Kept},

		{"partition-key sets no hash key", firstTry, "group-1", "", carried, parent, "", tracecarrier.InjectedTraceparent},
		{"partition-key keeps a hash key", firstTry, "group-1", "42", carried, parent, "42", tracecarrier.InjectedTraceparent},
		{"partition-key without a context", firstTry, "group-1", "", none, "group-1", "", tracecarrier.AsGiven},
		{"partition-key, existing trusted, sets no hash key", tracecarrier.Writer{Carrier: tracecarrier.PartitionKey, TrustExisting: true}, lookAlike, "", carried, lookAlike, "", tracecarrier.Kept},

		{"lossless", lossless, "group-1", "", carried, parent + "-k1;s10:vendor=abc;b8:tenant=7=group-1", group1Hash, tracecarrier.Injected},
		{"baggage alone", lossless, "group-1", "", kinetrail.TraceContext{Parent: parent, Baggage: "tenant=7"}, parent + "-k1;b8:tenant=7=group-1", group1Hash, tracecarrier.Injected},
		{"unknown flags are cleared", lossless, "group-1", "", kinetrail.TraceContext{Parent: parent[:53] + "ff"}, parent[:53] + "03-k1=group-1", group1Hash, tracecarrier.Injected},
		{"unknown flags are cleared, lower digit", lossless, "group-1", "", kinetrail.TraceContext{Parent: parent[:53] + "0a"}, parent[:53] + "02-k1=group-1", group1Hash, tracecarrier.Injected},
		{"a bad parent carries nothing", lossless, "group-1", "", kinetrail.TraceContext{Parent: parent + "-x", State: "a=b"}, "group-1", "", tracecarrier.AsGiven},
		{"an upper-case parent carries nothing", lossless, "group-1", "", kinetrail.TraceContext{Parent: strings.ToUpper(parent)}, "group-1", "", tracecarrier.AsGiven},
		{"a parent of zeros carries nothing", lossless, "group-1", "", kinetrail.TraceContext{Parent: escape[:55]}, "group-1", "", tracecarrier.AsGiven},
		{"a parent without a span id carries nothing", lossless, "group-1", "", kinetrail.TraceContext{Parent: parent[:36] + escape[36:55]}, "group-1", "", tracecarrier.AsGiven},
		{"a state without a parent carries nothing", lossless, "group-1", "", kinetrail.TraceContext{State: "a=b"}, "group-1", "", tracecarrier.AsGiven},
		{"a state with a line break is left out", lossless, "group-1", "", kinetrail.TraceContext{Parent: parent, State: "a=b\n", Baggage: "tenant=7"}, parent + "-k1;b8:tenant=7=group-1", group1Hash, tracecarrier.Injected},
		{"baggage beyond ASCII is left out", lossless, "group-1", "", kinetrail.TraceContext{Parent: parent, State: "a=b", Baggage: "tenant=é"}, parent + "-k1;s3:a=b=group-1", group1Hash, tracecarrier.Injected},
		{"a key that reads as escaped is escaped", lossless, escape + "x", "9", none, escape + escape + "x", "9", tracecarrier.Escaped},
		{"escaping sets the hash key of the whole key", lossless, lookAlike, "", none, escape + lookAlike, wantHashKey(lookAlike), tracecarrier.Escaped},
		{"a longer look-alike is ambiguous", lossless, longLook, "", onlyParent, longLook, "", tracecarrier.Ambiguous},
		{"a longer look-alike is ambiguous without a context", lossless, longLook, "", none, longLook, "", tracecarrier.Ambiguous},
		{"a longer look-alike, lossy", lenient, longLook, "", onlyParent, parent, wantHashKey(longLook), tracecarrier.InjectedTraceparent},
		{"a longer look-alike, lossy, without a context", lenient, longLook, "", none, longLook, "", tracecarrier.Ambiguous},
		{"a long key, lossy, that the service refuses", lenient, tooLong, "", onlyParent, tooLong, "", tracecarrier.SkippedKeyLength},
		{"invalid UTF-8", lossless, invalid, "", carried, invalid, "", tracecarrier.SkippedInvalidUTF8},
		{"invalid UTF-8 without a context", lossless, invalid, "", none, invalid, "", tracecarrier.AsGiven},
		{"an invalid look-alike is not escaped", lossless, lookAlike + "\xff", "", none, lookAlike + "\xff", "", tracecarrier.SkippedInvalidUTF8},
		{"a surrogate half is invalid", lossless, "\xed\xa0\x80", "", carried, "\xed\xa0\x80", "", tracecarrier.SkippedInvalidUTF8},
		{"the replacement character is valid", lossless, "\uFFFD", "7", onlyParent, parent + "-k1=\uFFFD", "7", tracecarrier.Injected},

		{"trusted, without a context", trusting, lookAlike, "", none, lookAlike, bobHash, tracecarrier.Kept},
		{"trusted, with a hash key", trusting, lookAlike, "42", carried, lookAlike, "42", tracecarrier.Kept},
		{"trusted escape", trusting, escape + "bob", "", carried, escape + "bob", bobHash, tracecarrier.Kept},
		{"trusted higher version: its original is not known", trusting, newer, "", carried, newer, "", tracecarrier.Kept},
		{"trusting does not touch plain keys", trusting, "group-1", "", onlyParent, parent + "-k1=group-1", group1Hash, tracecarrier.Injected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, hashKey, outcome := tt.writer.Write(tt.key, tt.hashKey, tt.trace)
			if key != tt.wantKey || hashKey != tt.wantHashKey || outcome != tt.want {
				t.Errorf("%+v.Write(%q, %q, %+v)\n got %q, %q, %s\nwant %q, %q, %s", tt.writer, tt.key, tt.hashKey, tt.trace,
					key, hashKey, outcome, tt.wantKey, tt.wantHashKey, tt.want)
			}
		})
	}
}

func TestWriteAllocatesOnceAtMost(t *testing.T) {
	lossless := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	for _, tt := range []struct {
		name   string
		writer tracecarrier.Writer
		key    string
		trace  kinetrail.TraceContext
		want   float64
	}{
		{"a key without a context", lossless, "group-1", kinetrail.TraceContext{}, 0},
		{"a key that is too long", lossless, strings.Repeat("é", 198), carried, 0},
		{"an extended key with everything", lossless, "é-🙂-漢字", carried, 1},
		{"unknown flags", lossless, "group-1", kinetrail.TraceContext{Parent: parent[:53] + "ff"}, 1},
		{"an escaped key", lossless, parent + "-k1=bob", kinetrail.TraceContext{}, 1},
		{"a bare traceparent", tracecarrier.Writer{Carrier: tracecarrier.Traceparent}, "group-1", carried, 1},
		{"a key kept as it is", tracecarrier.Writer{Carrier: tracecarrier.Lossless, TrustExisting: true}, parent + "-k1=bob", carried, 1},
	} {
		got := testing.AllocsPerRun(100, func() { tt.writer.Write(tt.key, "", tt.trace) })
		if got != tt.want {
			t.Errorf("%s: Write allocates %v times, want %v", tt.name, got, tt.want)
		}
	}
}

func TestOutcomesSayWhatToCount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		outcome  tracecarrier.Outcome
		injected bool
		reason   string
	}{
		{tracecarrier.AsGiven, false, ""},
		{tracecarrier.Injected, true, ""},
		{tracecarrier.InjectedTraceparent, true, ""},
		{tracecarrier.Escaped, false, ""},
		{tracecarrier.Existing, false, "existing"},
		{tracecarrier.Kept, false, "existing"},
		{tracecarrier.Ambiguous, false, "key_length"},
		{tracecarrier.SkippedKeyLength, false, "key_length"},
		{tracecarrier.SkippedInvalidUTF8, false, "invalid_utf8"},
		{tracecarrier.SkippedNoCarrier, false, "no_carrier"},
		{tracecarrier.SkippedSize, false, "size"},
		{tracecarrier.SkippedAggregated, false, "aggregated"},
	} {
		if got := tt.outcome.Injected(); got != tt.injected {
			t.Errorf("%s.Injected() = %t, want %t", tt.outcome, got, tt.injected)
		}
		if got := tt.outcome.SkipReason(); got != tt.reason {
			t.Errorf("%s.SkipReason() = %q, want %q", tt.outcome, got, tt.reason)
		}
	}
}
