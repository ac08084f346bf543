package oracle

import (
	"os"
	"testing"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestMain(m *testing.M) {
	_ = os.Unsetenv(tracecarrier.EnvironmentVariable) // it would be stronger than the programs
	os.Exit(m.Run())
}
