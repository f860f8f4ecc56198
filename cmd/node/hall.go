package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	portalstore "sigill/portal/store"
)

// hall is what the portal keeps, opened: its own database, with its own keys and
// its own chain of audit.
type hall struct {
	db        *sqldb.DB
	ring      *keys.Ring
	sequencer *audit.Sequencer
}

// hallName is the hall's database.
const hallName = "portal"

func openHall(ctx context.Context, at sqldb.Place, masters []keys.Master, now func() time.Time, log *slog.Logger) (h *hall, err error) {
	h = &hall{}
	if h.db, err = at.Open(ctx, hallName, sqldb.Durable); err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()
	if err := h.db.Migrate(ctx, now(), portalstore.Tables()...); err != nil {
		return h, fmt.Errorf("portal: %w", err)
	}
	if h.ring, err = keys.Open(ctx, h.db, masters, now); err != nil {
		return h, err
	}
	h.ring.Log = log
	h.sequencer, err = audit.NewSequencer(audit.Sequencer{DB: h.db, Signer: h.ring.AuditSigner, Now: now, Log: log})
	return h, err
}

func (h *hall) close() error { return h.db.Close() }
