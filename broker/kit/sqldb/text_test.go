package sqldb_test

import (
	"database/sql"
	"errors"
	"testing"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// TestText: whatever is written as text, both engines take it and keep the same.
func TestText(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db := sqldbtest.Open(t, p, "x", set(`CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT NOT NULL)`))
		for said, want := range map[string]string{
			"": "", "plain": "plain", "åäö €": "åäö €", "a\x00b": "a\uFFFDb", "\x00": "\uFFFD", "\xff\xfe": "\uFFFD", "a\xc3": "a\uFFFD", "\xed\xa0\x80": "\uFFFD", "'; --": "'; --",
		} {
			check(t, db.Write(ctx, func(tx *sqldb.Tx) error {
				if _, err := tx.Exec(`DELETE FROM notes`); err != nil {
					return err
				}
				if err := tx.Row(`SELECT body FROM notes WHERE name = $1`, said).Scan(new(string)); !errors.Is(err, sql.ErrNoRows) {
					t.Errorf("%q, which is not there: %v", said, err)
				}
				_, err := tx.Exec(`INSERT INTO notes (name, body) VALUES ($1, $2)`, "first", said)
				return err
			}))
			var got string
			check(t, db.Row(ctx, `SELECT body FROM notes WHERE name = $1`, "first").Scan(&got))
			if got != want {
				t.Errorf("%q is kept as %q, want %q", said, got, want)
			}
			if err := db.Row(ctx, `SELECT body FROM notes WHERE name = $1`, "first"+said+"\x00").Scan(&got); !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("looked for what is not there: %v", err)
			}
			rows, err := db.Rows(ctx, `SELECT body FROM notes WHERE body = $1`, said)
			check(t, err)
			for rows.Next() {
			}
			check(t, rows.Err())
			rows.Close()
		}
	})
}
