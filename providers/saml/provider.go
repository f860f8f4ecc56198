package saml

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigill/providers"
	"sigill/providers/saml/metadata"
	"sigill/providers/xmlsec"
)

// Continue takes the answer that the browser brought. It asks nobody, so the same
// answer may come again, as after a crash.
func (p *Provider) Continue(ctx context.Context, sealed providers.State, event providers.Event) (providers.State, providers.Step, error) {
	s, err := p.open(sealed)
	if err != nil {
		return sealed, nil, err
	}
	if s.Over {
		return sealed, nil, ErrState
	}
	if err := ctx.Err(); err != nil {
		return sealed, nil, fmt.Errorf("saml: %w", err)
	}
	switch event.Kind {
	case providers.Tick:
		return sealed, providers.Wait{Hint: "away", Text: textAway(s.Kind), PickedUp: true, Next: away}, nil
	case providers.Callback:
	default:
		return sealed, nil, &providers.BadRequest{Field: "event", Problem: "neither a tick nor an answer"}
	}
	idp, err := p.Source.IdP(p.Config.IdP)
	if err != nil {
		return sealed, nil, &providers.Unavailable{Issuer: p.Title.SV, Err: fmt.Errorf("metadata: %w", err)}
	}
	step, err := p.judge(ctx, s, &idp, event)
	if err != nil {
		return sealed, nil, err
	}
	s.Over = true
	next, err := s.seal()
	if err != nil {
		return sealed, nil, err
	}
	return next, step, nil
}

// longest is how long an assertion is remembered at most. Its order is over long
// before.
const longest = 24 * time.Hour

// judge says what an answer is: Done or Failed. An error is of our own making.
func (p *Provider) judge(ctx context.Context, s state, idp *metadata.IdP, event providers.Event) (providers.Step, error) {
	a := &arrival{p: p, s: s, idp: idp, event: event, now: p.came(event)}
	a.sp, _ = p.sp(s.Kind)
	if err := run(a, arrivals()); err != nil {
		return p.failed(ctx, s, a.failure, err), nil
	}
	v, proof, err := a.verification()
	if err == nil {
		err = run(v, verifications())
	}
	if err != nil {
		return p.failed(ctx, s, nil, err), nil
	}
	until := v.ends.Add(p.Skew)
	now := p.Clock()
	if most := now.Add(longest); until.After(most) {
		until = most
	}
	if least := now.Add(time.Hour); until.Before(least) {
		until = least // it may have come long before
	}
	used, err := p.Replay.Seen(ctx, v.key(), s.ID, until)
	switch {
	case err != nil:
		// The answer is stored: it is looked at again.
		return nil, &providers.Unavailable{Issuer: p.Title.SV, Err: fmt.Errorf("remember the assertion: %w", err)}
	case used:
		return p.failed(ctx, s, nil, &providers.Refused{Check: "replay", Err: errors.New("the assertion was used before")}), nil
	}
	p.Log.InfoContext(ctx, "saml evidence verified", "order", s.ID, "idp", s.IdP, "level", v.policy)
	return providers.Done{Identity: v.identity(), Evidence: proof}, nil
}

// came is by when an answer is judged: the time at which the browser brought it,
// not the one at which somebody gets round to it.
func (p *Provider) came(event providers.Event) time.Time {
	now := p.Clock()
	if event.Came.IsZero() || event.Came.After(now) {
		return now.UTC()
	}
	return event.Came.UTC()
}

// failed is the end of an order without a proof.
func (p *Provider) failed(ctx context.Context, s state, ended *providers.Failed, err error) providers.Failed {
	var r *providers.Refused
	switch {
	case ended != nil:
		p.Log.InfoContext(ctx, "saml order failed", "order", s.ID, "idp", s.IdP, "reason", string(ended.Reason), "hint", ended.Hint)
		return *ended
	case errors.As(err, &r):
		f := refusal(r.Check, s)
		p.Log.WarnContext(ctx, "saml evidence refused", "order", s.ID, "idp", s.IdP, "reason", string(f.Reason), "error", err)
		return f
	}
	p.Log.ErrorContext(ctx, "saml evidence refused", "order", s.ID, "idp", s.IdP, "error", err)
	return refusal("unknown", s)
}

// verification is the rest of the work, with what is known while the answer
// arrives, and the evidence that anybody can start from later.
func (a *arrival) verification() (*verification, providers.Evidence, error) {
	e := evidence{
		Version: evidenceVersion, IdP: a.idp.EntityID, SP: a.sp.EntityID, Started: a.s.Started, Received: a.now,
		Salt: a.s.Salt, Metadata: a.idp.Raw,
	}
	v := &verification{
		expected: providers.Expected{
			Kind: a.s.Kind, Text: a.s.Text, Binding: a.s.Binding, Number: a.s.Number,
			Started: a.s.Started, Ended: a.now,
		},
		trust: a.p.Trust(), at: a.now, idp: a.idp,
		live: &live{acs: a.sp.ACS, id: a.s.ID, asked: a.s.Asked, forced: a.s.Forced, age: a.p.AuthAge, skew: a.p.Skew},
	}
	v.trust.Audiences = []string{a.sp.EntityID}
	// What cannot be read is refused by the step that reads it.
	v.assertion, _ = xmlsec.Parse(a.assertion, maxResponse)
	if v.assertion != nil && xmlsec.Signed(v.assertion) || a.s.Kind == providers.KindSign {
		e.Assertion = a.assertion
	} else {
		e.Response, e.ContentKey = a.raw, a.contentKey
		v.response, v.plain = a.response, a.assertion
	}
	v.evidence = e
	proof, err := e.seal()
	return v, proof, err
}

// Trust is what this provider believes when it verifies: the keys that the identity
// provider has now. The offline verifier can use the same, with the certificates of
// the time, or with none of the identity provider but those of who signs its metadata.
func (p *Provider) Trust() Trust {
	t := Trust{
		EntityIDs: []string{p.Config.IdP}, Audiences: []string{p.Login.EntityID},
		Levels: p.Levels, Attributes: p.Attributes, NoCoordNumbers: !p.CoordNumbers, MappedBy: p.MappedBy, IDPList: p.IDPList,
		Provider: p.ID, Approved: p.Approved,
	}
	if p.signs() {
		t.Audiences = append(t.Audiences, p.Sign.EntityID)
	}
	if idp, err := p.Source.IdP(p.Config.IdP); err == nil {
		t.IdPs = idp.SigningCertificates
	}
	return t
}

// Cancel cannot reach the identity provider: it has only the browser to hear of
// us by.
func (p *Provider) Cancel(ctx context.Context, sealed providers.State) error {
	if _, err := p.open(sealed); err != nil {
		return err
	}
	return ctx.Err()
}
