package sending

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/signclient"
	"sigill/providers/personnummer"
)

// Limits of the signing API.
const (
	maxTitle = 200
	maxName  = 120
)

// attached is a file as it is handed over.
type attached struct {
	form.File
	content []byte
}

// wish makes the order of a draft, and the digests of what it has signed.
func (d *Desk) wish(t portal.Tenant, id portal.DraftID, attempt string, s *form.Service, out *drafts.Outgoing, files []attached) error {
	w := signclient.Wish{
		Title: clip(line(out.Title), maxTitle), Reference: attempt, Language: out.Lang, Sequence: "parallel",
		AllowedProviders: t.Providers, ReturnURL: t.BaseURL + "/utkast/" + string(id) + "/signerat", CallbackURL: d.Callback(t.ID),
		Reminders: s.Signing.Remind,
	}
	if s.Signing.Deadline > 0 {
		until := d.Now().Add(s.Signing.Deadline).UTC().Truncate(time.Second)
		w.Deadline = &until
	}
	if len(out.Parties) > 1 {
		w.Sequence, w.Message = "groups", wordsIn(out.Lang).together
	}
	for i, p := range out.Parties {
		one := signclient.Signatory{Pnr: p.Number, Name: clip(line(p.Name), maxName), Invite: "none", Language: out.Lang}
		if w.Sequence == "groups" {
			one.Group = min(i+1, 2)
		}
		if i > 0 {
			one.Email, one.Phone, one.Invite = p.Email, p.Phone, invitation(t.Invite, p.Email, p.Phone)
			if one.Invite == "" {
				return &Refused{Faults: []form.Fault{{Field: p.Contact, Code: form.FaultReach}}}
			}
		}
		w.Signatories = append(w.Signatories, one)
	}
	sum, err := ContentDigest(out.Blocks)
	if err != nil {
		return err
	}
	if len(out.Blocks) == 0 {
		return errors.New("sending: there is nothing to sign")
	}
	names := map[string]bool{}
	w.Documents = append(w.Documents, signclient.Document{Name: unlike(names, clip(line(out.Title), maxName)), Content: out.Blocks})
	out.Names = []string{w.Documents[0].Name}
	out.Digests = append(out.Digests, sum)
	for _, f := range files {
		if digest(f.content) != f.SHA256 {
			return fmt.Errorf("sending: file %s of the draft is not what was attached", f.ID)
		}
		name := unlike(names, f.Name)
		w.Documents = append(w.Documents, signclient.Document{Name: name, File: f.content, Type: f.Type})
		out.Names = append(out.Names, name)
		out.Digests = append(out.Digests, f.SHA256)
		out.Files = append(out.Files, f.File)
	}
	out.Body, err = json.Marshal(w)
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

// invitation is how a party is asked: as the tenant has it, by the ways that
// there are; empty: there is none.
func invitation(rule, email, phone string) string {
	switch {
	case email == "" && phone == "":
		return ""
	case rule == "code":
		return "code"
	case email == "":
		return "sms"
	case phone == "":
		return "email"
	case rule == "sms", rule == "both":
		return rule
	}
	return "email"
}

// unlike gives a document a name that no other has.
func unlike(taken map[string]bool, name string) string {
	name = line(name)
	end := path.Ext(name)
	if len(end) > 8 {
		end = ""
	}
	stem := strings.TrimSuffix(name, end)
	name = clip(stem, maxName-len(end)) + end
	for n := 2; taken[name] || name == ""; n++ {
		number := " (" + strconv.Itoa(n) + ")"
		name = clip(stem, maxName-len(end)-len(number)) + number + end
	}
	taken[name] = true
	return name
}

// parties are those of an order, with how far each has come. How they are
// reached is what was last corrected.
func (d *Desk) parties(t portal.Tenant, out drafts.Outgoing, o signclient.Order) ([]portal.Party, error) {
	if o.ID != "" && len(o.Signatories) != len(out.Parties) {
		return nil, fmt.Errorf("sending: order %s has other signatories than it was made with", o.ID)
	}
	list := make([]portal.Party, len(out.Parties))
	for i, p := range out.Parties {
		key, err := d.person(t, p.Number)
		if err != nil {
			return nil, err
		}
		one := portal.Party{Party: p, N: i + 1, Key: key, State: portal.PartyWaiting}
		if i < len(out.Known) {
			one.Email, one.Phone = out.Known[i].Email, out.Known[i].Phone
		}
		if o.ID != "" {
			s := o.Signatories[i]
			if s.N != one.N {
				return nil, fmt.Errorf("sending: order %s numbers its signatories otherwise", o.ID)
			}
			one.State = s.State
			if p.Applicant {
				one.SignURL = s.SignURL
			}
			if s.Signature != nil {
				one.Signed = s.Signature.At
			}
			for _, m := range s.Delivered {
				state := m.State
				if state == "queued" {
					state = "waiting"
				}
				one.Delivery = append(one.Delivery, portal.Delivery{Channel: m.Channel, State: state, At: m.At})
			}
		}
		list[i] = one
	}
	return list, nil
}

// person gives the key of a party within the tenant's group.
func (d *Desk) person(t portal.Tenant, digits string) (portal.PersonKey, error) {
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		return "", errors.New("sending: a party without a personal number")
	}
	return d.Vault.Person(t.Group, n)
}
