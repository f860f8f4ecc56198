package flow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sigill/broker"
)

// Member is this process among the nodes that share a store.
type Member struct {
	// ID is the node's name. It stays with the data folder, so that after a
	// restart a lease from before is recognised as one's own.
	ID string
	// Boot is the name of this run.
	Boot string
	file *os.File
}

// Leave gives the name back to the folder. The end of the process does so too.
func (m *Member) Leave() { m.file.Close() }

// runs is how many former runs a folder remembers: the last one that the store
// heard of is among them, also when some died before they could tell it.
const runs = 8

// Join gives this process a name among the nodes. The name is held under an
// exclusive lock in the data folder; a second process in the same folder gets a
// name of its own. Where a folder was copied, as with a machine's image, the one
// who comes first keeps the name and the others get new ones: a name is only taken
// back from a run that the folder remembers.
func Join(ctx context.Context, folder string, nodes Nodes, now func() time.Time) (*Member, error) {
	for n := range 64 {
		m, former, err := lock(filepath.Join(folder, fmt.Sprintf("node-%d", n)))
		if err != nil {
			return nil, fmt.Errorf("node id: %w", err)
		}
		if m == nil {
			continue
		}
		if err := m.enter(ctx, nodes, former, now); err != nil {
			m.Leave()
			return nil, fmt.Errorf("node id: %w", err)
		}
		return m, nil
	}
	return nil, errors.New("node id: too many processes in one data folder")
}

// enter writes the run down, here first, and takes another name if this one is
// somebody else's.
func (m *Member) enter(ctx context.Context, nodes Nodes, former []string, now func() time.Time) error {
	for range 8 {
		if err := m.write(former); err != nil {
			return err
		}
		err := nodes.EnterNode(ctx, m.ID, m.Boot, former, now())
		if !errors.Is(err, broker.ErrConflict) {
			return err
		}
		m.ID, former = broker.NewID(), nil
	}
	return errors.New("every name is another's")
}

// lock reads what the folder knows, under the lock; nil when another process
// holds it.
func lock(path string) (m *Member, former []string, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	buf := make([]byte, 1024)
	n, _ := f.ReadAt(buf, 0)
	m = &Member{ID: broker.NewID(), Boot: broker.NewID(), file: f}
	for i, name := range strings.Fields(string(buf[:n])) {
		switch {
		case len(name) != len(m.ID): // cut off in the middle of a write
		case i == 0:
			m.ID = name
		case len(former) < runs:
			former = append(former, name)
		}
	}
	return m, former, nil
}

// write keeps the name, this run and those before it.
func (m *Member) write(former []string) error {
	lines := append([]string{m.ID, m.Boot}, former...)
	text := strings.Join(lines[:min(len(lines), 1+runs)], "\n") + "\n"
	if _, err := m.file.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	if err := m.file.Truncate(int64(len(text))); err != nil {
		return err
	}
	return m.file.Sync()
}

// NodeID gives a name without telling the store; see Join.
func NodeID(folder string) (id string, release func(), err error) {
	m, err := Join(context.Background(), folder, alone{}, time.Now)
	if err != nil {
		return "", nil, err
	}
	return m.ID, m.Leave, nil
}

// alone is a store that nobody else uses.
type alone struct{}

func (alone) EnterNode(context.Context, string, string, []string, time.Time) error { return nil }
