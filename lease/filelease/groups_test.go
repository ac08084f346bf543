package filelease_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kinetrail/kinetrail/lease/filelease"
)

func TestGroupsAreTheFilesThatHoldLeases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"orders", "payments.eu", ""} {
		create(t, open(t, filepath.Join(dir, name+filelease.Extension)), "a")
	}
	for name, text := range map[string]string{"notes.leases": "three keys for the flat, one for the bike shed\n", "empty.leases": "", "orders.txt": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.leases"), 0o700); err != nil {
		t.Fatal(err)
	}
	groups, err := filelease.Groups(dir)
	if want := []string{"", "orders", "payments.eu"}; err != nil || !slices.Equal(groups, want) {
		t.Errorf("Groups = %q, %v; want %q", groups, err, want)
	}
	if _, err := filelease.Groups(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Groups of a directory that is not there: %v; want os.ErrNotExist", err)
	}
}
