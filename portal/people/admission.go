package people

import (
	"context"
	"errors"
	"fmt"

	"sigill/portal"
	"sigill/portal/register"
	"sigill/providers/personnummer"
)

// Admission says whether somebody may use the portal.
type Admission string

const (
	Admitted     Admission = "admitted"
	Protected    Admission = "protected"    // P-29, P-30: shown the telephone route
	Coordination Admission = "coordination" // P-28: the tenant denies samordningsnummer
	Unknown      Admission = "unknown"      // the register says that it does not have the person
)

// Admit decides at login. When the register is down, people are let in with the
// name that the e-ID gives, and Facts says NoRegister: until it answers, nothing
// that needs it can be answered, no profile is stored (SetProfile), and nothing is
// sent (portal/sending).
func (p *People) Admit(ctx context.Context, t portal.Tenant, n personnummer.Number) (Admission, error) {
	switch {
	case n.IsZero():
		return "", errors.New("people: admission of nobody")
	case n.Coordination() && !t.Coordination:
		return Coordination, nil
	case p.Register == nil:
		return Admitted, nil
	}
	_, err := p.Register.Person(ctx, n)
	switch {
	case err == nil:
		return Admitted, nil
	case errors.Is(err, register.ErrProtected):
		return Protected, nil
	case errors.Is(err, register.ErrUnknown):
		return Unknown, nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("people: admission: %w", ctx.Err())
	}
	p.Log.WarnContext(ctx, "the register does not answer; somebody is let in without it", "tenant", t.ID, "error", err)
	return Admitted, nil
}

// MayTell says whether a message may be sent to a person now: false for the
// protected. An error means that it is not known, and it must wait (P-30).
func (p *People) MayTell(ctx context.Context, n personnummer.Number) (bool, error) {
	switch {
	case n.IsZero():
		return false, errors.New("people: may nobody be told?")
	case p.Register == nil:
		return true, nil
	}
	_, err := p.Register.Person(ctx, n)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, register.ErrProtected):
		return false, nil
	}
	return false, fmt.Errorf("people: whether somebody may be told: %w", err)
}
