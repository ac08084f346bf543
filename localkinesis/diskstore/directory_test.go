package diskstore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

// mustDirs are the names of the streams whose records are in a data directory.
func mustDirs(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "records"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// mustFiles are the files in a data directory that hold records, in order.
func mustFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "records", "*", "*", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOnlyOneOpensADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := openStore(t, dir)
	_, err := diskstore.Open(dir)
	inUse, ok := errors.AsType[*diskstore.InUseError](err)
	if !ok || inUse.Dir != dir || inUse.PID != os.Getpid() {
		t.Fatalf("the second Open: %v; want an InUseError with %s and %d", err, dir, os.Getpid())
	}
	if !strings.Contains(err.Error(), dir) {
		t.Errorf("the error %q does not name %s", err, dir)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir)
}

func TestOnlyTheOwnerMayLook(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // it has no such modes
	}
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"YQ=="}`)
	s.end()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o700)
		if !e.IsDir() {
			want = 0o600
			files++
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil || files < 3 {
		t.Errorf("found %d files, %v; want lock, control.log and one of records", files, err)
	}
}

func TestADirectoryThatHoldsSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := diskstore.Open(dir)
	if err == nil || !strings.Contains(err.Error(), dir+" holds thesis.tex and is no data directory") {
		t.Errorf("Open: %v; want a sentence that names the directory and the file", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v; want it untouched", entries, err)
	}
}

func TestADirectoryWithoutItsDocumentsIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"YQ=="}`)
	s.end()
	control := filepath.Join(dir, "control.log")
	if err := os.Remove(control); err != nil {
		t.Fatal(err)
	}
	if _, err := diskstore.Open(dir); err == nil || !strings.Contains(err.Error(), control+" is missing") {
		t.Errorf("Open: %v; want a sentence that names %s", err, control)
	}
	if len(mustFiles(t, dir)) != 1 {
		t.Error("the records were removed")
	}
}

func TestAnUnknownFormatIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"control.log", "records"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := start(t, dir)
			s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
			s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"YQ=="}`)
			s.end()
			path := filepath.Join(dir, "control.log")
			if file == "records" {
				path = mustFiles(t, dir)[0]
			}
			edit(t, path, func(b []byte) []byte {
				b[8] = 2 // the version follows eight bytes of kind
				return b
			})
			_, err := restart(dir)
			want := path + " has format 2, and this version of kinetrail reads format 1 only"
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("start: %v; want %q", err, want)
			}
		})
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := diskstore.Open(dir, func(o *diskstore.Options) { o.SegmentBytes, o.OpenFiles = 0, -1 })
	for _, want := range []string{"SegmentBytes is 0", "OpenFiles is -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open: %v; want %q in it", err, want)
		}
	}
}
