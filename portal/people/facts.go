package people

import (
	"context"
	"errors"
	"fmt"

	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/providers/personnummer"
)

// Facts are what is known for filling in. The error is register.ErrProtected
// when the person has become protected. Whether a child is of the right age is
// for the form to say.
func (p *People) Facts(ctx context.Context, v portal.Visitor, s *form.Service) (form.Facts, error) {
	f := form.Facts{Now: p.Now()}
	t, ok := p.Tenant(v.Tenant)
	if !ok {
		return form.Facts{}, fmt.Errorf("people: facts for tenant %q, which there is not", v.Tenant)
	}
	f.Lists = t.Lists
	if !v.LoggedIn() {
		return f, nil
	}
	if v.Number.IsZero() {
		return form.Facts{}, errors.New("people: a visitor without a number")
	}
	f.Applicant = form.Applicant{Number: v.Number, Name: v.Name}
	entry, err := p.ask(ctx, v.Number)
	switch {
	case err == nil:
		f.Applicant.Name, f.Applicant.Address, f.Applicant.FromRegister = entry.Name, entry.Address, true
		f.HiddenChildren = entry.Hidden
		if f.Children, err = p.children(v, entry.Children); err != nil {
			return form.Facts{}, err
		}
	case errors.Is(err, register.ErrProtected):
		return form.Facts{}, err
	case ctx.Err() != nil:
		return form.Facts{}, fmt.Errorf("people: facts: %w", ctx.Err())
	default:
		// Nobody that the register does not have is let in; who vanished from it
		// since then can answer nothing that needs it either.
		f.NoRegister = true
		if p.Register != nil {
			p.Log.WarnContext(ctx, "the register does not answer", "tenant", v.Tenant, "error", err)
		}
	}
	if f.Profile, err = p.Profile(ctx, v); err != nil {
		return form.Facts{}, err
	}
	return f, nil
}

// errNoRegister says that this installation has none.
var errNoRegister = errors.New("people: there is no register")

func (p *People) ask(ctx context.Context, n personnummer.Number) (register.Entry, error) {
	if p.Register == nil {
		return register.Entry{}, errNoRegister
	}
	return p.Register.Person(ctx, n)
}

// children gives each child the name that a form chooses it by.
func (p *People) children(v portal.Visitor, all []form.Child) ([]form.Child, error) {
	var list []form.Child
	for _, c := range all {
		n, err := personnummer.FromDigits(c.Number)
		if err != nil {
			return nil, errors.New("people: the register has a child without a number")
		}
		if c.Key, err = p.Vault.Child(v.Key, n); err != nil {
			return nil, fmt.Errorf("people: %w", err)
		}
		list = append(list, c)
	}
	return list, nil
}
