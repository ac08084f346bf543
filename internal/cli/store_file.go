package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/filelease"
)

// fileStore is a directory with a file for each group.
type fileStore struct {
	dir    string
	opened []*filelease.Store
}

func parseFileStore(dir string) (reachStore, error) {
	return func(_ context.Context, a *app) (groupStore, error) {
		if dir != "" {
			return &fileStore{dir: dir}, nil
		}
		state, err := a.stateDir()
		return &fileStore{dir: filepath.Join(state, "groups")}, err
	}, nil
}

func (s *fileStore) String() string { return "file:" + s.dir }

func (s *fileStore) path(group string) string { return filepath.Join(s.dir, group+filelease.Extension) }

func (s *fileStore) groups(context.Context) ([]string, error) {
	names, err := filelease.Groups(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nobody has made a group yet
	}
	slices.Sort(names)
	return names, plainPathError(err)
}

func (s *fileStore) exists(_ context.Context, group string) (bool, error) {
	_, err := os.Stat(s.path(group))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, plainPathError(err)
}

func (s *fileStore) open(_ context.Context, group string) (lease.Store, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, plainPathError(err)
	}
	store, err := filelease.Open(s.path(group))
	if err != nil {
		return nil, err
	}
	s.opened = append(s.opened, store)
	return store, nil
}

func (s *fileStore) close() error {
	var errs []error
	for _, store := range s.opened {
		errs = append(errs, store.Close())
	}
	return errors.Join(errs...)
}

// plainPathError leaves out the system call.
func plainPathError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Path, path.Err)
	}
	return err
}
