// Package broker holds the nouns of the e-ID broker: the Client that sends
// people to us, the Login that it asked for, the Order that runs at the e-ID's
// issuer, the Session that remembers who logged in, and the contract of the
// short-lived store.
//
// It owns types and rules and nothing that runs: orders are run by
// broker/flow, OpenID Connect is spoken by broker/oidc, pages are drawn by
// broker/web, rows are kept by broker/store. Nothing here knows of signing or of
// the portal.
package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"
)

// ErrNotFound is what every store answers for what it does not have, has no
// longer, or that the asker may not know of.
var ErrNotFound = errors.New("not found")

// ErrConflict is what every store answers when somebody else was first.
var ErrConflict = errors.New("somebody else was first")

// Short is the short-lived store: logins under way, codes, tokens, sessions,
// replay marks, rate buckets. Every record expires by itself. What is
// acknowledged survives a crash of the process.
//
// Keys are secrets as the outside knows them (a code, a token): implementations
// are wrapped so that only their digest and a sealed value reach a disk. Kind
// keeps the kinds of record apart ("code", "session").
type Short interface {
	// Put writes, whatever was there before.
	Put(ctx context.Context, kind, key string, value []byte, expires time.Time) error
	// Get reads the value and its version; ErrNotFound when there is none or it
	// has expired.
	Get(ctx context.Context, kind, key string) (value []byte, version int64, err error)
	// Take reads and removes in one step: of any number of callers, on any
	// number of nodes, one gets the value and the others ErrNotFound.
	Take(ctx context.Context, kind, key string) ([]byte, error)
	// Swap writes if the record still has the version that Get gave, else
	// ErrConflict. Version 0 means: only if there is no such record.
	Swap(ctx context.Context, kind, key string, version int64, value []byte, expires time.Time) error
}

// NewSecret makes an unguessable name: 256 bits from the system's source, as
// 43 characters that are safe in URLs, cookies and headers.
func NewSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand crashes the program rather than return short
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewID makes a random name of 128 bits for things whose name alone is worth
// nothing: 22 characters, safe in URLs.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
