package oidc

import (
	"slices"
	"strings"
	"time"

	"sigill/testidp/persons"
)

// A Profile says which claims an issuer delivers, for which scopes and where.
type Profile struct {
	Name            string
	Claims          []Claim
	ACR             string        // the level in the claim acr; empty: there is none
	LowACR          string        // what acr says with the fault lowerLevel
	TokenLife       time.Duration // of ID Tokens; zero: 5 min
	SignedUserInfo  bool          // UserInfo answers with a JWT
	ClaimsParameter bool          // understands the parameter claims
	UserMessage     bool          // understands OIDC Sweden's userMessage
}

// A Claim is one of a person's claims.
type Claim struct {
	Name     string
	Scope    string // the scope that asks for it; empty: always there
	Value    Value
	IDToken  bool // stands in the ID Token
	UserInfo bool // stands in the UserInfo answer
}

// A Value is what a claim says of a person.
type Value string

// The values.
const (
	Number       Value = "number"       // twelve digits, of either kind
	Personnummer Value = "personnummer" // only if it is one
	Coordination Value = "coordination" // only if it is a samordningsnummer
	Country      Value = "country"      // SE
	Registration Value = "registration" // Freja's registration level: PLUS
	LoA          Value = "loa"          // Freja's level of assurance: LOA3
	FullName     Value = "name"
	GivenName    Value = "given_name"
	FamilyName   Value = "family_name"
	Birthdate    Value = "birthdate"   // YYYY-MM-DD
	Transaction  Value = "transaction" // the order's id
	UserID       Value = "user"        // what this client knows the person by
	Provider     Value = "provider"    // which e-ID it was
)

const (
	frejaScopes  = "https://frejaeid.com/oidc/scopes/"
	frejaClaims  = "https://frejaeid.com/oidc/claims/"
	swedenScopes = "https://id.oidc.se/scope/"
	swedenClaims = "https://id.oidc.se/claim/"
)

// Freja is the profile of Freja's OpenID Connect: every claim has a scope, the
// level is in claims and not in acr.
func Freja() Profile {
	p := Profile{Name: "freja", TokenLife: time.Hour}
	add := func(scope, name string, v Value) {
		p.Claims = append(p.Claims, Claim{Name: name, Scope: scope, Value: v, IDToken: true, UserInfo: true})
	}
	add("profile", "name", FullName)
	add("profile", "given_name", GivenName)
	add("profile", "family_name", FamilyName)
	add(frejaScopes+"personalIdentityNumber", frejaClaims+"personalIdentityNumber", Number)
	add(frejaScopes+"personalIdentityNumber", frejaClaims+"country", Country)
	add(frejaScopes+"registrationLevel", frejaClaims+"registrationLevel", Registration)
	add(frejaScopes+"loaLevel", frejaClaims+"loaLevel", LoA)
	add(frejaScopes+"birthdate", "birthdate", Birthdate)
	add(frejaScopes+"relyingPartyUserId", frejaClaims+"relyingPartyUserId", UserID)
	add(frejaScopes+"transactionReference", frejaClaims+"transactionReference", Transaction)
	return p
}

// Sweden is the profile of an issuer by OIDC Sweden: the level is in acr, the
// number in both places, the name from UserInfo alone, which is signed.
func Sweden() Profile {
	p := Profile{
		Name: "sweden", ACR: "http://id.elegnamnden.se/loa/1.0/loa3", LowACR: "http://id.elegnamnden.se/loa/1.0/loa2",
		SignedUserInfo: true, ClaimsParameter: true, UserMessage: true,
	}
	p.Claims = append(p.Claims, []Claim{
		{Name: swedenClaims + "personalIdentityNumber", Scope: swedenScopes + "naturalPersonNumber", Value: Personnummer, IDToken: true, UserInfo: true},
		{Name: swedenClaims + "coordinationNumber", Scope: swedenScopes + "naturalPersonNumber", Value: Coordination, IDToken: true, UserInfo: true},
		{Name: "name", Scope: swedenScopes + "naturalPersonInfo", Value: FullName, UserInfo: true},
		{Name: "given_name", Scope: swedenScopes + "naturalPersonInfo", Value: GivenName, UserInfo: true},
		{Name: "family_name", Scope: swedenScopes + "naturalPersonInfo", Value: FamilyName, UserInfo: true},
		{Name: "birthdate", Scope: swedenScopes + "naturalPersonInfo", Value: Birthdate, UserInfo: true},
		{Name: swedenClaims + "authnProvider", Value: Provider, IDToken: true},
		{Name: "txn", Value: Transaction, IDToken: true},
	}...)
	return p
}

func (p Profile) scopes() []string {
	out := []string{"openid"}
	for _, c := range p.Claims {
		if c.Scope != "" && !slices.Contains(out, c.Scope) {
			out = append(out, c.Scope)
		}
	}
	return out
}

func (p Profile) claimNames() []string {
	out := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "jti"}
	if p.ACR != "" {
		out = append(out, "acr")
	}
	for _, c := range p.Claims {
		out = append(out, c.Name)
	}
	return out
}

// named finds the names of claims with a value.
func (p Profile) named(v ...Value) []string {
	var out []string
	for _, c := range p.Claims {
		if slices.Contains(v, c.Value) {
			out = append(out, c.Name)
		}
	}
	return out
}

// value is what a claim says of a person, nil if it says nothing.
func (i *Issuer) value(v Value, g *grant, who persons.Person) any {
	coordination := who.Has(persons.Samordningsnummer)
	switch v {
	case Number:
		return who.Number
	case Personnummer:
		if !coordination {
			return who.Number
		}
	case Coordination:
		if coordination {
			return who.Number
		}
	case Country:
		return "SE"
	case Registration:
		return "PLUS"
	case LoA:
		return "LOA3"
	case FullName:
		return who.Name()
	case GivenName:
		return who.Given
	case FamilyName:
		return who.Surname
	case Birthdate:
		return birthdate(who.Number)
	case Transaction:
		return g.order
	case UserID:
		return strings.ToUpper(i.sub(g.client, who.Number))
	case Provider:
		return i.Issuer()
	}
	return nil
}

// birthdate reads the date out of a number; the day of a samordningsnummer is 60
// higher.
func birthdate(number string) string {
	day := []byte(number[6:8])
	if day[0] >= '6' {
		day[0] -= 6
	}
	return number[:4] + "-" + number[4:6] + "-" + string(day)
}
