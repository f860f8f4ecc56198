package design

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func assets(t *testing.T) *Assets {
	t.Helper()
	a, err := New(fstest.MapFS{"town.svg": {Data: []byte("<svg/>")}, "notes.txt": {Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(a http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestFilesAreServedForEver(t *testing.T) {
	a := assets(t)
	for name, media := range map[string]string{
		"sigill.css": "text/css; charset=utf-8", "sigill.js": "text/javascript; charset=utf-8",
		"favicon.svg": "image/svg+xml", "town.svg": "image/svg+xml",
	} {
		w := get(a, "GET", a.URL(name))
		h := w.Header()
		if w.Code != 200 || w.Body.Len() == 0 || h.Get("Content-Type") != media || !strings.Contains(h.Get("Cache-Control"), "immutable") ||
			h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s at %s: %d %v", name, a.URL(name), w.Code, h)
		}
	}
	if w := get(a, "HEAD", a.URL("sigill.css")); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := get(a, "POST", a.URL("sigill.css")); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	for _, path := range []string{"/static/sigill.css", "/static/", "/static/../design.go", "/static/notes.txt", "/static/sigill-0000000000000000.css"} {
		if w := get(a, "GET", path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if a.URL("notes.txt") != "" {
		t.Error("a file of an unknown kind has an address")
	}
}

func TestAFileTwice(t *testing.T) {
	if _, err := New(fstest.MapFS{"sigill.css": {}}); err == nil {
		t.Error("a logo may not be called as a file of ours")
	}
}

func TestARoomsOwnFiles(t *testing.T) {
	a := assets(t)
	more, err := a.With(fstest.MapFS{"room.css": {Data: []byte("p{}")}})
	if err != nil {
		t.Fatal(err)
	}
	if more.URL("sigill.css") != a.URL("sigill.css") || get(more, "GET", more.URL("room.css")).Code != 200 {
		t.Error("files are missing")
	}
	if a.URL("room.css") != "" {
		t.Error("one room's files are another's")
	}
	if _, err := a.With(fstest.MapFS{"sigill.css": {}}); err == nil {
		t.Error("a room may not call a file as one of ours")
	}
}

func TestStylesheetIsSmall(t *testing.T) {
	b, err := static.ReadFile("static/sigill.css")
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 25_000 {
		t.Errorf("the stylesheet has %d bytes", len(b))
	}
	for _, foreign := range []string{"http:", "https:", "@import", "url("} {
		if strings.Contains(string(b), foreign) {
			t.Errorf("the stylesheet refers to something: %s", foreign)
		}
	}
}

// token finds the value of a custom property, in the first block of the
// stylesheet or in that of dark mode.
func token(t *testing.T, css, name string) string {
	t.Helper()
	m := regexp.MustCompile(`--` + name + `: (#[0-9a-f]{6});`).FindStringSubmatch(css)
	if m == nil {
		t.Fatalf("no token %s", name)
	}
	return m[1]
}

func TestTokensCanBeRead(t *testing.T) {
	b, err := static.ReadFile("static/sigill.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(b), "@media screen and (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark mode")
	}
	for name, css := range map[string]string{"light": light, "dark": dark} {
		for _, pair := range []struct {
			on, under string
			least     float64
		}{
			{"ink", "surface", 7}, {"ink", "ground", 7}, {"ink-soft", "surface", 4.5}, {"ink-soft", "ground", 4.5},
			{"accent", "surface", 4.5}, {"accent-strong", "surface", 4.5}, {"on-accent", "accent", 4.5}, {"on-accent", "accent-strong", 4.5},
			{"line-strong", "surface", 3}, {"focus", "surface", 3}, {"focus", "ground", 3},
			{"warn", "warn-tint", 4.5}, {"bad", "bad-tint", 4.5},
		} {
			a, _ := parseColour(token(t, css, pair.on))
			b, _ := parseColour(token(t, css, pair.under))
			if r := contrast(a, b); r < pair.least {
				t.Errorf("%s: %s on %s has %.2f:1", name, pair.on, pair.under, r)
			}
		}
	}
	for name, want := range map[string]string{"surface": surface, "ground": ground, "accent": DefaultAccent} {
		if got := token(t, light, name); got != want {
			t.Errorf("%s is %s in the stylesheet and %s in the code", name, got, want)
		}
	}
	for name, want := range map[string]string{"surface": surfaceDark, "on-accent": inkDark} {
		if got := token(t, dark, name); got != want {
			t.Errorf("dark %s is %s in the stylesheet and %s in the code", name, got, want)
		}
	}
}

func TestCheckTheme(t *testing.T) {
	for accent, want := range map[string]string{
		"": "", DefaultAccent: "", "#2F6B2F": "", "#000000": "",
		"#ffcc00": "white text on the accent (#ffcc00 and #ffffff) has the contrast 1.51:1",
		"#737373": "the accent as text on the page's ground (#737373 and #f2f4f6) has the contrast 4.30:1",
		"red":     "not a colour", "#12345": "not a colour", "#12345g": "not a colour", "#1234567": "not a colour", "+12345f": "not a colour", "#+1234f": "not a colour",
	} {
		err := CheckTheme(accent)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", accent, err)
		}
	}
	if err := CheckTheme("#ffcc00"); strings.Count(err.Error(), ":1,") != 2 {
		t.Errorf("not all pairs are named: %v", err)
	}
}

func TestThemes(t *testing.T) {
	a := assets(t)
	for _, accent := range []string{"#2F6B2F", "#000000", "#7a1f5c", "#0000ff"} {
		w := get(a, "GET", ThemeURL(accent))
		if w.Code != 200 || !strings.Contains(w.Body.String(), "--accent:"+strings.ToLower(accent)) {
			t.Errorf("%s: %d %s", accent, w.Code, w.Body)
		}
		dark, _ := parseColour(darkAccent(accent))
		on, _ := parseColour(surfaceDark)
		under, _ := parseColour(inkDark)
		if contrast(dark, on) < 4.5 || contrast(dark, under) < 4.5 {
			t.Errorf("%s cannot be read in dark mode as %s", accent, darkAccent(accent))
		}
	}
	for _, accent := range []string{"", DefaultAccent, "#ffcc00", "red;}body{display:none"} {
		if u := ThemeURL(accent); u != "" {
			t.Errorf("%q has the stylesheet %s", accent, u)
		}
	}
	for _, path := range []string{"theme-.css", "theme-ffcc00.css", "theme-2F6B2F.css", "theme-2f6b2f", "theme-2f6b2f;}.css", "theme-+f6b2f.css"} {
		if w := get(a, "GET", "/static/"+path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestContrast(t *testing.T) {
	black, _ := parseColour("#000000")
	white, _ := parseColour("#ffffff")
	grey, _ := parseColour("#767676")
	if r := contrast(black, white); r < 20.99 || r > 21.01 {
		t.Errorf("black and white: %f", r)
	}
	if r := contrast(grey, white); r < 4.54 || r > 4.55 { // known from the WCAG's own examples
		t.Errorf("grey and white: %f", r)
	}
}
