package page

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"sigill/broker/kit/design"
	"sigill/broker/kit/i18n"
)

func ground(log io.Writer) Ground {
	return Ground{
		Log: slog.New(LogHandler(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		Draw: func(w http.ResponseWriter, r *http.Request, p *Problem) {
			w.WriteHeader(p.Status)
			_, _ = io.WriteString(w, p.Code+" "+RequestID(r.Context()))
		},
	}
}

func TestHandle(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		h       Handler
		status  int
		body    string // its beginning
		logged  string
		aborted bool
	}{
		"all well":     {"GET", func(w http.ResponseWriter, _ *http.Request) error { _, err := io.WriteString(w, "yes"); return err }, 200, "yes", "", false},
		"HEAD":         {"HEAD", func(http.ResponseWriter, *http.Request) error { return nil }, 200, "", "", false},
		"other method": {"PUT", nil, 405, CodeMethod, "code=method", false},
		"problem": {"GET", func(http.ResponseWriter, *http.Request) error {
			return &Problem{Status: 404, Code: "x", Err: errors.New("why")}
		}, 404, "x ", "error=why", false},
		"wrapped":       {"GET", func(http.ResponseWriter, *http.Request) error { return errors.Join(&Problem{Status: 404, Code: "x"}) }, 404, "x ", "code=x", false},
		"our fault":     {"GET", func(http.ResponseWriter, *http.Request) error { return errors.New("secret") }, 500, CodeInternal, "level=ERROR", false},
		"panic":         {"GET", func(http.ResponseWriter, *http.Request) error { panic("secret") }, 500, CodeInternal, "panic: secret", false},
		"nil map panic": {"GET", func(http.ResponseWriter, *http.Request) error { http.Header(nil).Set("a", "b"); return nil }, 500, CodeInternal, "assignment to entry in nil map", false},
		"after a byte": {"GET", func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, "half")
			return errors.New("late")
		}, 200, "half", "error=late", true},
		"abort": {"GET", func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, 200, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			w := httptest.NewRecorder()
			aborted := func() (aborted bool) {
				defer func() {
					if v := recover(); v != nil {
						aborted = v == http.ErrAbortHandler
					}
				}()
				h := c.h
				if h == nil {
					h = func(http.ResponseWriter, *http.Request) error { return nil }
				}
				ground(&log).Handle(Methods{"GET": h}).ServeHTTP(w, httptest.NewRequest(c.method, "/secret-path?secret-query", nil))
				return false
			}()
			if aborted != c.aborted || w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.body) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("aborted %t, %d %q", aborted, w.Code, w.Body)
			}
			if !strings.Contains(log.String(), c.logged) || c.logged == "" && log.Len() > 0 || strings.Contains(log.String(), "secret-") {
				t.Errorf("log %q", log.String())
			}
			if strings.Count(log.String(), "\n") > 1 {
				t.Errorf("logged more than once: %s", log.String())
			}
			id := w.Header().Get("X-Request-Id")
			if len(id) != 11 || c.logged != "" && !strings.Contains(log.String(), "reference="+id) {
				t.Errorf("id %q, log %q", id, log.String())
			}
			if c.method == "PUT" && w.Header().Get("Allow") != "GET" {
				t.Errorf("Allow %q", w.Header().Get("Allow"))
			}
		})
	}
}

func TestBrokenErrorPage(t *testing.T) {
	var log bytes.Buffer
	g := ground(&log)
	g.Draw = func(http.ResponseWriter, *http.Request, *Problem) { panic("secret") }
	w := httptest.NewRecorder()
	g.Handle(Methods{}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestBodyLimit(t *testing.T) {
	read := func(_ http.ResponseWriter, r *http.Request) error {
		_, err := Form(r, "a")
		return err
	}
	for size, want := range map[int]int{10: 200, 300: 400, 20 << 10: 413} {
		var log bytes.Buffer
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", strings.NewReader("a="+strings.Repeat("x", size)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		ground(&log).Handle(Methods{"POST": read}).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%d bytes: %d", size, w.Code)
		}
	}
}

func TestForm(t *testing.T) {
	for body, good := range map[string]bool{
		"a=1": true, "": true, "a=%C3%A5": true,
		"a=1&a=2": false, "b=1": false, "a=%": false, "a=%zz": false, "a=1;b=2": false, "a=" + strings.Repeat("x", 257): false,
	} {
		r := httptest.NewRequest("POST", "/?a=from-the-query", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		form, err := Form(r, "a")
		var p *Problem
		if (err == nil) != good || err != nil && (!errors.As(err, &p) || p.Status != 400) || form["a"] == "from-the-query" {
			t.Errorf("%.20q: %v %v", body, form, err)
		}
	}
}

func TestFormUpTo(t *testing.T) {
	for size, good := range map[int]bool{300: true, 301: false} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("a="+strings.Repeat("x", size)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if form, err := FormUpTo(r, 300, "a"); (err == nil) != good || good && len(form["a"]) != size {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		policy Policy
		want   string
	}{
		"strict":       {Policy{}, "form-action 'self';"},
		"client":       {Policy{FormTargets: []string{"https://app.example.se/callback?x=1"}}, "form-action 'self' https://app.example.se;"},
		"port":         {Policy{FormTargets: []string{"http://localhost:8090/callback"}}, "form-action 'self' http://localhost:8090;"},
		"app's scheme": {Policy{FormTargets: []string{"se.example.app:/callback"}}, "form-action 'self' se.example.app:;"},
		"script":       {Policy{FormTargets: []string{"javascript:x", "data:x", "", "x", "https://"}}, "form-action 'self';"},
		"injection":    {Policy{FormTargets: []string{"https://a.example.se;script-src/x", "https://*/x", "https://a b/"}}, "form-action 'self';"},
		"framed":       {Policy{Framed: true}, "frame-ancestors 'self'"},
	} {
		h := http.Header{}
		c.policy.Apply(h)
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, c.want) || strings.Count(csp, "script-src") != 1 {
			t.Errorf("%s: %s", name, csp)
		}
	}
}

func TestHeaders(t *testing.T) {
	for _, https := range []bool{true, false} {
		w := httptest.NewRecorder()
		Headers(https, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("Strict-Transport-Security") != ""; got != https {
			t.Errorf("HSTS with https=%t: %t", https, got)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Frame-Options") != "DENY" {
			t.Errorf("%v", w.Header())
		}
	}
}

func TestRequestID(t *testing.T) {
	var one, two string
	h := WithRequestID(WithRequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { two, one = one, RequestID(r.Context()) })))
	for range 2 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Request-Id", "forged")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Header().Get("X-Request-Id") != one || one == "forged" || len(one) != 11 {
			t.Errorf("%q and %q", one, w.Header().Get("X-Request-Id"))
		}
	}
	if one == two {
		t.Error("two requests have one name")
	}
	if RequestID(context.Background()) != "" {
		t.Error("a name without a request")
	}
	if a := Reference("order"); a != Reference("order") || a == Reference("other") || len(a) != 11 || strings.Contains(a, "order") {
		t.Errorf("reference %q", a)
	}
}

func TestCookies(t *testing.T) {
	secret := strings.Repeat("a", 43)
	for _, secure := range []bool{true, false} {
		c, w := Cookies{Secure: secure}, httptest.NewRecorder()
		c.Set(w, BrowserCookie, secret, BrowserLife)
		k := w.Result().Cookies()[0]
		if k.Secure != secure || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.Domain != "" || strings.HasPrefix(k.Name, "__Host-") != secure {
			t.Errorf("%+v", k)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(k)
		if c.Browser(r) != secret {
			t.Error("not found again")
		}
		if (Cookies{Secure: !secure}).Browser(r) != "" {
			t.Error("a cookie of the other kind counts")
		}
		r.AddCookie(k)
		if c.Browser(r) != "" {
			t.Error("a doubled cookie counts")
		}
	}
	for _, bad := range []string{"", "a", secret + "a", strings.Repeat("å", 43), strings.Repeat("a", 42) + "=", strings.Repeat("a", 600)} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", BrowserCookie+"="+bad)
		if (Cookies{}).Browser(r) != "" {
			t.Errorf("%q counts", bad)
		}
	}
}

func TestAddresses(t *testing.T) {
	behind := Addresses{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for name, c := range map[string]struct {
		a         Addresses
		remote    string
		forwarded []string
		want      string
	}{
		"alone":              {Addresses{}, "192.0.2.7:1", []string{"203.0.113.9"}, "192.0.2.7"},
		"one proxy":          {behind, "10.1.2.3:1", []string{"203.0.113.9"}, "203.0.113.9"},
		"forged in front":    {behind, "10.1.2.3:1", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		"two headers":        {behind, "10.1.2.3:1", []string{"198.51.100.1", "203.0.113.9, 10.9.9.9"}, "203.0.113.9"},
		"garbage":            {behind, "10.1.2.3:1", []string{"203.0.113.9, x"}, "10.1.2.3"},
		"no header":          {behind, "10.1.2.3:1", nil, "10.1.2.3"},
		"not from the proxy": {behind, "192.0.2.7:1", []string{"203.0.113.9"}, "192.0.2.7"},
		"mapped":             {Addresses{}, "[::ffff:192.0.2.7]:1", nil, "192.0.2.7"},
		"IPv6 with zone":     {Addresses{}, "[fe80::1%eth0]:1", nil, "fe80::1"},
		"in process":         {Addresses{}, "", nil, "127.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := c.a.Of(r); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func load(t *testing.T, page, sv, en string, also ...i18n.Use) (*Templates, error) {
	t.Helper()
	texts, err := i18n.Load(fstest.MapFS{"sv.json": {Data: []byte(sv)}, "en.json": {Data: []byte(en)}}, design.Texts())
	if err != nil {
		t.Fatal(err)
	}
	assets, err := design.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return LoadTemplates(fstest.MapFS{"p.gohtml": {Data: []byte(page)}}, texts, assets, also)
}

func TestLoadTemplatesRefuses(t *testing.T) {
	for name, c := range map[string]struct{ page, sv, want string }{
		"missing text":       {`{{define "main"}}{{t "x"}}{{end}}`, `{}`, "text x is missing"},
		"unused text":        {`{{define "main"}}{{end}}`, `{"x":"X"}`, "text x is not used"},
		"placeholder lacks":  {`{{define "main"}}{{t "x"}}{{end}}`, `{"x":"{a}"}`, "x wants [a]"},
		"placeholder wrong":  {`{{define "main"}}{{t "x" "b" 1}}{{end}}`, `{"x":"{a}"}`, "x wants [a] and is given [b]"},
		"key from data":      {`{{define "main"}}{{t .Page}}{{end}}`, `{}`, "must be literals"},
		"in an attribute":    {`{{define "main"}}<a title="{{t "x"}}">{{end}}`, `{}`, "text x is missing"},
		"in a condition":     {`{{define "main"}}{{if .Page}}{{else}}{{range .Page}}{{with .}}{{t "x"}}{{end}}{{end}}{{end}}{{end}}`, `{}`, "text x is missing"},
		"within parentheses": {`{{define "main"}}{{print (t "x")}}{{end}}`, `{}`, "text x is missing"},
		"no such icon":       {`{{define "main"}}{{icon "unicorn"}}{{end}}`, `{}`, "no icon unicorn"},
		"no such file":       {`{{define "main"}}{{asset "x.css"}}{{end}}`, `{}`, "no file x.css"},
		"not a template":     {`{{define "main"}}{{end`, `{}`, "p.gohtml"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, c.page, c.sv, c.sv); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestSharedParts(t *testing.T) {
	texts := fstest.MapFS{"sv.json": {Data: []byte(`{"a":"A","b":"B"}`)}, "en.json": {Data: []byte(`{"a":"A","b":"B"}`)}}
	assets, err := design.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{
		"_part.gohtml": {Data: []byte(`{{define "part"}}<i>{{t "b"}} {{.}}</i>{{end}}`)},
		"one.gohtml":   {Data: []byte(`{{define "title"}}1{{end}}{{define "main"}}{{t "a"}} {{template "part" .Page}}{{end}}`)},
		"two.gohtml":   {Data: []byte(`{{define "title"}}2{{end}}{{define "main"}}{{template "part" .Page}}{{end}}`)},
	}
	c := RoomConfig{
		Address: "https://sigill.example.se", Assets: assets, Log: slog.New(slog.DiscardHandler), Templates: files, Texts: copied(texts),
	}
	room, err := NewRoom(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		w := httptest.NewRecorder()
		l := Look{Name: "Exempelbo", NameEN: "Exampletown", Asked: "en"}
		if err := room.Render(w, httptest.NewRequest("GET", "/", nil), 200, name, l, Policy{}, func(lang string) any { return lang + "<" }); err != nil {
			t.Fatal(err)
		}
		if body := w.Body.String(); !strings.Contains(body, "<i>B en&lt;</i>") || !strings.Contains(body, "Exampletown") || !strings.Contains(body, "sigill.example.se") {
			t.Errorf("%s: %s", name, body)
		}
	}
	if err := room.Render(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), 200, "_part", Look{}, Policy{}, nil); err == nil {
		t.Error("a part is a page")
	}
	texts["sv.json"].Data, texts["en.json"].Data = []byte(`{"a":"A"}`), []byte(`{"a":"A"}`)
	c.Texts = copied(texts)
	if _, err := NewRoom(c); err == nil || !strings.Contains(err.Error(), "text b is missing") {
		t.Errorf("a part with a text that is missing: %v", err)
	}
	c.Address = "sigill"
	if _, err := NewRoom(c); err == nil {
		t.Error("a room without an address")
	}
}

// copied is a copy, so that a test may go on changing its own.
func copied(m fstest.MapFS) fstest.MapFS {
	c := fstest.MapFS{}
	for name, f := range m {
		c[name] = &fstest.MapFile{Data: bytes.Clone(f.Data)}
	}
	return c
}

func TestRender(t *testing.T) {
	page := `{{define "title"}}T{{end}}{{define "main"}}<p title="{{t "const"}}">{{t "const"}} {{t "with" "a" .Page.A}}{{.Page.Missing}}</p>{{end}}`
	good := strings.Replace(page, "{{.Page.Missing}}", "", 1)
	texts := `{"const":"<b> & \"q\"","with":"a={a}"}`
	set, err := load(t, good, texts, texts)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := set.Render(w, 201, "p", View{Lang: "en", Page: struct{ A string }{"<i>"}}); err != nil {
		t.Fatal(err)
	}
	want := `<p title="&lt;b&gt; &amp; &#34;q&#34;">&lt;b&gt; &amp; &#34;q&#34; a=&lt;i&gt;</p>`
	if w.Code != 201 || !strings.Contains(w.Body.String(), want) || w.Header().Get("Content-Language") != "en" {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	set, err = load(t, page, texts, texts)
	if err != nil {
		t.Fatal(err)
	}
	w = httptest.NewRecorder()
	if err := set.Render(w, 200, "p", View{Lang: "sv", Page: struct{ A string }{}}); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("half a page was written: %v %q", err, w.Body)
	}
	for _, v := range []View{{Lang: "de"}, {}} {
		if err := set.Render(httptest.NewRecorder(), 200, "p", v); err == nil {
			t.Errorf("%q was drawn", v.Lang)
		}
	}
	if err := set.Render(httptest.NewRecorder(), 200, "q", View{Lang: "sv"}); err == nil {
		t.Error("a page that is not there was drawn")
	}
}

func TestLanguagesLinks(t *testing.T) {
	r := httptest.NewRequest("GET", "/a%2Fb?n=1&lang=sv", nil)
	l := Languages(r, "sv")
	if len(l) != 1 || l[0].Lang != "en" || l[0].Name != "English" {
		t.Fatalf("%+v", l)
	}
	u, err := url.Parse(l[0].URL)
	if err != nil || u.EscapedPath() != "/a%2Fb" || u.Query().Get("n") != "1" || len(u.Query()["lang"]) != 1 || u.Query().Get("lang") != "en" {
		t.Errorf("%s", l[0].URL)
	}
	if l := Languages(httptest.NewRequest("POST", "/", nil), "sv"); l != nil {
		t.Errorf("what was posted cannot be asked for again: %+v", l)
	}
}
