// Package metadata is what SAML entities say of themselves: it reads what identity
// providers publish, keeps it fresh, and writes what our service providers publish.
//
// It owns the trust in other people's metadata: whose signature makes it true, how
// long it holds, and what in it is of use. It knows nothing of messages, orders or
// persons; package saml, above it, does.
//
// It follows SAML 2.0 Metadata, the Metadata Extensions for Login and Discovery
// User Interface, and the Swedish deployment profile.
package metadata

import (
	"crypto/x509"
	"time"
)

// The bindings in which messages travel.
const (
	BindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	BindingPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// IdP is what an identity provider says of itself, as far as somebody whom we
// trust has vouched for it.
type IdP struct {
	EntityID string
	// SSO is where requests go, by binding. It has no holder-of-key endpoints, and
	// none outside https but on loopback.
	SSO map[string]string
	// SigningCertificates and EncryptionCertificates are the keys: any of the first
	// may sign. Nothing else in the certificates means anything.
	SigningCertificates    []*x509.Certificate
	EncryptionCertificates []*x509.Certificate
	// RequestedPrincipalSelection are the names of the attributes by which it wants
	// to be told who shall log in.
	RequestedPrincipalSelection []string
	EntityCategories            []string
	AssuranceCertifications     []string // the levels that it may give
	SupportsUserMessage         bool
	ValidUntil                  time.Time // zero: as long as nothing else is said
	// Raw is the entity's XML as a document of its own. The same entry gives the
	// same bytes.
	Raw []byte
	// OwnSignature says that Raw carries its own signature, by one of the
	// certificates that it was read with.
	OwnSignature bool
}
