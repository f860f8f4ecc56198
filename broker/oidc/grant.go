package oidc

import (
	"encoding/json"
	"errors"
	"time"

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
	// Code and Token are SHA-256 of the secrets of the code and of the access
	// token that it was exchanged for. Expires is of the one that lives.
	Code    []byte    `json:"code"`
	Token   []byte    `json:"token,omitempty"`
	Used    bool      `json:"used,omitempty"`
	Expires time.Time `json:"expires"`
	// Reused is the login whose session answered instead of an e-ID, and Until
	// when that session ends: kept for embedded clients, which may end it.
	Reused string    `json:"reused,omitempty"`
	Until  time.Time `json:"until,omitzero"`
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

// offerCode puts a new code on the grant and makes the answer that carries it,
// which counts once the record is stored.
func (p *Provider) offerCode(wish broker.AuthorizationWish, id string, g *grant) Answer {
	secret := broker.NewSecret()
	g.Code, g.Expires = digest(secret), p.Now().Add(p.CodeLife)
	return p.answer(wish, [2]string{"code", join(id, secret)})
}
