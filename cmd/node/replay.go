package node

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"sigill/broker"
)

// replay remembers what issuers may say once. It is short-lived state, which Redis
// may lose: what is said a second time is bound to one order all the same, and
// that has ended by then, durably.
type replay struct{ short broker.Short }

// unused stands where nothing may be used: e-IDs that are only looked at.
type unused struct{}

// Seen is of providers.Replay.
func (unused) Seen(context.Context, string, string, time.Time) (bool, error) {
	return false, errors.New("nothing is remembered here")
}

const replayed = "eid-once"

// Seen is of providers.Replay.
func (r *replay) Seen(ctx context.Context, key, owner string, until time.Time) (bool, error) {
	sum, mine := sha256.Sum256([]byte(key)), sha256.Sum256([]byte(owner))
	name := hex.EncodeToString(sum[:])
	err := r.short.Swap(ctx, replayed, name, 0, mine[:], until)
	if err == nil {
		return false, nil
	}
	if !errors.Is(err, broker.ErrConflict) {
		return false, fmt.Errorf("note what may be used once: %w", err)
	}
	theirs, _, err := r.short.Get(ctx, replayed, name)
	if err != nil {
		return false, fmt.Errorf("look up what may be used once: %w", err)
	}
	return subtle.ConstantTimeCompare(theirs, mine[:]) != 1, nil
}
