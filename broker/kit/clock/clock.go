// Package clock gives the processes of an installation one time.
//
// Leases, deadlines and codes that expire are written by one node and read by
// another, so clocks that differ by seconds would let one node take what is
// another's. The database is the one thing that all nodes share: each measures
// how far its own clock is from the database's, and goes by the database's time
// where they differ.
//
// It owns that measuring and the bound beyond which a node should not take on
// more work. It sets no machine's clock, and does not know which of the clocks is
// right.
package clock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Clock needs. Source alone is required.
type Config struct {
	// Source is the time that all share. nil: this machine's clock, which is right
	// for processes on one machine.
	Source func(context.Context) (time.Time, error)
	Local  func() time.Time // default time.Now
	Every  time.Duration    // between measurements; default 10 s
	// Most is how far apart the clocks may be; default 5 s. Beyond, everything
	// goes on by the source's time, and Check gives an error.
	Most time.Duration
	Log  *slog.Logger
}

const (
	// near is a difference that does not matter: up to it a machine's own clock
	// is used, which runs evenly.
	near = 100 * time.Millisecond
	// slow is an answer that took too long to tell the time.
	slow = time.Second
	// told is a difference that an operator should know of.
	told = time.Second
)

// Clock is the time. The zero value is not usable; see New.
type Clock struct {
	Config
	shift atomic.Int64 // what is added to Local, in nanoseconds

	mu       sync.Mutex
	apart    time.Duration // the last difference: positive when ours is behind
	warned   bool
	source   time.Time // what the source said last; zero: nothing yet
	measured time.Time // when that was, by Local
}

// New measures nothing yet; until Measure the time is the machine's.
func New(c Config) *Clock {
	if c.Local == nil {
		c.Local = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Every = cmp.Or(c.Every, 10*time.Second)
	c.Most = cmp.Or(c.Most, 5*time.Second)
	return &Clock{Config: c}
}

// Now is the time that all share.
func (c *Clock) Now() time.Time { return c.Local().Add(time.Duration(c.shift.Load())) }

// Past is the time that has come by every clock: the one that all share, this
// machine's, and what the source said last with the time that has gone by since.
// What cannot be undone, such as erasing, is done by it. So neither a database's
// server that is suddenly ahead nor a machine that is makes anything end early; it
// ends when the clocks agree again, or when the slower one comes to it. Where
// there is no source, the machine's clock is all there is.
func (c *Clock) Past() time.Time {
	own := c.Local()
	past := own
	if now := own.Add(time.Duration(c.shift.Load())); now.Before(past) {
		past = now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source.IsZero() {
		return past
	}
	// Steady where Local is: a machine's clock that is set shows here after the
	// next measurement alone.
	if steady := c.source.Add(max(own.Sub(c.measured), 0)); steady.Before(past) {
		past = steady
	}
	return past
}

// ErrSlow is the error of a measurement that took too long to be of use.
var ErrSlow = errors.New("clock: the answer took too long to tell the time")

// Measure asks the source for the time and goes by it from now on. After an error
// the clock goes on as before.
func (c *Clock) Measure(ctx context.Context) error {
	if c.Source == nil {
		return nil
	}
	began := c.Local()
	source, err := c.Source(ctx)
	if err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	took := c.Local().Sub(began)
	if took > slow || took < 0 {
		return ErrSlow
	}
	// The answer was made at some moment between asking and hearing.
	apart := source.Sub(began.Add(took / 2))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apart = apart
	c.source, c.measured = source, began.Add(took/2)
	known := time.Duration(c.shift.Load())
	switch {
	case apart.Abs() <= near+took/2:
		c.shift.Store(0)
	case (apart - known).Abs() > near/2+took/2:
		c.shift.Store(int64(apart))
	}
	switch far := apart.Abs() > told; {
	case far && !c.warned:
		c.warned = true
		c.Log.WarnContext(ctx, "this machine's clock is not the database's; going by the database's", "apart", apart.Round(time.Millisecond))
	case !far && c.warned:
		c.warned = false
		c.Log.InfoContext(ctx, "this machine's clock agrees with the database's again", "apart", apart.Round(time.Millisecond))
	}
	return nil
}

// Run measures until ctx ends.
func (c *Clock) Run(ctx context.Context) error {
	if c.Source == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		if err := c.Measure(ctx); err != nil && ctx.Err() == nil {
			c.Log.DebugContext(ctx, "clock not compared with the database's", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Apart is how far this machine's clock was behind the source's when last
// measured; negative: ahead.
func (c *Clock) Apart() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apart
}

// Check says whether the clocks are too far apart for this node to be sent
// people.
func (c *Clock) Check() error {
	if d := c.Apart(); d.Abs() > c.Most {
		return fmt.Errorf("clock: this machine's clock and the database's are %v apart", d.Abs().Round(time.Millisecond))
	}
	return nil
}
