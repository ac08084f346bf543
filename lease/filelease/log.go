package filelease

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/internal/rowjson"
)

// log is the file: a first line that says what it is, then a line for every
// write, the last one for a key being its row. It is used with the lock held, and
// open only as long.
type log struct {
	path string
	lock *os.File
	rows map[string]lease.Lease

	file     *os.File
	read     os.FileInfo // of the file the rows were read from; nil: they are to be read anew
	rewrites uint64      // of the file until then
	offset   int64       // behind the last whole line
	lines    int
}

// format is the first line.
const format = `{"format":"kinetrail leases","version":1}` + "\n"

// line is one write.
type line struct {
	Key     string `json:"key"`
	Deleted bool   `json:"deleted,omitempty"`
	rowjson.Row
	Start kinetrail.Position `json:"start"` // in place of that of the Row: it stands in every line
}

func lineOf(l lease.Lease) line { return line{Key: l.Key, Row: rowjson.Of(l), Start: l.Start} }

func (l line) lease() lease.Lease {
	row := l.Row.Lease(l.Key)
	row.Start = l.Start
	return row
}

// open opens the file and reads what others have written since the last time.
func (g *log) open() error {
	file, err := os.OpenFile(g.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	g.file = file
	if err := g.refresh(); err != nil {
		return errors.Join(err, g.close())
	}
	return nil
}

func (g *log) close() error {
	file := g.file
	g.file = nil
	return file.Close()
}

// refresh reads the lines that are new. Another file than before was rewritten
// by somebody and is read from its beginning.
func (g *log) refresh() error {
	info, err := g.file.Stat()
	if err != nil {
		return err
	}
	rewrites, err := g.rewritten()
	if err != nil {
		return err
	}
	if g.read == nil || rewrites != g.rewrites || !os.SameFile(info, g.read) || info.Size() < g.offset {
		g.rows, g.offset, g.lines = make(map[string]lease.Lease), 0, 0
	}
	g.read, g.rewrites = info, rewrites
	if info.Size() == g.offset && g.offset > 0 {
		return nil
	}
	if _, err := g.file.Seek(g.offset, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(g.file)
	if err != nil {
		return err
	}
	return g.apply(data)
}

// rewritten is how often the file was rewritten, which stands in the lock file: one
// that was rewritten twice since a process looked can lie where the one before lay,
// and pass for it.
func (g *log) rewritten() (uint64, error) {
	var number [8]byte
	if _, err := g.lock.ReadAt(number[:], 0); err != nil && err != io.EOF {
		return 0, err
	}
	return binary.BigEndian.Uint64(number[:]), nil
}

// apply takes over whole lines. What follows the last one was cut off by a crash
// and is written over by the next write.
func (g *log) apply(data []byte) error {
	if g.offset == 0 {
		if len(data) < len(format) && bytes.HasPrefix([]byte(format), data) {
			return g.begin()
		}
		rest, ok := bytes.CutPrefix(data, []byte(format))
		if !ok {
			return lease.Unusable(errors.New("the file holds something else than leases of this version"))
		}
		data, g.offset = rest, int64(len(format))
	}
	for {
		text, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			return nil
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			if len(rest) == 0 {
				return nil // power was lost while it was written
			}
			return lease.Unusable(fmt.Errorf("the line at byte %d is damaged: %w", g.offset, err))
		}
		g.take(l)
		g.offset += int64(len(text)) + 1
		data = rest
	}
}

// begin writes the first line of a new file.
func (g *log) begin() error {
	if err := g.write([]byte(format), synced); err != nil {
		return err
	}
	g.lines = 0
	return nil
}

func (g *log) take(l line) {
	g.lines++
	if l.Deleted {
		delete(g.rows, l.Key)
		return
	}
	g.rows[l.Key] = l.lease()
}

// put writes a row.
func (g *log) put(row lease.Lease, sync bool) error { return g.add(lineOf(row), sync) }

// remove writes that a row is gone.
func (g *log) remove(key string) error { return g.add(line{Key: key, Deleted: true}, synced) }

func (g *log) add(l line, sync bool) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := g.write(append(text, '\n'), sync); err != nil {
		g.read = nil // whatever it holds now
		return err
	}
	g.take(l)
	if g.lines > 8*len(g.rows)+1000 {
		return g.rewrite()
	}
	return nil
}

// write puts text behind the last whole line. A line that could not be written
// whole is cut off again.
func (g *log) write(text []byte, sync bool) error {
	if err := g.file.Truncate(g.offset); err != nil {
		return err
	}
	if _, err := g.file.WriteAt(text, g.offset); err != nil {
		return errors.Join(err, g.file.Truncate(g.offset))
	}
	g.offset += int64(len(text))
	if sync {
		return g.file.Sync()
	}
	return nil
}

// rewrite replaces the file by one that holds each row once. It is complete on
// the disk before it takes the old one's place.
func (g *log) rewrite() error {
	text := []byte(format)
	for _, key := range slices.Sorted(maps.Keys(g.rows)) {
		one, err := json.Marshal(lineOf(g.rows[key]))
		if err != nil {
			return err
		}
		text = append(append(text, one...), '\n')
	}
	temporary := g.path + ".new"
	if err := writeSynced(temporary, text); err != nil {
		return fmt.Errorf("rewrite: %w", errors.Join(err, os.Remove(temporary)))
	}
	if _, err := g.lock.WriteAt(binary.BigEndian.AppendUint64(nil, g.rewrites+1), 0); err != nil {
		return fmt.Errorf("rewrite: %w", err)
	}
	if err := os.Rename(temporary, g.path); err != nil {
		return fmt.Errorf("rewrite: %w", err)
	}
	g.read = nil // the next open reads the new file
	return syncDirectory(filepath.Dir(g.path))
}

func writeSynced(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
