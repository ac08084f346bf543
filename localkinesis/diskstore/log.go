package diskstore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"sync"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// shardLog is a state.Log in files.
type shardLog struct {
	store *Store
	dir   string

	mu       sync.Mutex
	segments []*segment // without gaps; records are appended to the last
	broken   error      // why nothing can be appended any more
	appended int64      // bytes

	syncing sync.Mutex // held by the writer that syncs for all that wait
	synced  int64      // of the bytes appended; guarded by syncing
}

// open finds the files of the log.
func (l *shardLog) open() error {
	entries, err := os.ReadDir(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var firsts []uint64
	for _, e := range entries {
		if first, ok := firstOf(e.Name()); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	newest := int64(math.MinInt64)
	for i, first := range firsts {
		g := newSegment(l.dir, first, newest)
		if i > 0 && l.last().next != first {
			return &DamagedError{File: g.path, Reason: fmt.Sprintf("it follows a file that ends before record %d", l.last().next)}
		}
		cut, err := g.load(i == len(firsts)-1)
		if err != nil {
			return err
		}
		if cut != nil {
			l.store.noteCut(*cut)
		}
		l.segments = append(l.segments, g)
		newest = g.newest
	}
	return nil
}

// last is the file records are appended to. l.mu is held, and there is one.
func (l *shardLog) last() *segment { return l.segments[len(l.segments)-1] }

func (l *shardLog) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next()
}

// next is the counter of the next record. l.mu is held.
func (l *shardLog) next() uint64 {
	if len(l.segments) == 0 {
		return 1
	}
	return l.last().next
}

// buffers keeps the memory of writes.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxKeptBuffer is the size of a write whose memory is kept for the next one.
const maxKeptBuffer = 4 << 20

// Append writes the records with one call of the system.
func (l *shardLog) Append(b *state.Batch) error {
	if len(b.Records) == 0 {
		return nil
	}
	buffer := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= maxKeptBuffer {
			buffers.Put(buffer)
		}
	}()
	var entries []written
	*buffer, entries = appendBatch((*buffer)[:0], b)

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	g, err := l.room(int64(len(*buffer)), b.Horizon)
	if err != nil {
		return err
	}
	if err := l.write(g, *buffer); err != nil {
		return err
	}
	for _, e := range entries {
		g.add(e.first, g.size+int64(e.at), b.Arrived)
	}
	g.next += uint64(len(b.Records))
	g.size += int64(len(*buffer))
	l.appended += int64(len(*buffer))
	return nil
}

// room is the file for so many bytes more: the last one, or a new one when that
// would become too large. l.mu is held.
func (l *shardLog) room(bytes, horizon int64) (*segment, error) {
	if len(l.segments) == 0 {
		return l.grow(1, math.MinInt64)
	}
	g := l.last()
	if g.empty() || g.size+bytes <= l.store.options.SegmentBytes {
		return g, nil
	}
	if err := l.sync(g); err != nil {
		return nil, l.lose(g, err)
	}
	next, err := l.grow(g.next, g.newest)
	if err != nil {
		return nil, err
	}
	return next, l.trim(horizon)
}

// grow adds a file. l.mu is held.
func (l *shardLog) grow(first uint64, newest int64) (*segment, error) {
	if len(l.segments) == 0 {
		if err := l.store.makeDir(l.dir); err != nil {
			return nil, err
		}
	}
	g := newSegment(l.dir, first, newest)
	f, err := l.store.files.create(&g.handle)
	if err != nil {
		return nil, err
	}
	_, err = l.store.writeAt(f, g.header().appendTo(nil), 0)
	if err == nil && l.store.options.Fsync {
		err = errors.Join(f.Sync(), syncDir(l.dir))
	}
	l.store.files.done(&g.handle)
	if err != nil {
		_, removing := l.store.files.remove(&g.handle)
		return nil, errors.Join(err, removing)
	}
	l.segments = append(l.segments, g)
	return g, nil
}

// write appends to a file. When it fails, nothing of it is left, or nothing is
// appended any more: what follows a part of an entry could not be read. l.mu is
// held.
func (l *shardLog) write(g *segment, b []byte) error {
	f, err := l.store.files.use(&g.handle)
	if err != nil {
		return err
	}
	defer l.store.files.done(&g.handle)
	if _, err := l.store.writeAt(f, b, g.size); err != nil {
		if undo := f.Truncate(g.size); undo != nil {
			l.broken = fmt.Errorf("an earlier write to %s failed and could not be undone: %w", g.path, undo)
		}
		return err
	}
	return nil
}

// Sync returns when what was appended is on the disk. One writer syncs for all
// that have come meanwhile.
func (l *shardLog) Sync() error {
	if !l.store.options.Fsync {
		return nil
	}
	mine, _ := l.end()
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if l.synced >= mine {
		return nil
	}
	all, g := l.end()
	err := l.sync(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		return l.lose(g, err)
	case l.broken != nil: // also when another fsync failed meanwhile
		return l.broken
	}
	l.synced = all
	return nil
}

// lose notes that an fsync failed. What it was to bring to the disk may be
// gone, and the next fsync would not say so. l.mu is held.
func (l *shardLog) lose(g *segment, err error) error {
	l.broken = fmt.Errorf("an earlier write to %s did not reach the disk: %w", g.path, err)
	return err
}

// end is how much was appended, and to which file last.
func (l *shardLog) end() (appended int64, last *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) == 0 {
		return l.appended, nil
	}
	return l.appended, l.last()
}

// sync brings a file to the disk, if that is asked for. The files before it
// are there already.
func (l *shardLog) sync(g *segment) error {
	if !l.store.options.Fsync || g == nil {
		return nil
	}
	f, err := l.store.files.use(&g.handle)
	if err != nil {
		return err
	}
	defer l.store.files.done(&g.handle)
	return l.store.syncFile(f)
}

// Trim removes the files in which every record arrived before the horizon. One
// that is being read stays until the next time.
func (l *shardLog) Trim(horizon int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trim(horizon)
}

// trim is Trim. l.mu is held.
func (l *shardLog) trim(horizon int64) error {
	for len(l.segments) > 0 {
		g := l.segments[0]
		if g.empty() || g.newest >= horizon || l.broken != nil {
			return nil
		}
		if len(l.segments) == 1 {
			// The counter must not go back, so it goes on in an empty file.
			if _, err := l.grow(g.next, g.newest); err != nil {
				return err
			}
		}
		if removed, err := l.store.files.remove(&g.handle); !removed {
			return err
		}
		l.segments = slices.Delete(l.segments, 0, 1)
	}
	return nil
}

// Remove removes the files and the directory of the log.
func (l *shardLog) Remove() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = errRemoved
	for len(l.segments) > 0 {
		if removed, err := l.store.files.remove(&l.segments[0].handle); !removed {
			return err
		}
		l.segments = slices.Delete(l.segments, 0, 1)
	}
	if err := os.Remove(l.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
