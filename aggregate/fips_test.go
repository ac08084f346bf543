package aggregate_test

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"

	"github.com/kinetrail/kinetrail/aggregate"
)

// The test runs itself a second time in a process that allows FIPS 140
// algorithms only, in which crypto/md5 refuses to work.
func TestContainersWorkWhereOnlyFIPSAlgorithmsAreAllowed(t *testing.T) {
	t.Parallel()
	const setting = "GODEBUG=fips140=only"
	if !fips140.Enforced() {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), setting)
		if output, err := child.CombinedOutput(); err != nil {
			t.Errorf("under %s: %v\n%s", setting, err, output)
		}
		return
	}
	records := []aggregate.UserRecord{{PartitionKey: "a", Data: []byte("x")}}
	got, err := aggregate.Split(build(records), nil)
	if err != nil || !sameRecords(got, records) {
		t.Errorf("Split = %v,%s\nwant%s", err, describe(got), describe(records))
	}
	if key, err := records[0].HashKey(); err != nil || key.String() != "16955237001963240173058271559858726497" {
		t.Errorf("HashKey() of key a = %v, %v; want its MD5", key, err)
	}
}
