package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

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
	// Used: the code was exchanged. The grant now is what its access token
	// stands for, as long as that lives, and recognises a replay of the code.
	Used bool `json:"used,omitempty"`
	// Token is the SHA-256 of the access token's secret; nil when it is revoked.
	Token []byte `json:"token,omitempty"`
}

// A grant is kept under the digest of its code, and the access token is that
// digest and a secret. So code, used mark and token are one record: exchanging
// and revoking are each one step, and a code that is in use cannot lose sight
// of its token.

func grantKey(code string) string {
	sum := sha256.Sum256([]byte(code))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func tokenOf(key, secret string) string { return key + "." + secret }

// splitToken takes an access token apart; false when it cannot be one of ours.
func splitToken(token string) (key, secret string, ok bool) {
	key, secret, ok = strings.Cut(token, ".")
	return key, secret, ok && secretShaped(key) && secretShaped(secret)
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
	if err := p.put(ctx, kindGrant, grantKey(code), g, p.CodeLife); err != nil {
		return Answer{}, err
	}
	p.Count("login", "code")
	return p.answer(wish, [2]string{"code", code}), nil
}
