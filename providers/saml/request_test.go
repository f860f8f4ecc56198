package saml

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/crewjam/saml/xmlenc"

	"sigill/providers"
	"sigill/providers/xmlsec"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sent is the request in a step, as XML, and its signature checked.
func sent(t *testing.T, step providers.Step, signer Key) []byte {
	t.Helper()
	certs := []*x509.Certificate{signer.Certificate}
	switch s := step.(type) {
	case providers.Redirect:
		u, err := url.Parse(s.URL)
		must(t, err)
		query := u.RawQuery
		if i := strings.Index(query, "SAMLRequest="); i > 0 { // what the address had before
			query = query[i:]
		}
		content, _, _ := strings.Cut(query, "&Signature=")
		sum := sha256.Sum256([]byte(content))
		signature, err := base64.StdEncoding.DecodeString(u.Query().Get("Signature"))
		must(t, err)
		must(t, rsa.VerifyPKCS1v15(signer.Certificate.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature))
		if state := u.Query().Get("RelayState"); state != "handle-of-the-order" || !strings.Contains(content, "&RelayState="+state+"&SigAlg=") {
			t.Errorf("RelayState %q", state)
		}
		deflated, err := base64.StdEncoding.DecodeString(u.Query().Get(xmlsec.Request))
		must(t, err)
		raw, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
		must(t, err)
		return raw
	case providers.PostForm:
		if s.Fields["RelayState"] != "handle-of-the-order" || len(s.Fields) != 2 {
			t.Error("other fields than should be sent")
		}
		raw, err := base64.StdEncoding.DecodeString(s.Fields["SAMLRequest"])
		must(t, err)
		root, err := xmlsec.Parse(raw, 1<<20)
		must(t, err)
		_, err = xmlsec.Verify(root, certs)
		must(t, err)
		return raw
	}
	t.Fatalf("started with %T", step)
	return nil
}

// The requests, to the letter: what is random or signed is left out.
func TestRequests(t *testing.T) {
	off := func(c *Config) { c.PrincipalSelection, c.UserMessage = Off, Off }
	known := func(r *providers.Request) { r.Number = mustNumber(person) }
	for name, c := range map[string]struct {
		kind   providers.Kind
		config func(*Config)
		ask    func(*providers.Request)
		post   bool
	}{
		"login":           {login, nil, nil, false},
		"login-message":   {login, nil, func(r *providers.Request) { r.Text, r.Lang = "Logga in åt kommunen", "sv" }, false},
		"login-english":   {login, nil, func(r *providers.Request) { r.Text, r.Lang = "Log in", "en" }, false},
		"login-known":     {login, nil, known, true},
		"login-known-off": {login, off, known, false},
		"login-plain":     {login, func(c *Config) { off(c); c.AskNoLevel, c.NameID, c.AllowSSO = true, "none", true }, nil, false},
		"login-transient": {login, func(c *Config) { c.NameID, c.Request = "transient", []string{LoA3} }, nil, false},
		"login-post":      {login, func(c *Config) { c.Binding = Post }, nil, true},
		"login-scoping": {login, func(c *Config) {
			c.IDPList, c.RequesterID = []string{"https://a.example.se/", "https://b.example.se/"}, "https://service.example.se/"
		}, nil, false},
		"signature":         {sign, nil, known, true},
		"signature-unknown": {sign, nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, func(cfg *Config) {
				if c.config != nil {
					c.config(cfg)
				}
			})
			var ask []func(*providers.Request)
			if c.ask != nil {
				ask = append(ask, c.ask)
			}
			s, step := w.begin(c.kind, ask...)
			if _, posted := step.(providers.PostForm); posted != c.post {
				t.Errorf("goes out by %T", step)
			}
			sp, _ := w.p.sp(c.kind)
			raw := sent(t, step, sp.Signing)
			if r, ok := step.(providers.Redirect); ok && bytes.Contains(raw, []byte(person)) {
				t.Errorf("a personal number in an address of %d bytes", len(r.URL))
			}
			st, err := w.p.open(s)
			must(t, err)
			if st.Selected != bytes.Contains(raw, []byte(person)) {
				t.Error("the state does not know whether the person was named")
			}
			doc := etree.NewDocument()
			must(t, doc.ReadFromBytes(raw))
			if sig := doc.Root().SelectElement("Signature"); sig != nil {
				if sig.Index() != 1 {
					t.Error("the signature is not behind the issuer")
				}
				remove(sig)
			}
			if id := doc.Root().SelectAttrValue("ID", ""); id != st.ID || id != requestID(binding, st.Salt) {
				t.Error("the ID does not come from the binding")
			}
			doc.Root().CreateAttr("ID", "_id")
			doc.Indent(2)
			got, err := doc.WriteToBytes()
			must(t, err)
			golden(t, name+".xml", bytes.ReplaceAll(got, []byte(person), []byte("NUMBER")))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(want, got) {
		t.Errorf("not as in %s:\n%s", path, got)
	}
}

// judge runs xmlsec1, the outside judge of XML signatures and encryption.
func judge(t *testing.T, args ...string) {
	t.Helper()
	program, err := exec.LookPath("xmlsec1")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("xmlsec1 is not installed")
		}
		t.Skip("xmlsec1 is not installed")
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("xmlsec1 %s: %v\n%s", args[0], err, out)
	}
}

func writePEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// Another program believes the signature of a request, and that of our metadata,
// and reads a text that was encrypted to it.
func TestXMLSec1(t *testing.T) {
	w := open(t)
	for _, kind := range kindsOf() {
		_, step := w.begin(kind, func(r *providers.Request) { r.Number = mustNumber(person) })
		sp, _ := w.p.sp(kind)
		path := filepath.Join(t.TempDir(), "request.xml")
		must(t, os.WriteFile(path, sent(t, step, sp.Signing), 0o600))
		cert := writePEM(t, "cert.pem", "CERTIFICATE", sp.Signing.Certificate.Raw)
		judge(t, "--verify", "--pubkey-cert-pem", cert, "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:AuthnRequest", path)
	}
	for name, d := range w.p.Documents() {
		path := filepath.Join(t.TempDir(), "metadata.xml")
		must(t, os.WriteFile(path, d.Bytes, 0o600))
		signer := w.config.Login.Signing
		if name == signMetadata {
			signer = w.config.Sign.Signing
		}
		judge(t, "--verify", "--pubkey-cert-pem", writePEM(t, "cert.pem", "CERTIFICATE", signer.Certificate.Raw), "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor", path)
	}

	// Encrypted to the identity provider.
	w = open(t, func(c *Config) { c.EncryptSignMessage = true })
	_, step := w.begin(sign)
	raw := sent(t, step, w.config.Sign.Signing)
	if bytes.Contains(raw, []byte(b64([]byte(signedText)))) {
		t.Error("the text goes out in clear")
	}
	doc := etree.NewDocument()
	must(t, doc.ReadFromBytes(raw))
	data := at(doc.Root(), "Extensions", "SignMessage", "EncryptedMessage", "EncryptedData")
	key := keys()["other"].Private.(*rsa.PrivateKey)
	plain, err := xmlenc.Decrypt(key, data)
	must(t, err)
	m, err := xmlsec.Parse(plain, 1<<16)
	must(t, err)
	if !xmlsec.Is(m, nsCSig, "Message") || m.Text() != b64([]byte(signedText)) {
		t.Error("something else is encrypted")
	}
	path := filepath.Join(t.TempDir(), "encrypted.xml")
	must(t, os.WriteFile(path, xmlsec.Bytes(xmlsec.Detach(data)), 0o600))
	judge(t, "--decrypt", "--privkey-pem", writePEM(t, "key.pem", "PRIVATE KEY", must2(x509.MarshalPKCS8PrivateKey(key))(t)), path)

	w.source.idp.EncryptionCertificates = nil
	if _, _, err := w.p.StartSignature(t.Context(), providers.SignRequest{Request: w.request(sign)}); err == nil {
		t.Error("sends a text in clear that should be encrypted")
	}
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// A request must fit into an address, or goes by form.
func TestBindings(t *testing.T) {
	big := strings.Repeat("räksmörgås ", 70)
	var noise strings.Builder
	for noise.Len() < 900 {
		noise.WriteString(rand.Text())
	}
	w := open(t)
	_, step := w.begin(login, func(r *providers.Request) { r.Text = big })
	sent(t, step, w.config.Login.Signing)
	_, step = w.begin(login, func(r *providers.Request) { r.Text = noise.String() })
	if r, ok := step.(providers.Redirect); ok && len(r.URL) > maxAddress {
		t.Errorf("an address of %d bytes", len(r.URL))
	}
	// Only redirect at the identity provider.
	delete(w.source.idp.SSO, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST")
	var bad *providers.BadRequest
	if _, _, err := w.p.StartSignature(t.Context(), providers.SignRequest{Request: w.request(sign)}); !errors.As(err, &bad) || bad.Field != "provider" {
		t.Errorf("a text in clear in an address: %v", err)
	}
	if !anyBad(w.p.Check(t.Context())) {
		t.Error("the check does not say that nothing can be signed")
	}
	w.p.EncryptSignMessage = true
	if anyBad(w.p.Check(t.Context())) {
		t.Error("the check says that nothing can be signed")
	}
	var long strings.Builder
	for long.Len() < 15_000 {
		long.WriteString(rand.Text())
	}
	r := w.request(sign)
	r.Text = long.String()
	if _, _, err := w.p.StartSignature(t.Context(), providers.SignRequest{Request: r}); !errors.As(err, &bad) || bad.Field != "text" {
		t.Errorf("a long text in an address: %v", err)
	}
	// An address that has a query already.
	w.source.idp.SSO["urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"] = ssoQuery + "?tenant=a&x="
	_, step = w.begin(login)
	if u := step.(providers.Redirect).URL; !strings.HasPrefix(u, ssoQuery+"?tenant=a&x=&SAMLRequest=") {
		t.Error("the address's own query is lost")
	}
	sent(t, step, w.config.Login.Signing)
	// None that is configured.
	w = open(t, func(c *Config) { c.Binding = Post })
	delete(w.source.idp.SSO, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST")
	if _, step, err := w.p.Start(t.Context(), w.request(login)); err == nil {
		t.Errorf("goes out by %T", step)
	}
	if findings := w.p.Check(t.Context()); !anyBad(findings) {
		t.Error("the check finds nothing wrong")
	}
}

// In an address a text to sign is encrypted, and one as long as is promised fits.
func TestTextInAddress(t *testing.T) {
	w := open(t, func(c *Config) { c.Binding, c.EncryptSignMessage = Redirect, true })
	var text strings.Builder
	for text.Len() < w.p.Info().TextLimit-26 {
		text.WriteString(rand.Text())
	}
	_, step := w.begin(sign, func(r *providers.Request) { r.Text, r.Number = text.String(), mustNumber(person) })
	if _, ok := step.(providers.Redirect); !ok {
		t.Fatalf("goes out by %T", step)
	}
	t.Logf("%d bytes in an address of %d", text.Len(), len(step.(providers.Redirect).URL))
	raw := sent(t, step, w.config.Sign.Signing)
	for _, private := range []string{text.String(), b64([]byte(text.String())), person} {
		if bytes.Contains(raw, []byte(private)) {
			t.Error("something private stands in an address")
		}
	}
	doc := etree.NewDocument()
	must(t, doc.ReadFromBytes(raw))
	plain, err := xmlenc.Decrypt(keys()["other"].Private.(*rsa.PrivateKey), at(doc.Root(), "Extensions", "SignMessage", "EncryptedMessage", "EncryptedData"))
	must(t, err)
	if !bytes.Contains(plain, []byte(b64([]byte(text.String())))) {
		t.Error("another text is encrypted")
	}
	w.source.idp.EncryptionCertificates = nil
	if _, _, err := w.p.StartSignature(t.Context(), providers.SignRequest{Request: w.request(sign)}); err == nil {
		t.Error("sends a text that it cannot encrypt")
	}
}

func anyBad(all []providers.Finding) bool {
	for _, f := range all {
		if f.Bad {
			return true
		}
	}
	return false
}

// What the redirect carries is what deflate gives back, and no more.
func TestDeflate(t *testing.T) {
	w := open(t)
	_, step := w.begin(login)
	u, err := url.Parse(step.(providers.Redirect).URL)
	must(t, err)
	b, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	must(t, err)
	raw, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
	must(t, err)
	if !bytes.HasPrefix(raw, []byte("<samlp:AuthnRequest ")) || bytes.Contains(raw, []byte("Signature")) {
		t.Error("not a bare request")
	}
	if u.Query().Get("SigAlg") != "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" {
		t.Error("another algorithm")
	}
}

func TestMessageDigest(t *testing.T) {
	const want = "http://www.w3.org/2001/04/xmlenc#sha256;0yKaSVsYeh+PX2Q6diqO2w89+a3Dm303tp3AVjgxwj0="
	if got := messageDigest("I hereby confirm that I want to join example.com as a customer"); got != want {
		t.Errorf("%s", got)
	}
}
