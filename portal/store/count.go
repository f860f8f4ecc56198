package store

import (
	"fmt"

	"sigill/portal"
)

// Counts is how much there is, of all tenants together, that somebody waits for.
type Counts struct {
	Waiting int   // drafts that wait for signatures
	Sending int   // drafts on their way to the signing service
	Arrived int64 // cases, ever: erased ones too
}

// Count counts. The partial indexes over drafts are found by the state's word
// in the statement itself.
func Count(r Reader) (c Counts, err error) {
	for _, q := range []struct {
		query string
		into  any
	}{
		{`SELECT count(*) FROM drafts WHERE state = '` + string(portal.Waiting) + `'`, &c.Waiting},
		{`SELECT count(*) FROM drafts WHERE state = '` + string(portal.Sending) + `'`, &c.Sending},
		{`SELECT CAST(COALESCE(sum(last), 0) AS BIGINT) FROM case_numbers`, &c.Arrived},
	} {
		if err := r.Row(q.query).Scan(q.into); err != nil {
			return Counts{}, fmt.Errorf("count: %w", err)
		}
	}
	return c, nil
}
