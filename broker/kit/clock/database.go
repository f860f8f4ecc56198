package clock

import (
	"context"
	"time"

	"sigill/broker/kit/sqldb"
)

// Of gives the clock of a database's server, as a Source. A SQLite file has none:
// all its processes are on one machine.
func Of(db *sqldb.DB) func(context.Context) (time.Time, error) {
	if db.Engine() != sqldb.PostgreSQL {
		return nil
	}
	return func(ctx context.Context) (time.Time, error) {
		var micros int64
		err := db.Row(ctx, `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&micros)
		return time.UnixMicro(micros).UTC(), err
	}
}
