package arch

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// root is the module's folder as seen from this package.
const root = "../.."

func report(t *testing.T, wrong []string) {
	t.Helper()
	for _, sentence := range wrong {
		t.Error(sentence)
	}
}

func TestImportsFollowTheArrows(t *testing.T) {
	t.Parallel()
	h := readHouse(t, root)
	for _, name := range []string{".", "shardmap", "internal/arch"} {
		if h.find(name) == nil {
			t.Errorf("package %s was not found under %s", name, root)
		}
	}
	report(t, checkArrows(h, arrows))
}

func TestEveryRowHasItsPackage(t *testing.T) {
	t.Parallel()
	report(t, checkRows(readHouse(t, root), arrows))
}

func TestPurePackagesStartNoGoroutineReadNoClockAndCallNoNetwork(t *testing.T) {
	t.Parallel()
	report(t, checkPurity(readHouse(t, root), pure))
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	report(t, checkComments(readHouse(t, root)))
}

func TestImportingAPackageLinksNoMoreThanItsRowSays(t *testing.T) {
	t.Parallel()
	report(t, checkLinks(linkedModules(t), arrows))
}

// A heavy supplier serves one adapter or one program. Whatever the table says,
// it comes to nobody who did not import that adapter. CBOR is one of the wire
// formats of the local server.
func TestNoImportablePackageLinksTheHeavySuppliers(t *testing.T) {
	t.Parallel()
	heavy := []string{"redis", "valkey", "dynamodb", "prometheus", "cobra", "pflag", "bbolt", "otel/sdk", "grpc"}
	adapters := map[string]string{"metrics/promsink": "prometheus", "lease/redislease": "redis", "lease/dynamolease": "dynamodb"}
	for name, modules := range linkedModules(t) {
		banned := heavy
		if !strings.HasPrefix(name, "localkinesis") {
			banned = append(slices.Clone(heavy), "cbor")
		}
		if supplier, adapts := adapters[name]; adapts {
			banned = slices.DeleteFunc(slices.Clone(banned), func(word string) bool { return word == supplier })
		}
		for _, module := range modules {
			if slices.ContainsFunc(banned, func(word string) bool { return strings.Contains(module, word) }) {
				t.Errorf("a program that imports %s is linked with %s", name, module)
			}
		}
	}
}

// linkedModules asks the go command which foreign modules each package that
// others can import is linked with. Packages that do not compile at the moment
// count as far as they can be read.
func linkedModules(t *testing.T) map[string][]string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-json=ImportPath,Name,Deps,Module", "./...")
	list.Dir = root
	var complaints bytes.Buffer
	list.Stderr = &complaints
	output, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", list.Args, err, &complaints)
	}

	type listed struct {
		ImportPath, Name string
		Deps             []string
		Module           *struct{ Path string }
	}
	moduleOf := map[string]string{}
	var own []listed
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("read the answer of go list: %v", err)
		}
		if p.Module == nil {
			continue // the standard library
		}
		moduleOf[p.ImportPath] = p.Module.Path
		if p.Module.Path == modulePath {
			own = append(own, p)
		}
	}

	linked := map[string][]string{}
	for _, p := range own {
		name, _ := ownPackage(p.ImportPath)
		if p.Name == "main" || strings.HasPrefix(name, "internal/") {
			continue
		}
		linked[name] = nil
		for _, dependency := range p.Deps {
			module := moduleOf[dependency]
			if module != "" && module != modulePath && !slices.Contains(linked[name], module) {
				linked[name] = append(linked[name], module)
			}
		}
	}
	if _, ok := linked["shardmap"]; !ok {
		t.Fatalf("go list does not know shardmap; it knows %d packages", len(linked))
	}
	return linked
}

// The house under testdata/broken breaks every rule once.
func TestBrokenArrowsAreCaught(t *testing.T) {
	t.Parallel()
	broken := readHouse(t, "testdata/broken")
	table := map[string]row{
		".":             {},
		"shardmap":      {},
		"lease":         {imports: []string{".", "metrics"}},
		"producer":      client(awsSDK, awsModules),
		"consumer":      client(awsSDK, awsModules, "lease"),
		"cmd/kinetrail": {imports: []string{"internal/cli"}},
		"internal/cli":  {imports: []string{"..."}, planned: true},
		"gone":          {},
	}
	tests := []struct {
		name string
		got  []string
		want []string
	}{
		{"arrows", checkArrows(broken, table), []string{
			"cmd/kinetrail/main.go imports github.com/kinetrail/kinetrail/producer: no arrow leads from cmd/kinetrail to producer",
			"lease/store.go imports github.com/redis/go-redis/v9: lease has no such supplier",
			"producer/put.go imports github.com/kinetrail/kinetrail/consumer: no arrow leads from producer to consumer",
			"producer/put.go imports github.com/kinetrail/kinetrail/localkinesis: no arrow leads from producer to localkinesis",
			"producer/put.go imports go.opentelemetry.io/otel/sdk/trace: producer has no such supplier",
			"producer/put_test.go imports github.com/kinetrail/kinetrail/internal/cli: nothing imports a program",
			"producer/put_test.go imports github.com/stretchr/testify/require: producer has no such supplier",
			"shardmap/map.go imports github.com/kinetrail/kinetrail: no arrow leads from shardmap to .",
			"package unlisted has no row in the table of arrows",
		}},
		{"rows", checkRows(broken, table), []string{
			"the table has a row for ., which does not exist",
			"the table has a row for gone, which does not exist",
		}},
		{"purity", checkPurity(broken, []string{"shardmap"}), []string{
			"shardmap/map.go imports net/http: a pure package calls no network",
			"shardmap/map.go uses time.Now: a pure package reads no clock",
			"shardmap/map.go starts a goroutine: a pure package starts none",
			"shardmap/map.go uses time.Sleep: a pure package reads no clock",
			"shardmap/range.go imports time under no name, which hides the clock",
		}},
		{"comments", checkComments(broken), []string{
			`package cmd/kinetrail has no main.go with a comment that opens with "Command "`,
			`package lease has no doc.go with a comment that opens with "Package "`,
			`package shardmap has no doc.go with a comment that opens with "Package "`,
			`package unlisted has no doc.go with a comment that opens with "Package "`,
		}},
		{"links", checkLinks(map[string][]string{
			"lease":    {"github.com/redis/go-redis/v9"},
			"producer": {"github.com/aws/smithy-go", "github.com/spf13/cobra"},
			"shardmap": nil,
		}, table), []string{
			"a program that imports lease is linked with github.com/redis/go-redis/v9",
			"a program that imports producer is linked with github.com/spf13/cobra",
		}},
	}
	for _, tt := range tests {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: got\n\t%s\nwant\n\t%s", tt.name, strings.Join(tt.got, "\n\t"), strings.Join(tt.want, "\n\t"))
		}
	}
}

func TestPatternsNameAPackageOrATree(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, path string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", false},
		{"a/b/...", "a/b", true},
		{"a/b/...", "a/b/c", true},
		{"a/b/...", "a/bc", false},
		{"...", ".", true},
		{".", "a", false},
	}
	for _, tt := range tests {
		if got := matches([]string{"other", tt.pattern}, tt.path); got != tt.want {
			t.Errorf("pattern %q matches %q: %t, want %t", tt.pattern, tt.path, got, tt.want)
		}
	}
}
