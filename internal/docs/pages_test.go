package docs

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// pages are the Markdown files of the repository, by their path in it.
func pages(t *testing.T) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		files, err := fs.Glob(os.DirFS(root()), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join(root(), filepath.FromSlash(file)))
			if err != nil {
				t.Fatal(err)
			}
			texts[file] = string(text)
		}
	}
	return texts
}

// A block on a page other than the README is a picture, a reader that another
// test runs, a quotation of foreign code, commands that exist, or Go declarations
// that compile.
func TestEveryBlockOfThePagesHasARule(t *testing.T) {
	t.Parallel()
	for name, text := range pages(t) {
		if name == "README.md" {
			continue
		}
		blocks, err := blocksOf(name, text)
		if err != nil {
			t.Error(err)
		}
		for _, b := range blocks {
			if err := b.checkOnPage(); err != nil {
				t.Errorf("%v: %v", b, err)
			}
		}
	}
}

func TestBlocksWithoutARuleAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []block{
		{language: "yaml", text: "a: b\n"},
		{language: "go", text: "f()\n"},
		{language: "go", text: "func f( {}\n"},
		{language: "go", mark: "quoted", text: "func f() {}\n"},
		{language: "go", mark: "from: metrics/coffee_test.go", text: "func f() {}\n"},
		{language: "go", mark: "from: metrics/sink_test.go", text: "func brewCoffee() {}\n"},
		{language: "python", mark: "snippet: pithon", text: "pass\n"},
		{language: "java", text: "int i;\n"},
		{language: "sh", text: "rm -r coffee\n"},
		{language: "sh", text: "make coffee\n"},
		{language: "sh", text: "go test -run '^$' -bench Coffee ./shardmap\n"},
		{language: "sh", text: "go test -run Coffee ./shardmap\n"},
		{language: "sh", text: "go test -run '^$' -bench MD5 ./coffee\n"},
		{language: "sh", text: "go test -cup MD5 ./shardmap\n"},
	} {
		if err := bad.checkOnPage(); err == nil {
			t.Errorf("the block %+v has a rule, want none", bad)
		}
	}
}

func (b block) checkOnPage() error {
	snippet, isSnippet := strings.CutPrefix(b.mark, "snippet: ")
	original, isCopy := strings.CutPrefix(b.mark, "from: ")
	switch {
	case b.language == "" || b.language == "text":
		return nil
	case isSnippet && slices.ContainsFunc(languages, func(l language) bool { return l.name == snippet }):
		return nil
	case b.mark == "quoted" && b.language != "go" && b.language != "sh":
		return nil
	case isCopy && b.language == "go":
		return b.standsIn(original)
	case b.isDeclarations():
		_, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+b.text, 0)
		return err
	case b.language == "sh":
		for _, line := range b.lines() {
			if err := checkCommand(line); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("there is no rule for the language %q behind the mark %q", b.language, b.mark)
}

// standsIn compares a block with the Go file of the module that it is taken
// from, where it is compiled and run.
func (b block) standsIn(file string) error {
	text, err := os.ReadFile(filepath.Join(root(), filepath.FromSlash(file)))
	if err == nil && !strings.Contains(string(text), b.text) {
		err = fmt.Errorf("it does not stand in %s like this", file)
	}
	return err
}

// isDeclarations reports whether the block is code of a page's own, which
// TestGoBlocksOfThePagesCompile compiles.
func (b block) isDeclarations() bool { return b.language == "go" && b.mark == "" }

// Each block is a package by itself, so that blocks can use the same names.
func TestGoBlocksOfThePagesCompile(t *testing.T) {
	t.Parallel()
	var blocks []block
	for name, text := range pages(t) {
		found, err := blocksOf(name, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range found {
			if name != "README.md" && b.isDeclarations() {
				blocks = append(blocks, b)
			}
		}
	}
	if err := compileDeclarations(t.Context(), t.TempDir(), blocks); err != nil {
		t.Error(err)
	}
}

func TestAGoBlockOfAPageThatDoesNotCompileIsNamed(t *testing.T) {
	t.Parallel()
	blocks := []block{
		{page: "docs/good.md", line: 3, language: "go", text: "func f(ctx context.Context) error { return ctx.Err() }\n"},
		{page: "docs/bad.md", line: 7, language: "go", text: "func f() {\n\tproducer.Put()\n}\n"},
	}
	err := compileDeclarations(t.Context(), t.TempDir(), blocks)
	if err == nil || !strings.Contains(err.Error(), "docs/bad.md:8") || strings.Contains(err.Error(), "good.md") {
		t.Errorf("compiling a good and a bad block gives %v, want an error about docs/bad.md:8 alone", err)
	}
}

// compileDeclarations compiles blocks of Go declarations.
func compileDeclarations(ctx context.Context, folder string, blocks []block) error {
	if len(blocks) == 0 {
		return nil
	}
	replace := make(map[string]string)
	args := []string{"build", ""}
	for i, b := range blocks {
		written := filepath.Join(folder, fmt.Sprintf("block%d.go", i))
		if err := os.WriteFile(written, []byte(b.source("page", functions)), 0o600); err != nil {
			return err
		}
		name := fmt.Sprintf("internal/docs/testdata/pages/block%d", i)
		replace[filepath.Join(root(), filepath.FromSlash(name), "block.go")] = written
		args = append(args, "./"+name)
	}
	flag, err := writeOverlay(folder, replace)
	if err != nil {
		return err
	}
	args[1] = flag
	_, err = goCommand(ctx, args...)
	return err
}

// checkCommand finds out whether a target of make exists, and whether go test
// would run something.
func checkCommand(line string) error {
	words := strings.Fields(strings.ReplaceAll(line, "'", ""))
	switch {
	case words[0] == "make" && len(words) > 1:
		makefile, err := os.ReadFile(filepath.Join(root(), "Makefile"))
		if err != nil {
			return err
		}
		if !strings.Contains(string(makefile), "\n"+words[1]+": ## ") {
			return fmt.Errorf("the Makefile has no target %q", words[1])
		}
		return nil
	case len(words) > 2 && words[0] == "go" && words[1] == "test":
		return checkGoTest(words[2:])
	}
	return fmt.Errorf("there is no rule for the command %q", line)
}

func checkGoTest(words []string) error {
	pattern := map[string]string{"-run": "", "-bench": ""}
	folder := ""
	for i := 0; i < len(words); i++ {
		_, takesPattern := pattern[words[i]]
		switch {
		case takesPattern && i+1 < len(words):
			pattern[words[i]] = words[i+1]
			i++
		case words[i] == "-benchmem" || regexp.MustCompile(`^-(count|benchtime)=\w+$`).MatchString(words[i]):
		case strings.HasPrefix(words[i], "./") && folder == "":
			folder = words[i]
		default:
			return fmt.Errorf("there is no rule for the argument %q of go test", words[i])
		}
	}
	names, err := testNames(folder)
	if err != nil {
		return err
	}
	for flag, prefix := range map[string]string{"-run": "Test", "-bench": "Benchmark"} {
		first, _, _ := strings.Cut(pattern[flag], "/") // the rest is about names below the first
		wanted, err := regexp.Compile(first)
		switch {
		case err != nil:
			return err
		case first == "" || first == "^$":
		case !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, prefix) && wanted.MatchString(n) }):
			return fmt.Errorf("no %s in %s matches %q", prefix, folder, first)
		}
	}
	return nil
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`)

// testNames are the tests, benchmarks and fuzz tests of one folder.
func testNames(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root(), filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%q has no tests", folder)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, found := range testFunction.FindAllStringSubmatch(string(text), -1) {
			names = append(names, found[1])
		}
	}
	return names, nil
}

// allTests are those of the module.
var allTests = sync.OnceValues(func() (map[string]bool, error) {
	all := make(map[string]bool)
	err := filepath.WalkDir(root(), func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(file)
		for _, found := range testFunction.FindAllStringSubmatch(string(text), -1) {
			all[found[1]] = true
		}
		return err
	})
	return all, err
})

var namedTest = regexp.MustCompile(`\b(?:Test|Benchmark|Fuzz)[A-Z]\w+`)

func TestTestsThatThePagesNameExist(t *testing.T) {
	t.Parallel()
	all, err := allTests()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range pages(t) {
		if name == "README.md" {
			continue // its test is no test of the module
		}
		for _, named := range namedTest.FindAllString(text, -1) {
			if !all[named] {
				t.Errorf("%s names %s, which does not exist", name, named)
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	for name, text := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			if err := follow(name, found[1]); err != nil {
				t.Errorf("%s links to %s: %v", name, found[1], err)
			}
		}
	}
}

// follow finds the file of a link, and its heading.
func follow(from, target string) error {
	if strings.Contains(target, "://") {
		return nil
	}
	file, heading, _ := strings.Cut(target, "#")
	if file == "" {
		file = from
	} else {
		file = path.Join(path.Dir(from), file)
	}
	text, err := os.ReadFile(filepath.Join(root(), filepath.FromSlash(file)))
	if info, statErr := os.Stat(filepath.Join(root(), filepath.FromSlash(file))); statErr == nil && info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	if heading == "" {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") && anchor(line) == heading {
			return nil
		}
	}
	return errors.New("there is no such heading")
}

// anchor is what a heading is linked by: its words in lower case with hyphens
// between them, without punctuation.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(strings.TrimLeft(heading, "#"))) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r > 127:
			b.WriteRune(r)
		}
	}
	return b.String()
}
