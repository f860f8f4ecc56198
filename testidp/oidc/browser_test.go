package oidc

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"sigill/testidp/control"
)

// do does one thing in the browser within half a minute.
func do[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func until(t *testing.T, ctx context.Context, what, expression string) {
	t.Helper()
	for range 200 {
		if do(t, ctx, chromedp.Evaluate[bool]("(() => { try { return !!("+expression+") } catch { return false } })()")) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

// TestBrowser goes through the page in Chromium: pressed by hand, decided from
// elsewhere, with and without its script, and with both ways of answering.
func TestBrowser(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no chromium")
		}
		t.Skip("no chromium")
	}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	defer s.Close()
	i, err := New(Config{BaseURL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	mux.Handle(Path+"/", i.Handler())
	mux.Handle("/phone/", http.StripPrefix("/phone/", http.FileServer(http.Dir("../phone/assets"))))
	// The client is another site, and leads on to a third.
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<title>x</title><h1 id=end>the end</h1>"))
	}))
	defer elsewhere.Close()
	came := make(chan url.Values, 10)
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			r.ParseForm()
			r.Form.Set("method", r.Method)
			came <- r.Form
			http.Redirect(w, r, elsewhere.URL, http.StatusSeeOther)
		}
	}))
	defer client.Close()

	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()))...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	defer chromedp.Cancel(ctx)

	for _, scripts := range []bool{true, false} {
		if !scripts {
			if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
				t.Fatal(err)
			}
		}
		for _, mode := range []string{"query", "form_post"} {
			q := url.Values{
				"client_id": {DefaultClientID}, "redirect_uri": {client.URL + "/back"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"x"},
				"code_challenge": {"0123456789012345678901234567890123456789012"}, "code_challenge_method": {"S256"}, "response_mode": {mode},
			}
			for _, byHand := range []bool{true, false} {
				do(t, ctx, chromedp.Navigate(s.URL+Path+"/authorize?"+q.Encode()))
				until(t, ctx, "the page", "document.querySelector('button[value=tre]')")
				if byHand {
					do(t, ctx, chromedp.Click(chromedp.CSS("button[value=tre]")))
					until(t, ctx, "the button", "document.querySelector('button[value=approve]')")
					do(t, ctx, chromedp.Click(chromedp.CSS("button[value=approve]")))
				} else {
					for _, o := range i.Orders() {
						if o.State == control.Pending {
							if _, err := i.Act(o.ID, control.Action{Action: "approve", Pnr: i.config.People.First().Number}); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
				if mode == "form_post" && !scripts {
					until(t, ctx, "the form", "document.querySelector('form[data-answer] button')")
					do(t, ctx, chromedp.Click(chromedp.CSS("form[data-answer] button")))
				}
				until(t, ctx, "the end", "document.querySelector('#end')")
				form := <-came
				want := "GET"
				if mode == "form_post" {
					want = "POST"
				}
				if form.Get("code") == "" || form.Get("state") != "x" || form.Get("method") != want || len(came) != 0 {
					t.Errorf("scripts %t, %s, by hand %t: %d fields by %s, %d more", scripts, mode, byHand, len(form), form.Get("method"), len(came))
				}
			}
		}
	}
	if dir := os.Getenv("SIGILL_SHOTS"); dir != "" {
		do(t, ctx, chromedp.EmulateViewport(500, 900))
		q := url.Values{"client_id": {DefaultClientID}, "redirect_uri": {client.URL + "/back"}, "response_type": {"code"}, "scope": {"openid"},
			"code_challenge": {"0123456789012345678901234567890123456789012"}, "code_challenge_method": {"S256"}}
		for n, address := range []string{s.URL + Path + "/authorize?" + q.Encode(), s.URL + Path} {
			do(t, ctx, chromedp.Navigate(address))
			if err := os.WriteFile(dir+"/oidc-"+string('a'+byte(n))+".png", do(t, ctx, chromedp.FullScreenshot(100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
