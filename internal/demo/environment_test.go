package demo

import (
	"errors"
	"testing"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

// The environment is the process's, so this test is alone.
func TestAForcedCarrierIsRefused(t *testing.T) {
	t.Setenv(tracecarrier.EnvironmentVariable, "off")
	if _, err := Play(t.Context()); !errors.Is(err, ErrPropagationForced) {
		t.Errorf("Play with %s=off returned %v; want %v", tracecarrier.EnvironmentVariable, err, ErrPropagationForced)
	}
}
