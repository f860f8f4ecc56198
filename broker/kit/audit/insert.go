package audit

import (
	"embed"
	"fmt"

	"sigill/broker/kit/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Tables is what a room's database needs to hold an audit.
func Tables() sqldb.Set { return sqldb.SetIn("audit", migrations, "migrations") }

// Insert writes events within the transaction of the act that they tell of.
// They get their place in the chain later.
func Insert(tx *sqldb.Tx, events ...Event) error {
	for _, e := range events {
		if e.Type == "" || e.At.IsZero() {
			return fmt.Errorf("audit: an event without type or time")
		}
		if err := tx.Later(`INSERT INTO audit_waiting
			(type, at, client, provider, instance, order_id, login, person, reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			string(e.Type), e.At.UnixMilli(), e.Client, e.Provider, e.Instance, e.Order, e.Login, e.Person, e.Reason); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	return nil
}
