package oidc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// revocation ends an access token at its client's wish (RFC 7009). A token that
// is unknown, or somebody else's, is gone as far as the client may know.
func (p *Provider) revocation(w http.ResponseWriter, r *http.Request) {
	q, c, marks, err := p.clientRequest(w, r)
	if err == nil && q.get("token") == "" {
		err = refuse(errInvalidRequest, "token is missing")
	}
	if err == nil {
		err = p.revoke(r.Context(), c, q.get("token"), marks)
	}
	if err != nil {
		p.jsonError(w, r, "revocation", err)
		return
	}
	p.Count("revocation", "ok")
	private(w)
	w.WriteHeader(http.StatusOK)
}

// revoke ends a token, whichever kind it is: the hint about that is not needed.
// A request that ends nothing has no consequence, so its assertion is not marked.
// What the short-lived store holds nothing about is ended all the same; see
// endForgotten.
func (p *Provider) revoke(ctx context.Context, c broker.Client, token string, marks []broker.Mark) error {
	id, secret, ok := split(token)
	if !ok {
		return nil
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	err := p.revokeLogin(ctx, c, id, secret, marks)
	if errors.Is(err, errForgotten) {
		err = p.revokeOwn(ctx, c, id, secret, marks)
	}
	if errors.Is(err, errForgotten) {
		err = p.revokeForgotten(ctx, c, id, marks)
	}
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	return err
}

// revokeForgotten ends a token of which there is no record, of whichever kind. An
// embedded client's takes the session along, as long as that is known by the same
// login.
func (p *Provider) revokeForgotten(ctx context.Context, c broker.Client, id string, marks []broker.Mark) error {
	over := []broker.Mark{p.tokenEnded(id, max(p.TokenLife, clientTokenLife))}
	if c.Embedded {
		over = p.loginOver(id)
	}
	return p.revoked(ctx, c, append(marks, over...))
}

// revokeLogin ends a token that a login gave; broker.ErrNotFound when it is none,
// and errForgotten when there is no such login. An embedded client's counts as long as its session lives, though nothing
// else can be done with it any more.
func (p *Provider) revokeLogin(ctx context.Context, c broker.Client, id, secret string, marks []broker.Mark) error {
	err := broker.ErrConflict // with an exchange or a logout at the same moment
	for try := 0; errors.Is(err, broker.ErrConflict) && try < maxTries; try++ {
		var rec record
		var version int64
		version, err = p.get(ctx, kindLogin, id, &rec)
		switch {
		case errors.Is(err, broker.ErrNotFound) && try == 0:
			return errForgotten
		case errors.Is(err, broker.ErrNotFound): // ended by somebody else meanwhile
			return nil
		case err != nil:
			return err
		}
		g := rec.Grant
		if g == nil || !secretIs(g.Token, secret) || g.Client != c.ID || !c.Embedded && !p.Now().Before(g.Expires) {
			return broker.ErrNotFound
		}
		if try == 0 {
			e := p.event(audit.TokenRevoked, c.ID)
			e.Provider, e.Person = g.Provider, g.Person
			if err := p.revoked(ctx, c, append(marks, p.tokenEnded(id, p.TokenLife)), e); err != nil {
				return err
			}
		}
		if c.Embedded {
			made := id
			if g.Reused != "" {
				made = g.Reused
			}
			var ended bool
			ended, err = p.endMade(ctx, made, c.ID)
			if errors.Is(err, broker.ErrConflict) {
				continue
			}
			if err != nil || ended && made == id {
				return err // the whole record has gone with the session
			}
		}
		g.Token, g.Userinfo, g.Reused, g.Until = nil, nil, "", time.Time{}
		err = p.swap(ctx, kindLogin, id, version, rec, rec.expires())
	}
	return err
}

// endMade ends the session that a login made, if it lives.
func (p *Provider) endMade(ctx context.Context, made, client string) (ended bool, err error) {
	var rec record
	_, err = p.get(ctx, kindLogin, made, &rec)
	if errors.Is(err, broker.ErrNotFound) || err == nil && (rec.Session == nil || !p.Now().Before(rec.Session.Expires)) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, p.end(ctx, rec.Session.Session, made, client)
}

// revokeOwn ends a token of the client's own (client credentials).
func (p *Provider) revokeOwn(ctx context.Context, c broker.Client, id, secret string, marks []broker.Mark) error {
	var g clientGrant
	_, err := p.get(ctx, kindClient, id, &g)
	if errors.Is(err, broker.ErrNotFound) {
		return errForgotten
	} else if err != nil {
		return err
	}
	if !secretIs(g.Secret, secret) || g.Client != c.ID {
		return broker.ErrNotFound
	}
	e := p.event(audit.TokenRevoked, c.ID)
	e.Reason = grantClient
	if err := p.revoked(ctx, c, append(marks, p.tokenEnded(id, clientTokenLife)), e); err != nil {
		return err
	}
	_, err = p.Short.Take(ctx, kindClient, id)
	return err
}

// revoked makes the end of a token durable. The only mark that may be in the way
// is that of the assertion.
func (p *Provider) revoked(ctx context.Context, c broker.Client, marks []broker.Mark, e ...audit.Event) error {
	err := p.Records.Spend(ctx, marks, e...)
	if errors.Is(err, broker.ErrConflict) {
		return p.refuseClient(ctx, c, "replay")
	}
	return err
}
