package saml

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

var cached = sync.OnceValues(func() (*pki.PKI, error) { return pki.Open(context.Background(), pki.Config{}) })

// A bench is an IdP with two service providers: one that logs people in, and one
// that has them sign.
type bench struct {
	t      *testing.T
	idp    *IdP
	faults *control.Faults
	autos  *control.Autos
	people *persons.Directory
	web    *httptest.Server
	client *http.Client
	now    func() time.Time
	login  *testSP
	sign   *testSP

	mu     sync.Mutex
	offset time.Duration
}

func newBench(t *testing.T, configure ...func(*Config)) *bench {
	t.Helper()
	keys, err := cached()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, faults: &control.Faults{}, autos: &control.Autos{}, people: persons.All()}
	b.now = func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return time.Now().Add(b.offset)
	}
	b.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.idp.Handler().ServeHTTP(w, r) }))
	c := Config{
		BaseURL: b.web.URL, Path: "/saml/telia", Name: "telia", Title: Title{"Telia e-legitimation", "Telia e-ID"},
		PKI: keys, People: b.people, Faults: b.faults, Autos: b.autos, Slow: time.Millisecond, Now: b.now,
	}
	for _, f := range configure {
		f(&c)
	}
	if b.idp, err = New(c); err != nil {
		t.Fatal(err)
	}
	b.login, b.sign = newSP(t, keys, "login"), newSP(t, keys, "sign")
	b.sign.categories = append(b.sign.categories, categorySigning)
	b.sign.wantSigned = true
	b.client = b.newBrowser()
	t.Cleanup(func() {
		b.idp.Close()
		b.web.Close()
	})
	return b
}

// newBrowser keeps cookies and does not follow redirects.
func (b *bench) newBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// later moves the IdP's clock.
func (b *bench) later(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offset += d
}

func (b *bench) fault(name string) {
	b.faults.Clear()
	if name != "" {
		b.faults.Set(control.Fault{Provider: "telia", Fault: name, Rate: 1})
	}
}

// A testSP is a service provider that has metadata and a key.
type testSP struct {
	signer     signer
	enc        signer
	web        *httptest.Server
	categories []string
	methods    []string
	wantSigned bool
	bend       func(*node) // what is changed in the metadata
}

func newSP(t *testing.T, keys *pki.PKI, name string) *testSP {
	t.Helper()
	sp := &testSP{categories: []string{CategoryThree}, methods: []string{algGCM128, algCBC256}}
	for label, into := range map[string]*signer{"test-sp-" + name: &sp.signer, "test-sp-" + name + "-enc": &sp.enc} {
		cert, key, err := keys.SelfSigned(label)
		if err != nil {
			t.Fatal(err)
		}
		*into = signer{key, cert}
	}
	sp.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metadata" {
			http.NotFound(w, r)
			return
		}
		w.Write(sp.metadata(t))
	}))
	t.Cleanup(sp.web.Close)
	return sp
}

func (sp *testSP) entityID() string { return sp.web.URL + "/metadata" }
func (sp *testSP) acs() string      { return sp.web.URL + "/acs" }

func (sp *testSP) metadata(t *testing.T) []byte {
	key := el("md:KeyDescriptor", "use", "encryption").add(keyInfo(sp.enc.cert))
	for _, m := range sp.methods {
		key.add(el("md:EncryptionMethod", "Algorithm", m))
	}
	want := "false"
	if sp.wantSigned {
		want = "true"
	}
	n := el("md:EntityDescriptor", "ID", newID(), "entityID", sp.entityID()).add(
		el("md:Extensions").add(el("mdattr:EntityAttributes").add(values(entityCategory, sp.categories))),
		el("md:SPSSODescriptor", "AuthnRequestsSigned", "true", "WantAssertionsSigned", want, "protocolSupportEnumeration", protocolSAML2).add(
			el("md:Extensions").add(el("mdui:UIInfo").add(words("mdui:DisplayName", "Exempelby kommun", "x"), words("mdui:DisplayName", "Exempelby", ""))),
			el("md:KeyDescriptor", "use", "signing").add(keyInfo(sp.signer.cert)), key,
			el("md:AssertionConsumerService", "Binding", bindingPOST, "Location", sp.acs(), "index", "0", "isDefault", "true"),
			el("md:AssertionConsumerService", "Binding", bindingPOST, "Location", sp.acs()+"/2", "index", "1")))
	if sp.bend != nil {
		sp.bend(n)
	}
	if err := (&seal{by: sp.signer}).sign(n, 0); err != nil {
		t.Error(err)
	}
	return n.document()
}

// ask makes an AuthnRequest, unsigned; more are its Extensions.
func (b *bench) ask(sp *testSP, more ...*node) *node {
	n := el("samlp:AuthnRequest", "ID", newID(), "Version", "2.0", "IssueInstant", instant(b.now()), "Destination", b.idp.ssoURL(),
		"ForceAuthn", "true", "AssertionConsumerServiceURL", sp.acs(), "ProtocolBinding", bindingPOST).add(
		el("saml:Issuer").say(sp.entityID()))
	if len(more) > 0 {
		n.add(el("samlp:Extensions").add(more...))
	}
	return n.add(el("samlp:NameIDPolicy", "Format", persistent, "AllowCreate", "true"),
		el("samlp:RequestedAuthnContext", "Comparison", "exact").add(
			el("saml:AuthnContextClassRef").say(LevelThree), el("saml:AuthnContextClassRef").say(UncertifiedThree)))
}

func selection(number string) *node {
	return el("psc:PrincipalSelection").add(el("psc:MatchValue", "Name", oidNumber).say(number))
}

func textToSign(text string) *node {
	return el("csig:SignMessage", "MustShow", "true", "MimeType", "text").add(el("csig:Message").say(base64.StdEncoding.EncodeToString([]byte(text))))
}

// query writes a request as HTTP-Redirect has it.
func (sp *testSP) query(t *testing.T, request []byte, relay string) string {
	t.Helper()
	var deflated bytes.Buffer
	w, _ := flate.NewWriter(&deflated, flate.BestCompression)
	w.Write(request)
	w.Close()
	q := "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes()))
	if relay != "" {
		q += "&RelayState=" + url.QueryEscape(relay)
	}
	q += "&SigAlg=" + url.QueryEscape(algRSASHA256)
	value, err := sp.signer.value(algRSASHA256, []byte(q))
	if err != nil {
		t.Fatal(err)
	}
	return q + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
}

// get brings a request by HTTP-Redirect.
func (b *bench) get(query string) *http.Response {
	b.t.Helper()
	r, err := b.client.Get(b.idp.ssoURL() + "?" + query)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { r.Body.Close() })
	return r
}

// post brings a request by HTTP-POST.
func (b *bench) post(request []byte, relay string) *http.Response {
	b.t.Helper()
	r, err := b.client.PostForm(b.idp.ssoURL(), url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(request)}, "RelayState": {relay}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { r.Body.Close() })
	return r
}

// order brings a request and returns the order that it became.
func (b *bench) order(sp *testSP, request *node, relay string) string {
	b.t.Helper()
	return b.orderOf(b.get(sp.query(b.t, request.document(), relay)))
}

func (b *bench) orderOf(r *http.Response) string {
	b.t.Helper()
	_, id, ok := strings.Cut(r.Header.Get("Location"), "/saml/telia/o/")
	if r.StatusCode != http.StatusSeeOther || !ok {
		b.t.Fatalf("status %d: %s", r.StatusCode, notice(b.t, r))
	}
	return id
}

var (
	noticeText = regexp.MustCompile(`(?s)<p class="notice" role="alert">(.*?)</p>`)
	fieldValue = regexp.MustCompile(`name="(SAMLResponse|RelayState)" value="([^"]*)"`)
	formAction = regexp.MustCompile(`<form id="deliver" method="post" action="([^"]*)"`)
)

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func notice(t *testing.T, r *http.Response) string {
	t.Helper()
	if m := noticeText.FindStringSubmatch(body(t, r)); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

func (b *bench) show(id string) string {
	b.t.Helper()
	r, err := b.client.Get(b.idp.orderURL(id))
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	return body(b.t, r)
}

// A delivery is what a browser takes to the peer.
type delivery struct {
	acs, relay string
	field      string
	document   []byte
}

func (b *bench) deliver(id string) delivery {
	b.t.Helper()
	page := b.show(id)
	var d delivery
	for _, m := range fieldValue.FindAllStringSubmatch(page, -1) {
		if m[1] == "RelayState" {
			d.relay = html.UnescapeString(m[2])
		} else {
			d.field = html.UnescapeString(m[2])
		}
	}
	m := formAction.FindStringSubmatch(page)
	if m == nil {
		b.t.Fatal("the page delivers nothing")
	}
	d.acs = html.UnescapeString(m[1])
	d.document, _ = base64.StdEncoding.DecodeString(d.field)
	return d
}

// approved is the answer after a person has approved.
func (b *bench) approved(sp *testSP, request *node) delivery {
	b.t.Helper()
	id := b.order(sp, request, "relay")
	if _, err := b.idp.Act(id, control.Action{Action: "approve", Pnr: b.people.First().Number}); err != nil {
		b.t.Fatal(err)
	}
	return b.deliver(id)
}
