package judges

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// What signatories press, in either language.
const (
	toLogin   = `main .acts form[action$="/login"] button`
	toRefuse  = `a[href$="/refuse"]`
	toReceipt = `a[href$="/receipt.pdf"]`
	reason    = `textarea[name=reason]`
	sayNo     = `form[action$="/refuse"] button`
	leave     = `form.person button`
	codeField = `input[name=code]`
)

// A room is where demo-signer's signatories sign.
const signingRoom = issuer + "/signing/demo-signer/"

// named finds a person by the short name that the phone page has.
func (c control) named(t testing.TB, short string) person {
	t.Helper()
	for _, p := range c.persons(t) {
		if p.short() == short {
			return p
		}
	}
	t.Fatalf("there is no person %s", short)
	return person{}
}

// nobodyYet gives a person who has got no message so far. The first two stand in
// the form of the example application.
func (d *demo) nobodyYet(t testing.TB) person {
	t.Helper()
	return d.phone.person(t, 1+int(d.used.Add(1)))
}

// provenBy lets a person scan the code that the window shows and approve.
func (x *tab) provenBy(d *demo, p person) {
	x.t.Helper()
	x.has(cancel)
	_, err := d.phone.approve(x.scanned(d), p.Number)
	x.must(err)
	if x.noJS {
		x.goOn()
	}
}

// scanned scans the code that the window shows, and gives the order.
func (x *tab) scanned(d *demo) string {
	x.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		id, err := d.phone.scan(x.waiting(issuer).QR)
		if err == nil {
			return id
		}
		if time.Now().After(deadline) { // a frame is good for a moment only
			x.t.Fatal(err)
		}
	}
}

// logsIn goes from the landing page to what is behind it, with a QR code.
func (x *tab) logsIn(d *demo, p person) {
	x.t.Helper()
	x.click(toLogin)
	x.at(issuer + "/login/")
	x.click(withQR)
	x.provenBy(d, p)
	x.at(issuer + "/signing/")
}

// signs goes from the page to review to what comes after the signature.
func (x *tab) signs(d *demo, p person) {
	x.t.Helper()
	x.click(withQR)
	x.provenBy(d, p)
	x.stands("at the end of the signature")
}

// stands waits for the page that says how an order stands.
func (x *tab) stands(what string) {
	x.t.Helper()
	x.until(what, `document.querySelector('.timeline') && !document.querySelector('#sign')`)
}

// byApp proves who one is with the e-ID of this device: the app opens, and comes
// back by the address that it was given.
func (x *tab) byApp(short string) {
	x.t.Helper()
	x.click(withApp)
	x.intoApp()
	x.asInApp(short)
}

// intoApp goes on to the app of this device. The page may open it by itself, or
// wait for the link.
func (x *tab) intoApp() {
	x.t.Helper()
	x.until("the app or its link", "location.href.startsWith("+quote(phone)+") || document.querySelector("+quote(appLink)+")")
	if strings.HasPrefix(x.location(), issuer) {
		value[bool](x, "(document.querySelector("+quote(appLink)+")?.click(), true)")
	}
	x.at(phone + "/phone/orders/")
}

// asInApp says in the app who one is, unless it knows.
func (x *tab) asInApp(short string) {
	x.t.Helper()
	who := `button[name=person][value="` + short + `"]`
	x.until("the app", "document.querySelector("+quote(who)+") || document.querySelector("+quote(approve)+")")
	if value[bool](x, "!!document.querySelector("+quote(who)+")") {
		x.click(who)
	}
}

// opens opens a message in the inbox and follows its link.
func (x *tab) opens(m message) {
	x.t.Helper()
	x.visit(phone + "/inbox/" + m.ID)
	x.click(`.letter a, .bubble a`)
	x.at(issuer + "/signing/")
}

// link is the only link of a message, the same in each of its forms.
func (m message) link(t testing.TB) string {
	t.Helper()
	if len(m.Links) != 1 || !strings.HasPrefix(m.Links[0], signingRoom) {
		t.Fatalf("the links of the message are %q", m.Links)
	}
	return m.Links[0]
}

// fetches presses the receipt's link and gives the file that the browser saved.
func (x *tab) fetches() []byte {
	x.t.Helper()
	return x.saves(toReceipt)
}

// saves presses a link and gives the PDF that the browser saved.
func (x *tab) saves(css string) []byte {
	x.t.Helper()
	dir := x.t.TempDir()
	target := chromedp.FromContext(x.ctx).BrowserContextID
	call(x, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: target, DownloadPath: dir,
	})
	x.click(css)
	deadline := time.Now().Add(patience)
	for {
		files, err := filepath.Glob(filepath.Join(dir, "*.pdf"))
		x.must(err)
		if len(files) == 1 {
			file, err := os.ReadFile(files[0])
			x.must(err)
			if bytes.HasSuffix(bytes.TrimSpace(file), []byte("%%EOF")) {
				return file
			}
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("no file came\n%s", x.where())
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// accepted lets the verifier, as a stranger runs it, judge a receipt: valid, and
// signed by these persons in this order of their places.
func (d *demo) accepted(t *testing.T, file []byte, title string, people ...person) verdict {
	t.Helper()
	report := d.verified(t, file)
	if report.Order.Title != title || len(report.Signatures) != len(people) {
		t.Fatalf("the report says %+v, %d signatures", report.Order, len(report.Signatures))
	}
	for i, p := range people {
		if s := report.Signatures[i]; s.Name != p.Name || strings.ReplaceAll(s.Person, "-", "") != p.Number {
			t.Errorf("signature %d is %s's, or another number's, not %s's", i+1, s.Name, p.Name)
		}
	}
	return report
}

// A verdict is what the verifier says of a file.
type verdict struct {
	Verdict, Code string
	Order         struct{ Title, Client string }
	Signatures    []struct{ Name, Person, Provider string }
}

// verified demands that a file of Exempelby's is valid for whoever trusts the
// demo's seal, and for nobody else.
func (d *demo) verified(t *testing.T, file []byte) verdict {
	t.Helper()
	path := filepath.Join(t.TempDir(), "receipt.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(d.verifier(t), "verify", path, "--json", "--full", "--trust", filepath.Join(d.data, "trust.yaml")).Output()
	if err != nil {
		t.Errorf("sigill verify: %v", err) // the report holds numbers
	}
	var report verdict
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	if report.Verdict != "valid" || report.Order.Client != "Exempelby kommun" {
		t.Fatalf("the report says %s %s: %+v", report.Verdict, report.Code, report.Order)
	}
	// Who believes nobody is told so.
	if err := exec.Command(d.verifier(t), "verify", path).Run(); err == nil {
		t.Error("a receipt is valid for somebody who trusts no seal")
	}
	return report
}

// verifier is the production program, built once.
func (d *demo) verifier(t *testing.T) string {
	t.Helper()
	path := filepath.Join(d.data, "sigill")
	d.sigill.Do(func() {
		cmd := exec.Command("go", "build", "-o", path, "./cmd/sigill")
		cmd.Dir = root(t)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build sigill: %v\n%s", err, text)
		}
	})
	return path
}

// holds demands that the page says each of some things.
func (x *tab) holds(texts ...string) {
	x.t.Helper()
	said := strings.Join(strings.Fields(value[string](x, "document.body.innerText")), " ")
	for _, text := range texts {
		if !strings.Contains(said, text) {
			x.t.Errorf("the page does not say %q\n%s", text, masked(said))
		}
	}
}

// page gives a page as it came, without the names in its address.
func (w *walker) page(t testing.TB, address string, names ...string) (int, string) {
	t.Helper()
	at, err := w.visit(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		at.body = strings.ReplaceAll(at.body, name, "NAME")
	}
	return at.status, at.body
}

// judgeInBoth judges a page in one language and then in the other.
func (x *tab) judgeInBoth(name string) {
	x.t.Helper()
	for range languages {
		x.judge(name)
		x.lang = map[string]string{"sv": "en", "en": "sv"}[x.lang]
		x.speak()
	}
}

// uploads gives a file to a page that asks for one.
func (x *tab) uploads(name string, content []byte) {
	x.t.Helper()
	x.attach("input[type=file]", name, content)
	x.click("main form button")
}

// fill types into a field what is to stand there.
func (x *tab) fill(css, text string) {
	x.t.Helper()
	x.has(css)
	value[bool](x, "(document.querySelector("+quote(css)+").value = '', true)")
	run(x, "type into "+css, chromedp.SendKeys(chromedp.CSS(css), text))
}

var codeShape = regexp.MustCompile(`[2-9B-DF-HJ-NP-TV-XZ]{4} [2-9B-DF-HJ-NP-TV-XZ]{4}`)

// code is the code in a message.
func (m message) code(t testing.TB) string {
	t.Helper()
	code := codeShape.FindString(m.Text)
	if code == "" {
		t.Fatalf("the message holds no code: %s", m.Text)
	}
	return code
}
