package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declaration is a function of the module.
type declaration struct {
	folder string // of its package
	file   string
	name   string // with its type before it, if it has one: group.run
	starts bool   // a goroutine
}

// called reports whether a page that writes name means d.
func (d declaration) called(name string) bool {
	_, method, _ := strings.Cut(d.name, ".")
	return d.name == name || method == name
}

// declarations are the functions of the code that users import.
func declarations(t *testing.T) []declaration {
	t.Helper()
	var all []declaration
	outside := []string{"internal", "cmd", "bench", "interop", "monitoring", "testdata", "leasetest"}
	err := fs.WalkDir(os.DirFS(root()), ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != "." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains(outside, entry.Name())):
			return fs.SkipDir
		case path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(), filepath.FromSlash(file)), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				all = append(all, declaration{path.Dir(file), path.Base(file), nameOf(f), startsGoroutine(f)})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if named, ok := receiver.(*ast.Ident); ok {
		return named.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// startsGoroutine finds go statements and WaitGroup.Go. What AfterFunc calls is
// short and ends by itself; the table has it where something waits for it.
func startsGoroutine(f *ast.FuncDecl) bool {
	for node := range ast.Preorder(f) {
		switch node := node.(type) {
		case *ast.GoStmt:
			return true
		case *ast.CallExpr:
			called, ok := node.Fun.(*ast.SelectorExpr)
			if ok && called.Sel.Name == "Go" {
				return true
			}
		}
	}
	return false
}

var inCode = regexp.MustCompile("`([\\w.]+)`")

// The table of goroutines has every function that starts one, and names no other.
func TestTheArchitecturePageKnowsEveryGoroutine(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(pages(t)["docs/architecture.md"], "\n## Goroutines\n")
	table, _, _ = strings.Cut(table, "\n## ")
	all := declarations(t)
	started := make(map[string][]string) // by package, what its rows name as starters
	for line := range strings.Lines(table) {
		columns := strings.Split(line, "|")
		if len(columns) != 6 || !strings.Contains(columns[1], ": ") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSpace(columns[1]), ": ")
		for _, column := range []string{columns[2], columns[4]} {
			for _, found := range inCode.FindAllStringSubmatch(column, -1) {
				if strings.HasSuffix(found[1], ".Wait") || strings.Contains(found[1], "context.") || strings.Contains(found[1], "time.") {
					continue
				}
				called := strings.TrimPrefix(found[1], name+".")
				if !slices.ContainsFunc(all, func(d declaration) bool { return path.Base(d.folder) == name && d.called(called) }) {
					t.Errorf("the table names %s of %s, which does not exist", found[1], name)
				}
				if column == columns[2] {
					started[name] = append(started[name], called)
				}
			}
		}
	}
	for _, d := range all {
		name := path.Base(d.folder)
		if d.starts && !slices.ContainsFunc(started[name], d.called) {
			t.Errorf("%s in %s/%s starts a goroutine that is not in the table", d.name, d.folder, d.file)
		}
	}
}

var inFile = regexp.MustCompile("(\\w+\\.go):((?:[,;]? (?:the )?`[\\w.]+`)+)")

// A step's functions stand in the file that the page says.
func TestTheArchitecturePageNamesFunctionsWhereTheyAre(t *testing.T) {
	t.Parallel()
	all := declarations(t)
	steps := inFile.FindAllStringSubmatch(pages(t)["docs/architecture.md"], -1)
	if len(steps) < 10 {
		t.Fatalf("the page names functions of %d files, want the steps of both ways", len(steps))
	}
	for _, step := range steps {
		for _, function := range inCode.FindAllStringSubmatch(step[2], -1) {
			there := slices.ContainsFunc(all, func(d declaration) bool { return d.file == step[1] && d.called(function[1]) })
			isType := function[1] == "tracker"
			if !there && !isType {
				t.Errorf("the page names %s in %s, which does not exist", function[1], step[1])
			}
		}
	}
}
