package oidc

import (
	"context"
	"encoding/json"
	"errors"

	"sigill/broker"
)

// grant is what a code stands for. Claims are chosen when the person has
// answered, so that neither identity nor evidence travels further than it was
// asked to.
type grant struct {
	Client      string          `json:"client"`
	RedirectURI string          `json:"redirect_uri"`
	Challenge   string          `json:"challenge,omitempty"`
	Scope       string          `json:"scope,omitempty"`
	Nonce       string          `json:"nonce,omitempty"`
	Subject     string          `json:"sub,omitempty"`
	SID         string          `json:"sid,omitempty"`
	AuthTime    int64           `json:"auth_time,omitempty"`
	ACR         string          `json:"acr,omitempty"`
	Provider    string          `json:"provider,omitempty"`
	Person      string          `json:"person,omitempty"` // digest, for the audit
	IDToken     json.RawMessage `json:"id_token,omitempty"`
	Userinfo    json.RawMessage `json:"userinfo,omitempty"`
	// Used is the access token that the code was exchanged for. A used code
	// keeps nothing else than what tells its rightful client.
	Used string `json:"used,omitempty"`
}

func (p *Provider) grant(c broker.Client, wish broker.AuthorizationWish, s broker.Session, subject string) (grant, error) {
	acr, ok := stated(s.Identity.Level, wish)
	if !ok {
		return grant{}, errors.New("oidc: a level that nobody asked about") // judge has said no before
	}
	idToken, userinfo, err := p.release(c, wish, s.Identity, s.Evidence)
	if err != nil {
		return grant{}, err
	}
	g := grant{
		Client: c.ID, RedirectURI: wish.RedirectURI, Challenge: wish.Challenge, Scope: scopeText(wish.Scopes),
		Nonce: wish.Nonce, Subject: subject, SID: s.SID, AuthTime: s.AuthTime.Unix(), ACR: acr,
		Provider: string(s.Identity.Provider), Person: p.person(s.Identity),
	}
	if g.IDToken, err = json.Marshal(idToken); err != nil {
		return grant{}, err
	}
	g.Userinfo, err = json.Marshal(userinfo)
	return g, err
}

// issue makes the code and the answer that carries it.
func (p *Provider) issue(ctx context.Context, wish broker.AuthorizationWish, g grant) (Answer, error) {
	code := broker.NewSecret()
	if err := p.put(ctx, kindCode, code, g, p.CodeLife); err != nil {
		return Answer{}, err
	}
	p.Count("login", "code")
	return p.answer(wish, [2]string{"code", code}), nil
}
