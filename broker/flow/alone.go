package flow

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrNotAlone says that a node runs in a data folder.
var ErrNotAlone = errors.New("a node runs in this data folder")

// maxNodes is how many processes may run in one data folder; see Join.
const maxNodes = 64

// ErrHeld says that a data folder's rows are being put there or taken elsewhere.
var ErrHeld = errors.New("the data folder is being restored or copied")

// useFile is locked by nodes, together, and by whoever is Alone.
const useFile = "in-use"

// Use is for nodes, before they open or make anything in a data folder: until
// release nobody is Alone there.
func Use(folder string) (release func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := held(filepath.Join(folder, useFile), os.O_CREATE, syscall.LOCK_SH)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return func() { f.Close() }, nil
}

// held opens a file that stays locked until it is closed.
func held(path string, flags, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Alone makes sure that no node runs in a data folder, for whoever takes its rows
// elsewhere or puts others there. Until release none starts. Nodes of releases
// without Use are known by their names alone: none that was there before starts. In a folder
// that does not exist nothing can be held.
func Alone(folder string) (release func(), err error) {
	var locked []*os.File
	release = func() {
		for _, f := range locked {
			f.Close()
		}
	}
	take := func(name string, flags int) error {
		f, err := held(filepath.Join(folder, name), flags, syscall.LOCK_EX)
		switch {
		case err == nil:
			locked = append(locked, f)
			return nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrNotAlone
		case errors.Is(err, fs.ErrNotExist):
			return nil
		}
		return fmt.Errorf("data folder: %w", err)
	}
	err = take(useFile, os.O_CREATE)
	for n := 0; n < maxNodes && err == nil; n++ {
		err = take(fmt.Sprintf("node-%d", n), 0)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}
