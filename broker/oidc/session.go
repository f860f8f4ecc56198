package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

// SessionCookie holds the secret of a session.
const SessionCookie = "sigill_session"

// session finds the browser's session and the login that made it;
// broker.ErrNotFound when there is none that still lives.
func (p *Provider) session(r *http.Request) (s broker.Session, id string, err error) {
	return p.sessionOf(r.Context(), p.Cookies.Get(r, SessionCookie))
}

// Session is the living session of the browser that asks, whatever its group;
// broker.ErrNotFound when there is none. It comes without evidence.
func (p *Provider) Session(r *http.Request) (broker.Session, error) {
	s, _, err := p.session(r)
	return s, err
}

// EndSession ends the session of the browser that asks, with what else the login
// that made it still had, and clears its cookie: somebody else sits there now.
// Without a session it only clears the cookie. The browser keeps its secret, so
// that whoever has it log in at once can.
func (p *Provider) EndSession(w http.ResponseWriter, r *http.Request) error {
	s, id, err := p.session(r)
	ctx, cancel := settled(r.Context())
	defer cancel()
	switch {
	case err == nil:
		err = p.end(ctx, s, id, "")
	case errors.Is(err, errForgotten):
		err = p.endForgotten(ctx, id)
	}
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return err
	}
	p.Cookies.Clear(w, SessionCookie)
	return nil
}

func (p *Provider) sessionOf(ctx context.Context, cookie string) (broker.Session, string, error) {
	rec, id, _, err := p.sessionRecord(ctx, cookie)
	if err == nil {
		err = p.lives(ctx, endedSession, id)
	}
	if err != nil {
		return broker.Session{}, id, err
	}
	return rec.Session.Session, id, nil
}

// errForgotten is the broker.ErrNotFound of what the short-lived store holds
// nothing about: it may have lost it, and have it again later.
var errForgotten = fmt.Errorf("oidc: no record: %w", broker.ErrNotFound)

// sessionRecord finds the record that holds a cookie's session, which may have
// ended all the same. With errForgotten the id is whose record is not there.
func (p *Provider) sessionRecord(ctx context.Context, cookie string) (rec record, id string, version int64, err error) {
	id, secret, ok := split(cookie)
	if !ok {
		return record{}, "", 0, broker.ErrNotFound
	}
	version, err = p.get(ctx, kindLogin, id, &rec)
	if errors.Is(err, broker.ErrNotFound) {
		return record{}, id, 0, errForgotten
	} else if err != nil {
		return record{}, "", 0, err
	}
	if s := rec.Session; s == nil || !secretIs(s.Secret, secret) || !p.Now().Before(s.Expires) {
		return record{}, "", 0, broker.ErrNotFound
	}
	return rec, id, version, nil
}

// GroupOf says among which clients a client's sessions count: see
// broker.Session. The prefix keeps a client's id from being another's group.
func GroupOf(c broker.Client) string {
	if c.SSOGroup != "" {
		return "group:" + c.SSOGroup
	}
	return "client:" + c.ID
}

// reusable reports whether a session may answer a request instead of an e-ID.
// Who the person is, is judged apart.
func reusable(s broker.Session, c broker.Client, wish broker.AuthorizationWish, offered []providers.ID, now time.Time) bool {
	if s.Group != GroupOf(c) || !slices.Contains(offered, s.Identity.Provider) {
		return false
	}
	for _, prompt := range wish.Prompt {
		if prompt != promptNone {
			return false
		}
	}
	if wish.MaxAge != nil && (*wish.MaxAge == 0 || now.Sub(s.AuthTime) > time.Duration(*wish.MaxAge)*time.Second) {
		return false
	}
	return preferred(s.Identity.Level, wish)
}

// preferred reports whether a level is what a request wants: a session that
// reaches none of acr_values, where an e-ID on offer might, is not used again.
func preferred(l providers.Level, wish broker.AuthorizationWish) bool {
	if _, ok := stated(l, wish); !ok {
		return false
	}
	knownWish := slices.ContainsFunc(wish.ACRValues, func(acr string) bool { return levelOf(acr) != providers.LevelNone })
	return len(wish.EssentialACR) > 0 || !knownWish ||
		slices.ContainsFunc(wish.ACRValues, func(acr string) bool { return reaches(l, acr) })
}

// addEvidence finds what the login proved that made a session, for a client that
// may ask for it again.
func (p *Provider) addEvidence(ctx context.Context, c broker.Client, made string, s *broker.Session) error {
	if !slices.Contains(c.Scopes, ScopeAuthnInfo) {
		return nil
	}
	r, err := p.Records.LoginRecord(ctx, loginName(made))
	if errors.Is(err, broker.ErrNotFound) {
		return nil // claims are given as far as they are there
	} else if err != nil {
		return err
	}
	_, s.Evidence, err = p.OpenRecord(r)
	return err
}

// end ends a session, with the access token of the login that made it, and says
// so in the audit. Ending twice is not an error.
func (p *Provider) end(ctx context.Context, s broker.Session, id, client string) error {
	if err := p.Records.Spend(ctx, p.loginOver(id), p.ended(s, client)); err != nil {
		return err
	}
	_, err := p.Short.Take(ctx, kindLogin, id)
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	return err
}

// endForgotten ends what the short-lived store holds nothing about, in case it is
// set back to when it did. Whether the sender had the secret cannot be told any
// more: who only had the id makes somebody log in again, after such a loss alone.
// It writes a few small marks that end by themselves, and at every endpoint that
// leads here the limits by address come first.
func (p *Provider) endForgotten(ctx context.Context, id string) error {
	return p.Records.Spend(ctx, p.loginOver(id))
}

func (p *Provider) ended(s broker.Session, client string) audit.Event {
	e := p.event(audit.SessionEnded, client)
	e.Provider, e.Instance, e.Person = string(s.Identity.Provider), s.Instance, p.person(s.Identity)
	return e
}

// forget ends a session that another has replaced in its browser, and nothing
// else: the application that it was made for keeps its token, or is about to
// exchange its code.
func (p *Provider) forget(ctx context.Context, cookie string) {
	ctx, cancel := settled(ctx)
	defer cancel()
	err := broker.ErrConflict // with that exchange, for one
	for try := 0; errors.Is(err, broker.ErrConflict) && try < maxTries; try++ {
		var rec record
		var id string
		var version int64
		rec, id, version, err = p.sessionRecord(ctx, cookie)
		if errors.Is(err, errForgotten) && try == 0 {
			err = p.Records.Spend(ctx, []broker.Mark{p.sessionEnded(id)})
			break
		}
		if err != nil {
			break
		}
		if try == 0 {
			if err = p.Records.Spend(ctx, []broker.Mark{p.sessionEnded(id)}, p.ended(rec.Session.Session, "")); err != nil {
				break
			}
		}
		rec.Session = nil
		if rec.Grant == nil {
			_, err = p.Short.Take(ctx, kindLogin, id)
			break
		}
		err = p.swap(ctx, kindLogin, id, version, rec, rec.expires())
	}
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		p.Log.ErrorContext(ctx, "a replaced session was not ended", "error", err)
	}
}
