package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/oidc"
)

// MarkStore keeps marks, and is cleaned.
type MarkStore interface {
	oidc.Marks
	Clean(ctx context.Context) error
}

// Marks tests a store of marks. open makes an empty one.
func Marks(t *testing.T, open func(*testing.T, *Clock) (MarkStore, Events)) {
	begin := func(t *testing.T) (MarkStore, Events, *Clock) {
		c := NewClock()
		s, events := open(t, c)
		return s, events, c
	}
	mark := func(c *Clock, kind string, digest ...byte) broker.Mark {
		return broker.Mark{Kind: kind, Digest: digest, Expires: c.Now().Add(time.Minute)}
	}
	want := func(t *testing.T, s MarkStore, m broker.Mark, want bool) {
		t.Helper()
		got, err := s.Spent(ctx, m.Kind, m.Digest)
		check(t, err)
		if got != want {
			t.Errorf("%s %x spent: %t, want %t", m.Kind, m.Digest, got, want)
		}
	}
	wantEvents := func(t *testing.T, events Events, n int) {
		t.Helper()
		if got := len(events(t)); got != n {
			t.Errorf("%d acts are recorded, want %d", got, n)
		}
	}

	t.Run("spend", func(t *testing.T) {
		s, events, c := begin(t)
		a, b := mark(c, "code", 1, 0, 255), mark(c, "token", 1, 0, 255)
		want(t, s, a, false)
		check(t, s.Spend(ctx, []broker.Mark{a}, anEvent(audit.TokenIssued, c.Now())))
		want(t, s, a, true)
		want(t, s, b, false)
		want(t, s, mark(c, "code", 1, 0), false)
		wantEvents(t, events, 1)
		if err := s.Spend(ctx, []broker.Mark{a}, anEvent(audit.TokenIssued, c.Now())); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("spent twice: %v", err)
		}
		wantEvents(t, events, 1)
	})
	t.Run("without marks", func(t *testing.T) {
		s, events, c := begin(t)
		check(t, s.Spend(ctx, nil, anEvent(audit.TokenIssued, c.Now())))
		check(t, s.Spend(ctx, nil, anEvent(audit.TokenIssued, c.Now())))
		check(t, s.Spend(ctx, nil))
		wantEvents(t, events, 2)
	})
	t.Run("all or nothing", func(t *testing.T) {
		s, events, c := begin(t)
		a, b := mark(c, "code", 1), mark(c, "code", 2)
		check(t, s.Spend(ctx, []broker.Mark{b}))
		if err := s.Spend(ctx, []broker.Mark{a, b}, anEvent(audit.TokenIssued, c.Now())); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("spent one that was: %v", err)
		}
		want(t, s, a, false)
		wantEvents(t, events, 0)
		// An act that cannot be written leaves no mark.
		if s.Spend(ctx, []broker.Mark{a}, audit.Event{}) == nil {
			t.Error("an act of no type was written")
		}
		want(t, s, a, false)
	})
	t.Run("again", func(t *testing.T) {
		s, events, c := begin(t)
		a, once := mark(c, "session", 1), mark(c, "session", 1)
		a.Again = true
		check(t, s.Spend(ctx, []broker.Mark{a}, anEvent(audit.SessionEnded, c.Now())))
		check(t, s.Spend(ctx, []broker.Mark{a}, anEvent(audit.SessionEnded, c.Now())))
		wantEvents(t, events, 2)
		if err := s.Spend(ctx, []broker.Mark{once}); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("what was said before may be spent: %v", err)
		}
	})
	t.Run("clean", func(t *testing.T) {
		s, _, c := begin(t)
		a, b := mark(c, "code", 1), mark(c, "code", 2)
		b.Expires = b.Expires.Add(time.Millisecond)
		check(t, s.Spend(ctx, []broker.Mark{a, b}))
		c.Advance(time.Minute - time.Millisecond)
		check(t, s.Clean(ctx))
		want(t, s, a, true)
		c.Advance(time.Millisecond)
		want(t, s, a, true) // it counts until it is removed
		check(t, s.Clean(ctx))
		want(t, s, a, false)
		want(t, s, b, true)
	})
	t.Run("a context that has ended", func(t *testing.T) {
		s, _, c := begin(t)
		over, end := context.WithCancel(ctx)
		end()
		a := mark(c, "code", 1)
		if s.Spend(over, []broker.Mark{a}) == nil {
			t.Error("spent for nobody")
		}
		want(t, s, a, false)
	})
	t.Run("race", func(t *testing.T) {
		s, events, c := begin(t)
		for n := range rounds() {
			// Two in another order: neither waits for the other for ever.
			a, b := mark(c, "code", byte(n), byte(n>>8)), mark(c, "assertion", byte(n), byte(n>>8))
			won := race(func(racer int) bool {
				marks := []broker.Mark{a, b}
				if racer%2 == 1 {
					marks = []broker.Mark{b, a}
				}
				err := s.Spend(ctx, marks, anEvent(audit.TokenIssued, c.Now()))
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: %d of %d spent it", n, won, racers)
			}
		}
		wantEvents(t, events, rounds())
	})
}
