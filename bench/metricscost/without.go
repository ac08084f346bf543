package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// meters are the types whose methods hand numbers to a sink, by file.
var meters = map[string][]string{
	"producer/meter.go":   {"meter"},
	"consumer/measure.go": {"shardMeter"},
}

// buildWithout builds this program with clients whose meters do nothing.
func buildWithout(ctx context.Context, folder string) (binary string, err error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/kinetrail/kinetrail").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	replace := make(map[string]string)
	for file, types := range meters {
		file = filepath.Join(strings.TrimSpace(string(root)), filepath.FromSlash(file))
		source, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		idle, err := returnAtOnce(source, types)
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		replace[file] = filepath.Join(folder, filepath.Base(file))
		if err := os.WriteFile(replace[file], idle, 0o644); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o644); err != nil {
		return "", err
	}
	binary = filepath.Join(folder, "metricscost-without")
	build := exec.CommandContext(ctx, "go", "build", "-overlay", file, "-o", binary, "github.com/kinetrail/kinetrail/bench/metricscost")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build without the calls: %w\n%s", err, out)
	}
	return binary, nil
}

// returnAtOnce makes every method of these types that returns nothing return at
// once.
func returnAtOnce(source []byte, types []string) ([]byte, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, "", source, 0)
	if err != nil {
		return nil, err
	}
	var idle bytes.Buffer
	from, found := 0, 0
	for _, d := range parsed.Decls {
		method, ok := d.(*ast.FuncDecl)
		if !ok || method.Recv == nil || method.Type.Results != nil {
			continue
		}
		of, pointer := method.Recv.List[0].Type.(*ast.StarExpr)
		if !pointer || !slices.Contains(types, fmt.Sprint(of.X)) {
			continue
		}
		body := files.Position(method.Body.Lbrace).Offset + 1
		idle.Write(source[from:body])
		idle.WriteString(" return; ")
		from, found = body, found+1
	}
	if found == 0 {
		return nil, fmt.Errorf("no method of %v is found", types)
	}
	idle.Write(source[from:])
	return idle.Bytes(), nil
}
