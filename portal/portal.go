// Package portal is the domain of the municipal e-services: tenants, drafts,
// cases, messages and who may see them.
//
// It owns the nouns that its rooms share, and nothing that does something: the
// format of an e-service is portal/form, what exists is portal/catalogue, drafts
// are kept by portal/drafts, sent by portal/sending and read as cases in
// portal/cases; portal/web draws. Of the rest of the house it knows broker/kit
// and the personal number alone: people log in by OpenID Connect and sign
// through the signing API, like with any other application.
package portal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"sigill/providers/personnummer"
)

// Names of things. Those of drafts, cases and files are random, 128 bits.
type (
	TenantID  string
	GroupID   string // of tenants that share one Mina sidor; a tenant alone is a group
	ServiceID string
	DraftID   string
	CaseID    string
	FileID    string
)

// PersonKey names a person within a group of tenants: a keyed index of the
// personal number, in hexadecimal. It is worth nothing without the key.
type PersonKey string

// NewID makes the name of a draft, a case or a file.
func NewID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// IsID reports whether a text has the form of NewID.
func IsID(s string) bool {
	if len(s) != 22 {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil
}

// ErrNotFound is the answer to everybody for whom a thing does not exist,
// whether it does or not (invariants I4, I5).
var ErrNotFound = errors.New("portal: not found")

// ErrPublished says that a version of an e-service was published with another
// text. A published version never changes.
var ErrPublished = errors.New("portal: the version was published with another text")

// Visitor is who sits at the browser.
type Visitor struct {
	Group  GroupID
	Tenant TenantID
	// Key is empty for whoever is not logged in.
	Key PersonKey
	// Previous is the key of the samordningsnummer that the person had before.
	Previous PersonKey
	Number   personnummer.Number
	Name     string // given and family name, as the e-ID has them
	Given    string
	Family   string
	Auth     time.Time // of the login
	// Browser names the browser of somebody who is not logged in, for services
	// that need no login: the hash of a secret in a cookie. Empty: none yet.
	Browser string
	Lang    string // "sv" or "en", of the page that was asked for
}

// LoggedIn reports whether it is known who it is.
func (v Visitor) LoggedIn() bool { return v.Key != "" }

// Keys are all keys that the person's things may lie under.
func (v Visitor) Keys() []PersonKey {
	switch {
	case v.Key == "":
		return nil
	case v.Previous == "":
		return []PersonKey{v.Key}
	}
	return []PersonKey{v.Key, v.Previous}
}

// Officer is a case officer (handläggare), logged in by the municipality's own
// directory.
type Officer struct {
	Tenant  TenantID
	Subject string // of the directory; names the officer in the audit, as a digest
	Name    string
	Groups  []string // of tenant.yaml, that the directory's claims give
}

// In reports whether the officer belongs to a group of the tenant.
func (o Officer) In(group string) bool {
	for _, g := range o.Groups {
		if g == group && g != "" {
			return true
		}
	}
	return false
}
