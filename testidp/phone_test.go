package testidp

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"sigill/testidp/control"
)

// A browser keeps cookies and does not follow redirects by itself.
type browser struct {
	t    *testing.T
	base string
	c    *http.Client
}

func newBrowser(t *testing.T, s *Server) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &browser{t, s.URL(), &http.Client{Jar: jar, Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type drawn struct {
	status   int
	location string
	header   http.Header
	root     *html.Node
	text     string
}

func (b *browser) do(r *http.Request, err error) drawn {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	return drawn{resp.StatusCode, resp.Header.Get("Location"), resp.Header, root, string(body)}
}

func (b *browser) get(path string) drawn {
	b.t.Helper()
	return b.do(http.NewRequest("GET", b.base+path, nil))
}

func (b *browser) post(path string, form url.Values) drawn {
	b.t.Helper()
	r, err := http.NewRequest("POST", b.base+path, strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.do(r, err)
}

// be chooses a person.
func (b *browser) be(id string) { b.t.Helper(); b.post("/phone/person", url.Values{"person": {id}}) }

func (d drawn) all(selector string) []*html.Node {
	return cascadia.QueryAll(d.root, cascadia.MustCompile(selector))
}

func (d drawn) one(t *testing.T, selector string) *html.Node {
	t.Helper()
	n := d.all(selector)
	if len(n) != 1 {
		t.Fatalf("%d times %q in\n%s", len(n), selector, d.text)
	}
	return n[0]
}

func words(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(words(c))
	}
	return strings.TrimSpace(b.String())
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestPhoneSignsOnTheSameDevice(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	ref, token := begin(t, s, "sign", `{"endUserIp":"127.0.0.1","returnUrl":"http://localhost:8080/back?nonce=1&x=2","userVisibleDataFormat":"simpleMarkdownV1","userVisibleData":"`+
		encoded("# Ansökan\n\nJag <script>alert(1)</script> *intygar*.")+`"}`)
	first := b.get("/app?autostarttoken=" + token)
	if first.status != 303 || first.location != "/phone/orders/"+ref {
		t.Fatalf("app link: %d %s", first.status, first.location)
	}
	page := b.get(first.location)
	if words(page.one(t, "h1")) != "Vem är du?" {
		t.Error("nobody was asked who it is")
	}
	if got := b.post("/phone/person", url.Values{"person": {"tva"}, "order": {ref}}); got.location != first.location {
		t.Errorf("back to %q", got.location)
	}
	page = b.get(first.location)
	if words(page.one(t, "h1")) != "Skriv under" || words(page.one(t, ".who span")) != "Testperson Två" || words(page.one(t, ".asks strong")) != DefaultRelyingParty {
		t.Errorf("page:\n%s", page.text)
	}
	if got := words(page.one(t, ".signed")); !strings.Contains(got, "<script>alert(1)</script>") || len(page.all("script")) != 0 {
		t.Errorf("text %q", got)
	}
	if words(page.one(t, ".signed .heading")) != "Ansökan" || words(page.one(t, ".signed strong")) != "intygar" {
		t.Error("the text is not drawn")
	}
	done := b.post("/phone/orders/"+ref, url.Values{"do": {"approve"}})
	if done.status != 303 {
		t.Fatalf("approve: %d", done.status)
	}
	page = b.get(done.location)
	if got := attribute(page.one(t, "a.main"), "href"); got != "http://localhost:8080/back?nonce=1&x=2" {
		t.Errorf("link %q", got)
	}
	if got := attribute(page.one(t, "meta[http-equiv=refresh]"), "content"); got != "1;url=http://localhost:8080/back?nonce=1&x=2" {
		t.Errorf("refresh %q", got)
	}
	if o := s.Orders(); len(o) != 1 || o[0].State != control.Complete {
		t.Errorf("orders %+v", o)
	}
}

func TestPhoneHidesWhatIsNotOpened(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	b.be("ett")
	pnr := s.People()[0].Number
	ref, _ := begin(t, s, "auth", `{"endUserIp":"127.0.0.1","requirement":{"personalNumber":"`+pnr+`"}}`)
	if home := b.get("/"); strings.Contains(home.text, ref) || len(home.all("a.card")) != 0 {
		t.Error("listed before it was scanned")
	}
	if page := b.get("/phone/orders/" + ref); page.status != 404 {
		t.Errorf("opened by its number: %d", page.status)
	}
	if page := b.post("/phone/orders/"+ref, url.Values{"do": {"approve"}}); page.status != 404 {
		t.Errorf("approved by its number: %d", page.status)
	}
	if page := b.get("/app?autostarttoken=" + ref); page.status != 404 {
		t.Errorf("opened by a wrong token: %d", page.status)
	}
	if page := b.get("/app"); page.status != 404 {
		t.Errorf("opened by no token: %d", page.status)
	}
}

func TestPhoneCamera(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	b.be("tre")
	look := url.Values{"camera": {"1"}}
	if page := b.post("/phone/scan", look); page.status != 404 || !strings.Contains(words(page.one(t, ".notice")), "Ingen QR-kod") {
		t.Errorf("a camera that looks at nothing: %d", page.status)
	}
	c := relyingParty(t, m)
	var older, newer, here struct{ OrderRef string }
	post(t, c, m.BankIDURL+"auth", `{"endUserIp":"127.0.0.1"}`, &older)
	post(t, c, m.BankIDURL+"auth", `{"endUserIp":"127.0.0.1"}`, &newer)
	post(t, c, m.BankIDURL+"auth", `{"endUserIp":"127.0.0.1","returnUrl":"http://localhost/back"}`, &here)
	for _, want := range []string{newer.OrderRef, older.OrderRef} {
		if page := b.post("/phone/scan", look); page.status != 303 || page.location != "/phone/orders/"+want {
			t.Errorf("saw %s, want %s", page.location, want)
		}
	}
	if page := b.post("/phone/scan", look); page.status != 404 {
		t.Errorf("an order of this device was scanned: %s", page.location)
	}
	// What names another person is on another screen, as long as there is one of
	// one's own.
	var own, another struct{ OrderRef string }
	post(t, c, m.BankIDURL+"auth", `{"endUserIp":"127.0.0.1","requirement":{"personalNumber":"`+s.People()[2].Number+`"}}`, &own)
	post(t, c, m.BankIDURL+"auth", `{"endUserIp":"127.0.0.1","requirement":{"personalNumber":"`+s.People()[3].Number+`"}}`, &another)
	for _, want := range []string{own.OrderRef, another.OrderRef} {
		if page := b.post("/phone/scan", look); page.status != 303 || page.location != "/phone/orders/"+want {
			t.Errorf("saw %s, want %s", page.location, want)
		}
	}
}

func TestPhoneScans(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ OrderRef, QRStartToken, QRStartSecret string }
	post(t, relyingParty(t, m), m.BankIDURL+"auth", `{"endUserIp":"127.0.0.1"}`, &o)
	b.be("tre")
	page := b.post("/phone/scan", url.Values{"qr": {"bankid." + o.QRStartToken + ".60." + frame(o.QRStartSecret, "60")}})
	if page.status != 400 || !strings.Contains(words(page.one(t, ".notice")), "gick inte att använda") {
		t.Errorf("frame of another time: %d\n%s", page.status, page.text)
	}
	page = b.post("/phone/scan", url.Values{"qr": {" bankid." + o.QRStartToken + ".0." + frame(o.QRStartSecret, "0") + "\n"}})
	if page.status != 303 {
		t.Fatalf("scan: %d\n%s", page.status, page.text)
	}
	if home := b.get("/"); attribute(home.one(t, "a.card"), "href") != page.location {
		t.Error("not on the phone")
	}
	order := b.get(page.location)
	if words(order.one(t, "h1")) != "Identifiera" || len(order.all("select")) != 0 {
		t.Errorf("page:\n%s", order.text)
	}
	// On another person's phone it is not.
	other := newBrowser(t, s)
	other.be("fyra")
	if home := other.get("/"); len(home.all("a.card")) != 0 {
		t.Error("on somebody else's phone too")
	}
	if theirs := other.get(page.location); len(theirs.all("button.main")) != 0 {
		t.Error("somebody else may approve")
	}
	b.post(page.location, url.Values{"do": {"cancel"}})
	if end := b.get(page.location); words(end.one(t, "h1")) != "Avbrutet" || words(end.one(t, "code")) != "userCancel" {
		t.Errorf("page:\n%s", end.text)
	}
}

func TestPhoneOfSomebodyWithoutFittingEID(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	b.be("tjugonio") // has no e-ID in a phone
	_, token := begin(t, s, "auth", `{"endUserIp":"127.0.0.1","requirement":{"certificatePolicies":["1.2.3.4.25"]}}`)
	page := b.get(b.get("/app?autostarttoken=" + token).location)
	if !strings.Contains(words(page.one(t, ".notice")), "ingen e-legitimation") || len(page.all("button.main")) != 0 {
		t.Errorf("page:\n%s", page.text)
	}
}

func TestPhoneObeys(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	s.Auto("*", s.People()[0].Number, 0)
	_, token := begin(t, s, "auth", `{"endUserIp":"127.0.0.1","returnUrl":"http://localhost:8080/back?nonce=1"}`)
	for range 100 {
		page := b.get("/app?autostarttoken=" + token)
		if page.status == 303 {
			if page.location != "http://localhost:8080/back?nonce=1" {
				t.Errorf("sent to %q", page.location)
			}
			return
		}
		if attribute(page.one(t, "meta[http-equiv=refresh]"), "content") != "1" {
			t.Fatalf("page:\n%s", page.text)
		}
		time.Sleep(20 * time.Millisecond) // a real server signs in the background
	}
	t.Error("never approved")
}

func TestPhoneCall(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	b.be("ett")
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	call := `{"callInitiator":"RP","personalNumber":"` + s.People()[0].Number + `"}`
	post(t, relyingParty(t, m), m.BankIDURL+"phone/auth", call, nil)
	order := attribute(b.get("/").one(t, "a.card"), "href")
	if page := b.get(order); !strings.Contains(page.text, "Pratar du i telefon?") {
		t.Errorf("page:\n%s", page.text)
	}
	b.post(order, url.Values{"do": {"confirm"}})
	if page := b.get(order); words(page.one(t, "button.main")) != "Identifiera" {
		t.Errorf("page:\n%s", page.text)
	}
	b.post(order, url.Values{"do": {"decline"}})
	if page := b.get(order); words(page.one(t, "code")) != "userDeclinedCall" {
		t.Errorf("page:\n%s", page.text)
	}
}

func TestPhoneNeverOpensAScript(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	b.be("ett")
	for _, target := range []string{"javascript:alert(1)", "data:text/html,x", "JavaScript:alert(1)", "https://example.se/'><script>"} {
		ref, token := begin(t, s, "auth", `{"endUserIp":"127.0.0.1","returnUrl":"`+target+`"}`)
		b.get("/app?autostarttoken=" + token)
		b.post("/phone/orders/"+ref, url.Values{"do": {"approve"}})
		page := b.get("/phone/orders/" + ref)
		if words(page.one(t, "h1")) != "Klart" || len(page.all("a.main")) != 0 || len(page.all("meta[http-equiv=refresh]")) != 0 || strings.Contains(page.text, target) {
			t.Errorf("%s:\n%s", target, page.text)
		}
	}
	// A browser's own scheme is what an app would open.
	ref, token := begin(t, s, "auth", `{"endUserIp":"127.0.0.1","returnUrl":"googlechromes://example.se/x?nonce=1"}`)
	b.get("/app?autostarttoken=" + token)
	b.post("/phone/orders/"+ref, url.Values{"do": {"approve"}})
	if page := b.get("/phone/orders/" + ref); attribute(page.one(t, "a.main"), "href") != "googlechromes://example.se/x?nonce=1" {
		t.Errorf("page:\n%s", page.text)
	}
}

func TestPhoneInBothLanguages(t *testing.T) {
	s := Start(t)
	b := newBrowser(t, s)
	for _, c := range [][3]string{{"sv", "Vem är du?", "Simulator. Bara för test."}, {"en", "Who are you?", "Simulator. For tests only."}} {
		b.post("/phone/language", url.Values{"language": {c[0]}})
		page := b.get("/")
		if attribute(page.one(t, "html"), "lang") != c[0] || words(page.one(t, "h1")) != c[1] || words(page.one(t, ".banner")) != c[2] {
			t.Errorf("%s:\n%s", c[0], page.text)
		}
		if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
		if len(page.all("[style], script, [onclick]")) != 0 {
			t.Error("something inline")
		}
	}
	if css := b.get("/phone/style.css"); css.status != 200 || !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("style sheet: %d %s", css.status, css.header.Get("Content-Type"))
	}
}
