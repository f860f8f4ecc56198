package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Those who try every address. Each has a browser, and the tenant whose addresses
// are tried.
const (
	nobody      = "anonymous"
	sender      = "anonymous, who sent something"
	owner       = "owner"
	other       = "other citizen"
	invited     = "invited elsewhere"
	signed2     = "signed party"
	elsewhere   = "the owner's person at another tenant"
	visiting    = "logged in at another tenant alone"
	handler     = "officer of the type"
	otherType   = "officer of another type"
	otherTenant = "officer of another tenant"
	strayed     = "officer of another tenant alone"
)

func actors() []string {
	return []string{nobody, sender, other, invited, signed2, elsewhere, visiting, handler, otherType, otherTenant, strayed, owner}
}

// What an answer is. Anything else is a status.
const (
	asLogin = "login" // the citizens' login, in place of what was asked for
	asStaff = "staff" // the officers'
)

// A route of the table: an address of the mux, what is asked there, and what
// becomes of it by who asks.
type route struct {
	method, pattern, path string
	form                  url.Values
	want                  map[string]string
	// open says that who gets 200 may read what was planted.
	open []string
}

// by gives everybody an answer, and then some another.
func by(all string, others ...string) map[string]string {
	m := map[string]string{}
	for _, a := range actors() {
		m[a] = all
	}
	for i := 0; i < len(others); i += 2 {
		m[others[i]] = others[i+1]
	}
	return m
}

// ofPerson is for what one has to be logged in for.
func ofPerson(known, owners string) map[string]string {
	return by(asLogin, other, known, invited, known, signed2, known, elsewhere, known, owner, owners)
}

// ofOfficer is for officers' pages.
func ofOfficer(good, bad string) map[string]string {
	return by(asStaff, handler, good, otherType, bad, otherTenant, bad)
}

func with(m map[string]string, pairs ...string) map[string]string {
	m = maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// A ground is what there is to be found, and who looks for it.
type ground struct {
	Running
	x    *tale
	who  map[string]*citizen
	name map[string]string // of things in addresses
}

func newGround(t *testing.T) *ground {
	t.Helper()
	x := newTale(t)
	g := &ground{Running: x.Running, x: x, who: map[string]*citizen{}, name: map[string]string{}}
	ett, tva := someone(t, x.Running, "ett", "exempelby"), someone(t, x.Running, "tva", "exempelby")
	send := func(c *citizen, child string, a said) screen {
		return c.begins("forskoleplats").fills(preschool(child).and(a)).sends().signs().back().inside("/vantar")
	}
	// A case with an attachment.
	first := ett.begins("forskoleplats").fill(preschool("Testbarn Ett")).press("next")
	for first.step() == "barnet" {
		first = first.fill(preschool("Testbarn Ett")).press("next")
	}
	s := first.questions().set("sysselsattning", "studerar").press("next").questions().file("studieintyg", "intyg.png", picture(t)).press("attach:studieintyg")
	wait := ett.get("/utkast/" + s.draft()).fills(preschool("Testbarn Ett").and(said{"sysselsattning": "studerar"})).sends().signs().back().inside("/vantar")
	link, _ := told(t, x.Running, tva.mail(), "email", "Exempelby kommun ber")
	tva.opens(link).signs()
	g.name["case"] = ett.reload("the arrival", wait.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") }).caseID()
	kase := ett.reload("the receipt", "/arende/"+g.name["case"], func(s screen) bool { return s.says("Hämta kvittensen") })
	files := regexp.MustCompile(`/fil/([A-Za-z0-9_-]{22})`)
	for i, m := range files.FindAllStringSubmatch(kase.body, -1) {
		g.name["casefile"+strconv.Itoa(i)] = m[1]
	}
	if g.name["casefile2"] == "" {
		t.Fatalf("the case has too few files: %s", kase)
	}
	// One that waits, and one of another family.
	g.name["waiting"] = send(ett, "Testbarn Två", said{"vh2_kontakt.email": tva.mail()}).draft()
	fyra, fem := someone(t, x.Running, "fyra", "exempelby"), someone(t, x.Running, "fem", "exempelby")
	g.name["foreign"] = send(fyra, "Testbarn Fem", said{"vh2_kontakt.email": fem.mail(), "vh2_kontakt.phone": ""}).draft()
	link, _ = told(t, x.Running, fem.mail(), "email", "Exempelby kommun ber")
	fem.opens(link)
	// One that is being filled in, with a file, and with two versions.
	one := ett.begins("forskoleplats")
	g.name["draft"] = one.draft()
	one.fill(preschool("Testbarn Tre")).press("next").questions().set("sysselsattning", "studerar").press("next").
		questions().file("studieintyg", "intyg.png", picture(t)).press("attach:studieintyg")
	g.name["file"] = files.FindStringSubmatch(ett.get("/utkast/" + one.draft() + "/s/platsen").body)[1]
	// What was sent, and begun, without login.
	anon := someone(t, x.Running, "", "exempelby")
	report := anon.begins("felanmalan").fills(fault()).sends().inside("/inskickat")
	g.name["report"] = report.caseID()
	g.name["reportfile"] = files.FindStringSubmatch(anon.reload("the receipt", report.url.String(), func(s screen) bool { return s.says("Hämta kvittensen") }).body)[1]
	begun := anon.begins("felanmalan")
	g.name["sketch"] = begun.draft()
	begun.fill(fault()).press("next")

	g.who[nobody], g.who[sender] = someone(t, x.Running, "", "exempelby"), anon
	g.who[owner], g.who[signed2] = ett, tva
	tva.comesIn("/mina-sidor")
	g.who[other], g.who[invited] = someone(t, x.Running, "tre", "exempelby"), fem
	g.who[other].comesIn("/mina-sidor")
	fem.comesIn("/mina-sidor")
	g.who[elsewhere] = someone(t, x.Running, "ett", "provinge")
	g.who[elsewhere].comesIn("/mina-sidor").at("/mina-sidor")
	here := *g.who[elsewhere]
	here.home = x.Portal + "/exempelby"
	g.who[visiting] = &here
	g.who[handler], _ = officer(t, x.Running, "ett", "exempelby")
	g.who[otherType], _ = officer(t, x.Running, "tva", "exempelby")
	g.who[otherTenant], _ = officer(t, x.Running, "tre", "provinge")
	stray := *g.who[otherTenant]
	stray.home = x.Portal + "/exempelby"
	g.who[strayed] = &stray
	return g
}

// table is every address of the portal. What destroys comes last.
func (g *ground) table(t *testing.T) []route {
	t.Helper()
	page := g.who[owner].with(t).get("/utkast/" + g.name["draft"] + "/s/platsen")
	revision := page.questions().value("revision")
	step := page.fill(preschool("")).values
	step.Set("go", "next")
	message := func() url.Values { return url.Values{"once": {random()}, "text": {"Hej " + planted}} }
	const D, W, C, O = "/utkast/{draft}", "/utkast/{draft}", "/arende/{case}", "/handlaggare/arende/{case}"
	ofDraft := func(owners string) map[string]string { return ofPerson("404", owners) }
	ofSketch := func(senders string) map[string]string { return with(ofPerson("404", "404"), sender, senders) }
	ofCase := func(theirs string) map[string]string { return with(ofPerson("404", theirs), signed2, theirs) }
	both := []string{owner, signed2}
	// Who presses twice comes to Mina sidor: so does whoever has no such draft.
	removes := ofPerson("303", "303")
	return []route{
		{"GET", "/{$}", "/", nil, by("200"), nil},
		{"GET", "/e/{service}", "/e/forskoleplats", nil, by("200"), nil},
		{"GET", "/e/{service}", "/e/felanmalan", nil, by("200"), nil},
		{"GET", "/e/{service}", "/e/finns-inte", nil, by("404"), nil},
		{"POST", "/e/{service}/starta", "/e/forskoleplats/starta", url.Values{}, ofPersonElse("303", "303 issuer"), nil},
		{"GET", "/logga-in", "/logga-in", nil, ofPersonElse("303", asLogin), nil},
		{"POST", "/logga-in", "/logga-in", url.Values{"till": {"/mina-sidor"}}, by("303 issuer"), nil},
		{"GET", "/inloggad", "/inloggad?code=x&state=y", nil, by("400"), nil},
		{"GET", "/utloggad", "/utloggad", nil, by("200"), nil},
		{"POST", "/kvar", "/kvar", url.Values{}, ofPersonElse("204", "401"), nil},
		{"GET", "/logga", "/logga", nil, by("404"), nil},
		{"GET", "/", "/finns/inte", nil, by("404"), nil},
		{"POST", "/", "/finns/inte", url.Values{}, by("404"), nil},
		{"POST", "/krok", "/krok", url.Values{}, by("400"), nil},
		{"GET", "/mina-sidor", "/mina-sidor", nil, ofPerson("200", "200"), both},
		{"GET", "/profil", "/profil", nil, ofPerson("200", "200"), both},

		{"GET", D, "/utkast/{=draft}", nil, ofDraft("303"), nil},
		{"GET", D + "/s/{step}", "/utkast/{=draft}/s/platsen", nil, ofDraft("200"), both},
		{"GET", D + "/s/{step}", "/utkast/{=draft}/s/finns_inte", nil, ofDraft("303"), nil},
		{"GET", D + "/sparat", "/utkast/{=draft}/sparat", nil, ofDraft("200"), both},
		{"GET", D + "/granska", "/utkast/{=draft}/granska", nil, ofDraft("303"), nil},
		{"GET", D + "/fil/{file}", "/utkast/{=draft}/fil/{=file}", nil, ofDraft("200"), both},
		{"GET", D + "/krock", "/utkast/{=draft}/krock", nil, ofDraft("303"), nil},
		{"GET", D + "/ta-bort", "/utkast/{=draft}/ta-bort", nil, ofDraft("200"), both},
		{"GET", W + "/vantar", "/utkast/{=draft}/vantar", nil, ofDraft("303"), nil},
		{"GET", W + "/signerat", "/utkast/{=draft}/signerat", nil, ofDraft("303"), nil},
		{"POST", D + "/krock", "/utkast/{=draft}/krock", url.Values{"revision": {revision}, "behall": {"andra"}}, ofDraft("303"), nil},
		{"POST", D + "/skicka", "/utkast/{=draft}/skicka", url.Values{"revision": {revision}, "notice": {strings.Repeat("0", 64)}}, ofDraft("303"), nil},
		{"POST", D + "/s/{step}", "/utkast/{=draft}/s/platsen", url.Values{"revision": {revision}, "go": {"detach:studieintyg:" + g.name["file"]}}, with(ofDraft("303")), nil},
		{"POST", W + "/vantar", "/utkast/{=draft}/vantar", url.Values{"do": {"withdraw"}}, ofDraft("404 or 303"), nil},

		{"GET", W + "/vantar", "/utkast/{=waiting}/vantar", nil, ofDraft("200"), both},
		{"GET", W + "/signerat", "/utkast/{=waiting}/signerat", nil, ofDraft("303"), nil},
		{"GET", D + "/s/{step}", "/utkast/{=waiting}/s/barnet", nil, ofDraft("303"), nil},
		{"GET", W + "/vantar", "/utkast/{=foreign}/vantar", nil, ofDraft("404"), nil},
		{"POST", W + "/vantar", "/utkast/{=foreign}/vantar", url.Values{"do": {"withdraw"}}, ofDraft("404"), nil},
		{"POST", W + "/vantar", "/utkast/{=waiting}/vantar", url.Values{"do": {"remind"}}, ofDraft("303"), nil},

		{"GET", D + "/s/{step}", "/utkast/{=sketch}/s/felet", nil, ofSketch("200"), []string{sender}},
		{"GET", D, "/utkast/{=sketch}", nil, ofSketch("303"), nil},

		{"GET", C, "/arende/{=case}", nil, ofCase("200"), both},
		{"GET", C + "/inskickat", "/arende/{=case}/inskickat", nil, ofCase("200"), both},
		{"GET", C + "/fil/{file}", "/arende/{=case}/fil/{=casefile0}", nil, ofCase("200"), both},
		{"GET", C + "/fil/{file}", "/arende/{=case}/fil/{=casefile1}", nil, ofCase("200"), both},
		{"GET", C + "/fil/{file}", "/arende/{=case}/fil/{=casefile2}", nil, ofCase("200"), both},
		{"GET", C + "/fil/{file}", "/arende/{=report}/fil/{=casefile0}", nil, by("404", nobody, asLogin, sender, asLogin, visiting, asLogin, handler, asLogin, otherType, asLogin, otherTenant, asLogin, strayed, asLogin), nil},
		{"GET", C, "/arende/{=report}", nil, ofPerson("404", "404"), nil},
		{"GET", C + "/inskickat", "/arende/{=report}/inskickat", nil, ofSketch("200"), []string{sender}},
		{"GET", C + "/fil/{file}", "/arende/{=report}/fil/{=reportfile}", nil, ofSketch("200"), []string{sender}},
		{"POST", C + "/meddelande", "/arende/{=report}/meddelande", message(), ofPerson("404", "404"), nil},
		{"POST", C + "/meddelande", "/arende/{=case}/meddelande", message(), ofCase("303"), nil},

		{"GET", "/handlaggare", "/handlaggare", nil, ofOfficer("200", "200"), []string{handler}},
		{"GET", "/handlaggare/{$}", "/handlaggare/", nil, ofOfficer("200", "200"), []string{handler}},
		{"GET", "/handlaggare/logga-in", "/handlaggare/logga-in", nil, by(asStaff), nil},
		{"POST", "/handlaggare/logga-in", "/handlaggare/logga-in", url.Values{"till": {"/handlaggare"}}, by("303"), nil},
		{"GET", "/handlaggare/inloggad", "/handlaggare/inloggad?code=x&state=y", nil, by("403"), nil},
		{"GET", "/handlaggare/utloggad", "/handlaggare/utloggad", nil, by("200"), nil},
		{"GET", O, "/handlaggare/arende/{=case}", nil, ofOfficer("200", "404"), []string{handler}},
		{"GET", O, "/handlaggare/arende/{=draft}", nil, ofOfficer("404", "404"), nil},
		{"GET", O, "/handlaggare/arende/{=waiting}", nil, ofOfficer("404", "404"), nil},
		{"GET", O, "/handlaggare/arende/{=report}", nil, with(ofOfficer("404", "404"), otherType, "200"), []string{otherType}},
		{"GET", O + "/fil/{file}", "/handlaggare/arende/{=case}/fil/{=casefile0}", nil, ofOfficer("200", "404"), []string{handler}},
		{"GET", O + "/fil/{file}", "/handlaggare/arende/{=report}/fil/{=casefile0}", nil, ofOfficer("404", "404"), nil},
		{"POST", O + "/status", "/handlaggare/arende/{=case}/status", url.Values{"was": {"arrived"}, "to": {"in_progress"}}, ofOfficer("303", "404"), nil},
		{"POST", O + "/meddelande", "/handlaggare/arende/{=case}/meddelande", message(), ofOfficer("303", "404"), nil},

		{"POST", "/profil", "/profil", url.Values{"email": {"x@example.se"}, "phone": {""}, "notify": {"email"}}, ofPerson("303", "303"), nil},
		{"POST", D + "/ta-bort", "/utkast/{=waiting}/ta-bort", url.Values{}, removes, nil},
		{"POST", D + "/ta-bort", "/utkast/{=draft}/ta-bort", url.Values{}, removes, nil},
		{"POST", "/handlaggare/logga-ut", "/handlaggare/logga-ut", url.Values{}, by("303"), nil},
		{"POST", "/logga-ut", "/logga-ut", url.Values{}, by("303"), nil},
	}
}

// ofPersonElse is for what differs by whether one is logged in.
func ofPersonElse(known, unknown string) map[string]string {
	return by(unknown, other, known, invited, known, signed2, known, elsewhere, known, owner, known)
}

func random() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// held names a form that is kept until a login: a new one each time.
var held = regexp.MustCompile(`name="hallen" value="[A-Za-z0-9_-]{22}"`)

// TestIsolation tries every address as everybody.
func TestIsolation(t *testing.T) {
	g := newGround(t)
	table := g.table(t)
	// Above the tenants there is their list, and nothing else.
	c := g.who[nobody].with(t)
	if s := c.get(g.Portal + "/"); s.status != 200 || !s.says("Exempelby kommun") || !s.says("Provinge stad") {
		t.Errorf("the list of tenants: %d %s", s.status, s)
	}
	for _, path := range []string{"/ingenstans/", "/ingenstans/mina-sidor", "/mina-sidor", "/exempelby2/", "/static/../exempelby/", "/static/finns-inte.css"} {
		if res, _ := c.once("GET", g.Portal+path, nil); res.StatusCode != 404 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	listed := map[string]bool{}
	for _, row := range table {
		listed[row.method+" "+row.pattern] = true
	}
	if missing := unlisted(t, listed); len(missing) > 0 {
		t.Errorf("addresses that nobody tries: %v", missing)
	}
	var seen strings.Builder
	for _, row := range table {
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			before := g.state(t)
			for _, who := range actors() {
				got := g.tries(t, row, who)
				fmt.Fprintf(&seen, "| %s %s | %s | %s |\n", row.method, row.path, who, got)
				if turnedAway(row, who, got) {
					if now := g.state(t); now != before {
						t.Errorf("%s was refused, and something has changed:\n%s\n%s", who, before, now)
						before = now
					}
				}
				before = g.state(t)
			}
		})
	}
	t.Logf("\n| address | who | answer |\n|---|---|---|\n%s", &seen)
}

// tries makes the request, checks the answer against the table, and against the
// answer for something that there is not.
func (g *ground) tries(t *testing.T, row route, who string) string {
	t.Helper()
	c := g.who[who].with(t)
	path := regexp.MustCompile(`\{=(\w+)\}`).ReplaceAllStringFunc(row.path, func(s string) string { return g.name[s[2:len(s)-1]] })
	res, body := c.once(row.method, path, row.form)
	got := kindOf(c, res, body)
	want := row.want[who]
	if want != "404 or 303" && got != want || want == "404 or 303" && got != "404" && got != "303" {
		t.Errorf("%s: %s, want %s: %s", who, got, want, masked(firstWords(body)))
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "", "Content-Security-Policy": ""} {
		html := strings.HasPrefix(res.Header.Get("Content-Type"), "text/html")
		if got := res.Header.Get(name); !strings.Contains(got, want) || got == "" && html {
			t.Errorf("%s: %s is %q", who, name, got)
		}
	}
	for _, cookie := range res.Cookies() {
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode && cookie.SameSite != http.SameSiteStrictMode {
			t.Errorf("%s: the cookie %s is %v", who, cookie.Name, cookie.SameSite)
		}
	}
	if strings.Contains(fmt.Sprint(res.Header), planted) || regexp.MustCompile(`\d{12}|\d{8}-\d{4}`).MatchString(fmt.Sprint(res.Header)) {
		t.Errorf("%s: the headers tell", who)
	}
	refused := turnedAway(row, who, got)
	if !slices.Contains(row.open, who) && got != "303" {
		for _, secret := range []string{planted, "Testbarn", "Testperson Två", "intyg.png"} {
			if strings.Contains(body, secret) && secret != c.p.Name() {
				t.Errorf("%s (%s) reads %q", who, got, secret)
			}
		}
		if refused && strings.Contains(body, "förskoleplats") && !strings.Contains(row.path, "förskoleplats") {
			t.Errorf("%s (%s) reads what it is about", who, got)
		}
	}
	if refused && strings.Contains(row.path, "{=") {
		nothing := regexp.MustCompile(`\{=(\w+)\}`).ReplaceAllStringFunc(row.path, func(string) string { return random() })
		res2, body2 := c.once(row.method, nothing, row.form)
		if a, b := blurred(res, body), blurred(res2, body2); a != b {
			t.Errorf("%s can tell what there is from what there is not:\n%s\n%s", who, masked(a), masked(b))
		}
	}
	return got
}

// turnedAway reports whether somebody has got nothing of what was asked for.
func turnedAway(row route, who, got string) bool {
	return got == "404" || got == asLogin || got == asStaff || row.method == "POST" && strings.HasSuffix(row.path, "/ta-bort") && who != owner
}

// blurred is an answer without what may differ: its reference number, and the
// names that stood in the address.
func blurred(res *http.Response, body string) string {
	h := res.Header.Clone()
	for _, name := range []string{"Date", "X-Request-Id", "Content-Length", "Set-Cookie"} {
		h.Del(name)
	}
	var cookies []string
	for _, c := range res.Cookies() {
		cookies = append(cookies, c.Name)
	}
	for _, name := range regexp.MustCompile(`[A-Za-z0-9_-]{22}`).FindAllString(res.Request.URL.Path, -1) {
		body = strings.ReplaceAll(body, name, "*")
	}
	body = strings.ReplaceAll(body, res.Header.Get("X-Request-Id"), "*")
	return held.ReplaceAllString(fmt.Sprint(res.StatusCode, h, cookies)+body, "*")
}

func kindOf(c *citizen, res *http.Response, body string) string {
	switch {
	case res.StatusCode == 303 && strings.HasPrefix(res.Header.Get("Location"), c.r.Issuer+"/"):
		if strings.HasPrefix(res.Header.Get("Location"), c.r.Issuer+"/authorize") || strings.Contains(res.Header.Get("Location"), "request_uri") {
			return "303 issuer"
		}
		return "303"
	case res.StatusCode == 200 && strings.Contains(body, `/logga-in">`+"\n"+`<input type="hidden" name="till"`) && strings.Contains(body, `class="acts" method="post"`):
		return asLogin
	case res.StatusCode == 200 && strings.Contains(body, `/handlaggare/logga-in"><input type="hidden" name="till"`):
		return asStaff
	}
	return strconv.Itoa(res.StatusCode)
}

func firstWords(body string) string {
	_, main, _ := strings.Cut(body, "<main")
	main = strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(main, " ")), " ")
	return main[:min(len(main), 300)]
}

// state is what there is, as far as refused requests may change nothing of it.
func (g *ground) state(t *testing.T) string {
	t.Helper()
	db := g.x.store(t)
	defer db.Close()
	var b strings.Builder
	for _, q := range []string{
		`SELECT group_concat(id || state || revision || order_id) FROM (SELECT * FROM drafts ORDER BY id)`,
		`SELECT count(*) FROM draft_files`, `SELECT count(*) FROM draft_asides`,
		`SELECT group_concat(id || state || changed) FROM (SELECT * FROM cases ORDER BY id)`,
	} {
		var s *string
		if err := db.QueryRow(q).Scan(&s); err != nil {
			t.Fatal(err)
		}
		if s != nil {
			b.WriteString(*s)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// unlisted are the routes of the portal's muxes that the table lacks, read from
// the code that makes them.
func unlisted(t *testing.T, listed map[string]bool) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../portal/web/web.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	consts := map[string]string{}
	var text func(ast.Expr) (string, bool)
	text = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		case *ast.Ident:
			s, ok := consts[e.Name]
			return s, ok
		case *ast.BinaryExpr:
			a, ok := text(e.X)
			b, also := text(e.Y)
			return a + b, ok && also && e.Op == token.ADD
		}
		return "", false
	}
	found := map[string]bool{}
	methods := func(pattern string, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if m, ok := text(kv.Key); ok && m == strings.ToUpper(m) && m != "" {
					found[m+" "+pattern] = true
				}
			}
			return true
		})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i < len(n.Values) {
					if s, ok := text(n.Values[i]); ok {
						consts[name.Name] = s
					}
				}
			}
		case *ast.KeyValueExpr:
			if pattern, ok := text(n.Key); ok && strings.HasPrefix(pattern, "/") {
				methods(pattern, n.Value)
			}
		case *ast.CallExpr:
			f, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || f.Sel.Name != "Handle" || len(n.Args) != 2 {
				return true
			}
			if pattern, ok := text(n.Args[0]); ok {
				methods(pattern, n.Args[1])
			} else if id, isName := n.Args[0].(*ast.Ident); !isName || id.Name != "pattern" {
				t.Errorf("a route that cannot be read")
			}
		}
		return true
	})
	if len(found) < 30 {
		t.Fatalf("only %d routes were found", len(found))
	}
	var missing []string
	for r := range found {
		if !listed[r] {
			missing = append(missing, r)
		}
	}
	slices.Sort(missing)
	return missing
}
