package oidc

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	upstream "github.com/coreos/go-oidc/v3/oidc"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// Trust is whom and what a verification believes.
type Trust struct {
	Issuer string
	// Keys are the thumbprints (RFC 7638, SHA-256) of the issuer's keys.
	Keys []string
	// Clients are the clients that tokens may be for.
	Clients []string

	Algorithms   []string // default: all that are known here
	Claims       Claims
	Levels       map[string]providers.Level
	Approved     bool
	CoordNumbers bool
	AuthAge      time.Duration // how long before the order the person may have acted
	// NoAuthTime believes tokens that do not say when the person acted. The zero value
	// demands that they do.
	NoAuthTime bool
	TokenAge   time.Duration // zero: not checked
	Skew       time.Duration

	Provider providers.ID // what the identity is said to come from; telia is never more than uncertified
}

// ErrNoRoot is the error of evidence that ends at nobody in Trust.
var ErrNoRoot = errors.New("by nobody who is trusted here")

// Verify checks evidence against what was expected of it, and says whose it is. The
// error is a *providers.Refused; it wraps ErrNoRoot when nothing is wrong with
// the evidence but that nobody in trust made it.
func Verify(e providers.Evidence, want providers.Expected, trust Trust, at time.Time) (providers.Identity, error) {
	trust.Claims = trust.Claims.withDefaults()
	if len(trust.Algorithms) == 0 {
		trust.Algorithms = []string{RS256, PS256, ES256}
	}
	v := &verification{sealed: e, want: want, trust: trust, at: at}
	for _, s := range steps() {
		if err := s.run(v); err != nil {
			return providers.Identity{}, &providers.Refused{Check: s.name, Err: err}
		}
	}
	return v.identity, nil
}

// verification is the work on one piece of evidence.
type verification struct {
	sealed providers.Evidence
	want   providers.Expected
	trust  Trust
	at     time.Time

	evidence evidence
	header   header
	token    claims
	more     claims // of userinfo; nil without
	identity providers.Identity
}

type step struct {
	name string
	run  func(*verification) error
}

// steps is the whole verification in order. Nothing of a token is used before its
// signature is verified, other than to find the key.
func steps() []step {
	return []step{
		{"encoding", (*verification).checkEncoding},
		{"structure", (*verification).checkStructure},
		{"algorithm", (*verification).checkAlgorithm},
		{"root", (*verification).checkRoot},
		{"key", (*verification).checkKey},
		{"signature", (*verification).checkSignature},
		{"kind", (*verification).checkKind},
		{"issuer", (*verification).checkIssuer},
		{"audience", (*verification).checkAudience},
		{"nonce", (*verification).checkNonce},
		{"subject", (*verification).checkSubject},
		{"time", (*verification).checkTime},
		{"auth-time", (*verification).checkAuthTime},
		{"userinfo", (*verification).checkUserinfo},
		{"level", (*verification).checkLevel},
		{"country", (*verification).checkCountry},
		{"number", (*verification).checkNumber},
		{"person", (*verification).checkPerson},
		{"name", (*verification).checkName},
	}
}

func (v *verification) checkEncoding() (err error) {
	v.evidence, err = parseEvidence(v.sealed)
	return err
}

func (v *verification) checkStructure() (err error) {
	v.header, v.token, err = parseToken(v.evidence.IDToken)
	return err
}

func (v *verification) checkAlgorithm() error {
	if !slices.Contains(v.trust.Algorithms, v.header.alg) {
		return errors.New("an algorithm that is not believed")
	}
	return nil
}

// checkRoot is first among the questions of trust: what nobody here vouches for is
// not false, but unknown.
func (v *verification) checkRoot() error {
	if v.trust.Issuer == "" || v.evidence.Issuer != v.trust.Issuer || !slices.Contains(v.trust.Keys, v.evidence.Key.thumbprint()) {
		return ErrNoRoot
	}
	if k := v.evidence.UserinfoKey; k != nil && !slices.Contains(v.trust.Keys, k.thumbprint()) {
		return ErrNoRoot
	}
	return nil
}

func (v *verification) checkKey() error {
	if !v.evidence.Key.signs(v.header.alg) {
		return errors.New("the key does not go with the algorithm")
	}
	if v.header.kid != "" && v.header.kid != v.evidence.Key.Kid {
		return errors.New("the token names another key")
	}
	_, err := v.evidence.Key.key()
	return err
}

func (v *verification) checkSignature() error {
	return signedBy(v.evidence.IDToken, v.evidence.Key, v.header.alg)
}

// signedBy verifies a token's signature by one key. The rest of what the library
// could check is checked here, against the time of the order instead of now.
func signedBy(raw string, by jwk, alg string) error {
	key, err := by.key()
	if err != nil {
		return err
	}
	set := &upstream.StaticKeySet{PublicKeys: []crypto.PublicKey{key}}
	_, err = upstream.NewVerifier("", set, &upstream.Config{
		SupportedSigningAlgs: []string{alg}, SkipClientIDCheck: true, SkipExpiryCheck: true, SkipIssuerCheck: true,
	}).Verify(context.Background(), raw)
	if err != nil { // its words may quote the token
		return errors.New("not made with the issuer's key")
	}
	return nil
}

// checkKind: an ID Token proves who somebody is, and never that they signed, or
// read, a text.
func (v *verification) checkKind() error {
	if v.want.Kind != providers.KindAuth {
		return errors.New("not a signature")
	}
	if v.want.Text != "" {
		return errors.New("proves no text")
	}
	return nil
}

func (v *verification) checkIssuer() error {
	if iss, _, err := v.token.text("iss"); err != nil || iss != v.evidence.Issuer {
		return errors.New("a token of another issuer")
	}
	return nil
}

// checkAudience lets in a token for us alone.
func (v *verification) checkAudience() error {
	return v.forUs(v.token)
}

func (v *verification) forUs(c claims) error {
	if v.evidence.Client == "" || !slices.Contains(v.trust.Clients, v.evidence.Client) {
		return errors.New("a client that is not ours")
	}
	aud, err := c.audience()
	if err != nil || len(aud) != 1 || aud[0] != v.evidence.Client {
		return errors.New("for another client, or for others too")
	}
	if azp, given, err := c.text("azp"); err != nil || given && azp != v.evidence.Client {
		return errors.New("given to another client")
	}
	return nil
}

// nonceOf ties an ID Token to the binding of an order, so that it can be shown
// later what it was made for.
func nonceOf(binding, salt []byte) string {
	h := sha256.New()
	h.Write(binding)
	h.Write(salt)
	return encode(h.Sum(nil))
}

func (v *verification) checkNonce() error {
	nonce, _, err := v.token.text("nonce")
	if err != nil || len(v.evidence.Salt) != saltSize || len(v.want.Binding) == 0 {
		return errors.New("answers no order")
	}
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(nonceOf(v.want.Binding, v.evidence.Salt))) != 1 {
		return errors.New("answers another order")
	}
	return nil
}

func (v *verification) checkSubject() error {
	if sub, _, err := v.token.text("sub"); err != nil || sub == "" || len(sub) > 255 {
		return errors.New("of nobody")
	}
	return nil
}

func (v *verification) checkTime() error {
	iat, given, err := v.token.time("iat")
	if err != nil || !given {
		return errors.New("no time")
	}
	exp, given, err := v.token.time("exp")
	if err != nil || !given || !exp.After(iat) {
		return errors.New("no end")
	}
	nbf, given, err := v.token.time("nbf")
	if err != nil {
		return errors.New("an unreadable beginning")
	}
	if !given {
		nbf = iat
	}
	skew := v.trust.Skew
	ended := v.want.Ended
	switch {
	case v.want.Started.IsZero():
		return errors.New("not known when the order began")
	case iat.Before(v.want.Started.Truncate(time.Second).Add(-skew)):
		return errors.New("older than the order")
	case iat.After(v.at.Add(skew)), nbf.After(v.at.Add(skew)):
		return errors.New("of a time to come")
	case ended.IsZero():
	case iat.After(ended.Add(skew)), nbf.After(ended.Add(skew)):
		return errors.New("younger than the order")
	case !ended.Before(exp.Add(skew)):
		return errors.New("expired when it came")
	case v.trust.TokenAge > 0 && ended.Sub(iat) > v.trust.TokenAge+skew:
		return errors.New("too old when it came")
	}
	v.identity.At = iat
	return nil
}

// checkAuthTime: an old session at the issuer is no proof that the person is here.
func (v *verification) checkAuthTime() error {
	at, given, err := v.token.time("auth_time")
	switch {
	case err != nil:
		return err
	case !given && !v.trust.NoAuthTime:
		return errors.New("does not say when the person acted")
	case !given:
		return nil
	case at.Before(v.want.Started.Truncate(time.Second).Add(-v.trust.AuthAge - v.trust.Skew)):
		return errors.New("the person acted before the order")
	case at.After(v.identity.At.Add(v.trust.Skew)):
		return errors.New("the person acted after the token was made")
	}
	v.identity.At = at
	return nil
}

// checkUserinfo lets claims in beside the ID Token, if they are signed alike.
func (v *verification) checkUserinfo() error {
	if v.evidence.Userinfo == "" {
		return nil
	}
	h, c, err := parseToken(v.evidence.Userinfo)
	if err != nil {
		return err
	}
	by := v.evidence.UserinfoKey
	if by == nil || !slices.Contains(v.trust.Algorithms, h.alg) || !by.signs(h.alg) || h.kid != "" && h.kid != by.Kid {
		return errors.New("not signed with a key that is believed")
	}
	if err := signedBy(v.evidence.Userinfo, *by, h.alg); err != nil {
		return err
	}
	if iss, _, err := c.text("iss"); err != nil || iss != v.evidence.Issuer {
		return errors.New("of another issuer")
	}
	if err := v.forUs(c); err != nil {
		return err
	}
	sub, _, err := c.text("sub")
	if mine, _, _ := v.token.text("sub"); err != nil || sub != mine {
		return errors.New("of somebody else")
	}
	v.more = c
	return nil
}

// claim looks a claim up: what the ID Token says holds, userinfo fills in.
func (v *verification) claim(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	s, given, err := v.token.text(name)
	if err != nil || given {
		return s, err
	}
	s, _, err = v.more.text(name)
	return s, err
}

// checkLevel: of the ID Token alone, and by the exact value.
func (v *verification) checkLevel() error {
	value, _, err := v.token.text(v.trust.Claims.Level)
	if err != nil {
		return err
	}
	level := capped(v.trust.Provider, v.trust.Levels[value], v.trust.Approved)
	if value == "" || level == providers.LevelNone {
		return errors.New("a level that is not enough")
	}
	v.identity.Level, v.identity.Policy = level, value
	return nil
}

func (v *verification) checkCountry() error {
	if v.trust.Claims.Country == "" {
		return nil
	}
	if c, err := v.claim(v.trust.Claims.Country); err != nil || c != "SE" {
		return errors.New("a number of another country, or of none")
	}
	return nil
}

func (v *verification) checkNumber() error {
	for _, name := range v.trust.Claims.Number {
		digits, err := v.claim(name)
		if err != nil {
			return err
		}
		if digits == "" {
			continue
		}
		n, err := personnummer.FromDigits(digits)
		if err != nil || n.Birthdate().After(v.identity.At) {
			return errors.New("not a Swedish number")
		}
		if !v.identity.Number.IsZero() && v.identity.Number != n {
			return errors.New("two numbers")
		}
		v.identity.Number = n
	}
	switch {
	case v.identity.Number.IsZero():
		return errors.New("no number")
	case v.identity.Number.Coordination() && !v.trust.CoordNumbers:
		return errors.New("a samordningsnummer, which is not let in")
	}
	return nil
}

func (v *verification) checkPerson() error {
	if !v.want.Number.IsZero() && v.want.Number != v.identity.Number {
		return errors.New("somebody else")
	}
	return nil
}

// checkName needs no more than one name: some issuers give only the whole one,
// others only its parts.
func (v *verification) checkName() error {
	id := &v.identity
	for _, n := range []struct {
		claim string
		to    *string
	}{
		{v.trust.Claims.Name, &id.Name},
		{v.trust.Claims.GivenName, &id.GivenName},
		{v.trust.Claims.Surname, &id.Surname},
	} {
		s, err := v.claim(n.claim)
		if err != nil || len(s) > 300 {
			return errors.New("a name of another form than names have")
		}
		*n.to = strings.Join(strings.Fields(s), " ")
	}
	if id.Name == "" {
		id.Name = strings.TrimSpace(id.GivenName + " " + id.Surname)
	}
	if id.Name == "" {
		return errors.New("no name")
	}
	id.Provider = v.trust.Provider
	for _, name := range []string{v.trust.Claims.Transaction, "jti"} {
		if t, _, err := v.token.text(name); err == nil && t != "" && len(t) <= 200 {
			id.Transaction = t
			return nil
		}
	}
	id.Transaction = nonceOf(v.want.Binding, v.evidence.Salt)
	return nil
}
