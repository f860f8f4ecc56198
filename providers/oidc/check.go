package oidc

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sigill/providers"
)

// Check tries the issuer without a person, one thing after the other.
func (p *Provider) Check(ctx context.Context) []providers.Finding {
	var all []providers.Finding
	add := func(what string, bad bool, format string, args ...any) {
		all = append(all, providers.Finding{What: what, Said: fmt.Sprintf(format, args...), Bad: bad})
	}
	all = append(all, p.checkHost(ctx)...)
	m, err := p.issuer.fetchMetadata(ctx)
	if err != nil {
		add("discovery", true, "%v; the issuer must be written exactly as it calls itself, with or without a slash at the end", err)
		return all
	}
	add("discovery", false, "%s says what it is", p.c.Issuer)
	p.checkMetadata(m, add)

	b, err := p.issuer.get(ctx, m.jwks, "application/json")
	var keys []jwk
	if err == nil {
		keys, err = parseKeys(b)
	}
	usable := 0
	for _, k := range keys {
		for _, alg := range p.c.Algorithms {
			if k.signs(alg) {
				usable++
				break
			}
		}
	}
	switch {
	case err != nil:
		add("the issuer's keys", true, "%v", err)
	case usable == 0:
		add("the issuer's keys", true, "none goes with %s", strings.Join(p.c.Algorithms, ", "))
	default:
		add("the issuer's keys", false, "%d that can sign ID Tokens", usable)
	}
	if m.pushed != "" {
		p.checkPush(ctx, m, add)
	}
	return append(all, p.Dates()...)
}

type adder func(what string, bad bool, format string, args ...any)

// checkMetadata compares what the issuer says it can do with what is asked of it.
func (p *Provider) checkMetadata(m *metadata, add adder) {
	has := func(what string, list []string, want, without string) {
		if !listed(list, want) {
			add(what, true, "the issuer does not list %s; it has %s", want, strings.Join(list, ", "))
		} else if len(list) == 0 && without != "" {
			add(what, false, "%s", without)
		} else {
			add(what, false, "%s", want)
		}
	}
	methods := m.authMethods
	if len(methods) == 0 {
		methods = []string{ClientSecretBasic} // what the specification takes for granted
	}
	has("authentication of the client", methods, p.c.AuthMethod, "")
	if p.c.AuthMethod == PrivateKeyJWT {
		has("algorithm of client assertions", m.assertionAlgs, p.assertionMethod(m).Alg(), "the issuer does not say which it takes")
	}
	var common []string
	for _, alg := range p.c.Algorithms {
		if listed(m.tokenAlgs, alg) {
			common = append(common, alg)
		}
	}
	if len(common) == 0 {
		add("algorithm of ID Tokens", true, "the issuer has %s, and %s is believed here", strings.Join(m.tokenAlgs, ", "), strings.Join(p.c.Algorithms, ", "))
	} else {
		add("algorithm of ID Tokens", false, "%s", strings.Join(common, ", "))
	}
	has("PKCE", m.challenges, "S256", "the issuer does not say whether it knows it; it is sent all the same")
	has("response type", m.responses, "code", "")
	for _, scope := range p.c.Scopes {
		has("scope", m.scopes, scope, "")
	}
	for _, acr := range p.c.ACRValues {
		has("level to ask for", m.acrs, acr, "the issuer does not say which it knows")
	}
	if p.c.Userinfo && m.userinfo == "" {
		add("userinfo", true, "the issuer has none")
	}
}

// checkPush has the issuer take a request that nobody will use, which it does only
// from a client that it knows.
func (p *Provider) checkPush(ctx context.Context, m *metadata, add adder) {
	q := url.Values{
		"client_id": {p.c.ClientID}, "response_type": {"code"}, "redirect_uri": {p.c.RedirectURL}, "scope": {strings.Join(p.c.Scopes, " ")},
		"state": {"check"}, "nonce": {"check"}, "code_challenge": {encode(make([]byte, 32))}, "code_challenge_method": {"S256"},
	}
	if _, err := p.push(ctx, m, q); err != nil {
		add("the client", true, "%v", err)
		return
	}
	add("the client", false, "the issuer knows it and takes its requests")
}

// checkHost looks at the issuer's certificate and clock.
func (p *Provider) checkHost(ctx context.Context) []providers.Finding {
	const what = "the issuer's TLS certificate"
	address := strings.TrimSuffix(p.c.Issuer, "/") + "/.well-known/openid-configuration"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return []providers.Finding{{What: "the issuer's address", Said: "not an address", Bad: true}}
	}
	before := p.c.Clock()
	resp, err := p.http.Do(r)
	if err != nil {
		return []providers.Finding{{What: "the issuer's server", Said: brief(err), Bad: true}}
	}
	resp.Body.Close()
	after := p.c.Clock()
	var all []providers.Finding
	if t := resp.TLS; t != nil && len(t.PeerCertificates) > 0 {
		all = append(all, providers.Finding{What: what, Said: "believed", Ends: t.PeerCertificates[0].NotAfter})
	} else {
		all = append(all, providers.Finding{What: what, Said: "none: plain http on this machine"})
	}
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return append(all, providers.Finding{What: "the clocks", Said: "the issuer does not tell the time"})
	}
	clock := providers.Finding{What: "the clocks", Said: "the issuer's and ours agree"}
	switch {
	case theirs.Before(before.Add(-p.c.Skew - time.Second)):
		clock.Said, clock.Bad = fmt.Sprintf("ours is %v ahead of the issuer's", before.Sub(theirs).Round(time.Second)), true
	case theirs.After(after.Add(p.c.Skew)):
		clock.Said, clock.Bad = fmt.Sprintf("ours is %v behind the issuer's", theirs.Sub(after).Round(time.Second)), true
	}
	return append(all, clock)
}
