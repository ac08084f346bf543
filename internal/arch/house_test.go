package arch

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/kinetrail/kinetrail"

// house is every package below one folder, by name.
type house []*goPackage

// goPackage is a folder with .go files. Files of all build constraints count.
type goPackage struct {
	name  string // the folder, "." for the root
	files []goFile
}

type goFile struct {
	name string
	test bool
	tree *ast.File
}

// readHouse parses the tree under root. Nested modules, testdata and hidden
// folders are not part of it.
func readHouse(t *testing.T, root string) house {
	t.Helper()
	packages := map[string]*goPackage{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if file != root && isOutside(file, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		name := filepath.ToSlash(folder)
		if packages[name] == nil {
			packages[name] = &goPackage{name: name}
		}
		p := packages[name]
		p.files = append(p.files, goFile{
			name: path.Join(name, entry.Name()),
			test: strings.HasSuffix(entry.Name(), "_test.go"),
			tree: tree,
		})
		return nil
	})
	if err != nil {
		t.Fatalf("read the tree under %s: %v", root, err)
	}

	var all house
	for _, p := range packages {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *goPackage) int { return cmp.Compare(a.name, b.name) })
	return all
}

// isOutside reports whether a folder is no part of the module.
func isOutside(folder, name string) bool {
	if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// find returns the package of this name, nil when there is none.
func (h house) find(name string) *goPackage {
	for _, p := range h {
		if p.name == name {
			return p
		}
	}
	return nil
}

// imports are the import paths of a file.
func (f goFile) imports() []string {
	var paths []string
	for _, spec := range f.tree.Imports {
		text, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser lets no other literal through
		}
		paths = append(paths, text)
	}
	return paths
}

// ownPackage is the folder of an import path of this module.
func ownPackage(importPath string) (name string, own bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

// isForeign reports whether an import path belongs to another module: unlike
// the standard library's, its first element has a dot.
func isForeign(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	_, own := ownPackage(importPath)
	return strings.Contains(first, ".") && !own
}

// matches reports whether one of the patterns names the path.
func matches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if pattern == "..." {
			return true
		}
		below, tree := strings.CutSuffix(pattern, "/...")
		return path == below || tree && strings.HasPrefix(path, below+"/")
	})
}
