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

// Facts are what is known for filling in: of the register, where there is one, and
// else of the e-ID, which knows no address and no children. NoRegister says that
// there is one which does not answer. The error is register.ErrProtected when the
// person has become protected. Whether a child is of the right age is for the form
// to say.
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
	if p.Register != nil {
		if err := p.registered(ctx, v, &f); err != nil {
			return form.Facts{}, err
		}
	}
	var err error
	if f.Profile, err = p.Profile(ctx, v); err != nil {
		return form.Facts{}, err
	}
	return f, nil
}

// registered adds what the register says, or that it says nothing.
func (p *People) registered(ctx context.Context, v portal.Visitor, f *form.Facts) error {
	entry, err := p.Register.Person(ctx, v.Number)
	switch {
	case err == nil:
		f.Applicant.Name, f.Applicant.Address, f.Applicant.FromRegister = entry.Name, entry.Address, true
		f.HiddenChildren = entry.Hidden
		f.Children, err = p.children(v, entry.Children)
		return err
	case errors.Is(err, register.ErrProtected):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("people: facts: %w", ctx.Err())
	}
	// Nobody that the register does not have is let in; who vanished from it since
	// then can answer nothing that needs it either.
	f.NoRegister = true
	p.Log.WarnContext(ctx, "the register does not answer", "tenant", v.Tenant, "error", err)
	return nil
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
