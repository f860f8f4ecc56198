package sqldb

import (
	"database/sql"
	"fmt"
	"time"
)

// Millis is how a time stands in a column: milliseconds since 1970, NULL for
// the zero time.
func Millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// IntoTime scans a column written by Millis.
func IntoTime(t *time.Time) sql.Scanner { return (*scanTime)(t) }

type scanTime time.Time

func (s *scanTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s = scanTime{}
	case int64:
		*s = scanTime(time.UnixMilli(v).UTC())
	default:
		return fmt.Errorf("sqldb: a time column holds %T", v)
	}
	return nil
}
