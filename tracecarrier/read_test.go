package tracecarrier_test

import (
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestReadTakesOnlyWhatFollowsTheGrammar(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stored    string
		form      tracecarrier.Form
		key       string
		malformed bool
	}{
		{"", tracecarrier.FormPlain, "", false},
		{"group-1", tracecarrier.FormPlain, "group-1", false},
		{parent[:54], tracecarrier.FormPlain, parent[:54], false},
		{parent + "-k1=" + parent, tracecarrier.FormExtended, parent, false},
		{parent + "-k1=\xff", tracecarrier.FormExtended, "\xff", false},
		{parent + "-k1==", tracecarrier.FormExtended, "=", false},
		{parent + "-k1;b1:=;s1:;=x", tracecarrier.FormExtended, "x", false},
		{parent + "-k1;s0:=x", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s:a=x", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s1:\x7f=x", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s1:\x1f=x", tracecarrier.FormPlain, "", true},
		{parent + "-k1;{1:a=x", tracecarrier.FormPlain, "", true},
		{parent + "-k1;`1:a=x", tracecarrier.FormPlain, "", true},
		{parent + "-k1;z1:a;z1:a=x", tracecarrier.FormPlain, "", true},
		{parent + "-k1;", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s1", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s1:", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s1:a", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s1:a=", tracecarrier.FormPlain, "", true},
		{parent + "-k1;s999:" + strings.Repeat("a", 999) + "=x", tracecarrier.FormExtended, "x", false},
		{parent + "-", tracecarrier.FormPlain, "", true},
		{parent + "-k", tracecarrier.FormPlain, "", true},
		{parent + "-k=x", tracecarrier.FormPlain, "", true},
		{parent + "-k0=x", tracecarrier.FormPlain, "", true},
		{parent + "-k2", tracecarrier.FormPlain, "", true},
		{parent + "-k2x=", tracecarrier.FormPlain, "", true},
		{parent + "_k1=x", tracecarrier.FormPlain, "", true},
		{parent + "-K1=x", tracecarrier.FormPlain, "", true},
		{parent + "-k2=", tracecarrier.FormUnknownVersion, "", false},
		{parent + "-k2;", tracecarrier.FormUnknownVersion, "", false},
		{parent + "-k18446744073709551617=x", tracecarrier.FormUnknownVersion, "", false},
		{escape, tracecarrier.FormPlain, "", true},
		{escape[:55], tracecarrier.FormPlain, "", true},
		{escape + "x", tracecarrier.FormEscaped, "x", false},
		{strings.Replace(escape, "=", ";s1:a=", 1) + "x", tracecarrier.FormPlain, "", true},
		{strings.Replace(escape, "k1", "k2", 1) + "x", tracecarrier.FormPlain, "", true},
		{parent[:36] + "0000000000000000-01-k1=x", tracecarrier.FormPlain, "", true},
		{"0g" + parent[2:], tracecarrier.FormPlain, "", false},
		{strings.Replace(parent, "4bf9", "4Bf9", 1), tracecarrier.FormPlain, "", false},
		{strings.Replace(parent, "4bf9", "4gf9", 1), tracecarrier.FormPlain, "", false},
		{strings.Replace(parent, "4bf9", "4/f9", 1), tracecarrier.FormPlain, "", false},
		{strings.Replace(parent, "4bf9", "4:f9", 1), tracecarrier.FormPlain, "", false},
		{strings.Replace(parent, "4bf9", "4`f9", 1), tracecarrier.FormPlain, "", false},
		{parent[:54] + "g", tracecarrier.FormPlain, "", false},
	} {
		wantKey := tt.key
		if wantKey == "" {
			wantKey = tt.stored
		}
		got := tracecarrier.Read(tt.stored)
		if got.Form != tt.form || got.PartitionKey != wantKey || got.Malformed != tt.malformed {
			t.Errorf("Read(%q)\n got %s, %q, malformed %t\nwant %s, %q, malformed %t", tt.stored,
				got.Form, got.PartitionKey, got.Malformed, tt.form, wantKey, tt.malformed)
		}
	}
}

func TestReadAllocatesOnlyToClearFlags(t *testing.T) {
	for _, tt := range []struct {
		stored string
		want   float64
	}{
		{"group-1", 0},
		{parent, 0},
		{parent + "-k1;s10:vendor=abc;b8:tenant=7=group-1", 0},
		{escape + "group-1", 0},
		{parent[:53] + "09-k1=group-1", 1},
	} {
		if got := testing.AllocsPerRun(100, func() { _ = tracecarrier.Read(tt.stored) }); got != tt.want {
			t.Errorf("Read(%q) allocates %v times, want %v", tt.stored, got, tt.want)
		}
	}
}

func TestRestoreGivesBackWhatTheProducerPut(t *testing.T) {
	t.Parallel()
	headers := []kinetrail.Header{{Name: "TraceParent", Value: parent2}, {Name: "baggage", Value: "tenant=7"}}
	fromHeaders := kinetrail.TraceContext{Parent: parent2, Baggage: "tenant=7"}
	broken := []kinetrail.Header{{Name: "traceparent", Value: "00-zz"}}
	for _, tt := range []struct {
		name    string
		restore func(*kinetrail.Record) tracecarrier.Finding
		record  kinetrail.Record

		wantKey   string
		wantKnown bool
		wantTrace kinetrail.TraceContext
		want      tracecarrier.Finding
	}{
		{"plain", tracecarrier.Restore, kinetrail.Record{StoredPartitionKey: "group-1"},
			"group-1", true, kinetrail.TraceContext{}, tracecarrier.Finding{Form: tracecarrier.FormPlain}},
		{"what an earlier step left behind is replaced", tracecarrier.Restore,
			kinetrail.Record{StoredPartitionKey: "group-1", PartitionKey: "x", Trace: carried},
			"group-1", true, kinetrail.TraceContext{}, tracecarrier.Finding{Form: tracecarrier.FormPlain}},
		{"extended", tracecarrier.Restore, kinetrail.Record{StoredPartitionKey: parent + "-k1=group-1"},
			"group-1", true, kinetrail.TraceContext{Parent: parent}, tracecarrier.Finding{Form: tracecarrier.FormExtended, Extracted: true}},
		{"bare traceparent", tracecarrier.Restore, kinetrail.Record{StoredPartitionKey: parent},
			parent, false, kinetrail.TraceContext{Parent: parent}, tracecarrier.Finding{Form: tracecarrier.FormTraceparent, Extracted: true}},
		{"malformed key", tracecarrier.Restore, kinetrail.Record{StoredPartitionKey: parent + "-x"},
			parent + "-x", true, kinetrail.TraceContext{}, tracecarrier.Finding{Form: tracecarrier.FormPlain, Malformed: true}},
		{"headers win over the key", tracecarrier.Restore, kinetrail.Record{StoredPartitionKey: parent + "-k1=group-1", Headers: headers},
			"group-1", true, fromHeaders, tracecarrier.Finding{Form: tracecarrier.FormExtended, Extracted: true}},

		{"user record, headers", tracecarrier.RestoreUserRecord, kinetrail.Record{PartitionKey: "group-1", StoredPartitionKey: "a", Headers: headers},
			"group-1", true, fromHeaders, tracecarrier.Finding{Form: tracecarrier.FormPlain, Extracted: true}},
		{"user record, inner key is never decoded", tracecarrier.RestoreUserRecord,
			kinetrail.Record{PartitionKey: parent + "-k1=bob", StoredPartitionKey: "a"},
			parent + "-k1=bob", true, kinetrail.TraceContext{}, tracecarrier.Finding{Form: tracecarrier.FormPlain}},
		{"user record, context of the container", tracecarrier.RestoreUserRecord,
			kinetrail.Record{PartitionKey: "group-1", StoredPartitionKey: parent + "-k1=a"},
			"group-1", true, kinetrail.TraceContext{Parent: parent}, tracecarrier.Finding{Form: tracecarrier.FormExtended, Extracted: true}},
		{"user record, its headers win over the container", tracecarrier.RestoreUserRecord,
			kinetrail.Record{PartitionKey: "group-1", StoredPartitionKey: parent, Headers: headers},
			"group-1", true, fromHeaders, tracecarrier.Finding{Form: tracecarrier.FormTraceparent, Extracted: true}},
		{"user record, broken headers", tracecarrier.RestoreUserRecord,
			kinetrail.Record{PartitionKey: "group-1", StoredPartitionKey: "a", Headers: broken},
			"group-1", true, kinetrail.TraceContext{}, tracecarrier.Finding{Form: tracecarrier.FormPlain, Malformed: true}},
		{"user record, broken headers, container with a context", tracecarrier.RestoreUserRecord,
			kinetrail.Record{PartitionKey: "group-1", StoredPartitionKey: parent, Headers: broken},
			"group-1", true, kinetrail.TraceContext{Parent: parent}, tracecarrier.Finding{Form: tracecarrier.FormTraceparent, Extracted: true, Malformed: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := tt.record
			for range 2 { // restoring is repeatable
				found := tt.restore(&r)
				if r.PartitionKey != tt.wantKey || r.OriginalKeyKnown != tt.wantKnown || r.Trace != tt.wantTrace || found != tt.want {
					t.Errorf("restored %+v\n got key %q, known %t, trace %+v, %+v\nwant key %q, known %t, trace %+v, %+v", tt.record,
						r.PartitionKey, r.OriginalKeyKnown, r.Trace, found, tt.wantKey, tt.wantKnown, tt.wantTrace, tt.want)
				}
			}
		})
	}
}
