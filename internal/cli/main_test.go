package cli

import (
	"context"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// asProgram is the variable with which this test binary is the program itself.
const asProgram = "CLI_TEST_AS_PROGRAM"

// TestMain takes the AWS configuration of the machine away, so that a test
// finds the same everywhere: no region, no credentials.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "KINETRAIL_") {
			os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		os.Setenv(name, value)
	}
	if os.Getenv(asProgram) != "" {
		os.Exit(Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, noVariables))
	}
	goleak.VerifyTestMain(m)
}
