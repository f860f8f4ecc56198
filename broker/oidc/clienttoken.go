package oidc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// clientTokenLife is how long an access token of a client's own lives. It is not
// renewed: a client asks for another.
const clientTokenLife = 10 * time.Minute

// clientGrant is what an access token of a client's own stands for. It lies
// apart from what logins gave, so that neither can be taken for the other.
type clientGrant struct {
	Client string   `json:"client"`
	Scopes []string `json:"scopes"`
	Secret []byte   `json:"secret"` // SHA-256
}

// clientScopes are those of a client that its own tokens may have.
func clientScopes(c broker.Client) []string {
	if slices.Contains(c.Scopes, ScopeSigning) {
		return []string{ScopeSigning}
	}
	return nil
}

// clientToken gives a client an access token of its own (RFC 6749 section 4.4).
func (p *Provider) clientToken(ctx context.Context, c broker.Client, q params, marks []broker.Mark) (*tokenResponse, error) {
	may := clientScopes(c)
	if len(may) == 0 {
		return nil, refuse(errUnauthorizedClient, "this client may not use client_credentials")
	}
	scopes := may
	if q.get("scope") != "" {
		asked := strings.Split(q.get("scope"), " ")
		if slices.ContainsFunc(asked, func(s string) bool { return !slices.Contains(may, s) }) {
			return nil, refuse(errInvalidScope, "scope holds what this client may not have by client_credentials")
		}
		scopes = slices.DeleteFunc(may, func(s string) bool { return !slices.Contains(asked, s) })
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	id, secret := broker.NewID(), broker.NewSecret()
	g := clientGrant{Client: c.ID, Scopes: scopes, Secret: digest(secret)}
	if err := p.put(ctx, kindClient, id, g, clientTokenLife); err != nil {
		return nil, err
	}
	e := p.event(audit.TokenIssued, c.ID)
	e.Reason = grantClient
	err := p.Records.Spend(ctx, marks, e)
	if errors.Is(err, broker.ErrConflict) {
		return nil, p.refuseClient(ctx, c, "replay")
	}
	if err != nil {
		return nil, err // nobody ever sees the token
	}
	return &tokenResponse{
		AccessToken: join(id, secret), TokenType: "Bearer", ExpiresIn: int(clientTokenLife.Seconds()), Scope: scopeText(scopes),
	}, nil
}

// Bearer finds the client whose own access token this is, and what the token is
// for. broker.ErrNotFound for every token that does not count, be it unknown,
// expired, a login's, of a client that was removed, or of one that may not have
// the scope any more.
func (p *Provider) Bearer(ctx context.Context, token string) (broker.Client, []string, error) {
	id, secret, ok := split(token)
	if !ok {
		return broker.Client{}, nil, broker.ErrNotFound
	}
	var g clientGrant
	if _, err := p.get(ctx, kindClient, id, &g); err != nil {
		return broker.Client{}, nil, err
	}
	if !secretIs(g.Secret, secret) {
		return broker.Client{}, nil, broker.ErrNotFound
	}
	if err := p.lives(ctx, endedToken, id); err != nil {
		return broker.Client{}, nil, err
	}
	c, err := p.Clients.Client(ctx, g.Client)
	if err != nil {
		return broker.Client{}, nil, err
	}
	may := clientScopes(c)
	scopes := slices.DeleteFunc(g.Scopes, func(s string) bool { return !slices.Contains(may, s) })
	if len(scopes) == 0 {
		return broker.Client{}, nil, broker.ErrNotFound
	}
	return c, scopes, nil
}
