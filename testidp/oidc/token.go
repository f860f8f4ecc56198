package oidc

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// A grant is what a code, and later an access token, stands for.
type grant struct {
	order     string
	client    string
	redirect  string
	nonce     string
	challenge string
	scopes    []string
	person    persons.Person
	began     time.Time // when the request came
	at        time.Time // when the person answered
	until     time.Time // of the code, then of the access token
	faults    control.Drawn
}

const (
	accessLife = 10 * time.Minute
	maxTokens  = 20_000
)

// grant gives out a code for an order that the person approved. The lock is held.
func (i *Issuer) grant(o *order) string {
	now := i.config.Now()
	for _, set := range []map[string]*grant{i.codes, i.tokens} {
		for c, g := range set {
			if now.After(g.until) || len(set) > maxTokens {
				delete(set, c)
			}
		}
	}
	who := *o.person
	switch f := o.faults; {
	case f[coordination]:
		for _, p := range i.config.People.List() {
			if p.Has(persons.Samordningsnummer) && p.Number != who.Number {
				who = p
				break
			}
		}
	case f[wrongPerson]:
		who = i.config.People.Other(who.Number)
	}
	code := random()
	i.codes[code] = &grant{
		order: o.id, client: o.request.client.ID, redirect: o.request.redirect, nonce: o.request.nonce, challenge: o.request.challenge,
		scopes: o.request.scopes, person: who, began: o.created, at: o.ended, until: now.Add(i.config.Timings.Code), faults: o.faults,
	}
	return code
}

// token gives tokens for a code, once.
func (i *Issuer) token(r *http.Request, _ control.Drawn) reply {
	if a := posted(r); a != nil {
		return *a
	}
	c, err := i.authenticate(r)
	if err != nil {
		return unauthenticated(err)
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		return refuse(http.StatusBadRequest, "unsupported_grant_type", "only authorization_code is")
	}
	code := r.PostForm.Get("code")
	i.mu.Lock()
	g := i.codes[code]
	delete(i.codes, code) // whatever comes of it
	i.mu.Unlock()
	now := i.config.Now()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case g == nil, now.After(g.until):
		return refuse(http.StatusBadRequest, "invalid_grant", "the code is unknown, used or too old")
	case g.client != c.ID:
		return refuse(http.StatusBadRequest, "invalid_grant", "the code is another client's")
	case r.PostForm.Get("redirect_uri") != g.redirect:
		return refuse(http.StatusBadRequest, "invalid_grant", "redirect_uri is another")
	case subtle.ConstantTimeCompare([]byte(encode(sum[:])), []byte(g.challenge)) != 1:
		return refuse(http.StatusBadRequest, "invalid_grant", "code_verifier does not fit")
	case g.faults[tokenError]:
		return refuse(http.StatusBadRequest, "invalid_grant", "simulated")
	}
	access := random()
	id, err := i.idToken(*g, access, now)
	if err != nil {
		i.config.Log.Error("oidc", "error", err)
		return reply{status: http.StatusInternalServerError, mediaType: "text/plain", body: []byte("the simulator failed\n")}
	}
	live := *g
	live.until = now.Add(accessLife)
	i.mu.Lock()
	i.tokens[access] = &live
	i.mu.Unlock()
	a := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": int(accessLife.Seconds()), "id_token": id, "scope": strings.Join(g.scopes, " ")}
	if g.faults[tokenType] {
		a["token_type"] = "x-simulated"
	}
	if g.faults[noIDToken] {
		delete(a, "id_token")
	}
	if g.faults[extraClaims] {
		a["x_simulated"] = []int{1, 2}
	}
	return say(http.StatusOK, a)
}

// userinfo answers whoever has an access token.
func (i *Issuer) userinfo(r *http.Request, _ control.Drawn) reply {
	scheme, access, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	i.mu.Lock()
	g := i.tokens[access]
	i.mu.Unlock()
	now := i.config.Now()
	if !strings.EqualFold(scheme, "Bearer") || g == nil || now.After(g.until) {
		a := refuse(http.StatusUnauthorized, "invalid_token", "unknown or too old")
		a.challenge = `Bearer error="invalid_token"`
		return a
	}
	who := g.person
	if g.faults[userinfoOther] || g.faults[userinfoNumber] {
		who = i.config.People.Other(who.Number)
	}
	claims := i.claims(g, who, func(c Claim) bool { return c.UserInfo })
	claims["sub"] = i.sub(g.client, who.Number)
	if g.faults[userinfoNumber] {
		claims["sub"] = i.sub(g.client, g.person.Number)
	}
	if g.faults[noSubject] {
		delete(claims, "sub")
	}
	if !i.config.Profile.SignedUserInfo {
		body, err := payload(claims, g, i)
		if err != nil {
			return refuse(http.StatusInternalServerError, "server_error", "the simulator failed")
		}
		return reply{status: http.StatusOK, body: body}
	}
	claims["iss"], claims["aud"] = i.Issuer(), g.client
	body, err := payload(claims, g, i)
	if err == nil {
		key := i.newest()
		var jws string
		if jws, err = key.sign(map[string]any{"alg": "RS256", "kid": key.kid}, body); err == nil {
			return reply{status: http.StatusOK, mediaType: "application/jwt", body: []byte(jws)}
		}
	}
	i.config.Log.Error("oidc", "error", err)
	return refuse(http.StatusInternalServerError, "server_error", "the simulator failed")
}

func (i *Issuer) newest() *signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// atHash is the left half of a digest (OpenID Connect Core section 3.1.3.6).
func atHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// payload writes claims as JSON; with the fault numberTwice a claim stands there
// twice.
func payload(claims map[string]any, g *grant, i *Issuer) ([]byte, error) {
	body, err := json.Marshal(claims)
	if err != nil || !g.faults[numberTwice] {
		return body, err
	}
	for _, name := range i.config.Profile.named(Number, Personnummer) {
		if _, there := claims[name]; !there {
			continue
		}
		first, err := json.Marshal(map[string]string{name: i.config.People.Other(g.person.Number).Number})
		if err != nil {
			return nil, err
		}
		return append(append(first[:len(first)-1], ','), body[1:]...), nil
	}
	return body, nil
}
