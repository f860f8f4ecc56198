package node

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sigill/broker/kit/config"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/broker/store/redistest"
)

func asks(r *readiness) (int, string) {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	return w.Code, w.Body.String()
}

func never() bool { return false }

// Why nobody should be sent here stands in one line, without a word of what a
// server said: it may hold anything. The log has it, once.
func TestWhyNotReady(t *testing.T) {
	fails := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	hidden := errors.New("user sigill at 10.0.0.9: hemligt")
	var log bytes.Buffer
	leaving := false
	r := newReadiness([]probe{
		{"one", "the first does not answer", fails(nil)},
		{"two", "the second does not answer", fails(hidden)},
		{"three", "the third is full", fails(hidden)},
	}, func() bool { return leaving }, slog.New(slog.NewJSONHandler(&log, nil)))
	for range 3 {
		if code, text := asks(r); code != 503 || text != "not ready: the second does not answer; the third is full\n" {
			t.Errorf("%d %q", code, text)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "hemligt") {
		t.Errorf("logged: %s", log.String())
	}
	r.probes[1].ask, r.probes[2].ask = fails(nil), fails(nil)
	if code, text := asks(r); code != 200 || text != "ready\n" {
		t.Errorf("%d %q", code, text)
	}
	leaving = true
	if code, text := asks(r); code != 503 || text != "not ready: draining: this node is about to stop\n" {
		t.Errorf("%d %q", code, text)
	}
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("logged %d lines: %s", n, log.String())
	}
}

// A store that hangs is waited for two seconds, by all who ask together, and is
// not asked again before it has come back.
func TestReadyWithAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		back := make(chan struct{})
		r := newReadiness([]probe{
			{"hangs", "it hangs", func(context.Context) error { asked.Add(1); <-back; return nil }},
			{"works", "it works", func(context.Context) error { return nil }},
		}, never, slog.New(slog.DiscardHandler))
		began := time.Now()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if code, text := asks(r); code != 503 || text != "not ready: it hangs\n" {
					t.Errorf("%d %q", code, text)
				}
			})
		}
		group.Wait()
		if took := time.Since(began); took != answering || asked.Load() != 1 {
			t.Errorf("took %s, asked %d times", took, asked.Load())
		}
		// Others are told at once that it still hangs.
		if code, _ := asks(r); code != 503 || asked.Load() != 1 {
			t.Errorf("%d, asked %d times", code, asked.Load())
		}
		close(back)
		synctest.Wait()
		if code, _ := asks(r); code != 200 || asked.Load() != 2 {
			t.Errorf("%d, asked %d times", code, asked.Load())
		}
	})
}

// A disk that is full takes the node out until there is room again, and is
// written to seldom, whoever asks how often.
func TestReadyWithAFullDisk(t *testing.T) {
	now := time.Now()
	d := newDisk(t.TempDir(), "node", func() time.Time { return now })
	writes, full := 0, false
	d.write = func(file string) error {
		writes++
		if full {
			return &fs.PathError{Op: "write", Path: file, Err: syscall.ENOSPC}
		}
		return writeProbe(file)
	}
	r := newReadiness([]probe{d.probe()}, never, slog.New(slog.DiscardHandler))
	for i, step := range []struct {
		later        time.Duration
		full         bool
		code, writes int
	}{
		{0, false, 200, 1}, {9 * time.Second, true, 200, 1}, {time.Second, true, 503, 2}, {time.Second, false, 503, 2}, {9 * time.Second, false, 200, 3},
	} {
		now, full = now.Add(step.later), step.full
		code, text := asks(r)
		if code != step.code || writes != step.writes || strings.Contains(text, string(os.PathSeparator)) {
			t.Errorf("step %d: %d %q after %d writes", i, code, text, writes)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(d.file)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// And in earnest: a folder that is gone.
	if err := newDisk(filepath.Join(t.TempDir(), "gone"), "node", time.Now).ask(t.Context()); err == nil {
		t.Error("wrote into a folder that is not there")
	}
}

// Clocks are compared in the middle between asking and being answered.
func TestClockSkew(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ took, theirs, skew, wrong time.Duration }{
		{0, 0, 0, 0},
		{2 * time.Second, time.Second, 0, time.Second},
		{0, 10 * time.Second, 10 * time.Second, 0},
		{200 * time.Millisecond, -10 * time.Second, -10100 * time.Millisecond, 100 * time.Millisecond},
	} {
		skew, wrong := between(at, at.Add(tt.theirs), at.Add(tt.took))
		if skew != tt.skew || wrong != tt.wrong {
			t.Errorf("%v: %s, wrong by %s", tt, skew, wrong)
		}
	}
}

// A store that answers and cannot be written to takes the node out, and lets it
// in again; each is written to seldom.
func TestReadyWithStoresThatTakeNothing(t *testing.T) {
	server, redis := sqldbtest.Start(t), redistest.Start(t)
	c, l := settings(t)
	l.Close()
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte(server.DSN(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Store.Postgres = &config.Postgres{DSNFile: file, Prefix: "taking_"}
	c.Store.Redis = &config.Redis{Addresses: []string{redis.Addr}}
	c.Signing, c.Portal = &config.Signing{}, &config.Portal{}
	v, err := OpenVault(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	now := time.Now()
	r := newReadiness(v.probes("node", func() time.Time { return now }), never, slog.New(slog.NewTextHandler(t.Output(), nil)))
	expect := func(what, faults string) {
		t.Helper()
		now = now.Add(probing)
		code, text := asks(r)
		if faults == "" && (code != 200 || text != "ready\n") || faults != "" && (code != 503 || text != "not ready: "+faults+"\n") {
			t.Errorf("%s: %d %q, want %q", what, code, text, faults)
		}
	}
	expect("all is well", "")
	do := func(args ...any) {
		t.Helper()
		if err := redis.Client().Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	const short = "the short-lived store cannot be written to"
	do("config", "set", "maxmemory", "1")
	expect("Redis is full", short)
	do("config", "set", "maxmemory", "0")
	expect("there is room again", "")
	do("replicaof", "127.0.0.1", "1")
	expect("Redis was demoted", short)
	do("replicaof", "no", "one")
	expect("Redis is a master again", "")

	const signing, portal = "the signing room's database cannot be written to", "the portal's database cannot be written to"
	for _, broken := range []struct {
		db           *sqldb.DB
		table, fault string
	}{
		{v.Store.DB(), "nodes", "the broker's database cannot be written to"},
		{v.archive.db, "audit_sequencer", signing}, {v.hall.db, "audit_sequencer", portal},
	} {
		if err := v.Store.EnterNode(t.Context(), "node", "boot", nil, time.Now()); err != nil {
			t.Fatal(err)
		}
		sqldbtest.Break(t, broken.db, "UPDATE", broken.table)
		expect(broken.table, broken.fault)
		sqldbtest.Mend(t, broken.db)
		expect("mended", "")
	}
	// Somebody else's write is under way and does not end: that is no fault.
	held, over := make(chan struct{}), make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		if err := v.archive.db.Write(context.Background(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`UPDATE audit_sequencer SET until = until WHERE id = 1`)
			close(held)
			<-over
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	<-held
	expect("another writes", "")
	close(over)
	writing.Wait()
}

// A command on a machine whose clock is an hour ahead goes by the nodes' time.
func TestOpenBeside(t *testing.T) {
	c, l := settings(t)
	l.Close()
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte(sqldbtest.DSN(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Store.Postgres = &config.Postgres{DSNFile: file, Prefix: "beside_"}
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	v, err := OpenBeside(t.Context(), c, ahead, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if off := time.Until(v.Now()).Abs(); off > 10*time.Second {
		t.Errorf("off by %v", off)
	}
}

// What is asked seldom is so by a clock that may be set.
func TestSeldom(t *testing.T) {
	now, asked := time.Now(), 0
	s := newSeldom(probing, func() time.Time { return now }, func(context.Context) error { asked++; return nil })
	for i, step := range []struct {
		later time.Duration
		asked int
	}{{0, 1}, {probing - 1, 1}, {1, 2}, {-time.Hour, 3}, {time.Second, 3}, {time.Hour, 4}} {
		now = now.Add(step.later)
		if err := s.ask(t.Context()); err != nil || asked != step.asked {
			t.Errorf("step %d: asked %d times, %v", i, asked, err)
		}
	}
}

// Over PostgreSQL a node is ready while the server answers and has the same time,
// and again when it is back.
func TestReadyOverPostgreSQL(t *testing.T) {
	server := sqldbtest.Start(t)
	c, l := settings(t)
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte(server.DSN(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Store.Postgres = &config.Postgres{DSNFile: file, Prefix: "ready_"}
	var ahead atomic.Int64
	registry := prometheus.NewRegistry()
	n, err := New(t.Context(), Config{
		Settings: c, Listener: l, Registry: registry, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	expect := func(code int, text string) {
		t.Helper()
		gotCode, got := asks(n.ready)
		if gotCode != code || got != text {
			t.Errorf("%d %q, want %d %q", gotCode, got, code, text)
		}
	}
	expect(200, "ready\n")
	for _, d := range []time.Duration{10 * time.Second, -10 * time.Second} {
		ahead.Store(int64(d))
		expect(503, "not ready: the clock differs from that of the database's server\n")
	}
	w := httptest.NewRecorder()
	n.adminRoutes(registry).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), "\nsigill_clock_skew_seconds 10.0") && !strings.Contains(w.Body.String(), "\nsigill_clock_skew_seconds 9.9") {
		t.Error("metrics do not tell how far the clocks are apart")
	}
	ahead.Store(0)
	server.Stop()
	expect(503, "not ready: the broker's database does not answer; the short-lived store does not answer\n")
	server.Again(t)
	expect(200, "ready\n")
}
