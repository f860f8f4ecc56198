// Package store is the portal's rows and the statements over them.
//
// It owns tables, migrations and SQL; what is said in a row is sealed by whoever
// writes it, and who may see it is decided there too: nothing here checks
// anybody's right. Writing statements take a transaction, so that an act, its
// audit event and its side effects are one (invariant I7); reading ones take a
// Reader, which a transaction is as well. Times are kept to the millisecond.
//
// Statements are called InsertX, which writes a new row or gives ErrTwice; PutX,
// which writes over what is there; X or XOf, which reads one or gives ErrNone;
// UpdateX, which gives ErrStale when the row is no longer what the caller saw
// and ErrNone when it is gone; and DeleteX, which does not mind that there is
// nothing.
package store

import (
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Tables is what the portal's database holds, the kit's own included.
func Tables() []sqldb.Set {
	return []sqldb.Set{audit.Tables(), keys.Tables(), outbox.Tables(), sqldb.SetIn("portal", migrations, "migrations")}
}

// Reader reads rows: a transaction, or Last over a database.
type Reader interface {
	Row(query string, args ...any) sqldb.Row
	Rows(query string, args ...any) (*sql.Rows, error)
}

// Errors of statements. All others are the database's.
var (
	// ErrNone says that there is no such row.
	ErrNone = errors.New("store: no such row")
	// ErrStale says that the row is no longer as the caller saw it.
	ErrStale = errors.New("store: changed meanwhile")
	// ErrTwice says that it is there already.
	ErrTwice = errors.New("store: is there already")
)

// exec runs a statement; when it changes no row, that is none.
func exec(tx *sqldb.Tx, what string, none error, query string, args ...any) error {
	n, err := tx.Exec(query, args...)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case n == 0:
		return none
	}
	return nil
}

// one reads a row into dest.
func one(r Reader, what, query string, args []any, dest ...any) error {
	err := r.Row(query, args...).Scan(dest...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return ErrNone
	}
	return fmt.Errorf("%s: %w", what, err)
}

// list reads rows; into says where their columns go.
func list[T any](r Reader, what string, into func(*T) []any, query string, args ...any) ([]T, error) {
	rows, err := r.Rows(query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var one T
		if err := rows.Scan(into(&one)...); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return all, nil
}

// among gives "($first, …)" for n values.
func among(first, n int) string {
	marks := make([]string, n)
	for i := range marks {
		marks[i] = "$" + strconv.Itoa(first+i)
	}
	return "(" + strings.Join(marks, ", ") + ")"
}

// with appends values to arguments.
func with[T ~string](args []any, values []T) []any {
	for _, v := range values {
		args = append(args, string(v))
	}
	return args
}
