package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sigill/broker/kit/config"
	"sigill/providers"
)

// A Trial is what came of trying one configured instance of an e-ID.
type Trial struct {
	Instance string
	Kind     string
	Offers   []providers.ID
	Findings []providers.Finding
}

// Bad reports whether anything does not work.
func (t Trial) Bad() bool {
	return slices.ContainsFunc(t.Findings, func(f providers.Finding) bool { return f.Bad })
}

// Try tries the instances of that name, or that offer the e-ID of that name,
// without a login; an empty name means all. Nothing is written and no other part
// of the installation is needed. The error is of a name that fits nothing.
func Try(ctx context.Context, s config.Config, name string) ([]Trial, error) {
	now := time.Now
	var trials []Trial
	for _, c := range s.Providers {
		if name != "" && c.Name != name && !slices.Contains(c.Offers, providers.ID(name)) {
			continue
		}
		t := Trial{Instance: c.Name, Kind: c.Kind, Offers: c.Offers}
		w := workshopOf(s, unused{}, now, slog.New(slog.DiscardHandler))
		w.data = ""
		e, err := openProviders(ctx, []config.Provider{c}, w)
		if err != nil {
			t.Findings = []providers.Finding{{What: "configuration", Said: err.Error(), Bad: true}}
			trials = append(trials, t)
			continue
		}
		i := e.instances[0]
		for _, r := range i.certificates {
			until, _ := r.state()
			f := providers.Finding{What: "files of " + r.what, Said: "read; until " + until.Format(time.DateOnly), Ends: until}
			if f.Bad = now().After(until); f.Bad {
				f.Said = "the certificate ended on " + until.Format(time.DateOnly)
			}
			t.Findings = append(t.Findings, f)
		}
		for p := range i.each {
			if checker, ok := p.(providers.Checker); ok {
				t.Findings = append(t.Findings, checker.Check(ctx)...)
				break // the others of the instance have the same issuer
			}
		}
		if s.Signing != nil {
			if err := checkKept(s, e); err != nil {
				t.Findings = append(t.Findings, providers.Finding{What: "proofs of signatures", Said: err.Error(), Bad: true})
			}
		}
		trials = append(trials, t)
	}
	if len(trials) == 0 {
		return nil, fmt.Errorf("no provider is named %s, and none offers it", name)
	}
	return trials, nil
}
