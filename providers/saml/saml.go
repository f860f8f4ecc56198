// Package saml is a Swedish SAML 2.0 identity provider as an e-ID of the broker:
// the Sweden Connect Deployment Profile 1.8, in the role of a service provider.
// Telia e-legitimation is one configured instance of it.
//
// It owns the requests that we send, the metadata of our own two service
// providers (one that logs in, one that has texts signed), the checking of
// responses, and the evidence that comes of them with its offline verification.
// It does not own the identity providers' metadata (package metadata gets and
// trusts it), nor XML signatures (package xmlsec), nor the browser's way back
// (the broker's flow).
//
// A login is proved by a response that the identity provider signed; a signature
// by an assertion with a signature of its own, which names the text through the
// attribute signMessageDigest. Both are tied to one order by the request's ID,
// which is a digest of the order's binding.
//
// The service provider of the library is not used: of github.com/crewjam/saml come
// the form of the request and the ciphers. Responses are checked here, step by
// step, and data is taken only from what was verified.
package saml

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sigill/providers"
)

// Limits of what we send, in bytes.
const (
	maxSignText    = 20_000 // SignMessage has none of its own; the browser carries it in a form
	maxAddressText = 1_500  // where it travels in an address, encrypted
	maxAuthText    = 1_000  // UserMessage is shown on the page where people log in
	minBinding     = 16
	maxBinding     = 1024
	maxHandle      = 80 // RelayState (SAML bindings 3.4.3)
)

// away is how long after which a Tick looks again at an order whose person is at
// the identity provider.
const away = 30 * time.Second

// Provider is a SAML identity provider as one e-ID of the broker. It keeps
// nothing of an order.
type Provider struct {
	Config
	documents map[string]providers.Document
}

var (
	_ providers.Provider  = (*Provider)(nil)
	_ providers.Signer    = (*Provider)(nil)
	_ providers.Publisher = (*Provider)(nil)
	_ providers.Runner    = (*Provider)(nil)
	_ providers.Checker   = (*Provider)(nil)
	_ providers.Dated     = (*Provider)(nil)
)

// New makes a provider. It starts nothing and asks nobody.
func New(c Config) (*Provider, error) {
	c = c.withDefaults()
	if faults := c.faults(); len(faults) > 0 {
		return nil, fmt.Errorf("saml: %w", errors.Join(faults...))
	}
	p := &Provider{Config: c}
	var err error
	if p.documents, err = p.publish(); err != nil {
		return nil, fmt.Errorf("saml: own metadata: %w", err)
	}
	return p, nil
}

// signs reports whether there is a service provider that has texts signed.
func (c Config) signs() bool { return c.Sign.EntityID != "" }

// Info says what this provider can do.
func (p *Provider) Info() providers.Info {
	info := providers.Info{
		ID: p.ID, Instance: p.Instance, Name: p.Title.SV, Title: p.Title,
		Site: true, Help: p.Help, Level: p.highest(),
		Modes:        []providers.Mode{providers.ModeThis},
		CoordNumbers: p.CoordNumbers,
	}
	if p.signs() {
		info.TextLimit = maxSignText
		if p.Binding == Redirect {
			info.TextLimit = maxAddressText
		}
	}
	if p.UserMessage != Off {
		info.AuthText = maxAuthText
	}
	return info
}

// highest is the best level that a login can give.
func (p *Provider) highest() providers.Level {
	best := providers.LevelNone
	for loa, level := range p.Levels {
		if len(p.Request) == 0 || slices.Contains(p.Request, loa) {
			best = max(best, level)
		}
	}
	return best
}

// Documents are the metadata of our service providers.
func (p *Provider) Documents() map[string]providers.Document { return p.documents }

// discard is for programs that do not want to know.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
