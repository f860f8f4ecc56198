package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigill/broker"
	"sigill/broker/kit/config/strict"
	"sigill/broker/kit/design"
	"sigill/providers"
)

// minSecret is the least length of a client's secret: 128 bits as base64. The
// secret is kept as a plain digest, so it must be random and not a password.
const minSecret = 22

// maxLogo bounds a logo, which stands on every page of a login.
const maxLogo = 200 << 10

var clientID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~:/-]{0,127}$`)

// The scopes that a client may be given, short and in full.
const scopePrefix = "https://id.oidc.se/scope/"

var (
	plainScopes   = []string{"openid", "profile", scopeSigning}
	swedishScopes = []string{"naturalPersonInfo", "naturalPersonNumber"}
)

// scopeSigning lets a client have documents signed, with credentials of its own.
// It needs no address that people are sent to.
const scopeSigning = "signing"

// ClientRules is what clients are checked against.
type ClientRules struct {
	Providers []Provider // the instances that they may name
	// Loopback says that the installation runs on this machine alone, where
	// secrets may be simple.
	Loopback bool
	// Bare lets clients without secret and keys through: they get a secret.
	Bare bool
	// Logos is the folder that themes take logos from; empty: none.
	Logos string
}

// LoadClients reads a file that holds one client, or a list of clients, in the
// format of the configuration.
func LoadClients(file string, rules ClientRules) ([]broker.Client, []strict.Fault, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, nil, err
	}
	f, root := strict.Parse(file, data)
	var clients []broker.Client
	switch {
	case root.IsMap():
		clients = []broker.Client{readClient(root, rules)}
	case root.Present():
		clients = readClients(root, rules)
	}
	if err := f.Err(); err != nil {
		return nil, f.Warnings(), err
	}
	return clients, f.Warnings(), nil
}

func readClients(v strict.Value, rules ClientRules) []broker.Client {
	var list []broker.Client
	for _, item := range v.List() {
		c := readClient(item, rules)
		if c.ID == "" {
			continue
		}
		if slices.ContainsFunc(list, func(o broker.Client) bool { return o.ID == c.ID }) {
			item.Fault("there is another client with the id %s", c.ID)
			continue
		}
		list = append(list, c)
	}
	return list
}

func readClient(v strict.Value, rules ClientRules) broker.Client {
	m := v.Required().Map()
	defer m.Close()
	var c broker.Client
	id := m.Get("id").Required()
	if c.ID = id.Text(); c.ID != "" && !clientID.MatchString(c.ID) {
		id.Fault("must be letters, digits and . _ ~ : / - , at most 128")
		c.ID = ""
	}
	c.Name = readName(m.Get("name").Required())
	c.NameEN = readName(m.Get("name_en"))
	c.Home = readAddress(m.Get("home"))
	c.Profile = broker.Profile(m.Get("profile").OneOf(string(broker.ProfileBasic), string(broker.ProfileSweden)))
	if c.Profile == "" {
		c.Profile = broker.ProfileSweden
	}
	c.Scopes = readScopes(m.Get("scopes"))
	signs := slices.Contains(c.Scopes, scopeSigning)
	redirects := m.Get("redirect_uris")
	if !signs {
		redirects.Required()
	}
	c.RedirectURIs = readAddresses(redirects)
	if redirects.IsList() && len(redirects.List()) == 0 {
		redirects.Fault("must name at least one address")
	}
	if signs && strings.Contains(c.ID, "/") {
		id.Fault("must not hold a / where the scope signing is: it stands in addresses")
	}
	c.PostLogoutRedirectURIs = readAddresses(m.Get("post_logout_redirect_uris"))
	readCredentials(v, m, &c, rules)
	readCallbacks(m, &c, rules)
	c.AskingBody = readName(m.Get("asking_body"))
	readOffered(m.Get("providers"), &c, rules.Providers)
	readAlgorithms(m, &c)
	c.RequirePKCE = c.Profile == broker.ProfileSweden
	if m.Get("require_pkce").Present() {
		c.RequirePKCE = m.Get("require_pkce").Bool()
	}
	c.Sector = readWord(m.Get("sector"))
	c.SSOGroup = readWord(m.Get("sso_group"))
	c.NoCoordination = m.Get("samordningsnummer").OneOf("allow", "deny") == "deny"
	c.MinAge = m.Get("min_age").Int(0, 120)
	c.Theme = readTheme(m.Get("theme"), rules)
	return c
}

func readName(v strict.Value) string {
	s := strings.TrimSpace(v.Text())
	if len(s) > 100 || strings.ContainsAny(s, "\n\t") {
		v.Fault("must be one line of at most 100 letters")
		return ""
	}
	return s
}

func readWord(v strict.Value) string {
	s := v.Text()
	if s != "" && !clientID.MatchString(s) {
		v.Fault("must be letters, digits and . _ ~ : / - , at most 128")
	}
	return s
}

func readAddresses(v strict.Value) []string {
	var list []string
	for _, item := range v.List() {
		s := readAddress(item.Required())
		switch {
		case s == "":
		case slices.Contains(list, s):
			item.Fault("stands there twice")
		default:
			list = append(list, s)
		}
	}
	return list
}

// readAddress reads where a browser may be sent. It is compared letter by
// letter later, so it must stand here exactly as the client sends it.
func readAddress(v strict.Value) string {
	s := v.Text()
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || len(s) > 2000 || strings.ContainsAny(s, " \n\t\\"):
		v.Fault("must be a whole address such as https://app.example.se/callback")
	case strings.Contains(s, "*"):
		v.Fault("must be one address; wildcards (*) are not understood")
	case strings.Contains(s, "#"):
		v.Fault("must not have a fragment (#)")
	case u.User != nil:
		v.Fault("must not hold a user name")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname())):
		v.Fault("must begin with https; plain http is only for localhost")
	default:
		return s
	}
	return ""
}

// readCallbacks reads where a client may have itself called, and with which
// secret those calls are signed.
func readCallbacks(m *strict.Map, c *broker.Client, rules ClientRules) {
	for _, item := range m.Get("callback_origins").List() {
		s := readAddress(item.Required())
		if s == "" {
			continue
		}
		switch u, err := url.Parse(s); {
		case err != nil || s != u.Scheme+"://"+u.Host:
			item.Fault("must be a scheme and a host alone, such as https://app.example.se")
		case s != strings.ToLower(s):
			item.Fault("must be in lower case, as browsers write it")
		case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80", strings.HasSuffix(u.Host, ":"):
			item.Fault("must leave the port out, as browsers do")
		case slices.Contains(c.CallbackOrigins, s):
			item.Fault("stands there twice")
		default:
			c.CallbackOrigins = append(c.CallbackOrigins, s)
		}
	}
	loopback := m.Get("loopback_callbacks")
	if c.LoopbackCallbacks = loopback.Bool(); c.LoopbackCallbacks && !rules.Loopback {
		loopback.Fault("is only for installations whose issuer is on localhost")
		c.LoopbackCallbacks = false
	}
	secret := m.Get("webhook_secret_file")
	c.WebhookSecret = readWebhookSecret(secret)
	// Without one every call would be given up.
	if slices.Contains(c.Scopes, scopeSigning) && !secret.Present() && (loopback.Bool() || len(m.Get("callback_origins").List()) > 0) {
		secret.Fault("is missing: where a client is called, the calls are signed")
	}
}

// readWebhookSecret reads a secret in the form of Standard Webhooks: "whsec_"
// and 24 to 64 random bytes in base64.
func readWebhookSecret(v strict.Value) []byte {
	if !v.Present() {
		return nil
	}
	text := readSecret(v)
	if text == "" {
		return nil // said already
	}
	encoded, ok := strings.CutPrefix(text, "whsec_")
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || strings.ContainsAny(encoded, "\r\n") || len(secret) < 24 || len(secret) > 64 {
		v.Fault("must name a file that holds whsec_ and 24 to 64 random bytes in base64")
		return nil
	}
	return secret
}

func readCredentials(v strict.Value, m *strict.Map, c *broker.Client, rules ClientRules) {
	inline, file, set := m.Get("secret"), m.Get("secret_file"), m.Get("jwks")
	secret, at := inline.Text(), inline
	if file.Present() {
		secret, at = readSecret(file), file
	}
	if inline.Present() && !rules.Loopback {
		inline.Warn("stands in the file itself; a secret_file can be kept from readers")
	}
	c.SecretHash = digestOf(at, secret, rules)
	if previous := m.Get("previous_secret_file"); previous.Present() {
		c.PreviousSecretHash = digestOf(previous, readSecret(previous), rules)
		switch {
		case !file.Present():
			previous.Fault("is only for clients with a secret_file")
		case c.PreviousSecretHash != nil && bytes.Equal(c.PreviousSecretHash, c.SecretHash):
			previous.Fault("holds the same secret as secret_file")
		}
	}
	c.JWKS = readJWKS(set)

	given := 0
	for _, x := range []strict.Value{inline, file, set} {
		if x.Present() {
			given++
		}
	}
	switch {
	case given > 1:
		v.Fault("give one of secret, secret_file and jwks, not several")
	case given == 0 && !rules.Bare:
		v.Fault("give a secret_file, or the client's public keys in jwks")
	}
	method := m.Get("auth_method")
	c.AuthMethod = broker.AuthMethod(method.OneOf(string(broker.SecretBasic), string(broker.SecretPost), string(broker.SecretAny), string(broker.PrivateKeyJWT)))
	switch {
	case c.AuthMethod == "" && set.Present():
		c.AuthMethod = broker.PrivateKeyJWT
	case c.AuthMethod == "":
		c.AuthMethod = broker.SecretAny
	case c.AuthMethod == broker.PrivateKeyJWT && !set.Present():
		method.Fault("needs the client's public keys in jwks")
	case c.AuthMethod != broker.PrivateKeyJWT && set.Present():
		method.Fault("needs a secret, not jwks")
	}
}

// digestOf is what is kept of a client's secret; nil where there is none.
func digestOf(at strict.Value, secret string, rules ClientRules) []byte {
	if secret == "" {
		return nil
	}
	if len(secret) < minSecret && !rules.Loopback {
		at.Fault("is too short: make at least %d random letters and digits", minSecret)
	}
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// readSecret reads the first line of a file that only the owner should read.
func readSecret(v strict.Value) string {
	_, secret := readNamedSecret(v)
	return secret
}

// readNamedSecret does the same and gives the path too.
func readNamedSecret(v strict.Value) (path, secret string) {
	path = readSecretFile(v)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return path, "" // said already
	}
	secret, err := ReadSecret(path)
	if errors.Is(err, errSecretLine) {
		v.Fault("%s must hold the secret on its only line", filepath.Base(path))
	}
	return path, secret // empty: said already
}

var errSecretLine = errors.New("must hold the secret on its only line")

// ReadSecret reads the file of a secret that the configuration names: one line.
func ReadSecret(file string) (string, error) {
	data, err := readFile(file)
	if err != nil {
		return "", err
	}
	secret := string(bytes.TrimRight(data, "\r\n"))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("%s: %w", filepath.Base(file), errSecretLine)
	}
	return secret, nil
}

func readScopes(v strict.Value) []string {
	var list []string
	for _, item := range v.List() {
		s := item.Required().Text()
		switch short := strings.TrimPrefix(s, scopePrefix); {
		case s == "" || s == "openid":
			continue
		case slices.Contains(plainScopes, s):
		case slices.Contains(swedishScopes, short):
			s = scopePrefix + short
		default:
			item.Fault("must be one of: %s", strings.Join(slices.Concat(plainScopes, swedishScopes), ", "))
			continue
		}
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// readOffered reads the e-IDs of a client: a list, or a mapping that says which
// instance stands behind each.
func readOffered(v strict.Value, c *broker.Client, instances []Provider) {
	if !v.Present() {
		return
	}
	offers := func(instance string, id providers.ID) bool {
		return slices.ContainsFunc(instances, func(p Provider) bool {
			return (instance == "" || p.Name == instance) && slices.Contains(p.Offers, id)
		})
	}
	c.Providers = map[providers.ID]string{}
	add := func(at strict.Value, name, instance string) {
		id := providers.ID(name)
		_, twice := c.Providers[id]
		switch {
		case !id.Known() && !offers("", id):
			at.Fault("there is no e-ID %q; known are bankid, mbankid, freja, telia and what the providers here offer", name)
			return
		case twice:
			at.Fault("stands there twice")
			return
		case instance != "" && !slices.ContainsFunc(instances, func(p Provider) bool { return p.Name == instance }):
			at.Fault("there is no provider named %s", instance)
		case instance != "" && !offers(instance, id):
			at.Fault("the provider %s does not offer %s", instance, id)
		case !offers(instance, id):
			at.Warn("%s is not offered by any provider here and will not be shown", id)
		}
		c.Providers[id] = instance
		c.ProviderOrder = append(c.ProviderOrder, id)
	}
	if v.IsMap() {
		m := v.Map()
		for _, e := range m.Entries() {
			add(e.Value, e.Key, e.Required().Text())
		}
	} else {
		for _, item := range v.List() {
			if name := item.Required().Text(); name != "" {
				add(item, name, "")
			}
		}
	}
	if v.IsMap() && len(v.Map().Entries()) == 0 || v.IsList() && len(v.List()) == 0 {
		v.Fault("must name at least one e-ID; leave it out to offer all")
	}
}

func readAlgorithms(m *strict.Map, c *broker.Client) {
	c.IDTokenAlg = m.Get("id_token_alg").OneOf("ES256", "RS256")
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = "ES256"
		if c.Profile == broker.ProfileBasic {
			c.IDTokenAlg = "RS256" // what a client expects that has registered nothing else
		}
	}
	userinfo := m.Get("userinfo_alg")
	switch alg := userinfo.OneOf("ES256", "RS256", "none"); {
	case alg == "none" && c.Profile == broker.ProfileSweden:
		userinfo.Fault("the profile sweden demands signed userinfo: ES256 or RS256")
	case alg == "none":
	case alg == "" && c.Profile == broker.ProfileSweden:
		c.UserinfoAlg = c.IDTokenAlg
	default:
		c.UserinfoAlg = alg
	}
}

// readTheme reads the look of a client on our pages.
func readTheme(v strict.Value, rules ClientRules) broker.Theme {
	m := v.Map()
	defer m.Close()
	var t broker.Theme
	accent := m.Get("accent")
	if t.Accent = accent.Text(); t.Accent != "" {
		if err := design.CheckTheme(t.Accent); err != nil {
			accent.Fault("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
			t.Accent = ""
		}
	}
	logo := m.Get("logo")
	t.Logo = logo.Text()
	switch ext := strings.ToLower(filepath.Ext(t.Logo)); {
	case t.Logo == "":
	case t.Logo != filepath.Base(t.Logo) || ext != ".svg" && ext != ".png":
		logo.Fault("must be the name of a .svg or .png file in the folder logos")
	case rules.Logos == "":
		logo.Fault("needs the folder that holds it: logos at the top of the configuration")
	default:
		if info, err := os.Stat(filepath.Join(rules.Logos, t.Logo)); err != nil || !info.Mode().IsRegular() {
			logo.Fault("there is no file %s in the folder %s", t.Logo, rules.Logos)
		} else if info.Size() > maxLogo {
			logo.Fault("is larger than %d kB", maxLogo>>10)
		}
	}
	return t
}
