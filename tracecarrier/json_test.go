package tracecarrier_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestFromJSONFindsContextsThatOtherToolsWrote(t *testing.T) {
	t.Parallel()
	only := func(parent string) kinetrail.TraceContext { return kinetrail.TraceContext{Parent: parent} }
	const (
		ddSampled = "00-640cfd8d0000000000000000075bcd15-000000003ade68b1-01"
		ddShort   = "00-00000000000000000000000075bcd150-000000003ade68b1-00"
	)
	for _, tt := range []struct {
		name string
		data string
		want kinetrail.TraceContext
	}{
		{"top level", `{"id":1,"traceparent":"` + parent + `","tracestate":"vendor=abc"}`, kinetrail.TraceContext{Parent: parent, State: "vendor=abc"}},
		{"white space", " {\r\n\t\"traceparent\" : \"" + parent + "\" } ", only(parent)},
		{"behind nested values", `{"a":{"traceparent":"` + parent2 + `"},"b":[1,{"c":"}]\""}],"d":null,"traceparent":"` + parent + `"}`, only(parent)},
		{"before nested values", `{"traceparent":"` + parent + `","a":[[["x"]]],"b":{"c":-1.5e3}}`, only(parent)},
		{"escapes in the tracestate", `{"traceparent":"` + parent + `","tracestate":"a=\u0062\/\"c"}`, kinetrail.TraceContext{Parent: parent, State: `a=b/"c`}},
		{"a tracestate that cannot be carried", `{"traceparent":"` + parent + `","tracestate":"a=\n"}`, only(parent)},
		{"a tracestate with a bad escape", `{"traceparent":"` + parent + `","tracestate":"a=\q"}`, only(parent)},
		{"a tracestate that is no text", `{"traceparent":"` + parent + `","tracestate":{"a":"b"}}`, only(parent)},
		{"the last of a name", `{"traceparent":"` + parent2 + `","traceparent":"` + parent + `"}`, only(parent)},
		{"unknown flags", `{"traceparent":"` + parent[:53] + `09"}`, only(parent)},
		{"the first of several lines", `{"traceparent":"` + parent + `"}` + "\n" + `{"traceparent":"` + parent2 + `"}`, only(parent)},
		{"_datadog with a traceparent", `{"_datadog":{"x-datadog-trace-id":"1","x-datadog-parent-id":"2","traceparent":"` + parent + `","tracestate":"dd=s:1"},"id":1}`,
			kinetrail.TraceContext{Parent: parent, State: "dd=s:1"}},
		{"top level wins over _datadog", `{"_datadog":{"traceparent":"` + parent2 + `"},"traceparent":"` + parent + `"}`, only(parent)},
		{"a bad top level leaves _datadog", `{"_datadog":{"traceparent":"` + parent2 + `"},"traceparent":"?"}`, only(parent2)},
		{"_datadog of its own kind", `{"_datadog":{"x-datadog-trace-id":"123456789","x-datadog-parent-id":"987654321","x-datadog-sampling-priority":"1","x-datadog-tags":"_dd.p.dm=-1,_dd.p.tid=640cfd8d00000000"}}`, only(ddSampled)},
		{"_datadog in numbers", `{"_datadog":{"x-datadog-trace-id":123456789,"x-datadog-parent-id":987654321,"x-datadog-sampling-priority":2,"x-datadog-tags":"_dd.p.tid=640cfd8d00000000"}}`, only(ddSampled)},
		{"_datadog of 64 bits, dropped", `{"_datadog":{"x-datadog-trace-id":"1975308624","x-datadog-parent-id":"987654321","x-datadog-sampling-priority":"-1"}}`, only(ddShort)},
		{"_datadog without a priority", `{"_datadog":{"x-datadog-trace-id":"1975308624","x-datadog-parent-id":"987654321","x-datadog-tags":"_dd.p.tid=640CFD8D"}}`, only(ddShort)},

		{"nothing", ``, only("")},
		{"no object", `["traceparent","` + parent + `"]`, only("")},
		{"a word", `"traceparent"`, only("")},
		{"no JSON", `x {"traceparent":"` + parent + `"}`, only("")},
		{"cut off", `{"traceparent":"` + parent + `"`, only("")},
		{"cut off in a string", `{"traceparent":"` + parent, only("")},
		{"cut off in an escape", `{"traceparent":"` + parent + `","a":"\`, only("")},
		{"cut off in a nested value", `{"traceparent":"` + parent + `","a":[{`, only("")},
		{"cut off in a nested string", `{"traceparent":"` + parent + `","a":["`, only("")},
		{"no value", `{"traceparent":}`, only("")},
		{"no colon", `{"traceparent" "` + parent + `"}`, only("")},
		{"a trailing comma", `{"traceparent":"` + parent + `",}`, only("")},
		{"only nested", `{"a":{"traceparent":"` + parent + `"}}`, only("")},
		{"nested in nested", `{"_datadog":{"_datadog":{"traceparent":"` + parent + `"}}}`, only("")},
		{"_datadog in an array", `{"_datadog":[{"traceparent":"` + parent + `"}]}`, only("")},
		{"_datadog cut off", `{"_datadog":{"traceparent":"` + parent + `"`, only("")},
		{"zero ids", `{"_datadog":{"x-datadog-trace-id":"0","x-datadog-parent-id":"2"}}`, only("")},
		{"no span", `{"_datadog":{"x-datadog-trace-id":"1"}}`, only("")},
		{"more than 64 bits", `{"_datadog":{"x-datadog-trace-id":"18446744073709551616","x-datadog-parent-id":"2"}}`, only("")},
		{"a traceparent that is a number", `{"traceparent":1}`, only("")},
		{"Datadog's headers at top level are nobody's", `{"_datadog":1,"x-datadog-trace-id":"1","x-datadog-parent-id":"2"}`, only("")},
		{"too large", `{"traceparent":"` + parent + `","a":"` + strings.Repeat("x", tracecarrier.MaxJSONBytes) + `"}`, only("")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := []byte(tt.data)
			got, ok := tracecarrier.FromJSON(data)
			if got != tt.want || ok == tt.want.IsZero() {
				t.Errorf("FromJSON(%.200s) = %+v, %t; want %+v, %t", tt.data, got, ok, tt.want, !tt.want.IsZero())
			}
			if !bytes.Equal(data, []byte(tt.data)) {
				t.Errorf("FromJSON changed its data to %.200s", data)
			}
		})
	}
}

func TestFromJSONAllocatesOnlyForWhatItFinds(t *testing.T) {
	for _, tt := range []struct {
		data string
		want float64
	}{
		{`{"id":1,"name":"a"}`, 0},
		{`{"a":{"traceparent":"` + parent + `"},"b":[1,2,3],"c":"d"}`, 0},
		{`{"traceparent":"` + parent + `","tracestate":"vendor=abc"}`, 2},
	} {
		data := []byte(tt.data)
		if got := testing.AllocsPerRun(100, func() { tracecarrier.FromJSON(data) }); got > tt.want {
			t.Errorf("FromJSON(%s) allocates %v times, want at most %v", tt.data, got, tt.want)
		}
	}
}

func TestFromJSONSurvivesAnyDepth(t *testing.T) {
	t.Parallel()
	deep := `{"a":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000) + `,"traceparent":"` + parent + `"}`
	if got, ok := tracecarrier.FromJSON([]byte(deep)); !ok || got.Parent != parent {
		t.Errorf("FromJSON of 100,000 nested arrays = %+v, %t; want the context behind them", got, ok)
	}
}
