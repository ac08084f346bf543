package tracecarrier_test

import (
	"regexp"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestEveryByteInEveryPlaceOfATraceparentIsJudged(t *testing.T) {
	t.Parallel()
	valid := regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
	for _, parent := range []string{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-ffffffffffffffff9999999999999999-aaaaaaaaaaaaaaaa-00",
	} {
		for place := range parent {
			for c := range 256 {
				text := parent[:place] + string([]byte{byte(c)}) + parent[place+1:]
				if got, want := tracecarrier.ValidTraceparent(text), valid.MatchString(text); got != want {
					t.Errorf("ValidTraceparent(%q) = %t; want %t", text, got, want)
				}
			}
		}
	}
}

func TestHeaderNamesAreComparedAsUnicodeFoldsThem(t *testing.T) {
	t.Parallel()
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, name := range []string{"tracestate", "TraceState", "traceſtate", "TRACEſTATE"} {
		got, ok := tracecarrier.FromHeaders([]kinetrail.Header{{Name: "TRACEPARENT", Value: parent}, {Name: "trace", Value: "?"}, {Name: name, Value: "a=b"}})
		if !ok || got.State != "a=b" {
			t.Errorf("a tracestate called %q: %v, %t; want it found", name, got, ok)
		}
	}
}
