package store

import (
	"context"
	"database/sql"

	"sigill/broker/kit/sqldb"
)

// Last reads the last commit of a database.
func Last(ctx context.Context, db *sqldb.DB) Reader { return last{ctx, db} }

type last struct {
	ctx context.Context
	db  *sqldb.DB
}

func (l last) Row(query string, args ...any) sqldb.Row { return l.db.Row(l.ctx, query, args...) }

func (l last) Rows(query string, args ...any) (*sql.Rows, error) {
	return l.db.Rows(l.ctx, query, args...)
}
