package store

import (
	"testing"

	"sigill/broker/store/storetest"
)

func TestMarks(t *testing.T) {
	storetest.Marks(t, func(t *testing.T, c *storetest.Clock) (storetest.MarkStore, storetest.Events) {
		s := open(t, t.TempDir(), c.Now)
		return s, events(s)
	})
}
