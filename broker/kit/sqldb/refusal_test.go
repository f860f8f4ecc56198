package sqldb_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// refused is an error that comes soon, says why, and holds no secret.
func refused(t *testing.T, what string, began time.Time, err error, says string, secrets ...string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v, which should say %q", what, err, says)
		return
	}
	for _, s := range secrets {
		if strings.Contains(err.Error(), s) {
			t.Errorf("%s: the error holds a secret", what)
		}
	}
	// Of a server that is not there as it should be, a few seconds are waited for.
	if d := time.Since(began); d > 15*time.Second {
		t.Errorf("%s: it took %v", what, d)
	}
}

// TestNotFit: a database that will not do is refused at once, with a word that an
// operator understands.
func TestNotFit(t *testing.T) {
	server := sqldbtest.Start(t)
	open := func(dsn string) error {
		db, err := sqldb.Place{DSN: dsn}.Open(ctx, "x", sqldb.Durable)
		if err == nil {
			err = errors.Join(db.Migrate(ctx, time.Now(), set(counters)), db.Close())
		}
		return err
	}
	dsn := server.DSN(t)
	const password = "korrekt-hast-batteri"
	user := server.User(t, dsn, "limited", password)

	t.Run("wrong password", func(t *testing.T) {
		u, err := url.Parse(user)
		check(t, err)
		u.User = url.UserPassword("limited", "fel-lösenord")
		refused(t, "open", time.Now(), open(u.String()), "password authentication failed", password, "fel-l")
		_, err = sqldb.Place{DSN: u.String()}.Has(ctx, "x")
		refused(t, "look", time.Now(), err, "password authentication failed", password, "fel-l")
	})
	t.Run("a string that cannot be read", func(t *testing.T) {
		for _, bad := range []string{"postgres://limited:" + password + "@127.0.0.1:no-port/x", "host=127.0.0.1 password=" + password + " sslmode=sometimes", "postgres://%zz" + password} {
			refused(t, "open", time.Now(), open(bad), "cannot be read", password)
		}
	})
	t.Run("no such database", func(t *testing.T) {
		refused(t, "open", time.Now(), open(strings.Replace(user, "/t", "/no", 1)), "does not exist", password)
	})
	t.Run("a schema that may not be made", func(t *testing.T) {
		refused(t, "open", time.Now(), open(user), "permission denied for database", password)
	})
	t.Run("a schema that may not be written to", func(t *testing.T) {
		sqldbtest.Command(t, dsn, `CREATE SCHEMA x`, `GRANT USAGE ON SCHEMA x TO limited`)
		refused(t, "migrate", time.Now(), open(user), "permission denied for schema", password)
	})
	t.Run("a schema is enough", func(t *testing.T) {
		sqldbtest.Command(t, dsn, `GRANT CREATE ON SCHEMA x TO limited`)
		check(t, open(user))
	})
	t.Run("another encoding", func(t *testing.T) {
		sqldbtest.Command(t, dsn, `CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`)
		u, err := url.Parse(dsn)
		check(t, err)
		u.Path = "/latin"
		refused(t, "open", time.Now(), open(u.String()), "UTF8")
	})
	t.Run("a newer release", func(t *testing.T) {
		db, err := sqldb.Place{DSN: dsn}.Open(ctx, "x", sqldb.Durable)
		check(t, err)
		defer db.Close()
		check(t, db.Migrate(ctx, time.Now(), set(counters, `CREATE TABLE more (a BIGINT)`)))
		if err := open(dsn); !errors.Is(err, sqldb.ErrNewer) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a standby", func(t *testing.T) {
		check(t, open(server.DSN(t)))
		server.Standby(t)
		refused(t, "open", time.Now(), open(dsn), "standby")
		_, err := sqldb.Place{DSN: dsn}.Has(ctx, "x")
		refused(t, "look", time.Now(), err, "standby")
	})
}
