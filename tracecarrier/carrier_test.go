package tracecarrier_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestParseCarrierKnowsEveryCarrierByName(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"off", "partition-key", "traceparent", "lossless", "headers"} {
		if got, err := tracecarrier.ParseCarrier(text); string(got) != text || err != nil {
			t.Errorf("ParseCarrier(%q) = %q, %v; want %q, no error", text, got, err, text)
		}
	}
	for _, text := range []string{"", "Lossless", "none", " off"} {
		got, err := tracecarrier.ParseCarrier(text)
		if got != "" || !errors.Is(err, tracecarrier.ErrInvalidCarrier) {
			t.Errorf("ParseCarrier(%q) = %q, %v; want an error that wraps ErrInvalidCarrier", text, got, err)
		}
	}
}

func TestTheEnvironmentOverridesOnlyWithTheSafeCarriers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value string
		set   bool
		want  tracecarrier.Carrier
		ok    bool
		bad   bool
	}{
		{"", false, "", false, false},
		{"", true, "", false, false},
		{"off", true, tracecarrier.Off, true, false},
		{"traceparent", true, tracecarrier.Traceparent, true, false},
		{"lossless", true, tracecarrier.Lossless, true, false},
		{"partition-key", true, "", false, true},
		{"headers", true, "", false, true},
		{"OFF", true, "", false, true},
		{"true", true, "", false, true},
	} {
		got, ok, err := tracecarrier.FromEnvironment(func(name string) (string, bool) {
			if name != "KINETRAIL_PROPAGATION" {
				t.Errorf("looked up %q, want KINETRAIL_PROPAGATION", name)
			}
			return tt.value, tt.set
		})
		if got != tt.want || ok != tt.ok || errors.Is(err, tracecarrier.ErrInvalidCarrier) != tt.bad || (err != nil) != tt.bad {
			t.Errorf("with %q (set: %t) = %q, %t, %v; want %q, %t, an error: %t", tt.value, tt.set, got, ok, err, tt.want, tt.ok, tt.bad)
		}
		if tt.bad && (!strings.Contains(err.Error(), tt.value) || !strings.Contains(err.Error(), "KINETRAIL_PROPAGATION")) {
			t.Errorf("the error %q names neither the variable nor its value %q", err, tt.value)
		}
	}
}
