package saml

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

func (b *bench) someone(flag persons.Flag) persons.Person {
	for _, p := range b.people.List() {
		if p.Has(flag) {
			return p
		}
	}
	b.t.Fatalf("nobody is %s", flag)
	return persons.Person{}
}

// press posts what a button of the page posts.
func (b *bench) press(id string, v url.Values) *http.Response {
	b.t.Helper()
	r, err := b.client.PostForm(b.idp.orderURL(id), v)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { r.Body.Close() })
	return r
}

// status is how a Response says that it ended.
func (b *bench) status(sp *testSP, id string) string {
	b.t.Helper()
	response, assertion := b.opened(sp, b.deliver(id))
	if assertion != nil {
		return statusSuccess
	}
	return strings.Join(codes(response), " ")
}

func TestEndings(t *testing.T) {
	b := newBench(t)
	for hint, want := range map[string]string{
		hintCancel:        statusResponder + " " + statusCancel,
		hintFraud:         statusResponder + " " + statusFraud,
		hintPossibleFraud: statusResponder + " " + statusPossibleFraud,
		hintAuthnFailed:   statusResponder + " " + statusAuthnFailed,
		hintNoContext:     statusRequester + " " + statusNoContext,
		hintUnknown:       statusResponder + " " + statusUnknown,
		hintDenied:        statusRequester + " " + statusDenied,
		hintTimeout:       statusResponder,
		hintRequester:     statusRequester,
	} {
		t.Run(hint, func(t *testing.T) {
			b.t = t
			id := b.order(b.login, b.ask(b.login), "relay")
			r := b.press(id, url.Values{"action": {"fail:" + hint}, "lang": {"en"}})
			if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/saml/telia/o/"+id+"?lang=en" {
				t.Fatalf("status %d", r.StatusCode)
			}
			if o, _ := b.idp.Order(id); o.State != control.Failed || o.Hint != hint {
				t.Errorf("order %s %s", o.State, o.Hint)
			}
			if got := b.status(b.login, id); got != want {
				t.Errorf("status %s", got)
			}
			if _, err := b.idp.Act(id, control.Action{Action: "approve", Pnr: b.people.First().Number}); err == nil {
				t.Error("what is over can be approved")
			}
		})
	}
}

func TestTimeOut(t *testing.T) {
	b := newBench(t)
	id := b.order(b.login, b.ask(b.login), "relay")
	b.later(4*time.Minute + 50*time.Second)
	if o, _ := b.idp.Order(id); o.State != control.Pending {
		t.Error("it is over too early")
	}
	b.later(20 * time.Second)
	if o, _ := b.idp.Order(id); o.State != control.Failed || o.Hint != hintTimeout {
		t.Error("it is not over")
	}
	if got := b.status(b.login, id); got != statusResponder {
		t.Errorf("status %s", got)
	}
	b.later(time.Hour)
	b.order(b.login, b.ask(b.login), "relay")
	if n := len(b.idp.Orders()); n != 1 {
		t.Errorf("%d orders are remembered", n)
	}
}

func TestWho(t *testing.T) {
	b := newBench(t)
	first, second := b.people.First().Number, b.people.Other(b.people.First().Number).Number
	for _, c := range []struct {
		name     string
		sp       *testSP
		required string
		who      string
		want     string // status, or the refusal
	}{
		{"the one", b.login, first, first, statusSuccess},
		{"whoever is required", b.login, first, "", statusSuccess},
		{"another", b.login, first, second, statusResponder + " " + statusUnknown},
		{"nobody", b.login, "", "", "unknown person"},
		{"blocked", b.login, "", b.someone(persons.Blocked).Number, statusResponder + " " + statusAuthnFailed},
		{"without e-ID", b.login, "", b.someone(persons.NoEID).Number, "no e-ID"},
		{"co-ordination number", b.login, "", b.someone(persons.Samordningsnummer).Number, "co-ordination"},
		{"co-ordination number, welcome", b.sign, "", b.someone(persons.Samordningsnummer).Number, statusSuccess},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.sign.categories = []string{CategoryThree, categorySigning, categoryCoordinated}
			n := b.ask(c.sp)
			if c.required != "" {
				n = b.ask(c.sp, selection(c.required))
			}
			id := b.order(c.sp, n, "relay")
			if o, _ := b.idp.Order(id); o.RequiredPnr != c.required {
				t.Error("the order requires somebody else")
			}
			if _, err := b.idp.Act(id, control.Action{Action: "approve", Pnr: c.who}); err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Error(err)
				}
				if o, _ := b.idp.Order(id); o.State != control.Pending {
					t.Error("a refusal ends the order")
				}
				return
			}
			if got := b.status(c.sp, id); got != c.want {
				t.Errorf("status %s", got)
			}
		})
	}
}

func TestActs(t *testing.T) {
	b := newBench(t)
	id := b.order(b.login, b.ask(b.login), "relay")
	for _, a := range []control.Action{{Action: "dance"}, {Action: "fail"}, {Action: "fail", Hint: "tired"}, {Action: "approve", Pnr: "1"}, {}} {
		if _, err := b.idp.Act(id, a); err == nil {
			t.Errorf("%q is allowed", a.Action)
		}
	}
	if _, err := b.idp.Act("none", control.Action{Action: "cancel"}); err == nil {
		t.Error("an order that does not exist is cancelled")
	}
	if _, err := b.idp.Act(id, control.Action{Action: "start", Pnr: b.people.First().Number}); err != nil {
		t.Error(err)
	}
	if o, _ := b.idp.Order(id); o.Hint != hintStarted || o.Person == "" {
		t.Error("nobody has started")
	}
	if result, err := b.idp.Act(id, control.Action{Action: "approve"}); err != nil || result.State != control.Complete || result.ReturnURL != b.idp.orderURL(id) {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err := b.idp.Scan(control.Code{QR: "x"}); err != control.ErrUnknownCode {
		t.Error("a QR code opens something")
	}
	if _, ok := b.idp.ByToken(""); ok {
		t.Error("a token finds something")
	}
}

func TestAuto(t *testing.T) {
	b := newBench(t)
	second := b.people.Other(b.people.First().Number)
	for _, c := range []struct {
		name     string
		auto     control.Auto
		required string
		want     string
	}{
		{"anybody", control.Auto{Provider: "telia"}, "", b.people.First().Number},
		{"everywhere", control.Auto{Provider: control.Everyone, Pnr: second.Number}, "", second.Number},
		{"whoever is required", control.Auto{Provider: "telia"}, second.Number, second.Number},
		{"after a while", control.Auto{Provider: "telia", Pnr: second.Number, DelayMs: 1}, "", second.Number},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.autos.Clear()
			b.autos.Set(c.auto)
			n := b.ask(b.login)
			if c.required != "" {
				n = b.ask(b.login, selection(c.required))
			}
			id := b.order(b.login, n, "relay")
			b.idp.running.Wait()
			_, assertion := b.opened(b.login, b.deliver(id))
			if released(assertion)[oidNumber] != c.want {
				t.Error("it was somebody else")
			}
		})
	}
	b.autos.Clear()
	b.autos.Set(control.Auto{Provider: "bankid"})
	if o, _ := b.idp.Order(b.order(b.login, b.ask(b.login), "relay")); o.State != control.Pending {
		t.Error("another simulator's person decides")
	}
	b.autos.Set(control.Auto{Provider: "telia", DelayMs: 600_000})
	id := b.order(b.login, b.ask(b.login), "relay")
	b.idp.Close() // does not wait for those who wait
	if o, _ := b.idp.Order(id); o.State != control.Pending {
		t.Error("somebody decided")
	}
}

func TestSignature(t *testing.T) {
	b := newBench(t)
	text := "Jag intygar att <b>allt</b> är sant & riktigt.\nRad två."
	message := el("csig:Message").say(base64.StdEncoding.EncodeToString([]byte(text)))
	sealed, err := envelope{to: b.idp.keys.encryption[1].cert, algorithm: algGCM256}.encrypt(message.document())
	if err != nil {
		t.Fatal(err)
	}
	for name, extension := range map[string]*node{
		"plain":     textToSign(text),
		"encrypted": el("csig:SignMessage", "MustShow", "true", "DisplayEntity", b.idp.EntityID()).add(el("csig:EncryptedMessage").add(sealed)),
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			n := b.ask(b.sign, selection(b.people.First().Number), extension)
			n.add(el("samlp:Scoping").add(el("samlp:RequesterID").say("https://calling.example.com")))
			id := b.order(b.sign, n, "relay")
			page := b.show(id)
			for _, want := range []string{"Jag intygar att &lt;b&gt;allt&lt;/b&gt; är sant &amp; riktigt.\nRad två.", "Skriv under", "https://calling.example.com", " selected>"} {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if o, _ := b.idp.Order(id); o.Kind != "sign" || o.Text != text {
				t.Error("the order has another text or kind")
			}
			if _, err := b.idp.Act(id, control.Action{Action: "approve"}); err != nil {
				t.Fatal(err)
			}
			d := b.deliver(id)
			_, assertion := b.opened(b.sign, d)
			if assertion.child(nsSignature, "Signature") == nil {
				t.Error("the assertion is not signed though it must be kept")
			}
			if !strings.HasPrefix(released(assertion)[oidDigest], algSHA256+";") || strings.Contains(string(d.document), released(assertion)[oidDigest]) {
				t.Error("there is no digest, or everybody can read it")
			}
		})
	}
}

func TestUserMessage(t *testing.T) {
	b := newBench(t)
	say := func(lang, text string) *node {
		return el("umsg:Message", "xml:lang", lang).say(base64.StdEncoding.EncodeToString([]byte(text)))
	}
	id := b.order(b.login, b.ask(b.login, el("umsg:UserMessage", "mimeType", "text/plain").add(say("en", "Log in to us."), say("sv", "Logga in hos oss."))), "relay")
	if page := b.show(id); !strings.Contains(page, "Logga in hos oss.") {
		t.Error("the page does not show the message")
	}
	if o, _ := b.idp.Order(id); o.Text != "Logga in hos oss." || o.Kind != "auth" {
		t.Error("nor does the order")
	}
	_, assertion := b.opened(b.login, func() delivery {
		if _, err := b.idp.Act(id, control.Action{Action: "approve", Pnr: b.people.First().Number}); err != nil {
			t.Fatal(err)
		}
		return b.deliver(id)
	}())
	if released(assertion)[oidDigest] != "" {
		t.Error("a message is no text to sign")
	}
}

func TestPage(t *testing.T) {
	b := newBench(t)
	id := b.order(b.login, b.ask(b.login), "relay")
	get := func(query string) *http.Response {
		t.Helper()
		r, err := b.client.Get(b.idp.orderURL(id) + query)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}
	swedish, english := get(""), get("?lang=en")
	policy := swedish.Header.Get("Content-Security-Policy")
	sv, en := body(t, swedish), body(t, english)
	if !strings.Contains(sv, "Legitimera dig") || !strings.Contains(sv, "Exempelby kommun") || !strings.Contains(sv, "TEST") ||
		!strings.Contains(en, "Identify yourself") || !strings.Contains(en, "Exempelby") || !strings.Contains(en, `lang="en"`) || strings.Contains(en, "Avbryt") {
		t.Error("the languages")
	}
	_, nonce, _ := strings.Cut(policy, "script-src 'nonce-")
	nonce, _, _ = strings.Cut(nonce, "'")
	if len(nonce) < 32 || !strings.Contains(sv, `<script nonce="`+nonce+`">`) || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	for _, f := range []string{"xsw3", "wrongAudience", "replay"} {
		if !strings.Contains(sv, "<option>"+f+"</option>") {
			t.Errorf("the page does not offer %s", f)
		}
	}
	for _, p := range b.people.List() {
		if strings.Contains(sv, p.Number) {
			t.Fatal("the page shows a number")
		}
	}
	state := func() string {
		r, err := b.client.Get(b.idp.orderURL(id) + "/state")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		data, _ := io.ReadAll(r.Body)
		return strings.TrimSpace(string(data))
	}
	if state() != `{"state":"pending"}` {
		t.Error(state())
	}
	if r := b.press(id, url.Values{"action": {"approve"}, "person": {"trettioett"}}); !strings.Contains(notice(t, r), "no e-ID") {
		t.Error("the page does not say why not")
	}

	// Another site's page decides nothing.
	q, err := http.NewRequest(http.MethodPost, b.idp.orderURL(id), strings.NewReader("action=cancel"))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Sec-Fetch-Site", "cross-site")
	if r, err := b.client.Do(q); err != nil || r.StatusCode != http.StatusForbidden {
		t.Error("another site decides")
	} else {
		r.Body.Close()
	}

	// A fault for this answer alone.
	b.press(id, url.Values{"action": {"approve"}, "person": {"ett"}, "fault": {"wrongAudience"}})
	_, assertion := b.opened(b.login, b.deliver(id))
	if released(assertion)[oidNumber] != b.people.First().Number || strings.Contains(string(assertion.document()), "<saml:Audience>"+b.login.entityID()) {
		t.Error("it is somebody else, or has no fault")
	}
	if state() != `{"state":"complete"}` {
		t.Error(state())
	}
	done := get("")
	if page := body(t, done); !strings.Contains(page, "<button") || !strings.Contains(page, ".submit()") || !strings.Contains(done.Header.Get("Content-Security-Policy"), "form-action 'self' http: https:") {
		t.Error("the page cannot deliver")
	}
	if r, err := b.client.Get(b.idp.orderURL("none")); err != nil || r.StatusCode != http.StatusNotFound {
		t.Error("there is an order that is none")
	} else {
		r.Body.Close()
	}
}

func TestClassic(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Classic = true })
	_, assertion := b.opened(b.login, b.approved(b.login, b.ask(b.login)))
	values := released(assertion)
	if values["Subject_SerialNumber"] != b.people.First().Number || values["LoginMethod"] != "ccp8" || values[oidNumber] != "" {
		t.Error("the attributes are not the old ones")
	}
}

func TestConfig(t *testing.T) {
	keys, err := cached()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"no path":       {BaseURL: "http://127.0.0.1:1", Name: "x"},
		"slash":         {BaseURL: "http://127.0.0.1:1", Name: "x", Path: "/x/"},
		"no name":       {BaseURL: "http://127.0.0.1:1", Path: "/x"},
		"elsewhere":     {BaseURL: "https://idp.example.com", Name: "x", Path: "/x"},
		"name of a key": {BaseURL: "http://127.0.0.1:1", Name: "../x", Path: "/x"},
	} {
		c.PKI = keys
		if _, err := New(c); err == nil {
			t.Errorf("%s is allowed", name)
		}
	}
}

// TestMany is for the race detector: everybody at once.
func TestMany(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			client := b.newBrowser()
			for j := range 4 {
				q := b.login.query(t, b.ask(b.login).document(), fmt.Sprint(i, j))
				r, err := client.Get(b.idp.ssoURL() + "?" + q)
				if err != nil {
					t.Error(err)
					return
				}
				r.Body.Close()
				at := r.Header.Get("Location")
				_, id, _ := strings.Cut(at, "/o/")
				wg.Go(func() { b.idp.Orders() })
				if _, err := b.idp.Act(id, control.Action{Action: "approve", Pnr: b.people.First().Number}); err != nil {
					t.Error(err)
				}
				for range 2 {
					wg.Go(func() {
						if r, err := client.Get(at); err != nil {
							t.Error(err)
						} else {
							r.Body.Close()
						}
					})
				}
			}
		})
	}
	wg.Wait()
	if n := len(b.idp.Orders()); n != 32 {
		t.Errorf("%d orders", n)
	}
}
