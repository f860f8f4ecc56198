package saml

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"sigill/providers"
)

const samlStatus = "urn:oasis:names:tc:SAML:2.0:status:"

// Each status of the profile, and what it means.
func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		status string // short
		reason providers.Reason
		hint   string
		sv     string // a part of what is said
	}{
		{"Responder http://id.elegnamnden.se/status/1.0/cancel", providers.Cancelled, "cancel", "Du avbröt"},
		{"Requester http://id.elegnamnden.se/status/1.0/cancel", providers.Cancelled, "cancel", "Du avbröt"},
		{"Responder http://id.elegnamnden.se/status/1.0/fraud", providers.RiskBlocked, "fraud", "säkerhetsskäl"},
		{"Responder http://id.elegnamnden.se/status/1.0/possibleFraud", providers.RiskBlocked, "possibleFraud", "Lägg på"},
		{"Responder AuthnFailed", providers.StepUpFailed, "AuthnFailed", "kort och läsare"},
		{"Requester NoAuthnContext", providers.LevelTooLow, "NoAuthnContext", "säkerhetsnivå"},
		{"Requester UnknownPrincipal", providers.WrongPerson, "UnknownPrincipal", "annan person"},
		{"Responder NoPassive", providers.Unknown, "NoPassive", "tekniskt fel"},
		{"Requester RequestDenied", providers.Unsuitable, "RequestDenied", "får inte använda"},
		{"Requester RequestUnsupported", providers.Unknown, "RequestUnsupported", "tekniskt fel"},
		{"Requester InvalidNameIDPolicy", providers.Unknown, "InvalidNameIDPolicy", "tekniskt fel"},
		{"Requester InvalidAttrNameOrValue", providers.Unknown, "InvalidAttrNameOrValue", "tekniskt fel"},
		{"Requester UnsupportedBinding", providers.Unknown, "UnsupportedBinding", "tekniskt fel"},
		{"VersionMismatch", providers.Unknown, "VersionMismatch", "tekniskt fel"},
		{"Requester", providers.Unknown, "Requester", "tekniskt fel"},
		{"Responder NoAvailableIDP", providers.IssuerDown, "NoAvailableIDP", "svarar inte"},
		{"Responder NoSupportedIDP", providers.IssuerDown, "NoSupportedIDP", "svarar inte"},
		{"Responder", providers.IssuerDown, "Responder", "svarar inte"},
		{"Responder http://example.se/PERSON", providers.IssuerDown, "Responder", "svarar inte"},
		{"something", providers.Unknown, "", "tekniskt fel"},
	} {
		t.Run(c.status, func(t *testing.T) {
			var codes []string
			for _, code := range strings.Fields(c.status) {
				if !strings.HasPrefix(code, "http") {
					code = samlStatus + code
				}
				codes = append(codes, strings.Replace(code, "PERSON", person, 1))
			}
			for _, kind := range kindsOf() {
				var log bytes.Buffer
				w := open(t, func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
				s, _ := w.begin(kind)
				next, step, err := w.p.Continue(t.Context(), s, w.answers(s, answer{status: codes}))
				must(t, err)
				f, ok := step.(providers.Failed)
				if !ok || f.Reason != c.reason || f.Hint != c.hint || f.Check != "" {
					t.Fatalf("ended with %T %s %q %s", step, f.Reason, f.Hint, f.Check)
				}
				if !strings.Contains(f.Text.SV, c.sv) || f.Text.EN == "" {
					t.Errorf("says %q", f.Text.SV)
				}
				if said := log.String() + f.Text.SV + f.Text.EN + f.Hint; strings.Contains(said, "Mystery") || strings.Contains(said, person) || strings.Contains(said, otherPerson) {
					t.Error("the issuer's message is passed on")
				}
				if _, _, err := w.p.Continue(t.Context(), next, providers.Event{Kind: providers.Tick}); err == nil {
					t.Error("continues what is over")
				}

				// The same unsigned could be anybody's.
				s, _ = w.begin(kind)
				f, ok = w.ends(s, w.answers(s, answer{status: codes, unsigned: true})).(providers.Failed)
				if !ok || f.Reason != providers.Unknown || f.Hint != "unsigned" {
					t.Errorf("unsigned: %s %s", f.Reason, f.Hint)
				}
				// And by a stranger it is no status at all.
				stranger := keys()["other"]
				refusedAt(t, w.ends(s, w.answers(s, answer{status: codes, responder: &stranger})), "signature/signature")
			}
		})
	}
}

// The table of levels, to the letter.
func TestLevels(t *testing.T) {
	const (
		low = providers.LevelNone
		un  = providers.LevelUncertified3
		cer = providers.Level3
	)
	for _, c := range []struct {
		loa                             string
		telia, other, approved, apTelia providers.Level
	}{
		{LoA3, un, un, cer, un},
		{LoA4, un, un, cer, un},
		{UncertifiedLoA3, un, un, un, un},
		{"http://id.elegnamnden.se/loa/1.0/loa2", low, low, low, low},
		{"http://id.elegnamnden.se/loa/1.0/loa1", low, low, low, low},
		{"http://id.swedenconnect.se/loa/1.0/uncertified-loa2", low, low, low, low},
		{"http://id.swedenconnect.se/loa/1.0/loa3-nonresident", low, low, low, low},
		{"http://id.elegnamnden.se/loa/1.0/loa3-sigmessage", low, low, low, low},
		{"http://id.swedenconnect.se/loa/1.0/uncertified-eidas-sub", low, low, low, low},
		{"https://id.elegnamnden.se/loa/1.0/loa3", low, low, low, low},
		{"http://id.elegnamnden.se/loa/1.0/LOA3", low, low, low, low},
		{" " + LoA3, low, low, low, low},
		{LoA3 + "\n", low, low, low, low},
		{LoA3 + "/", low, low, low, low},
		{"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport", low, low, low, low},
		{"", low, low, low, low},
	} {
		for _, v := range []struct {
			id       providers.ID
			approved bool
			want     providers.Level
		}{{providers.Telia, false, c.telia}, {"svenska-pass", false, c.other}, {"svenska-pass", true, c.approved}, {providers.Telia, true, c.apTelia}} {
			w := open(t, func(cfg *Config) {
				cfg.ID, cfg.Approved, cfg.AskNoLevel = v.id, v.approved, true
				cfg.Title = providers.Text{SV: "Prov", EN: "Test"}
			})
			s, _ := w.begin(login)
			step := w.ends(s, w.answers(s, answer{assertion: write(c.loa, "AuthnStatement", "AuthnContext", "AuthnContextClassRef")}))
			if v.want == low {
				if f, ok := step.(providers.Failed); !ok || f.Reason != providers.LevelTooLow || f.Text.SV == "" {
					t.Errorf("%q for %s: %T", c.loa, v.id, step)
				}
				continue
			}
			if d, ok := step.(providers.Done); !ok || d.Identity.Level != v.want || d.Identity.Policy != c.loa {
				t.Errorf("%q for %s: %T, not %v", c.loa, v.id, step, v.want)
			}
		}
	}
	// A level that is good, but not the one that was asked for.
	w := open(t, func(c *Config) { c.Request = []string{UncertifiedLoA3} })
	s, _ := w.begin(login)
	f, ok := w.ends(s, w.answers(s, answer{assertion: write(LoA3, "AuthnStatement", "AuthnContext", "AuthnContextClassRef")})).(providers.Failed)
	if !ok || f.Reason != providers.LevelTooLow {
		t.Error("took another level than was asked for")
	}
	// No context, or two.
	for _, change := range []func(*etree.Element){
		without("AuthnStatement", "AuthnContext"), twice("AuthnStatement", "AuthnContext"),
		without("AuthnStatement", "AuthnContext", "AuthnContextClassRef"), twice("AuthnStatement", "AuthnContext", "AuthnContextClassRef"),
	} {
		w := open(t)
		s, _ := w.begin(login)
		if f, ok := w.ends(s, w.answers(s, answer{assertion: change})).(providers.Failed); !ok || f.Reason != providers.LevelTooLow {
			t.Error("took an assertion without a level, or with two")
		}
	}
	// A configured table is never better than what the e-ID can have.
	w = open(t, func(c *Config) {
		c.Approved, c.AskNoLevel = true, true
		c.Levels = map[string]providers.Level{"urn:oasis:names:tc:SAML:2.0:ac:classes:SoftwarePKI": providers.Level3, LoA3: providers.Level3}
	})
	if level := w.p.Info().Level; level != providers.LevelUncertified3 {
		t.Errorf("Telia may have level %v", level)
	}
}

func TestNumbers(t *testing.T) {
	const (
		mapped = "urn:oid:1.2.752.201.3.16"
		bound  = "urn:oid:1.2.752.201.3.6"
		swedes = "http://id.swedenconnect.se/id-binding/process/swedish-eid"
	)
	instead := func(attributes ...string) answer {
		return answer{assertion: func(el *etree.Element) {
			remove(named(el, oidNumber))
			for i := 0; i < len(attributes); i += 2 {
				attribute(at(el, "AttributeStatement"), attributes[i], attributes[i+1])
			}
		}}
	}
	for _, c := range []struct {
		name   string
		config func(*Config)
		answer answer
		want   string // a number, or the hint of a failure
	}{
		{"personnummer", nil, answer{}, person},
		{"with space around", nil, answer{assertion: value(oidNumber, "\n  "+person+"\n")}, person},
		{"coordination number without opt-in", nil, answer{assertion: value(oidNumber, coordination)}, checkCoordination},
		{"coordination number with opt-in", func(c *Config) { c.CoordNumbers = true }, answer{assertion: value(oidNumber, coordination)}, coordination},
		{"none", nil, instead(), checkNoNumber},
		{"an empty one", nil, answer{assertion: value(oidNumber, "")}, checkNoNumber},
		{"only a NameID", nil, answer{assertion: func(el *etree.Element) {
			remove(named(el, oidNumber))
			at(el, "Subject", "NameID").SetText(person)
		}}, checkNoNumber},
		{"mapped, not accepted", nil, instead(mapped, person, bound, swedes), checkNoNumber},
		{"mapped, accepted", func(c *Config) { c.MappedBy = []string{swedes} }, instead(mapped, person, bound, "x;"+swedes), person},
		{"mapped, bound otherwise", func(c *Config) { c.MappedBy = []string{swedes} }, instead(mapped, person, bound, swedes+"x"), checkNoNumber},
		{"mapped, not bound", func(c *Config) { c.MappedBy = []string{swedes} }, instead(mapped, person), checkNoNumber},
		{"CGI's names", func(c *Config) { c.Attributes = CGIClassic() }, instead("Subject_SerialNumber", person), person},
		{"CGI's names, not configured", nil, instead("Subject_SerialNumber", person), checkNoNumber},
		{"one of several names", func(c *Config) {
			c.Attributes = SwedenConnect()
			c.Attributes.Names[Number] = []string{oidNumber, "Subject_SerialNumber"}
		}, instead("Subject_SerialNumber", person), person},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := open(t, func(cfg *Config) {
				if c.config != nil {
					c.config(cfg)
				}
			})
			s, _ := w.begin(login)
			switch step := w.ends(s, w.answers(s, c.answer)).(type) {
			case providers.Done:
				if step.Identity.Number.Digits() != c.want {
					t.Error("another number")
				}
			case providers.Failed:
				if step.Reason != providers.Unsuitable || step.Hint != c.want || !strings.Contains(step.Text.SV, "svenskt personnummer") {
					t.Errorf("%s %s %s", step.Reason, step.Hint, step.Check)
				}
			}
		})
	}
	// Two names of one claim that do not agree.
	w := open(t, func(c *Config) {
		c.Attributes = SwedenConnect()
		c.Attributes.Names[Number] = []string{oidNumber, "Subject_SerialNumber"}
	})
	s, _ := w.begin(login)
	refusedAt(t, w.ends(s, w.answers(s, answer{assertion: func(el *etree.Element) {
		attribute(at(el, "AttributeStatement"), "Subject_SerialNumber", otherPerson)
	}})), "attributes")
	// Somebody else, where the identity provider was not told whom to expect.
	w = open(t, func(c *Config) { c.PrincipalSelection = Off })
	s, _ = w.begin(login, func(r *providers.Request) { r.Number = mustNumber(otherPerson) })
	if f, ok := w.ends(s, w.answers(s, answer{})).(providers.Failed); !ok || f.Reason != providers.WrongPerson || f.Check != "" {
		t.Error("took another person, or called an honest mistake a falsehood")
	}
	// Names without a name to show.
	w = open(t)
	s, _ = w.begin(login)
	d := done(t, w.ends(s, w.answers(s, answer{assertion: func(el *etree.Element) { remove(named(el, "urn:oid:2.16.840.1.113730.3.1.241")) }})))
	if d.Identity.Name != "Testperson Ett" {
		t.Errorf("called %q", d.Identity.Name)
	}
}
