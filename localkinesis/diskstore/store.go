package diskstore

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// Options tunes a Store. Open fills in every default before it calls the
// caller's functions, so a zero written there means zero.
type Options struct {
	// Fsync brings every write to the disk before it is answered, so that it
	// survives the end of the machine, not only that of the process. Writers
	// that wait at the same time share an fsync. The default is false.
	Fsync bool

	// SegmentBytes is the size up to which a shard's file grows before the next
	// one is begun. Expired records give up their space by whole files. The
	// default is 64 MiB.
	SegmentBytes int64

	// OpenFiles is how many files of records are open at once. The default is
	// 256.
	OpenFiles int
}

func (o *Options) check() error {
	var problems []error
	if o.SegmentBytes <= 0 {
		problems = append(problems, fmt.Errorf("diskstore: SegmentBytes is %d, not above zero", o.SegmentBytes))
	}
	if o.OpenFiles <= 0 {
		problems = append(problems, fmt.Errorf("diskstore: OpenFiles is %d, not above zero", o.OpenFiles))
	}
	return errors.Join(problems...)
}

// What lies in a data directory. It holds a key and other people's records, so
// only its owner may look.
const (
	lockName    = "lock"
	controlName = "control.log"
	recordsName = "records"
	newSuffix   = ".new"

	dirMode  = 0o700
	fileMode = 0o600
)

// Store is a state.Store in a directory.
type Store struct {
	dir     string
	options Options
	lock    *os.File
	control *journal
	files   files

	// What tests change.
	writeAt  func(f *os.File, b []byte, at int64) (int, error)
	syncFile func(f *os.File) error

	mu   sync.Mutex
	cuts []Cut
}

var _ state.Store = (*Store)(nil)

// Open opens a data directory and makes it if it does not exist. The directory
// belongs to the store until Close, or until the process ends: an InUseError
// says that another one has it. What a killed process was writing is cut off,
// see Cuts; any other damage is a DamagedError. The records of a shard are
// checked when its log is opened.
func Open(dir string, opts ...func(*Options)) (*Store, error) {
	options := Options{SegmentBytes: 64 << 20, OpenFiles: 256}
	for _, opt := range opts {
		opt(&options)
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, options: options, writeAt: (*os.File).WriteAt, syncFile: (*os.File).Sync}
	s.files.limit = options.OpenFiles
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("diskstore: %w", err), s.Close())
	}
	return s, nil
}

func (s *Store) open() (err error) {
	if err := os.MkdirAll(s.dir, dirMode); err != nil {
		return err
	}
	if err := s.checkContent(); err != nil {
		return err
	}
	if err := s.takeLock(); err != nil {
		return err
	}
	s.control, err = openJournal(s, filepath.Join(s.dir, controlName))
	return err
}

// checkContent refuses a directory that holds something else, and one whose
// documents are missing.
func (s *Store) checkContent() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	switch {
	case slices.Contains(names, controlName):
		return nil
	case slices.Contains(names, recordsName):
		return fmt.Errorf("%s is missing", filepath.Join(s.dir, controlName))
	}
	for _, name := range names {
		if name != lockName && name != controlName+newSuffix {
			return fmt.Errorf("%s holds %s and is no data directory; take an empty one", s.dir, name)
		}
	}
	return nil
}

// takeLock locks the directory and leaves a note for whoever comes next.
func (s *Store) takeLock() error {
	f, err := os.OpenFile(filepath.Join(s.dir, lockName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	locked, err := tryLock(f)
	if !locked {
		if err == nil {
			err = &InUseError{Dir: s.dir, PID: readPID(f)}
		}
		return errors.Join(err, f.Close())
	}
	s.lock = f
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	return err
}

// readPID is the note of the process that has the lock, 0 when there is none.
func readPID(f *os.File) int {
	var text [20]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	return pid
}

// Documents returns every document and its key, as they are now.
func (s *Store) Documents() iter.Seq2[string, []byte] {
	s.control.mu.Lock()
	defer s.control.mu.Unlock()
	return maps.All(maps.Clone(s.control.documents))
}

// Put writes a document, or removes it when it is nil.
func (s *Store) Put(key string, document []byte) error {
	return s.control.put(key, document)
}

// Streams are the names of the directories of streams.
func (s *Store) Streams() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, recordsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// OpenLog reads the files of a shard, and checks all of them.
func (s *Store) OpenLog(stream string, shard uint32) (state.Log, error) {
	l := s.newLog(stream, shard)
	return l, l.open()
}

// NewLog is the log of a shard that has no files. They are made by the first
// Append.
func (s *Store) NewLog(stream string, shard uint32) state.Log { return s.newLog(stream, shard) }

func (s *Store) newLog(stream string, shard uint32) *shardLog {
	return &shardLog{store: s, dir: filepath.Join(s.dir, recordsName, stream, state.ShardID(shard))}
}

// RemoveLogs removes the directory of a stream.
func (s *Store) RemoveLogs(stream string) error {
	return os.RemoveAll(filepath.Join(s.dir, recordsName, stream))
}

// Cuts are the unfinished writes that were found and cut off.
func (s *Store) Cuts() []Cut {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.cuts)
}

func (s *Store) noteCut(c Cut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cuts = append(s.cuts, c)
}

// Close closes every file and lets go of the directory. It can be called again.
func (s *Store) Close() error {
	err := s.files.closeAll()
	if s.control != nil {
		err = errors.Join(err, s.control.close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock != nil {
		err = errors.Join(err, unlock(s.lock), s.lock.Close())
		s.lock = nil
	}
	return err
}

// makeDir makes the directory of a log, on the disk if that is asked for.
func (s *Store) makeDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil || !s.options.Fsync {
		return err
	}
	stream := filepath.Dir(dir)
	return errors.Join(syncDir(stream), syncDir(filepath.Dir(stream)), syncDir(s.dir))
}

// syncDir brings the names in a directory to the disk.
func syncDir(dir string) error {
	if !canSyncDirs {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// canSyncDirs is false where a directory cannot be opened for that; the file
// system there brings names to the disk by itself.
const canSyncDirs = runtime.GOOS != "windows"
