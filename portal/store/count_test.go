package store_test

import (
	"context"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/portal"
	"sigill/portal/store"
)

// Drafts are counted by what they wait for, cases also when they are erased.
func TestCount(t *testing.T) {
	sqldbtest.Fresh(t, "portal", store.Tables(), func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		db := sqldbtest.Open(t, fresh(t), "portal", store.Tables()...)
		ctx := context.Background()
		if c, err := store.Count(store.Last(ctx, db)); err != nil || c != (store.Counts{}) {
			t.Errorf("when it is empty: %+v, %v", c, err)
		}
		if err := db.Write(ctx, func(tx *sqldb.Tx) error {
			for _, state := range []portal.DraftState{portal.Open, portal.Waiting, portal.Waiting, portal.Sending} {
				d := store.Draft{DraftHead: portal.DraftHead{ID: portal.DraftID(portal.NewID()), Tenant: "t", Service: "s", State: state, Created: time.Now(), Changed: time.Now(), Expires: time.Now()}, Owner: "o", Key: []byte("k"), Body: []byte("b")}
				if err := store.InsertDraft(tx, d); err != nil {
					return err
				}
			}
			for _, tenant := range []portal.TenantID{"t", "t", "u"} {
				if _, err := store.NextNumber(tx, tenant, 2026); err != nil {
					return err
				}
			}
			_, err := store.NextNumber(tx, "t", 2027)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if c, err := store.Count(store.Last(ctx, db)); err != nil || c != (store.Counts{Waiting: 2, Sending: 1, Arrived: 4}) {
			t.Errorf("%+v, %v", c, err)
		}
	})
}
