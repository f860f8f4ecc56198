package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sigill/broker/kit/sqldb"
)

// State is how far the sequencer's work has come, for whoever watches it.
type State struct {
	Waiting int64         // rows without a place
	Oldest  time.Duration // how long the first of them has waited
	Leading bool          // this process holds the lease
}

// State reads it. A lease is taken when there is something to do and runs out
// when there is not, so that nobody leading is no fault; rows that wait are.
func (s *Sequencer) State(ctx context.Context) (State, error) {
	now := s.Now()
	var st State
	if err := s.DB.Row(ctx, `SELECT count(*) FROM audit_waiting`).Scan(&st.Waiting); err != nil {
		return State{}, fmt.Errorf("audit: %w", err)
	}
	var at, until time.Time
	err := s.DB.Row(ctx, `SELECT at FROM audit_waiting ORDER BY id LIMIT 1`).Scan(sqldb.IntoTime(&at))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return State{}, fmt.Errorf("audit: %w", err)
	}
	if err == nil {
		st.Oldest = max(0, now.Sub(at))
	}
	var holder string
	if err := s.DB.Row(ctx, `SELECT holder, until FROM audit_sequencer WHERE id = 1`).Scan(&holder, sqldb.IntoTime(&until)); err != nil {
		return State{}, fmt.Errorf("audit: %w", err)
	}
	st.Leading = holder == s.holder && now.Before(until)
	return st, nil
}
