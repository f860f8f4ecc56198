package oidc

import (
	"context"
	"math/rand/v2"
	"time"
)

// Run keeps what is known of the issuer fresh, so that nobody's login waits for it.
func (p *Provider) Run(ctx context.Context) error {
	for {
		p.freshen(ctx)
		// Not all nodes at once.
		wait := time.NewTimer(p.c.Refresh/2 + rand.N(p.c.Refresh/4+1))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
	}
}

// freshen reads anew what is older than it may be by the next time.
func (p *Provider) freshen(ctx context.Context) {
	call, done := context.WithTimeout(ctx, 3*patience)
	defer done()
	if err := p.issuer.renew(call); err != nil && ctx.Err() == nil {
		p.c.Log.WarnContext(ctx, "oidc issuer cannot be asked what it is", "issuer", p.c.Issuer, "error", err)
	}
}
