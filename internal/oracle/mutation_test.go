package oracle

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutation is a way to break the code: one text in one file, which must be there
// exactly once, is replaced by another.
type mutation struct {
	name string
	file string // from the root of the module
	old  string
	new  string
}

var mutations = []mutation{
	{
		name: "no fencing",
		file: "lease/change.go",
		old:  `return exists && held.Owner != "" && row.Owner == held.Owner && row.Counter == held.Counter`,
		new:  `return exists && held.Owner != ""`,
	},
	{
		name: "no parent check",
		file: "consumer/shardsync.go",
		old:  `return len(waitingFor(l, leases, shards, only)) == 0`,
		new:  `return true`,
	},
	{
		name: "no flush at the end of a shard",
		file: "consumer/dispatch.go",
		old:  "b.t.through = true\n\t\t\t\treturn b.flush()",
		new:  "b.t.through = true\n\t\t\t\treturn nil",
	},
	{
		name: "checkpoint beyond a gap",
		file: "consumer/checkpoint.go",
		old:  "t.marks[i].done = true\n",
		new:  "t.marks[i].done = true\n\tif t.done.Compare(t.marks[i].position) < 0 {\n\t\tt.done = t.marks[i].position\n\t}\n",
	},
	{
		name: "lease loss ignored",
		file: "consumer/renew.go",
		old:  `t.cancel(fmt.Errorf("shard %s: %w", t.shardID, err))`,
		new:  `_ = fmt.Errorf("shard %s: %w", t.shardID, err)`,
	},
}

// programsToCatch is within how many programs each mutation is caught. The hardest
// to see is no fencing, which one program in twelve shows; which one does depends
// on the schedule of goroutines. That none of 500 does happens once in 10^18 runs.
const programsToCatch = 500

// TestMutationsAreCaught builds this test with each mutation of the code and
// runs its programs until one is judged wrong.
func TestMutationsAreCaught(t *testing.T) {
	t.Parallel()
	for _, m := range mutations[:mutationsToTry()] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			binary := m.build(t)
			run := exec.Command(binary, "-test.run=^TestPrograms$", "-seed=1", fmt.Sprintf("-programs=%d", programsToCatch))
			output, err := run.CombinedOutput()
			seed := regexp.MustCompile(`(?m)^\s*seed (\d+)$`).FindSubmatch(output)
			if err == nil || seed == nil {
				t.Fatalf("%d programs run with the mutation: %v\n%s", programsToCatch, err, output)
			}
			_, found, _ := strings.Cut(string(output), "wrong:\n")
			first, _, _ := strings.Cut(found, "\n")
			t.Logf("caught by seed %s: %s", seed[1], strings.TrimSpace(first))
		})
	}
}

// usualMutations are tried when nothing else is asked for: each takes a build.
const usualMutations = 2

func mutationsToTry() int {
	if *allMutationsFlag {
		return len(mutations)
	}
	return usualMutations
}

// build builds this package's test with the mutation laid over its file.
func (m mutation) build(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("%s holds %q %d times; want once: the code has changed, and the mutation has to follow", m.file, m.old, n)
	}
	dir := t.TempDir()
	mutated, overlay, binary := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "oracle.test")
	write(t, mutated, []byte(strings.Replace(string(source), m.old, m.new, 1)))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, overlay, replace)
	build := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", binary, ".")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go test -c with the mutation: %v\n%s", err, output)
	}
	return binary
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
