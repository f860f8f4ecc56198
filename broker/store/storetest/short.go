package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker"
)

// Short tests a short-lived store. open makes an empty one.
func Short(t *testing.T, open func(*testing.T, *Clock) broker.Short) {
	begin := func(t *testing.T) (broker.Short, *Clock) {
		c := NewClock()
		return open(t, c), c
	}
	wantValue := func(t *testing.T, s broker.Short, kind, key, want string) int64 {
		t.Helper()
		got, version, err := s.Get(ctx, kind, key)
		check(t, err)
		if string(got) != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if version == 0 {
			t.Fatal("version 0 means that there is no record")
		}
		return version
	}
	wantNone := func(t *testing.T, s broker.Short, kind, key string) {
		t.Helper()
		if v, _, err := s.Get(ctx, kind, key); !errors.Is(err, broker.ErrNotFound) {
			t.Fatalf("got %q, %v; want ErrNotFound", v, err)
		}
	}
	put := func(t *testing.T, s broker.Short, c *Clock, kind, key, value string, life time.Duration) {
		t.Helper()
		check(t, s.Put(ctx, kind, key, []byte(value), c.Now().Add(life)))
	}

	t.Run("put and get", func(t *testing.T) {
		s, c := begin(t)
		wantNone(t, s, "code", "a")
		put(t, s, c, "code", "a", "one", time.Minute)
		put(t, s, c, "code", "b", "two", time.Minute)
		put(t, s, c, "session", "a", "three", time.Minute)
		wantValue(t, s, "code", "a", "one")
		wantValue(t, s, "code", "b", "two")
		wantValue(t, s, "session", "a", "three")
		put(t, s, c, "code", "a", "four", time.Minute)
		wantValue(t, s, "code", "a", "four")
	})
	t.Run("kind and key are kept apart", func(t *testing.T) {
		s, c := begin(t)
		put(t, s, c, "ab", "c", "one", time.Minute)
		wantNone(t, s, "a", "bc")
	})
	t.Run("any bytes", func(t *testing.T) {
		s, c := begin(t)
		for _, v := range [][]byte{nil, {}, {0}, {0, 255, '\'', '"'}, bytes.Repeat([]byte{0xfe}, 200_000)} {
			check(t, s.Put(ctx, "k", "å \x01?*", v, c.Now().Add(time.Minute)))
			got, _, err := s.Get(ctx, "k", "å \x01?*")
			check(t, err)
			if !bytes.Equal(got, v) {
				t.Errorf("%d bytes came back as %d", len(v), len(got))
			}
		}
	})
	t.Run("too much is refused", func(t *testing.T) {
		s, c := begin(t)
		huge := make([]byte, 4<<20)
		if s.Put(ctx, "k", "a", huge, c.Now().Add(time.Minute)) == nil {
			t.Error("Put took 4 MiB")
		}
		if s.Swap(ctx, "k", "a", 0, huge, c.Now().Add(time.Minute)) == nil {
			t.Error("Swap took 4 MiB")
		}
		wantNone(t, s, "k", "a")
	})
	t.Run("take", func(t *testing.T) {
		s, c := begin(t)
		put(t, s, c, "code", "a", "one", time.Minute)
		got, err := s.Take(ctx, "code", "a")
		check(t, err)
		if string(got) != "one" {
			t.Errorf("took %q", got)
		}
		wantNone(t, s, "code", "a")
		if v, err := s.Take(ctx, "code", "a"); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("took %q a second time, %v", v, err)
		}
	})
	t.Run("expiry", func(t *testing.T) {
		s, c := begin(t)
		put(t, s, c, "k", "a", "one", time.Minute)
		put(t, s, c, "k", "b", "two", time.Minute)
		put(t, s, c, "k", "c", "three", time.Minute)
		put(t, s, c, "k", "d", "four", 2*time.Minute)
		version := wantValue(t, s, "k", "c", "three")
		c.Advance(time.Minute - time.Millisecond)
		wantValue(t, s, "k", "a", "one")
		c.Advance(time.Millisecond)
		wantNone(t, s, "k", "a")
		if v, err := s.Take(ctx, "k", "b"); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("took %q after it expired, %v", v, err)
		}
		if err := s.Swap(ctx, "k", "c", version, []byte("x"), c.Now().Add(time.Minute)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("swapped what had expired: %v", err)
		}
		check(t, s.Swap(ctx, "k", "c", 0, []byte("new"), c.Now().Add(time.Minute)))
		wantValue(t, s, "k", "c", "new")
		wantValue(t, s, "k", "d", "four")
	})
	t.Run("a record may be prolonged and cut short", func(t *testing.T) {
		s, c := begin(t)
		put(t, s, c, "k", "a", "one", time.Minute)
		put(t, s, c, "k", "a", "one", time.Hour)
		put(t, s, c, "k", "b", "two", time.Hour)
		check(t, s.Swap(ctx, "k", "b", wantValue(t, s, "k", "b", "two"), []byte("two"), c.Now().Add(time.Minute)))
		c.Advance(2 * time.Minute)
		wantValue(t, s, "k", "a", "one")
		wantNone(t, s, "k", "b")
	})
	t.Run("swap", func(t *testing.T) {
		s, c := begin(t)
		later := c.Now().Add(time.Minute)
		if err := s.Swap(ctx, "k", "a", 7, []byte("x"), later); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("swapped what is not there: %v", err)
		}
		wantNone(t, s, "k", "a")
		check(t, s.Swap(ctx, "k", "a", 0, []byte("one"), later))
		if err := s.Swap(ctx, "k", "a", 0, []byte("x"), later); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("made what is there: %v", err)
		}
		first := wantValue(t, s, "k", "a", "one")
		check(t, s.Swap(ctx, "k", "a", first, []byte("two"), later))
		if err := s.Swap(ctx, "k", "a", first, []byte("x"), later); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("swapped with an old version: %v", err)
		}
		second := wantValue(t, s, "k", "a", "two")
		put(t, s, c, "k", "a", "three", time.Minute)
		if err := s.Swap(ctx, "k", "a", second, []byte("x"), later); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("swapped over a Put: %v", err)
		}
		wantValue(t, s, "k", "a", "three")
	})
	t.Run("a record made again is another", func(t *testing.T) {
		s, c := begin(t)
		put(t, s, c, "k", "a", "one", time.Minute)
		old := wantValue(t, s, "k", "a", "one")
		_, err := s.Take(ctx, "k", "a")
		check(t, err)
		put(t, s, c, "k", "a", "one", time.Minute)
		if err := s.Swap(ctx, "k", "a", old, []byte("x"), c.Now().Add(time.Minute)); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("took the new record for the old one: %v", err)
		}
	})
	t.Run("a context that has ended", func(t *testing.T) {
		s, c := begin(t)
		put(t, s, c, "k", "a", "one", time.Minute)
		over, end := context.WithCancel(ctx)
		end()
		if _, err := s.Take(over, "k", "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("Take: %v", err)
		}
		if _, _, err := s.Get(over, "k", "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("Get: %v", err)
		}
		wantValue(t, s, "k", "a", "one")
	})
	t.Run("race to take", func(t *testing.T) {
		s, c := begin(t)
		for n := range rounds() {
			key := fmt.Sprint(n)
			put(t, s, c, "code", key, "the value of "+key, time.Minute)
			won := race(func(int) bool {
				v, err := s.Take(ctx, "code", key)
				if err != nil && !errors.Is(err, broker.ErrNotFound) {
					t.Error(err)
				}
				if err == nil && string(v) != "the value of "+key {
					t.Errorf("took %q", v)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: %d of %d got it", n, won, racers)
			}
		}
	})
	t.Run("race to make", func(t *testing.T) {
		s, c := begin(t)
		for n := range rounds() {
			key := fmt.Sprint(n)
			won := race(func(int) bool {
				err := s.Swap(ctx, "mark", key, 0, []byte("x"), c.Now().Add(time.Minute))
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: %d of %d made it", n, won, racers)
			}
		}
	})
	t.Run("race to change", func(t *testing.T) {
		s, c := begin(t)
		put(t, s, c, "k", "a", "x", time.Minute)
		for n := range rounds() {
			_, version, err := s.Get(ctx, "k", "a")
			check(t, err)
			var winner atomic.Int64
			won := race(func(racer int) bool {
				err := s.Swap(ctx, "k", "a", version, fmt.Append(nil, racer), c.Now().Add(time.Minute))
				if err != nil && !errors.Is(err, broker.ErrConflict) {
					t.Error(err)
				}
				if err == nil {
					winner.Store(int64(racer))
				}
				return err == nil
			})
			if won != 1 {
				t.Fatalf("round %d: %d of %d changed it", n, won, racers)
			}
			wantValue(t, s, "k", "a", fmt.Sprint(winner.Load()))
		}
	})
	t.Run("no increment is lost", func(t *testing.T) {
		s, c := begin(t)
		check(t, s.Put(ctx, "bucket", "a", []byte{0, 0}, c.Now().Add(time.Minute)))
		times := rounds()
		race(func(int) bool {
			for done := 0; done < times; {
				v, version, err := s.Get(ctx, "bucket", "a")
				if err != nil {
					t.Error(err)
					return false
				}
				n := int(v[0])<<8 + int(v[1]) + 1
				switch err := s.Swap(ctx, "bucket", "a", version, []byte{byte(n >> 8), byte(n)}, c.Now().Add(time.Minute)); {
				case err == nil:
					done++
				case !errors.Is(err, broker.ErrConflict):
					t.Error(err)
					return false
				}
			}
			return true
		})
		v, _, err := s.Get(ctx, "bucket", "a")
		check(t, err)
		if got := int(v[0])<<8 + int(v[1]); got != racers*times {
			t.Errorf("%d increments of %d are there", got, racers*times)
		}
	})
	t.Run("race of take and change", func(t *testing.T) {
		// Whoever comes first: a change never brings back what was taken, and is
		// never swallowed by a Take that did not see it.
		s, c := begin(t)
		for n := range rounds() {
			key := fmt.Sprint(n)
			put(t, s, c, "k", key, "old", time.Minute)
			version := wantValue(t, s, "k", key, "old")
			var swapped atomic.Bool
			var taken atomic.Value
			race(func(racer int) bool {
				if racer == 0 {
					err := s.Swap(ctx, "k", key, version, []byte("new"), c.Now().Add(time.Minute))
					swapped.Store(err == nil)
					return err == nil
				}
				v, err := s.Take(ctx, "k", key)
				if err == nil && taken.Swap(string(v)) != nil {
					t.Error("taken twice")
				}
				return err == nil
			})
			wantNone(t, s, "k", key)
			want := "old"
			if swapped.Load() {
				want = "new"
			}
			if got := taken.Load(); got != want {
				t.Fatalf("took %v, want %s", got, want)
			}
		}
	})
}
