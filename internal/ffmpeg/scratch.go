package ffmpeg

import (
	"os"
	"path/filepath"
	"sync"
)

// scratch is this process's temporary directory. Only renditions ever lie in it, never an original.
//
// A killed process leaves its directory behind, with a proxy of footage in it: each directory is locked as long as its process lives, so the
// next one that starts removes those whose lock is free.
type scratch struct {
	dir  string
	lock *os.File
	once sync.Once
	err  error
}

const scratchPrefix = "bwv-proxy-"

func openScratch() (*scratch, error) {
	sweep(os.TempDir())
	for {
		dir, err := os.MkdirTemp("", scratchPrefix)
		if err != nil {
			return nil, err
		}
		lock, err := os.Open(dir)
		if err == nil && (!locks || tryLock(lock)) {
			// Another process may have swept the directory before it was locked: then it is gone by its name.
			if _, err := os.Stat(dir); err == nil {
				return &scratch{dir: dir, lock: lock}, nil
			}
		}
		if lock != nil {
			_ = lock.Close() // read only: nothing to lose
		}
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
}

// sweep removes the directories of processes that are gone; what it may not remove belongs to somebody else.
func sweep(in string) {
	dirs, err := filepath.Glob(filepath.Join(in, scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		if tryLock(f) {
			_ = os.RemoveAll(dir) // tried again by the next process that starts
		}
		_ = f.Close()
	}
}

// sub makes a private directory for one call.
func (s *scratch) sub() (string, error) { return os.MkdirTemp(s.dir, "") }

func (s *scratch) close() error {
	s.once.Do(func() {
		s.err = os.RemoveAll(s.dir)
		_ = s.lock.Close() // read only: nothing to lose
	})
	return s.err
}
