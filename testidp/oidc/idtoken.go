package oidc

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"slices"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

const maxKeys = 8

// idToken makes the ID Token of a grant (OpenID Connect Core section 2).
func (i *Issuer) idToken(g grant, access string, now time.Time) (string, error) {
	f := g.faults
	key := i.newest()
	if f[keyRollover] {
		next, err := newKey()
		if err != nil {
			return "", err
		}
		i.mu.Lock()
		i.keys = append(i.keys, next)
		if len(i.keys) > maxKeys {
			i.keys = slices.Delete(i.keys, 0, 1)
		}
		i.mu.Unlock()
		key = next
	}
	switch {
	case f[replay]:
		// The earlier token is this person's own, and proves another login.
		if earlier := i.earlier(g, true); earlier != "" {
			return earlier, nil
		}
		old := g
		old.nonce, old.at, old.faults = random(), g.at.Add(-10*time.Minute), nil
		return i.sealed(key, old, random(), now.Add(-10*time.Minute))
	case f[swapped]:
		if theirs := i.earlier(g, false); theirs != "" {
			return theirs, nil
		}
		other := g
		other.nonce, other.person, other.faults = random(), i.config.People.Other(g.person.Number), nil
		return i.sealed(key, other, random(), now)
	}
	token, err := i.sealed(key, g, access, now)
	if err == nil && len(f) == 0 {
		i.mu.Lock()
		if len(i.last) >= 1000 {
			clear(i.last)
		}
		i.last[g.client+"\x00"+g.person.Number] = token
		i.last[g.client] = token // the newest of anybody
		i.mu.Unlock()
	}
	return token, err
}

// earlier finds the newest genuine ID Token that this client got for the person,
// or for somebody else.
func (i *Issuer) earlier(g grant, same bool) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	own := i.last[g.client+"\x00"+g.person.Number]
	if same {
		return own
	}
	if newest := i.last[g.client]; newest != own {
		return newest
	}
	for _, p := range i.config.People.List() {
		if t := i.last[g.client+"\x00"+p.Number]; t != "" && p.Number != g.person.Number {
			return t
		}
	}
	return ""
}

// sealed writes and signs an ID Token.
func (i *Issuer) sealed(key *signingKey, g grant, access string, now time.Time) (string, error) {
	f := g.faults
	claims := i.claims(&g, g.person, func(c Claim) bool { return c.IDToken })
	life := i.config.Profile.TokenLife
	if life == 0 {
		life = 5 * time.Minute
	}
	issued := now
	claims["iss"], claims["aud"], claims["sub"] = i.Issuer(), g.client, i.sub(g.client, g.person.Number)
	claims["auth_time"], claims["at_hash"], claims["jti"] = g.at.Unix(), atHash(access), random()
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if f[futureIat] {
		issued = now.Add(time.Hour)
	}
	if f[expired] {
		issued = now.Add(-time.Hour - life)
	}
	claims["iat"], claims["exp"] = issued.Unix(), issued.Add(life).Unix()
	if f[wrongIssuer] {
		claims["iss"] = i.Issuer() + "/other"
	}
	if f[wrongAudience] {
		claims["aud"] = "somebody-else"
	}
	if f[twoAudiences] {
		claims["aud"], claims["azp"] = []string{g.client, "somebody-else"}, "somebody-else"
	}
	if f[wrongNonce] {
		claims["nonce"] = random()
	}
	if f[noNonce] {
		delete(claims, "nonce")
	}
	if f[oldAuth] {
		claims["auth_time"] = g.began.Add(-2 * time.Hour).Unix()
	}
	if f[noSubject] {
		delete(claims, "sub")
	}
	if f[wrongAtHash] {
		claims["at_hash"] = atHash(random())
	}
	body, err := payload(claims, &g, i)
	if err != nil {
		return "", err
	}
	return i.signed(key, g, body)
}

// signed signs what an ID Token says, or does something else.
func (i *Issuer) signed(key *signingKey, g grant, body []byte) (string, error) {
	f := g.faults
	header := map[string]any{"alg": "RS256", "kid": key.kid, "typ": "JWT"}
	switch {
	case f[algNone]:
		text, err := unsigned(map[string]any{"alg": "none", "typ": "JWT"}, body)
		return text + ".", err
	case f[hs256]:
		header["alg"] = "HS256"
		text, err := unsigned(header, body)
		if err != nil {
			return "", err
		}
		der, err := x509.MarshalPKIXPublicKey(&key.private.PublicKey)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		mac.Write([]byte(text))
		return text + "." + encode(mac.Sum(nil)), nil
	case f[foreignKey], f[unknownKid], f[embeddedKey]:
		other, err := i.foreign()
		if err != nil {
			return "", err
		}
		if f[unknownKid] {
			header["kid"] = other.kid
		}
		if f[embeddedKey] {
			header["kid"], header["jwk"] = other.kid, other.public()
		}
		return other.sign(header, body)
	case f[critHeader]:
		header["crit"], header["x-simulated"] = []string{"x-simulated"}, true
	}
	token, err := key.sign(header, body)
	if err == nil && f[badSignature] {
		token = flipped(token)
	}
	return token, err
}

// flipped changes a character in the middle of a token's signature.
func flipped(token string) string {
	at, other := len(token)-20, "A"
	if token[at] == 'A' {
		other = "B"
	}
	return token[:at] + other + token[at+1:]
}

// claims are a person's claims that a grant's scopes ask for.
func (i *Issuer) claims(g *grant, who persons.Person, there func(Claim) bool) map[string]any {
	f := g.faults
	if who.Has(persons.LowLevel) {
		f = maps.Clone(f)
		if f == nil {
			f = control.Drawn{}
		}
		f[lowerLevel] = true
	}
	claims := map[string]any{}
	p := i.config.Profile
	for _, c := range p.Claims {
		if !there(c) || c.Scope != "" && !slices.Contains(g.scopes, c.Scope) {
			continue
		}
		if v := altered(c.Value, i.value(c.Value, g, who), f); v != nil {
			claims[c.Name] = v
		}
	}
	if p.ACR != "" {
		switch {
		case f[noLevel]:
		case f[unknownLevel]:
			claims["acr"] = p.ACR + "x"
		case f[lowerLevel]:
			claims["acr"] = p.LowACR
		default:
			claims["acr"] = p.ACR
		}
	}
	if f[extraClaims] {
		claims["x_simulated"] = map[string]any{"a": []string{"b"}}
		claims["amr"] = []string{"face", "pop"}
	}
	return claims
}

// altered is a claim's value with the faults that concern it; nil: it is left out.
func altered(kind Value, v any, f control.Drawn) any {
	switch kind {
	case Number, Personnummer, Coordination:
		digits, ok := v.(string)
		switch {
		case !ok, f[missingNumber]:
			return nil
		case f[emptyNumber]:
			return ""
		case f[tenDigits]:
			return digits[2:]
		case f[wrongDigit]:
			return digits[:11] + string('0'+(digits[11]-'0'+1)%10)
		case f[numberType]:
			return json.Number(digits)
		case f[notSwedish]:
			return "00000000000" // eleven digits, as in Norway
		}
	case Country:
		if f[notSwedish] {
			return "NO"
		}
	case Registration:
		switch {
		case f[noLevel]:
			return nil
		case f[unknownLevel]:
			return "DIAMOND"
		case f[lowerLevel]:
			return "EXTENDED"
		}
	case LoA:
		switch {
		case f[noLevel]:
			return nil
		case f[unknownLevel]:
			return "LOA9"
		case f[lowerLevel]:
			return "LOA2"
		}
	}
	return v
}
