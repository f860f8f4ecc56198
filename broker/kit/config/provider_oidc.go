package config

import (
	"time"

	"sigill/broker/kit/config/strict"
	"sigill/providers"
)

// OIDC are the settings of kind oidc: one OpenID Provider that stands for an e-ID.
type OIDC struct {
	Issuer     string // exactly as it calls itself
	ClientID   string
	AuthMethod string // private_key_jwt, client_secret_basic or client_secret_post
	SecretFile string
	KeyFile    string
	// Preset fills in what is not said: freja, or empty.
	Preset       string
	Scopes       []string
	ACRValues    []string
	Prompt       string
	Algorithms   []string // of ID Tokens
	Claims       map[string]string
	LevelClaim   string
	Levels       map[string]providers.Level
	Userinfo     bool
	CoordNumbers bool
	TLSRootFile  string
	// CredentialEnds is when the secret or key ends at the issuer; zero: not known.
	CredentialEnds time.Time
	// AssertionAudience is whom our assertions are for, where that is not the issuer.
	AssertionAudience string
	// MaxAge is how old an ID Token may be, AuthAge how long before the login the
	// person may have acted.
	Skew, MaxAge, AuthAge time.Duration
	AuthTime              string // required or optional; empty: as the preset has it, or required
}

func readOIDC(m *strict.Map) OIDC {
	o := OIDC{
		Issuer: readService(m.Get("issuer").Required(), "https://oidc.prod.frejaeid.com/oidc/"), ClientID: m.Get("client_id").Required().Text(),
		Preset: m.Get("preset").OneOf("freja"),
	}
	method := m.Get("auth_method").Required()
	o.AuthMethod = method.OneOf("private_key_jwt", "client_secret_basic", "client_secret_post")
	secret, key := m.Get("client_secret_file"), m.Get("key_file")
	if o.AuthMethod == "private_key_jwt" {
		o.KeyFile = readSecretFile(key.Required())
		if secret.Present() {
			secret.Fault("does not go with private_key_jwt")
		}
	} else {
		o.SecretFile = readSecretFile(secret.Required())
		if key.Present() {
			key.Fault("goes with private_key_jwt alone")
		}
	}
	o.Scopes = m.Get("scopes").Texts()
	o.ACRValues = m.Get("acr_values").Texts()
	o.Prompt = m.Get("prompt").OneOf("login", "consent", "none")
	for _, item := range m.Get("id_token_algs").List() {
		o.Algorithms = append(o.Algorithms, item.Required().OneOf("RS256", "PS256", "ES256"))
	}
	if claims := m.Get("claims"); claims.Present() {
		o.Claims = map[string]string{}
		c := claims.Map()
		for _, name := range []string{"number", "country", "name", "given_name", "surname", "transaction"} {
			if s := c.Get(name).Text(); s != "" {
				o.Claims[name] = s
			}
		}
		c.Close()
	}
	if level := m.Get("level"); level.Present() {
		l := level.Map()
		o.LevelClaim = l.Get("claim").Required().Text()
		o.Levels = map[string]providers.Level{}
		for _, e := range l.Get("values").Required().Map().Entries() {
			o.Levels[e.Key] = readLevel(e.Required())
		}
		l.Close()
	}
	o.Userinfo = m.Get("userinfo").Bool()
	o.CoordNumbers = m.Get("coordination_numbers").Bool()
	o.TLSRootFile = readExisting(m.Get("tls_root_file"))
	o.AssertionAudience = m.Get("assertion_audience").Text()
	o.CredentialEnds = m.Get("credential_ends").Date()
	readAuthTime(m, &o)
	o.Skew = durationOr(m.Get("clock_skew"), time.Second, 5*time.Minute, time.Minute)
	o.MaxAge = durationOr(m.Get("max_age"), 10*time.Second, time.Hour, 5*time.Minute)
	if o.Preset == "" && (o.Claims["number"] == "" || len(o.Levels) == 0) {
		m.Get("claims").Fault("must say which claim holds the number, and level which claim says how strong the e-ID is; or name a preset")
	}
	return o
}

// readAuthTime reads what is asked of an issuer about when the person acted. One that
// need not say may have had a session, unless it is asked to have the person log in.
func readAuthTime(m *strict.Map, o *OIDC) {
	age := m.Get("auth_age")
	o.AuthAge = age.Duration(time.Second, time.Hour)
	o.AuthTime = m.Get("auth_time").OneOf("required", "optional")
	if o.AuthTime == "optional" && age.Present() {
		age.Fault("does not go with an issuer that need not say when the person acted")
	}
	silent := o.AuthTime == "optional" || o.AuthTime == "" && o.Preset == "freja" && !age.Present()
	if silent && o.Prompt != "" && o.Prompt != "login" {
		m.Get("prompt").Fault("does not go with an issuer that need not say when the person acted (auth_time): it may have asked nobody")
	}
}
