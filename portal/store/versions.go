package store

import (
	"context"
	"errors"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
)

// Versions keeps definitions by their hash, for ever: drafts and cases stay on
// theirs.
type Versions struct {
	DB  *sqldb.DB
	Now func() time.Time
}

// Keep keeps one. Keeping it again changes nothing; another text of the same
// version is portal.ErrPublished.
func (v Versions) Keep(ctx context.Context, s *form.Service) error {
	if s.Hash == "" || len(s.Source) == 0 {
		return errors.New("keep version: without hash or source")
	}
	// It is there as a rule, and needs no write.
	if _, err := v.Version(ctx, s.Hash); !errors.Is(err, ErrNone) {
		return err
	}
	return v.DB.Write(ctx, func(tx *sqldb.Tx) error {
		var others int
		if err := one(tx, "keep version", `SELECT count(*) FROM versions WHERE service = $1 AND version = $2 AND hash <> $3`,
			[]any{s.ID, s.Version, s.Hash}, &others); err != nil {
			return err
		}
		if others > 0 {
			return portal.ErrPublished
		}
		return exec(tx, "keep version", nil, `INSERT INTO versions (hash, service, version, source, kept) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			s.Hash, s.ID, s.Version, s.Source, v.Now().UnixMilli())
	})
}

// Version gives the source of one; ErrNone when it was never kept.
func (v Versions) Version(ctx context.Context, hash string) ([]byte, error) {
	var source []byte
	err := one(Last(ctx, v.DB), "read version", `SELECT source FROM versions WHERE hash = $1`, []any{hash}, &source)
	return source, err
}
