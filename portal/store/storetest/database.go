package storetest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/portal/store"
)

// overPostgres, when it is set, puts what Database gives into PostgreSQL, where
// every other transaction is run again.
const overPostgres = "SIGILL_TEST_POSTGRES"

// Database gives a test a database of its own with the portal's tables.
func Database(t testing.TB) *sqldb.DB {
	t.Helper()
	if os.Getenv(overPostgres) != "" {
		db := sqldbtest.Open(t, sqldb.Place{DSN: sqldbtest.DSN(t)}, "portal", store.Tables()...)
		sqldbtest.Again(t, db)
		return db
	}
	file := filepath.Join(t.TempDir(), "portal.db")
	tables, err := empty()
	check(t, err)
	check(t, os.WriteFile(file, tables, 0o600))
	db, err := sqldb.Open(ctx, file, sqldb.CrashSafe)
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	return db
}

// empty is a database without rows. To make its tables takes longer than most
// tests that want one, so that is done once, and the file copied.
var empty = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "portal")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "portal.db")
	db, err := sqldb.Open(ctx, file, sqldb.CrashSafe)
	if err != nil {
		return nil, err
	}
	err = db.Migrate(ctx, time.Now(), store.Tables()...)
	if closed := db.Close(); err == nil {
		err = closed // which writes the log back into the file
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})
