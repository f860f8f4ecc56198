package sending

import (
	"context"
	"sync/atomic"
)

// fuse is a context that blows when it was asked so many times whether it has:
// the database and the signing service ask at every step. What runs with it
// stops there, as if its process had been killed.
type fuse struct {
	context.Context
	left atomic.Int64
}

func newFuse(n int) *fuse {
	f := &fuse{Context: context.Background()}
	f.left.Store(int64(n))
	return f
}

func (f *fuse) Err() error {
	if f.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func (f *fuse) blown() bool { return f.left.Load() < 0 }
