package diskstore

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// segment is one file of a log.
type segment struct {
	handle

	first  uint64 // counter of its first record
	next   uint64 // counter of the record that would follow
	newest int64  // the latest arrival in it or before it, in Unix milliseconds
	size   int64
	marks  []mark
}

// mark is a place in a file to begin reading at. There is one in every
// markEvery bytes, 24 bytes in memory.
type mark struct {
	first  uint64 // counter of the record that lies there
	offset int64
	newest int64 // the latest arrival between here and the next mark, in Unix milliseconds
}

const markEvery = 64 << 10

const segmentSuffix = ".log"

// segmentName is the name of the file that begins with a record. Names sort as
// counters do.
func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

// firstOf is the counter in the name of a file; false for other files.
func firstOf(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil
}

func newSegment(dir string, first uint64, newest int64) *segment {
	return &segment{
		handle: handle{path: filepath.Join(dir, segmentName(first))},
		first:  first, next: first, newest: newest, size: headerBytes,
	}
}

func (g *segment) header() header {
	return header{holds: holdsRecords, first: g.first, newest: g.newest}
}

// empty reports whether the segment holds no record.
func (g *segment) empty() bool { return g.next == g.first }

// add notes an entry that was written.
func (g *segment) add(first uint64, offset, arrived int64) {
	if n := len(g.marks); n == 0 || offset-g.marks[n-1].offset >= markEvery {
		g.marks = append(g.marks, mark{first: first, offset: offset, newest: arrived})
	}
	last := &g.marks[len(g.marks)-1]
	last.newest = max(last.newest, arrived)
	g.newest = max(g.newest, arrived)
}

// load reads the file. A write that was not finished is cut off if it can be
// one: if the file is the last of its log.
func (g *segment) load(last bool) (cut *Cut, err error) {
	f, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size < headerBytes {
		return g.loadHeadless(f, size, last)
	}
	if err := g.loadHeader(f); err != nil {
		return nil, err
	}
	end, err := scan(f, g.path, headerBytes, size, g.visit)
	if err != nil || end == size {
		return nil, err
	}
	if !last {
		return nil, &DamagedError{File: g.path, Offset: end, Reason: "the entry is not written to its end, but other files follow"}
	}
	return &Cut{File: g.path, Offset: end, Bytes: size - end}, f.Truncate(end)
}

// loadHeadless writes the header that the first write to a file did not.
func (g *segment) loadHeadless(f *os.File, size int64, last bool) (*Cut, error) {
	if !last {
		return nil, &DamagedError{File: g.path, Offset: 0, Reason: "the header is not written to its end, but other files follow"}
	}
	_, err := f.WriteAt(g.header().appendTo(nil), 0)
	return &Cut{File: g.path, Offset: 0, Bytes: size}, err
}

func (g *segment) loadHeader(f *os.File) error {
	var b [headerBytes]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return err
	}
	h, err := parseHeader(b[:], g.path, holdsRecords)
	if err != nil {
		return err
	}
	if h.first != g.first {
		return &DamagedError{File: g.path, Reason: fmt.Sprintf("the header says that it begins with record %d", h.first)}
	}
	g.newest = max(g.newest, h.newest)
	return nil
}

// visit notes an entry of the file.
func (g *segment) visit(at int64, body []byte) error {
	h, records, ok := parseBatch(body)
	if !ok || h.first != g.next || h.count == 0 {
		return &DamagedError{File: g.path, Offset: at, Reason: fmt.Sprintf("the entry does not go on with record %d", g.next)}
	}
	var r state.Record
	for range h.count {
		if records, ok = parseRecord(records, &r); !ok {
			break
		}
	}
	if !ok || len(records) > 0 {
		return &DamagedError{File: g.path, Offset: at, Reason: "the entry does not hold the records it says"}
	}
	g.add(h.first, at, h.arrived)
	g.next, g.size = h.first+uint64(h.count), at+headBytes+int64(len(body))
	return nil
}
