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

// Alone makes sure that no node runs in a data folder, for whoever takes its rows
// elsewhere. Until release none that was there before starts under its name.
func Alone(folder string) (release func(), err error) {
	var held []*os.File
	release = func() {
		for _, f := range held {
			f.Close()
		}
	}
	for n := range maxNodes {
		f, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("node-%d", n)), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			release()
			return nil, fmt.Errorf("node id: %w", err)
		}
		held = append(held, f)
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			release()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, ErrNotAlone
			}
			return nil, fmt.Errorf("node id: %w", err)
		}
	}
	return release, nil
}
