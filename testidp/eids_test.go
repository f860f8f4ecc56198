package testidp

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/freja"
	"sigill/testidp/oidc"
	"sigill/testidp/persons"
)

// frejaParty calls Freja's services with the material of a relying party.
type frejaParty struct {
	t *testing.T
	m freja.Material
	c *http.Client
}

func newFrejaParty(t *testing.T, s *Server) frejaParty {
	t.Helper()
	m, err := s.FrejaMaterial()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(m.TLSRoot) {
		t.Fatal("no TLS root")
	}
	pair, err := tls.X509KeyPair(m.RPCertificate, m.RPKey)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	t.Cleanup(tr.CloseIdleConnections)
	return frejaParty{t, m, &http.Client{Transport: tr}}
}

func (p frejaParty) call(path, parameter, document string, into any) {
	p.t.Helper()
	resp, err := p.c.Post(p.m.BaseURL+path, "application/json", strings.NewReader(parameter+"="+encoded(document)))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || json.Unmarshal(body, into) != nil {
		p.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
}

func (p frejaParty) begin(document string) string {
	p.t.Helper()
	var o struct{ AuthRef string }
	p.call("/authentication/1.0/initAuthentication", "initAuthRequest", document, &o)
	return o.AuthRef
}

func (p frejaParty) status(ref string) string {
	p.t.Helper()
	var r struct{ Status string }
	p.call("/authentication/1.0/getOneResult", "getOneAuthResultRequest", `{"authRef":"`+ref+`"}`, &r)
	return r.Status
}

var wholeNumber = regexp.MustCompile(`[0-9]{8,12}`)

// masked is a page as a test may print it.
func masked(page string) string { return wholeNumber.ReplaceAllString(page, "…") }

const inferred = `{"userInfoType":"INFERRED","userInfo":"N/A","minRegistrationLevel":"PLUS"}`

// frejaLink is an app link as our side would make it, below the phone's address.
func frejaLink(m freja.Material, ref, back string) string {
	u, _ := url.Parse(m.AppURL) // the test that follows it sees what is wrong
	link := u.Path + "?action=bindUserToTransaction&transactionReference=" + url.QueryEscape(ref)
	if back != "" {
		link += "&originAppScheme=" + url.QueryEscape(back)
	}
	return link
}

func TestFrejaOnTheSameDevice(t *testing.T) {
	s := Start(t)
	p := newFrejaParty(t, s)
	b := newBrowser(t, s)
	ref := p.begin(inferred)
	if p.m.AppURL != s.URL()+"/app/freja" {
		t.Errorf("app links at %s", p.m.AppURL)
	}
	link := frejaLink(p.m, ref, "http://localhost:8080/back?nonce=1")
	first := b.get(link)
	if first.status != 303 || first.location != "/phone/orders/"+ref {
		t.Fatalf("link: %d %s\n%s", first.status, first.location, masked(first.text))
	}
	if page := b.get(first.location); words(page.one(t, "h1")) != "Vem är du?" {
		t.Errorf("page:\n%s", masked(page.text))
	}
	b.be("tre")
	page := b.get(first.location)
	if words(page.one(t, ".app")) != "Freja" || words(page.one(t, "button.main")) != "Identifiera" || !strings.Contains(words(page.one(t, ".asks")), DefaultRelyingParty) {
		t.Errorf("page:\n%s", masked(page.text))
	}
	if again := b.get(link); again.location != first.location {
		t.Errorf("the link again: %d %s", again.status, again.location)
	}
	if home := b.get("/"); !strings.HasPrefix(words(home.one(t, "a.card span")), "Freja, ") {
		t.Errorf("home:\n%s", masked(home.text))
	}
	b.post(first.location, url.Values{"do": {"approve"}})
	end := b.get(first.location)
	if words(end.one(t, "h1")) != "Klart" || attribute(end.one(t, "a.main"), "href") != "http://localhost:8080/back?nonce=1" ||
		attribute(end.one(t, "meta[http-equiv=refresh]"), "content") != "1;url=http://localhost:8080/back?nonce=1" {
		t.Errorf("end:\n%s", masked(end.text))
	}
	if got := p.status(ref); got != "APPROVED" {
		t.Errorf("status %s", got)
	}
	for _, bad := range []string{"/app/freja", "/app/freja?action=x&transactionReference=" + ref, "/app/bankid?autostarttoken=x", "/app/telia"} {
		if page := b.get(bad); page.status != 404 && page.location != first.location {
			t.Errorf("%s: %d %s", bad, page.status, page.location)
		}
	}
}

func TestFrejaByCamera(t *testing.T) {
	s := Start(t)
	p := newFrejaParty(t, s)
	b := newBrowser(t, s)
	b.be("fyra")
	ref := p.begin(inferred)
	if page := b.post("/phone/scan", url.Values{"camera": {"1"}}); page.location != "/phone/orders/"+ref {
		t.Fatalf("saw %d %s", page.status, page.location)
	}
	b.get("/phone/orders/" + ref)
	b.post("/phone/orders/"+ref, url.Values{"do": {"cancel"}})
	if end := b.get("/phone/orders/" + ref); words(end.one(t, "code")) != "CANCELED" || len(end.all("a.main")) != 0 {
		t.Errorf("end:\n%s", masked(end.text))
	}
	// By hand, with the scheme of the app.
	ref = p.begin(inferred)
	if page := b.post("/phone/scan", url.Values{"qr": {"frejaeid://bindUserToTransaction?transactionReference=" + ref}}); page.location != "/phone/orders/"+ref {
		t.Errorf("scanned %d %s", page.status, page.location)
	}
}

func TestFrejaIsPushed(t *testing.T) {
	s := Start(t)
	p := newFrejaParty(t, s)
	who := s.People()[2]
	ssn := encoded(`{"country":"SE","ssn":"` + who.Number + `"}`)
	ref := p.begin(`{"userInfoType":"SSN","userInfo":"` + ssn + `","minRegistrationLevel":"PLUS"}`)
	b, other := newBrowser(t, s), newBrowser(t, s)
	b.be("tre")
	other.be("fyra")
	for n := 0; len(b.get("/").all("a.card")) == 0; n++ {
		if n > 300 {
			t.Fatal("never came")
		}
		time.Sleep(20 * time.Millisecond) // a push takes a second of the real clock
	}
	if home := other.get("/"); len(home.all("a.card")) != 0 {
		t.Error("on somebody else's phone too")
	}
	order := attribute(b.get("/").one(t, "a.card"), "href")
	if page := b.get(order); words(page.one(t, "button.main")) != "Identifiera" {
		t.Errorf("page:\n%s", masked(page.text))
	}
	b.post(order, url.Values{"do": {"approve"}})
	if got := p.status(ref); got != "APPROVED" {
		t.Errorf("status %s", got)
	}
}

func TestFrejaObeys(t *testing.T) {
	s := Start(t)
	p := newFrejaParty(t, s)
	b := newBrowser(t, s)
	s.Auto(freja.Name, s.People()[0].Number, 0)
	ref := p.begin(inferred)
	for range 200 {
		page := b.get(frejaLink(p.m, ref, "http://localhost:8080/back?nonce=2"))
		if page.status == 303 {
			if page.location != "http://localhost:8080/back?nonce=2" {
				t.Errorf("sent to %q", page.location)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("never approved")
}

func TestFrejaWantsItsCertificate(t *testing.T) {
	s := Start(t)
	p := newFrejaParty(t, s)
	bankID, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := tls.X509KeyPair(bankID.RPCertificate, bankID.RPKey)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.m.TLSRoot)
	for name, pair := range map[string]*tls.Certificate{"none": {}, "of BankID": &stranger} {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil },
		}}}
		if resp, err := c.Post(p.m.BaseURL+"/authentication/1.0/cancel", "application/json", nil); err == nil {
			resp.Body.Close()
			t.Errorf("%s: got %s, want a TLS alert", name, resp.Status)
		}
	}
	renewed, err := s.FrejaRenewed()
	if err != nil || string(renewed.RPCertificate) == string(p.m.RPCertificate) {
		t.Errorf("renewed: %v", err)
	}
	if other, err := s.FrejaMaterialFor("Grannkommunen"); err != nil || other.RelyingParty != "Grannkommunen" {
		t.Errorf("another: %v", err)
	}
}

// begunAtOIDC starts a login at the OIDC e-ID and returns its page and order.
func begunAtOIDC(t *testing.T, s *Server, b *browser) (page, id, verifier string) {
	t.Helper()
	verifier = strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"client_id": {oidc.DefaultClientID}, "redirect_uri": {"http://localhost:8080/eid/oidc/back"}, "response_type": {"code"},
		"scope": {"openid profile https://frejaeid.com/oidc/scopes/personalIdentityNumber"}, "state": {"a-state"}, "nonce": {"a-nonce"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	answer := b.get(strings.TrimPrefix(s.OIDCIssuer(), b.base) + "/authorize?" + q.Encode())
	page = strings.TrimPrefix(answer.location, b.base)
	if answer.status != 303 || !strings.HasPrefix(page, "/oidc/eid/o/") {
		t.Fatalf("authorize: %d %s\n%s", answer.status, answer.location, masked(answer.text))
	}
	return page, strings.TrimPrefix(page, "/oidc/eid/o/"), verifier
}

func TestOIDC(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	page, id, verifier := begunAtOIDC(t, s, b)
	// The order is listed, by the API and on the phone, which leads to its page.
	var list []control.Order
	if _, answer := ask(t, s, "GET", "/control/orders?state=pending", ""); json.Unmarshal([]byte(answer), &list) != nil || len(list) != 1 || list[0].ID != id || list[0].Provider != "oidc" || list[0].ReturnURL != b.base+page {
		t.Errorf("orders: %s", answer)
	}
	b.be("ett")
	card := b.get("/").one(t, "a.card")
	if attribute(card, "href") != b.base+page || !strings.Contains(words(card), "Test-e-legitimation (OIDC)") {
		t.Errorf("card %s", words(card))
	}
	if answer := b.get("/phone/orders/" + id); answer.status != 404 {
		t.Errorf("the phone decides it itself: %d", answer.status)
	}
	// Approving by the API decides the order that stands on the page.
	status, answer := ask(t, s, "POST", "/control/orders/"+id, `{"action":"approve","pnr":"`+s.People()[1].Number+`"}`)
	if want := `{"id":"` + id + `","state":"complete","hint":"","returnUrl":"` + b.base + page + `"}`; status != 200 || answer != want {
		t.Errorf("approve: %d %s", status, answer)
	}
	back, err := url.Parse(b.get(page).location)
	if err != nil || back.Query().Get("state") != "a-state" || back.Query().Get("iss") != s.OIDCIssuer() {
		t.Fatalf("sent to %v", back)
	}
	tokens := b.post("/oidc/eid/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {oidc.DefaultClientID}, "client_secret": {oidc.DefaultSecret},
		"code": {back.Query().Get("code")}, "redirect_uri": {"http://localhost:8080/eid/oidc/back"}, "code_verifier": {verifier},
	})
	if tokens.status != 200 || !strings.Contains(tokens.text, `"id_token"`) {
		t.Errorf("token: %d", tokens.status)
	}
	// Faults and obedient persons go by the name.
	s.Fault("oidc", "accessDenied")
	s.Auto("oidc", s.People()[0].Number, 0)
	page, _, _ = begunAtOIDC(t, s, b)
	if to := b.get(page).location; !strings.Contains(to, "error=access_denied") {
		t.Errorf("sent to %s", to)
	}
	s.ClearFaults()
	s.OIDCClient(oidc.Client{ID: oidc.DefaultClientID, Redirects: []string{"https://example.se/back"}})
	if refused := b.get("/oidc/eid/authorize?client_id=" + oidc.DefaultClientID + "&redirect_uri=http%3A%2F%2Flocalhost%2F"); refused.status != 400 {
		t.Errorf("a client that was changed: %d", refused.status)
	}
}

func TestOIDCProfile(t *testing.T) {
	s := Start(t, func(c *Config) {
		c.OIDCProfile = oidc.Sweden()
		c.OIDCClients = []oidc.Client{{ID: "mine", Secret: "s"}}
	})
	b := newBrowser(t, s)
	if d := b.get("/oidc/eid/.well-known/openid-configuration"); !strings.Contains(d.text, "https://id.oidc.se/claim/personalIdentityNumber") || !strings.Contains(d.text, `"issuer":"`+s.OIDCIssuer()+`"`) {
		t.Errorf("discovery: %s", d.text)
	}
}

// TestTelia asks the SAML IdP by its own address, which is another site than the
// phone's.
func TestTelia(t *testing.T) {
	s := Start(t)
	base := s.SAMLURL(Telia)
	if !strings.HasPrefix(base, "http://127.0.0.1:") || !strings.HasSuffix(base, "/saml/telia") || strings.HasPrefix(s.URL(), "http://127.") {
		t.Fatalf("at %s", base)
	}
	if s.SAMLURL("x") != "" || s.SAML("x") != nil {
		t.Error("there is another IdP")
	}
	for _, path := range []string{"/metadata", "/feed"} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), `entityID="`+s.SAML(Telia).EntityID()+`"`) {
			t.Errorf("%s: %s, %v\n%.300s", path, resp.Status, err, body)
		}
	}
	if s.SAML(Telia).EntityID() != base+"/metadata" || s.SAML(Telia).FeedURL() != base+"/feed" {
		t.Errorf("named %s", s.SAML(Telia).EntityID())
	}
	// The same listener has everything under both names.
	for _, at := range []string{s.URL(), strings.TrimSuffix(base, "/saml/telia")} {
		for _, path := range []string{"/healthz", "/phone/style.css", "/saml/telia/metadata", "/oidc/eid/jwks"} {
			resp, err := http.Get(at + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("%s%s: %s", at, path, resp.Status)
			}
		}
	}
}

func TestEveryEIDHasItsName(t *testing.T) {
	s := Start(t)
	var got struct{ Possible map[string][]string }
	if _, answer := ask(t, s, "GET", "/control/faults", ""); json.Unmarshal([]byte(answer), &got) != nil {
		t.Fatal(answer)
	}
	for _, name := range []string{"bankid", "freja", "telia", "oidc"} {
		if len(got.Possible[name]) < 25 {
			t.Errorf("%s has %d faults", name, len(got.Possible[name]))
		}
		for _, body := range []string{`{"provider":"` + name + `"}`} {
			if status, answer := ask(t, s, "POST", "/control/auto", body); status != 204 {
				t.Errorf("auto of %s: %d %s", name, status, answer)
			}
		}
		modes := slices.Clone(got.Possible[name])
		slices.Sort(modes)
		if len(slices.Compact(modes)) != len(got.Possible[name]) {
			t.Errorf("%s names a fault twice", name)
		}
	}
}

func TestWriteFiles(t *testing.T) {
	s := Start(t)
	dir := filepath.Join(t.TempDir(), "data")
	if err := s.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		TLSRootFile, SignatureRootFile, RPCertificateFile, RPKeyFile, FederationFile,
		freja.TLSRootFile, freja.JWSRootFile, freja.IntermediateFile, freja.JWSFile, freja.RPCertificateFile, freja.RPKeyFile,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 11 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}

func TestLowLevelIsShown(t *testing.T) {
	s := Start(t)
	page := newBrowser(t, s).get("/")
	if !strings.Contains(page.text, "lägre nivå") || strings.Contains(page.text, ">"+string(persons.LowLevel)+"<") {
		t.Error("the flag has no word")
	}
}
