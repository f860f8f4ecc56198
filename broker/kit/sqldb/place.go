package sqldb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Place is where an installation's databases are: files of SQLite in a folder,
// or schemas of one PostgreSQL database.
type Place struct {
	Dir string // of files; must exist

	DSN         string // of PostgreSQL; empty: SQLite
	Prefix      string // of the schemas' names
	Connections int    // for one schema; zero: the default
}

// Engine is which one keeps the databases here.
func (p Place) Engine() Engine {
	if p.DSN != "" {
		return PostgreSQL
	}
	return SQLite
}

// Open opens one of the databases, making it if there is none.
func (p Place) Open(ctx context.Context, name string, d Durability) (*DB, error) {
	switch {
	case p.DSN != "":
		return Connect(ctx, Server{DSN: p.DSN, Schema: p.Prefix + name, Connections: p.Connections}, d)
	case p.Dir == "":
		return nil, errors.New("open database: no folder given")
	}
	return Open(ctx, filepath.Join(p.Dir, name+".db"), d)
}

// Has reports whether a database is there.
func (p Place) Has(ctx context.Context, name string) (bool, error) {
	if p.DSN == "" {
		_, err := os.Stat(filepath.Join(p.Dir, name+".db"))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	config, err := Server{DSN: p.DSN}.config()
	if err != nil {
		return false, err
	}
	db := &postgres{readers: pool(config, 1)}
	defer db.readers.Close()
	var there bool
	err = db.row(ctx, `SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'migrations')`, []any{p.Prefix + name}).Scan(&there)
	return there, err
}
