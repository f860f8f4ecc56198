package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"sigill/broker"
	"sigill/broker/kit/sqldb"
)

// countedShort counts the calls of a short-lived store as sqldb counts the
// Writes of a database.
type countedShort struct {
	broker.Short
	acts, failures, nanos atomic.Int64
}

// Stats counts.
func (s *countedShort) Stats() sqldb.Stats {
	return sqldb.Stats{Writes: s.acts.Load(), Failures: s.failures.Load(), Busy: time.Duration(s.nanos.Load())}
}

// count takes in one call. That there is no such record, that somebody else was
// first, or that nobody waits any more is no failure of the store.
func (s *countedShort) count(ctx context.Context, began time.Time, err error) {
	s.acts.Add(1)
	s.nanos.Add(int64(time.Since(began)))
	if err != nil && !errors.Is(err, broker.ErrNotFound) && !errors.Is(err, broker.ErrConflict) && !errors.Is(ctx.Err(), context.Canceled) {
		s.failures.Add(1)
	}
}

// Put is of broker.Short.
func (s *countedShort) Put(ctx context.Context, kind, key string, value []byte, expires time.Time) (err error) {
	defer func(began time.Time) { s.count(ctx, began, err) }(time.Now())
	return s.Short.Put(ctx, kind, key, value, expires)
}

// Get is of broker.Short.
func (s *countedShort) Get(ctx context.Context, kind, key string) (value []byte, version int64, err error) {
	defer func(began time.Time) { s.count(ctx, began, err) }(time.Now())
	return s.Short.Get(ctx, kind, key)
}

// Take is of broker.Short.
func (s *countedShort) Take(ctx context.Context, kind, key string) (value []byte, err error) {
	defer func(began time.Time) { s.count(ctx, began, err) }(time.Now())
	return s.Short.Take(ctx, kind, key)
}

// Swap is of broker.Short.
func (s *countedShort) Swap(ctx context.Context, kind, key string, version int64, value []byte, expires time.Time) (err error) {
	defer func(began time.Time) { s.count(ctx, began, err) }(time.Now())
	return s.Short.Swap(ctx, kind, key, version, value, expires)
}
