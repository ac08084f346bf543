package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// What the README calls, so that the go command does not take an earlier
	// result of these tests for one of now.
	_ "github.com/kinetrail/kinetrail/consumer"
	_ "github.com/kinetrail/kinetrail/kinesislambda"
	_ "github.com/kinetrail/kinetrail/kinesismiddleware"
	_ "github.com/kinetrail/kinetrail/lease/memlease"
	_ "github.com/kinetrail/kinetrail/producer"
)

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "kinetrail-docs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = folder
	code := m.Run()
	_ = os.RemoveAll(shared)
	os.Exit(code)
}

func readReadme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryBlockOfTheReadmeRuns(t *testing.T) {
	t.Parallel()
	for _, f := range play(t, readReadme(t)) {
		t.Error(f)
	}
}

// damage breaks one block of the README.
type damage struct {
	broken   string // in the block, and nowhere before it
	by       string
	complain string // the failure says so
}

func TestABlockThatIsBrokenOnPurposeFails(t *testing.T) {
	t.Parallel()
	for name, damages := range map[string][]damage{
		"does something else": {
			{"kinetrail demo\n", "kinetrail demo --shards 0\n", "exit status 2"},
			{"go test ./...\n", "go test ./producer\n", "no rule for the command"},
			{"-n 1 -o json\n", "-n 1 -o raw\n", "which is no JSON"},
			{`fmt.Println("stored on", result.ShardID)`, `fmt.Println("stored", result.ShardID)`, `want "stored on shardId-`},
			{"r.PartitionKey, r.Data)\n\t\treturn nil // done", "r.StoredPartitionKey, r.Data)\n\t\treturn nil // done", "want " + fmt.Sprintf("%q", handledLine)},
			{"AppendMiddlewares(&cfg.APIOptions)", "AppendMiddlewares(&new(aws.Config).APIOptions)", `there is no span "put_record orders"`},
			{"r.PartitionKey, r.Data)\n\t\treturn nil\n", "r.Data, r.PartitionKey)\n\t\treturn nil\n", "the function prints"},
			{`{"orders": 4}`, `{"others": 4}`, "--- FAIL: TestOrders"},
		},
		"does not compile or start": {
			{"```text\n", "```picture\n", `no rule for the language "picture"`},
			{"kinetrail demo\n", "kinetrail demmo\n", "exit status 2"},
			{"kinetrail serve\n", "kinetrail serve --strem orders:1\n", "exit status 2"},
			{"-n 1 -o json\n", "-n 1 -o json\nmake coffee\n", "no rule for the command"},
			{"orders.Put(ctx,", "orders.Push(ctx,", "orders.Push undefined"},
			{"group.Run(ctx,", "group.Run(", "not enough arguments"},
			{"AppendMiddlewares(&cfg", "AppendMiddlewares(cfg", "cannot use cfg.APIOptions"},
			{"kinesislambda.Records(", "kinesislambda.Record(", "undefined: kinesislambda.Record"},
			{"put(t.Context(), ", "put(t.Context, ", "it does not compile"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := readReadme(t)
			for _, d := range damages {
				if strings.Count(text, d.broken) == 0 {
					t.Fatalf("the README has no %q to break", d.broken)
				}
				text = strings.Replace(text, d.broken, d.by, 1)
			}
			blocks, err := blocksOf("README.md", text)
			if err != nil {
				t.Fatal(err)
			}
			failures := play(t, text)
			for _, d := range damages {
				broken := slices.IndexFunc(blocks, func(b block) bool {
					return strings.Contains(fence+b.language+"\n"+b.text, d.by)
				})
				told := func(f failure) bool { return f.block == blocks[broken] && strings.Contains(f.Error(), d.complain) }
				if !slices.ContainsFunc(failures, told) {
					t.Errorf("with %q instead of %q the failures are\n%s\nwant one of %v that says %q", d.by, d.broken, list(failures), blocks[broken], d.complain)
				}
			}
		})
	}
}

func list(failures []failure) string {
	var text strings.Builder
	for _, f := range failures {
		fmt.Fprintln(&text, f)
	}
	return text.String()
}
