package diskstore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

// put is a PutRecord to stream orders with this key.
func (s *session) put(key string) (status int, answer string) {
	s.t.Helper()
	return s.send("PutRecord", `{"StreamName":"orders","PartitionKey":"`+key+`","Data":"YQ=="}`)
}

// keys are the partition keys of the records of stream orders.
func (s *session) keys() string {
	s.t.Helper()
	records, err := s.Records("orders", "")
	if err != nil {
		s.t.Fatal(err)
	}
	var keys []string
	for _, r := range records {
		keys = append(keys, r.PartitionKey)
	}
	return strings.Join(keys, " ")
}

// failOnce lets the next write to a file with this suffix write a half and fail.
func failOnce(store *diskstore.Store, suffix string, after func(f *os.File)) {
	store.OnWrite(func(f *os.File, b []byte, at int64) (int, error) {
		if suffix == "" || !strings.HasSuffix(f.Name(), suffix) {
			return f.WriteAt(b, at)
		}
		suffix = ""
		n, err := f.WriteAt(b[:len(b)/2], at)
		after(f)
		return n, errors.Join(syscall.ENOSPC, err)
	})
}

func TestAFailedWriteLeavesNothingAndTheNextOneGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.put("first")
	failOnce(s.store, "1.log", func(*os.File) {})
	if status, answer := s.put("lost"); status != 500 || !strings.Contains(answer, "InternalFailure") || !strings.Contains(answer, "no space left on device") {
		t.Errorf("a put whose write fails answered %d %s; want 500 InternalFailure with the reason", status, answer)
	}
	s.put("second")
	if got := s.keys(); got != "first second" {
		t.Errorf("records are %q, want first and second", got)
	}
	failOnce(s.store, "1.log", func(*os.File) {})
	answer := s.must("PutRecords", `{"StreamName":"orders","Records":[{"PartitionKey":"lost","Data":""},{"PartitionKey":"lost, too","Data":""}]}`)
	if !strings.Contains(answer, `"FailedRecordCount":2`) || strings.Count(answer, `"ErrorCode":"InternalFailure"`) != 2 {
		t.Errorf("PutRecords whose write fails answered %s; want two records with InternalFailure", answer)
	}
	before := s.records("orders")
	s.end()

	s = start(t, dir)
	mustEqual(t, "records after the restart", s.records("orders"), before)
	if cuts := s.store.Cuts(); len(cuts) > 0 {
		t.Errorf("the failed write was left for the restart: %v", cuts)
	}
}

func TestAWriteThatCannotBeUndoneEndsTheShard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.put("first")
	failOnce(s.store, "1.log", func(f *os.File) { _ = f.Close() }) // so that it cannot be cut
	s.put("lost")
	if status, answer := s.put("second"); status != 500 || !strings.Contains(answer, "could not be undone") {
		t.Errorf("the next put answered %d %s; want 500 and why", status, answer)
	}
	_ = s.Close()
	s = start(t, dir)
	s.put("third")
	if got := s.keys(); got != "first third" {
		t.Errorf("records after the restart are %q, want first and third", got)
	}
}

func TestAFailedChangeIsAnErrorAndTheNextOneIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	for _, r := range [][2]string{
		{"CreateStream", `{"StreamName":"other","ShardCount":1}`},
		{"SplitShard", `{"StreamName":"orders","ShardToSplit":"0","NewStartingHashKey":"` + aQuarter + `"}`},
		{"RegisterStreamConsumer", `{"StreamARN":"` + arnOf + `orders","ConsumerName":"reports"}`},
	} {
		failOnce(s.store, "control.log", func(*os.File) {})
		if status, answer := s.send(r[0], r[1]); status != 500 || !strings.Contains(answer, "no space left on device") {
			t.Errorf("%s whose write fails answered %d %s; want 500 and the reason", r[0], status, answer)
		}
		s.must(r[0], r[1]) // as if it had not been tried
	}
	reads := [][2]string{{"ListStreams", `{}`}, {"ListShards", `{"StreamName":"orders"}`}, {"ListStreamConsumers", `{"StreamARN":"` + arnOf + `orders"}`}}
	before := s.answers(reads)
	s.end()
	s = start(t, dir)
	mustEqual(t, "answers after the restart", s.answers(reads), before)
	if cuts := s.store.Cuts(); len(cuts) > 0 {
		t.Errorf("the failed write was left for the restart: %v", cuts)
	}
}

func TestADeleteThatWasInterruptedIsFinishedByTheRestart(t *testing.T) {
	t.Parallel()
	for step := range 3 { // the note, the document, the note again
		t.Run(fmt.Sprint("after step ", step), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := start(t, dir)
			s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
			s.put("first")
			writes := 0
			s.store.OnWrite(func(f *os.File, b []byte, at int64) (int, error) {
				if writes++; writes > step {
					return 0, syscall.EIO
				}
				return f.WriteAt(b, at)
			})
			if status, answer := s.send("DeleteStream", `{"StreamName":"orders"}`); status != 500 {
				t.Fatalf("DeleteStream answered %d %s; want 500", status, answer)
			}
			s.end()
			s = start(t, dir)
			streams, dirs := len(s.Streams()), len(mustDirs(t, dir))
			if step < 2 && (streams != 1 || dirs != 1 || s.keys() != "first") || step == 2 && (streams != 0 || dirs != 0) {
				t.Errorf("after the restart there are %d streams and the records of %d", streams, dirs)
			}
			if text, err := os.ReadFile(filepath.Join(dir, "control.log")); err != nil || strings.Count(string(text), "removed/")%2 != 0 {
				t.Errorf("the note that records are to go is still there, %v:\n%q", err, text)
			}
		})
	}
}

func TestRecordsWithoutADocumentAreReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.put("first")
	s.end()
	edit(t, filepath.Join(dir, "control.log"), func(b []byte) []byte { return b[:len(b)-1] })
	if _, err := restart(dir); err == nil || !strings.Contains(err.Error(), "belong to no stream") {
		t.Errorf("start: %v; want a sentence about the records without a stream", err)
	}
	if files := mustFiles(t, dir); len(files) != 1 {
		t.Errorf("files are %q; want the one with the record", files)
	}
}

func TestARecordIsSeenOnlyWhenItIsOnTheDisk(t *testing.T) {
	t.Parallel()
	store := openStore(t, t.TempDir(), func(o *diskstore.Options) { o.Fsync = true })
	s := startWith(t, store)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.put("first")
	syncing, release := make(chan struct{}), make(chan struct{})
	store.OnSync(func(*os.File) error {
		syncing <- struct{}{}
		<-release
		return nil
	})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.put("second")
	}()
	<-syncing
	if got := s.keys(); got != "first" {
		t.Errorf("while the fsync runs, readers see %q, want first alone", got)
	}
	select {
	case <-answered:
		t.Error("the put was answered while its fsync runs")
	default:
	}
	close(release)
	<-answered
	if got := s.keys(); got != "first second" {
		t.Errorf("after the fsync, readers see %q, want both", got)
	}
}

func TestWritersThatWaitShareAnFsync(t *testing.T) {
	t.Parallel()
	store := openStore(t, t.TempDir(), func(o *diskstore.Options) { o.Fsync = true })
	s := startWith(t, store)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.put("first")

	const writers = 20
	written, release := make(chan struct{}, writers), make(chan struct{})
	syncs := 0 // calls do not overlap: a shard syncs one at a time
	store.OnWrite(func(f *os.File, b []byte, at int64) (int, error) {
		defer func() { written <- struct{}{} }()
		return f.WriteAt(b, at)
	})
	store.OnSync(func(*os.File) error {
		syncs++
		<-release
		return nil
	})
	var putting sync.WaitGroup
	for i := range writers {
		putting.Go(func() { s.put(fmt.Sprint(i)) })
	}
	for range writers {
		<-written
	}
	close(release)
	putting.Wait()
	if syncs > 2 {
		t.Errorf("%d writers that waited together took %d fsyncs; want one for the first and one for the rest", writers, syncs)
	}
	if n := len(strings.Fields(s.keys())); n != writers+1 {
		t.Errorf("there are %d records, want %d", n, writers+1)
	}
}

func TestAFailedFsyncEndsTheShard(t *testing.T) {
	t.Parallel()
	for name, segmentBytes := range map[string]int64{"of the record's file": 1 << 20, "of the file before": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := openStore(t, t.TempDir(), func(o *diskstore.Options) { o.Fsync, o.SegmentBytes = true, segmentBytes })
			s := startWith(t, store)
			s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
			s.put("first")
			store.OnSync(func(*os.File) error { return syscall.EIO })
			if status, answer := s.put("lost"); status != 500 {
				t.Errorf("a put whose fsync fails answered %d %s; want 500", status, answer)
			}
			store.OnSync((*os.File).Sync) // what the failed one did not write may be lost for good
			if status, answer := s.put("second"); status != 500 || !strings.Contains(answer, "did not reach the disk") {
				t.Errorf("the next put answered %d %s; want 500 and why", status, answer)
			}
			if got := s.keys(); got != "first" {
				t.Errorf("readers see %q, want first alone", got)
			}
		})
	}
}

func TestEveryAnswerIsOnTheDiskWithFsync(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := openStore(t, dir, func(o *diskstore.Options) { o.Fsync, o.SegmentBytes = true, 2<<10 })
	s := startWith(t, store)
	unsynced := map[string]bool{}
	store.OnWrite(func(f *os.File, b []byte, at int64) (int, error) {
		unsynced[f.Name()] = true
		return f.WriteAt(b, at)
	})
	store.OnSync(func(f *os.File) error {
		delete(unsynced, f.Name())
		return f.Sync()
	})
	whatStreamsHave(s)
	for i := range 50 {
		s.must("PutRecord", fmt.Sprintf(`{"StreamName":"orders","PartitionKey":"%d","Data":"%s"}`, i, hundredBytes))
		if len(unsynced) > 0 {
			t.Fatalf("after the answer to put %d these files have writes that are not on the disk: %v", i, unsynced)
		}
	}
	if len(mustFiles(t, dir)) < 6 {
		t.Error("the files did not grow enough for the test")
	}
}

func TestWhatManyWritersWroteIsOnTheDiskWhenAllAreAnswered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := openStore(t, dir, func(o *diskstore.Options) { o.Fsync, o.SegmentBytes = true, 1<<10 })
	s := startWith(t, store)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	var mu sync.Mutex
	written, synced := map[string]int{}, map[string]int{}
	store.OnWrite(func(f *os.File, b []byte, at int64) (int, error) {
		defer mu.Unlock()
		defer func() { written[f.Name()]++ }()
		mu.Lock()
		return f.WriteAt(b, at)
	})
	store.OnSync(func(f *os.File) error {
		mu.Lock()
		before := written[f.Name()]
		mu.Unlock()
		err := f.Sync()
		mu.Lock()
		defer mu.Unlock()
		synced[f.Name()] = max(synced[f.Name()], before)
		return err
	})
	var putting sync.WaitGroup
	for writer := range 8 {
		putting.Go(func() {
			for i := range 40 {
				body := fmt.Sprintf(`{"StreamName":"orders","PartitionKey":"%d-%d","Data":"%s"}`, writer, i, hundredBytes)
				if status, answer := s.send("PutRecord", body); status != 200 {
					t.Errorf("a put answered %d %s; want 200", status, answer)
				}
			}
		})
	}
	putting.Wait()
	if len(written) < 20 {
		t.Errorf("only %d files were written; want many", len(written))
	}
	for name, n := range written {
		// The first write is the header, which is synced in another way.
		if n > 1 && synced[name] < n {
			t.Errorf("%d of %d writes to %s are on the disk", synced[name], n, name)
		}
	}
}

func TestExpiredRecordsGiveUpTheirFilesAndNoNumberIsGivenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startWith(t, openStore(t, dir, smallSegments))
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	for range 40 {
		s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"`+hundredBytes+`"}`)
	}
	full, latest := len(mustFiles(t, dir)), s.records("orders")[39]
	if full < 3 {
		t.Fatalf("there are %d files; want several", full)
	}
	s.Clock().Advance(25 * time.Hour)
	if got := s.keys(); got != "" {
		t.Errorf("after their retention there are the records %q", got)
	}
	if files := mustFiles(t, dir); len(files) != 1 {
		t.Errorf("after the retention of every record, %d of %d files are left; want an empty one", len(files), full)
	}
	s.end()
	for range 2 {
		s = startWith(t, openStore(t, dir, smallSegments))
		s.Clock().Advance(25 * time.Hour)
		s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"`+hundredBytes+`"}`)
		records := s.records("orders")
		next := records[len(records)-1]
		if next <= latest {
			t.Errorf("after the restart a record has the number %s, not behind %s", next, latest)
		}
		latest = next
		s.end()
	}
}

func TestTheServerGivesUpTheSpaceOfShardsThatNobodyReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, dir)
		s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
		s.put("a")
		s.must("UpdateShardCount", `{"StreamName":"orders","TargetShardCount":2,"ScalingType":"UNIFORM_SCALING"}`)
		s.put("b")
		if n := len(mustFiles(t, dir)); n != 2 {
			t.Fatalf("there are %d files, want one of the parent and one of a child", n)
		}
		synctest.Wait() // until the server waits for its next look
		s.Clock().Advance(25 * time.Hour)
		synctest.Wait()
		files := mustFiles(t, dir)
		if len(files) != 1 || !strings.Contains(files[0], "00000000000000000002.log") {
			t.Errorf("files are %q; want an empty one of the child that goes on with its second record", files)
		}
		if dirs, err := filepath.Glob(filepath.Join(dir, "records", "*", "*")); err != nil || len(dirs) != 1 {
			t.Errorf("directories of shards are %q, %v; want that of the child", dirs, err)
		}
		s.end()
	})
}

func TestFewFilesAreOpenAtOnce(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // nowhere else can one look
	}
	dir := t.TempDir()
	s := startWith(t, openStore(t, dir, func(o *diskstore.Options) { o.OpenFiles = 3 }))
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":20}`)
	for i := range 400 {
		s.put(fmt.Sprint(i))
	}
	if n := len(strings.Fields(s.keys())); n != 400 {
		t.Errorf("there are %d records, want 400", n)
	}
	open := 0
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range descriptors {
		target, _ := os.Readlink("/proc/self/fd/" + d.Name())
		if strings.HasPrefix(target, filepath.Join(dir, "records")) {
			open++
		}
	}
	if open == 0 || open > 3 {
		t.Errorf("%d files of records are open, want 1 to 3", open)
	}
	if files := mustFiles(t, dir); len(files) < 15 {
		t.Errorf("there are %d files of records; want nearly one of each of the 20 shards", len(files))
	}
}

func TestTheFileOfDocumentsIsWrittenAnewBeforeItGrowsWithoutBound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":100}`)
	largest := int64(0)
	for i := range 500 {
		s.must("AddTagsToStream", fmt.Sprintf(`{"StreamName":"orders","Tags":{"round":"%d"}}`, i))
		info, err := os.Stat(filepath.Join(dir, "control.log"))
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	if largest < 900<<10 || largest > 1100<<10 {
		t.Errorf("the file grew to %d bytes; want about a MiB, where it is written anew", largest)
	}
	s.end()
	s = start(t, dir)
	if tags := s.must("ListTagsForStream", `{"StreamName":"orders"}`); !strings.Contains(tags, `"499"`) {
		t.Errorf("tags after the restart are %s; want the latest", tags)
	}
	if shards, err := s.Shards("orders"); err != nil || len(shards) != 100 {
		t.Errorf("there are %d shards, %v; want 100", len(shards), err)
	}
}

func TestAClosedStoreRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir())
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.put("first")
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]string{
		{"PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":""}`},
		{"AddTagsToStream", `{"StreamName":"orders","Tags":{"a":"b"}}`},
	} {
		if status, answer := s.send(r[0], r[1]); status != 500 || !strings.Contains(answer, diskstore.ErrClosed.Error()) {
			t.Errorf("%s answered %d %s; want 500 and %q", r[0], status, answer, diskstore.ErrClosed)
		}
	}
}
