package diskstore

import "os"

// OnWrite lets a test take the place of every write.
func (s *Store) OnWrite(write func(f *os.File, b []byte, at int64) (int, error)) { s.writeAt = write }

// OnSync lets a test take the place of every fsync.
func (s *Store) OnSync(sync func(f *os.File) error) { s.syncFile = sync }
