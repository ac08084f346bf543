package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// imports are the packages that Go blocks may name, by the word before the dot.
var imports = map[string]string{
	"context": "context",
	"errors":  "errors",
	"fmt":     "fmt",
	"http":    "net/http",
	"io":      "io",
	"os":      "os",
	"signal":  "os/signal",
	"slices":  "slices",
	"slog":    "log/slog",
	"strings": "strings",
	"sync":    "sync",
	"syscall": "syscall",
	"testing": "testing",
	"time":    "time",

	"aws":        "github.com/aws/aws-sdk-go-v2/aws",
	"dynamodb":   "github.com/aws/aws-sdk-go-v2/service/dynamodb",
	"kinesis":    "github.com/aws/aws-sdk-go-v2/service/kinesis",
	"lambda":     "github.com/aws/aws-lambda-go/lambda",
	"prometheus": "github.com/prometheus/client_golang/prometheus",
	"promhttp":   "github.com/prometheus/client_golang/prometheus/promhttp",
	"redis":      "github.com/redis/go-redis/v9",

	"codec":           "github.com/kinetrail/kinetrail/codec",
	"diskstore":       "github.com/kinetrail/kinetrail/localkinesis/diskstore",
	"dynamolease":     "github.com/kinetrail/kinetrail/lease/dynamolease",
	"kinesisprotocol": "github.com/kinetrail/kinetrail/kinesisprotocol",
	"lambdatrigger":   "github.com/kinetrail/kinetrail/localkinesis/lambdatrigger",
	"metrics":         "github.com/kinetrail/kinetrail/metrics",
	"otelsink":        "github.com/kinetrail/kinetrail/metrics/otelsink",
	"promsink":        "github.com/kinetrail/kinetrail/metrics/promsink",
	"redislease":      "github.com/kinetrail/kinetrail/lease/redislease",

	"consumer":          "github.com/kinetrail/kinetrail/consumer",
	"fault":             "github.com/kinetrail/kinetrail/localkinesis/fault",
	"filelease":         "github.com/kinetrail/kinetrail/lease/filelease",
	"kinesislambda":     "github.com/kinetrail/kinetrail/kinesislambda",
	"kinesismiddleware": "github.com/kinetrail/kinetrail/kinesismiddleware",
	"kinetrail":         "github.com/kinetrail/kinetrail",
	"localkinesis":      "github.com/kinetrail/kinetrail/localkinesis",
	"memlease":          "github.com/kinetrail/kinetrail/lease/memlease",
	"producer":          "github.com/kinetrail/kinetrail/producer",
	"tracecarrier":      "github.com/kinetrail/kinetrail/tracecarrier",
}

// source makes a file of a package of a block: its own lines, and what they do
// not show. The compiler finds its mistakes in the page.
func (b block) source(pkg string, k kind) string {
	head, tail := "", ""
	if k == fragment {
		head, tail = "func install(cfg *aws.Config) error {\n", "return nil\n}\n"
	}
	var s strings.Builder
	fmt.Fprintf(&s, "package %s\n", pkg)
	for _, path := range importsOf(head + b.text + tail) {
		fmt.Fprintf(&s, "import %q\n", path)
	}
	fmt.Fprintf(&s, "%s//line %s:%d\n%s//line rest.go:1\n%s", head, filepath.Join(root(), b.page), b.line, b.text, tail)
	return s.String()
}

// importsOf are the paths of the packages that Go code names.
func importsOf(code string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+code, 0)
	if err != nil {
		return nil // kindOf has told
	}
	paths := make(map[string]bool)
	for node := range ast.Preorder(file) {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		if name, ok := selector.X.(*ast.Ident); ok && imports[name.Name] != "" {
			paths[imports[name.Name]] = true
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// The two packages that Go blocks are compiled in. The first has a main.go of
// its own, the second consists of a block. Neither gets a file: the go command
// is told by an overlay what would be there.
const (
	readmePackage   = "internal/docs/testdata/readme"
	functionPackage = "internal/docs/testdata/function"
)

// overlay lays the blocks into these packages and returns the flag that tells
// the go command so.
func overlay(folder string, blocks []block, kinds []kind) (flag string, err error) {
	replace := make(map[string]string)
	for i, b := range blocks {
		name := ""
		switch kinds[i] {
		case functions, fragment:
			name = fmt.Sprintf("%s/block%d.go", readmePackage, b.line)
		case goTest:
			name = fmt.Sprintf("%s/block%d_test.go", readmePackage, b.line)
		case program:
			name = fmt.Sprintf("%s/block%d.go", functionPackage, b.line)
		default:
			continue
		}
		written := filepath.Join(folder, filepath.Base(name))
		if err := os.WriteFile(written, []byte(b.source("main", kinds[i])), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root(), name)] = written
	}
	return writeOverlay(folder, replace)
}

// writeOverlay writes the file that tells the go command which files to read in
// the place of others, and returns the flag that names it.
func writeOverlay(folder string, replace map[string]string) (flag string, err error) {
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, "overlay.json")
	return "-overlay=" + file, os.WriteFile(file, text, 0o600)
}

// root is the folder of the module.
func root() string {
	folder, err := filepath.Abs("../..")
	if err != nil {
		panic(err) // there is no working directory
	}
	return folder
}

// goCommand runs the go command in the module, without a network. The error
// holds what it printed.
func goCommand(ctx context.Context, args ...string) (output string, err error) {
	var printed bytes.Buffer
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir, c.Stdout, c.Stderr = root(), &printed, &printed
	c.Env = environment("GOWORK=off", "GOFLAGS=-buildvcs=false", "GOPROXY=off", "GOTOOLCHAIN=local")
	if err := c.Run(); err != nil {
		return printed.String(), fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, printed.String())
	}
	return printed.String(), nil
}

// steers are the beginnings of the variables that would steer what is run, and
// say something else on every machine.
var steers = []string{"AWS_", "OTEL_", "TRACEPARENT=", "TRACESTATE=", "KINETRAIL_", "NO_COLOR="}

// environment is that of the tests, without what steers AWS, OpenTelemetry and
// kinetrail, and with more.
func environment(more ...string) []string {
	own := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return slices.ContainsFunc(steers, func(s string) bool { return strings.HasPrefix(variable, s) })
	})
	return append(own, more...)
}

var place = regexp.MustCompile(`README\.md:(\d+)`)

// blame tells for each block what a go command said about its lines. A complaint
// that names no line of a block is about none of them.
func blame(blocks []block, err error) []failure {
	complaints := make(map[int][]string)
	for line := range strings.Lines(err.Error()) {
		found := place.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		number, _ := strconv.Atoi(found[1])
		if i := slices.IndexFunc(blocks, func(b block) bool { return b.has(number) }); i >= 0 {
			complaints[i] = append(complaints[i], line)
		}
	}
	if len(complaints) == 0 {
		return []failure{{err: err}}
	}
	var failures []failure
	for _, i := range slices.Sorted(maps.Keys(complaints)) {
		failures = append(failures, failure{blocks[i], fmt.Errorf("it does not compile:\n%s", strings.Join(complaints[i], ""))})
	}
	return failures
}

// failure is what is wrong with a block, or with the page when it has no block.
type failure struct {
	block
	err error
}

func (f failure) Error() string {
	if f.line == 0 {
		return "README.md: " + f.err.Error()
	}
	return f.block.String() + ": " + f.err.Error()
}
