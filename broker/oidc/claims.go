package oidc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"sigill/broker"
	"sigill/providers"
	"sigill/providers/personnummer"
)

// Scopes that we know. Others are ignored, as Core wants.
const (
	scopeOpenID       = "openid"
	scopeProfile      = "profile"
	scopePersonInfo   = "https://id.oidc.se/scope/naturalPersonInfo"
	scopePersonNumber = "https://id.oidc.se/scope/naturalPersonNumber"
	scopeSign         = "https://id.oidc.se/scope/sign"
	scopeSignApproval = "https://id.oidc.se/scope/signApproval"

	// ScopeSigning is for the signing API, and only by client credentials: no login
	// gives it.
	ScopeSigning = "signing"

	// ScopeAuthnInfo is no scope of the protocol and cannot be requested: it is
	// a registration. Only a client that has it among its scopes gets the
	// authentication information claims (the person's certificate, signature,
	// device address and the evidence itself) that it asks for with the
	// parameter claims.
	ScopeAuthnInfo = "authnInfo"
)

// Claims of OIDC Sweden, Claims and Scopes Specification 1.0.
const (
	claimPersonNumber  = "https://id.oidc.se/claim/personalIdentityNumber"
	claimCoordination  = "https://id.oidc.se/claim/coordinationNumber"
	claimCertificate   = "https://id.oidc.se/claim/userCertificate"
	claimSignature     = "https://id.oidc.se/claim/userSignature"
	claimValidFrom     = "https://id.oidc.se/claim/credentialValidFrom"
	claimValidTo       = "https://id.oidc.se/claim/credentialValidTo"
	claimDeviceIP      = "https://id.oidc.se/claim/deviceIp"
	claimEvidence      = "https://id.oidc.se/claim/authnEvidence"
	claimAuthnProvider = "https://id.oidc.se/claim/authnProvider"
)

// permitting are the registered scopes of which one permits a claim; nil for a
// claim that we do not have, empty for what every client may know.
func permitting(claim string) []string {
	switch claim {
	case claimPersonNumber, claimCoordination:
		return []string{scopePersonNumber}
	case "name", "given_name", "family_name", "birthdate":
		return []string{scopePersonInfo, scopeProfile}
	case claimCertificate, claimSignature, claimValidFrom, claimValidTo, claimDeviceIP, claimEvidence:
		return []string{ScopeAuthnInfo}
	case "txn":
		return []string{}
	}
	return nil
}

func permitted(c broker.Client, claim string) bool {
	scopes := permitting(claim)
	if scopes == nil {
		return false
	}
	return len(scopes) == 0 || slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(c.Scopes, s) })
}

// authenticationInfo are the claims that go into the ID Token only.
func authenticationInfo(claim string) bool {
	return slices.Equal(permitting(claim), []string{ScopeAuthnInfo})
}

// claimsRequest is the parameter claims (Core 5.5).
type claimsRequest struct{ IDToken, Userinfo map[string]claimWish }

// claimWish is what is asked about one claim. Values holds value, or values.
type claimWish struct {
	Essential bool
	Values    []json.RawMessage
}

var errClaims = refuse(errInvalidRequest, "claims is not a JSON object of the right form")

func parseClaims(raw []byte) (claimsRequest, *protocolError) {
	var req claimsRequest
	if len(raw) == 0 {
		return req, nil
	}
	top, err := object(raw)
	if err != nil {
		return req, errClaims
	}
	var ok1, ok2 bool
	req.IDToken, ok1 = claimWishes(top["id_token"])
	req.Userinfo, ok2 = claimWishes(top["userinfo"])
	if !ok1 || !ok2 {
		return req, errClaims
	}
	return req, nil
}

func claimWishes(raw json.RawMessage) (map[string]claimWish, bool) {
	if null(raw) {
		return nil, true
	}
	m, err := object(raw)
	if err != nil {
		return nil, false
	}
	wishes := make(map[string]claimWish, len(m))
	for name, w := range m {
		var wish claimWish
		if !null(w) {
			parts, err := object(w)
			if err != nil {
				return nil, false
			}
			if e, ok := parts["essential"]; ok && json.Unmarshal(e, &wish.Essential) != nil {
				return nil, false
			}
			value, one := parts["value"]
			values, many := parts["values"]
			switch {
			case one && many:
				return nil, false
			case one:
				wish.Values = []json.RawMessage{value}
			case many && (json.Unmarshal(values, &wish.Values) != nil || len(wish.Values) == 0):
				return nil, false
			}
		}
		wishes[name] = wish
	}
	return wishes, true
}

func null(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

// texts gives the values of a wish; false when one of them is no string.
func (w claimWish) texts() ([]string, bool) {
	list := make([]string, len(w.Values))
	for i, v := range w.Values {
		var s *string
		if json.Unmarshal(v, &s) != nil || s == nil {
			return nil, false
		}
		list[i] = *s
	}
	return list, true
}

// accepts reports whether a claim's value is one that the wish names, or the
// wish names none.
func (w claimWish) accepts(value any) bool {
	if len(w.Values) == 0 {
		return true
	}
	b, err := json.Marshal(value)
	if err != nil {
		return false
	}
	var have any
	if json.Unmarshal(b, &have) != nil {
		return false
	}
	return slices.ContainsFunc(w.Values, func(v json.RawMessage) bool {
		var want any
		return json.Unmarshal(v, &want) == nil && reflect.DeepEqual(have, want)
	})
}

// numbers are the only people that a request accepts: those that essential
// number claims name. Nil means anybody. A client that may not have the claim
// cannot ask in this way who somebody is; it is told so, since it would take
// whoever comes for the one it named.
func (req claimsRequest) numbers(c broker.Client) ([]personnummer.Number, *protocolError) {
	var accepted []personnummer.Number
	bound := false
	for _, wishes := range []map[string]claimWish{req.IDToken, req.Userinfo} {
		for _, claim := range []string{claimPersonNumber, claimCoordination} {
			w, asked := wishes[claim]
			if !asked || !w.Essential || len(w.Values) == 0 {
				continue
			}
			if !permitted(c, claim) {
				return nil, refuse(errInvalidRequest, "claims: this client may not name a person by number")
			}
			texts, ok := w.texts()
			if !ok {
				return nil, refuse(errInvalidRequest, "claims: the value of a number claim is not a string")
			}
			var these []personnummer.Number
			for _, t := range texts {
				n, err := personnummer.FromDigits(t)
				if err != nil || n.Coordination() != (claim == claimCoordination) {
					return nil, refuse(errInvalidRequest, "claims: the value of a number claim is not such a number of 12 digits")
				}
				these = append(these, n)
			}
			if bound {
				these = slices.DeleteFunc(these, func(n personnummer.Number) bool { return !slices.Contains(accepted, n) })
			}
			accepted, bound = these, true
			if len(accepted) == 0 {
				return nil, refuse(errInvalidRequest, "claims: the number claims contradict each other")
			}
		}
	}
	return accepted, nil
}

// subject is the only subject that claims accepts (Core 5.5.1); empty: any.
func (req claimsRequest) subject() (string, *protocolError) {
	subject := ""
	for _, wishes := range []map[string]claimWish{req.IDToken, req.Userinfo} {
		w := wishes["sub"]
		if len(w.Values) == 0 {
			continue
		}
		texts, ok := w.texts()
		if !ok || len(texts) != 1 || texts[0] == "" {
			return "", refuse(errInvalidRequest, "claims: sub takes one value")
		}
		if subject != "" && subject != texts[0] {
			return "", refuse(errInvalidRequest, "claims: two different values of sub")
		}
		subject = texts[0]
	}
	return subject, nil
}

// known gives what an identity says as a claim; nil when it says nothing. One
// at a time, since evidence is large and seldom asked for.
func (p *Provider) known(claim string, i providers.Identity, e providers.Evidence) any {
	text := func(v string) any {
		if v == "" {
			return nil
		}
		return v
	}
	moment := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.Unix()
	}
	binary := func(b []byte) any {
		return text(base64.StdEncoding.EncodeToString(b))
	}
	personnummer := !i.Number.IsZero() && !i.Number.Coordination()
	switch claim {
	case claimPersonNumber:
		if personnummer {
			return i.Number.Digits()
		}
	case claimCoordination:
		if i.Number.Coordination() {
			return i.Number.Digits()
		}
	case "birthdate":
		// A samordningsnummer may hold an approximate date, and birthdate
		// promises an exact one.
		if personnummer {
			return i.Number.Birthdate().Format(time.DateOnly)
		}
	case "name":
		return text(i.Name)
	case "given_name":
		return text(i.GivenName)
	case "family_name":
		return text(i.Surname)
	case "txn":
		return text(i.Transaction)
	case claimDeviceIP:
		return text(i.DeviceIP)
	case claimValidFrom:
		return moment(i.ValidFrom)
	case claimValidTo:
		return moment(i.ValidTo)
	case claimCertificate:
		return binary(i.Certificate)
	case claimEvidence:
		return binary(e.Bytes)
	case claimSignature:
		if p.UserSignature != nil && len(e.Bytes) > 0 {
			return binary(p.UserSignature(e))
		}
	}
	return nil
}

// release chooses which claims about the person go where, by the destination
// rules of the Swedish profile: what claims names goes where claims says, what
// a scope names where the scope says, and never anything that was not asked
// for or that the client is not registered for.
func (p *Provider) release(c broker.Client, wish broker.AuthorizationWish, i providers.Identity, e providers.Evidence) (idToken, userinfo map[string]any, err error) {
	req, perr := parseClaims(wish.Claims)
	if perr != nil {
		return nil, nil, perr
	}
	idToken, userinfo = map[string]any{}, map[string]any{}
	give := func(to map[string]any, claims ...string) {
		for _, claim := range claims {
			if v := p.known(claim, i, e); v != nil {
				to[claim] = v
			}
		}
	}
	for _, scope := range wish.Scopes {
		switch scope {
		case scopePersonNumber:
			give(idToken, claimPersonNumber, claimCoordination)
			give(userinfo, claimPersonNumber, claimCoordination)
		case scopePersonInfo, scopeProfile:
			give(userinfo, "name", "given_name", "family_name", "birthdate")
		}
	}
	give(idToken, "txn")
	ask := func(to map[string]any, wishes map[string]claimWish) {
		for claim, w := range wishes {
			if !permitted(c, claim) {
				continue
			}
			switch v := p.known(claim, i, e); {
			case v == nil:
			case !w.accepts(v):
				delete(to, claim)
			default:
				to[claim] = v
			}
		}
	}
	ask(idToken, req.IDToken)
	ask(userinfo, req.Userinfo)
	for claim := range userinfo {
		if authenticationInfo(claim) {
			delete(userinfo, claim)
		}
	}
	return idToken, userinfo, nil
}
