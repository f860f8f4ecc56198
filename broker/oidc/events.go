package oidc

import (
	"context"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

func (p *Provider) event(t audit.Type, client string) audit.Event {
	return audit.Event{Type: t, At: p.Now(), Client: client}
}

// person is how the audit names somebody: a keyed digest.
func (p *Provider) person(i providers.Identity) string {
	return p.PersonDigest([]byte(i.Number.Digits()))
}

// note records an act that refuses something. It is refused all the same when
// the record cannot be written; what grants something uses Records itself and
// does not happen without its record.
func (p *Provider) note(ctx context.Context, e audit.Event, marks ...broker.Mark) {
	ctx, cancel := settled(ctx)
	defer cancel()
	if err := p.Records.Spend(ctx, marks, e); err != nil {
		p.Log.ErrorContext(ctx, "a refusal could not be recorded", "type", e.Type, "error", err)
	}
}
