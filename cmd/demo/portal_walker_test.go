package main

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"sigill/testidp/persons"
)

// patience is how long a walker waits for what happens by itself.
const patience = 30 * time.Second

// A citizen is somebody at a browser without script: it keeps cookies, follows
// redirects, and sends the forms that the pages hold, with what they hold. An
// officer is one, too.
type citizen struct {
	t    testing.TB
	r    Running
	p    persons.Person
	home string // the tenant's address, without a slash at the end
	http *http.Client
	// proved counts what the person did with the e-ID, by kind.
	proved map[string]int
}

// someone is a person of the simulators, at a browser of their own.
func someone(t testing.TB, r Running, id, tenant string) *citizen {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &citizen{t: t, r: r, home: r.Portal + "/" + tenant, http: &http.Client{Jar: jar, Timeout: time.Minute}, proved: map[string]int{}}
	t.Cleanup(c.http.CloseIdleConnections)
	for _, p := range r.Simulators.People() {
		if p.ID == id {
			c.p = p
		}
	}
	if id != "" && c.p.ID == "" {
		t.Fatalf("there is nobody called %s", id)
	}
	return c
}

// with is the same browser for another test.
func (c *citizen) with(t testing.TB) *citizen {
	other := *c
	other.t = t
	return &other
}

// mail and mobile are the person's, of what is kept free for examples.
func (c *citizen) mail() string { return c.p.ID + "@example.se" }

// A screen is what a browser shows.
type screen struct {
	c      *citizen
	url    *url.URL
	status int
	header http.Header
	body   string
	doc    *html.Node
}

// get goes to an address: one below the tenant's, or a whole one.
func (c *citizen) get(address string) screen {
	c.t.Helper()
	return c.send(http.MethodGet, address, nil, "")
}

// post sends a form that no page holds, as a page of the same origin would.
func (c *citizen) post(address string, form url.Values) screen {
	c.t.Helper()
	return c.send(http.MethodPost, address, strings.NewReader(form.Encode()), "application/x-www-form-urlencoded")
}

func (c *citizen) send(method, address string, body io.Reader, media string) screen {
	c.t.Helper()
	res, text := c.raw(c.http, method, address, body, media)
	s := screen{c: c, url: res.Request.URL, status: res.StatusCode, header: res.Header, body: text}
	doc, err := html.ParseWithOptions(strings.NewReader(text), html.ParseOptionEnableScripting(false))
	if err != nil {
		c.t.Fatal(err)
	}
	s.doc = doc
	return s
}

func (c *citizen) raw(by *http.Client, method, address string, body io.Reader, media string) (*http.Response, string) {
	c.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = c.home + address
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, address, body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", "sv")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", media)
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := by.Do(r)
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res, string(text)
}

// once makes one request and follows nothing.
func (c *citizen) once(method, address string, form url.Values) (*http.Response, string) {
	c.t.Helper()
	still := *c.http
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	}
	return c.raw(&still, method, address, body, "application/x-www-form-urlencoded")
}

// wholeNumber finds personal numbers, which tests print none of.
var wholeNumber = regexp.MustCompile(`\b(?:\d{2})?\d{6}[-+]?\d{4}\b`)

func masked(s string) string { return wholeNumber.ReplaceAllString(s, "…") }

// String says where a walk has ended, for failures.
func (s screen) String() string {
	text := s.text()
	if main := s.find("main"); main != nil {
		text = words(main)
	}
	if len(text) > 1500 {
		text = text[:1500] + " …"
	}
	return masked(strings.Join([]string{http.StatusText(s.status), "at", s.url.Path + ":", text}, " "))
}

// below is where the screen lies below the tenant's address.
func (s screen) below() string { return strings.TrimPrefix(s.url.String(), s.c.home) }

func (s screen) find(selector string) *html.Node {
	return cascadia.Query(s.doc, cascadia.MustCompile(selector))
}

func (s screen) all(selector string) []*html.Node {
	return cascadia.QueryAll(s.doc, cascadia.MustCompile(selector))
}

// text is what can be read on it.
func (s screen) text() string { return words(s.doc) }

// main is what can be read in the page itself, without its frame.
func (s screen) main() string {
	if n := s.find("main"); n != nil {
		return words(n)
	}
	return ""
}

// says reports whether a text can be read on it.
func (s screen) says(text string) bool { return strings.Contains(s.text(), text) }

// heading is the first one.
func (s screen) heading() string {
	if n := s.find("h1"); n != nil {
		return words(n)
	}
	return ""
}

// words are the texts of a node in one line; what scripts and styles hold is none.
func words(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode && (n.Data == "script" || n.Data == "style" || n.Data == "head") {
			return
		}
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for child := range n.ChildNodes() {
			walk(child)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// link gives the address of the link with a text.
func (s screen) link(text string) string {
	s.c.t.Helper()
	for _, a := range s.all("a[href]") {
		if strings.Contains(words(a), text) {
			return s.absolute(attr(a, "href"))
		}
	}
	s.c.t.Fatalf("no link %q: %s", text, s)
	return ""
}

func (s screen) absolute(ref string) string {
	u, err := s.url.Parse(ref)
	if err != nil {
		s.c.t.Fatal(err)
	}
	return u.String()
}

// follow presses a link.
func (s screen) follow(text string) screen {
	s.c.t.Helper()
	return s.c.get(s.link(text))
}

// at demands that the walk has come to an address below the tenant's that begins
// so, with 200.
func (s screen) at(prefix string) screen {
	s.c.t.Helper()
	if s.status != http.StatusOK || !strings.HasPrefix(s.below(), prefix) {
		s.c.t.Fatalf("not at %s, but %d at %s: %s", prefix, s.status, s.url.Path, s)
	}
	return s
}

// inside demands the end of an address.
func (s screen) inside(suffix string) screen {
	s.c.t.Helper()
	if s.status != http.StatusOK || !strings.HasSuffix(s.url.Path, suffix) {
		s.c.t.Fatalf("not at …%s, but %d at %s: %s", suffix, s.status, s.url.Path, s)
	}
	return s
}

// A paper is a form being filled in: nothing but what its page offers can be set.
type paper struct {
	s      screen
	node   *html.Node
	values url.Values
	files  []enclosed
}

type enclosed struct {
	field, name string
	content     []byte
}

// form takes the form that a selector finds.
func (s screen) form(selector string) *paper {
	s.c.t.Helper()
	n := s.find(selector)
	if n == nil || n.Data != "form" {
		s.c.t.Fatalf("no form %s: %s", selector, s)
	}
	return s.paper(n)
}

func (s screen) paper(n *html.Node) *paper {
	p := &paper{s: s, node: n, values: url.Values{}}
	for _, in := range cascadia.QueryAll(n, cascadia.MustCompile("input[name], select[name], textarea[name]")) {
		name := attr(in, "name")
		if has(in, "disabled") {
			continue
		}
		switch {
		case in.Data == "textarea":
			p.values.Add(name, strings.TrimPrefix(raw(in), "\n"))
		case in.Data == "select":
			chosen, first := "", true
			for _, o := range cascadia.QueryAll(in, cascadia.MustCompile("option")) {
				if first || has(o, "selected") {
					chosen, first = attr(o, "value"), false
				}
			}
			p.values.Add(name, chosen)
		case attr(in, "type") == "file":
		case attr(in, "type") == "radio" || attr(in, "type") == "checkbox":
			if has(in, "checked") {
				p.values.Add(name, attr(in, "value"))
			}
		default:
			p.values.Add(name, attr(in, "value"))
		}
	}
	return p
}

func raw(n *html.Node) string {
	var b strings.Builder
	for child := range n.ChildNodes() {
		b.WriteString(child.Data)
	}
	return b.String()
}

// controls are those of the form with a name.
func (p *paper) controls(name string) []*html.Node {
	return cascadia.QueryAll(p.node, cascadia.MustCompile(`[name="`+name+`"]`))
}

// value is what a question has as its answer.
func (p *paper) value(name string) string {
	if all := p.values[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// asks reports whether the form has a control of that name that people can use.
func (p *paper) asks(name string) bool {
	return slices.ContainsFunc(p.controls(name), func(n *html.Node) bool { return attr(n, "type") != "hidden" })
}

// set answers a question. What is chosen among alternatives is named by its value,
// or by its words with "~" before them.
func (p *paper) set(name string, values ...string) *paper {
	p.s.c.t.Helper()
	if !p.asks(name) {
		p.s.c.t.Fatalf("nothing asks for %s: %s", name, p.s)
	}
	var options []*html.Node
	for _, n := range p.controls(name) {
		switch {
		case n.Data == "select":
			options = append(options, cascadia.QueryAll(n, cascadia.MustCompile("option"))...)
		case attr(n, "type") == "radio" || attr(n, "type") == "checkbox":
			options = append(options, n)
		}
	}
	p.values.Del(name)
	for _, n := range p.controls(name) {
		if attr(n, "type") == "hidden" { // what stands for no choice comes along
			p.values.Add(name, attr(n, "value"))
		}
	}
	for _, v := range values {
		if options == nil {
			p.values.Add(name, v)
			continue
		}
		i := slices.IndexFunc(options, func(o *html.Node) bool {
			if text, byWords := strings.CutPrefix(v, "~"); byWords {
				return strings.Contains(p.label(o), text)
			}
			return attr(o, "value") == v
		})
		if i < 0 {
			p.s.c.t.Fatalf("%s has no alternative %s: %s", name, v, p.s)
		}
		p.values.Add(name, attr(options[i], "value"))
	}
	return p
}

func (p *paper) label(o *html.Node) string {
	if o.Data == "option" {
		return words(o)
	}
	if n := cascadia.Query(p.node, cascadia.MustCompile(`label[for="`+attr(o, "id")+`"]`)); n != nil {
		return words(n)
	}
	return ""
}

// file chooses a file.
func (p *paper) file(name, as string, content []byte) *paper {
	p.s.c.t.Helper()
	if len(cascadia.QueryAll(p.node, cascadia.MustCompile(`input[type=file][name="`+name+`"]`))) == 0 {
		p.s.c.t.Fatalf("nothing asks for a file %s: %s", name, p.s)
	}
	p.files = append(p.files, enclosed{name, as, content})
	return p
}

// press sends the form by the button of a value, or by its only one.
func (p *paper) press(value string) screen {
	p.s.c.t.Helper()
	button := `button`
	if value != "" {
		button = `button[value^="` + value + `"]`
	}
	n := cascadia.Query(p.node, cascadia.MustCompile(button))
	if n == nil {
		p.s.c.t.Fatalf("no button %q: %s", value, p.s)
	}
	if name := attr(n, "name"); name != "" {
		p.values.Set(name, attr(n, "value"))
	}
	action := p.s.url.String()
	if has(p.node, "action") {
		action = p.s.absolute(attr(p.node, "action"))
	}
	if attr(p.node, "method") != "post" {
		return p.s.c.get(action + "?" + p.values.Encode())
	}
	if attr(p.node, "enctype") != "multipart/form-data" {
		if len(p.files) > 0 {
			p.s.c.t.Fatal("a form that takes no files")
		}
		return p.s.c.post(action, p.values)
	}
	body, media := manyParts(p.values, p.files)
	return p.s.c.send(http.MethodPost, action, body, media)
}

// manyParts writes a form as browsers do, words first.
func manyParts(values url.Values, files []enclosed) (io.Reader, string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, all := range values {
		for _, v := range all {
			w.WriteField(name, v)
		}
	}
	for _, f := range files {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", mime.FormatMediaType("form-data", map[string]string{"name": f.field, "filename": f.name}))
		h.Set("Content-Type", "application/octet-stream")
		part, err := w.CreatePart(h)
		if err == nil {
			part.Write(f.content) // to memory: never fails
		}
	}
	w.Close()
	return &b, w.FormDataContentType()
}

// proves chooses Mobilt BankID on a page that offers it, if it does, approves on
// the phone, and comes to where the e-ID leads.
func (s screen) proves() screen {
	c := s.c
	c.t.Helper()
	return s.provesAs(c.p)
}

func (s screen) provesAs(p persons.Person) screen {
	c := s.c
	c.t.Helper()
	if !strings.HasPrefix(s.url.String(), c.r.Issuer+"/") || s.status != http.StatusOK {
		c.t.Fatalf("no page of the issuer's: %d %s", s.status, s)
	}
	for _, f := range s.all("form") {
		if n := cascadia.Query(f, cascadia.MustCompile(`input[name="provider"][value="mbankid"]`)); n != nil {
			s = s.paper(f).press("")
			break
		}
	}
	wait := s.url.String()
	state := func() (x status) {
		body := c.get(wait + "/status").body
		if err := json.Unmarshal([]byte(body), &x); err != nil {
			c.t.Fatalf("the waiting page's state: %s", s)
		}
		return x
	}
	until(c.t, "the QR code", func() bool { return state().QR != "" })
	id, err := c.r.Simulators.Scan(state().QR)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.r.Simulators.Approve(id, p.Number); err != nil {
		c.t.Fatal(err)
	}
	for _, o := range c.r.Simulators.Orders() {
		if o.ID == id {
			c.proved[o.Kind]++
		}
	}
	until(c.t, "the e-ID's answer", func() bool { x := state(); return x.State == "complete" || x.State == "failed" })
	x := state()
	if x.State != "complete" {
		c.t.Fatalf("the e-ID failed: %s", x)
	}
	if x.Redirect != "" {
		return c.get(s.absolute(x.Redirect))
	}
	return c.get(wait)
}

// until waits for real processes.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// login logs in on a page of the portal that asks for it.
func (s screen) login() screen {
	s.c.t.Helper()
	return s.form(`main form[action$="/logga-in"]`).press("").proves()
}

// comesIn goes to a page that needs a login, and logs in there.
func (c *citizen) comesIn(path string) screen {
	c.t.Helper()
	return c.get(path).login()
}

// begins an e-service, with a login if that is asked for, and comes to its first
// step.
func (c *citizen) begins(service string) screen {
	c.t.Helper()
	s := c.get("/e/" + service).form(`form[action$="/starta"]`).press("")
	if strings.HasPrefix(s.url.String(), c.r.Issuer+"/") {
		s = s.proves()
	}
	return s.at("/utkast/")
}

// draft is the name of the draft that a screen is of.
func (s screen) draft() string {
	s.c.t.Helper()
	m := regexp.MustCompile(`/utkast/([A-Za-z0-9_-]{22})`).FindStringSubmatch(s.url.Path)
	if m == nil {
		s.c.t.Fatalf("no draft's page: %s", s)
	}
	return m[1]
}

// caseID is the name of the case that a screen is of.
func (s screen) caseID() string {
	s.c.t.Helper()
	m := regexp.MustCompile(`/arende/([A-Za-z0-9_-]{22})`).FindStringSubmatch(s.url.Path)
	if m == nil {
		s.c.t.Fatalf("no case's page: %s", s)
	}
	return m[1]
}

// said are the answers that somebody says, by the names of inputs. Several values are
// parted by a bar.
type said map[string]string

// and adds to answers.
func (a said) and(more said) said {
	out := said{}
	for k, v := range a {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// questions is the form of a step.
func (s screen) questions() *paper {
	s.c.t.Helper()
	return s.form("form.questions")
}

// fill answers whatever a step asks that the answers hold.
func (s screen) fill(a said) *paper {
	s.c.t.Helper()
	p := s.questions()
	for name, v := range a {
		if p.asks(name) {
			p.set(name, strings.Split(v, "|")...)
		}
	}
	return p
}

// step is the step that a screen shows.
func (s screen) step() string {
	_, step, _ := strings.Cut(s.url.Path, "/s/")
	return step
}

// fills goes through all steps from here on, and comes to the review.
func (s screen) fills(a said) screen {
	s.c.t.Helper()
	for range 20 {
		if strings.HasSuffix(s.url.Path, "/granska") && s.status == http.StatusOK {
			return s
		}
		if s.step() == "" {
			break
		}
		s = s.fill(a).press("next")
	}
	s.c.t.Fatalf("the way does not end at the review: %s", s)
	return s
}

// sends presses the button of the review.
func (s screen) sends() screen {
	s.c.t.Helper()
	return s.form(`form[action$="/skicka"]`).press("")
}

// signs presses Mobilt BankID below what is to be signed, approves, and comes to
// where the signing room leads.
func (s screen) signs() screen {
	s.c.t.Helper()
	if s.find("#sign") == nil {
		s.c.t.Fatalf("nothing to sign: %s", s)
	}
	done := s.proves()
	// The room shows that it is done, with a way back to who asked.
	for range 100 {
		if strings.HasPrefix(done.url.String(), s.c.r.Portal+"/") || !strings.Contains(done.url.Path, "/e/") {
			return done
		}
		time.Sleep(50 * time.Millisecond)
		done = s.c.get(done.url.String())
	}
	return done
}

// reload looks at a page until it says something.
func (c *citizen) reload(what, address string, good func(screen) bool) screen {
	c.t.Helper()
	var s screen
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if s = c.get(address); good(s) {
			return s
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s does not show: %s", what, s)
		}
	}
}

// told waits for the message to an address whose subject or text holds something.
func told(t testing.TB, r Running, to, channel, holds string) (link, text string) {
	t.Helper()
	until(t, "the message "+holds, func() bool {
		for _, m := range r.Simulators.Messages(to) {
			if m.Channel == channel && strings.Contains(m.Subject+"\n"+m.Text, holds) {
				if text = m.Text; len(m.Links) > 0 {
					link = m.Links[0]
				}
				return true
			}
		}
		return false
	})
	return link, text
}

// silent demands that nothing holds a text among the messages to an address.
func silent(t testing.TB, r Running, to string) {
	t.Helper()
	if all := r.Simulators.Messages(to); len(all) > 0 {
		t.Errorf("%d messages, the first %q", len(all), all[0].Subject)
	}
}

// officer is an officer of a municipality at a browser, logged in.
func officer(t testing.TB, r Running, id, tenant string) (*citizen, screen) {
	t.Helper()
	c := someone(t, r, "", tenant)
	if err := r.Simulators.Officer(id); err != nil {
		t.Fatal(err)
	}
	s := c.get("/handlaggare/").form(`main form[action$="/handlaggare/logga-in"]`).press("")
	if err := r.Simulators.Officer(""); err != nil {
		t.Fatal(err)
	}
	return c, s
}

// back goes from the signing room to the municipality that asked.
func (s screen) back() screen {
	s.c.t.Helper()
	if strings.HasPrefix(s.url.String(), s.c.r.Portal+"/") {
		return s
	}
	return s.follow("Tillbaka till")
}

// opens goes through an invitation: the link, the person's own login, and on to
// what is to be signed.
func (c *citizen) opens(link string) screen {
	c.t.Helper()
	s := c.get(link)
	if s.find(`main form[action$="/login"]`) == nil {
		return s // logged in at the issuer already
	}
	return s.form(`main form[action$="/login"]`).press("").proves()
}
