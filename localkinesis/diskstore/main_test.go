//go:build unix

package diskstore_test

import (
	"fmt"
	"os"
	"testing"
)

// The test binary is also the programs that some tests start: this variable
// says which.
const childVariable = "KINETRAIL_DISKSTORE_CHILD"

var children = map[string]func() error{
	"server": serveUntilKilled,
}

func TestMain(m *testing.M) {
	child := children[os.Getenv(childVariable)]
	if child == nil {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
