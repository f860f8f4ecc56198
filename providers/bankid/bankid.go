// Package bankid lets people prove who they are, and sign, with BankID.
//
// It owns everything that is BankID's own: the relying-party API v6.0, QR
// frames and app links, what the issuer's words mean, and the verification of
// its evidence. It does not own orders: the broker's flow keeps the state,
// decides when to ask and whom a browser belongs to.
//
// One Provider serves one id. "bankid" is any BankID on the device that shows
// our page; "mbankid" is Mobilt BankID only, by QR code, in a phone call, or on
// the phone that shows our page.
//
// It follows BankID's relying-party documentation for API v6.0 and "Signature
// Profile for BankID" v2.3; certificates follow RFC 5280, revocation answers
// RFC 6960. Verify stands on its own: it needs evidence, a pinned root and what
// was expected, and neither network nor storage.
package bankid

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"sigill/providers"
)

// Policies are the certificate policies of each kind of BankID.
type Policies struct {
	File   []string // BankID på fil, on a computer
	Card   []string // BankID på kort
	Mobile []string // Mobilt BankID
}

func (p Policies) of(id providers.ID) []string {
	var all []string
	if id == providers.BankID {
		all = append(all, p.File...)
		all = append(all, p.Card...)
	}
	return append(all, p.Mobile...)
}

// An Environment is one of BankID's worlds, or a simulated one. Its two
// hierarchies are never mixed: one for TLS, one for signatures.
type Environment struct {
	Name           string
	BaseURL        string // of the RP API, with version: "https://…/rp/v6.0/"
	TLSRoots       []*x509.Certificate
	SignatureRoots []*x509.Certificate
	Policies       Policies
	// DesktopLink and MobileLink start the app when the order's token is
	// appended to them.
	DesktopLink string
	MobileLink  string
}

// Validate reports everything that is missing.
func (e Environment) Validate() error {
	var errs []error
	missing := func(bad bool, what string) {
		if bad {
			errs = append(errs, fmt.Errorf("environment %q: no %s", e.Name, what))
		}
	}
	missing(e.Name == "", "name")
	missing(e.BaseURL == "", "base URL")
	missing(len(e.TLSRoots) == 0 || slices.Contains(e.TLSRoots, nil), "TLS root")
	missing(len(e.SignatureRoots) == 0 || slices.Contains(e.SignatureRoots, nil), "signature root")
	missing(len(e.Policies.Mobile) == 0, "policy of Mobilt BankID")
	missing(e.DesktopLink == "" || e.MobileLink == "", "app links")
	return errors.Join(errs...)
}

// Config is what a Provider needs.
type Config struct {
	ID          providers.ID // bankid or mbankid
	Instance    string       // name of this instance
	Name        string       // what people call it; has a default
	Help        providers.Help
	Environment Environment
	// Certificate is the relying party's, with its key. The app shows the
	// name that stands in it.
	Certificate tls.Certificate
	// DisplayName is the name that the app shows, if the certificate has no
	// name attribute of its own.
	DisplayName string
	// Approved says that this installation is itself approved for level 3.
	Approved bool

	PollInterval time.Duration    // default 2 s, which is what the issuer asks for
	MaxConns     int              // connections to the issuer at most; default 256
	Clock        func() time.Time // default time.Now
	Log          *slog.Logger     // default: none
	Cache        *Cache           // verified CA certificates; default: an own one
}

// LoadPEM reads a relying-party certificate with its key from PEM.
func LoadPEM(certificate, key []byte) (tls.Certificate, error) {
	return tls.X509KeyPair(certificate, key)
}

// LoadPKCS12 reads a relying-party certificate with its key, as banks deliver
// it: old and new encodings.
func LoadPKCS12(file []byte, passphrase string) (tls.Certificate, error) {
	key, leaf, chain, err := pkcs12.DecodeChain(file, passphrase)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read PKCS#12: %w", err)
	}
	c := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	for _, ca := range chain {
		c.Certificate = append(c.Certificate, ca.Raw)
	}
	return c, nil
}
