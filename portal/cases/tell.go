package cases

import (
	"context"
	"fmt"
	"slices"

	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/letters"
	"sigill/portal/notices"
	"sigill/portal/store"
	"sigill/providers/personnummer"
)

// tell makes the notices of something that happened to a case, to everybody who
// sees it but those who did it. It is called before the transaction, since keys
// may have to be made.
func (c *Cases) tell(ctx context.Context, row store.Case, kind letters.Kind, event string, but []portal.PersonKey) ([]notices.Notice, error) {
	t, ok := c.Tenant(row.Tenant)
	if !ok {
		return nil, fmt.Errorf("cases: tenant %q is not there", row.Tenant)
	}
	s, err := OpenSubmission(c.Vault, row)
	if err != nil {
		return nil, err
	}
	notice := notices.Notice{
		Kind: kind, Tenant: row.Tenant, Ref: string(row.ID), Event: event, Lang: s.Lang, Title: s.Title, CaseNumber: row.Number,
		Path: "/arende/" + string(row.ID), Follow: !row.Anonymous,
	}
	if row.Anonymous {
		notice.Contact = s.Contact
		return []notices.Notice{notice}, nil
	}
	persons, err := store.PersonsOf(store.Last(ctx, c.DB), row.ID)
	if err != nil {
		return nil, fmt.Errorf("cases: %w", err)
	}
	var told []notices.Notice
	add := func(number string, contact form.Contact, applicant bool) error {
		n, err := personnummer.FromDigits(number)
		if err != nil {
			return fmt.Errorf("cases: case %s has a person without a number", row.ID)
		}
		key, err := c.Vault.Person(t.Group, n)
		if err != nil {
			return fmt.Errorf("cases: %w", err)
		}
		sees, did := false, slices.Contains(but, key)
		for _, p := range persons {
			// The applicant's case may lie under the number that the person had
			// when it was begun.
			if p.Person == key || applicant && p.Owner {
				sees, did = true, did || slices.Contains(but, p.Person)
			}
		}
		twice := slices.ContainsFunc(told, func(other notices.Notice) bool { return other.Person == key })
		if !sees || did || twice {
			return nil
		}
		notice := notice
		notice.Person, notice.Number, notice.Contact = key, n.Digits(), contact
		told = append(told, notice)
		return nil
	}
	if err := add(s.Applicant.Number, s.Contact, true); err != nil {
		return nil, err
	}
	for _, p := range s.Parties {
		if p.Applicant || !p.CoOwner {
			continue
		}
		if err := add(p.Number, form.Contact{Email: p.Email, Phone: p.Phone}, false); err != nil {
			return nil, err
		}
	}
	return told, nil
}
