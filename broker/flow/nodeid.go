package flow

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"sigill/broker"
)

// NodeID gives this process a name among the nodes that share a store. The name
// stays with the data folder, so that after a restart a lease from before is
// recognised as one's own. It is held under an exclusive lock until release or
// the end of the process; a second process in the same folder gets a name of
// its own.
func NodeID(folder string) (id string, release func(), err error) {
	for n := range 64 {
		f, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("node-%d", n)), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return "", nil, fmt.Errorf("node id: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				continue
			}
			return "", nil, fmt.Errorf("node id: %w", err)
		}
		id, err := readOrWrite(f)
		if err != nil {
			f.Close()
			return "", nil, fmt.Errorf("node id: %w", err)
		}
		return id, func() { f.Close() }, nil
	}
	return "", nil, errors.New("node id: too many processes in one data folder")
}

func readOrWrite(f *os.File) (string, error) {
	buf := make([]byte, 64)
	n, _ := f.ReadAt(buf, 0)
	if id := strings.TrimSpace(string(buf[:n])); len(id) == 22 {
		return id, nil
	}
	id := broker.NewID()
	if err := f.Truncate(0); err != nil {
		return "", err
	}
	if _, err := f.WriteAt([]byte(id+"\n"), 0); err != nil {
		return "", err
	}
	return id, f.Sync()
}
