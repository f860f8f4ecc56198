package judges

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	testcontrol "sigill/testidp/control"
)

// An abused is an order of three, one invited in each way, and who would like to
// know about it.
type abused struct {
	*premises
	o                     apiOrder
	one, two, three, four person // the fourth is no signatory
	link, code            string // two's, three's
	before                string // what the API said of the order
}

// newAbused opens such an order, and waits for its messages.
func newAbused(t *testing.T, p *premises, title string, change members) *abused {
	t.Helper()
	x := &abused{premises: p, one: p.phone.person(t, 0), two: p.phone.person(t, 1), three: p.phone.person(t, 2), four: p.phone.person(t, 3)}
	w := p.wishFor(title, p.signatoryOf(x.one, "none"), p.signatoryOf(x.two, "email"), p.signatoryOf(x.three, "code"))
	delete(w["signatories"].([]members)[2], "phone")
	w["documents"] = append(w["documents"].([]members), members{"name": "Bilaga", "file": base64.StdEncoding.EncodeToString([]byte("%PDF-1.7\n")), "type": "application/pdf"})
	for k, v := range change {
		w[k] = v
	}
	x.o = p.open(w)
	p.until(x.o.ID, "sent", func(o apiOrder) bool {
		return len(o.Signatories[1].Deliveries) == 1 && o.Signatories[1].Deliveries[0].State == "sent" && len(o.Signatories[2].Deliveries) == 1 && o.Signatories[2].Deliveries[0].State == "sent"
	})
	for _, m := range p.idp.Messages("") {
		switch {
		case !strings.Contains(m.Reference, x.o.ID):
		case m.To == p.mailOf(x.two):
			x.link = m.Links[0]
		case m.To == p.mailOf(x.three):
			if len(m.Links) > 0 {
				t.Errorf("a message with a code has links: %v", m.Links)
			}
			x.code = codeIn.FindString(m.Text)
		}
	}
	if x.link == "" || x.code == "" {
		t.Fatalf("link %q, code %q", x.link, x.code)
	}
	x.before = x.said()
	return x
}

var codeIn = regexp.MustCompile(`\b[2-9B-Z]{4} [2-9B-Z]{4}\b`)

// said is what the API says of the order.
func (x *abused) said() string {
	return string(x.call(asker, "GET", "/api/v1/orders/"+x.o.ID, nil).body)
}

// untouched demands that nothing has happened to the order.
func (x *abused) untouched(what string) {
	x.t.Helper()
	if now := x.said(); now != x.before {
		x.t.Errorf("%s: the order was %s, and is %s", what, x.before, now)
	}
}

func (x *abused) at(n int) string {
	return fmt.Sprintf("%s/signing/%s/o/%s/%d", x.issuer, asker, x.o.ID, n)
}

// guessed gives an address that looks the same and leads to nothing.
func guessed(address string) string {
	parts := strings.Split(address, "/")
	for i, part := range parts {
		if i > 0 && (parts[i-1] == "i" || parts[i-1] == "o" || parts[i-1] == "e") {
			secret := make([]byte, len(part))
			rand.Read(secret)
			parts[i] = base64.RawURLEncoding.EncodeToString(secret)[:len(part)]
		}
	}
	return strings.Join(parts, "/")
}

// names are what an address holds that another has not.
var names = regexp.MustCompile(`/(i|o|e)/[A-Za-z0-9_-]+`)

// raw makes one request as a browser of ours, follows nothing, and gives all that
// came, without what differs at each request and without the names of the address.
func (g *guest) raw(method, address string, form url.Values, headers ...string) string {
	r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Accept-Language", "sv")
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", g.issuer)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := g.http.Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	id := res.Header.Get("X-Request-Id")
	res.Header.Del("X-Request-Id")
	res.Header.Del("Date")
	var b strings.Builder
	fmt.Fprintln(&b, res.Status)
	if err := res.Header.Write(&b); err != nil {
		return err.Error()
	}
	b.Write(body)
	text := b.String()
	if id != "" {
		text = strings.ReplaceAll(text, id, "REQUEST")
	}
	text = loginHandle.ReplaceAllString(text, "/login/LOGIN")
	text = setBrowser.ReplaceAllString(text, "${1}SECRET")
	return names.ReplaceAllString(text, "/$1/NAME")
}

var (
	loginHandle = regexp.MustCompile(`/login/[A-Za-z0-9_-]{20,}`)
	setBrowser  = regexp.MustCompile(`(Set-Cookie: [a-z_-]+=)[A-Za-z0-9_-]+`)
)

// TestInvitations lets everybody but the right person use invitations, signers'
// addresses, codes and orders' names: they learn nothing, and nothing is consumed.
func TestInvitations(t *testing.T) {
	judged(t)
	p := newPremises(t, premisesWish{log: "invitations"})
	for _, c := range []struct {
		name string
		test func(*testing.T, *premises)
	}{
		{"Strangers", testStrangers}, {"Scanner", testScanner}, {"Twice", testTwice}, {"Afterwards", testAfterwards}, {"Codes", testCodes},
		{"CrossClient", testCrossClient}, {"CrossOrigin", testCrossOrigin}, {"OtherEID", testOtherEID}, {"Changed", testChanged}, {"OldSession", testOldSession},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			c.test(t, p)
		})
	}
}

// enter logs a person in at a client's room.
func (p *premises) enter(who person, with ...string) *guest {
	p.t.Helper()
	g := p.guest(who)
	if len(with) == 2 {
		g.with = [2]string{with[0], with[1]}
	}
	at, err := g.visit(p.issuer + "/signing/" + asker + "/")
	if err == nil {
		at, err = g.logsIn(at)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if at.status != http.StatusOK || at.kind() == landing {
		p.t.Fatalf("not logged in: %s", at)
	}
	return g
}

// A probe is something to ask about an order.
type probe struct {
	method, address string
	form            url.Values
}

// probes are everything that can be asked about an order in a signing room.
func (x *abused) probes(eid string) []probe {
	var list []probe
	add := func(method, address string, pairs ...string) {
		form := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		list = append(list, probe{method, address, form})
	}
	for _, client := range []string{asker, otherAsker} {
		room := x.issuer + "/signing/" + client
		token := x.link[strings.LastIndex(x.link, "/")+1:]
		for _, method := range []string{"GET", "HEAD"} {
			add(method, room+"/i/"+token)
			for _, below := range []string{"", "/state", "/refuse", "/documents/1", "/documents/2", "/documents/9", "/receipt.pdf", "/e/" + eid, "/e/" + eid + "/status", "/e/" + eid + "/qr", "/e/" + eid + "/qr.svg", "/e/" + eid + "/done", "/e/" + eid + "/done/state"} {
				add(method, room+"/o/"+x.o.ID+"/2"+below)
			}
			add(method, room+"/o/"+x.o.ID+"/4")
		}
		place := room + "/o/" + x.o.ID + "/2"
		add("POST", place, "provider", "mbankid", "device", "other", "digest", x.o.SHA256)
		add("POST", place, "provider", "bankid", "device", "this", "digest", x.o.SHA256)
		add("POST", place+"/refuse", "reason", "Nej")
		add("POST", place+"/e/"+eid+"/cancel")
		add("POST", place+"/e/"+eid+"/restart")
		add("POST", place)
	}
	return list
}

// testStrangers: what is true and what is made up look alike, to the last byte.
func testStrangers(t *testing.T, p *premises) {
	x := newAbused(t, p, "Hemlig överenskommelse", nil)
	owner := p.enter(x.two)
	at, err := owner.visit(x.link)
	if err != nil {
		t.Fatal(err)
	}
	wait, err := owner.picks(at)
	if err != nil {
		t.Fatal(err)
	}
	eid := wait.url.Path[strings.LastIndex(wait.url.Path, "/")+1:]
	x.before = x.said()
	asked := 0
	for name, g := range map[string]*guest{"nobody": p.guest(x.four), "a stranger": p.enter(x.four), "another signatory": p.enter(x.one), "the third": p.enter(x.three)} {
		for _, probe := range x.probes(eid) {
			is := g.raw(probe.method, probe.address, probe.form)
			would := g.raw(probe.method, guessed(probe.address), probe.form)
			asked += 2
			if is[0] < '2' || is[0] > '5' {
				t.Fatalf("%s %s: %s", probe.method, probe.address, is)
			}
			if is != would {
				t.Errorf("%s sees a difference at %s %s:\n%s", name, probe.method, names.ReplaceAllString(probe.address, "/$1/NAME"), cmp.Diff(would, is))
			}
			for _, secret := range []string{"Hemlig", x.one.Name, x.two.Name, x.three.Name, "Bilaga", x.o.SHA256[:16]} {
				if strings.Contains(is, secret) && secret != g.who.Name {
					t.Errorf("%s learns %q at %s", name, secret, probe.address)
				}
			}
		}
	}
	x.untouched("strangers")
	// Whose it is sees the difference, or nothing was compared.
	for _, address := range []string{x.link, x.at(2), x.at(2) + "/documents/2", x.at(2) + "/e/" + eid} {
		if owner.raw("GET", address, nil) == owner.raw("GET", guessed(address), nil) {
			t.Errorf("whose it is sees no difference at %s", names.ReplaceAllString(address, "/$1/NAME"))
		}
	}
	t.Logf("%d answers compared", asked)
	// The owner of the link goes on as if nothing had been.
	to, _, err := owner.proves(wait)
	if err == nil {
		to, err = owner.settles(to)
	}
	if err != nil || to.kind() != standing {
		t.Fatalf("%v: %s", err, to)
	}
}

// testScanner: programs that look at mail open links, many times and in their own
// ways.
func testScanner(t *testing.T, p *premises) {
	x := newAbused(t, p, "Hemlig genomläsning", nil)
	scanner := p.guest(x.four)
	scanner.http.Jar = nil
	agents := []string{"BarracudaCentral", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) SafeLinks", "Microsoft Office/16.0 (Microsoft Outlook)", "Slackbot-LinkExpanding 1.0", "facebookexternalhit/1.1", "curl/8"}
	first := map[string]string{}
	for i := range 200 {
		method := []string{"GET", "HEAD", "GET", "OPTIONS"}[i%4]
		got := scanner.raw(method, []string{x.link, x.o.Signatories[0].SignURL, x.link + "?utm_source=mail"}[i%3], nil,
			"User-Agent: "+agents[i%len(agents)], "Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "X-Forwarded-For: 192.0.2.1")
		key := fmt.Sprint(i%4, i%3)
		if first[key] == "" {
			first[key] = got
		}
		if got != first[key] {
			t.Errorf("look %d is another one:\n%s", i, cmp.Diff(first[key], got))
		}
		if strings.Contains(got, "Hemlig") || strings.Contains(got, x.two.Name) {
			t.Error("a scanner reads what there is to sign")
		}
	}
	// Some even press buttons.
	for range 3 {
		scanner.raw("POST", x.link+"/login", nil)
		scanner.raw("POST", x.link, nil)
	}
	x.untouched("a scanner")
	if err := p.guest(x.two).signsAt(x.link); err != nil {
		t.Error(err)
	}
}

// testTwice: an invitation is no single use; two browsers of the right person may
// open it, and one of them signs.
func testTwice(t *testing.T, p *premises) {
	x := newAbused(t, p, "Två gånger", nil)
	first, second := p.enter(x.two), p.enter(x.two)
	for _, g := range []*guest{first, second, first} {
		if at, err := g.visit(x.link); err != nil || at.kind() != review {
			t.Fatalf("%v: %s", err, at)
		}
	}
	shown, err := second.visit(x.link)
	if err != nil {
		t.Fatal(err)
	}
	at, err := first.visit(x.link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.signs(at); err != nil {
		t.Fatal(err)
	}
	// The other browser, whose page still shows the buttons, learns how it stands.
	at, err = second.picks(shown)
	if err != nil || at.kind() != standing {
		t.Errorf("%v: %s", err, at)
	}
	if got := p.get(x.o.ID); got.Signatories[1].State != "signed" || got.Signatories[1].Signature == nil {
		t.Errorf("%+v", got)
	}
}

// testAfterwards: when somebody has signed or refused, or the order is over, the
// link is like one that never was.
func testAfterwards(t *testing.T, p *premises) {
	for name, act := range map[string]func(x *abused, g *guest){
		"signed": func(x *abused, g *guest) {
			if err := g.signsAt(x.link); err != nil {
				t.Fatal(err)
			}
		},
		"refused": func(x *abused, g *guest) {
			if at, err := g.post(x.at(2)+"/refuse", url.Values{"reason": {"Nej"}}); err != nil || at.status != http.StatusOK {
				t.Fatal(err, at)
			}
		},
		"refused by another": func(x *abused, _ *guest) {
			if at, err := p.enter(x.one).post(x.at(1)+"/refuse", url.Values{"reason": {""}}); err != nil || at.status != http.StatusOK {
				t.Fatal(err, at)
			}
		},
		"cancelled": func(x *abused, _ *guest) {
			if a := p.call(asker, "POST", "/api/v1/orders/"+x.o.ID+"/cancel", nil); a.status != http.StatusOK {
				t.Fatal(a.status)
			}
		},
		"erased": func(x *abused, _ *guest) {
			p.call(asker, "POST", "/api/v1/orders/"+x.o.ID+"/cancel", nil)
			if a := p.call(asker, "DELETE", "/api/v1/orders/"+x.o.ID, nil); a.status != http.StatusNoContent {
				t.Fatal(a.status)
			}
		},
		"corrected": func(x *abused, _ *guest) {
			if a := p.call(asker, "PATCH", "/api/v1/orders/"+x.o.ID+"/signatories/2", members{"email": "nyadress@example.se"}); a.status != http.StatusOK {
				t.Fatal(a.status)
			}
		},
		"replaced": func(x *abused, _ *guest) {
			by := p.signatoryOf(x.four, "none")
			if a := p.call(asker, "PATCH", "/api/v1/orders/"+x.o.ID+"/signatories/2", by); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p.t = t
			x := newAbused(t, p, "Efteråt", nil)
			g := p.enter(x.two)
			if at, err := g.visit(x.link); err != nil || at.kind() != review {
				t.Fatalf("%v: %s", err, at)
			}
			act(x, g)
			for who, g := range map[string]*guest{"the person": g, "a stranger": p.enter(x.four), "nobody": p.guest(x.four)} {
				if diff := cmp.Diff(g.raw("GET", guessed(x.link), nil), g.raw("GET", x.link, nil)); diff != "" {
					t.Errorf("%s sees that the link once led somewhere:\n%s", who, diff)
				}
			}
		})
	}
}

// testCodes: five tries an hour, of the right person alone.
func testCodes(t *testing.T, p *premises) {
	x := newAbused(t, p, "Med kod", nil)
	room := p.issuer + "/signing/" + asker + "/kod"
	try := func(g *guest, code string) place {
		t.Helper()
		at, err := g.post(room, url.Values{"code": {code}})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := try(p.guest(x.three), x.code); at.kind() != landing {
		t.Errorf("a code before login: %s", at)
	}
	// A right code of somebody else's is a wrong one.
	stranger := p.enter(x.four)
	if diff := cmp.Diff(stranger.raw("POST", room, url.Values{"code": {"BCDF GHJK"}}), stranger.raw("POST", room, url.Values{"code": {x.code}})); diff != "" {
		t.Errorf("a stranger sees that a code is right:\n%s", diff)
	}
	for range 3 {
		try(stranger, x.code)
	}
	if at := try(stranger, x.code); at.status != http.StatusTooManyRequests {
		t.Errorf("the stranger's sixth try: %s", at)
	}
	// The stranger's tries are not the person's.
	owner := p.enter(x.three)
	for i := range 5 {
		if at := try(owner, "BCDF GHJK"); at.kind() != codes || at.status == http.StatusTooManyRequests {
			t.Errorf("wrong try %d: %s", i+1, at)
		}
	}
	if at := try(owner, x.code); at.status != http.StatusTooManyRequests || at.kind() == review {
		t.Errorf("the right code after five wrong ones: %s", at)
	}
	other := p.enter(x.three)
	if at := try(other, x.code); at.status != http.StatusTooManyRequests {
		t.Errorf("in another browser: %s", at)
	}
	x.untouched("wrong codes")
	p.later(61 * time.Minute)
	owner = p.enter(x.three)
	if at := try(owner, strings.ToLower(strings.ReplaceAll(x.code, " ", "-"))); at.kind() != review {
		t.Errorf("an hour later: %s", at)
	}
	// At another client it is no code.
	at, err := owner.post(p.issuer+"/signing/"+otherAsker+"/kod", url.Values{"code": {x.code}})
	if err != nil || at.kind() == review {
		t.Errorf("at another client: %v %s", err, at)
	}
	if _, err := owner.signs(try(owner, x.code)); err != nil {
		t.Error(err)
	}
}

// testCrossClient: an order of another client's is one that is not there.
func testCrossClient(t *testing.T, p *premises) {
	x := newAbused(t, p, "Hemlig kund", nil)
	wish := `{"documents":[{"name":"D","text":"d"}]}`
	strip := regexp.MustCompile(`urn:sigill:request:[0-9A-Z-]+`)
	for _, op := range [][3]string{
		{"GET", "", ""}, {"DELETE", "", ""}, {"PUT", "/documents", wish}, {"GET", "/documents/1", ""}, {"GET", "/documents/2", ""}, {"GET", "/evidence", ""},
		{"POST", "/cancel", ""}, {"POST", "/remind", ""}, {"PATCH", "/signatories/1", `{"email":"a@example.se"}`}, {"PATCH", "/signatories/9", `{"email":"a@example.se"}`},
		{"PATCH", "/signatories/2", `{"pnr":"` + x.four.Number + `","name":"T","invite":"none"}`},
	} {
		ask := func(id string) string {
			var body any
			if op[2] != "" {
				body = op[2]
			}
			a := p.call(otherAsker, op[0], "/api/v1/orders/"+id+op[1], body)
			a.header.Del("Date")
			a.header.Del("X-Request-Id")
			return fmt.Sprint(a.status, a.header, strip.ReplaceAllString(string(a.body), ""))
		}
		is, would := ask(x.o.ID), ask(guessed("/o/" + x.o.ID)[3:])
		if is != would || !strings.HasPrefix(is, "404") {
			t.Errorf("%s %s: %s, of nobody's: %s", op[0], op[1], is, would)
		}
	}
	x.untouched("another client")

	// Who may not have things signed gets no token for it, and a person's token is
	// none of a client's.
	if _, err := p.token(onlyLogin, true); err == nil {
		t.Error("a client without the scope got a token")
	}
	c := newClient(t, p.issuer, onlyLogin, p.secrets[onlyLogin], "http://localhost:8090/callback", "profile")
	a := c.attempt()
	back, err := newWalker(p.issuer).login(a.url(), "mbankid", "other", p.phone, x.one.Number)
	if err != nil {
		t.Fatal(err)
	}
	code, err := a.code(back)
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.oauth2.Exchange(context.Background(), code, oauth2.VerifierOption(a.verifier))
	if err != nil {
		t.Fatal(err)
	}
	idToken, _ := token.Extra("id_token").(string)
	for name, secret := range map[string]string{"a person's": token.AccessToken, "an ID Token": idToken, "nobody's": rand.Text(), "a code": code} {
		got, err := p.sendAs("Bearer "+secret, "GET", "/api/v1/orders/"+x.o.ID, nil)
		if err != nil || got.status != http.StatusUnauthorized || got.code != "invalid_token" {
			t.Errorf("%s token at the API: %d %s %v", name, got.status, got.code, err)
		}
	}
	x.untouched("other tokens")
}

// testCrossOrigin: other sites press no button here.
func testCrossOrigin(t *testing.T, p *premises) {
	x := newAbused(t, p, "Utifrån", nil)
	g := p.enter(x.two)
	if at, err := g.visit(x.link); err != nil || at.kind() != review {
		t.Fatalf("%v: %s", err, at)
	}
	x.before = x.said()
	room := p.issuer + "/signing/" + asker
	for _, address := range []string{x.at(2), x.at(2) + "/refuse", x.at(2) + "/login", x.link + "/login", room + "/kod", room + "/kod/login", room + "/login", room + "/logout"} {
		for _, from := range [][]string{
			{"Origin: https://evil.example.com", "Sec-Fetch-Site: cross-site"}, {"Origin: null", "Sec-Fetch-Site: cross-site"},
			{"Origin: http://localhost:1", "Sec-Fetch-Site: same-site"}, {"Origin: https://evil.example.com", "Sec-Fetch-Site: "},
		} {
			got := g.raw("POST", address, url.Values{"provider": {"mbankid"}, "device": {"other"}, "reason": {"x"}, "code": {x.code}}, from...)
			if !strings.HasPrefix(got, "403 ") || strings.Contains(got, "Set-Cookie: session") {
				t.Errorf("%s from %v: %.300s", address, from, got)
			}
		}
	}
	x.untouched("another site")
	if at, err := g.visit(x.at(2)); err != nil || at.kind() != review {
		t.Errorf("logged out: %v %s", err, at)
	}
	if orders := p.idp.Orders(); slices.ContainsFunc(orders, func(o testcontrol.Order) bool { return o.Kind == "sign" && o.State == "pending" }) {
		t.Error("a signature was begun")
	}
}

// testOtherEID: a login by an e-ID that the order does not allow is none.
func testOtherEID(t *testing.T, p *premises) {
	x := newAbused(t, p, "Hemlig e-legitimation", members{"allowedProviders": []string{"bankid"}})
	g := p.enter(x.two) // by mbankid
	for _, address := range []string{x.link, x.at(2), x.at(2) + "/refuse", x.at(2) + "/documents/2", x.at(2) + "/receipt.pdf"} {
		got := g.raw("GET", address, nil)
		if strings.Contains(got, "Hemlig") || !loginAction.MatchString(got) {
			t.Errorf("%s: %.400s", address, got)
		}
	}
	for _, probe := range []probe{{"POST", x.at(2), url.Values{"provider": {"bankid"}, "device": {"this"}, "digest": {x.o.SHA256}}}, {"POST", x.at(2) + "/refuse", url.Values{"reason": {"Nej"}}}} {
		if got := g.raw(probe.method, probe.address, probe.form); strings.Contains(got, "Hemlig") {
			t.Errorf("%s: %.400s", probe.address, got)
		}
	}
	x.untouched("another e-ID")
	// A stranger with that e-ID sees what a stranger sees.
	stranger := p.enter(x.four)
	if diff := cmp.Diff(stranger.raw("GET", guessed(x.link), nil), stranger.raw("GET", x.link, nil)); diff != "" {
		t.Errorf("a stranger sees which e-IDs an order wants:\n%s", diff)
	}
	right := p.enter(x.two, "bankid", "this")
	if at, err := right.visit(x.link); err != nil || at.kind() != review {
		t.Errorf("with the right e-ID: %v %s", err, at)
	}
}

// testChanged: what was shown is what is signed, also when the client changes it
// between the page and the button (invariant I2).
func testChanged(t *testing.T, p *premises) {
	x := newAbused(t, p, "Byts ut", nil)
	g := p.enter(x.two)
	shown, err := g.visit(x.link)
	if err != nil || shown.kind() != review {
		t.Fatal(err)
	}
	a := p.call(asker, "PUT", "/api/v1/orders/"+x.o.ID+"/documents", members{"documents": []members{{"name": "Annat", "text": "Helt andra villkor."}}})
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	begun := len(p.idp.Orders())
	at, err := g.picks(shown)
	if err != nil || at.kind() != review || !strings.Contains(at.body, "Helt andra villkor.") {
		t.Fatalf("%v: %s", err, at)
	}
	if now := len(p.idp.Orders()); now != begun {
		t.Error("a signature was begun over what was not shown")
	}
	if at, err = g.signs(at); err != nil || at.kind() != standing {
		t.Errorf("%v", err)
	}
}

// testOldSession: a login counts for 60 minutes.
func testOldSession(t *testing.T, p *premises) {
	x := newAbused(t, p, "Hemlig gammal session", nil)
	g := p.enter(x.two)
	p.later(59 * time.Minute)
	if at, err := g.visit(x.link); err != nil || at.kind() != review {
		t.Fatalf("after 59 minutes: %v %s", err, at)
	}
	x.before = x.said()
	p.later(90 * time.Second)
	for _, address := range []string{x.link, x.at(2), x.at(2) + "/refuse", x.at(2) + "/documents/2", x.at(2) + "/receipt.pdf", p.issuer + "/signing/" + asker + "/"} {
		got := g.raw("GET", address, nil)
		if strings.Contains(got, "Hemlig") || strings.Contains(got, x.two.Name) || !loginAction.MatchString(got) {
			t.Errorf("%s after 60 minutes: %.400s", address, got)
		}
		if diff := cmp.Diff(p.guest(x.two).raw("GET", address, nil), got); diff != "" {
			t.Logf("%s: an old session is not quite like none:\n%s", address, diff)
		}
	}
	g.raw("POST", x.at(2), url.Values{"provider": {"mbankid"}, "device": {"other"}, "digest": {x.o.SHA256}})
	g.raw("POST", x.at(2)+"/refuse", url.Values{"reason": {"Nej"}})
	x.untouched("an old session")
}
