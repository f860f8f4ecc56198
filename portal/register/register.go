// Package register asks the population register (folkbokföringen) about a
// person: name, address, children and their other guardians.
//
// It owns the contract (HTTP and JSON; testidp/register serves it for tests) and
// the one place where protected identity is handled, fail closed: of whoever
// carries a marker, nothing but the marker leaves this package.
//
//	POST {url}/persons   {"pnr": "12 digits"}   Authorization: Bearer …
//	200 {"pnr", "name": {"given", "family"}, "address": {"lines": ["…"]},
//	     "protection": "none|secrecy|protected_registration",
//	     "children": [{"pnr", "name": {…}, "protection", "guardians":
//	        [{"pnr", "name": {…}, "protection"}]}]}
//	404 {} no such person
//
// The number is in the body, never in an address. An answer with an unknown
// marker, or none, counts as protected.
package register

import (
	"context"
	"errors"

	"sigill/portal/form"
	"sigill/providers/personnummer"
)

// ErrProtected says that the person has protected identity: nothing is known,
// and nothing may be stored or sent.
var ErrProtected = errors.New("register: protected identity")

// ErrUnknown says that the register does not have the person.
var ErrUnknown = errors.New("register: no such person")

// Entry is a person who is not protected.
type Entry struct {
	Name     string
	Address  string // several lines
	Children []form.Child
	// Hidden says that there are children who are not listed: they, or a
	// guardian of theirs, are protected.
	Hidden bool
}

// Register answers about a person. Any error but the two above means that it is
// not known now: the caller must not go on as if nothing was the matter.
type Register interface {
	Person(ctx context.Context, n personnummer.Number) (Entry, error)
}
