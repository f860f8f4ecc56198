package check

import (
	"bufio"
	"bytes"
	"html"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
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
		second, start := httptest.NewRecorder(), time.Now()
		mux.ServeHTTP(second, upload(t, "file", "x"))
		if second.Code != http.StatusServiceUnavailable || time.Since(start) != turn {
			t.Errorf("%d after %s", second.Code, time.Since(start))
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

// trickle is a body without end that brings so many bytes a second.
type trickle int

func (s trickle) Read(p []byte) (int, error) {
	n := min(max(int(s)/4, 1), len(p))
	time.Sleep(time.Duration(n) * time.Second / time.Duration(s))
	clear(p[:n])
	return n, nil
}

func (trickle) Close() error { return nil }

// sends is an upload that never ends, at some pace.
func sends(t testing.TB, s trickle) *http.Request {
	t.Helper()
	r := upload(t, "file", "x")
	head, _, _ := strings.Cut(string(must(io.ReadAll(r.Body))), "x\r\n--")
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(head), s), s}
	return r
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestSlow: who sends too slowly is shown out, and meanwhile keeps nobody from
// having a file looked at.
func TestSlow(t *testing.T) {
	for name, c := range map[string]struct {
		pace  trickle
		after time.Duration
	}{
		"a byte now and then":    {1, 7 * time.Second},
		"some, for a while":      {12 << 10, 21 * time.Second},
		"for longer than may be": {17 << 10, 61 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			k, mux := newCheck(t, Config{AtOnce: 1, Largest: 100 << 20})
			start, slow := time.Now(), make([]*httptest.ResponseRecorder, readers)
			for i := range slow {
				slow[i] = httptest.NewRecorder()
				go mux.ServeHTTP(slow[i], sends(t, c.pace))
			}
			time.Sleep(3 * time.Second)
			if n := len(k.slots); n != 0 {
				t.Errorf("%s: %d slots are taken before anything is there", name, n)
			}
			full := httptest.NewRecorder()
			mux.ServeHTTP(full, upload(t, "file", "x"))
			if full.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: one more than there are doors: %d", name, full.Code)
			}
			for len(k.doors) > 0 {
				time.Sleep(time.Second / 2)
			}
			if took := time.Since(start); took > c.after || took < c.after-2*time.Second {
				t.Errorf("%s: shown out after %s", name, took)
			}
			synctest.Wait()
			for _, w := range slow {
				if w.Code != http.StatusRequestTimeout || !strings.Contains(w.Body.String(), "kom inte fram") {
					t.Fatalf("%s: %d", name, w.Code)
				}
			}
			if n := k.held.Load(); n != 0 {
				t.Errorf("%s: %d bytes are still counted", name, n)
			}
		})
	}
}

// TestMemory: files that arrive at the same time take no more than their share.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, mux := newCheck(t, Config{AtOnce: 1, Largest: 1 << 20})
		answers := make([]*httptest.ResponseRecorder, 4)
		for i := range answers {
			answers[i] = httptest.NewRecorder()
			go mux.ServeHTTP(answers[i], sends(t, trickle(100_000)))
		}
		time.Sleep(10500 * time.Millisecond)
		if n := k.held.Load(); n > 4<<20 {
			t.Errorf("%d bytes", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		codes := map[int]int{}
		for _, w := range answers {
			codes[w.Code]++
		}
		if codes[http.StatusServiceUnavailable] == 0 || k.held.Load() != 0 {
			t.Errorf("%v, %d bytes left", codes, k.held.Load())
		}
	})
}

// TestIdleSockets: connections that send nothing are closed by the server, and
// files are looked at beside them.
func TestIdleSockets(t *testing.T) {
	_, mux := newCheck(t, Config{AtOnce: 1})
	s := httptest.NewServer(mux)
	defer s.Close()
	start := time.Now()
	var idle []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST "+Path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n--"); err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	time.Sleep(100 * time.Millisecond)
	form := upload(t, "file", "valid")
	answer, err := http.Post(s.URL+Path, form.Header.Get("Content-Type"), form.Body)
	if err != nil || answer.StatusCode != 200 || time.Since(start) > 3*time.Second {
		t.Errorf("beside idle connections: %v, %v, after %s", err, answer, time.Since(start))
	}
	for _, c := range idle {
		_ = c.SetReadDeadline(time.Now().Add(15 * time.Second))
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.Contains(line, "408") || time.Since(start) > 12*time.Second {
			t.Errorf("%q, %v, after %s", line, err, time.Since(start))
		}
	}
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
