package flow

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// complaints keeps one trouble from filling the log: it is told of at once, and
// again while it lasts, with how often it was met meanwhile. With ten thousand
// orders an issuer that is down would else be five thousand lines a second.
type complaints struct {
	mu   sync.Mutex
	last map[string]*complaint
}

type complaint struct {
	told  time.Time
	since int
}

const complainEvery = 30 * time.Second

// complain tells of a trouble. There are few kinds.
func (e *Engine) complain(ctx context.Context, level slog.Level, kind, text string, args ...any) {
	now := e.Now()
	e.trouble.mu.Lock()
	c := e.trouble.last[kind]
	if c == nil {
		if e.trouble.last == nil {
			e.trouble.last = map[string]*complaint{}
		}
		c = &complaint{}
		e.trouble.last[kind] = c
	}
	c.since++
	times := c.since
	if now.Sub(c.told) < complainEvery {
		times = 0
	} else {
		c.told, c.since = now, 0
	}
	e.trouble.mu.Unlock()
	if times > 0 {
		e.Log.Log(ctx, level, text, append(args, "times", times)...)
	}
}
