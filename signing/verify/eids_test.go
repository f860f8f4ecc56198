package verify_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/freja"
	"sigill/providers/personnummer"
	"sigill/providers/saml"
	"sigill/signing/evidence"
	"sigill/signing/receipt"
	"sigill/signing/trust"
	"sigill/signing/verify"
	"sigill/signing/verify/verifytest"
	"sigill/testidp"
)

// eids are the simulated e-IDs besides BankID, which the kit's trust believes.
type eids struct {
	*verifytest.Kit
	sim         *testidp.Server
	freja, saml *verifytest.EID
}

func newEIDs(t testing.TB) *eids {
	t.Helper()
	k, sim := newKit(t)
	approve := func(order, number string) error {
		_, err := sim.Approve(order, number)
		return err
	}
	m, err := sim.FrejaMaterial()
	if err != nil {
		t.Fatal(err)
	}
	idp := sim.SAML(testidp.Telia)
	e := &eids{
		Kit: k, sim: sim,
		freja: verifytest.NewFreja(t, verifytest.FrejaSimulator{
			URL: m.BaseURL, AppURL: m.AppURL, TLSRoot: m.TLSRoot, JWSRoot: m.JWSRoot, JWS: m.JWS, Intermediate: m.Intermediate,
			RPCertificate: m.RPCertificate, RPKey: m.RPKey, Scan: sim.Scan, Approve: approve,
		}),
		saml: verifytest.NewSAML(t, verifytest.SAMLSimulator{
			EntityID: idp.EntityID(), FeedURL: idp.FeedURL(), Federation: idp.FederationCertificate(), Approve: approve,
		}),
	}
	e.freja.Believe(&k.Trust)
	e.saml.Believe(&k.Trust)
	return e
}

// each is a receipt that somebody signs with each e-ID.
func (e *eids) each(t testing.TB) *verifytest.Draft {
	t.Helper()
	d := application(t, e.Kit).Signatory(t, one).Signatory(t, two).Signatory(t, three)
	ask := d.Ask(t, 1)
	d.Add(t, 1, ask, e.Prove(t, ask))
	return d.SignWith(t, 2, e.freja).SignWith(t, 3, e.saml).Complete()
}

// believing is a verifier with another trust.
func (e *eids) believing(change func(*trust.Trust)) *verify.Verifier {
	other := *e.Kit
	change(&other.Trust)
	return other.Verifier()
}

// TestEachEID: one receipt with a signature of each e-ID.
func TestEachEID(t *testing.T) {
	e := newEIDs(t)
	d := e.each(t)
	file := d.Sealed(t)
	for when, at := range map[string]time.Time{"now": time.Now(), "years later": time.Now().AddDate(30, 0, 0)} {
		r := e.Verifier().Verify(file, at)
		if r.Verdict != verify.Valid || r.Code != "" || len(r.Signatures) != 3 {
			t.Fatalf("%s: %s", when, problems(r))
		}
		for i, want := range []struct {
			id     providers.ID
			name   string
			policy string
			held   bool
		}{
			{providers.MBankID, "Mobilt BankID", "1.2.3.4.25", false},
			{providers.Freja, "Freja eID+", "PLUS", true},
			{providers.Telia, "Telia e-legitimation", saml.UncertifiedLoA3, false},
		} {
			s := r.Signatures[i]
			number, err := personnummer.FromDigits(d.Numbers[i])
			if err != nil {
				t.Fatal("not a number")
			}
			if s.Provider != want.id || s.ProviderName != want.name || s.Policy != want.policy || s.Level != "uncertified-loa3" || s.Number != number ||
				s.Person != d.Numbers[i][:8]+"-****" || s.Name == "" || s.Name != d.Proofs[i].Identity.Name || !s.At.Equal(d.Proofs[i].Identity.At) || s.Text == "" {
				t.Errorf("%s: %s of %q by %q with policy %s at level %s", when, s.Person, s.Name, s.ProviderName, s.Policy, s.Level)
			}
			if (s.Held != nil) != want.held || s.Held != nil && (s.Held.SV == "" || s.Held.EN == "") {
				t.Errorf("%s: %s holds %v", when, s.Provider, s.Held)
			}
			wantChecks(t, s.Checks, verify.CheckText, verify.CheckEvidence, verify.CheckPerson, verify.CheckStatement)
		}
	}
	var parts [][]string
	for _, s := range d.Kvittens.Signatures {
		parts = append(parts, append([]string{s.Evidence}, s.Parts...))
	}
	want := [][]string{
		{"signatur-1.json", "signatur-1.xml", "signatur-1-ocsp.der"},
		{"signatur-2.json", "signatur-2.jws", "signatur-2-ocsp.der"},
		{"signatur-3.json", "signatur-3.xml", "signatur-3-metadata.xml"},
	}
	if !slices.EqualFunc(parts, want, slices.Equal[[]string]) {
		t.Errorf("attached %v", parts)
	}
}

// TestForgedEIDs: what one e-ID has proven is not another's, nor another person's,
// nor of another text.
func TestForgedEIDs(t *testing.T) {
	e := newEIDs(t)
	genuine := e.each(t)
	other := e.NewDraft().Text(t, "Annat", "Något annat.").Signatory(t, one).Signatory(t, two).Signatory(t, three)
	if r := e.Verifier().Verify(genuine.Sealed(t), time.Now()); r.Verdict != verify.Valid {
		t.Fatal(problems(r))
	}
	const no, maybe = verify.Invalid, verify.Indeterminate
	said := func(i int, change func(*receipt.Signature)) func(*testing.T, *verifytest.Draft) {
		return func(_ *testing.T, d *verifytest.Draft) { change(&d.Kvittens.Signatures[i]) }
	}
	called := func(id providers.ID) func(*receipt.Signature) {
		return func(s *receipt.Signature) { s.Provider, s.ProviderName = string(id), id.Name() }
	}
	const bank, plus, telia = 0, 1, 2
	for _, f := range []struct {
		name        string
		verdict     verify.Verdict
		code, check string
		change      func(*testing.T, *verifytest.Draft)
	}{
		{"BankID's called Freja's", no, verify.StatementFailure, verify.CheckStatement, said(bank, called(providers.Freja))},
		{"Freja's called BankID's", no, verify.StatementFailure, verify.CheckStatement, said(plus, called(providers.MBankID))},
		{"Freja's called Telia's", no, verify.StatementFailure, verify.CheckStatement, said(plus, called(providers.Telia))},
		{"Telia's called Freja's", no, verify.StatementFailure, verify.CheckStatement, said(telia, called(providers.Freja))},
		{"Telia's called BankID's", no, verify.StatementFailure, verify.CheckStatement, said(telia, called(providers.BankID))},
		{"Telia's called another identity provider's", no, verify.StatementFailure, verify.CheckStatement, said(telia, called("annan-id"))},
		{"Freja under another name", no, verify.StatementFailure, verify.CheckStatement, said(plus, func(s *receipt.Signature) { s.ProviderName = "Freja" })},
		{"Telia under another name", no, verify.StatementFailure, verify.CheckStatement, said(telia, func(s *receipt.Signature) { s.ProviderName = "Mobilt BankID" })},
		{"Freja by no name", no, verify.StatementFailure, verify.CheckStatement, said(plus, func(s *receipt.Signature) { s.Provider = "" })},
		{"Freja's registration level altered", no, verify.StatementFailure, verify.CheckStatement, said(plus, func(s *receipt.Signature) { s.Policy = "EXTENDED" })},
		{"Telia's level of assurance altered", no, verify.StatementFailure, verify.CheckStatement, said(telia, func(s *receipt.Signature) { s.Policy = saml.LoA3 })},
		{"Freja's at a higher level", maybe, verify.LevelNotConfirmed, verify.CheckStatement, said(plus, func(s *receipt.Signature) { s.Level = "loa3" })},
		{"Telia's at a higher level", maybe, verify.LevelNotConfirmed, verify.CheckStatement, said(telia, func(s *receipt.Signature) { s.Level = "loa3" })},
		{"Telia's name altered", no, verify.StatementFailure, verify.CheckStatement, said(telia, func(s *receipt.Signature) { s.Name = "Testperson Fyra" })},

		{"Freja's proof in BankID's place", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			ask := d.Ask(t, 1) // BankID shows mark-up, Freja none
			ask.Markup, ask.Text = providers.Plain, d.AskFor(t, 1, e.freja).Text
			d.Attach(t, bank, e.freja.Prove(t, ask).Evidence)
		}},
		{"proofs of Freja and Telia exchanged", no, verify.PersonFailure, verify.CheckPerson, func(t *testing.T, d *verifytest.Draft) {
			d.Kvittens.Signatures[plus].Text = d.Kvittens.Signatures[telia].Text
			d.Attach(t, plus, genuine.Proofs[telia].Evidence)
			d.Attach(t, telia, genuine.Proofs[plus].Evidence)
		}},
		{"Freja's proof under SAML's type", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			s := &d.Kvittens.Signatures[plus]
			s.Text = d.Kvittens.Signatures[telia].Text
			d.Named(t, s.Evidence).Type = saml.MediaType
			s.EvidenceType = saml.MediaType
		}},
		{"SAML's proof under Freja's type", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			s := &d.Kvittens.Signatures[telia]
			d.Named(t, s.Evidence).Type = freja.MediaType
			s.EvidenceType = freja.MediaType
		}},
		{"Freja's proof of another person", no, verify.PersonFailure, verify.CheckPerson, func(t *testing.T, d *verifytest.Draft) {
			ask := d.AskFor(t, 2, e.freja)
			ask.Number = one
			d.Attach(t, plus, e.freja.Prove(t, ask).Evidence)
		}},
		{"SAML's proof of another person", no, verify.PersonFailure, verify.CheckPerson, func(t *testing.T, d *verifytest.Draft) {
			ask := d.AskFor(t, 3, e.saml)
			ask.Number = one
			d.Attach(t, telia, e.saml.Prove(t, ask).Evidence)
		}},
		{"Freja's proof of another order", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			d.Attach(t, plus, e.freja.Prove(t, other.AskFor(t, 2, e.freja)).Evidence)
		}},
		{"SAML's proof of another order", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			d.Attach(t, telia, e.saml.Prove(t, other.AskFor(t, 3, e.saml)).Evidence)
		}},
		{"SAML's proof of another text with the same binding", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			ask := d.AskFor(t, 3, e.saml)
			ask.Text = "Jag godkänner."
			d.Attach(t, telia, e.saml.Prove(t, ask).Evidence)
		}},
		{"Freja's proof of a login", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			ask := d.AskFor(t, 2, e.freja)
			ask.Kind = providers.KindAuth
			d.Attach(t, plus, e.freja.Prove(t, ask).Evidence)
		}},
		{"SAML's proof of a login", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			ask := d.AskFor(t, 3, e.saml)
			ask.Kind = providers.KindAuth
			d.Attach(t, telia, e.saml.Prove(t, ask).Evidence)
		}},
		{"a text without the whole digest, where the e-ID hides nothing", no, verify.TextFailure, verify.CheckText, func(t *testing.T, d *verifytest.Draft) {
			ask := d.AskFor(t, 3, e.saml)
			ask.Text = d.AskFor(t, 3, e.freja).Text // as it would be with room for what is not shown
			p := e.saml.Prove(t, ask)
			d.Attach(t, telia, p.Evidence)
			s := &d.Kvittens.Signatures[telia]
			s.Text, s.Started, s.At = ask.Text, p.Started, p.Identity.At.UTC()
		}},
		{"the person's status in Freja's proof taken out", no, verify.EvidenceFailure, verify.CheckEvidence, func(_ *testing.T, d *verifytest.Draft) {
			s := &d.Kvittens.Signatures[plus]
			gone := s.Parts[1]
			s.Parts = s.Parts[:1]
			d.Files = slices.DeleteFunc(d.Files, func(f receipt.File) bool { return f.Name == gone })
		}},
		{"the identity provider's metadata exchanged", no, verify.EvidenceFailure, verify.CheckEvidence, func(t *testing.T, d *verifytest.Draft) {
			d.Named(t, d.Kvittens.Signatures[telia].Parts[1]).Bytes = []byte("<EntityDescriptor/>")
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			d := genuine.Clone()
			f.change(t, d)
			refused(t, e.Verifier().Verify(d.Complete().Sealed(t), time.Now()), f.verdict, f.code, f.check)
		})
	}
	t.Run("SAML's proofs of two exchanged", func(t *testing.T) {
		d := text(t, e.Kit).Signatory(t, one).Signatory(t, two).SignWith(t, 1, e.saml).SignWith(t, 2, e.saml).Complete()
		if r := e.Verifier().Verify(d.Sealed(t), time.Now()); r.Verdict != verify.Valid {
			t.Fatal(problems(r))
		}
		d.Attach(t, 0, d.Proofs[1].Evidence)
		d.Attach(t, 1, d.Proofs[0].Evidence)
		refused(t, e.Verifier().Verify(d.Sealed(t), time.Now()), verify.Invalid, verify.PersonFailure, verify.CheckPerson)
	})
}

// TestBelieve: what would be refused in a receipt is refused before it is in one.
func TestBelieve(t *testing.T) {
	e := newEIDs(t)
	d := e.each(t)
	_, digest, err := d.Manifest.Encode()
	if err != nil {
		t.Fatal(err)
	}
	believe := func(v *verify.Verifier, i int, change func(*receipt.Signature), by string, digest [32]byte) error {
		number, err := personnummer.FromDigits(by)
		if err != nil {
			t.Fatal("not a number")
		}
		said := d.Kvittens.Signatures[i]
		change(&said)
		return v.Believe(said, number, d.Proofs[i].Evidence, digest, time.Now())
	}
	same := func(*receipt.Signature) {}
	for i, change := range []func(*trust.Trust){
		func(b *trust.Trust) { b.BankID = nil },
		func(b *trust.Trust) { b.Freja = trust.Freja{} },
		func(b *trust.Trust) { b.SAML = trust.SAML{} },
	} {
		by := d.Numbers[i]
		if err := believe(e.Verifier(), i, same, by, digest); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		var unknown *evidence.Unknown
		if err := believe(e.believing(change), i, same, by, digest); !errors.As(err, &unknown) {
			t.Errorf("%d, of nobody in the trust file: %v", i, err)
		}
		var refused *providers.Refused
		if err := believe(e.Verifier(), i, same, by, [32]byte{1}); !errors.As(err, &refused) {
			t.Errorf("%d, of something else: %v", i, err)
		}
		if err := believe(e.Verifier(), i, func(s *receipt.Signature) { s.Text += "." }, by, digest); !errors.As(err, &refused) {
			t.Errorf("%d, of another text: %v", i, err)
		}
		if believe(e.Verifier(), i, same, d.Numbers[(i+1)%3], digest) == nil {
			t.Errorf("%d, by another person", i)
		}
		if believe(e.Verifier(), i, func(s *receipt.Signature) { s.Level = "loa3" }, by, digest) == nil {
			t.Errorf("%d, at a level that nothing supports", i)
		}
		if believe(e.Verifier(), i, func(s *receipt.Signature) { s.Name = "Testperson Fyra" }, by, digest) == nil {
			t.Errorf("%d, of another name", i)
		}
	}
}

// TestTrustInEIDs: who is believed decides, and a stranger is no forger.
func TestTrustInEIDs(t *testing.T) {
	e := newEIDs(t)
	d := e.each(t)
	file := d.Sealed(t)
	idp := e.sim.SAML(testidp.Telia)
	m, err := e.sim.FrejaMaterial()
	if err != nil {
		t.Fatal(err)
	}
	another := certificate(t, m.JWSForeign)
	for name, change := range map[string]func(*trust.Trust){
		"no Freja":                   func(b *trust.Trust) { b.Freja = trust.Freja{} },
		"Freja with other roots":     func(b *trust.Trust) { b.Freja.Roots = b.Seal.Roots },
		"Freja signing with another": func(b *trust.Trust) { b.Freja.Certificates = []*x509.Certificate{another} },
		"no identity provider":       func(b *trust.Trust) { b.SAML.IdPs = nil },
		"another identity provider": func(b *trust.Trust) {
			b.SAML.IdPs = []trust.IdP{{EntityID: "https://idp.example.se", Provider: providers.Telia}}
		},
		"metadata of another's signing": func(b *trust.Trust) { b.SAML.Metadata = b.Seal.Roots },
		"another key of the identity provider": func(b *trust.Trust) {
			b.SAML = trust.SAML{IdPs: []trust.IdP{{EntityID: idp.EntityID(), Provider: providers.Telia, Certificates: b.Seal.Roots}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := e.believing(change).Verify(file, time.Now())
			refused(t, r, verify.Indeterminate, verify.NoChain, verify.CheckEvidence)
			if r.Order == nil || len(r.Signatures) != 3 || r.Signatures[0].Name == "" {
				t.Errorf("what can be believed is not told: %s", problems(r))
			}
		})
	}
	for name, change := range map[string]func(*trust.Trust){
		"any of Freja's below the root": func(b *trust.Trust) { b.Freja.Certificates = nil },
		"the identity provider's keys": func(b *trust.Trust) {
			b.SAML = trust.SAML{IdPs: []trust.IdP{{EntityID: idp.EntityID(), Provider: providers.Telia, Certificates: idp.SigningCertificates()}}}
		},
		"others beside": func(b *trust.Trust) {
			b.Freja.Certificates = append([]*x509.Certificate{another}, b.Freja.Certificates...)
			b.SAML.IdPs = append([]trust.IdP{{EntityID: "https://idp.example.se", Provider: "annan-id"}}, b.SAML.IdPs...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if r := e.believing(change).Verify(file, time.Now()); r.Verdict != verify.Valid {
				t.Error(problems(r))
			}
		})
	}

	// The identity provider stands for another e-ID: the receipt says what is not so.
	r := e.believing(func(b *trust.Trust) {
		b.SAML.IdPs = []trust.IdP{{EntityID: idp.EntityID(), Provider: "annan-id"}}
	}).Verify(file, time.Now())
	refused(t, r, verify.Invalid, verify.StatementFailure, verify.CheckStatement)

	// Who is approved has level 3, where the e-ID has it; Telia has none.
	high := d.Clone()
	for i := range high.Kvittens.Signatures[:2] {
		high.Kvittens.Signatures[i].Level = receipt.LevelName(providers.Level3)
	}
	approved := e.believing(func(b *trust.Trust) {
		b.BankID = slices.Clone(b.BankID)
		b.BankID[0].Approved, b.Freja.Approved = true, true
		b.SAML.IdPs = []trust.IdP{{EntityID: idp.EntityID(), Provider: providers.Telia, Approved: true}}
	})
	if r := approved.Verify(high.Sealed(t), time.Now()); r.Verdict != verify.Valid || r.Signatures[1].Level != "loa3" || r.Signatures[2].Level != "uncertified-loa3" {
		t.Error(problems(r))
	}
	high.Kvittens.Signatures[2].Level = receipt.LevelName(providers.Level3)
	refused(t, approved.Verify(high.Sealed(t), time.Now()), verify.Indeterminate, verify.LevelNotConfirmed, verify.CheckStatement)
}

func certificate(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
