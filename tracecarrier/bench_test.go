package tracecarrier_test

import (
	"crypto/md5"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func BenchmarkWriteLossless(b *testing.B) {
	for _, bb := range []struct {
		name  string
		key   string
		trace kinetrail.TraceContext
	}{
		{"group-1", "group-1", kinetrail.TraceContext{Parent: parent}},
		{"uuid", "1f8b5a52-7a3e-4a55-9f0b-3f6f6a0f9b11", kinetrail.TraceContext{Parent: parent}},
		{"unicode", "é-🙂-漢字", kinetrail.TraceContext{Parent: parent}},
		{"tracestate+baggage", "group-1", carried},
		{"197-units", strings.Repeat("x", 197), kinetrail.TraceContext{Parent: parent}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
			b.ReportAllocs()
			for b.Loop() {
				w.Write(bb.key, "", bb.trace)
			}
		})
	}
}

func BenchmarkWriteNoContext(b *testing.B) {
	w := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	b.ReportAllocs()
	for b.Loop() {
		w.Write("group-1", "", kinetrail.TraceContext{})
	}
}

func BenchmarkReadExtended(b *testing.B) {
	const stored = parent + "-k1;s10:vendor=abc=group-1"
	b.ReportAllocs()
	for b.Loop() {
		tracecarrier.Read(stored)
	}
}

func BenchmarkReadPlain(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		tracecarrier.Read("group-1")
	}
}

// BenchmarkHashKey compares the hash key in decimal with the MD5 it needs, in
// the same run, because both depend on the machine.
func BenchmarkHashKey(b *testing.B) {
	const key = "group-1"
	b.Run("decimal", func(b *testing.B) {
		var buf [shardmap.MaxHashKeyDigits]byte
		b.ReportAllocs()
		for b.Loop() {
			shardmap.HashKeyOf(key).AppendDecimal(buf[:0])
		}
	})
	b.Run("crypto-md5", func(b *testing.B) {
		data := []byte(key)
		b.ReportAllocs()
		for b.Loop() {
			md5.Sum(data)
		}
	})
}

func BenchmarkFromJSON(b *testing.B) {
	filler := `"name":"` + strings.Repeat("x", 400) + `","items":[` + strings.Repeat(`{"id":1,"price":2.50},`, 20) + `{}]`
	for _, bb := range []struct{ name, data string }{
		{"without", `{` + filler + `}`},
		{"traceparent", `{` + filler + `,"traceparent":"` + parent + `"}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			data := []byte(bb.data)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				tracecarrier.FromJSON(data)
			}
		})
	}
}
