package orders

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"sigill/broker"
	"sigill/providers"
	"sigill/signing"
)

// newDecoy makes the head of an order as there are many, of nobody's.
func newDecoy() ([]byte, error) {
	now := time.Unix(0, 0).UTC()
	o := signing.Order{
		Title: strings.Repeat("x", 60), Message: strings.Repeat("x", 200), Reference: strings.Repeat("x", 20),
		Providers: []providers.ID{providers.BankID}, State: signing.Open, Created: now, Deadline: now,
		Callback: strings.Repeat("x", 60), ReturnURL: strings.Repeat("x", 60),
	}
	for n := range 2 {
		o.Signatories = append(o.Signatories, signing.Signatory{
			N: n + 1, Name: strings.Repeat("x", 20), Email: strings.Repeat("x", 20), Phone: strings.Repeat("x", 12),
			Invite: signing.InviteBoth, Language: "sv", Group: 1, State: signing.Invited, InvitedAt: now,
		})
	}
	return json.Marshal(head{Order: o, Asker: strings.Repeat("x", 20), Newest: map[string]int{"1/email": 1, "2/sms": 2}})
}

// decoy does what it takes to open an order of a client's, so that the time does
// not tell who asks for one that is not there.
func (s *Service) decoy(ctx context.Context, client string) {
	if _, err := s.Clients.Client(ctx, client); err != nil {
		return // it may be anything, and has no key
	}
	if box, err := s.boxOf(client); err == nil {
		where := place(client, broker.NewID(), partHead, 0)
		if plain, err := box.Open(box.Seal(s.decoyHead, where), where); err == nil {
			var h head
			_ = json.Unmarshal(plain, &h) // for the time that it takes, and nothing else
		}
	}
}
