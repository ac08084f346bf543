package filelease

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Extension is that of the files Groups looks for.
const Extension = ".leases"

// Groups returns the names of the groups in a directory, sorted: the files with
// Extension that hold leases. Opening dir/name.leases opens the group. The files
// are looked at, not locked.
func Groups(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for lease files: %w", err)
	}
	var groups []string
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), Extension)
		if !ok || entry.IsDir() {
			continue
		}
		if holds, err := holdsLeases(filepath.Join(dir, entry.Name())); err != nil {
			return nil, fmt.Errorf("look for lease files: %w", err)
		} else if holds {
			groups = append(groups, name)
		}
	}
	return groups, nil
}

// holdsLeases reports whether a file begins as those of this package do.
func holdsLeases(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, len(format))
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	return string(head[:n]) == format, nil
}
