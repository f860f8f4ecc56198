// Package people is what the portal knows of a person besides their cases:
// whether they may be let in, what the register says of them, and how they want
// to be told.
//
// It owns admission (P-28 … P-30) and the profile (P-94). Names, addresses and
// children are asked of the register when they are needed, and not kept here.
package people

import (
	"errors"
	"log/slog"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/register"
)

// Config is what People needs.
type Config struct {
	DB       *sqldb.DB
	Vault    portal.Vault
	Register register.Register // nil: there is none; names are the e-ID's
	Tenant   func(portal.TenantID) (portal.Tenant, bool)
	Now      func() time.Time
	Log      *slog.Logger
}

// People answers about persons.
type People struct{ Config }

// New makes one.
func New(c Config) (*People, error) {
	if c.DB == nil || c.Tenant == nil || c.Now == nil {
		return nil, errors.New("people: the database, the tenants or the clock is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &People{c}, nil
}

// ErrUnanswered says that the register does not answer, and that it must before
// anything can be done. It may in a while.
var ErrUnanswered = errors.New("people: the register does not answer")
