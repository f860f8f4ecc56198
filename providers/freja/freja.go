// Package freja lets people prove who they are, and sign, with Freja eID+.
//
// It owns everything that is Freja's own: the relying-party services for
// authentication and signature, app links and QR codes, what the issuer's words
// mean, and the verification of its evidence. It does not own orders: the
// broker's flow keeps the state, decides when to ask and whom a browser belongs
// to. Freja's OpenID Connect service is package oidc's.
//
// Identity comes from the JWS alone that Freja signs about an approved order, and
// never from what stands beside it in the answer. The level is always Freja PLUS.
//
// It follows Freja's REST documentation, versions 1.0 of the services; JWS follows
// RFC 7515 in its compact form and with one algorithm, certificates RFC 5280.
// What the documentation leaves open stands in Policy. Verify stands on its own: it
// needs evidence, pinned certificates and what was expected, and neither network
// nor storage.
package freja

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"sigill/providers"
)

// An Environment is one of Freja's worlds, or a simulated one.
type Environment struct {
	Name    string
	BaseURL string // of the REST services: "https://services.…"
	AppLink string // opens the app when what it shall do is added as a query

	TLSRoots []*x509.Certificate // of the services' own certificates
	JWSRoots []*x509.Certificate // that the certificates below must end at
	// JWSCertificates are those that Freja signs answers with: several, since one
	// follows the other each third year.
	JWSCertificates []*x509.Certificate
	Intermediates   []*x509.Certificate // between JWSCertificates and JWSRoots
	// UserRoots are the roots of people's own certificates, where they are known.
	// Without them the person's own signature inside is held and not verified.
	UserRoots []*x509.Certificate

	Policy Policy
}

// Policy is what the documentation leaves open. The zero value is what is thought
// to be right; nothing here has been confirmed by Freja.
type Policy struct {
	QRKeyBase64 bool // the secret of dynamic codes is base64 of the key, and not the key
	QRPadding   bool // the code in a dynamic link keeps its padding
	// DynamicLink makes links for this device dynamic, as QR codes are.
	DynamicLink bool
}

// The hosts of Freja's own worlds.
const (
	productionHost = "services.prod.frejaeid.com"
	testHost       = "services.test.frejaeid.com"

	// SHA-256 of the roots of Freja's worlds.
	productionRoot = "22a283a0a50f07028ac9607d477a49805562ae50c43d1902f42bc95c1a9a5825"
	testRoot       = "8d7459fd0460242cf03e76d5f0427ea9fe33db6789d506309aac2c97daa6e860"
)

// Validate reports everything that is missing or wrong.
func (e Environment) Validate() error {
	var errs []error
	fault := func(bad bool, what string) {
		if bad {
			errs = append(errs, fmt.Errorf("environment %q: %s", e.Name, what))
		}
	}
	base, err := url.Parse(e.BaseURL)
	fault(e.Name == "", "no name")
	fault(err != nil || base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "",
		"the base URL must be https without query")
	link, linkErr := url.Parse(e.AppLink)
	fault(linkErr != nil || link.Scheme == "" || link.Fragment != "", "no app link")
	for _, list := range []struct {
		what  string
		certs []*x509.Certificate
	}{{"TLS root", e.TLSRoots}, {"JWS root", e.JWSRoots}, {"JWS certificate", e.JWSCertificates}} {
		fault(len(list.certs) == 0, "no "+list.what)
	}
	for _, c := range slices.Concat(e.TLSRoots, e.JWSRoots, e.JWSCertificates, e.Intermediates, e.UserRoots) {
		fault(c == nil, "an empty certificate")
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, c := range e.JWSCertificates {
		if err := jwsProfile(c); err != nil {
			errs = append(errs, fmt.Errorf("environment %q: JWS certificate %s: %w", e.Name, thumbprint(c), err))
		}
	}
	for _, c := range slices.Concat(e.TLSRoots, e.JWSRoots) {
		fault(fingerprint(c) == testRoot && base.Hostname() != testHost, "Freja's root for tests is trusted")
	}
	for _, c := range e.JWSRoots {
		fault(fingerprint(c) != productionRoot && base.Hostname() == productionHost, "the JWS root is not Freja's for production")
	}
	return errors.Join(errs...)
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// UserInfo says how Freja is told whom an order is for.
type UserInfo string

const (
	// Inferred: whoever scans the code or opens the link. It is what Freja
	// recommends, and the zero value means the same.
	Inferred UserInfo = "inferred"
	// Number: the app of the person whose number is known is asked, without a code.
	// Orders without a number are inferred.
	Number UserInfo = "number"
)

// Config is what a Provider needs.
type Config struct {
	ID          providers.ID // freja
	Instance    string       // name of this instance
	Name        string       // what people call it; has a default
	Help        providers.Help
	Environment Environment
	// Certificate is the relying party's, with its key. It is how Freja knows us.
	Certificate tls.Certificate
	// RelyingPartyID says for whom an integrator asks. Others leave it empty.
	RelyingPartyID string
	UserInfo       UserInfo
	StaticQR       bool // codes that stand still, where the agreement has no dynamic ones
	// Approved says that this installation is itself approved for level 3.
	Approved bool

	SignatureExpiry time.Duration    // how long a signature waits for the person; default 10 min, 3 to 29 min
	PollInterval    time.Duration    // default 2 s
	MaxConns        int              // connections to the issuer at most; default 256
	Clock           func() time.Time // default time.Now
	Log             *slog.Logger     // default: none
}

// validate reports everything that is wrong beside the environment.
func (c Config) validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(c.ID != providers.Freja, "cannot be e-ID %q", c.ID)
	fault(c.UserInfo != "" && c.UserInfo != Inferred && c.UserInfo != Number, "unknown user info %q", c.UserInfo)
	fault(c.SignatureExpiry != 0 && (c.SignatureExpiry < 3*time.Minute || c.SignatureExpiry > 29*time.Minute),
		"a signature must wait from 3 to 29 minutes, not %v", c.SignatureExpiry)
	fault(strings.ContainsFunc(c.RelyingPartyID, func(r rune) bool { return r <= ' ' || r == 0x7f }), "the relying party id has a space in it")
	if len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil {
		errs = append(errs, errors.New("no relying-party certificate"))
	} else if _, err := x509.ParseCertificate(c.Certificate.Certificate[0]); err != nil {
		errs = append(errs, fmt.Errorf("relying-party certificate: %w", err))
	}
	return errors.Join(append(errs, c.Environment.Validate())...)
}
