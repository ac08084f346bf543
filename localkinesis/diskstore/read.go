package diskstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// Read reads the files in chunks, which hold the bytes of the records until
// they are released.
func (l *shardLog) Read(from uint64, visit func(*state.Record) bool) (release func(), err error) {
	r := &reader{log: l, from: from, visit: visit}
	for r.more() {
		if err = r.readFile(); err != nil {
			r.release()
			return nil, err
		}
	}
	return r.release, nil
}

// FirstAt looks the record up among the marks, and reads from there.
func (l *shardLog) FirstAt(millis int64) (uint64, error) {
	first, ok := l.markAt(millis)
	if !ok {
		return l.Next(), nil
	}
	counter := l.Next()
	release, err := l.Read(first, func(r *state.Record) bool {
		if r.ArrivedMillis < millis {
			return true
		}
		counter = r.Counter
		return false
	})
	if err != nil {
		return 0, err
	}
	release()
	return counter, nil
}

// markAt is the first counter of the first mark behind which a record arrived
// at or after this time, and before the next mark.
func (l *shardLog) markAt(millis int64) (first uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.segments {
		if g.newest < millis {
			continue
		}
		for _, m := range g.marks {
			if m.newest >= millis {
				return m.first, true
			}
		}
	}
	return 0, false
}

// A read begins at a mark with what lies before the next one. If that is not
// enough, whole chunks follow.
const (
	firstRead = markEvery + fullEntry
	chunkSize = 256 << 10
)

// chunks keeps the memory of reads.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// reader visits the records of a log from a counter on.
type reader struct {
	log   *shardLog
	from  uint64
	visit func(*state.Record) bool

	done   bool // visit has seen enough
	record state.Record
	held   []*[chunkSize]byte

	// The file that is being read.
	segment     *segment
	offset, end int64
}

func (r *reader) release() {
	for _, c := range r.held {
		chunks.Put(c)
	}
	r.held = nil
}

// more finds the file and the place to go on at; false when nothing is left.
func (r *reader) more() bool {
	if r.done {
		return false
	}
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.segments, func(g *segment) bool { return g.next > r.from && !g.empty() })
	if i < 0 {
		return false
	}
	g := l.segments[i]
	m, found := slices.BinarySearchFunc(g.marks, r.from, func(m mark, from uint64) int {
		switch {
		case m.first < from:
			return -1
		case m.first > from:
			return 1
		}
		return 0
	})
	if !found && m > 0 {
		m--
	}
	r.segment, r.offset, r.end = g, g.marks[m].offset, g.size
	return true
}

// readFile visits the records between offset and end.
func (r *reader) readFile() error {
	f, err := r.log.store.files.use(&r.segment.handle)
	if errors.Is(err, fs.ErrNotExist) {
		return r.skipRemoved(err)
	}
	if err != nil {
		return err
	}
	defer r.log.store.files.done(&r.segment.handle)

	want := int64(firstRead)
	for r.offset < r.end && !r.done {
		chunk, hold := r.chunk(min(want, r.end-r.offset))
		switch _, err := f.ReadAt(chunk, r.offset); {
		case errors.Is(err, io.EOF):
			return &DamagedError{File: r.segment.path, Offset: r.offset, Reason: "the file is shorter than what was written to it"}
		case err != nil:
			return fmt.Errorf("read %s at offset %d: %w", r.segment.path, r.offset, err)
		}
		from := r.from
		missing, err := r.visitChunk(chunk)
		if err != nil {
			return err
		}
		if hold != nil && r.from == from {
			chunks.Put(hold) // no record of it was visited
		} else if hold != nil {
			r.held = append(r.held, hold)
		}
		want = max(chunkSize, missing)
	}
	return nil
}

// skipRemoved lets the reader go on behind a file that has expired meanwhile.
// One that is missing without that is an error.
func (r *reader) skipRemoved(missing error) error {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	if slices.Contains(r.log.segments, r.segment) {
		return missing
	}
	return nil
}

// chunk is memory to read into. hold is what it is a part of, nil when it is
// not kept.
func (r *reader) chunk(size int64) (chunk []byte, hold *[chunkSize]byte) {
	if size > chunkSize {
		return make([]byte, size), nil
	}
	hold = chunks.Get().(*[chunkSize]byte)
	return hold[:size], hold
}

// visitChunk visits the records of the entries that lie whole in a chunk, and
// moves offset behind them. missing is how many bytes the next entry has.
func (r *reader) visitChunk(chunk []byte) (missing int64, err error) {
	used, missing, err := scanChunk(chunk, r.segment.path, r.offset, r.end, r.visitEntry)
	if errors.Is(err, errEnough) {
		r.done = true
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if missing == 0 && used < int64(len(chunk)) || r.offset+used+missing > r.end {
		return 0, &DamagedError{File: r.segment.path, Offset: r.offset + used, Reason: "the entry is not written to its end"}
	}
	r.offset += used
	return missing, nil
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// visitEntry visits the records of an entry.
func (r *reader) visitEntry(at int64, body []byte) error {
	h, rest, ok := parseBatch(body)
	if !ok {
		return r.damaged(at)
	}
	if h.first+uint64(h.count) <= r.from {
		return nil
	}
	r.record.ArrivedMillis, r.record.Encrypted = h.arrived, h.encrypted
	for i := range uint64(h.count) {
		if rest, ok = parseRecord(rest, &r.record); !ok {
			return r.damaged(at)
		}
		r.record.Counter = h.first + i
		if r.record.Counter < r.from {
			continue
		}
		if !r.visit(&r.record) {
			return errEnough
		}
		r.from = r.record.Counter + 1
	}
	return nil
}

func (r *reader) damaged(at int64) error {
	return &DamagedError{File: r.segment.path, Offset: at, Reason: "the entry does not hold the records it says"}
}
