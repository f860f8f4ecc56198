package web

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	"sigill/providers"
	"sigill/signing"
)

// sample is a page with something to show.
type sample struct {
	name   string
	serve  http.HandlerFunc
	status int
}

// samples gives every page in every state that looks different.
func samples(t testing.TB) []sample {
	h := newHouse(t)
	var out []sample
	via := func(name, who, method, path string, form url.Values, status int, change ...func(*http.Request)) {
		out = append(out, sample{name, func(w http.ResponseWriter, r *http.Request) {
			q := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
			if method == http.MethodPost {
				q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			q.Header.Set("User-Agent", onComputer)
			q.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
			if who != "" {
				q.AddCookie(&http.Cookie{Name: oidc.SessionCookie, Value: who})
			}
			if lang := r.URL.Query().Get("lang"); lang != "" {
				q.AddCookie(&http.Cookie{Name: page.LangCookie, Value: lang})
			}
			for _, c := range change {
				c(q)
			}
			h.mux.ServeHTTP(w, q)
		}, status})
	}
	three := func(w *signing.Wish) {
		w.Signatories = append(w.Signatories, signing.WishedSignatory{Number: numbers["tre"], Name: "Testperson Tre", Phone: "+46701740605", Invite: signing.InviteSMS})
	}
	hidden := func(w *signing.Wish) { w.Visibility = signing.ShowNone }
	inTurn := func(w *signing.Wish) { w.Sequence = signing.Sequential }

	via("land", "", "GET", "/signing/demo/i/abc", nil, 200)
	via("land-code", "", "GET", "/signing/demo/kod", nil, 200)
	via("land-list", "", "GET", "/signing/demo/", nil, 200)
	via("land-themed", "", "GET", "/signing/green/", nil, 200)
	via("stay", "ett", "GET", "/signing/green/i/abc", nil, 200)
	via("nothing", "annan", "GET", "/signing/demo/i/abc", nil, 404)
	via("code", "ett", "GET", "/signing/demo/kod", nil, 200)
	via("code-empty", "ett", "POST", "/signing/demo/kod", url.Values{"code": {" "}}, 422)
	via("code-wrong", "ett", "POST", "/signing/demo/kod", url.Values{"code": {"x"}}, 422)
	h.service.tries[number(t, "tre")] = 5
	via("code-closed", "tre", "POST", "/signing/demo/kod", url.Values{"code": {"x"}}, 429)
	via("list-none", "annan", "GET", "/signing/demo/", nil, 200)
	via("out", "ett", "POST", "/signing/demo/logout", nil, 200)

	h.order("open")
	via("review", "ett", "GET", "/signing/demo/o/open/1", nil, 200)
	via("review-phone", "ett", "GET", "/signing/demo/o/open/1", nil, 200, func(r *http.Request) { r.Header.Set("User-Agent", onPhone) })
	via("review-cancelled", "ett", "GET", "/signing/demo/o/open/1?note=cancelled", nil, 200)
	via("review-changed", "ett", "GET", "/signing/demo/o/open/1?note=changed", nil, 200)
	alone := h.order("alone", func(w *signing.Wish) {
		w.Signatories, w.Documents, w.Message, w.Reference, w.ReturnURL = w.Signatories[:1], w.Documents[1:2], "", "", ""
		w.Deadline = h.now.Add(90 * time.Minute)
	})
	via("review-alone", "ett", "GET", "/signing/demo/o/alone/1", nil, 200)
	h.order("long", func(w *signing.Wish) {
		w.Title = strings.Repeat("Fastighetsbildningsförrättning", 3)
		w.Documents[0].Content = append(w.Documents[0].Content, signing.Block{Rows: []signing.Row{{Label: strings.Repeat("Ledningsrätt", 9), Value: strings.Repeat("x", 200)}}})
		w.Documents[2].Name = strings.Repeat("Bilaga", 15)
	})
	via("review-long", "ett", "GET", "/signing/demo/o/long/1", nil, 200)
	h.order("turns", inTurn, three)
	via("not-yet", "tva", "GET", "/signing/demo/o/turns/2", nil, 200)
	h.order("turns2", inTurn, func(w *signing.Wish) { w.Signatories[1].Invite = signing.InviteNone })
	via("not-yet-untold", "tva", "GET", "/signing/demo/o/turns2/2", nil, 200)
	via("refuse", "ett", "GET", "/signing/demo/o/open/1/refuse", nil, 200)
	via("refuse-alone", "ett", "GET", "/signing/demo/o/alone/1/refuse", nil, 200)
	via("refuse-problem", "ett", "POST", "/signing/demo/o/open/1/refuse", url.Values{"reason": {strings.Repeat("Nej. ", 300)}}, 422)
	strict := h.order("strict")
	strict.only = []providers.ID{providers.Freja}
	via("land-again", "ett", "GET", "/signing/demo/o/strict/1", nil, 200)

	h.signs(h.order("waits"), 1)
	via("waiting", "ett", "GET", "/signing/demo/o/waits/1", nil, 200)
	h.signs(h.order("waits3", three), 2)
	via("waiting-told", "tva", "GET", "/signing/demo/o/waits3/2", nil, 200)
	h.signs(h.order("secret", three, hidden), 2)
	via("waiting-hidden", "tva", "GET", "/signing/demo/o/secret/2", nil, 200)
	via("list", "tva", "GET", "/signing/demo/", nil, 200)

	sealing := h.order("sealing")
	h.signs(sealing, 1)
	h.signs(sealing, 2)
	via("sealing", "ett", "GET", "/signing/demo/o/sealing/1", nil, 200)
	done := h.order("done")
	h.signs(done, 1)
	h.signs(done, 2)
	h.completes(done)
	via("completed", "ett", "GET", "/signing/demo/o/done/1", nil, 200)
	no := h.order("no")
	h.signs(no, 2)
	if _, err := no.Decline(1, "Jag vill inte", h.now); err != nil {
		t.Fatal(err)
	}
	via("declined", "ett", "GET", "/signing/demo/o/no/1", nil, 200)
	via("refused-signed", "tva", "GET", "/signing/demo/o/no/2", nil, 200)
	late := h.order("late")
	if _, err := late.Expire(late.Deadline.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	via("expired", "ett", "GET", "/signing/demo/o/late/1", nil, 200)
	off := h.order("off")
	if _, err := off.Order.Cancel(h.now); err != nil {
		t.Fatal(err)
	}
	via("cancelled", "ett", "GET", "/signing/demo/o/off/1", nil, 200)

	h.eid("qr", "open/1", flow.View{State: flow.StatePending, Wait: waitingFor(providers.ModeOther)})
	via("wait-qr", "ett", "GET", "/signing/demo/o/open/1/e/qr", nil, 200)
	h.eid("link", "open/1", flow.View{State: flow.StatePending, Wait: waitingFor(providers.ModeThis), Order: broker.Order{Provider: providers.BankID, Mode: providers.ModeThis, Returned: h.now}})
	via("wait-link", "ett", "GET", "/signing/demo/o/open/1/e/link", nil, 200)
	h.eid("failed", "open/1", flow.View{State: flow.StateFailed, Failed: providers.Failed{Reason: providers.TimedOut, Text: providers.Text{SV: "Det tog för lång tid.", EN: "It took too long."}}})
	via("failed", "ett", "GET", "/signing/demo/o/open/1/e/failed", nil, 200)
	h.service.outcomes["way"] = ""
	via("underway", "ett", "GET", "/signing/demo/o/open/1/e/way/done", nil, 200)
	for _, o := range []string{"outdated", "late", "over", "not_believed", "wrong"} {
		h.service.outcomes[broker.OrderID(o)] = o
		via("uncounted-"+o, "ett", "GET", "/signing/demo/o/open/1/e/"+o+"/done", nil, 200)
	}

	via("error-not-found", "", "GET", "/signing/demo/nowhere", nil, 404)
	via("error-unknown-client", "", "GET", "/signing/nobody/", nil, 404)
	via("error-method", "ett", "GET", "/signing/demo/logout", nil, 405)
	via("error-malformed", "ett", "POST", "/signing/demo/kod", url.Values{"x": {"y"}}, 400)
	via("error-choice", "ett", "POST", "/signing/demo/o/open/1", url.Values{"provider": {"freja"}}, 400)
	via("error-too-large", "ett", "POST", "/signing/demo/kod", url.Values{"code": {string(make([]byte, 20<<10))}}, 413)
	h.eid("broken", "open/1", flow.View{State: flow.StateComplete})
	via("error-internal", "ett", "POST", "/signing/demo/o/alone/1", shown(alone, url.Values{"provider": {"mbankid"}}), 500, func(*http.Request) { h.service.signErr = errBroken })
	return out
}

// gallery serves every page with sample data.
func gallery(t testing.TB) (http.Handler, []sample) {
	all := samples(t)
	mux := http.NewServeMux()
	list := ""
	for _, s := range all {
		mux.HandleFunc("GET /gallery/"+s.name, s.serve)
		list += fmt.Sprintf(`<li><a href="/gallery/%[1]s?lang=sv">%[1]s</a> <a href="/gallery/%[1]s?lang=en">en</a>`, html.EscapeString(s.name))
	}
	mux.HandleFunc("GET /gallery/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Gallery</title><ul>"+list)
	})
	// What the samples that wait ask for while they are looked at.
	h := newHouse(t)
	h.order("open")
	sealing := h.order("sealing")
	h.signs(sealing, 1)
	h.signs(sealing, 2)
	h.service.outcomes["way"] = ""
	h.eid("qr", "open/1", flow.View{State: flow.StatePending, Wait: waitingFor(providers.ModeOther)})
	h.eid("link", "open/1", flow.View{State: flow.StatePending, Wait: waitingFor(providers.ModeThis), Order: broker.Order{Provider: providers.BankID, Mode: providers.ModeThis, Returned: h.now}})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Cookie")
		r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
		r.AddCookie(&http.Cookie{Name: oidc.SessionCookie, Value: "ett"})
		h.mux.ServeHTTP(w, r)
	})
	return mux, all
}

// TestGallery serves the gallery on the loopback address that SIGILL_GALLERY
// names, such as 127.0.0.1:8099, until it is stopped.
func TestGallery(t *testing.T) {
	address := os.Getenv("SIGILL_GALLERY")
	if address == "" {
		t.Skip("set SIGILL_GALLERY=127.0.0.1:8099 and -timeout 0 to look at the pages")
	}
	mux, _ := gallery(t)
	t.Logf("http://%s/gallery/", address)
	t.Fatal(http.ListenAndServe(address, mux))
}
