// Package inbox keeps what the simulated mail server and SMS gateways took, so
// that a person can read it and a test can count it. TEST ONLY: anybody may
// read everybody's messages.
//
// It owns the messages in memory, their names, which of them repeat another,
// and the links in them. It does not own how they come (packages mail and sms)
// nor how they are shown (package phone, and package control for the API).
package inbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// What is kept: the oldest go first.
const (
	maxMessages = 10_000
	maxBytes    = 128 << 20
)

// An Inbox holds the messages of all recipients. It is safe for concurrent use.
type Inbox struct {
	now func() time.Time

	mu      sync.Mutex
	list    []Message // oldest first
	bytes   int
	changed chan struct{} // closed when a message comes
}

// New makes an empty inbox; nil means the clock on the wall.
func New(now func() time.Time) *Inbox {
	if now == nil {
		now = time.Now
	}
	return &Inbox{now: now, changed: make(chan struct{})}
}

// Add keeps a message. It fills in name, time, links and whether it is a
// repeat, and returns it so.
func (b *Inbox) Add(m Message) Message {
	id := make([]byte, 16)
	rand.Read(id)
	m.ID = m.Channel[:1] + hex.EncodeToString(id)
	m.Links = Links(m.Text, m.HTML)

	b.mu.Lock()
	defer b.mu.Unlock()
	m.Time = b.now().UTC()
	m.Repeat = slices.ContainsFunc(b.list, m.repeats)
	b.list = append(b.list, m)
	b.bytes += m.size()
	for len(b.list) > maxMessages || b.bytes > maxBytes {
		b.bytes -= b.list[0].size()
		b.list = slices.Delete(b.list, 0, 1)
	}
	close(b.changed)
	b.changed = make(chan struct{})
	return m
}

// List returns the messages to an address, or all when it is empty; the newest
// is the last.
func (b *Inbox) List(to string) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.listLocked(to)
}

func (b *Inbox) listLocked(to string) []Message {
	out := []Message{}
	for _, m := range b.list {
		if to == "" || m.For(to) {
			out = append(out, m)
		}
	}
	return out
}

// Get finds one message.
func (b *Inbox) Get(id string) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.list, func(m Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, false
	}
	return b.list[i], true
}

// Wait returns the messages to an address as soon as there are n of them, or
// what there is with the context's error when it ends first.
func (b *Inbox) Wait(ctx context.Context, to string, n int) ([]Message, error) {
	for {
		b.mu.Lock()
		list, changed := b.listLocked(to), b.changed
		b.mu.Unlock()
		if len(list) >= n {
			return list, nil
		}
		select {
		case <-ctx.Done():
			return list, ctx.Err()
		case <-changed:
		}
	}
}

// Clear forgets everything, also what later messages could repeat.
func (b *Inbox) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list, b.bytes = nil, 0
}
