package sending

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/signclient"
	"sigill/portal/store"
)

// forgetKind is the outbox's name for erasing an order that came to nothing.
const forgetKind = "forget"

// courtesy is how long such an order stays: the signing service tells those who
// were asked that nothing is asked of them any more.
const courtesy = time.Hour

// forget has an order erased at the signing service when its draft has come
// back: the draft is the owner's alone again. What was not as locked stays there
// for as long as the signing service keeps it, to be looked into.
func (d *Desk) forget(tx *sqldb.Tx, now time.Time, row store.Draft, why portal.Returned) error {
	if row.Order == "" || why == portal.ReturnedFailed {
		return nil
	}
	return outbox.Insert(tx, outbox.Entry{
		ID: forgetKind + "-" + row.Order, Kind: forgetKind, Ref: row.Order, Payload: []byte(row.Tenant), Created: now, Due: now.Add(courtesy),
	})
}

// forgotten erases one.
func (d *Desk) forgotten(ctx context.Context, e outbox.Entry) error {
	err := d.Editor.Delete(ctx, portal.TenantID(e.Payload), e.Ref)
	var refused *signclient.Problem
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil
	}
	return err
}
