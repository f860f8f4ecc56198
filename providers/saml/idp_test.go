package saml

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml/xmlenc"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/providers/saml/metadata"
	"sigill/providers/xmlsec"
)

// The people of these tests.
const (
	person       = "199003142396"
	otherPerson  = "198006299252"
	coordination = "197101902398"
)

const (
	idpEntity = "https://idp.example.se/saml"
	ssoPost   = "https://idp.example.se/sso/post"
	ssoQuery  = "https://idp.example.se/sso/redirect"
)

// shared is made once, also for the processes that the fuzzer starts.
func shared(name string, make func() []byte) []byte {
	name = "SIGILL_TEST_SAML_" + name
	if b, err := base64.StdEncoding.DecodeString(os.Getenv(name)); err == nil && len(b) > 0 {
		return b
	}
	b := make()
	if err := os.Setenv(name, base64.StdEncoding.EncodeToString(b)); err != nil {
		panic(err)
	}
	return b
}

// keys are made once: RSA keys take their time.
var keys = sync.OnceValue(func() map[string]Key {
	made := map[string]Key{}
	for _, name := range []string{"idp", "next", "other", "login", "sign", "old", "metadata"} {
		key, err := x509.ParsePKCS1PrivateKey(shared(name, func() []byte {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			return x509.MarshalPKCS1PrivateKey(key)
		}))
		if err != nil {
			panic(err)
		}
		made[name] = certified(key, time.Now())
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	made["ec"] = certified(key, time.Now())
	return made
})

// certified wraps a key into a certificate that is a day old.
func certified(key crypto.Signer, at time.Time) Key {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"},
		NotBefore: at.Add(-24 * time.Hour), NotAfter: at.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return Key{Private: key, Certificate: c}
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// entry is the metadata of the identity provider, signed by nobody.
func entry(signing []*x509.Certificate, extra string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" ID="_m" entityID="%s">`, idpEntity)
	b.WriteString(`<md:Extensions><mdattr:EntityAttributes xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:attribute" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` +
		`<saml:Attribute Name="http://macedir.org/entity-category"><saml:AttributeValue>http://id.swedenconnect.se/general-ec/1.0/supports-user-message</saml:AttributeValue></saml:Attribute>` +
		`</mdattr:EntityAttributes></md:Extensions>`)
	b.WriteString(`<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" WantAuthnRequestsSigned="true">` +
		`<md:Extensions><psc:RequestedPrincipalSelection xmlns:psc="http://id.swedenconnect.se/authn/1.0/principal-selection/ns"><psc:MatchValue Name="urn:oid:1.2.752.29.4.13"/></psc:RequestedPrincipalSelection></md:Extensions>`)
	for _, c := range signing {
		fmt.Fprintf(&b, `<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`, b64(c.Raw))
	}
	fmt.Fprintf(&b, `<md:KeyDescriptor use="encryption"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`, b64(keys()["other"].Certificate.Raw))
	fmt.Fprintf(&b, `<md:SingleSignOnService Binding="%s" Location="%s"/><md:SingleSignOnService Binding="%s" Location="%s"/>`,
		metadata.BindingRedirect, ssoQuery, metadata.BindingPOST, ssoPost)
	b.WriteString(extra + `</md:IDPSSODescriptor></md:EntityDescriptor>`)
	return []byte(b.String())
}

// source gives one identity provider.
type source struct {
	idp metadata.IdP
	err error
}

func (s *source) IdP(entityID string) (metadata.IdP, error) {
	if s.err == nil && entityID != s.idp.EntityID {
		return metadata.IdP{}, metadata.ErrUnknown
	}
	return s.idp, s.err
}

func sourceOf(t testing.TB, raw []byte) *source {
	t.Helper()
	idp, err := metadata.Entry(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &source{idp: idp}
}

// replays remembers in memory.
type replays struct {
	mu   sync.Mutex
	seen map[string]string
	err  error
}

func (r *replays) Seen(_ context.Context, key, owner string, _ time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return false, r.err
	}
	if before, ok := r.seen[key]; ok && before != owner {
		return true, nil
	}
	if r.seen == nil {
		r.seen = map[string]string{}
	}
	r.seen[key] = owner
	return false, nil
}

// world is a provider with everything around it.
type world struct {
	t      testing.TB
	config Config
	p      *Provider
	source *source
	replay *replays
	now    time.Time
}

// open makes a world at noon, with the configuration changed.
func open(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	k := keys()
	w := &world{t: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), replay: &replays{}}
	w.source = sourceOf(t, entry([]*x509.Certificate{k["idp"].Certificate, k["next"].Certificate}, ""))
	c := Config{
		ID: providers.Telia, Instance: "telia", IdP: idpEntity,
		Login:  SP{EntityID: "https://sp.example.se/eid/telia/metadata", ACS: "https://sp.example.se/eid/telia/back", Signing: k["login"], Decrypt: []Key{k["login"], k["old"]}},
		Sign:   SP{EntityID: "https://sp.example.se/eid/telia/sign/metadata", ACS: "https://sp.example.se/eid/telia/sign/back", Signing: k["sign"], Decrypt: []Key{k["sign"]}},
		About:  About{Name: providers.Text{SV: "Kommunens inloggning", EN: "The municipality's login"}},
		Source: w.source, Replay: w.replay, Clock: func() time.Time { return w.now },
	}
	for _, f := range change {
		f(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.config, w.p = c, p
	return w
}

func number(t testing.TB, digits string) personnummer.Number {
	t.Helper()
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		t.Fatal("not a test number")
	}
	return n
}

const signedText = "Underskrift\nGäller: en räksmörgås"

var binding = []byte("the binding of an order, 32 byte")

func (w *world) request(kind providers.Kind) providers.Request {
	r := providers.Request{Mode: providers.ModeThis, Binding: binding, Handle: "handle-of-the-order", Lang: "sv"}
	if kind == providers.KindSign {
		r.Text = signedText
	}
	return r
}

// begin starts an order.
func (w *world) begin(kind providers.Kind, change ...func(*providers.Request)) (providers.State, providers.Step) {
	w.t.Helper()
	r := w.request(kind)
	for _, f := range change {
		f(&r)
	}
	var s providers.State
	var step providers.Step
	var err error
	if kind == providers.KindSign {
		s, step, err = w.p.StartSignature(w.t.Context(), providers.SignRequest{Request: r})
	} else {
		s, step, err = w.p.Start(w.t.Context(), r)
	}
	if err != nil {
		w.t.Fatalf("start: %v", err)
	}
	return s, step
}

// answer is how the identity provider answers; each field changes one thing, in
// the order in which they stand here.
type answer struct {
	assertion     func(*etree.Element)        // before it is signed
	signer        *Key                        // of the assertion; nil: the identity provider's, if it is signed
	signAssertion bool                        //
	signed        func(*etree.Element)        // the assertion, afterwards
	plain         func([]byte) []byte         // what is encrypted
	encrypt       func([]byte) *etree.Element // instead of ours; nil from it: not encrypted
	encrypted     func(*etree.Element)        // the EncryptedAssertion
	response      func(*etree.Element)        // before it is signed
	responder     *Key                        // who signs the response
	unsigned      bool                        // the response is not signed
	after         func(*etree.Element)        // the response, afterwards
	raw           func([]byte) []byte         // what is posted
	event         func(*providers.Event)      //
	status        []string                    // instead of an assertion
}

// answers makes the event that the browser would bring.
func (w *world) answers(s providers.State, a answer) providers.Event {
	w.t.Helper()
	st, err := w.p.open(s)
	if err != nil {
		w.t.Fatal(err)
	}
	sp, at := w.p.sp(st.Kind)
	k := keys()
	idp := k["idp"]

	response := etree.NewElement("samlp:Response")
	response.CreateAttr("xmlns:samlp", nsProtocol)
	response.CreateAttr("xmlns:saml", nsAssertion)
	response.CreateAttr("ID", "_r"+rand.Text())
	response.CreateAttr("Version", "2.0")
	response.CreateAttr("IssueInstant", stamp(w.now))
	response.CreateAttr("Destination", sp.ACS)
	response.CreateAttr("InResponseTo", st.ID)
	response.CreateElement("saml:Issuer").SetText(idpEntity)
	status := response.CreateElement("samlp:Status")
	if a.status != nil {
		at := status
		for _, code := range a.status {
			at = at.CreateElement("samlp:StatusCode")
			at.CreateAttr("Value", code)
		}
		status.CreateElement("samlp:StatusMessage").SetText("Mystery " + otherPerson)
	} else {
		status.CreateElement("samlp:StatusCode").CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:Success")
		response.AddChild(w.sealed(st, sp, a))
	}
	if a.response != nil {
		a.response(response)
	}
	signer := idp
	if a.responder != nil {
		signer = *a.responder
	}
	if !a.unsigned {
		must(w.t, xmlsec.Sign(response, signer.Private, signer.Certificate))
	}
	if a.after != nil {
		a.after(response)
	}
	raw := xmlsec.Bytes(response)
	if a.raw != nil {
		raw = a.raw(raw)
	}
	event := providers.Event{Kind: providers.Callback, At: at, Form: map[string][]string{
		"SAMLResponse": {b64(raw)}, "RelayState": {st.Handle},
	}}
	if a.event != nil {
		a.event(&event)
	}
	return event
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// sealed is the assertion, encrypted.
func (w *world) sealed(st state, sp SP, a answer) *etree.Element {
	w.t.Helper()
	el := w.assertion(st, sp)
	if a.assertion != nil {
		a.assertion(el)
	}
	if a.signAssertion || st.Kind == providers.KindSign && a.signer == nil || a.signer != nil {
		signer := keys()["idp"]
		if a.signer != nil {
			signer = *a.signer
		}
		if signer.Private != nil {
			must(w.t, xmlsec.Sign(el, signer.Private, signer.Certificate))
		}
	}
	if a.signed != nil {
		a.signed(el)
	}
	plain := xmlsec.Bytes(el)
	if a.plain != nil {
		plain = a.plain(plain)
	}
	encrypt := func(plain []byte) *etree.Element { return cbc(w.t, plain, sp.Decrypt[0].Certificate) }
	if a.encrypt != nil {
		encrypt = a.encrypt
	}
	data := encrypt(plain)
	if data == nil {
		return el
	}
	e := etree.NewElement("saml:EncryptedAssertion")
	e.AddChild(data)
	if a.encrypted != nil {
		a.encrypted(e)
	}
	return e
}

// unsealed leaves the assertion as it is.
func unsealed([]byte) *etree.Element { return nil }

// nobody signs nothing.
var nobody = &Key{}

func cbc(t testing.TB, plain []byte, to *x509.Certificate) *etree.Element {
	t.Helper()
	with := xmlenc.OAEP()
	with.BlockCipher, with.DigestMethod = xmlenc.AES256CBC, xmlenc.SHA1
	el, err := with.Encrypt(to, plain, nil)
	must(t, err)
	el.CreateAttr("Type", typeElement)
	return el
}

// enc encrypts in every way that there is.
type enc struct {
	cipher    string
	transport string
	digest    string
	mgf       string
	hash      crypto.Hash
	mgfHash   crypto.Hash
}

func (e enc) encrypt(t testing.TB, plain []byte, to *x509.Certificate) *etree.Element {
	t.Helper()
	key := make([]byte, max(keySize(e.cipher), 16))
	rand.Read(key)
	block, err := aes.NewCipher(key)
	must(t, err)
	var content []byte
	if isCBC(e.cipher) || e.cipher == "http://www.w3.org/2001/04/xmlenc#tripledes-cbc" {
		pad := aes.BlockSize - len(plain)%aes.BlockSize
		padded := append(slices.Clone(plain), make([]byte, pad)...)
		padded[len(padded)-1] = byte(pad)
		iv := make([]byte, aes.BlockSize)
		rand.Read(iv)
		content = append(iv, make([]byte, len(padded))...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(content[len(iv):], padded)
	} else {
		gcm, err := cipher.NewGCM(block)
		must(t, err)
		nonce := make([]byte, gcm.NonceSize())
		rand.Read(nonce)
		content = gcm.Seal(nonce, nonce, plain, nil)
	}
	public := to.PublicKey.(*rsa.PublicKey)
	var wrapped []byte
	if strings.HasSuffix(e.transport, "rsa-1_5") {
		//lint:ignore SA1019 it is here to be refused
		wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, public, key)
	} else {
		wrapped, err = rsa.EncryptOAEPWithOptions(rand.Reader, public, key, &rsa.OAEPOptions{Hash: e.hash, MGFHash: e.mgfHash})
	}
	must(t, err)
	data := etree.NewElement("xenc:EncryptedData")
	data.CreateAttr("xmlns:xenc", nsXMLEnc)
	data.CreateAttr("xmlns:ds", nsDSig)
	data.CreateAttr("Type", typeElement)
	data.CreateElement("xenc:EncryptionMethod").CreateAttr("Algorithm", e.cipher)
	k := data.CreateElement("ds:KeyInfo").CreateElement("xenc:EncryptedKey")
	m := k.CreateElement("xenc:EncryptionMethod")
	m.CreateAttr("Algorithm", e.transport)
	if e.digest != "" {
		m.CreateElement("ds:DigestMethod").CreateAttr("Algorithm", e.digest)
	}
	if e.mgf != "" {
		g := m.CreateElement("xenc11:MGF")
		g.CreateAttr("xmlns:xenc11", nsXMLEnc11)
		g.CreateAttr("Algorithm", e.mgf)
	}
	k.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(b64(wrapped))
	data.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(b64(content))
	return data
}

// assertion is a good one.
func (w *world) assertion(st state, sp SP) *etree.Element {
	el := etree.NewElement("saml:Assertion")
	el.CreateAttr("xmlns:saml", nsAssertion)
	el.CreateAttr("ID", "_a"+rand.Text())
	el.CreateAttr("Version", "2.0")
	el.CreateAttr("IssueInstant", stamp(w.now))
	el.CreateElement("saml:Issuer").SetText(idpEntity)
	subject := el.CreateElement("saml:Subject")
	id := subject.CreateElement("saml:NameID")
	id.CreateAttr("Format", persistent)
	id.SetText("pseudonym")
	c := subject.CreateElement("saml:SubjectConfirmation")
	c.CreateAttr("Method", bearer)
	d := c.CreateElement("saml:SubjectConfirmationData")
	d.CreateAttr("Address", "192.0.2.10")
	d.CreateAttr("InResponseTo", st.ID)
	d.CreateAttr("NotOnOrAfter", stamp(w.now.Add(5*time.Minute)))
	d.CreateAttr("Recipient", sp.ACS)
	conditions := el.CreateElement("saml:Conditions")
	conditions.CreateAttr("NotBefore", stamp(w.now.Add(-5*time.Second)))
	conditions.CreateAttr("NotOnOrAfter", stamp(w.now.Add(5*time.Minute)))
	conditions.CreateElement("saml:AudienceRestriction").CreateElement("saml:Audience").SetText(sp.EntityID)
	s := el.CreateElement("saml:AuthnStatement")
	s.CreateAttr("AuthnInstant", stamp(w.now))
	s.CreateElement("saml:AuthnContext").CreateElement("saml:AuthnContextClassRef").SetText(UncertifiedLoA3)
	a := el.CreateElement("saml:AttributeStatement")
	attribute(a, "urn:oid:1.2.752.29.4.13", person)
	attribute(a, "urn:oid:2.5.4.42", "Testperson")
	attribute(a, "urn:oid:2.5.4.4", "Ett")
	attribute(a, "urn:oid:2.16.840.1.113730.3.1.241", "Testperson Ett")
	if st.Kind == providers.KindSign {
		attribute(a, oidDigest, messageDigest(st.Text))
	}
	return el
}

func attribute(statement *etree.Element, name string, values ...string) *etree.Element {
	a := statement.CreateElement("saml:Attribute")
	a.CreateAttr("Name", name)
	a.CreateAttr("NameFormat", "urn:oasis:names:tc:SAML:2.0:attrname-format:uri")
	for _, v := range values {
		a.CreateElement("saml:AttributeValue").SetText(v)
	}
	return a
}

// at finds an element by its path of tags.
func at(el *etree.Element, path ...string) *etree.Element {
	for _, tag := range path {
		el = el.SelectElement(tag)
		if el == nil {
			panic("no " + tag)
		}
	}
	return el
}

// named finds an attribute of the assertion.
func named(assertion *etree.Element, name string) *etree.Element {
	for _, a := range at(assertion, "AttributeStatement").ChildElements() {
		if a.SelectAttrValue("Name", "") == name {
			return a
		}
	}
	panic("no attribute " + name)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ends is how an order ended.
func (w *world) ends(s providers.State, event providers.Event) providers.Step {
	w.t.Helper()
	_, step, err := w.p.Continue(w.t.Context(), s, event)
	if err != nil {
		w.t.Fatalf("continue: %v", err)
	}
	return step
}

func done(t testing.TB, step providers.Step) providers.Done {
	t.Helper()
	switch s := step.(type) {
	case providers.Done:
		return s
	case providers.Failed:
		t.Fatalf("failed: %s %s %s", s.Reason, s.Hint, s.Check)
	}
	t.Fatalf("ended with %T", step)
	return providers.Done{}
}

// refusedAt checks that an order was refused at a step, and tells people so.
func refusedAt(t testing.TB, step providers.Step, check string) {
	t.Helper()
	f, ok := step.(providers.Failed)
	if !ok {
		t.Fatalf("ended with %T", step)
	}
	if f.Reason != providers.EvidenceRefused || f.Check != check {
		t.Errorf("%s at %q, not refused at %q", f.Reason, f.Check, check)
	}
	if f.Text.SV == "" || f.Text.EN == "" {
		t.Error("says nothing to people")
	}
}

func kindsOf() []providers.Kind { return []providers.Kind{providers.KindAuth, providers.KindSign} }

var errTest = errors.New("test")

// panicking stands in for a test where none is at hand.
type panicking struct{ testing.TB }

func (panicking) Helper()           {}
func (panicking) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func mustNumber(digits string) personnummer.Number { return number(panicking{}, digits) }

func asRefused(err error, to **providers.Refused) bool { return errors.As(err, to) }

// trusts is what a stranger believes who knows the identity provider's keys.
func (w *world) trusts() Trust {
	k := keys()
	return Trust{IdPs: []*x509.Certificate{k["idp"].Certificate, k["next"].Certificate}, AnyAudience: true, Provider: providers.Telia}
}

func (w *world) expected(kind providers.Kind) providers.Expected {
	e := providers.Expected{Kind: kind, Binding: binding, Started: w.now.Add(-time.Minute), Number: number(w.t, person)}
	if kind == providers.KindSign {
		e.Text = signedText
	}
	return e
}

// refuses checks that evidence is refused at a step; empty: at any.
func (w *world) refuses(t *testing.T, e evidence, kind providers.Kind, trust Trust, check string) {
	t.Helper()
	sealed, err := e.seal()
	must(t, err)
	_, err = Verify(sealed, w.expected(kind), trust, w.now.Add(time.Hour))
	var r *providers.Refused
	if !errors.As(err, &r) || r.Check == "" || check != "" && r.Check != check {
		t.Errorf("not refused at %q: %v", check, err)
	}
}
