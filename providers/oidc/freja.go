package oidc

import (
	"sigill/providers"
)

// The issuers of Freja's two worlds. They end with a slash.
const (
	FrejaIssuer     = "https://oidc.prod.frejaeid.com/oidc/"
	FrejaTestIssuer = "https://oidc-ct.test.frejaeid.com/oidc/"
)

const (
	frejaScope = "https://frejaeid.com/oidc/scopes/"
	frejaClaim = "https://frejaeid.com/oidc/claims/"
)

// Freja fills in what is not said of a connection to Freja's OpenID Provider. It
// knows client_secret_basic and client_secret_post, and no levels to ask for: that a
// registration is PLUS is seen by its claim, and nothing less is let in. Nothing says
// that it tells when the person acted, nor that it keeps sessions.
//
//	p, err := oidc.New(oidc.Freja(oidc.Config{
//		Instance: "freja", Issuer: oidc.FrejaTestIssuer, RedirectURL: issuer + "/eid/freja/back",
//		ClientID: id, AuthMethod: oidc.ClientSecretBasic, Secret: secret,
//	}))
func Freja(c Config) Config {
	if c.ID == "" {
		c.ID = providers.Freja
	}
	c.Issuer = orDefault(c.Issuer, FrejaIssuer)
	if len(c.Scopes) == 0 {
		c.Scopes = []string{
			"openid", "profile", frejaScope + "personalIdentityNumber", frejaScope + "registrationLevel", frejaScope + "transactionReference",
		}
	}
	if len(c.Claims.Number) == 0 {
		c.Claims.Number = []string{frejaClaim + "personalIdentityNumber"}
	}
	c.Claims.Country = orDefault(c.Claims.Country, frejaClaim+"country")
	c.Claims.Level = orDefault(c.Claims.Level, frejaClaim+"registrationLevel")
	c.Claims.Transaction = orDefault(c.Claims.Transaction, frejaClaim+"transactionReference")
	if len(c.Levels) == 0 {
		c.Levels = map[string]providers.Level{"PLUS": providers.Level3}
	}
	if c.AuthTime == "" && c.AuthAge == 0 {
		c.AuthTime = AuthTimeOptional
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{RS256}
	}
	return c
}
