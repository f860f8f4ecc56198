package store_test

import (
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/portal/store"
	"sigill/portal/store/storetest"
)

// subjects gives subjects over empty databases, each open in several processes.
func subjects(fresh func(testing.TB) sqldb.Place, processes int) func(*testing.T) storetest.Subject {
	return func(t *testing.T) storetest.Subject {
		p := fresh(t)
		var all []*sqldb.DB
		for range processes {
			all = append(all, sqldbtest.Open(t, p, "portal", store.Tables()...))
		}
		if processes > 1 {
			began := time.Now()
			t.Cleanup(func() { t.Log(time.Since(began).Round(time.Millisecond), all[0].Stats(), all[1].Stats()) })
		}
		names := sqldbtest.Tables(t, all[0])
		s := storetest.Subject{DB: all[0], Others: all[1:], Dump: func(t *testing.T) map[string]int { return sqldbtest.Dump(t, all[0], names...) }}
		for _, table := range names {
			if strings.HasPrefix(table, "audit") || table == "keys" || table == "migrations" {
				continue // the kit's
			}
			for _, op := range []string{"INSERT", "UPDATE", "DELETE"} {
				s.Faults = append(s.Faults, storetest.Fault{
					Name:  op + " " + table,
					Break: func(t *testing.T) { sqldbtest.Break(t, all[0], op, table) },
					Mend:  func(t *testing.T) { sqldbtest.Mend(t, all[0]) },
				})
			}
		}
		return s
	}
}

func TestPortal(t *testing.T) {
	sqldbtest.Fresh(t, "portal", store.Tables(), func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		storetest.Portal(t, subjects(fresh, 1))
	})
}

// Each transaction may be run several times.
func TestAgain(t *testing.T) {
	storetest.Acts(t, subjects(sqldbtest.FreshAgain(t, "portal", store.Tables()), 1))
}

// Several processes over one database.
func TestTwoOverOne(t *testing.T) {
	sqldbtest.Fresh(t, "portal", store.Tables(), func(t *testing.T, fresh func(testing.TB) sqldb.Place) {
		storetest.Together(t, subjects(fresh, 2))
	})
}
