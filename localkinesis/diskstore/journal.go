package diskstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
)

// The body of an entry with a document: what it is, the length of the key, the
// key and the document.
const (
	putDocument    = 1
	removeDocument = 2

	documentHeadBytes = 1 + 2
)

// journal is the file of documents. The latest of each key is in memory, too.
type journal struct {
	store *Store
	path  string

	mu        sync.Mutex
	file      *os.File
	size      int64
	documents map[string][]byte
	live      int64 // bytes of the entries that documents would be
	rewriteAt int64 // size from which on the file is written anew
	broken    error // why nothing can be appended any more
}

// leastRewrite is the size below which the file is not written anew.
const leastRewrite = 1 << 20

// openJournal reads the file, or makes it in a new directory.
func openJournal(s *Store, path string) (*journal, error) {
	j := &journal{store: s, path: path, documents: make(map[string][]byte)}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return j, j.rewrite()
	}
	if err != nil {
		return nil, err
	}
	j.file = f
	if err := j.load(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

func (j *journal) load() error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	// The file got its name when it had its header.
	var b [headerBytes]byte
	if _, err := j.file.ReadAt(b[:], 0); err != nil {
		return &DamagedError{File: j.path, Reason: "the header is missing"}
	}
	if _, err := parseHeader(b[:], j.path, holdsDocuments); err != nil {
		return err
	}
	if j.size, err = scan(j.file, j.path, headerBytes, info.Size(), j.visit); err != nil {
		return err
	}
	if j.size < info.Size() {
		j.store.noteCut(Cut{File: j.path, Offset: j.size, Bytes: info.Size() - j.size})
		if err := j.file.Truncate(j.size); err != nil {
			return err
		}
	}
	j.rewriteAt = max(leastRewrite, 4*j.live)
	return nil
}

func (j *journal) visit(at int64, body []byte) error {
	if len(body) >= documentHeadBytes {
		key := int(binary.LittleEndian.Uint16(body[1:]))
		if rest := body[documentHeadBytes:]; len(rest) >= key {
			switch body[0] {
			case putDocument:
				j.note(string(rest[:key]), slices.Clone(rest[key:]))
				return nil
			case removeDocument:
				j.note(string(rest[:key]), nil)
				return nil
			}
		}
	}
	return &DamagedError{File: j.path, Offset: at, Reason: "the entry holds no document"}
}

// note takes up what an entry says. j.mu is held, or j is not shared yet.
func (j *journal) note(key string, document []byte) {
	if held, ok := j.documents[key]; ok {
		j.live -= entrySize(key, held)
		delete(j.documents, key)
	}
	if document != nil {
		j.live += entrySize(key, document)
		j.documents[key] = document
	}
}

func entrySize(key string, document []byte) int64 {
	return int64(headBytes + documentHeadBytes + len(key) + len(document))
}

func appendDocument(dst []byte, key string, document []byte) []byte {
	at := len(dst)
	dst = beginEntry(dst)
	what := byte(putDocument)
	if document == nil {
		what = removeDocument
	}
	dst = append(dst, what)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(key)))
	dst = append(dst, key...)
	dst = append(dst, document...)
	endEntry(dst[at:])
	return dst
}

// put writes a document, or the removal of one that is nil.
func (j *journal) put(key string, document []byte) error {
	if len(key) > 1<<16-1 {
		return fmt.Errorf("diskstore: a key has %d bytes, more than %d", len(key), 1<<16-1)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.file == nil:
		return ErrClosed
	case j.broken != nil:
		return j.broken
	case document == nil && j.documents[key] == nil:
		return nil
	}
	entry := appendDocument(nil, key, document)
	if err := j.write(entry); err != nil {
		return err
	}
	j.size += int64(len(entry))
	j.note(key, document)
	if j.size >= j.rewriteAt {
		if err := j.rewrite(); err != nil {
			// Every document is in the old file. Its size is tried again later.
			j.rewriteAt = 2 * j.size
		}
	}
	return nil
}

// write appends an entry. j.mu is held.
func (j *journal) write(entry []byte) error {
	if _, err := j.store.writeAt(j.file, entry, j.size); err != nil {
		if undo := j.file.Truncate(j.size); undo != nil {
			j.broken = fmt.Errorf("an earlier write to %s failed and could not be undone: %w", j.path, undo)
		}
		return err
	}
	if !j.store.options.Fsync {
		return nil
	}
	if err := j.store.syncFile(j.file); err != nil {
		j.broken = fmt.Errorf("an earlier write to %s did not reach the disk: %w", j.path, err)
		return err
	}
	return nil
}

// rewrite puts a file in place that holds every document once. It has its name
// only when it is whole and on the disk. Files are closed while names change,
// which not every system allows otherwise. j.mu is held.
func (j *journal) rewrite() error {
	b := header{holds: holdsDocuments}.appendTo(nil)
	for _, key := range slices.Sorted(maps.Keys(j.documents)) {
		b = appendDocument(b, key, j.documents[key])
	}
	if err := j.writeNew(b); err != nil {
		return errors.Join(err, os.Remove(j.path+newSuffix))
	}
	if j.file != nil {
		_ = j.file.Close() // all of it is in the new file
	}
	renaming := os.Rename(j.path+newSuffix, j.path)
	f, err := os.OpenFile(j.path, os.O_RDWR, 0)
	if err != nil {
		j.broken = fmt.Errorf("%s could not be opened again: %w", j.path, err)
		return j.broken
	}
	j.file = f
	if renaming != nil {
		return renaming
	}
	j.size = int64(len(b))
	j.rewriteAt = max(leastRewrite, 4*j.live)
	if j.store.options.Fsync {
		return syncDir(j.store.dir)
	}
	return nil
}

// writeNew writes what will become the file.
func (j *journal) writeNew(content []byte) error {
	f, err := os.OpenFile(j.path+newSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	if _, err = j.store.writeAt(f, content, 0); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	f := j.file
	j.file = nil
	return f.Close()
}
