package clock

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// server is a clock that answers after a while.
type server struct {
	off, takes time.Duration
	err        error
}

func (s *server) time(context.Context) (time.Time, error) {
	time.Sleep(s.takes / 2)
	now := time.Now().Add(s.off)
	time.Sleep(s.takes - s.takes/2)
	return now, s.err
}

func machine(off time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(off) }
}

// Three machines agree, whatever their clocks say.
func TestAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: 40 * time.Millisecond}
		var clocks []*Clock
		for _, off := range []time.Duration{0, 10 * time.Second, -10 * time.Second, 50 * time.Millisecond} {
			c := New(Config{Source: s.time, Local: machine(off)})
			if err := c.Measure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if too := off.Abs() > 5*time.Second; too != (c.Check() != nil) {
				t.Errorf("%v apart: %v", off, c.Check())
			}
			if got := c.Apart(); (got + off).Abs() > time.Millisecond {
				t.Errorf("measured %v of %v", got, off)
			}
			clocks = append(clocks, c)
		}
		for i, c := range clocks[:3] {
			if d := c.Now().Sub(time.Now()).Abs(); d > time.Millisecond {
				t.Errorf("clock %d is off by %v", i, d)
			}
		}
		// A little apart does not matter, and the machine's own runs evenly.
		if d := clocks[3].Now().Sub(time.Now()); d != 50*time.Millisecond {
			t.Errorf("corrected to %v", d)
		}
	})
}

func TestDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &server{takes: 10 * time.Millisecond}
		var off time.Duration
		c := New(Config{Source: s.time, Local: func() time.Time { return time.Now().Add(off) }, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- c.Run(ctx) }()
		wait := func() { time.Sleep(c.Every + time.Second); synctest.Wait() }
		wait()
		if c.Now() != time.Now() {
			t.Error("corrected without need")
		}
		off = 8 * time.Second // somebody sets the clock
		wait()
		if d := c.Now().Sub(time.Now()).Abs(); d > 10*time.Millisecond || c.Check() == nil {
			t.Errorf("off by %v, %v", d, c.Check())
		}
		wait()
		s.err = errors.New("away")
		off = 8100 * time.Millisecond
		wait()
		if d := c.Now().Sub(time.Now()).Abs(); d > 110*time.Millisecond || c.Check() == nil {
			t.Errorf("without the database: off by %v, %v", d, c.Check())
		}
		s.err, s.takes = nil, 3*time.Second // too slow to tell
		off = 0
		wait()
		if err := c.Measure(t.Context()); !errors.Is(err, ErrSlow) {
			t.Error(err)
		}
		s.takes = 10 * time.Millisecond
		wait()
		if c.Now() != time.Now() || c.Check() != nil {
			t.Errorf("not back: %v", c.Check())
		}
		if n := strings.Count(log.String(), "is not the database's"); n != 1 {
			t.Errorf("%d warnings: %s", n, log.String())
		}
		if n := strings.Count(log.String(), "agrees with the database's again"); n != 1 {
			t.Errorf("%d times back: %s", n, log.String())
		}
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

func TestOwn(t *testing.T) {
	c := New(Config{Local: machine(time.Hour)})
	if err := c.Measure(t.Context()); err != nil || c.Check() != nil || c.Now().Sub(time.Now()) < 59*time.Minute {
		t.Error(err, c.Check(), c.Now())
	}
}

func TestDatabase(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db, err := p.Open(t.Context(), "clock", sqldb.CrashSafe)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		source := Of(db)
		if p.Engine() == sqldb.SQLite {
			if source != nil {
				t.Error("a file has a clock")
			}
			return
		}
		c := New(Config{Source: source, Local: machine(-time.Minute), Most: 2 * time.Minute})
		for range 100 { // a busy machine may be slow to answer
			if err = c.Measure(t.Context()); !errors.Is(err, ErrSlow) {
				break
			}
		}
		if d := c.Now().Sub(time.Now()).Abs(); err != nil || d > time.Second || c.Check() != nil {
			t.Errorf("off by %v: %v", d, err)
		}
	})
}
