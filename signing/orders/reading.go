package orders

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers/personnummer"
)

// Fetching what is there changes nothing, so it is no act: it neither waits for
// those that change the order nor makes them wait. It is in the audit
// nevertheless; the same again within a moment is not, or a browser that asks in
// a loop would fill it.
const (
	kindFetched  = "signing fetched"
	fetchedAgain = 10 * time.Minute
)

// fetched notes in the audit that somebody gets something of the order. What
// cannot be noted is not given.
func (a *act) fetched(ctx context.Context, person personnummer.Number, what string) error {
	s := a.s
	who := ""
	if !person.IsZero() {
		who = hex.EncodeToString(s.person(a.Order.Client, person))
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%s", a.Order.ID, a.Order.Revision, who, what))
	key := hex.EncodeToString(sum[:])
	_, _, err := s.Short.Get(ctx, kindFetched, key)
	if err == nil {
		return nil
	}
	if errors.Is(err, broker.ErrNotFound) {
		err = s.Short.Swap(ctx, kindFetched, key, 0, []byte{1}, s.Now().Add(fetchedAgain))
	}
	if errors.Is(err, broker.ErrConflict) {
		return nil // another one at this moment
	}
	if err != nil {
		return err
	}
	err = s.Audit.Record(ctx, s.event(audit.SigningRead, a.now, a.Order.Client, a.Order.ID, person, what))
	if err != nil {
		if _, back := s.Short.Take(context.WithoutCancel(ctx), kindFetched, key); back != nil {
			s.Log.WarnContext(ctx, "orders: what was not noted counts as noted", "order", a.Order.ID, "error", back)
		}
	}
	return err
}
