package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/signing"
	"sigill/signing/letters"
)

// How long the outbox tries.
var (
	// What everybody has signed is never given up: only its client may, see Delete.
	sealSchedule    = outbox.Schedule{First: 2 * time.Second, Longest: 15 * time.Minute, Age: 100 * 365 * 24 * time.Hour}
	messageSchedule = outbox.Schedule{First: 5 * time.Second, Longest: 30 * time.Minute, Age: 72 * time.Hour}
	hookSchedule    = outbox.Schedule{First: 5 * time.Second, Longest: 4 * time.Hour, Age: 5 * 24 * time.Hour}
)

// Handlers do what orders put into the outbox, by kind.
func (s *Service) Handlers() map[string]outbox.Handler {
	h := map[string]outbox.Handler{
		KindSeal:    {Do: s.sealing, Retry: sealSchedule},
		KindWebhook: {Do: s.tell, Retry: hookSchedule},
	}
	for _, k := range []signing.EffectKind{signing.SendInvitation, signing.SendAgain, signing.SendReminder, signing.SendEnded, signing.SendReceipt} {
		h[string(k)] = outbox.Handler{Do: s.send, GaveUp: s.unsent, Retry: messageSchedule}
	}
	return h
}

// open reads an entry's envelope.
func open(e outbox.Entry) (envelope, error) {
	var env envelope
	if err := json.Unmarshal(e.Payload, &env); err != nil || env.Client == "" {
		return env, outbox.Permanent(fmt.Errorf("orders: entry %s is of another form", e.ID))
	}
	return env, nil
}

// unseal reads what an entry holds.
func (s *Service) unseal(e outbox.Entry, into any) (client string, err error) {
	env, err := open(e)
	if err != nil {
		return "", err
	}
	plain, err := s.openForClient(Row{ID: e.Ref, Client: env.Client}, "outbox "+e.ID, env.Sealed)
	if err == nil {
		err = json.Unmarshal(plain, into)
	}
	if err != nil {
		return "", fmt.Errorf("orders: entry %s: %w", e.ID, err)
	}
	return env.Client, nil
}

// send sends a message, unless it has lost its meaning since it was planned.
func (s *Service) send(ctx context.Context, e outbox.Entry) error {
	var m message
	client, err := s.unseal(e, &m)
	if err != nil {
		return err
	}
	a, err := s.load(ctx, client, e.Ref)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	sig, ok := a.Order.Signatory(m.N)
	if !ok || a.stale(sig, m) {
		s.Log.InfoContext(ctx, "a message is not sent any more", "order", e.Ref, "n", m.N, "kind", m.Kind, "channel", m.Channel)
		return nil
	}
	text, err := letters.Write(s.letter(a, sig, m))
	if err != nil {
		return fmt.Errorf("order %s: %w", e.Ref, err)
	}
	switch {
	case m.Channel == signing.Email && s.Mail != nil:
		err = s.Mail(ctx, Mail{ID: e.ID, From: a.Asker, To: m.To, Lang: sig.Language, Message: text})
	case m.Channel == signing.SMS && s.SMS != nil:
		err = s.SMS(ctx, SMS{ID: e.ID, To: m.To, Text: text.SMS})
	default:
		err = outbox.Permanent(errors.New("orders: this installation sends no such messages"))
	}
	if err != nil {
		return err
	}
	return s.delivered(ctx, client, e, m, signing.Sent)
}

// stale tells whether a message has lost its meaning.
func (a *act) stale(s *signing.Signatory, m message) bool {
	switch {
	case invites(m.Kind):
		return a.Order.State != signing.Open || !alive(&a.Order, s) || !a.Order.Turn(s.N) || a.Newest[newest(s.N, m.Channel)] != m.Counter
	case m.Kind == signing.SendReceipt:
		return a.Order.State != signing.Completed
	}
	return false
}

// letter is what a message says.
func (s *Service) letter(a *act, sig *signing.Signatory, m message) letters.Letter {
	l := letters.Letter{
		Kind: letters.Kind(m.Kind), Lang: sig.Language, Asker: a.Asker, Title: a.Order.Title,
		Deadline: a.Order.Deadline.In(s.Zone), Why: letters.Why(a.Order.State),
	}
	if sig.State == signing.Replaced {
		l.Why = letters.Replaced
	}
	if issuer, err := url.Parse(s.Issuer); err == nil {
		l.Host = issuer.Host
	}
	switch {
	case sig.Invite == signing.InviteCode:
		l.NoLink, l.Code, l.Path = true, m.Code, Room(a.Order.Client)
	case m.Token != "":
		l.Link = s.Issuer + InvitationPath(a.Order.Client, m.Token)
	default:
		l.Link = s.Issuer + SignPath(a.Order.Client, a.Order.ID, sig.N)
	}
	return l
}

// unsent takes in that a message will not arrive.
func (s *Service) unsent(ctx context.Context, e outbox.Entry, _ error) error {
	var m message
	client, err := s.unseal(e, &m)
	if err != nil {
		return err
	}
	return s.delivered(ctx, client, e, m, signing.Bounced)
}

// delivered notes what became of a message that somebody waits for.
func (s *Service) delivered(ctx context.Context, client string, e outbox.Entry, m message, state signing.DeliveryState) error {
	if !invites(m.Kind) {
		return nil
	}
	_, err := s.act(ctx, client, e.Ref, func(a *act) error {
		if a.Newest[newest(m.N, m.Channel)] != m.Counter {
			return errNothing // of an older message
		}
		before := a.deliveryState(m)
		effects := a.Order.Delivered(m.N, m.Channel, state, a.now)
		if a.deliveryState(m) == before {
			return errNothing
		}
		if state == signing.Bounced {
			a.note(audit.SigningDeliveryFailed, nobody, string(m.Channel))
		}
		return a.planned(effects, nil)
	})
	if isGone(err) {
		return nil
	}
	return err
}

func (a *act) deliveryState(m message) signing.DeliveryState {
	if sig, ok := a.Order.Signatory(m.N); ok {
		for _, d := range sig.Deliveries {
			if d.Channel == m.Channel {
				return d.State
			}
		}
	}
	return ""
}

// tell sends a webhook.
func (s *Service) tell(ctx context.Context, e outbox.Entry) error {
	var n news
	client, err := s.unseal(e, &n)
	if err != nil {
		return err
	}
	c, err := s.Clients.Client(ctx, client)
	if errors.Is(err, broker.ErrNotFound) {
		return outbox.Permanent(errors.New("orders: the client is gone"))
	}
	if err != nil {
		return err
	}
	// What may be called may have changed since the order was made.
	if s.Hook == nil || s.addressProblem(c, n.URL) != "" {
		return outbox.Permanent(errors.New("orders: the callback address may not be used"))
	}
	return s.Hook(ctx, c, Hook{ID: e.ID, URL: n.URL, At: n.At, Body: n.Body})
}
