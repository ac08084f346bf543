package kinesismiddleware_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestMain(m *testing.M) {
	// What the developer's shell says about propagation is not what is tested.
	if err := os.Unsetenv(tracecarrier.EnvironmentVariable); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
