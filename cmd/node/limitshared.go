package node

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sigill/broker"
	"sigill/broker/kit/config"
)

// shared lets nodes count together, in the short-lived store. Each node counts
// for itself as well, and first: who is over the limit here is so everywhere and
// costs the store nothing, and when the store is away the own count goes on. A
// limit must neither become an outage nor vanish.
//
// To ask seldom, a node takes some requests' worth at a time where the limit is
// generous; what it does not use in their time it gives up.
type shared struct {
	name    string
	short   broker.Short
	log     *slog.Logger
	portion int

	seed  maphash.Seed
	turns [64]sync.Mutex // an address asks the store once at a time
	away  atomic.Int64   // do not ask before this time, in nanoseconds
}

const (
	kindRate = "rate"
	// asking bounds how long a request waits to be counted.
	asking = 250 * time.Millisecond
	// absence is how long a store that failed is left alone.
	absence = time.Second
	// portions is how many of them make a limit.
	portions = 50
	// meetings is how often a count is tried again that another node changed.
	meetings = 10
)

// stock is what a node may still let through without asking.
type stock struct {
	left  int
	until time.Time
}

// limiter is the one of a name. Nodes count together over PostgreSQL or Redis. On
// SQLite it would cost a login about a tenth of its processor time (measured on a
// busy machine), and those who share such a file are two processes on one machine.
func (c Config) limiter(name string, r config.Rate, short broker.Short) *limiter {
	l := newLimiter(r, c.Now)
	if c.Settings.Store.Postgres == nil && c.Settings.Store.Redis == nil {
		return l
	}
	return l.share(name, short, c.Log)
}

// share makes a limiter count in a store that other nodes use too, under a name
// of its own.
func (l *limiter) share(name string, short broker.Short, log *slog.Logger) *limiter {
	if l != nil {
		l.shared = &shared{
			name: name, short: short, log: log, seed: maphash.MakeSeed(),
			portion: max(1, int(l.burst/l.every)/portions),
		}
		l.stocks = map[netip.Prefix]stock{}
	}
	return l
}

// admit is allow, with what other nodes have counted.
func (l *limiter) admit(ctx context.Context, address string) (wait time.Duration, ok bool) {
	wait, ok = l.allow(address)
	if !ok || l == nil || l.shared == nil {
		return wait, ok
	}
	s, key := l.shared, bucketOf(address)
	turn := &s.turns[maphash.Comparable(s.seed, key)%uint64(len(s.turns))]
	turn.Lock()
	defer turn.Unlock()
	if l.draw(key) {
		return 0, true
	}
	away := s.away.Load()
	if left := away - l.now().UnixNano(); left > 0 && left <= int64(absence) {
		return 0, true
	}
	got, empty, err := l.reserve(ctx, key)
	switch {
	case err != nil && ctx.Err() != nil:
		return 0, true // nobody waits any more
	case err != nil:
		if s.away.Swap(l.now().Add(absence).UnixNano()) == 0 {
			s.log.WarnContext(ctx, "a limit is counted by each node alone for now", "limit", s.name, "error", err)
		}
		return 0, true
	case away != 0 && s.away.CompareAndSwap(away, 0):
		s.log.InfoContext(ctx, "a limit is counted by all nodes together again", "limit", s.name)
	}
	if got == 0 {
		return l.full(key, empty), false
	}
	l.store(key, got-1)
	return 0, true
}

// reserve takes a portion, or one where that is too much. With none it tells when
// the bucket will be empty.
func (l *limiter) reserve(ctx context.Context, key netip.Prefix) (got int, empty time.Time, err error) {
	s := l.shared
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	name := s.name + "\x00" + key.String()
	for range meetings {
		raw, version, err := s.short.Get(ctx, kindRate, name)
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return 0, empty, err
		}
		now := l.now()
		at := now
		if len(raw) == 8 {
			if t := time.Unix(0, int64(binary.BigEndian.Uint64(raw))); t.After(now) {
				at = t
			}
		}
		if at.Sub(now) > l.burst+l.every {
			return 1, empty, nil // by a clock that is far ahead of ours: not believed
		}
		got := s.portion
		if at.Add(time.Duration(got)*l.every).Sub(now) > l.burst {
			got = 1
		}
		next := at.Add(time.Duration(got) * l.every)
		if next.Sub(now) > l.burst {
			return 0, at, nil
		}
		err = s.short.Swap(ctx, kindRate, name, version, binary.BigEndian.AppendUint64(nil, uint64(next.UnixNano())), next)
		if !errors.Is(err, broker.ErrConflict) {
			return got, empty, err
		}
	}
	return 1, empty, nil // so many at once that it is left to each node
}

// draw takes one request from the node's own stock.
func (l *limiter) draw(key netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stocks[key]
	if s.left == 0 {
		return false
	}
	delete(l.stocks, key)
	if !l.now().Before(s.until) {
		return false
	}
	if s.left--; s.left > 0 {
		l.stocks[key] = s
	}
	return true
}

// store puts into the stock what was reserved and not used yet.
func (l *limiter) store(key netip.Prefix, left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left > 0 && len(l.stocks) < maxAddresses {
		l.stocks[key] = stock{left, l.now().Add(time.Duration(left) * l.every)}
	}
}

// full remembers that all nodes together have let through too many, so that the
// store is not asked again before there is room, and says when that is.
func (l *limiter) full(key netip.Prefix, empty time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.empty[key]; known {
		l.empty[key] = empty
	}
	return max(empty.Add(l.every).Sub(l.now())-l.burst, 0)
}
