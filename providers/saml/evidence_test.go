package saml

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/beevik/etree"

	"sigill/providers"
	"sigill/providers/saml/metadata"
	"sigill/providers/xmlsec"
)

// proof makes evidence.
func (w *world) proof(kind providers.Kind, a answer) providers.Evidence {
	w.t.Helper()
	s, _ := w.begin(kind)
	return done(w.t, w.ends(s, w.answers(s, a))).Evidence
}

// Evidence proves the same to a stranger, years later, whatever form it has.
func TestEvidence(t *testing.T) {
	for name, c := range map[string]struct {
		kind   providers.Kind
		answer answer
		signed bool // the assertion itself
	}{
		"login":                                   {login, answer{}, false},
		"login with a signed assertion":           {login, answer{signAssertion: true}, true},
		"signature":                               {sign, answer{}, true},
		"unencrypted login":                       {login, answer{encrypt: unsealed}, false},
		"unencrypted login with a signature":      {login, answer{encrypt: unsealed, signAssertion: true}, true},
		"unencrypted signature":                   {sign, answer{encrypt: unsealed}, true},
		"login by the next key":                   {login, answer{responder: ptr(keys()["next"])}, false},
		"signature with an assertion by the next": {sign, answer{signer: ptr(keys()["next"])}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, clear)
			e := w.proof(c.kind, c.answer)
			for _, later := range []time.Duration{0, 20 * 365 * 24 * time.Hour} {
				id, err := Verify(e, w.expected(c.kind), w.trusts(), w.now.Add(later))
				if err != nil {
					t.Fatal(err)
				}
				if id.Number != number(t, person) || id.Provider != providers.Telia || !id.At.Equal(w.now) {
					t.Error("somebody else")
				}
			}
			raw, entry, err := Parts(e)
			must(t, err)
			root, err := xmlsec.Parse(raw, maxResponse)
			must(t, err)
			if c.signed != xmlsec.Is(root, nsAssertion, "Assertion") {
				t.Errorf("the part that proves it is a %s", root.Tag)
			}
			if !bytes.Equal(entry, w.source.idp.Raw) {
				t.Error("other metadata")
			}
			if _, err := xmlsec.Verify(root, w.trusts().IdPs); err != nil {
				t.Error(err)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// Whom evidence ends at decides what it is worth.
func TestTrust(t *testing.T) {
	k := keys()
	w := open(t)
	plain, unsigned := w.proof(sign, answer{}), w.proof(login, answer{})

	// The identity provider's own entry, signed by who keeps the metadata.
	root, err := xmlsec.Parse(entry([]*x509.Certificate{k["idp"].Certificate}, ""), 1<<20)
	must(t, err)
	must(t, xmlsec.Sign(root, k["metadata"].Private, k["metadata"].Certificate))
	raw := xmlsec.Bytes(root)
	w.source.idp, err = metadata.Entry(raw, []*x509.Certificate{k["metadata"].Certificate})
	must(t, err)
	vouched := w.proof(sign, answer{})

	certs := func(names ...string) (all []*x509.Certificate) {
		for _, n := range names {
			all = append(all, k[n].Certificate)
		}
		return all
	}
	for name, c := range map[string]struct {
		evidence providers.Evidence
		trust    Trust
		good     bool
	}{
		"nobody":                         {plain, Trust{}, false},
		"the identity provider":          {plain, Trust{IdPs: certs("idp")}, true},
		"its other key":                  {plain, Trust{IdPs: certs("next")}, false},
		"somebody else":                  {plain, Trust{IdPs: certs("other")}, false},
		"who keeps the metadata":         {vouched, Trust{Metadata: certs("metadata")}, true},
		"somebody else for the metadata": {vouched, Trust{Metadata: certs("other")}, false},
		"the metadata, entry unsigned":   {plain, Trust{Metadata: certs("metadata")}, false},
		"the provider, entry signed":     {vouched, Trust{IdPs: certs("idp")}, true},
		"both":                           {vouched, Trust{IdPs: certs("idp"), Metadata: certs("metadata")}, true},
		"the metadata, another pinned":   {vouched, Trust{IdPs: certs("next"), Metadata: certs("metadata")}, false},
		"the login's other key":          {unsigned, Trust{IdPs: certs("next")}, false},
		"by name":                        {plain, Trust{IdPs: certs("idp"), EntityIDs: []string{idpEntity}}, true},
		"another name":                   {plain, Trust{IdPs: certs("idp"), EntityIDs: []string{"https://other.example.se/"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.trust.AnyAudience = true
			kind := sign
			if name == "the login's other key" {
				kind = login
			}
			_, err := Verify(c.evidence, w.expected(kind), c.trust, w.now)
			if c.good != (err == nil) {
				t.Fatal(err)
			}
			var r *providers.Refused
			if err == nil {
				return
			}
			if !errors.As(err, &r) {
				t.Errorf("not a refusal: %v", err)
			}
			if !errors.Is(err, ErrNoRoot) {
				t.Errorf("%v", err)
			}
		})
	}
	// What nobody signed is forged, whoever is believed.
	forged := e0(t, plain)
	forged.Assertion = bytes.Replace(forged.Assertion, []byte("Ett"), []byte("Two"), 1)
	w.refuses(t, forged, sign, Trust{IdPs: certs("next"), AnyAudience: true}, "assertion-signature/signature")
	// An entry of somebody else's making, with the true certificate in it.
	e, err := parseEvidence(plain)
	must(t, err)
	e.Metadata = bytes.Replace(e.Metadata, []byte(idpEntity), []byte("https://evil.example.se/saml"), 1)
	w.refuses(t, e, sign, Trust{IdPs: certs("idp"), AnyAudience: true}, "metadata")
	e.IdP = "https://evil.example.se/saml"
	w.refuses(t, e, sign, Trust{IdPs: certs("idp"), AnyAudience: true}, "assertion-issuer")
	// Audiences.
	trust := Trust{IdPs: certs("idp"), Audiences: []string{"https://sp.example.se/eid/telia/metadata"}}
	w.refuses(t, e0(t, plain), sign, trust, "audience")
	trust.Audiences = append(trust.Audiences, "https://sp.example.se/eid/telia/sign/metadata")
	if _, err := Verify(plain, w.expected(sign), trust, w.now); err != nil {
		t.Error(err)
	}
	// Coordination numbers and levels are the verifier's choice.
	w = open(t, func(c *Config) { c.CoordNumbers = true })
	coord := w.proof(login, answer{assertion: value(oidNumber, coordination)})
	want := w.expected(login)
	want.Number = number(t, coordination)
	if _, err := Verify(coord, want, w.trusts(), w.now); err != nil {
		t.Error(err)
	}
	strict := w.trusts()
	strict.NoCoordNumbers = true
	var r *providers.Refused
	if _, err := Verify(coord, want, strict, w.now); !errors.As(err, &r) || r.Check != checkCoordination {
		t.Errorf("%v", err)
	}
	strict = w.trusts()
	strict.Levels = map[string]providers.Level{LoA4: providers.LevelUncertified3}
	if _, err := Verify(coord, want, strict, w.now); !errors.As(err, &r) || r.Check != checkLevel {
		t.Errorf("%v", err)
	}
}

// An identity provider that speaks as both presets do is read as it was when the
// answer came: by the first, and by the second only where that says nothing.
func TestBothPresets(t *testing.T) {
	w := open(t)
	e := w.proof(sign, answer{assertion: func(el *etree.Element) {
		attribute(at(el, "AttributeStatement"), "Subject_GivenName", "Somebody")
		attribute(at(el, "AttributeStatement"), "Subject_SerialNumber", otherPerson)
	}})
	id, err := Verify(e, w.expected(sign), w.trusts(), w.now)
	if err != nil || id.GivenName == "Somebody" || id.Number != number(t, person) {
		t.Errorf("%v", err)
	}
	w = open(t, func(c *Config) { c.Attributes = CGIClassic() })
	e = w.proof(sign, answer{assertion: func(el *etree.Element) {
		named(el, oidNumber).CreateAttr("Name", "Subject_SerialNumber")
	}})
	if _, err := Verify(e, w.expected(sign), w.trusts(), w.now); err != nil {
		t.Errorf("only the second preset: %v", err)
	}
}

func e0(t *testing.T, e providers.Evidence) evidence {
	t.Helper()
	v, err := parseEvidence(e)
	must(t, err)
	return v
}

// Evidence that was tampered with, or of something else.
func TestEvidenceRefused(t *testing.T) {
	w := open(t)
	signed, unsigned := w.proof(sign, answer{}), w.proof(login, answer{})
	for name, c := range map[string]struct {
		of     providers.Evidence
		kind   providers.Kind
		change func(*evidence)
		check  string
	}{
		"version":               {signed, sign, func(e *evidence) { e.Version = 2 }, "evidence"},
		"nothing":               {signed, sign, func(e *evidence) { e.Assertion = nil }, "evidence"},
		"both":                  {signed, sign, func(e *evidence) { e.Response = []byte("x") }, "evidence"},
		"no salt":               {signed, sign, func(e *evidence) { e.Salt = nil }, "evidence"},
		"another salt":          {signed, sign, func(e *evidence) { e.Salt[0] ^= 1 }, "binding"},
		"no metadata":           {signed, sign, func(e *evidence) { e.Metadata = nil }, "evidence"},
		"metadata that is none": {signed, sign, func(e *evidence) { e.Metadata = []byte(`<a xmlns="urn:a"/>`) }, "metadata"},
		"metadata no longer held": {signed, sign, func(e *evidence) {
			e.Metadata = bytes.Replace(e.Metadata, []byte(`ID="_m"`), []byte(`ID="_m" validUntil="2026-11-22T11:00:00Z"`), 1)
		}, "time"},
		"another identity provider": {signed, sign, func(e *evidence) { e.IdP = "https://other.example.se/saml" }, "metadata"},
		"another service":           {signed, sign, func(e *evidence) { e.SP = "https://sp.example.se/eid/telia/metadata" }, "audience"},
		"a changed assertion":       {signed, sign, func(e *evidence) { e.Assertion = bytes.Replace(e.Assertion, []byte("Ett"), []byte("Two"), 1) }, "assertion-signature/signature"},
		"a stripped assertion": {signed, sign, func(e *evidence) {
			root, err := xmlsec.Parse(e.Assertion, maxResponse)
			must(t, err)
			remove(at(root, "Signature"))
			e.Assertion = xmlsec.Bytes(root)
		}, "assertion-signature/signature-missing"},
		"a response as an assertion": {unsigned, login, func(e *evidence) { e.Assertion, e.Response = e.Response, nil }, "assertion-signature"},
		"an assertion as a response": {signed, sign, func(e *evidence) { e.Assertion, e.Response = nil, e.Assertion }, "response"},
		"a changed response": {unsigned, login, func(e *evidence) {
			e.Response = bytes.Replace(e.Response, []byte("Destination"), []byte("destination"), 1)
		}, "response/signature"},
		"another content key":     {unsigned, login, func(e *evidence) { e.ContentKey[0] ^= 1 }, ""},
		"no content key":          {unsigned, login, func(e *evidence) { e.ContentKey = nil }, "assertion-decryption"},
		"a login for a signature": {unsigned, sign, func(*evidence) {}, "assertion-signature/signature-missing"},
		"a signature for a login": {signed, login, func(*evidence) {}, "text"},
	} {
		t.Run(name, func(t *testing.T) {
			e := e0(t, c.of)
			c.change(&e)
			w.refuses(t, e, c.kind, w.trusts(), c.check)
		})
	}
	for name, c := range map[string]struct {
		change func(*providers.Expected)
		check  string
	}{
		"kind":       {func(e *providers.Expected) { e.Kind = "other" }, "evidence"},
		"text":       {func(e *providers.Expected) { e.Text += "." }, "text"},
		"no text":    {func(e *providers.Expected) { e.Text = "" }, "text"},
		"binding":    {func(e *providers.Expected) { e.Binding = append([]byte("x"), e.Binding...) }, "binding"},
		"no binding": {func(e *providers.Expected) { e.Binding = nil }, "binding"},
		"person":     {func(e *providers.Expected) { e.Number = number(t, otherPerson) }, "person"},
		"later":      {func(e *providers.Expected) { e.Started = e.Started.Add(time.Hour) }, "time"},
		"earlier":    {func(e *providers.Expected) { e.Ended = e.Started.Add(-time.Hour) }, "time"},
		"never":      {func(e *providers.Expected) { e.Started = time.Time{} }, "time"},
	} {
		t.Run("expected "+name, func(t *testing.T) {
			want := w.expected(sign)
			c.change(&want)
			_, err := Verify(signed, want, w.trusts(), w.now)
			var r *providers.Refused
			if !errors.As(err, &r) || r.Check != c.check {
				t.Errorf("not refused at %s: %v", c.check, err)
			}
		})
	}
	// A clock that is behind believes nothing that comes later.
	if _, err := Verify(signed, w.expected(sign), w.trusts(), w.now.Add(-time.Hour)); err == nil {
		t.Error("believed what was made in the future")
	}
	for _, e := range []providers.Evidence{
		{}, {MediaType: "application/json", Bytes: signed.Bytes}, {MediaType: MediaType, Bytes: []byte("{")},
		{MediaType: MediaType, Bytes: bytes.Repeat([]byte(" "), maxEvidence+1)},
	} {
		if _, _, err := Parts(e); err == nil {
			t.Error("took something else apart")
		}
		var r *providers.Refused
		if _, err := Verify(e, w.expected(sign), w.trusts(), w.now); !errors.As(err, &r) || r.Check != "evidence" {
			t.Errorf("%v", err)
		}
	}
}

// A signed response whose assertion somebody swapped with another response's.
func TestSwappedAssertion(t *testing.T) {
	w := open(t)
	first, _ := w.begin(login)
	second, _ := w.begin(login)
	var other *etree.Element
	w.answers(first, answer{encrypted: func(el *etree.Element) { other = el.Copy() }})
	swapped := func(r *etree.Element) {
		remove(at(r, "EncryptedAssertion"))
		r.AddChild(other)
	}
	refusedAt(t, w.ends(second, w.answers(second, answer{after: swapped})), "signature/signature")
	// And if the identity provider itself did it.
	refusedAt(t, w.ends(second, w.answers(second, answer{response: swapped})), "binding")
}

// What the identity provider signed and Continue would have refused is no better
// as evidence that somebody makes of it.
func TestEvidenceOfRefused(t *testing.T) {
	w := open(t)
	s, _ := w.begin(login)
	for name, c := range map[string]struct {
		answer answer
		check  string
	}{
		"a failure":          {answer{response: set([]string{"Status", "StatusCode"}, "Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")}, "response"},
		"another issuer":     {answer{response: write("https://other.example.se/saml", "Issuer")}, "response"},
		"SAML 1.1":           {answer{response: set(nil, "Version", "1.1")}, "response"},
		"no assertion":       {answer{response: without("EncryptedAssertion")}, "assertion-decryption"},
		"two assertions":     {answer{response: func(el *etree.Element) { el.CreateElement("saml:EncryptedAssertion") }}, "assertion-decryption"},
		"nobody in audience": {answer{assertion: without("Conditions", "AudienceRestriction", "Audience")}, "audience"},
	} {
		t.Run(name, func(t *testing.T) {
			e := e0(t, w.proof(login, answer{}))
			raw, err := unspaced(w.answers(s, c.answer).Form["SAMLResponse"][0])
			must(t, err)
			st, err := w.p.open(s)
			must(t, err)
			root, err := xmlsec.Parse(raw, maxResponse)
			must(t, err)
			e.Response, e.Salt = raw, st.Salt
			if el := root.SelectElement("EncryptedAssertion"); el != nil && el.SelectElement("EncryptedData") != nil {
				enc, err := parseEncrypted(el, DefaultCiphers())
				must(t, err)
				_, e.ContentKey, err = enc.open(w.config.Login.Decrypt)
				must(t, err)
			}
			w.refuses(t, e, login, w.trusts(), c.check)
		})
	}
}
