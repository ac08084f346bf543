package diskstore

import (
	"container/list"
	"errors"
	"os"
	"sync"
)

// files bounds how many files are open at once: one that is needed again is
// opened again.
type files struct {
	limit int

	mu     sync.Mutex
	closed bool
	open   list.List // of *handle, the one used last in front
}

// handle is a file that may be open. Its fields but the path belong to files.
type handle struct {
	path  string
	file  *os.File
	users int
	place *list.Element // nil while the file is closed
}

// use opens the file, or finds it open. It stays open until done.
func (f *files) use(h *handle) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	if h.place == nil {
		file, err := os.OpenFile(h.path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		f.keep(h, file)
	}
	h.users++
	f.open.MoveToFront(h.place)
	return h.file, nil
}

// create makes the file, which must not exist. It stays open until done.
func (f *files) create(h *handle) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	file, err := os.OpenFile(h.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	f.keep(h, file)
	h.users++
	return file, nil
}

func (f *files) done(h *handle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.users--
}

// keep takes an open file in, and closes the one that was not used for longest
// when there are too many. f.mu is held.
func (f *files) keep(h *handle, file *os.File) {
	h.file, h.place = file, f.open.PushFront(h)
	for e := f.open.Back(); e != nil && f.open.Len() > f.limit; e = e.Prev() {
		if idle := e.Value.(*handle); idle.users == 0 && idle != h {
			_ = f.close(idle) // what was written does not depend on it
			return
		}
	}
}

// close closes an open file. f.mu is held.
func (f *files) close(h *handle) error {
	f.open.Remove(h.place)
	file := h.file
	h.file, h.place = nil, nil
	return file.Close()
}

// remove removes the file, unless it is in use.
func (f *files) remove(h *handle) (removed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.users > 0 {
		return false, nil
	}
	if h.place != nil {
		_ = f.close(h) // nothing of it is needed any more
	}
	if err := os.Remove(h.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// closeAll closes every file for good. Nobody uses one any more.
func (f *files) closeAll() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	var problems []error
	for e := f.open.Front(); e != nil; e = f.open.Front() {
		problems = append(problems, f.close(e.Value.(*handle)))
	}
	return errors.Join(problems...)
}
