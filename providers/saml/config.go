package saml

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"sigill/providers"
	"sigill/providers/saml/metadata"
)

// Config is one connection to an identity provider. Zero values are the profile's
// defaults, unless it says that a field must be set.
type Config struct {
	ID       providers.ID
	Instance string
	Title    providers.Text // must be set, unless the ID is a known one
	Help     providers.Help

	IdP     string // entityID of the identity provider; must be set
	Binding Binding
	Login   SP    // must be set
	Sign    SP    // zero: this connection cannot sign
	About   About // what our metadata tells of us

	// Request is the list of levels that are asked for, best first. AskNoLevel
	// sends none, for identity providers that refuse the question; what they
	// answer is checked all the same.
	Request    []string
	AskNoLevel bool
	// Levels is the table of levels that are accepted, and what they are to us.
	Levels   map[string]providers.Level
	Approved bool // our service is approved for level 3

	NameID   string // the short name of a format, a URI, or "none"; default persistent
	AllowSSO bool   // a login may be answered from an earlier one (ForceAuthn false) …
	// … that is so old at most when ours begins. Zero: an hour, and without AllowSSO
	// no older than ours.
	AuthAge    time.Duration
	Attributes Attributes
	// CoordNumbers accepts a samordningsnummer, and says so in our metadata.
	CoordNumbers bool
	// MappedBy are the ways of binding a Swedish number to a foreign e-ID that are
	// good enough. Empty: a mapped number is not accepted.
	MappedBy []string

	PrincipalSelection Setting
	UserMessage        Setting
	EncryptSignMessage bool     // to the key in the identity provider's metadata; must be set where requests go in addresses
	IDPList            []string // whom a proxy is to ask (Scoping), and must have asked
	RequesterID        string   // the service on whose behalf we ask (Scoping); empty: none

	AllowUnencrypted bool     // an assertion may come in clear
	Ciphers          []string // block ciphers that are accepted, by URI or short name (aes128-gcm); empty: AES in CBC and GCM
	Skew             time.Duration
	MaxAge           time.Duration // of a response

	Source Source
	Replay providers.Replay
	Clock  func() time.Time
	Log    *slog.Logger
}

// Source is where the identity provider's metadata comes from: trusted, and valid
// at the moment. A Source may also be a providers.Runner, Checker and Dated.
type Source interface {
	IdP(entityID string) (metadata.IdP, error)
}

// Binding is how requests go out.
type Binding string

const (
	Auto     Binding = ""         // redirect, unless there is a person or a text in it, or too much; also "auto"
	Redirect Binding = "redirect" // HTTP-Redirect
	Post     Binding = "post"     // HTTP-POST
)

// Setting is when an extension is used.
type Setting string

const (
	ByMetadata Setting = ""    // where the identity provider's metadata says that it understands it; also "auto"
	On         Setting = "on"  // always
	Off        Setting = "off" // never
)

// SP is one of our service providers.
type SP struct {
	EntityID string // the address of its metadata
	ACS      string // where responses go: the address of BackPath or SignBackPath
	Signing  Key
	Decrypt  []Key // the first is published, all are tried
	// Categories are the entity categories of our metadata besides those that
	// follow from the configuration.
	Categories []string
}

// Key is a private RSA key with the certificate that carries its public half. Of
// the certificate nothing else means anything.
type Key struct {
	Private     crypto.Signer
	Certificate *x509.Certificate
}

// About is what our metadata tells people of us.
type About struct {
	Name            providers.Text // of the service; must be set
	Description     providers.Text
	Logo            Logo
	Organization    providers.Text
	OrganizationURL providers.Text
	Contacts        []Contact
}

// Logo is a picture at a public address, Contact whom the identity provider's
// people turn to.
type (
	Logo    = metadata.Logo
	Contact = metadata.Contact
)

// LoadKey reads a certificate and its private key from PEM.
func LoadKey(certificate, key []byte) (Key, error) {
	block, _ := pem.Decode(certificate)
	if block == nil || block.Type != "CERTIFICATE" {
		return Key{}, errors.New("saml: no certificate in PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("saml: certificate: %w", err)
	}
	if block, _ = pem.Decode(key); block == nil {
		return Key{}, errors.New("saml: no private key in PEM")
	}
	var private any
	switch block.Type {
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return Key{}, errors.New("saml: the private key must be RSA in PKCS#8 or PKCS#1")
	}
	if err != nil {
		return Key{}, errors.New("saml: the private key cannot be read")
	}
	signer, ok := private.(*rsa.PrivateKey)
	if !ok {
		return Key{}, errors.New("saml: the private key is not RSA")
	}
	k := Key{Private: signer, Certificate: c}
	if err := k.check(); err != nil {
		return Key{}, fmt.Errorf("saml: %w", err)
	}
	return k, nil
}

// minBits is the least RSA key of the profile.
const minBits = 2048

func (k Key) check() error {
	if k.Private == nil || k.Certificate == nil {
		return errors.New("no key")
	}
	public, ok := k.Private.Public().(*rsa.PublicKey)
	switch {
	case !ok:
		return errors.New("the key is not RSA")
	case public.N.BitLen() < minBits:
		return fmt.Errorf("the key is shorter than %d bits", minBits)
	case !public.Equal(k.Certificate.PublicKey):
		return errors.New("key and certificate do not belong together")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Title == (providers.Text{}) && c.ID.Known() {
		c.Title = providers.Text{SV: c.ID.Name(), EN: c.ID.Name()}
	}
	if c.Request == nil && !c.AskNoLevel {
		c.Request = []string{LoA3, UncertifiedLoA3}
	}
	if c.Levels == nil {
		c.Levels = DefaultLevels(c.ID, c.Approved)
	} else {
		c.Levels = capped(c.Levels, c.ID, c.Approved)
	}
	if c.Binding == "auto" {
		c.Binding = Auto
	}
	for _, s := range []*Setting{&c.PrincipalSelection, &c.UserMessage} {
		if *s == "auto" {
			*s = ByMetadata
		}
	}
	switch c.NameID {
	case "", "persistent":
		c.NameID = persistent
	case "transient":
		c.NameID = transient
	}
	if c.Attributes.Names == nil {
		c.Attributes = SwedenConnect()
	}
	c.Attributes = c.Attributes.clone()
	if len(c.Ciphers) == 0 {
		c.Ciphers = DefaultCiphers()
	}
	c.Ciphers = slices.Clone(c.Ciphers)
	for i, name := range c.Ciphers {
		c.Ciphers[i] = cipherURI(name)
	}
	if c.AllowSSO && c.AuthAge == 0 {
		c.AuthAge = time.Hour
	}
	if c.Skew == 0 {
		c.Skew = time.Minute
	}
	if c.MaxAge == 0 {
		c.MaxAge = 90 * time.Second
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = discard()
	}
	return c
}

// faults are all that is wrong with a configuration.
func (c Config) faults() []error {
	var all []error
	bad := func(field, format string, args ...any) {
		all = append(all, fmt.Errorf(field+": "+format, args...))
	}
	if !c.ID.Valid() || c.ID == providers.BankID || c.ID == providers.MBankID || c.ID == providers.Freja {
		bad("id", "cannot be e-ID %q", c.ID)
	}
	if c.Title.SV == "" || c.Title.EN == "" {
		bad("title", "must be set in Swedish and English")
	}
	if c.IdP == "" {
		bad("idp", "the entityID of the identity provider is missing")
	}
	switch c.Binding {
	case Auto, Redirect, Post:
	default:
		bad("binding", "neither redirect, post nor auto")
	}
	if c.Binding == Redirect && c.PrincipalSelection == On {
		bad("principal_selection", "on with redirect would put personal numbers into addresses")
	}
	if c.Binding == Redirect && c.signs() && !c.EncryptSignMessage {
		bad("encrypt_sign_message", "must be true with redirect: texts to sign would stand in addresses, in clear")
	}
	for field, s := range map[string]Setting{
		"principal_selection": c.PrincipalSelection, "user_message": c.UserMessage,
	} {
		switch s {
		case ByMetadata, On, Off:
		default:
			bad(field, "neither on, off nor empty")
		}
	}
	all = append(all, c.Login.faults("login")...)
	if c.signs() {
		all = append(all, c.Sign.faults("sign")...)
		if c.Sign.EntityID == c.Login.EntityID || c.Sign.ACS == c.Login.ACS {
			bad("sign", "must be another service provider than the one that logs in")
		}
		if len(c.Attributes.Names[Digest]) == 0 {
			bad("attributes", "nothing names %s, which every signature needs", Digest)
		}
	}
	if c.AskNoLevel && len(c.Request) > 0 {
		bad("request", "levels are named that are not to be asked for")
	}
	for _, loa := range c.Request {
		if c.Levels[loa] == providers.LevelNone {
			bad("request", "level %s is asked for and would not be accepted", loa)
		}
	}
	for loa, level := range c.Levels {
		if slices.Contains(tooLow(), loa) && level != providers.LevelNone {
			bad("levels", "%s is below level 3, or of people without a Swedish number", loa)
		}
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(c.Levels)), func(l providers.Level) bool { return l != providers.LevelNone }) {
		bad("levels", "none would be accepted")
	}
	if len(c.Attributes.Names[Number]) == 0 {
		bad("attributes", "nothing names %s", Number)
	}
	for claim := range c.Attributes.Names {
		if !claim.known() {
			bad("attributes", "no claim is called %q", claim)
		}
	}
	for _, claim := range c.Attributes.Required {
		if len(c.Attributes.Names[claim]) == 0 {
			bad("attributes", "%s is required, but nothing names it", claim)
		}
	}
	for _, cipher := range c.Ciphers {
		if !slices.Contains(DefaultCiphers(), cipher) {
			bad("ciphers", "%s is not supported", cipher)
		}
	}
	if c.AuthAge < 0 || c.AuthAge > 24*time.Hour {
		bad("auth_age", "not between 0 and 24 hours")
	}
	if c.AuthAge > 0 && !c.AllowSSO {
		bad("auth_age", "every login is a new one, unless an earlier one is allowed")
	}
	if c.Skew < 0 || c.Skew > 5*time.Minute {
		bad("skew", "not between 0 and 5 minutes")
	}
	if c.MaxAge < 0 || c.MaxAge > 10*time.Minute {
		bad("max_age", "not between 0 and 10 minutes")
	}
	if c.About.Name.SV == "" {
		bad("about", "the service has no name in Swedish")
	}
	if c.Source == nil {
		bad("source", "nothing to take metadata from")
	}
	if c.Replay == nil {
		bad("replay", "nothing to remember used assertions in")
	}
	return all
}

func (s SP) faults(name string) []error {
	var all []error
	bad := func(problem string) { all = append(all, errors.New(name+": "+problem)) }
	for field, address := range map[string]string{"entity_id": s.EntityID, "acs": s.ACS} {
		if err := webAddress(address); err != nil {
			bad(field + ": " + err.Error())
		}
	}
	if err := s.Signing.check(); err != nil {
		bad("signing key: " + err.Error())
	}
	if len(s.Decrypt) == 0 {
		bad("no key to decrypt with")
	}
	for _, k := range s.Decrypt {
		if err := k.check(); err != nil {
			bad("key to decrypt with: " + err.Error())
		} else if _, ok := k.Private.(crypto.Decrypter); !ok {
			bad("key to decrypt with: cannot decrypt")
		}
	}
	return all
}

// webAddress: https, or http on this machine.
func webAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(address, " \t\r\n") {
		return errors.New("not the address of a page")
	}
	switch u.Scheme {
	case "https":
		return nil
	case "http":
		host := u.Hostname()
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			return nil
		}
	}
	return errors.New("not an https address")
}
