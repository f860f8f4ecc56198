// Package storetest is the contract of the broker's stores as tests. A store's
// own test makes an empty one and hands it over; whoever passes may be used.
//
// Each suite has a part in which eight goroutines race for what only one may
// get: a few rounds as a rule, a thousand when SIGILL_SOAK=1. Kill is for what
// only another process can show: that whatever was acknowledged is there after
// kill -9.
package storetest

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"
)

// racers is how many go for one thing.
const racers = 8

// ctx is that of calls that nobody interrupts.
var ctx = context.Background()

func rounds() int {
	if os.Getenv("SIGILL_SOAK") == "1" {
		return 1000
	}
	return 25
}

// race lets all racers run act at once and counts how many times it gave true.
func race(act func(racer int) bool) int {
	var start, done sync.WaitGroup
	start.Add(1)
	var mu sync.Mutex
	won := 0
	for i := range racers {
		done.Go(func() {
			start.Wait()
			if act(i) {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	start.Done()
	done.Wait()
	return won
}

// Clock is the time that a store under test is given.
type Clock struct {
	// Advanced, if set, is told of every step: for a store with a clock of its own.
	Advanced func(time.Duration)

	mu  sync.Mutex
	now time.Time
}

// NewClock starts at a whole millisecond, which is what stores keep.
func NewClock() *Clock {
	return &Clock{now: time.Now().UTC().Truncate(time.Millisecond)}
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
	if c.Advanced != nil {
		c.Advanced(d)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
