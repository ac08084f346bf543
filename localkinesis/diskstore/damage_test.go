package diskstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

// edit changes a file.
func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// restart opens a directory that may be damaged.
func restart(dir string, opts ...func(*diskstore.Options)) (*localkinesis.Server, error) {
	store, err := diskstore.Open(dir, opts...)
	if err != nil {
		return nil, err
	}
	return localkinesis.New(func(o *localkinesis.Options) { o.Store = store })
}

// smallSegments lets a few records fill a file.
func smallSegments(o *diskstore.Options) { o.SegmentBytes = 1 << 10 }

// filled is a data directory with several files of records on one shard, and
// what is in it.
func filled(t *testing.T) (dir string, records []string) {
	t.Helper()
	dir = t.TempDir()
	s := startWith(t, openStore(t, dir, smallSegments))
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	for i := range 20 {
		s.must("PutRecords", fmt.Sprintf(`{"StreamName":"orders","Records":[{"PartitionKey":"%d-a","Data":"%s"},{"PartitionKey":"%d-b","ExplicitHashKey":"%d","Data":""}]}`,
			i, hundredBytes, i, i))
	}
	records = s.records("orders")
	s.end()
	if n := len(mustFiles(t, dir)); n < 3 || len(records) != 40 {
		t.Fatalf("there are %d files and %d records; want several files and 40 records", n, len(records))
	}
	return dir, records
}

// readAll is what a directory has after a restart.
func readAll(t *testing.T, dir string) (records []string, cuts []diskstore.Cut, err error) {
	t.Helper()
	store, err := diskstore.Open(dir, smallSegments)
	if err != nil {
		return nil, nil, err
	}
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Store = store })
	if err != nil {
		return nil, nil, err
	}
	defer server.Close()
	server.Clock().Set(noon)
	s := &session{Server: server, t: t, store: store}
	return s.records("orders"), store.Cuts(), nil
}

func TestATornLastWriteIsCutOffAtEveryLength(t *testing.T) {
	t.Parallel()
	dir, records := filled(t)
	files := mustFiles(t, dir)
	last := files[len(files)-1]
	whole, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	before, seen := len(records), map[int]bool{}
	for size := len(whole); size >= 0; size-- {
		if err := os.WriteFile(last, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		got, cuts, err := readAll(t, dir)
		if err != nil {
			t.Fatalf("%d of %d bytes of the last file: %v", size, len(whole), err)
		}
		if len(got) > before {
			t.Fatalf("%d bytes have %d records, more than the %d of one byte more", size, len(got), before)
		}
		mustEqual(t, fmt.Sprintf("records of %d bytes", size), got, records[:len(got)])
		info, err := os.Stat(last)
		if err != nil {
			t.Fatal(err)
		}
		torn := int64(size) > info.Size() || size < 32
		if torn != (len(cuts) == 1) {
			t.Fatalf("%d bytes became %d, and the store tells of the cuts %v", size, info.Size(), cuts)
		}
		before, seen[len(got)] = len(got), true
	}
	if len(seen) < 3 {
		t.Errorf("only %d numbers of records were seen; the file is too short for the test", len(seen))
	}
	// What is put next follows what is left.
	s := start(t, dir)
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"next","Data":"YQ=="}`)
	got := s.records("orders")
	mustEqual(t, "records before the next", got[:len(got)-1], records[:before])
	if next := got[len(got)-1]; !strings.Contains(next, " next ") || next <= got[len(got)-2] {
		t.Errorf("the next record is %s; want it behind %s", next, got[len(got)-2])
	}
}

func TestZerosAtTheEndAreATornWrite(t *testing.T) {
	t.Parallel()
	dir, records := filled(t)
	files := mustFiles(t, dir)
	for _, path := range []string{files[len(files)-1], filepath.Join(dir, "control.log")} {
		edit(t, path, func(b []byte) []byte { return append(b, make([]byte, 5000)...) })
	}
	got, cuts, err := readAll(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "records", got, records)
	if len(cuts) != 2 || cuts[0].Bytes != 5000 || cuts[1].Bytes != 5000 {
		t.Errorf("the store tells of the cuts %v; want 5000 bytes twice", cuts)
	}
}

func TestAFlippedBitIsReportedWithItsFileAndOffset(t *testing.T) {
	t.Parallel()
	dir, records := filled(t)
	paths := append(mustFiles(t, dir), filepath.Join(dir, "control.log"))
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 400 {
		path := paths[random.IntN(len(paths))]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := random.IntN(len(b))
		flipped := slices.Clone(b)
		flipped[at] ^= 1 << random.IntN(8)
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		_, cuts, err := readAll(t, dir)
		if err == nil {
			t.Fatalf("seed %d: byte %d of %d in %s was changed and nobody noticed; cuts %v", seed, at, len(b), path, cuts)
		}
		damaged, ok := errors.AsType[*diskstore.DamagedError](err)
		switch {
		case !ok && at >= 8 && at < 12: // the format
		case !ok:
			t.Fatalf("seed %d: byte %d in %s was changed: %v; want a DamagedError", seed, at, path, err)
		case damaged.File != path || damaged.Offset > int64(at):
			t.Fatalf("seed %d: byte %d in %s was changed: %v", seed, at, path, err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, cuts, err := readAll(t, dir)
	if err != nil || len(cuts) > 0 {
		t.Fatalf("the directory as it was: %v, cuts %v", err, cuts)
	}
	mustEqual(t, "records", got, records)
}

func TestAFlippedBitThatAppearsLaterIsReportedByTheRead(t *testing.T) {
	t.Parallel()
	dir, _ := filled(t)
	s := start(t, dir)
	path := mustFiles(t, dir)[1]
	edit(t, path, func(b []byte) []byte {
		b[len(b)/2] ^= 0x10
		return b
	})
	if _, err := s.Records("orders", ""); err == nil || !strings.Contains(err.Error(), path+" is damaged at offset") {
		t.Errorf("Records: %v; want an error that names %s and an offset", err, path)
	}
	iterator := s.member(s.must("GetShardIterator", `{"StreamName":"orders","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`), "ShardIterator")
	if status, answer := s.send("GetRecords", `{"ShardIterator":"`+iterator+`"}`); status != 500 || !strings.Contains(answer, "is damaged at offset") {
		t.Errorf("GetRecords answered %d %s; want 500 and what is damaged", status, answer)
	}
}

func TestOtherDamageIsReported(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, dir string, files []string) (path string)
		want   string
	}{
		{"a file in the middle is missing", func(t *testing.T, _ string, files []string) string {
			if err := os.Remove(files[1]); err != nil {
				t.Fatal(err)
			}
			return files[2]
		}, "it follows a file that ends before record"},
		{"a file in the middle is cut", func(t *testing.T, _ string, files []string) string {
			edit(t, files[1], func(b []byte) []byte { return b[:len(b)-1] })
			return files[1]
		}, "not written to its end, but other files follow"},
		{"a file in the middle is cut between entries", func(t *testing.T, _ string, files []string) string {
			edit(t, files[1], func(b []byte) []byte { return b[:32] })
			return files[2]
		}, "it follows a file that ends before record"},
		{"a file in the middle is empty", func(t *testing.T, _ string, files []string) string {
			edit(t, files[1], func([]byte) []byte { return nil })
			return files[1]
		}, "the header is not written to its end, but other files follow"},
		{"two files have changed places", func(t *testing.T, _ string, files []string) string {
			edit(t, files[1], func([]byte) []byte {
				b, err := os.ReadFile(files[2])
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
			return files[1]
		}, "the header says that it begins with record"},
		{"the file of documents has no header", func(t *testing.T, dir string, _ []string) string {
			path := filepath.Join(dir, "control.log")
			edit(t, path, func([]byte) []byte { return nil })
			return path
		}, "the header is missing"},
		{"a file is something else", func(t *testing.T, dir string, files []string) string {
			edit(t, files[0], func([]byte) []byte { return []byte("%PDF-1.7 and so on and on and on and on") })
			return files[0]
		}, "does not begin as a file of kinetrail does"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, _ := filled(t)
			path := tt.damage(t, dir, mustFiles(t, dir))
			_, err := restart(dir)
			damaged, ok := errors.AsType[*diskstore.DamagedError](err)
			if !ok || damaged.File != path || !strings.Contains(damaged.Reason, tt.want) {
				t.Errorf("start: %v; want %s damaged: %s", err, path, tt.want)
			}
		})
	}
}

// FuzzDamage changes a data directory in any way: it is read as far as it goes
// or refused, and what is read was put.
func FuzzDamage(f *testing.F) {
	f.Add(uint16(0), uint16(100), []byte{1}, false)
	f.Add(uint16(3), uint16(40), []byte{}, true)
	f.Add(uint16(9), uint16(0), []byte("KTrecord"), true)
	var whole map[string][]byte
	var names, records []string
	f.Fuzz(func(t *testing.T, file, at uint16, change []byte, cut bool) {
		if whole == nil {
			var from string
			from, records = filled(t)
			whole = make(map[string][]byte)
			for _, path := range append(mustFiles(t, from), filepath.Join(from, "control.log")) {
				name, err := filepath.Rel(from, path)
				if err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				whole[name] = b
				names = append(names, name)
			}
		}
		dir := t.TempDir()
		for i, name := range names {
			b := slices.Clone(whole[name])
			if i == int(file)%len(names) {
				n := copy(b[min(int(at), len(b)):], change)
				if cut {
					b = b[:min(int(at)+n, len(b))]
				}
			}
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		store, err := diskstore.Open(dir)
		if err != nil {
			return
		}
		server, err := localkinesis.New(func(o *localkinesis.Options) { o.Store = store })
		if err != nil {
			return
		}
		defer server.Close()
		server.Clock().Set(noon)
		got, err := server.Records("orders", "")
		if err != nil {
			return // the document of the stream was cut off, or the damage is reported
		}
		for i, r := range got {
			if want := records[i]; !strings.HasPrefix(want, r.ShardID+" "+r.Number.String()+" "+r.PartitionKey+" ") {
				t.Fatalf("record %d is %v; want %s", i, r, want)
			}
		}
	})
}
