package oracle

import (
	"fmt"
	"os"
	"testing"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

// child is what the test binary does instead of its tests, nil when it is the
// tests.
var child func() error

func TestMain(m *testing.M) {
	_ = os.Unsetenv(tracecarrier.EnvironmentVariable) // it would be stronger than the programs
	if child == nil {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
