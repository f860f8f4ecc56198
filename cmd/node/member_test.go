package node

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigill/broker/flow"
	"sigill/broker/kit/config"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// A node whose machine's clock is off goes by the database's time, says so, and
// wants nobody sent to it; and a copied data folder makes no second node of the
// same name.
func TestClockAndName(t *testing.T) {
	dsn := sqldbtest.DSN(t)
	begin := func(off time.Duration, folder string) (*Node, *logged) {
		t.Helper()
		c, l := settings(t)
		file := filepath.Join(t.TempDir(), "dsn")
		if err := os.WriteFile(file, []byte(dsn), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Store.Postgres = &config.Postgres{DSNFile: file}
		c.MasterKeyFile, c.Data = folder+"/master.key", folder+"/data"
		log := &logged{}
		n, err := New(t.Context(), Config{Settings: c, Listener: l, Log: slog.New(slog.NewJSONHandler(log, nil)),
			Now: func() time.Time { return time.Now().Add(off) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		return n, log
	}
	folder := t.TempDir()
	c, l := settings(t)
	l.Close()
	key, err := os.ReadFile(c.MasterKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	put := func(dir string) {
		t.Helper()
		if err := os.WriteFile(dir+"/master.key", key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(folder)
	first, _ := begin(0, folder) // makes the image
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	clone := t.TempDir()
	put(clone)
	if err := os.CopyFS(clone+"/data", os.DirFS(folder+"/data")); err != nil {
		t.Fatal(err)
	}
	right, log := begin(0, folder)
	if right.flow.Node != first.flow.Node {
		t.Error("a restart changed the name")
	}
	if why := right.ready.why(); why != "" || strings.Contains(log.String(), "clock") {
		t.Errorf("not ready: %s\n%s", why, log.String())
	}
	wrong, log := begin(-20*time.Second, clone)
	if d := time.Since(wrong.common.Now()).Abs(); d > time.Second {
		t.Errorf("off by %v", d)
	}
	if why := wrong.ready.why(); !strings.Contains(why, "clock") {
		t.Errorf("ready: %q", why)
	}
	if !strings.Contains(log.String(), "going by the database's") {
		t.Errorf("nothing in the log:\n%s", log.String())
	}
	if wrong.flow.Node == right.flow.Node || wrong.flow.Boot == "" {
		t.Errorf("two nodes are %q", right.flow.Node)
	}
}

// No node makes or opens anything where data are being restored.
func TestNodeWaitsForRestore(t *testing.T) {
	c, l := settings(t)
	defer l.Close()
	c.Data = t.TempDir()
	release, err := flow.Alone(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() (*Node, error) {
		return New(t.Context(), Config{Settings: c, Listener: l})
	}
	if _, err := begin(); !errors.Is(err, flow.ErrHeld) {
		t.Fatalf("it starts: %v", err)
	}
	if made, err := filepath.Glob(filepath.Join(c.Data, "*.db*")); err != nil || len(made) > 0 {
		t.Errorf("made %v %v", made, err)
	}
	release()
	c, l = settings(t)
	n, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flow.Alone(c.Data); !errors.Is(err, flow.ErrNotAlone) {
		t.Errorf("alone beside a node: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if release, err = flow.Alone(c.Data); err != nil {
		t.Fatalf("not alone after it: %v", err)
	}
	release()
}
