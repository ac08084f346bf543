package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// Each check returns one sentence for each thing that is wrong.

// checkArrows holds every import of the house against the table.
func checkArrows(h house, table map[string]row) (wrong []string) {
	for _, p := range h {
		allowed, ok := table[p.name]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("package %s has no row in the table of arrows", p.name))
			continue
		}
		for _, file := range p.files {
			for _, path := range file.imports() {
				if why := refuse(p, allowed, file, path); why != "" {
					wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", file.name, path, why))
				}
			}
		}
	}
	return wrong
}

// refuse tells why a file may not import path, nothing when it may.
func refuse(p *goPackage, allowed row, file goFile, path string) string {
	if name, own := ownPackage(path); own {
		switch {
		case matches(allowed.imports, name):
		case !file.test:
			return fmt.Sprintf("no arrow leads from %s to %s", p.name, name)
		case name != p.name && matches(programs, name):
			return "nothing imports a program"
		}
		return ""
	}
	if !isForeign(path) || matches(allowed.suppliers, path) {
		return ""
	}
	if file.test && matches(testSuppliers, path) {
		return ""
	}
	return fmt.Sprintf("%s has no such supplier", p.name)
}

// checkRows finds rows of packages that are gone.
func checkRows(h house, table map[string]row) (wrong []string) {
	for name, r := range table {
		if !r.planned && h.find(name) == nil {
			wrong = append(wrong, fmt.Sprintf("the table has a row for %s, which does not exist", name))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// clockReaders are the functions of package time that read or wait for the
// clock.
var clockReaders = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}

// checkPurity finds goroutines, clocks and networks in the code of the pure
// packages.
func checkPurity(h house, pure []string) (wrong []string) {
	for _, p := range h {
		if !slices.Contains(pure, p.name) {
			continue
		}
		for _, file := range p.files {
			if !file.test {
				wrong = append(wrong, impurities(file)...)
			}
		}
	}
	return wrong
}

func impurities(file goFile) (wrong []string) {
	timeName := ""
	for _, spec := range file.tree.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser lets no other literal through
		}
		if path == "net" || strings.HasPrefix(path, "net/") && path != "net/url" {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: a pure package calls no network", file.name, path))
		}
		if path == "time" {
			timeName = "time"
			if spec.Name != nil {
				timeName = spec.Name.Name
			}
			if timeName == "." {
				wrong = append(wrong, fmt.Sprintf("%s imports time under no name, which hides the clock", file.name))
			}
		}
	}
	for node := range ast.Preorder(file.tree) {
		switch node := node.(type) {
		case *ast.GoStmt:
			wrong = append(wrong, fmt.Sprintf("%s starts a goroutine: a pure package starts none", file.name))
		case *ast.SelectorExpr:
			base, ok := node.X.(*ast.Ident)
			if ok && base.Name == timeName && slices.Contains(clockReaders, node.Sel.Name) {
				wrong = append(wrong, fmt.Sprintf("%s uses time.%s: a pure package reads no clock", file.name, node.Sel.Name))
			}
		}
	}
	return wrong
}

// checkComments finds packages that do not say what they are for. A library
// says it in doc.go, a program in main.go.
func checkComments(h house) (wrong []string) {
	for _, p := range h {
		want, opening := "doc.go", "Package "
		if slices.ContainsFunc(p.files, func(f goFile) bool { return f.tree.Name.Name == "main" }) {
			want, opening = "main.go", "Command "
		}
		said := slices.ContainsFunc(p.files, func(f goFile) bool {
			return strings.HasSuffix("/"+f.name, "/"+want) && strings.HasPrefix(f.tree.Doc.Text(), opening)
		})
		if !said {
			wrong = append(wrong, fmt.Sprintf("package %s has no %s with a comment that opens with %q", p.name, want, opening))
		}
	}
	return wrong
}

// checkLinks holds what each importable package is linked with, a list of
// modules, against the table.
func checkLinks(linked map[string][]string, table map[string]row) (wrong []string) {
	for name, modules := range linked {
		allowed, ok := table[name]
		if !ok {
			continue // checkArrows says so
		}
		for _, module := range modules {
			if !slices.Contains(allowed.links, module) {
				wrong = append(wrong, fmt.Sprintf("a program that imports %s is linked with %s", name, module))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}
