package check

import (
	"bytes"
	"html"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/broker/kit/page/chromium"
	"sigill/broker/kit/page/htmlcheck"
	brokerweb "sigill/broker/web"
	"sigill/signing/verify"
)

// verdicts is a verifier that answers by what a file says.
type verdicts struct{ seen [][]byte }

func (v *verdicts) Verify(file []byte, at time.Time) verify.Report {
	v.seen = append(v.seen, file)
	name := verify.Verdict(file)
	r := verify.Report{Verdict: name, At: at, Checks: []verify.Check{{Name: verify.CheckSeal, Passed: true}}}
	switch name {
	case verify.Valid, verify.Indeterminate:
		r.Seal = &verify.Seal{Organisation: "Exempelby kommun", Certificate: "Exempelby Seal", ClaimedAt: at}
		r.Order = &verify.Order{ID: "o1", Client: "Exempelby kommun", Title: "Ansökan <b>om</b> plats", Reference: "F-1", CompletedAt: at, SHA256: strings.Repeat("ab", 32), Names: []string{"Ansökan", "Bilaga"}}
		r.Signatures = []verify.Signature{
			{N: 1, Name: "Testperson Ett", Person: "19900101-****", ProviderName: "Mobilt BankID", Level: "loa3", At: at, Shown: "Underskrift\n\nrad", Checks: r.Checks},
			{N: 2, Checks: []verify.Check{{Name: verify.CheckEvidence, Problem: "no"}}},
		}
	}
	if name != verify.Valid {
		r.Code = "HASH_FAILURE"
		r.Checks = append(r.Checks, verify.Check{Name: verify.CheckReceipt, Problem: "secret detail"})
	}
	return r
}

func newCheck(t testing.TB, c Config) (*Check, http.Handler) {
	t.Helper()
	assets, err := design.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Pages, err = brokerweb.NewPages(brokerweb.PagesConfig{Issuer: "http://localhost:8080", Assets: assets, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if c.Verifier == nil {
		c.Verifier = &verdicts{}
	}
	if c.Largest == 0 {
		c.Largest = 1000
	}
	k, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	k.Routes(mux)
	mux.Handle("/static/", assets)
	return k, mux
}

// upload is a form with parts of these names and bytes.
func upload(t testing.TB, parts ...string) *http.Request {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		w, err := form.CreateFormFile(parts[i], "kvittens.pdf")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(parts[i+1]))
	}
	form.Close()
	r := httptest.NewRequest("POST", Path, &b)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

func TestVerdicts(t *testing.T) {
	_, mux := newCheck(t, Config{})
	for _, v := range []verify.Verdict{verify.Valid, verify.Invalid, verify.Indeterminate, verify.Unreadable} {
		for _, lang := range []string{"sv", "en"} {
			r := upload(t, "file", string(v))
			r.Header.Set("Accept-Language", lang)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			body := w.Body.String()
			if w.Code != 200 || !strings.Contains(body, html.EscapeString(verify.In(lang).Verdict(verify.Report{Verdict: v, Signatures: make([]verify.Signature, 2)}))) {
				t.Errorf("%s %s: %d\n%s", v, lang, w.Code, body)
			}
			if strings.Contains(body, "<b>om</b>") || strings.Contains(body, "secret detail") || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: mark-up, details or a cached answer: %v", v, w.Header())
			}
			if problems := htmlcheck.Faults(strings.NewReader(body)); len(problems) > 0 {
				t.Errorf("%s: %v", v, problems)
			}
		}
	}
}

func TestForms(t *testing.T) {
	seen := &verdicts{}
	_, mux := newCheck(t, Config{Verifier: seen})
	plain := httptest.NewRequest("POST", Path, strings.NewReader("file=valid"))
	plain.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	broken := upload(t, "file", "valid")
	broken.Body = http.NoBody
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		text    string
	}{
		"asked":     {httptest.NewRequest("GET", Path, nil), 200, "Kontrollera en kvittens"},
		"no file":   {upload(t, "file", ""), 422, "Välj en fil först"},
		"too large": {upload(t, "file", strings.Repeat("x", 1001)), 413, "för stor"},
		"huge":      {upload(t, "file", strings.Repeat("x", 200_000)), 413, "för stor"},
		"two":       {upload(t, "file", "valid", "file", "valid"), 400, "kom inte fram"},
		"another":   {upload(t, "other", "valid"), 400, "kom inte fram"},
		"no form":   {plain, 400, "kom inte fram"},
		"cut off":   {broken, 400, "kom inte fram"},
		"method":    {httptest.NewRequest("PUT", Path, nil), 405, "Välj en fil"},
	} {
		c.request.Header.Set("Accept-Language", "sv")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, c.request)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) {
			t.Errorf("%s: %d, without %q", name, w.Code, c.text)
		}
	}
	if len(seen.seen) > 0 {
		t.Error("something was verified")
	}
}

// blocked is a verifier that never ends by itself.
type blocked chan struct{}

func (b blocked) Verify([]byte, time.Time) verify.Report {
	<-b
	return verify.Report{Verdict: verify.Unreadable}
}

// TestBusy: who waits too long for a place is told so, and a place that is given
// back is taken.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := make(blocked)
		_, mux := newCheck(t, Config{Verifier: door, AtOnce: 1})
		first := httptest.NewRecorder()
		go mux.ServeHTTP(first, upload(t, "file", "x"))
		synctest.Wait()
		second := httptest.NewRecorder()
		mux.ServeHTTP(second, upload(t, "file", "x"))
		if second.Code != http.StatusServiceUnavailable {
			t.Errorf("%d", second.Code)
		}
		close(door)
		synctest.Wait()
		third := httptest.NewRecorder()
		mux.ServeHTTP(third, upload(t, "file", "x"))
		if first.Code != 200 || third.Code != 200 {
			t.Errorf("%d, %d", first.Code, third.Code)
		}
	})
}

// TestPagesInChromium looks at every page.
func TestPagesInChromium(t *testing.T) {
	chromium.Wanted(t)
	k, mux := newCheck(t, Config{})
	all := http.NewServeMux()
	all.Handle("/", mux)
	names := []string{"ask", "problem"}
	all.HandleFunc("GET /gallery/ask", func(w http.ResponseWriter, r *http.Request) { _ = k.form(w, r, 200, "") })
	all.HandleFunc("GET /gallery/problem", func(w http.ResponseWriter, r *http.Request) { _ = k.form(w, r, 422, codeNoFile) })
	for _, v := range []verify.Verdict{verify.Valid, verify.Invalid, verify.Indeterminate, verify.Unreadable} {
		names = append(names, string(v))
		all.HandleFunc("GET /gallery/"+string(v), func(w http.ResponseWriter, r *http.Request) {
			report := k.Verifier.Verify([]byte(v), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
			_ = k.room.Render(w, r, 200, "report", page.Look{}, page.Policy{}, func(lang string) any { return shown(report, lang) })
		})
	}
	chromium.Look(t, chromium.Serve(t, all)+"/gallery/", names, func(string) time.Duration { return 0 })
}
