package saml

import (
	"context"

	"sigill/providers"
)

// Continue takes the answer that the browser brought.
func (p *Provider) Continue(ctx context.Context, sealed providers.State, event providers.Event) (providers.State, providers.Step, error) {
	s, err := p.open(sealed)
	if err != nil {
		return sealed, nil, err
	}
	if s.Over {
		return sealed, nil, ErrState
	}
	if err := ctx.Err(); err != nil {
		return sealed, nil, err
	}
	return sealed, providers.Wait{Hint: "away", Text: textAway(s.Kind), PickedUp: true, Next: away}, nil
}

// Cancel cannot reach the identity provider: it has only the browser to hear of
// us by.
func (p *Provider) Cancel(ctx context.Context, sealed providers.State) error {
	if _, err := p.open(sealed); err != nil {
		return err
	}
	return ctx.Err()
}

func textAway(kind providers.Kind) providers.Text {
	if kind == providers.KindSign {
		return providers.Text{SV: "Skriv under på sidan som öppnades. Sedan kommer du tillbaka hit.", EN: "Sign on the page that was opened. You will then come back here."}
	}
	return providers.Text{SV: "Legitimera dig på sidan som öppnades. Sedan kommer du tillbaka hit.", EN: "Identify yourself on the page that was opened. You will then come back here."}
}
