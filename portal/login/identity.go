package login

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"sigill/portal"
	"sigill/providers/personnummer"
)

// Scopes and claims of OIDC Sweden, Claims and Scopes Specification 1.0.
const (
	scopeInfo   = "https://id.oidc.se/scope/naturalPersonInfo"
	scopeNumber = "https://id.oidc.se/scope/naturalPersonNumber"

	claimPrevious = "https://id.oidc.se/claim/previousCoordinationNumber"
)

// wishes is the parameter claims: names in the ID Token, where they are signed
// for this login, and the number that a person had before, which no scope gives.
func wishes() string {
	names := map[string]any{}
	for _, claim := range []string{"name", "given_name", "family_name", claimPrevious} {
		names[claim] = nil
	}
	raw, err := json.Marshal(map[string]any{"id_token": names})
	if err != nil {
		return "" // cannot be: it is text alone
	}
	return string(raw)
}

// levels are the levels of assurance that count: an exact table (DESIGN section
// 5, Levels).
func levels() []string {
	return []string{"http://id.swedenconnect.se/loa/1.0/uncertified-loa3", "http://id.elegnamnden.se/loa/1.0/loa3"}
}

// identity is who logged in.
type identity struct {
	Number   personnummer.Number `json:"number"`
	Previous personnummer.Number `json:"previous,omitzero"`
	Name     string              `json:"name"`
	Given    string              `json:"given"`
	Family   string              `json:"family"`
	SID      string              `json:"sid"`
	Provider string              `json:"provider"`
	Auth     int64               `json:"auth"`
}

// clockSkew is how much the issuer's clock may differ from ours.
const clockSkew = time.Minute

// identify reads who logged in from a verified ID Token. Everything that
// decides must be there, and be what was asked for.
func identify(t *oidc.IDToken, tenant portal.Tenant, p pending, now time.Time) (identity, error) {
	var c struct {
		Number       string `json:"https://id.oidc.se/claim/personalIdentityNumber"`
		Coordination string `json:"https://id.oidc.se/claim/coordinationNumber"`
		Previous     string `json:"https://id.oidc.se/claim/previousCoordinationNumber"`
		Provider     string `json:"https://id.oidc.se/claim/authnProvider"`
		Name         string `json:"name"`
		Given        string `json:"given_name"`
		Family       string `json:"family_name"`
		Level        string `json:"acr"`
		SID          string `json:"sid"`
		Auth         int64  `json:"auth_time"`
	}
	if t.Claims(&c) != nil {
		return identity{}, errors.New("unreadable claims")
	}
	i := identity{Name: strings.TrimSpace(c.Name), Given: c.Given, Family: c.Family, SID: c.SID, Provider: c.Provider, Auth: c.Auth}
	if i.Name == "" {
		i.Name = strings.TrimSpace(i.Given + " " + i.Family)
	}
	digits, coordination := c.Number, false
	if digits == "" {
		digits, coordination = c.Coordination, true
	}
	var err error
	i.Number, err = personnummer.FromDigits(digits)
	auth := time.Unix(c.Auth, 0)
	switch {
	case err != nil || c.Number != "" && c.Coordination != "" || i.Number.Coordination() != coordination:
		return identity{}, errors.New("no number, or not one")
	case c.SID == "" || len(c.SID) > 256:
		return identity{}, errors.New("no sid")
	case !slices.Contains(levels(), c.Level):
		return identity{}, errors.New("another level of assurance")
	case len(tenant.Providers) > 0 && !slices.Contains(tenant.Providers, c.Provider):
		return identity{}, errors.New("an e-ID that the tenant does not accept")
	case c.Auth <= 0 || auth.After(now.Add(clockSkew)):
		return identity{}, errors.New("no time of authentication, or one to come")
	case p.Fresh && auth.Before(time.Unix(p.Began, 0).Add(-clockSkew)):
		// Somebody took prompt=login out of the address on the way.
		return identity{}, errors.New("an old authentication where a new one was asked for")
	}
	if c.Previous != "" {
		if i.Previous, err = personnummer.FromDigits(c.Previous); err != nil || !i.Previous.Coordination() {
			return identity{}, errors.New("a previous number that is none")
		}
	}
	return i, nil
}

// accepted reports whether a tenant takes somebody who logged in with another of
// its group. What the register says of the person is the same for both.
func (i identity) accepted(t portal.Tenant) bool {
	return (t.Coordination || !i.Number.Coordination()) && (len(t.Providers) == 0 || slices.Contains(t.Providers, i.Provider))
}

// visitor is the person as the rooms of the portal see them.
func (l *Logins) visitor(t portal.Tenant, i identity) (portal.Visitor, error) {
	v := portal.Visitor{
		Group: t.Group, Tenant: t.ID, Number: i.Number, Name: i.Name, Given: i.Given, Family: i.Family, Auth: time.Unix(i.Auth, 0),
	}
	var err error
	if v.Key, err = l.Vault.Person(t.Group, i.Number); err == nil && !i.Previous.IsZero() {
		v.Previous, err = l.Vault.Person(t.Group, i.Previous)
	}
	if err != nil {
		return portal.Visitor{}, err
	}
	return v, nil
}
