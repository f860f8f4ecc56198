package oidc

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"sigill/broker"
	"sigill/providers"
)

// LocalWish is what a page of ours asks for that needs to know who stands before
// it: a login that makes a session and tells no client.
type LocalWish struct {
	// Client is for whom: its name and look stand on the pages, its e-IDs are
	// offered by its instances, its rules say who may, its group has the session.
	Client string
	// Browser is the secret of the browser that asks (page.BrowserCookie).
	Browser string
	// Offered, unless empty, are the only e-IDs that may answer, of those that
	// the client offers.
	Offered []providers.ID
	// Then is where the person comes back to, logged in or not: a path of the
	// signing room, without query. Who it was says the session, if anything.
	Then string
	Lang string // "sv", "en", or empty: the browser's own preference counts
}

// localRoom is where Then may lie: an address from elsewhere that got into it
// could lead a person away from us with our own words.
const localRoom = "/signing/"

// Local writes a login down that a page of ours asks for. The person is to be
// sent to the login's page, /login/ and the name that is returned. It always asks
// for an e-ID. broker.ErrNotFound: no such client. *providers.BadRequest: the
// client offers none of the e-IDs.
func (p *Provider) Local(ctx context.Context, w LocalWish) (login string, err error) {
	if !localPath(w.Then) {
		return "", errors.New("oidc: a local login must lead to a plain path of the signing room")
	}
	if !secretShaped(w.Browser) {
		return "", errors.New("oidc: a local login without a browser")
	}
	c, err := p.client(ctx, w.Client)
	if err != nil {
		return "", err
	}
	var offered []providers.ID
	for _, i := range p.Offers(c) {
		if len(w.Offered) == 0 || slices.Contains(w.Offered, i.ID) {
			offered = append(offered, i.ID)
		}
	}
	if len(offered) == 0 {
		return "", &providers.BadRequest{Field: "providers", Problem: "none of them is offered here"}
	}
	return p.pend(ctx, broker.Login{
		Client: c.ID, Then: w.Then, Browser: digest(w.Browser), Offered: offered, Lang: language(w.Lang),
	})
}

// localPath reports whether an address is nothing but a path of the signing room
// as we write it: no other host, nothing to decode, no way up.
func localPath(s string) bool {
	if !strings.HasPrefix(s, localRoom) || path.Clean(s) != strings.TrimSuffix(s, "/") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; notCompact(rune(c)) && c != '/' && c != '~' && c != ':' {
			return false
		}
	}
	return true
}
