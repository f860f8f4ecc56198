package main

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
	"golang.org/x/oauth2"

	"sigill/testidp/control"
)

// A way is an e-ID as a person picks it.
type way struct{ provider, device string }

func (w way) String() string { return w.provider + "-" + w.device }

// The ways that go to the issuer's own web site; simulators are called by what
// they speak.
var sites = map[string]string{"telia": "telia", eidID: "oidc"}

// forms gives the forms of a page: where they lead and what they carry.
func forms(t testing.TB, page visited) (list []struct {
	action string
	fields url.Values
}) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page.body))
	if err != nil {
		t.Fatal(err)
	}
	attr := func(n *html.Node, name string) string {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
		return ""
	}
	base, err := url.Parse(page.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range cascadia.QueryAll(doc, cascadia.MustCompile("form")) {
		to, err := base.Parse(attr(f, "action"))
		if err != nil {
			t.Fatal(err)
		}
		fields := url.Values{}
		for _, in := range cascadia.QueryAll(f, cascadia.MustCompile("input[type=hidden]")) {
			fields.Add(attr(in, "name"), attr(in, "value"))
		}
		list = append(list, struct {
			action string
			fields url.Values
		}{to.String(), fields})
	}
	return list
}

// elsewhere posts a form as a browser does from another site's page, and follows.
func (v *visitor) elsewhere(address string, form url.Values) visited {
	v.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "null")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return v.do(r)
}

// leaves goes from the waiting page to the issuer's site, and gives the order
// there and the page that shows it.
func (v *visitor) leaves(r Running, wait visited, provider string) (id string, page visited) {
	v.t.Helper()
	known := map[string]bool{}
	for _, o := range r.Simulators.Orders() {
		known[o.ID] = true
	}
	if s := v.status(wait.url); s.Link != "" {
		page = v.get(s.Link)
	} else {
		for _, f := range forms(v.t, wait) {
			if !strings.HasPrefix(f.action, r.Issuer) {
				page = v.elsewhere(f.action, f.fields)
			}
		}
	}
	for _, o := range r.Simulators.Orders() {
		if o.Provider == sites[provider] && !known[o.ID] {
			return o.ID, page
		}
	}
	if !v.forgives {
		v.t.Fatalf("no order at %s: %d at %s\n%s", provider, page.status, page.url, page.body)
	}
	return "", page
}

// returns takes the answer from the issuer's page to the broker, and gives the page
// where the browser ends.
func (v *visitor) returns(r Running, page visited) visited {
	v.t.Helper()
	if page = v.get(page.url); page.away != "" {
		return page
	}
	for _, f := range forms(v.t, page) {
		if strings.HasPrefix(f.action, r.Issuer) {
			return v.elsewhere(f.action, f.fields)
		}
	}
	return page
}

// acts has a person do something with the order that a waiting page shows, and
// comes back where the e-ID sends people back: from a site at once as far as the
// broker leads.
func (v *visitor) acts(r Running, wait visited, w way, do control.Action) visited {
	v.t.Helper()
	if sites[w.provider] != "" {
		id, page := v.leaves(r, wait, w.provider)
		if id == "" {
			return page
		}
		if _, err := r.Simulators.Act(id, do); err != nil {
			v.t.Fatal(err)
		}
		return v.returns(r, page)
	}
	s := v.await(wait.url, func(s status) bool { return s.QR != "" || s.Link != "" || s.State != "pending" })
	code := s.QR
	if code == "" {
		code = s.Link
	}
	if strings.HasPrefix(w.provider, "m") || strings.HasPrefix(w.provider, "b") {
		if link, err := url.Parse(s.Link); err == nil && s.QR == "" {
			code = ""
			id, err := r.Simulators.Open(link.Query().Get("autostarttoken"))
			if err != nil {
				v.t.Fatal(err)
			}
			return v.acted(r, id, do)
		}
	}
	id, err := r.Simulators.Scan(code)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.acted(r, id, do)
}

func (v *visitor) acted(r Running, id string, do control.Action) visited {
	v.t.Helper()
	done, err := r.Simulators.Act(id, do)
	if err != nil {
		v.t.Fatal(err)
	}
	if done.ReturnURL != "" {
		return v.get(done.ReturnURL)
	}
	return visited{}
}

// begins goes from the application to the waiting page of an e-ID.
func (a *application) begins(v *visitor, w way, more ...oauth2.AuthCodeOption) (wait visited, nonce, verifier string) {
	a.t.Helper()
	nonce, verifier = oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	options := append([]oauth2.AuthCodeOption{oauth2.SetAuthURLParam("nonce", nonce), oauth2.S256ChallengeOption(verifier)}, more...)
	chooser := v.get(a.oauth.AuthCodeURL("state", options...))
	wait = v.post(chooser.url, url.Values{"provider": {w.provider}, "device": {w.device}})
	if wait.status != http.StatusOK {
		a.t.Fatalf("waiting page of %s: %d at %s\n%s", w, wait.status, wait.url, wait.body)
	}
	return wait, nonce, verifier
}

// Each e-ID logs people in, and says in the token which it was and how strong.
func TestEveryEID(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	r := start(t, Config{Data: data, Collect: 50 * time.Millisecond})
	app := newApplication(t, r, data, "demo-sweden")
	p := r.Simulators.People()[0]
	for _, w := range []way{{"mbankid", "other"}, {"bankid", "this"}, {"freja", "other"}, {"freja", "this"}, {"telia", "this"}, {eidID, "this"}} {
		t.Run(w.String(), func(t *testing.T) {
			v := newVisitor(t, r.Issuer, r.Simulators.URL(), strings.TrimSuffix(r.Simulators.SAMLURL("telia"), "/saml/telia"))
			wait, nonce, verifier := app.begins(v, w)
			end := v.acts(r, wait, w, control.Action{Action: "approve", Pnr: p.Number})
			back, err := url.Parse(end.away)
			if err != nil || end.away == "" {
				back = v.finish(wait.url, v.await(wait.url, func(s status) bool { return s.State == "complete" }))
			}
			token, info := app.redeem(back, "state", nonce, verifier)
			maps.Copy(info, token)
			for claim, want := range map[string]any{
				"acr": "http://id.swedenconnect.se/loa/1.0/uncertified-loa3", "https://id.oidc.se/claim/authnProvider": w.provider,
				numberClaim: p.Number, "name": p.Name(), "given_name": p.Given, "family_name": p.Surname,
			} {
				if info[claim] != want {
					t.Errorf("%s is not as it should be", claim)
				}
			}
			if txn, _ := token["txn"].(string); txn == "" {
				t.Error("no txn")
			}
		})
	}
}

// One order that each signs with another e-ID: the receipt holds every proof, and
// a stranger verifies all of them.
func TestSignedWithEveryEID(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	r := start(t, Config{Data: data, Collect: 50 * time.Millisecond, Due: 50 * time.Millisecond})
	people := r.Simulators.People()
	ways := []way{{"mbankid", "other"}, {"freja", "other"}, {"telia", "this"}, {"freja", "this"}}
	var signatories []any
	for i := range ways {
		signatories = append(signatories, map[string]any{"pnr": people[i].Number, "name": people[i].Name(), "invite": "none"})
	}
	o := asks(t, r, http.MethodPost, "", "every e-ID", map[string]any{
		"title": "Det som alla skriver under", "documents": []any{map[string]any{"name": "Text", "text": "Hej åäö"}}, "signatories": signatories,
	})
	for i, w := range ways {
		v := newVisitor(t, r.Issuer, r.Simulators.URL(), strings.TrimSuffix(r.Simulators.SAMLURL("telia"), "/saml/telia"))
		review := v.proves(r, v.post(o.Signatories[i].SignURL+"/login", nil), people[i])
		digest := ""
		for _, f := range forms(t, review) {
			if f.fields.Has("digest") {
				digest = f.fields.Get("digest")
			}
		}
		wait := v.post(review.url, url.Values{"provider": {w.provider}, "device": {w.device}, "digest": {digest}})
		if wait.status != http.StatusOK || digest == "" {
			t.Fatalf("%s: %d at %s\n%s", w, wait.status, wait.url, wait.body)
		}
		v.acts(r, wait, w, control.Action{Action: "approve", Pnr: people[i].Number})
		for n := 0; asks(t, r, http.MethodGet, "/"+o.ID, "", nil).Signatories[i].State != "signed"; n++ {
			if n > 200 {
				t.Fatalf("%s has not signed: %+v", w, v.status(wait.url))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	for n := 0; asks(t, r, http.MethodGet, "/"+o.ID, "", nil).State != "completed"; n++ {
		if n > 400 {
			t.Fatalf("not sealed: %+v", asks(t, r, http.MethodGet, "/"+o.ID, "", nil))
		}
		time.Sleep(50 * time.Millisecond)
	}
	file := filepath.Join(t.TempDir(), "kvitto.pdf")
	if err := os.WriteFile(file, download(t, r, http.MethodGet, "/"+o.ID+"/documents/1", "", nil), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", "../sigill", "verify", "--lang", "en", "--trust", filepath.Join(data, trustFile), file).CombinedOutput()
	if err != nil {
		t.Fatalf("not believed: %v\n%s", err, out)
	}
	for _, want := range []string{"Mobilt BankID", "Freja eID+", "Telia e-legitimation", "Held, not verified"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the report does not say %q:\n%s", want, out)
		}
	}
}
