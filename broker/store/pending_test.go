package store

import (
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/providers"
)

// Orders under way are counted, whoever watches them.
func TestPendingOrders(t *testing.T) {
	sqldbtest.Fresh(t, "broker", Tables(), func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		s := openAt(t, fresh(t), time.Now)
		for i, phase := range []broker.Phase{broker.Pending, broker.Done, broker.Pending, broker.Failed} {
			o := broker.Order{
				ID: broker.OrderID(broker.NewID()), Owner: broker.LoginOwner, Provider: providers.MBankID, Kind: providers.KindAuth, Phase: phase,
				Created: time.Now(), Changed: time.Now(), Deadline: time.Now().Add(time.Minute), Node: string(rune('a' + i)), LeaseUntil: time.Now(),
			}
			check(t, s.CreateOrder(ctx, o))
		}
		if n, err := s.PendingOrders(ctx); err != nil || n != 2 {
			t.Errorf("%d, %v", n, err)
		}
	})
}
