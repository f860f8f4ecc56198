package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sigill/broker"
	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/providers/bankid"
)

// A factory makes the e-IDs of one configured instance, one for each id that it
// offers, and what follows the files of its certificates.
type factory func(context.Context, config.Provider, workshop) (map[providers.ID]providers.Provider, []*renewal, error)

// workshop is what factories share.
type workshop struct {
	issuer  string
	data    string // folder of what may be fetched again; empty: nothing is kept
	collect time.Duration
	offline bool // nobody may be asked
	replay  providers.Replay
	now     func() time.Time
	log     *slog.Logger
}

// workshopOf is the workshop of an installation. With unused for replay the
// e-IDs can be looked at and not used.
func workshopOf(s config.Config, replay providers.Replay, now func() time.Time, log *slog.Logger) workshop {
	return workshop{issuer: s.Issuer, data: s.Data, collect: s.Collect, replay: replay, now: now, log: log}
}

// address is where browsers and issuers find what is an instance's own.
func (w workshop) address(instance, path string) string {
	return w.issuer + "/eid/" + instance + "/" + path
}

// factories names each kind of provider that a configuration may hold.
func factories() map[string]factory {
	return map[string]factory{
		config.KindBankID: openBankID,
		config.KindFreja:  openFreja,
		config.KindSAML:   openSAML,
		config.KindOIDC:   openOIDC,
	}
}

// eids are the configured e-IDs.
type eids struct{ instances []instance }

type instance struct {
	name         string
	kind         string
	offers       []providers.ID
	eids         map[providers.ID]providers.Provider
	certificates []*renewal
}

// each gives the e-IDs of an instance in the order in which it offers them.
func (i instance) each(yield func(providers.Provider) bool) {
	for _, id := range i.offers {
		if !yield(i.eids[id]) {
			return
		}
	}
}

// dates are when something ends that the e-IDs of an instance live by, besides
// the files that are followed: what people renew, and what renews itself.
func (i instance) dates() (renewed, renewing []ending) {
	for p := range i.each {
		d, ok := p.(providers.Dated)
		if !ok {
			continue
		}
		for _, f := range d.Dates() {
			switch e := (ending{what: i.name + ": " + f.What, until: f.Ends, fine: !f.Bad}); {
			case f.Ends.IsZero():
			case f.Renews:
				renewing = append(renewing, ending{what: i.name, until: f.Ends})
			default:
				renewed = append(renewed, e)
			}
		}
		break // the others of the instance have the same issuer
	}
	return renewed, renewing
}

// openProviders makes all instances, and reports what is wrong with any.
func openProviders(ctx context.Context, list []config.Provider, w workshop) (*eids, error) {
	kinds := factories()
	e := &eids{}
	var faults []error
	for _, c := range list {
		open, ok := kinds[c.Kind]
		if !ok {
			faults = append(faults, fmt.Errorf("provider %s: there is no kind %q", c.Name, c.Kind))
			continue
		}
		made, certificates, err := open(ctx, c, w)
		if err != nil {
			faults = append(faults, fmt.Errorf("provider %s: %w", c.Name, err))
			continue
		}
		e.instances = append(e.instances, instance{c.Name, c.Kind, c.Offers, made, certificates})
	}
	return e, errors.Join(faults...)
}

// documents are what an instance publishes.
func (e *eids) documents(name string) map[string]providers.Document {
	for _, i := range e.instances {
		if i.name != name {
			continue
		}
		for p := range i.each {
			if publisher, ok := p.(providers.Publisher); ok {
				return publisher.Documents()
			}
		}
	}
	return nil
}

// runs are what keeps the e-IDs fresh.
func (e *eids) runs() []func(context.Context) error {
	var all []func(context.Context) error
	for _, i := range e.instances {
		for p := range i.each {
			if r, ok := p.(providers.Runner); ok {
				all = append(all, r.Run)
			}
		}
	}
	return all
}

// find gives the e-ID of an instance; without a name that of the first instance
// that offers it.
func (e *eids) find(id providers.ID, name string) (providers.Provider, bool) {
	for _, i := range e.instances {
		if name == "" || i.name == name {
			if p, ok := i.eids[id]; ok {
				return p, true
			}
		}
	}
	return nil, false
}

// offers lists the e-IDs of a client, in the order shown.
func (e *eids) offers(c broker.Client) []providers.Info {
	order := c.ProviderOrder
	if len(c.Providers) == 0 {
		order = nil
		for _, i := range e.instances {
			for _, id := range i.offers {
				if !slices.Contains(order, id) {
					order = append(order, id)
				}
			}
		}
	}
	var list []providers.Info
	for _, id := range order {
		if p, ok := e.find(id, c.Providers[id]); ok {
			list = append(list, p.Info())
		}
	}
	return list
}

// levels are the levels of assurance that the instances reach.
func (e *eids) levels() []providers.Level {
	var list []providers.Level
	for _, i := range e.instances {
		for _, id := range i.offers {
			if l := i.eids[id].Info().Level; !slices.Contains(list, l) {
				list = append(list, l)
			}
		}
	}
	slices.Sort(list)
	return list
}

// userSignature takes the person's own signature out of the evidence of those
// e-IDs that have one, as it was verified: for BankID an XML document.
func userSignature(e providers.Evidence) []byte {
	if e.MediaType != bankid.MediaType {
		return nil
	}
	var v struct {
		Signature []byte `json:"signature"` // base64 in the JSON
	}
	if err := json.Unmarshal(e.Bytes, &v); err != nil {
		return nil
	}
	return v.Signature
}
