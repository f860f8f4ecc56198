package store

import (
	"context"
	"sync"
	"testing"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/broker/store/storetest"
)

// marksInTurn are two nodes with one database.
type marksInTurn struct {
	*Store
	mu    sync.Mutex
	n     int
	nodes []*Store
}

func (s *marksInTurn) Spend(ctx context.Context, marks []broker.Mark, events ...audit.Event) error {
	s.mu.Lock()
	s.n++
	node := s.nodes[s.n%len(s.nodes)]
	s.mu.Unlock()
	return node.Spend(ctx, marks, events...)
}

func TestMarks(t *testing.T) {
	fresh(t, func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		t.Run("one node", func(t *testing.T) {
			storetest.Marks(t, func(t *testing.T, c *storetest.Clock) (storetest.MarkStore, storetest.Events) {
				s := openAt(t, fresh(t), c.Now)
				return s, events(s)
			})
		})
		t.Run("two nodes", func(t *testing.T) {
			storetest.Marks(t, func(t *testing.T, c *storetest.Clock) (storetest.MarkStore, storetest.Events) {
				p := fresh(t)
				a, b := openAt(t, p, c.Now), openAt(t, p, c.Now)
				return &marksInTurn{Store: a, nodes: []*Store{a, b}}, events(a)
			})
		})
	})
}
