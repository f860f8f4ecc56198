package testidp

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sigill/testidp/persons"
)

// signed is what a signature says was signed, and by whom the answer says.
type signed struct {
	Number, Text, Format, Hidden, Function string
}

// collect takes the result of a signature.
func collect(t *testing.T, c *http.Client, m Material, ref string) (status, hint string, s signed) {
	t.Helper()
	var r struct {
		Status, HintCode string
		CompletionData   struct {
			User      struct{ PersonalNumber string }
			Signature []byte
		}
	}
	if got := post(t, c, m.BankIDURL+"collect", `{"orderRef":"`+ref+`"}`, &r); got != 200 {
		t.Fatalf("collect: %d", got)
	}
	if r.Status != "complete" {
		return r.Status, r.HintCode, s
	}
	var x struct {
		Object struct {
			Data struct {
				Visible struct {
					Format string `xml:"format,attr"`
					Text   string `xml:",chardata"`
				} `xml:"usrVisibleData"`
				Hidden   string `xml:"usrNonVisibleData"`
				Function string `xml:"clientInfo>funcId"`
			} `xml:"bankIdSignedData"`
		}
	}
	if err := xml.Unmarshal(r.CompletionData.Signature, &x); err != nil {
		t.Fatal(err)
	}
	d := x.Object.Data
	plain := func(b64 string) string {
		b, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return r.Status, r.HintCode, signed{r.CompletionData.User.PersonalNumber, plain(d.Visible.Text), d.Visible.Format, plain(d.Hidden), d.Function}
}

// demand is the body that asks one person to sign a text with mark-up.
func demand(pnr, text, hidden string) string {
	return fmt.Sprintf(`{"endUserIp":"127.0.0.1","userVisibleData":%q,"userVisibleDataFormat":"simpleMarkdownV1","userNonVisibleData":%q,"requirement":{"personalNumber":%q}}`,
		encoded(text), encoded(hidden), pnr)
}

// TestSigningShowsWhatIsSigned: everything that the mark-up can say is drawn,
// and what comes back is the text as it was sent.
func TestSigningShowsWhatIsSigned(t *testing.T) {
	s := Start(t)
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	c := relyingParty(t, m)
	who := s.People()[1]
	text := "# Testkommunen\n\nDu skriver under *Ansökan om förskola*\\*.\nAndra raden <b>.\n\n## Handlingar\n+ ansökan.pdf\n+ *bilaga* 1\n\n+1 först\n+2 sedan\n\n---\n\n" +
		"| Handling | SHA-256 |\n| - | :-: |\n| ansökan \\| a | *ab12* |\n"
	hidden := strings.Repeat("\x00digest", 20)
	var o struct{ OrderRef, QRStartToken, QRStartSecret string }
	if got := post(t, c, m.BankIDURL+"sign", demand(who.Number, text, hidden), &o); got != 200 {
		t.Fatalf("sign: %d", got)
	}
	b := newBrowser(t, s)
	b.be(who.ID)
	order := b.post("/phone/scan", url.Values{"camera": {"1"}}).location
	page := b.get(order)
	if words(page.one(t, "h1")) != "Skriv under" || words(page.one(t, ".asks strong")) != DefaultRelyingParty {
		t.Fatalf("page:\n%s", page.text)
	}
	var got []string
	for _, selector := range []string{".level1", ".level2", "p strong", "ul li", "ul li strong", "ol li", "th[scope=col]", "td", "td strong"} {
		for _, n := range page.all(".signed " + selector) {
			got = append(got, selector+": "+words(n))
		}
	}
	want := []string{
		".level1: Testkommunen", ".level2: Handlingar", "p strong: Ansökan om förskola", "ul li: ansökan.pdf", "ul li: bilaga 1", "ul li strong: bilaga",
		"ol li: först", "ol li: sedan", "th[scope=col]: Handling", "th[scope=col]: SHA-256", "td: ansökan | a", "td: ab12", "td strong: ab12",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s\n%s", d, page.text)
	}
	if p := page.all(".signed > p:not(.heading)"); len(p) != 1 || words(p[0]) != "Du skriver under Ansökan om förskola*.Andra raden <b>." || len(page.all(".signed hr")) != 1 || len(page.all(".signed br")) != 1 || len(page.all(".signed b")) != 0 {
		t.Errorf("page:\n%s", page.text)
	}
	if strings.Contains(page.text, "digest") || strings.Contains(page.text, encoded(hidden)) {
		t.Error("the hidden text is shown")
	}
	b.post(order, url.Values{"do": {"approve"}})
	status, _, result := collect(t, c, m, o.OrderRef)
	if d := cmp.Diff(signed{who.Number, text, "simpleMarkdownV1", hidden, "Signing"}, result); d != "" || status != "complete" {
		t.Errorf("%s %s", status, d)
	}
}

// TestSeveralPeopleSignAtOnce: each phone finds its own person's order, and
// each signature is of the text that its order carries.
func TestSeveralPeopleSignAtOnce(t *testing.T) {
	s := Start(t)
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	c := relyingParty(t, m)
	people := s.People()[:6]
	refs := map[string]string{}
	for _, p := range people {
		var o struct{ OrderRef string }
		if got := post(t, c, m.BankIDURL+"sign", demand(p.Number, "Avtal för "+p.Surname, "digest "+p.ID), &o); got != 200 {
			t.Fatalf("%s: %d", p.ID, got)
		}
		refs[p.ID] = o.OrderRef
	}
	phones := map[string]*browser{}
	for _, p := range people {
		phones[p.ID] = newBrowser(t, s)
		phones[p.ID].be(p.ID)
		if page := phones[p.ID].post("/phone/scan", url.Values{"camera": {"1"}}); page.location != "/phone/orders/"+refs[p.ID] {
			t.Fatalf("%s saw %s", p.ID, page.location)
		}
		if page := phones[p.ID].get("/phone/orders/" + refs[p.ID]); !strings.Contains(words(page.one(t, ".signed")), "Avtal för "+p.Surname) {
			t.Errorf("%s reads\n%s", p.ID, page.text)
		}
	}
	for i, p := range people {
		other := people[(i+1)%len(people)]
		// Nobody signs for another, however hard he presses.
		phones[other.ID].post("/phone/orders/"+refs[p.ID], url.Values{"do": {"approve"}})
		if page := phones[other.ID].get("/phone/orders/" + refs[p.ID]); len(page.all("button.main")) != 0 {
			t.Errorf("%s may approve for %s", other.ID, p.ID)
		}
		if home := phones[p.ID].get("/"); len(home.all("a.card")) != 1 {
			t.Errorf("on the phone of %s:\n%s", p.ID, home.text)
		}
	}
	for _, p := range people {
		phones[p.ID].post("/phone/orders/"+refs[p.ID], url.Values{"do": {"approve"}})
	}
	for _, p := range people {
		status, _, got := collect(t, c, m, refs[p.ID])
		want := signed{p.Number, "Avtal för " + p.Surname, "simpleMarkdownV1", "digest " + p.ID, "Signing"}
		if d := cmp.Diff(want, got); status != "complete" || d != "" {
			t.Errorf("%s: %s %s", p.ID, status, d)
		}
	}
}

// TestSomebodyElseScans: the app of a person whom the order does not name finds
// no e-ID that will do. It can only give up.
func TestSomebodyElseScans(t *testing.T) {
	s := Start(t)
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	c := relyingParty(t, m)
	right, wrong := s.People()[0], s.People()[1]
	var o struct{ OrderRef string }
	post(t, c, m.BankIDURL+"sign", demand(right.Number, "Avtal", "digest"), &o)
	b := newBrowser(t, s)
	b.be(wrong.ID)
	order := b.post("/phone/scan", url.Values{"camera": {"1"}}).location // there is no other code to see
	if order != "/phone/orders/"+o.OrderRef {
		t.Fatalf("saw %q", order)
	}
	page := b.get(order)
	if !strings.Contains(words(page.one(t, ".notice")), "ingen e-legitimation") || len(page.all("button.main")) != 0 || len(page.all("button[value=cancel]")) != 1 {
		t.Errorf("page:\n%s", page.text)
	}
	b.post(order, url.Values{"do": {"approve"}})
	if _, err := s.Approve(o.OrderRef, wrong.Number); err == nil {
		t.Error("approved")
	}
	if status, hint, _ := collect(t, c, m, o.OrderRef); status != "pending" || hint != "started" {
		t.Errorf("%s %s", status, hint)
	}
	b.post(order, url.Values{"do": {"cancel"}})
	if status, hint, _ := collect(t, c, m, o.OrderRef); status != "failed" || hint != "userCancel" {
		t.Errorf("%s %s", status, hint)
	}
}

// TestEnoughOrdinaryPeople: so many can sign together.
func TestEnoughOrdinaryPeople(t *testing.T) {
	n := 0
	for _, p := range persons.All().List() {
		if len(p.Flags) == 0 {
			n++
		}
	}
	if n < 6 {
		t.Errorf("%d ordinary people", n)
	}
}
