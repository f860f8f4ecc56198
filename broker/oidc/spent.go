package oidc

import (
	"context"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
)

// Marks keeps what the short-lived store might forget.
type Marks interface {
	// Spend writes marks and acts in one transaction. broker.ErrConflict, and
	// nothing written, when a mark without Again was there before: of any number
	// of callers one gets nil.
	Spend(ctx context.Context, marks []broker.Mark, events ...audit.Event) error
	// Spent reports whether a mark of this kind and digest is there.
	Spent(ctx context.Context, kind string, digest []byte) (bool, error)
}

// Kinds of marks. All but assertions go by the id of the record that the thing
// belongs to: a login gives one code, one token and one session in its life.
const (
	spentAssertion = "assertion"
	spentCode      = "code"
	endedToken     = "token"
	endedSession   = "session"
)

// outlives is how much longer a mark is kept than what it marks, for nodes whose
// clocks differ.
const outlives = 10 * time.Minute

func (p *Provider) codeSpent(id string) broker.Mark {
	// A login that is pending again could be given another code.
	return broker.Mark{Kind: spentCode, Digest: digest(id), Expires: p.Now().Add(p.LoginLife + p.CodeLife + outlives)}
}

func (p *Provider) tokenEnded(id string, life time.Duration) broker.Mark {
	return broker.Mark{Kind: endedToken, Digest: digest(id), Expires: p.Now().Add(life + outlives), Again: true}
}

func (p *Provider) sessionEnded(id string) broker.Mark {
	return broker.Mark{Kind: endedSession, Digest: digest(id), Expires: p.Now().Add(p.SessionLife + outlives), Again: true}
}

// loginOver marks all that a login gave, or still could give.
func (p *Provider) loginOver(id string) []broker.Mark {
	code := p.codeSpent(id)
	code.Again = true // it may well have been exchanged
	return []broker.Mark{code, p.tokenEnded(id, p.TokenLife), p.sessionEnded(id)}
}

// lives is broker.ErrNotFound for what has ended, whatever the short-lived store
// says.
func (p *Provider) lives(ctx context.Context, kind, id string) error {
	ended, err := p.Records.Spent(ctx, kind, digest(id))
	if err == nil && ended {
		err = broker.ErrNotFound
	}
	return err
}
