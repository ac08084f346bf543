package docs

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// block is one fenced block of a page.
type block struct {
	page     string
	line     int    // of the first line of its text
	language string // behind the fence, empty for none
	mark     string // the HTML comment on the line before, without its brackets
	text     string
}

func (b block) String() string { return fmt.Sprintf("the block at %s:%d", b.page, b.line) }

// has reports whether a line of the page belongs to the block, its fences
// included.
func (b block) has(line int) bool {
	return b.line-1 <= line && line <= b.line+strings.Count(b.text, "\n")
}

// lines are the block's, without the empty ones.
func (b block) lines() []string {
	return slices.DeleteFunc(strings.Split(b.text, "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
}

const fence = "```"

// blocksOf takes all fenced blocks out of a page. Every fence stands at the
// beginning of its line, so that none is overlooked.
func blocksOf(page, text string) ([]block, error) {
	var blocks []block
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		trimmed := strings.TrimSpace(lines[i])
		if strings.HasPrefix(trimmed, "~~~") || strings.HasPrefix(trimmed, fence) && !strings.HasPrefix(lines[i], fence) {
			return nil, fmt.Errorf("%s:%d: a fence is indented or made of tildes", page, i+1)
		}
		if !strings.HasPrefix(lines[i], fence) {
			continue
		}
		b := block{page: page, line: i + 2, language: strings.TrimPrefix(trimmed, fence)}
		if i > 0 {
			b.mark = comment(lines[i-1])
		}
		end := slices.IndexFunc(lines[i+1:], func(line string) bool { return strings.TrimSuffix(line, "\n") == fence })
		if end < 0 {
			return nil, fmt.Errorf("%s:%d: a block has no end", page, i+1)
		}
		b.text = strings.Join(lines[i+1:i+1+end], "")
		blocks = append(blocks, b)
		i += 1 + end
	}
	return blocks, nil
}

// comment is what an HTML comment says that fills a line.
func comment(line string) string {
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "<!-- ")
	if !ok {
		return ""
	}
	text, _ = strings.CutSuffix(text, " -->")
	return text
}

// kind says how a block of the README is run.
type kind string

const (
	picture   kind = "a picture"             // looked at
	functions kind = "a function"            // called by testdata/readme/main.go
	fragment  kind = "lines of a function"   // called by it as the function install
	program   kind = "a program"             // invoked as a Lambda function
	goTest    kind = "a test"                // run with go test
	ownTests  kind = "the test command"      // what runs this
	commands  kind = "commands of kinetrail" // run by a shell
)

// called are the functions that testdata/readme/main.go calls.
var called = []string{"put", "consume"}

// ownTestCommand is run by whoever runs this test. Run here, it would never end.
const ownTestCommand = "go test ./..."

// kindOf finds the rule for a block of the README. An error says that there is
// none.
func kindOf(b block) (kind, error) {
	switch b.language {
	case "text":
		return picture, nil
	case "go":
		return kindOfGo(b)
	case "sh":
		return kindOfShell(b)
	}
	return "", fmt.Errorf("there is no rule for the language %q", b.language)
}

func kindOfGo(b block) (kind, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+b.text, 0)
	if err != nil {
		if _, asLines := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+b.text+"}", 0); asLines == nil {
			return fragment, nil
		}
		return "", fmt.Errorf("it is neither Go declarations nor lines of a function: %w", err)
	}
	var found kind
	for _, declared := range file.Decls {
		this := kindOfDeclaration(declared)
		if this == "" || found != "" && found != this {
			return "", errors.New("there is no rule for what it declares")
		}
		found = this
	}
	return found, nil
}

func kindOfDeclaration(d ast.Decl) kind {
	f, ok := d.(*ast.FuncDecl)
	switch {
	case !ok || f.Recv != nil:
		return ""
	case f.Name.Name == "main":
		return program
	case strings.HasPrefix(f.Name.Name, "Test"):
		return goTest
	case slices.Contains(called, f.Name.Name):
		return functions
	}
	return ""
}

// kindOfShell knows kinetrail's commands, alone or behind an echo.
func kindOfShell(b block) (kind, error) {
	if strings.TrimSpace(b.text) == ownTestCommand {
		return ownTests, nil
	}
	for _, line := range b.lines() {
		if input, rest, piped := strings.Cut(line, " | "); piped && strings.HasPrefix(input, "echo ") {
			line = rest
		}
		if !strings.HasPrefix(line, "go run ./cmd/kinetrail ") {
			return "", fmt.Errorf("there is no rule for the command %q", line)
		}
	}
	return commands, nil
}
