package tracecarrier_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func FuzzRead(f *testing.F) {
	for _, v := range loadVectors(f).Read {
		f.Add(v.StoredKey)
	}
	f.Add(parent + "-k1;s999:")
	f.Add(parent + "-k1;\xff1:a=x")
	f.Add(escape + escape + "x")
	f.Fuzz(func(t *testing.T, stored string) {
		got := tracecarrier.Read(stored)
		if !strings.HasSuffix(stored, got.PartitionKey) || (got.PartitionKey == "" && stored != "") {
			t.Fatalf("Read(%q) = %+v: the key is no end of what is stored", stored, got)
		}
		if whole := got.PartitionKey == stored; whole == (got.Form == tracecarrier.FormExtended || got.Form == tracecarrier.FormEscaped) {
			t.Fatalf("Read(%q) = %+v: only extended and escaped keys hold an original", stored, got)
		}
		carries := got.Form != tracecarrier.FormPlain && got.Form != tracecarrier.FormEscaped
		if carries != tracecarrier.ValidTraceparent(got.Trace.Parent) || carries == got.Trace.IsZero() {
			t.Fatalf("Read(%q) = %+v: the context does not fit the form", stored, got)
		}
		if carries && (got.Trace.Parent[53] != '0' || got.Trace.Parent[54] > '3') {
			t.Fatalf("Read(%q) = %+v: unknown flags", stored, got)
		}
		if got.Malformed && got.Form != tracecarrier.FormPlain {
			t.Fatalf("Read(%q) = %+v: only a plain key is malformed", stored, got)
		}
		// Writing what was read and reading it again gives the same.
		if got.Form != tracecarrier.FormExtended || !utf8.ValidString(stored) || utf16Length(stored) > 256 {
			return
		}
		w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
		again, _, outcome := w.Write(got.PartitionKey, "", got.Trace)
		if outcome == tracecarrier.Existing {
			return // the original is a bare traceparent, which nobody wraps
		}
		if back := tracecarrier.Read(again); outcome != tracecarrier.Injected || back != got {
			t.Fatalf("Read(%q) = %+v, written again (%s) and read: %+v", stored, got, outcome, back)
		}
	})
}

func FuzzWriteAndRead(f *testing.F) {
	for _, v := range loadVectors(f).WriteLossless {
		var c vectorContext
		if v.Context != nil {
			c = *v.Context
		}
		f.Add(v.Key, v.Options.ExplicitHashKey, c.Traceparent, c.Tracestate, c.Baggage)
	}
	f.Add(parent+"-k1;s3:a=b=x", "", "", "", "")
	f.Add(escape+"x", "", parent2, "a=b", "c=d")
	f.Add("\xff", "", parent, "", "")
	f.Fuzz(func(t *testing.T, key, hashKey, parent, state, baggage string) {
		trace := kinetrail.TraceContext{Parent: parent, State: state, Baggage: baggage}
		for _, c := range []tracecarrier.Carrier{"", tracecarrier.Off, tracecarrier.PartitionKey, tracecarrier.Traceparent, tracecarrier.Lossless, tracecarrier.Headers} {
			for _, w := range []tracecarrier.Writer{{Carrier: c}, {Carrier: c, TrustExisting: true}, {Carrier: c, LongKey: tracecarrier.TraceparentForLongKeys}} {
				stored, storedHash, outcome := w.Write(key, hashKey, trace)
				if hashKey != "" && storedHash != hashKey {
					t.Fatalf("%+v.Write(%q, %q, %+v) = %q, %q, %s: the explicit hash key is lost", w, key, hashKey, trace, stored, storedHash, outcome)
				}
				if stored != key && (utf16Length(stored) > 256 || !utf8.ValidString(stored)) {
					t.Fatalf("%+v.Write(%q, %q, %+v) = %q, %q, %s: the service refuses the key", w, key, hashKey, trace, stored, storedHash, outcome)
				}
				if rewritten := outcome.Injected() || outcome == tracecarrier.Escaped; rewritten != (stored != key) {
					t.Fatalf("%+v.Write(%q, %q, %+v) = %q, %q, %s: key and outcome contradict each other", w, key, hashKey, trace, stored, storedHash, outcome)
				}
				if stored == key && storedHash != hashKey && outcome != tracecarrier.Kept {
					t.Fatalf("%+v.Write(%q, %q, %+v) = %q, %q, %s: a hash key without need", w, key, hashKey, trace, stored, storedHash, outcome)
				}
			}
		}
		if !utf8.ValidString(key) {
			return
		}
		checkRoundTrip(t, key, hashKey, wellFormed(trace))
	})
}

// wellFormed is what a writer takes of any context.
func wellFormed(trace kinetrail.TraceContext) kinetrail.TraceContext {
	printable := func(s string) string {
		if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
			return ""
		}
		return s
	}
	if !tracecarrier.ValidTraceparent(trace.Parent) {
		return kinetrail.TraceContext{}
	}
	flags := trace.Parent[54]
	if flags > '9' {
		flags += 9 // 'a' is 0x61: its low bits are those of 0xA after adding 9
	}
	return kinetrail.TraceContext{
		Parent:  trace.Parent[:53] + "0" + string(rune('0'+flags&3)),
		State:   printable(trace.State),
		Baggage: printable(trace.Baggage),
	}
}

func FuzzFromJSON(f *testing.F) {
	for _, seed := range []string{
		`{"traceparent":"` + parent + `","tracestate":"a=b"}`,
		`{"_datadog":{"x-datadog-trace-id":"123456789","x-datadog-parent-id":"987654321","x-datadog-tags":"_dd.p.tid=640cfd8d00000000"}}`,
		`{"a":[{"b":"\\\""},1,null],"traceparent":"` + parent + `"}`,
		`{"traceparent":"` + parent + `","tracestate":"\u00`,
		`{"traceparent":[]}`, `{"_datadog":{`, `{`, `[`, ``, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		got, ok := tracecarrier.FromJSON(data)
		if !bytes.Equal(data, before) {
			t.Fatalf("FromJSON(%q) changed its data to %q", before, data)
		}
		if ok != tracecarrier.ValidTraceparent(got.Parent) || ok == got.IsZero() {
			t.Fatalf("FromJSON(%q) = %+v, %t: no valid context", data, got, ok)
		}
		// For proper JSON without escapes the standard library agrees.
		var members map[string]json.RawMessage
		if bytes.ContainsRune(data, '\\') || !utf8.Valid(data) || json.Unmarshal(data, &members) != nil {
			return
		}
		var want kinetrail.TraceContext
		_ = json.Unmarshal(members["traceparent"], &want.Parent)
		_ = json.Unmarshal(members["tracestate"], &want.State)
		if want = wellFormed(want); !want.IsZero() && got != want {
			t.Fatalf("FromJSON(%q) = %+v, want %+v", data, got, want)
		}
	})
}
