package sqldb

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestRefusedInSwedish: what a server says of a commit counts, in whatever
// language it says it.
func TestRefusedInSwedish(t *testing.T) {
	for _, c := range []struct {
		severity, meaning, code string
		want                    bool
	}{
		{"FEL", "ERROR", serializationFailure, true},
		{"ERROR", "ERROR", "23505", true},
		{"FATALT", "FATAL", "57P01", false}, // it may have committed before
	} {
		err := fmt.Errorf("commit: %w", &pgconn.PgError{Severity: c.severity, SeverityUnlocalized: c.meaning, Code: c.code})
		if refused(err) != c.want {
			t.Errorf("%s is taken for %v", c.severity, refused(err))
		}
	}
}
