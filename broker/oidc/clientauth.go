package oidc

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	maxAssertionLife = 10 * time.Minute
	clockAhead       = time.Minute      // iat and nbf may lie this far ahead of us, for clocks that differ
	clockBehind      = 10 * time.Second // exp may have passed this long ago
)

// assertionAlgs are the signatures that we take of clients. No HMAC: a secret
// that both sides have proves nothing to a third.
func assertionAlgs() []string {
	return []string{"ES256", "RS256", "PS256", "ES384", "RS384", "ES512", "RS512"}
}

// errNoClient is every failure to prove which client it is: whether there is
// such a client is nobody's business.
var errNoClient = refuse(errInvalidClient, "client authentication failed")

// authenticate proves which client sends a request, by the one method that it
// is registered for. Another error than a protocolError is a fault of ours. The
// marks are of a proof that may be used once: they belong to the act that it was
// sent for.
func (p *Provider) authenticate(r *http.Request, q params) (broker.Client, []broker.Mark, error) {
	claimed, method, proof, err := credentials(r, q)
	if err != nil {
		return broker.Client{}, nil, err
	}
	ctx := r.Context()
	c, err := p.Clients.Client(ctx, claimed)
	known := err == nil
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return broker.Client{}, nil, err
	}
	var marks []broker.Mark
	reason := ""
	switch {
	case method == broker.PrivateKeyJWT:
		// Also for an unknown client: its key set is empty.
		marks, reason, err = p.checkAssertion(ctx, c, claimed, proof)
		if err != nil {
			return broker.Client{}, nil, err
		}
		if c.AuthMethod != broker.PrivateKeyJWT {
			reason = "method"
		}
	case !c.SecretIs(proof, p.Now()):
		reason = "secret"
	case c.AuthMethod != method && c.AuthMethod != broker.SecretAny:
		reason = "method"
	}
	if !known {
		reason = "unknown"
	}
	if reason == "" {
		return c, marks, nil
	}
	return broker.Client{}, nil, p.refuseClient(ctx, c, reason)
}

func (p *Provider) refuseClient(ctx context.Context, c broker.Client, reason string) error {
	e := p.event(audit.ClientRefused, c.ID)
	e.Reason = reason
	p.note(ctx, e)
	return errNoClient
}

// credentials finds the one proof in a request: whose it claims to be, by which
// method, and the secret or assertion.
func credentials(r *http.Request, q params) (client string, method broker.AuthMethod, proof string, err error) {
	body := q.get("client_id")
	secret, assertion := q.get("client_secret"), q.get("client_assertion")
	auth := r.Header.Values("Authorization")
	given := 0
	for _, b := range []bool{len(auth) > 0, secret != "", assertion != "" || q.get("client_assertion_type") != ""} {
		if b {
			given++
		}
	}
	switch {
	case given > 1 || len(auth) > 1:
		return "", "", "", refuse(errInvalidRequest, "more than one client authentication")
	case len(auth) == 1:
		user, pass, ok := r.BasicAuth()
		client, err1 := url.QueryUnescape(user)
		secret, err2 := url.QueryUnescape(pass)
		if !ok || err1 != nil || err2 != nil || body != "" && body != client {
			return "", "", "", errNoClient
		}
		return client, broker.SecretBasic, secret, nil
	case secret != "":
		return body, broker.SecretPost, secret, nil
	case given == 1:
		if q.get("client_assertion_type") != assertionType || assertion == "" {
			return "", "", "", errNoClient
		}
		claimed := unverifiedIssuer(assertion)
		if claimed == "" || body != "" && body != claimed {
			return "", "", "", errNoClient
		}
		return claimed, broker.PrivateKeyJWT, assertion, nil
	}
	return "", "", "", errNoClient
}

// unverifiedIssuer reads whose an assertion claims to be, to find the keys that
// prove it.
func unverifiedIssuer(assertion string) string {
	_, rest, _ := strings.Cut(assertion, ".")
	payload, _, _ := strings.Cut(rest, ".")
	claims, err := object(segment(payload))
	if err != nil || len(assertion) > maxJWT {
		return ""
	}
	return claims.text("iss")
}

// checkAssertion checks a client's JWT (RFC 7523, Core 9). The reason, empty
// when all is well, is for the audit; the error is a fault of ours.
func (p *Provider) checkAssertion(ctx context.Context, c broker.Client, claimed, assertion string) (marks []broker.Mark, reason string, err error) {
	keys := clientKeys(c.JWKS)
	claims, err := readJWT(assertion, assertionAlgs(), func(h header) (crypto.PublicKey, error) {
		switch h.typ {
		case "", "JWT", "jwt", "client-authentication+jwt":
		default:
			return nil, errJWT // a token made for something else
		}
		fitting := slices.DeleteFunc(slices.Clone(keys), func(k clientKey) bool {
			return h.kid != "" && k.kid != h.kid || !slices.Contains(k.algs, h.alg)
		})
		if len(fitting) != 1 {
			return nil, errJWT
		}
		return fitting[0].key, nil
	})
	if err != nil {
		return nil, "signature", nil
	}
	if claims.text("iss") != claimed || claims.text("sub") != claimed || claimed != c.ID {
		return nil, "issuer", nil
	}
	audience := claims.texts("aud")
	// All of them must be us: an assertion that is also meant for another server
	// could have been sent on by it.
	if len(audience) == 0 || slices.ContainsFunc(audience, func(a string) bool {
		return a != p.Issuer && a != p.endpoint("token")
	}) {
		return nil, "audience", nil
	}
	now := p.Now()
	exp, ok := claims.seconds("exp")
	expires := time.Unix(exp, 0)
	if !ok || now.After(expires.Add(clockBehind)) || expires.After(now.Add(maxAssertionLife+clockAhead)) {
		return nil, "expiry", nil
	}
	for _, name := range []string{"iat", "nbf"} {
		if _, there := claims[name]; !there {
			continue
		}
		t, ok := claims.seconds(name)
		if !ok || time.Unix(t, 0).After(now.Add(clockAhead)) {
			return nil, "clock", nil
		}
	}
	jti := claims.text("jti")
	if jti == "" || len(jti) > 512 {
		return nil, "jti", nil
	}
	used, until := c.ID+"\x00"+jti, expires.Add(clockBehind+time.Second)
	switch err := p.Short.Swap(ctx, kindAssertion, used, 0, []byte{1}, until); {
	case errors.Is(err, broker.ErrConflict):
		return nil, "replay", nil
	case err != nil:
		return nil, "", err
	}
	return []broker.Mark{{Kind: spentAssertion, Digest: digest(used), Expires: until.Add(outlives)}}, "", nil
}
