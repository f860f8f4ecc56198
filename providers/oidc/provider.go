package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"sigill/providers"
)

const (
	minBinding = 16
	maxBinding = 1024
	maxHandle  = 80
	maxCode    = 8 << 10
	maxFields  = 32
)

// Start asks a person to prove who they are, at the issuer's own site. Its text is
// shown nowhere: the issuer has no room for one.
func (p *Provider) Start(ctx context.Context, r providers.Request) (providers.State, providers.Step, error) {
	bad := func(field, problem string) (providers.State, providers.Step, error) {
		return nil, nil, &providers.BadRequest{Field: field, Problem: problem}
	}
	switch {
	case r.Mode != providers.ModeThis:
		return bad("mode", fmt.Sprintf("%s has no mode %q", p.c.ID, r.Mode))
	case len(r.Binding) < minBinding || len(r.Binding) > maxBinding:
		return bad("binding", fmt.Sprintf("not between %d and %d bytes", minBinding, maxBinding))
	case r.Handle == "" || len(r.Handle) > maxHandle || strings.ContainsFunc(r.Handle, notURLSafe):
		return bad("handle", "missing, too long or not URL-safe")
	}
	m, err := p.issuer.about(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, nil, p.down(ctx, err)
	}
	s := state{
		Version: stateVersion, Provider: p.c.ID, Instance: p.c.Instance, Issuer: p.c.Issuer, Client: p.c.ClientID,
		Binding: r.Binding, Salt: make([]byte, saltSize), Number: r.Number, Handle: r.Handle,
		Verifier: oauth2.GenerateVerifier(), Started: p.c.Clock(), SaysIssuer: m.saysIssuer,
	}
	rand.Read(s.Salt) // never fails
	to, err := p.authorization(ctx, m, s, r.Lang)
	if err != nil {
		p.c.Log.WarnContext(ctx, "oidc order not started", "issuer", p.c.Issuer, "error", err)
		return nil, nil, p.down(ctx, err)
	}
	sealed, err := s.seal()
	if err != nil {
		return nil, nil, err
	}
	p.c.Log.InfoContext(ctx, "oidc order started", "issuer", p.c.Issuer, "order", s.name())
	return sealed, providers.Redirect{URL: to}, nil
}

func notURLSafe(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
}

// Continue takes what the browser brought, and later verifies what it was good for.
// The issuer gives its answer for a code once: it is handed back inside the state,
// for the caller to store, and verified at the next call.
func (p *Provider) Continue(ctx context.Context, sealed providers.State, event providers.Event) (providers.State, providers.Step, error) {
	s, err := p.open(sealed)
	if err != nil {
		return sealed, nil, err
	}
	switch {
	case s.Over:
		return sealed, nil, ErrState
	case event.Kind != providers.Tick && event.Kind != providers.Callback:
		return sealed, nil, &providers.BadRequest{Field: "event", Problem: "unknown"}
	case s.Answer != nil:
		return p.finish(ctx, sealed, s)
	case event.Kind == providers.Tick:
		return sealed, providers.Wait{Hint: "away", Text: p.textAway(), PickedUp: true, Next: 30 * time.Second}, nil
	}
	code, failed := p.back(s, event)
	if failed != nil {
		return p.fail(ctx, s, *failed)
	}
	return p.collect(ctx, sealed, s, code)
}

// back reads what the browser brought: a code, or why there is none.
func (p *Provider) back(s state, e providers.Event) (string, *providers.Failed) {
	refused := func(check string) (string, *providers.Failed) {
		return "", &providers.Failed{Reason: providers.EvidenceRefused, Check: check, Text: p.textRefused()}
	}
	if e.At != providers.BackPath {
		return refused("address")
	}
	if len(e.Form) > maxFields {
		return refused("form")
	}
	one := map[string]string{}
	size := 0
	for name, values := range e.Form {
		if len(values) != 1 {
			return refused("form")
		}
		size += len(name) + len(values[0])
		one[name] = values[0]
	}
	if size > 4*maxCode {
		return refused("form")
	}
	if subtle.ConstantTimeCompare([]byte(one["state"]), []byte(s.Handle)) != 1 {
		return refused("state")
	}
	// The answer of another issuer, that was brought here by trickery, must not have
	// its code sent to this one (RFC 9207).
	if iss, given := one["iss"]; (given || s.SaysIssuer) && iss != p.c.Issuer {
		return refused("issuer-parameter")
	}
	reason, isError := one["error"]
	code, isCode := one["code"]
	switch {
	case isError == isCode:
		return refused("form")
	case isError:
		f := p.ending(reason)
		return "", &f
	case code == "" || len(code) > maxCode || strings.ContainsFunc(code, func(r rune) bool { return r < ' ' || r > '~' }):
		return refused("code")
	}
	return code, nil
}

// ending is what an issuer's error code means. Its texts are for nobody to read.
func (p *Provider) ending(code string) providers.Failed {
	f := providers.Failed{Reason: providers.Unknown, Hint: word(code), Text: p.textWrong()}
	switch code {
	case "access_denied", "user_cancelled", "cancelled", "consent_required":
		f.Reason, f.Text = providers.Cancelled, p.textCancelled()
	case "unmet_authentication_requirements":
		f.Reason, f.Text = providers.LevelTooLow, p.textLevel()
	case "temporarily_unavailable", "server_error":
		f.Reason, f.Text = providers.IssuerDown, p.textDown()
	case "expired", "timeout", "transaction_expired", "login_timeout", "interaction_timeout":
		f.Reason, f.Text = providers.TimedOut, p.textTimedOut()
	}
	return f
}

// collect redeems the code and hands the answer back to be stored.
func (p *Provider) collect(ctx context.Context, sealed providers.State, s state, code string) (providers.State, providers.Step, error) {
	// Without these an answer would be of no use, so no code is spent for it.
	m, err := p.issuer.about(ctx)
	if err == nil {
		err = p.issuer.ready(ctx)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return sealed, nil, p.down(ctx, err)
	}
	got, err := p.redeem(ctx, m, s, code)
	var rejected *errRejected
	switch {
	case errors.Is(err, errLost):
		return p.fail(ctx, s, providers.Failed{Reason: providers.ResultLost, Text: p.textLost()})
	case errors.As(err, &rejected):
		p.c.Log.ErrorContext(ctx, "oidc issuer refuses the client", "issuer", p.c.Issuer, "order", s.name(), "error", err)
		return p.fail(ctx, s, providers.Failed{Reason: providers.IssuerDown, Hint: rejected.code, Text: p.textDown()})
	case err != nil:
		p.c.Log.WarnContext(ctx, "oidc code not redeemed", "issuer", p.c.Issuer, "order", s.name(), "error", err)
		return sealed, nil, p.down(ctx, err)
	}
	if err := p.equip(ctx, m, got); err != nil { // asked for again with the answer in safety
		p.c.Log.WarnContext(ctx, "oidc answer not complete yet", "issuer", p.c.Issuer, "order", s.name(), "error", err)
	}
	s.Answer, s.Collected = got, p.c.Clock()
	s.Verifier = oauth2.GenerateVerifier() // the former is spent
	next, err := s.seal()
	if err != nil {
		return sealed, nil, err
	}
	p.c.Log.InfoContext(ctx, "oidc answer received", "issuer", p.c.Issuer, "order", s.name())
	return next, providers.Wait{Hint: "complete", Text: p.textBack(), PickedUp: true}, nil
}

// finish verifies the answer that the state holds. It asks the issuer only for what
// could not be had with the answer.
func (p *Provider) finish(ctx context.Context, sealed providers.State, s state) (providers.State, providers.Step, error) {
	a := *s.Answer
	if a.Key == nil || p.c.Userinfo && a.Userinfo == "" {
		m, err := p.issuer.about(ctx)
		if err == nil {
			err = p.equip(ctx, m, &a)
		}
		if err != nil {
			return sealed, nil, p.down(ctx, err)
		}
	}
	if a.False != "" {
		return p.refuse(ctx, s, a.False)
	}
	proof, err := evidence{
		Version: evidenceVersion, Issuer: s.Issuer, Client: s.Client, Salt: s.Salt, IDToken: a.IDToken, Key: *a.Key,
		Userinfo: a.Userinfo, UserinfoKey: a.UserinfoKey, Started: s.Started, Collected: s.Collected,
	}.seal()
	if err != nil {
		return p.refuse(ctx, s, "encoding")
	}
	id, err := Verify(proof, providers.Expected{
		Kind: providers.KindAuth, Binding: s.Binding, Number: s.Number, Started: s.Started, Ended: s.Collected,
	}, p.trust(a), p.c.Clock())
	var r *providers.Refused
	switch {
	case errors.As(err, &r):
		p.c.Log.WarnContext(ctx, "oidc evidence refused", "issuer", p.c.Issuer, "order", s.name(), "error", err)
		return p.refuse(ctx, s, r.Check)
	case err != nil:
		return p.refuse(ctx, s, "unknown")
	}
	_, c, err := parseToken(a.IDToken)
	if err != nil {
		return p.refuse(ctx, s, "structure")
	}
	if !fits(c, a.AccessToken) {
		return p.refuse(ctx, s, "at-hash")
	}
	if seen, err := p.seen(ctx, s, c, a.IDToken); err != nil {
		// The answer is stored: it is looked at again.
		return sealed, nil, p.down(ctx, fmt.Errorf("replay: %w", err))
	} else if seen {
		return p.refuse(ctx, s, "replay")
	}
	p.c.Log.InfoContext(ctx, "oidc evidence verified", "issuer", p.c.Issuer, "order", s.name())
	return p.over(s, providers.Done{Identity: id, Evidence: proof})
}

// Trust is what this provider believes when it verifies, beside the issuer's keys
// of the moment. An offline verifier adds to Keys which ones it believes.
func (p *Provider) Trust() Trust {
	return Trust{
		Issuer: p.c.Issuer, Clients: []string{p.c.ClientID}, Algorithms: slices.Clone(p.c.Algorithms),
		Claims: p.c.Claims, Levels: p.c.Levels, Approved: p.c.Approved, CoordNumbers: p.c.CoordNumbers,
		AuthAge: p.c.AuthAge, NoAuthTime: p.c.AuthTime == AuthTimeOptional, TokenAge: p.c.TokenAge, Skew: p.c.Skew, Provider: p.c.ID,
	}
}

// trust believes the keys that were found among the issuer's own.
func (p *Provider) trust(a answer) Trust {
	t := p.Trust()
	t.Keys = []string{a.Key.thumbprint()}
	if a.UserinfoKey != nil {
		t.Keys = append(t.Keys, a.UserinfoKey.thumbprint())
	}
	return t
}

// fits reports whether an ID Token came with the access token that it names, if
// it names one. All algorithms here have the same digest.
func fits(c claims, access string) bool {
	want, given, err := c.text("at_hash")
	if err != nil || !given {
		return err == nil
	}
	sum := sha256.Sum256([]byte(access))
	return subtle.ConstantTimeCompare([]byte(want), []byte(encode(sum[:16]))) == 1
}

// seen notes an ID Token, so that it is good for one order. The order itself may
// ask again, as after a crash.
func (p *Provider) seen(ctx context.Context, s state, c claims, raw string) (bool, error) {
	if p.c.Replay == nil {
		return false, nil
	}
	name, given, err := c.text("jti")
	if err != nil || !given || name == "" {
		name = raw[:strings.LastIndexByte(raw, '.')] // a signature may have two forms
	}
	sum := sha256.Sum256([]byte(p.c.Issuer + "\x00" + name))
	until := s.Collected.Add(24 * time.Hour)
	if exp, given, err := c.time("exp"); err == nil && given && exp.Add(2*p.c.Skew).After(until) {
		until = exp.Add(2 * p.c.Skew)
	}
	return p.c.Replay.Seen(ctx, "oidc:"+encode(sum[:]), s.nonce(), until)
}

// refuse ends an order whose evidence did not pass.
func (p *Provider) refuse(ctx context.Context, s state, check string) (providers.State, providers.Step, error) {
	f := providers.Failed{Reason: providers.EvidenceRefused, Check: check, Text: p.textRefused()}
	switch check {
	case "level":
		f = providers.Failed{Reason: providers.LevelTooLow, Text: p.textLevel()}
	case "country", "number":
		f.Text = p.textNumber()
	case "person":
		f.Text = p.textPerson()
	}
	return p.fail(ctx, s, f)
}

func (p *Provider) fail(ctx context.Context, s state, f providers.Failed) (providers.State, providers.Step, error) {
	p.c.Log.InfoContext(ctx, "oidc order failed", "issuer", p.c.Issuer, "order", s.name(), "reason", string(f.Reason), "hint", f.Hint, "check", f.Check)
	return p.over(s, f)
}

func (p *Provider) over(s state, last providers.Step) (providers.State, providers.Step, error) {
	s.Over, s.Answer, s.Handle, s.Verifier = true, nil, "", ""
	sealed, err := json.Marshal(s)
	if err != nil {
		return nil, nil, err
	}
	return sealed, last, nil
}

// Cancel tells nobody: an issuer has no ear for it. What comes back later finds no
// order.
func (p *Provider) Cancel(_ context.Context, sealed providers.State) error {
	_, err := p.open(sealed)
	return err
}
