package clock

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// server is a clock that answers after a while, asked by a machine whose own is
// off.
type server struct {
	mu         sync.Mutex
	takes, off time.Duration
	err        error
}

func (s *server) set(takes, off time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes, s.off, s.err = takes, off, err
}

func (s *server) get() (takes, off time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takes, s.off, s.err
}

func (s *server) time(context.Context) (time.Time, error) {
	takes, _, err := s.get()
	time.Sleep(takes / 2)
	now := time.Now()
	time.Sleep(takes - takes/2)
	return now, err
}

func (s *server) local() time.Time {
	_, off, _ := s.get()
	return time.Now().Add(off)
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
			if d := time.Until(c.Now()).Abs(); d > time.Millisecond {
				t.Errorf("clock %d is off by %v", i, d)
			}
		}
		// A little apart does not matter, and the machine's own runs evenly.
		if d := time.Until(clocks[3].Now()); d != 50*time.Millisecond {
			t.Errorf("corrected to %v", d)
		}
	})
}

func TestDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		const quick = 10 * time.Millisecond
		s := &server{takes: quick}
		c := New(Config{Source: s.time, Local: s.local, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- c.Run(ctx) }()
		wait := func() { time.Sleep(c.Every + time.Second); synctest.Wait() }
		wait()
		if c.Now() != time.Now() {
			t.Error("corrected without need")
		}
		s.set(quick, 8*time.Second, nil) // somebody sets the clock
		wait()
		if d := time.Until(c.Now()).Abs(); d > quick || c.Check() == nil {
			t.Errorf("off by %v, %v", d, c.Check())
		}
		s.set(quick, 8100*time.Millisecond, errors.New("away"))
		wait()
		if d := time.Until(c.Now()).Abs(); d > 110*time.Millisecond || c.Check() == nil {
			t.Errorf("without the database: off by %v, %v", d, c.Check())
		}
		s.set(3*time.Second, 0, nil) // too slow to tell
		if err := c.Measure(t.Context()); !errors.Is(err, ErrSlow) {
			t.Error(err)
		}
		s.set(quick, 0, nil)
		wait()
		if c.Now() != time.Now() || c.Check() != nil {
			t.Errorf("not back: %v", c.Check())
		}
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "is not the database's"); n != 1 {
			t.Errorf("%d warnings: %s", n, log.String())
		}
		if n := strings.Count(log.String(), "agrees with the database's again"); n != 1 {
			t.Errorf("%d times back: %s", n, log.String())
		}
	})
}

func TestOwn(t *testing.T) {
	c := New(Config{Local: machine(time.Hour)})
	if err := c.Measure(t.Context()); err != nil || c.Check() != nil || time.Until(c.Now()) < 59*time.Minute {
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
		if d := time.Until(c.Now()).Abs(); err != nil || d > time.Second || c.Check() != nil {
			t.Errorf("off by %v: %v", d, err)
		}
	})
}

// What cannot be undone waits until its time has come by every clock.
func TestPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		theirs := time.Duration(0)
		c := New(Config{Local: s.local, Source: func(context.Context) (time.Time, error) { return time.Now().Add(theirs), nil }})
		if c.Past() != time.Now() {
			t.Error("not the machine's before anything is known")
		}
		for _, tt := range []struct {
			what         string
			theirs, ours time.Duration // off
			measured     bool
			now, past    time.Duration // off
		}{
			{"agreed", 0, 0, true, 0, 0},
			{"the source is ahead", time.Hour, 0, true, time.Hour, 0},
			{"the source is behind", -time.Hour, 0, true, -time.Hour, -time.Hour},
			{"ours is ahead", 0, time.Hour, true, 0, 0},
			{"ours is behind", 0, -time.Hour, true, 0, -time.Hour},
			{"agreed again", 0, 0, true, 0, 0},
			{"the source steps ahead, unseen", time.Hour, 0, false, 0, 0},
		} {
			theirs = tt.theirs
			s.set(0, tt.ours, nil)
			if tt.measured {
				if err := c.Measure(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			if now, past := time.Until(c.Now()), time.Until(c.Past()); now != tt.now || past != tt.past {
				t.Errorf("%s: now off by %v, past by %v; want %v, %v", tt.what, now, past, tt.now, tt.past)
			}
		}
	})
}
