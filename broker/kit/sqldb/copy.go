package sqldb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Copied is how many rows of a table have been copied.
type Copied struct {
	Database, Table string
	Rows            int64
	Done            bool // all of them, and they were read again on the other side
}

// ErrNotEmpty is in the error of a copy into databases that hold rows.
var ErrNotEmpty = errors.New("there are rows already")

// CopyTo copies databases from files of SQLite into schemas of PostgreSQL, which
// are there and were brought to the same migrations. They must be empty. All is
// copied in one transaction: whatever stops it, nothing was. Nobody can write to
// either side meanwhile.
//
// Rows are read again before the end and held against the source by a digest over
// every value. tell hears how far it has come.
func (p Place) CopyTo(ctx context.Context, to Place, parts []Part, tell func(Copied)) error {
	if p.Engine() != SQLite || to.Engine() != PostgreSQL {
		return errors.New("sqldb: rows are copied from SQLite to PostgreSQL")
	}
	from, err := p.freeze(ctx, parts)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	defer from.close()
	config, err := Server{DSN: to.DSN}.config()
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"application_name": "sigill copy", "timezone": "UTC", "synchronous_commit": "on",
		"statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "lock_timeout": "5s",
	} {
		config.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // in vain after the commit
	// All is looked at before the first row moves.
	all := make([]*transfer, len(parts))
	for i, part := range parts {
		t := &transfer{part: part, schema: to.Prefix + part.Name, from: from.conns[i], to: tx, tell: tell}
		if err := t.prepare(ctx); err != nil {
			return fmt.Errorf("copy of %s: %w", part.Name, err)
		}
		all[i] = t
	}
	for _, t := range all {
		for _, table := range t.tables {
			if err := t.copy(ctx, table); err != nil {
				return fmt.Errorf("copy of %s, table %s: %w", t.part.Name, table.name, err)
			}
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("copy: %w: %w", ErrUncertain, err)
	}
	return nil
}

// transfer is the copy of one database.
type transfer struct {
	part   Part
	schema string
	from   *sql.Conn
	to     pgx.Tx
	tables []table // in an order in which none refers to a later one
	tell   func(Copied)
}

// table is one that is copied. Columns have the same order on both sides.
type table struct {
	name    string
	columns []column
	refers  []string
}

type column struct {
	name   string
	kind   string // "int", "text", "bytes", "bool"; else the type's own name
	key    int    // its place in the primary key, from 1 on; 0: none
	counts bool   // the database gives numbers
}

// prepare compares the two sides and keeps others from the target.
func (t *transfer) prepare(ctx context.Context) error {
	here, err := liteTables(ctx, t.from)
	if err != nil {
		return err
	}
	there, err := postgresTables(ctx, t.to, t.schema)
	if err != nil {
		return err
	}
	if err := t.sameMigrations(ctx); err != nil {
		return err
	}
	for name := range there {
		if _, ok := here[name]; !ok {
			return fmt.Errorf("the table %s is only in the target", name)
		}
	}
	for name, source := range here {
		target, ok := there[name]
		if !ok {
			return fmt.Errorf("the table %s is not in the target", name)
		}
		if err := same(source.columns, target.columns); err != nil {
			return fmt.Errorf("the table %s is another in the target: %w", name, err)
		}
		if name == "migrations" || slices.Contains(t.part.Passing, name) || slices.Contains(t.part.Filled, name) {
			continue
		}
		target.name = name
		t.tables = append(t.tables, target)
	}
	if t.tables, err = inOrder(t.tables); err != nil {
		return err
	}
	for _, table := range t.tables {
		if _, err := t.to.Exec(ctx, `LOCK TABLE `+t.named(table)+` IN EXCLUSIVE MODE`); err != nil {
			return fmt.Errorf("somebody uses the table %s of the target: %w", table.name, err)
		}
		var some bool
		if err := t.to.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM `+t.named(table)+`)`).Scan(&some); err != nil {
			return err
		}
		if some {
			return fmt.Errorf("the target is not empty: in %s %w", table.name, ErrNotEmpty)
		}
	}
	return nil
}

func (t *transfer) named(of table) string { return pgx.Identifier{t.schema, of.name}.Sanitize() }

func (t *transfer) sameMigrations(ctx context.Context) error {
	const query = `SELECT name FROM `
	list := func(rows interface {
		Next() bool
		Scan(...any) error
		Err() error
	}) (names []string, err error) {
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return nil, err
			}
			names = append(names, name)
		}
		slices.Sort(names)
		return names, rows.Err()
	}
	rows, err := t.from.QueryContext(ctx, query+`migrations`)
	if err != nil {
		return err
	}
	defer rows.Close()
	here, err := list(rows)
	if err != nil {
		return err
	}
	others, err := t.to.Query(ctx, query+pgx.Identifier{t.schema, "migrations"}.Sanitize())
	if err != nil {
		return err
	}
	defer others.Close()
	there, err := list(others)
	if err != nil {
		return err
	}
	if !slices.Equal(here, there) {
		return errors.New("the two sides have had different migrations")
	}
	return nil
}

// same compares what two tables are made of.
func same(source, target []column) error {
	if len(source) == 0 || !slices.ContainsFunc(source, func(c column) bool { return c.key > 0 }) {
		return errors.New("it has no primary key")
	}
	for _, c := range source {
		i := slices.IndexFunc(target, func(o column) bool { return o.name == c.name })
		switch {
		case i < 0:
			return fmt.Errorf("the column %s is missing", c.name)
		case target[i].kind != c.kind || !slices.Contains([]string{"int", "text", "bytes", "bool"}, c.kind):
			return fmt.Errorf("the column %s is %s, and %s here", c.name, target[i].kind, c.kind)
		case target[i].key != c.key:
			return fmt.Errorf("the column %s has another place in the primary key", c.name)
		}
	}
	for _, c := range target {
		if !slices.ContainsFunc(source, func(o column) bool { return o.name == c.name }) {
			return fmt.Errorf("the column %s is not known here", c.name)
		}
	}
	return nil
}

// inOrder puts tables after those that they refer to.
func inOrder(tables []table) ([]table, error) {
	slices.SortFunc(tables, func(a, b table) int { return strings.Compare(a.name, b.name) })
	var out []table
	placed := map[string]bool{}
	for len(out) < len(tables) {
		before := len(out)
		for _, t := range tables {
			waits := slices.ContainsFunc(t.refers, func(name string) bool {
				return !placed[name] && name != t.name && slices.ContainsFunc(tables, func(o table) bool { return o.name == name })
			})
			if !placed[t.name] && !waits {
				out, placed[t.name] = append(out, t), true
			}
		}
		if len(out) == before {
			return nil, errors.New("tables refer to each other in a circle")
		}
	}
	return out, nil
}

func liteTables(ctx context.Context, conn *sql.Conn) (map[string]table, error) {
	rows, err := conn.QueryContext(ctx, `SELECT m.name, c.name, upper(c.type), c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY m.name, c.name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	kinds := map[string]string{"INTEGER": "int", "BIGINT": "int", "TEXT": "text", "BLOB": "bytes", "BOOLEAN": "bool"}
	all := map[string]table{}
	for rows.Next() {
		var name string
		var c column
		if err := rows.Scan(&name, &c.name, &c.kind, &c.key); err != nil {
			return nil, err
		}
		if kind, ok := kinds[c.kind]; ok {
			c.kind = kind
		}
		all[name] = table{name: name, columns: append(all[name].columns, c)}
	}
	return all, rows.Err()
}

func postgresTables(ctx context.Context, tx pgx.Tx, schema string) (map[string]table, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname::text, a.attname::text, y.typname::text, COALESCE(k.place, 0)::int, a.attidentity <> ''
		FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type y ON y.oid = a.atttypid
		LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		LEFT JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k (attnum, place) ON k.attnum = a.attnum
		WHERE s.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY c.relname, a.attname COLLATE "C"`, schema)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	kinds := map[string]string{"int8": "int", "int4": "int", "text": "text", "bytea": "bytes", "bool": "bool"}
	all := map[string]table{}
	for rows.Next() {
		var name string
		var c column
		if err := rows.Scan(&name, &c.name, &c.kind, &c.key, &c.counts); err != nil {
			return nil, err
		}
		if kind, ok := kinds[c.kind]; ok {
			c.kind = kind
		}
		t := all[name]
		t.columns = append(t.columns, c)
		all[name] = t
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows, err = tx.Query(ctx, `SELECT c.relname::text, f.relname::text FROM pg_constraint k
		JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace s ON s.oid = c.relnamespace
		WHERE k.contype = 'f' AND s.nspname = $1`, schema)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, other string
		if err := rows.Scan(&name, &other); err != nil {
			return nil, err
		}
		t := all[name]
		t.refers = append(t.refers, other)
		all[name] = t
	}
	return all, rows.Err()
}

// copy moves the rows of one table and reads them again.
func (t *transfer) copy(ctx context.Context, of table) error {
	names := make([]string, len(of.columns))
	for i, c := range of.columns {
		names[i] = quoted(c.name)
	}
	rows, err := t.from.QueryContext(ctx, `SELECT `+strings.Join(names, ", ")+` FROM `+quoted(of.name)+` ORDER BY `+of.order(""))
	if err != nil {
		return err
	}
	defer rows.Close()
	source := &source{rows: rows, digest: newDigest(of.columns), told: func(n int64) { t.tell(Copied{t.part.Name, of.name, n, false}) }}
	plain := make([]string, len(of.columns))
	for i, c := range of.columns {
		plain[i] = c.name
	}
	if _, err := t.to.CopyFrom(ctx, pgx.Identifier{t.schema, of.name}, plain, source); err != nil {
		return err
	}
	there, err := t.to.Query(ctx, `SELECT `+strings.Join(names, ", ")+` FROM `+t.named(of)+` ORDER BY `+of.order(` COLLATE "C"`))
	if err != nil {
		return err
	}
	defer there.Close()
	again := newDigest(of.columns)
	for there.Next() {
		values, err := there.Values()
		if err != nil {
			return err
		}
		if _, err := again.add(values); err != nil {
			return err
		}
	}
	if err := there.Err(); err != nil {
		return err
	}
	if again.rows != source.digest.rows || hexOf(again.sum) != hexOf(source.digest.sum) {
		return fmt.Errorf("%d rows were read and %d are there, or they are not the same", source.digest.rows, again.rows)
	}
	for _, c := range of.columns {
		if !c.counts {
			continue
		}
		// The next number is above all that are there.
		if _, err := t.to.Exec(ctx, `SELECT setval(pg_get_serial_sequence($1, $2), GREATEST(max(`+quoted(c.name)+`), 1), max(`+quoted(c.name)+`) IS NOT NULL) FROM `+t.named(of),
			t.named(of), c.name); err != nil {
			return fmt.Errorf("numbers of %s: %w", c.name, err)
		}
	}
	if _, err := t.to.Exec(ctx, `ANALYZE `+t.named(of)); err != nil {
		return err
	}
	t.tell(Copied{t.part.Name, of.name, again.rows, true})
	return nil
}

// order sorts by the primary key, text in the order of its bytes.
func (t table) order(bytewise string) string {
	keys := make([]string, 0, 2)
	for place := 1; ; place++ {
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.key == place })
		if i < 0 {
			return strings.Join(keys, ", ")
		}
		key := quoted(t.columns[i].name)
		if t.columns[i].kind == "text" {
			key += bytewise
		}
		keys = append(keys, key)
	}
}

// source gives the rows of SQLite to PostgreSQL.
type source struct {
	rows   *sql.Rows
	digest *digest
	values []any
	err    error
	told   func(int64)
}

// often is after how many rows it is told how far a copy has come.
const often = 100_000

// Next is of pgx.CopyFromSource.
func (s *source) Next() bool {
	if s.err != nil || !s.rows.Next() {
		return false
	}
	values, into := make([]any, len(s.digest.columns)), make([]any, len(s.digest.columns))
	for i := range values {
		into[i] = &values[i]
	}
	if s.err = s.rows.Scan(into...); s.err != nil {
		return false
	}
	if s.values, s.err = s.digest.add(values); s.err != nil {
		return false
	}
	if s.digest.rows%often == 0 {
		s.told(s.digest.rows)
	}
	return true
}

// Values is of pgx.CopyFromSource.
func (s *source) Values() ([]any, error) { return s.values, nil }

// Err is of pgx.CopyFromSource.
func (s *source) Err() error { return errors.Join(s.err, s.rows.Err()) }

// digest is over every value of rows in their order.
type digest struct {
	columns []column
	sum     hash.Hash
	rows    int64
}

func newDigest(columns []column) *digest { return &digest{columns: columns, sum: sha256.New()} }

// add takes a row in and gives its values as what their columns hold. SQLite
// takes anything into any column; what does not belong there is an error.
func (d *digest) add(values []any) ([]any, error) {
	var head [9]byte
	for i, v := range values {
		c := d.columns[i]
		var rest []byte
		v, ok := fitting(c.kind, v)
		switch v := v.(type) {
		case nil:
			head = [9]byte{}
		case int64:
			head[0] = 'i'
			binary.BigEndian.PutUint64(head[1:], uint64(v))
		case bool:
			head = [9]byte{'o'}
			if v {
				head[1] = 1
			}
		case string:
			head[0], rest = 't', []byte(v)
			binary.BigEndian.PutUint64(head[1:], uint64(len(rest)))
		case []byte:
			head[0], rest = 'b', v
			binary.BigEndian.PutUint64(head[1:], uint64(len(rest)))
		}
		if !ok {
			return nil, fmt.Errorf("the column %s holds %T in row %d", c.name, v, d.rows+1)
		}
		d.sum.Write(head[:])
		d.sum.Write(rest)
		values[i] = v
	}
	d.rows++
	return values, nil
}

// fitting gives a value as the Go type of a column's kind.
func fitting(kind string, v any) (any, bool) {
	switch x := v.(type) {
	case nil:
		return nil, true
	case int64:
		if kind == "bool" && (x == 0 || x == 1) {
			return x == 1, true
		}
		return x, kind == "int"
	case int32:
		return int64(x), kind == "int"
	case bool:
		return x, kind == "bool"
	case string:
		return x, kind == "text"
	case []byte:
		if x == nil { // empty, as SQLite's driver gives it; to PostgreSQL's it is NULL
			x = []byte{}
		}
		return x, kind == "bytes"
	}
	return v, false
}
