package evidence_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sigill/providers"
	"sigill/providers/freja"
	"sigill/providers/personnummer"
	"sigill/providers/saml"
	"sigill/signing/evidence"
	"sigill/signing/trust"
	"sigill/signing/verify/verifytest"
	"sigill/testidp"
)

func approving(sim *testidp.Server) func(order, number string) error {
	return func(order, number string) error {
		_, err := sim.Approve(order, number)
		return err
	}
}

func newFreja(t *testing.T, sim *testidp.Server) *verifytest.EID {
	t.Helper()
	m, err := sim.FrejaMaterial()
	if err != nil {
		t.Fatal(err)
	}
	return verifytest.NewFreja(t, verifytest.FrejaSimulator{
		URL: m.BaseURL, AppURL: m.AppURL, TLSRoot: m.TLSRoot, JWSRoot: m.JWSRoot, JWS: m.JWS, Intermediate: m.Intermediate,
		RPCertificate: m.RPCertificate, RPKey: m.RPKey, Scan: sim.Scan, Approve: approving(sim),
	})
}

func newSAML(t *testing.T, sim *testidp.Server) *verifytest.EID {
	t.Helper()
	idp := sim.SAML(testidp.Telia)
	return verifytest.NewSAML(t, verifytest.SAMLSimulator{
		EntityID: idp.EntityID(), FeedURL: idp.FeedURL(), Federation: idp.FederationCertificate(), Approve: approving(sim),
	})
}

// proof has a person prove something with an e-ID, and says what was expected.
func proof(t *testing.T, sim *testidp.Server, e *verifytest.EID, kind providers.Kind) (verifytest.Proof, providers.Expected) {
	t.Helper()
	digits := sim.People()[0].Number
	number, err := personnummer.FromDigits(digits)
	if err != nil {
		t.Fatal("not a number")
	}
	want := providers.Expected{Kind: kind, Text: "Ett # avtal", Binding: []byte("binding of the order"), Number: number}
	p := e.Prove(t, verifytest.Ask{Kind: kind, Number: digits, Text: want.Text, Binding: want.Binding})
	want.Started = p.Started
	if kind == providers.KindAuth {
		want.Text = ""
	}
	return p, want
}

// checks holds what a proof is refused for against what is wrong with it.
func checks(t *testing.T, v *evidence.Verifier, e providers.Evidence, want providers.Expected, byName map[string]func(*providers.Evidence, *providers.Expected)) {
	t.Helper()
	for name, change := range byName {
		what, check, _ := strings.Cut(name, ": ")
		bad, x := providers.Evidence{MediaType: e.MediaType, Bytes: bytes.Clone(e.Bytes)}, want
		change(&bad, &x)
		var refused *providers.Refused
		if _, err := v.Verify(bad, x, time.Now()); !errors.As(err, &refused) || refused.Check != check {
			t.Errorf("another %s is not refused at %s: %v", what, check, err)
		}
	}
}

func anotherText(_ *providers.Evidence, x *providers.Expected) { x.Text = "Ett annat avtal" }
func anotherBinding(_ *providers.Evidence, x *providers.Expected) {
	x.Binding = []byte("binding of another")
}
func anotherKind(_ *providers.Evidence, x *providers.Expected) { x.Kind = providers.KindAuth }
func anotherTime(_ *providers.Evidence, x *providers.Expected) { x.Started = time.Now().Add(time.Hour) }
func half(e *providers.Evidence, _ *providers.Expected)        { e.Bytes = e.Bytes[:len(e.Bytes)/2] }

func TestFreja(t *testing.T) {
	sim := testidp.Start(t)
	eid := newFreja(t, sim)
	p, want := proof(t, sim, eid, providers.KindSign)
	e, now := p.Evidence, time.Now()
	var believed trust.Trust
	eid.Believe(&believed)
	v := evidence.New(believed)

	identity, err := v.Verify(e, want, now)
	if err != nil {
		t.Fatal(err)
	}
	if identity.Number != want.Number || identity.Level != providers.LevelUncertified3 || identity.Name == "" || identity.Policy != "PLUS" {
		t.Errorf("identity %+v", identity)
	}
	approved := believed
	approved.Freja.Approved = true
	if identity, err := evidence.New(approved).Verify(e, want, now.AddDate(10, 0, 0)); err != nil || identity.Level != providers.Level3 {
		t.Errorf("years later: %v, %v", identity.Level, err)
	}
	var unknown *evidence.Unknown
	for name, b := range map[string]trust.Freja{"no trust": {}, "another root": {Roots: trust.Trust{}.BankIDs()[0].Roots}, "another certificate": {Roots: believed.Freja.Roots, Certificates: believed.Freja.Roots}} {
		if _, err := evidence.New(trust.Trust{Freja: b}).Verify(e, want, now); !errors.As(err, &unknown) || unknown.MediaType != freja.MediaType {
			t.Errorf("%s: %v", name, err)
		}
	}
	checks(t, v, e, want, map[string]func(*providers.Evidence, *providers.Expected){
		"text: text": anotherText, "binding: nonvisible": anotherBinding, "kind: reference": anotherKind, "time: time": anotherTime, "form: encoding": half,
		"person: person": func(_ *providers.Evidence, x *providers.Expected) { x.Number = other(t) },
	})

	for id, want := range map[providers.ID]bool{providers.Freja: true, providers.BankID: false, providers.MBankID: false, providers.Telia: false, "": false} {
		if v.Speaks(freja.MediaType, id, identity) != want {
			t.Errorf("%q gives it: %v", id, !want)
		}
	}
	parts, err := v.Parts(e, 3)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	var inside struct{ JWS string }
	if err := json.Unmarshal(e.Bytes, &inside); err != nil {
		t.Fatal(err)
	}
	if parts[0].Name != "signatur-3.jws" || parts[0].Type != "application/jose" || string(parts[0].Bytes) != inside.JWS || strings.Count(inside.JWS, ".") != 2 ||
		parts[1].Name != "signatur-3-ocsp.der" || parts[1].Type != "application/ocsp-response" || !bytes.HasPrefix(parts[1].Bytes, []byte{0x30}) {
		t.Errorf("parts %s of %s and %s of %s", parts[0].Name, parts[0].Type, parts[1].Name, parts[1].Type)
	}
	if f := v.File(e, 3); f.Name != "signatur-3.json" || f.Type != freja.MediaType || !bytes.Equal(f.Bytes, e.Bytes) {
		t.Errorf("file %s of type %s", f.Name, f.Type)
	}
	if _, err := v.Parts(providers.Evidence{MediaType: freja.MediaType, Bytes: []byte("{}")}, 1); err == nil {
		t.Error("what is no evidence has parts")
	}
	login, _ := proof(t, sim, eid, providers.KindAuth)
	if parts, err := v.Parts(login.Evidence, 1); err != nil || len(parts) != 1 {
		t.Errorf("a login has %d parts, %v", len(parts), err)
	}
}

// TestHeld: the person's own signature in Freja's is told of where nobody could
// verify it, and is verified where that is possible.
func TestHeld(t *testing.T) {
	for _, brings := range []bool{false, true} {
		sim := testidp.Start(t, func(c *testidp.Config) { c.FrejaX5C = brings })
		eid := newFreja(t, sim)
		p, want := proof(t, sim, eid, providers.KindSign)
		var without trust.Trust
		eid.Believe(&without)
		m, err := sim.FrejaMaterial()
		if err != nil {
			t.Fatal(err)
		}
		with := without
		with.Freja.Users = certificates(t, m.JWSRoot)
		for name, c := range map[string]struct {
			trust trust.Trust
			held  bool
		}{"without the users' root": {without, true}, "with it": {with, !brings}} {
			v := evidence.New(c.trust)
			identity, err := v.Verify(p.Evidence, want, time.Now())
			held := v.Held(p.Evidence)
			if err != nil || (held.SV != "" && held.EN != "") != c.held || (held == providers.Text{}) == c.held || (identity.Certificate == nil) != c.held {
				t.Errorf("certificate brought: %v, %s: holds %q, %v", brings, name, held.EN, err)
			}
		}
		login, _ := proof(t, sim, eid, providers.KindAuth)
		if held := evidence.New(without).Held(login.Evidence); held != (providers.Text{}) {
			t.Errorf("a login holds %q", held.EN)
		}
		if !brings {
			continue
		}
		// Whose certificate ends at nobody is no person of Freja's.
		stranger := without
		stranger.Freja.Users = trust.Trust{}.BankIDs()[0].Roots
		var refused *providers.Refused
		if _, err := evidence.New(stranger).Verify(p.Evidence, want, time.Now()); !errors.As(err, &refused) || refused.Check != "inner-signature" {
			t.Errorf("the users' root is another: %v", err)
		}
	}
	v := evidence.New(trust.Trust{})
	for _, mediaType := range []string{"application/x", "application/vnd.sigill.bankid+json", freja.MediaType, saml.MediaType} {
		if held := v.Held(providers.Evidence{MediaType: mediaType, Bytes: []byte("{}")}); held != (providers.Text{}) {
			t.Errorf("%s: %q", mediaType, held.EN)
		}
	}
}

func TestSAML(t *testing.T) {
	sim := testidp.Start(t)
	eid := newSAML(t, sim)
	p, want := proof(t, sim, eid, providers.KindSign)
	e, now := p.Evidence, time.Now()
	var believed trust.Trust
	eid.Believe(&believed)
	v := evidence.New(believed)

	identity, err := v.Verify(e, want, now)
	if err != nil {
		t.Fatal(err)
	}
	if identity.Number != want.Number || identity.Level != providers.LevelUncertified3 || identity.Name == "" || identity.Provider != providers.Telia {
		t.Errorf("identity %+v", identity)
	}
	idp := sim.SAML(testidp.Telia)
	listed := func(p trust.IdP, more ...trust.IdP) *evidence.Verifier {
		p.EntityID = idp.EntityID()
		return evidence.New(trust.Trust{SAML: trust.SAML{Metadata: believed.SAML.Metadata, IdPs: append(more, p)}})
	}
	neighbour := trust.IdP{EntityID: idp.EntityID() + "/neighbour", Provider: "annan-id", Approved: true}
	if identity, err := listed(trust.IdP{Provider: providers.Telia, Approved: true}, neighbour).Verify(e, want, now.AddDate(10, 0, 0)); err != nil || identity.Provider != providers.Telia || identity.Level != providers.LevelUncertified3 {
		t.Errorf("years later, beside another: %s at %v, %v", identity.Provider, identity.Level, err)
	}
	// Whose it is the trust file says, and nothing in the proof.
	if identity, err := listed(trust.IdP{Provider: "annan-id"}).Verify(e, want, now); err != nil || identity.Provider != "annan-id" ||
		v.Speaks(saml.MediaType, providers.Telia, identity) || !v.Speaks(saml.MediaType, "annan-id", identity) {
		t.Errorf("listed as another e-ID: %s, %v", identity.Provider, err)
	}
	for id, want := range map[providers.ID]bool{providers.Telia: true, "annan-id": false, providers.Freja: false, providers.BankID: false, "": false} {
		if v.Speaks(saml.MediaType, id, identity) != want {
			t.Errorf("%q gives it: %v", id, !want)
		}
	}
	if v.Speaks(saml.MediaType, "", providers.Identity{}) {
		t.Error("nobody gives it")
	}

	var unknown *evidence.Unknown
	for name, s := range map[string]trust.SAML{
		"no trust":                  {},
		"no identity provider":      {Metadata: believed.SAML.Metadata},
		"another identity provider": {Metadata: believed.SAML.Metadata, IdPs: []trust.IdP{neighbour}},
		"no signer of metadata":     {IdPs: believed.SAML.IdPs},
		"another of metadata":       {Metadata: trust.Trust{}.BankIDs()[0].Roots, IdPs: believed.SAML.IdPs},
		"another key":               {IdPs: []trust.IdP{{EntityID: idp.EntityID(), Provider: providers.Telia, Certificates: []*x509.Certificate{idp.FederationCertificate()}}}},
	} {
		if _, err := evidence.New(trust.Trust{SAML: s}).Verify(e, want, now); !errors.As(err, &unknown) || unknown.MediaType != saml.MediaType {
			t.Errorf("%s: %v", name, err)
		}
	}
	pinned := trust.SAML{IdPs: []trust.IdP{{EntityID: idp.EntityID(), Provider: providers.Telia, Certificates: idp.SigningCertificates()}}}
	if _, err := evidence.New(trust.Trust{SAML: pinned}).Verify(e, want, now); err != nil {
		t.Errorf("with its own certificates: %v", err)
	}
	checks(t, v, e, want, map[string]func(*providers.Evidence, *providers.Expected){
		"text: text": anotherText, "binding: binding": anotherBinding, "kind: text": anotherKind, "time: time": anotherTime, "form: evidence": half,
		"person: person": func(_ *providers.Evidence, x *providers.Expected) { x.Number = other(t) },
	})

	parts, err := v.Parts(e, 2)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	var inside struct{ Assertion, Metadata []byte }
	if err := json.Unmarshal(e.Bytes, &inside); err != nil {
		t.Fatal(err)
	}
	if parts[0].Name != "signatur-2.xml" || parts[0].Type != "application/xml" || !bytes.Equal(parts[0].Bytes, inside.Assertion) || !bytes.Contains(inside.Assertion, []byte("Assertion")) ||
		parts[1].Name != "signatur-2-metadata.xml" || parts[1].Type != "application/samlmetadata+xml" || !bytes.Equal(parts[1].Bytes, inside.Metadata) || !bytes.Contains(inside.Metadata, []byte("EntityDescriptor")) {
		t.Errorf("parts %s of %s and %s of %s", parts[0].Name, parts[0].Type, parts[1].Name, parts[1].Type)
	}
	if f := v.File(e, 2); f.Name != "signatur-2.json" || f.Type != saml.MediaType || !bytes.Equal(f.Bytes, e.Bytes) {
		t.Errorf("file %s of type %s", f.Name, f.Type)
	}
	if _, err := v.Parts(providers.Evidence{MediaType: saml.MediaType, Bytes: []byte("{}")}, 1); err == nil {
		t.Error("what is no evidence has parts")
	}
}
