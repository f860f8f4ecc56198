package sqldbtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Standby turns a server into one that only follows another, which never comes:
// it reads and does not write.
func (s *Server) Standby(t testing.TB) {
	t.Helper()
	s.Stop()
	s.write(t, "standby.signal", nil)
	s.Again(t)
}

// User makes a user that has a password and no rights but to connect, and gives
// the DSN of a database for it.
func (s *Server) User(t testing.TB, dsn, name, password string) string {
	t.Helper()
	rules, err := os.ReadFile(filepath.Join(s.dir, "data", "pg_hba.conf"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "pg_hba.conf", append(fmt.Appendf(nil, "host all %s 127.0.0.1/32 scram-sha-256\n", name), rules...))
	Command(t, dsn, fmt.Sprintf(`CREATE ROLE %s LOGIN PASSWORD '%s'`, name, password), `SELECT pg_reload_conf()`)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, password)
	return u.String()
}

func (s *Server) write(t testing.TB, name string, content []byte) {
	t.Helper()
	path := filepath.Join(s.dir, "data", name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.uid >= 0 {
		if err := os.Chown(path, s.uid, s.uid); err != nil {
			t.Fatal(err)
		}
	}
}

// Command does what the operator of a PostgreSQL server does.
func Command(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
}
