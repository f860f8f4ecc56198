// Package people is what the portal knows of a person besides their cases:
// whether they may be let in, what the register says of them, and how they want
// to be told.
//
// It owns admission (P-28 … P-30) and the profile (P-94). Names, addresses and
// children are asked of the register when they are needed, and not kept here.
package people

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/providers/personnummer"
)

var errNotBuilt = errors.New("people: not built yet")

// Config is what People needs.
type Config struct {
	DB       *sqldb.DB
	Vault    portal.Vault
	Register register.Register // nil: there is none; names are the e-ID's
	// Group gives the tenants of a group.
	Tenant func(portal.TenantID) (portal.Tenant, bool)
	Now    func() time.Time
	Log    *slog.Logger
}

// People answers about persons.
type People struct{ Config }

// New makes one.
func New(c Config) (*People, error) { return nil, errNotBuilt }

// Admission says whether somebody may use the portal.
type Admission string

const (
	Admitted     Admission = "admitted"
	Protected    Admission = "protected"    // P-29, P-30: shown the telephone route
	Coordination Admission = "coordination" // P-28: the tenant denies samordningsnummer
	Unknown      Admission = "unknown"      // the register does not have the person, or did not answer
)

// Admit decides at login. When the register is down, people are let in with the
// name that the e-ID gives, and Facts says NoRegister: nothing that needs it can
// be answered, and nothing is sent, until it answers.
func (p *People) Admit(ctx context.Context, t portal.Tenant, n personnummer.Number) (Admission, error) {
	return "", errNotBuilt
}

// Facts are what is known for filling in. The error is register.ErrProtected
// when the person has become protected.
func (p *People) Facts(ctx context.Context, v portal.Visitor, s *form.Service) (form.Facts, error) {
	return form.Facts{}, errNotBuilt
}

// MayTell says whether a message may be sent to a person now: false for the
// protected. An error means that it is not known, and it must wait (P-30).
func (p *People) MayTell(ctx context.Context, n personnummer.Number) (bool, error) {
	return false, errNotBuilt
}

// Profile gives what the person chose; the zero value when nothing.
func (p *People) Profile(ctx context.Context, v portal.Visitor) (form.Contact, error) {
	return form.Contact{}, errNotBuilt
}

// ProfileOf is Profile by the key alone, for notices.
func (p *People) ProfileOf(ctx context.Context, g portal.GroupID, k portal.PersonKey) (form.Contact, error) {
	return form.Contact{}, errNotBuilt
}

// SetProfile stores it. The faults are those of a contact field.
func (p *People) SetProfile(ctx context.Context, v portal.Visitor, c form.Contact) ([]form.Fault, error) {
	return nil, errNotBuilt
}
