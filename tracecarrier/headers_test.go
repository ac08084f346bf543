package tracecarrier_test

import (
	"slices"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestAddHeadersLetsTheRecordsOwnWin(t *testing.T) {
	t.Parallel()
	type headers = []kinetrail.Header
	for _, tt := range []struct {
		name  string
		own   headers
		trace kinetrail.TraceContext
		want  headers
	}{
		{"all three", nil, carried, headers{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: "vendor=abc"}, {Name: "baggage", Value: "tenant=7"}}},
		{"behind others", headers{{Name: "type", Value: "a"}}, kinetrail.TraceContext{Parent: parent}, headers{{Name: "type", Value: "a"}, {Name: "traceparent", Value: parent}}},
		{"nothing to add", headers{{Name: "type", Value: "a"}}, kinetrail.TraceContext{}, headers{{Name: "type", Value: "a"}}},
		{"a bad parent", nil, kinetrail.TraceContext{Parent: "00-", State: "a=b"}, nil},
		{"own context", headers{{Name: "TraceParent", Value: parent2}}, carried, headers{{Name: "TraceParent", Value: parent2}}},
		{"own baggage", headers{{Name: "Baggage", Value: "x=1"}}, carried, headers{{Name: "Baggage", Value: "x=1"}, {Name: "traceparent", Value: parent}, {Name: "tracestate", Value: "vendor=abc"}}},
		{"own tracestate", headers{{Name: "tracestate", Value: "x=1"}}, carried, headers{{Name: "tracestate", Value: "x=1"}, {Name: "traceparent", Value: parent}, {Name: "baggage", Value: "tenant=7"}}},
		{"what is not printable", nil, kinetrail.TraceContext{Parent: parent, State: "a=\n", Baggage: "b=é"}, headers{{Name: "traceparent", Value: parent}}},
		{"unknown flags", nil, kinetrail.TraceContext{Parent: parent[:53] + "f1"}, headers{{Name: "traceparent", Value: parent}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tracecarrier.AddHeaders(slices.Clip(tt.own), tt.trace); !slices.Equal(got, tt.want) {
				t.Errorf("AddHeaders(%v, %+v)\n got %v\nwant %v", tt.own, tt.trace, got, tt.want)
			}
		})
	}
}

func TestFromHeadersTakesTheFirstOfEachName(t *testing.T) {
	t.Parallel()
	type headers = []kinetrail.Header
	for _, tt := range []struct {
		name string
		in   headers
		want kinetrail.TraceContext
		ok   bool
	}{
		{"none", nil, kinetrail.TraceContext{}, false},
		{"all three, any case", headers{{Name: "BAGGAGE", Value: "tenant=7"}, {Name: "traceparent", Value: parent}, {Name: "TraceState", Value: "vendor=abc"}}, carried, true},
		{"the first of two", headers{{Name: "traceparent", Value: parent}, {Name: "Traceparent", Value: parent2}}, kinetrail.TraceContext{Parent: parent}, true},
		{"without a traceparent", headers{{Name: "tracestate", Value: "a=b"}, {Name: "baggage", Value: "x=1"}}, kinetrail.TraceContext{}, false},
		{"an extended key is no header", headers{{Name: "traceparent", Value: parent + "-k1=x"}}, kinetrail.TraceContext{}, false},
		{"unknown flags", headers{{Name: "traceparent", Value: parent[:53] + "09"}}, kinetrail.TraceContext{Parent: parent}, true},
		{"what is not printable", headers{{Name: "traceparent", Value: parent}, {Name: "baggage", Value: "x=é"}}, kinetrail.TraceContext{Parent: parent}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := tracecarrier.FromHeaders(tt.in); got != tt.want || ok != tt.ok {
				t.Errorf("FromHeaders(%v) = %+v, %t; want %+v, %t", tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}
