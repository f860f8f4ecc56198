package oidc_test

import (
	"context"
	"sync"
	"time"
)

// memory is a providers.Replay.
type memory struct {
	mu   sync.Mutex
	seen map[string]string
}

func (m *memory) Seen(_ context.Context, key, owner string, _ time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[string]string{}
	}
	if had, ok := m.seen[key]; ok {
		return had != owner, nil
	}
	m.seen[key] = owner
	return false, nil
}
