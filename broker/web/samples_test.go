package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	"sigill/providers"
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
	via := func(name, method, path string, form url.Values, status int, change ...func(*http.Request)) {
		out = append(out, sample{name, func(w http.ResponseWriter, r *http.Request) {
			q := httptest.NewRequest(method, path, nil)
			if method == http.MethodPost {
				q = httptest.NewRequest(method, path, stringsReader(form.Encode()))
				q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			q.Header.Set("User-Agent", onComputer)
			q.Header.Set("Accept-Language", r.Header.Get("Accept-Language"))
			q.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
			if lang := r.URL.Query().Get("lang"); lang != "" {
				q.AddCookie(&http.Cookie{Name: page.LangCookie, Value: lang})
				q.Header.Set("Accept-Language", lang) // where no cookie counts
			}
			for _, c := range change {
				c(q)
			}
			h.mux.ServeHTTP(w, q)
		}, status})
	}
	draw := func(name string, status int, f http.HandlerFunc) {
		out = append(out, sample{name, func(w http.ResponseWriter, r *http.Request) {
			if lang := r.URL.Query().Get("lang"); lang != "" {
				r.AddCookie(&http.Cookie{Name: page.LangCookie, Value: lang})
			}
			f(w, r)
		}, status})
	}
	only := func(ids ...providers.ID) func(*broker.Login) { return func(l *broker.Login) { l.Offered = ids } }
	green := func(l *broker.Login) { l.Client = "green" }

	via("choose", "GET", "/login/"+loginOne, nil, 200)
	via("choose-phone", "GET", "/login/"+loginOne, nil, 200, agent(onPhone))
	via("choose-remembered", "GET", "/login/"+loginOne, nil, 200, cookie(choiceCookie, "bankid.this"))
	h.login("three", only(providers.BankID, providers.MBankID, providers.Freja), green)
	via("choose-themed", "GET", "/login/three", nil, 200, agent(onPhone))
	h.login("onlym", only(providers.MBankID))
	via("choose-one-phone", "GET", "/login/onlym", nil, 200, agent(onPhone))
	h.login("busy")
	h.order("busy", "o-busy", providers.MBankID, providers.ModeOther, flow.View{State: flow.StatePending, Wait: waiting(providers.ModeOther)})
	via("choose-busy", "GET", "/login/busy", nil, 200)

	state := func(name string, p providers.ID, m providers.Mode, v flow.View, change ...func(*http.Request)) {
		h.login(name)
		h.order(name, broker.OrderID("o-"+name), p, m, v)
		via(name, "GET", "/login/"+name+"/o-"+name, nil, 200, change...)
	}
	state("wait-qr", providers.MBankID, providers.ModeOther, flow.View{State: flow.StatePending, Wait: waiting(providers.ModeOther)})
	via("wait-qr-frame", "GET", "/login/wait-qr/o-wait-qr/qr", nil, 200)
	state("wait-picked", providers.MBankID, providers.ModeOther, flow.View{State: flow.StatePending, Wait: providers.Wait{
		Hint: "userSign", PickedUp: true, Text: providers.Text{SV: "Bekräfta i BankID-appen och välj Identifiera.", EN: "Confirm in the BankID app and choose Identify."},
	}})
	via("wait-picked-frame", "GET", "/login/wait-picked/o-wait-picked/qr", nil, 200)
	// As if the person had come back, so that the page does not start an app.
	state("wait-link", providers.BankID, providers.ModeThis, flow.View{State: flow.StatePending, Wait: waiting(providers.ModeThis), Order: broker.Order{Returned: h.now}}, agent(onPhone))
	h.login("wait-starting")
	h.logins.mu.Lock()
	l := h.logins.logins["wait-starting"]
	l.Order, l.Provider, l.Mode, l.OrderAt = "o-wait-starting", providers.BankID, providers.ModeThis, h.now
	h.logins.logins["wait-starting"] = l
	h.logins.mu.Unlock()
	via("wait-starting", "GET", "/login/wait-starting/o-wait-starting", nil, 200)
	state("returning", providers.BankID, providers.ModeThis, flow.View{State: flow.StateReturning})
	// Issuers with a site. The pages go on by themselves only while the order is young.
	everybody := func(l *broker.Login) {
		l.Offered = []providers.ID{providers.BankID, providers.MBankID, providers.Freja, providers.Telia, exampleID}
	}
	h.login("all", everybody)
	via("choose-all", "GET", "/login/all", nil, 200)
	via("choose-all-phone", "GET", "/login/all", nil, 200, agent(onPhone))
	old := broker.Order{Created: h.now.Add(-time.Minute)}
	posted := providers.PostForm{URL: sso, Fields: map[string]string{"SAMLRequest": "x", "RelayState": "o.secret"}}
	state("away-redirect", providers.Telia, providers.ModeThis, flow.View{State: flow.StatePending, Order: old, Away: h.flow.away})
	state("away-post", exampleID, providers.ModeThis, flow.View{State: flow.StatePending, Order: old, Away: posted})
	state("away-checking", providers.Telia, providers.ModeThis, flow.View{State: flow.StatePending, Wait: providers.Wait{
		Hint: "processing", PickedUp: true, Text: providers.Text{SV: "Vi kontrollerar svaret från din e-legitimation …", EN: "Checking the answer from your e-ID …"},
	}})
	state("away-returning", providers.Telia, providers.ModeThis, flow.View{State: flow.StateReturning})
	state("wait-freja-qr", providers.Freja, providers.ModeOther, flow.View{State: flow.StatePending, Wait: waiting(providers.ModeOther)})
	state("wait-freja-link", providers.Freja, providers.ModeThis, flow.View{State: flow.StatePending, Order: broker.Order{Returned: h.now}, Wait: providers.Wait{
		Link: "https://app.example.com/freja", Text: providers.Text{SV: "Öppna Freja på den här enheten.", EN: "Open Freja on this device."},
	}}, agent(onPhone))
	for id, r := range map[providers.ID]providers.Reason{providers.Telia: providers.Blocked, providers.Freja: providers.RiskBlocked, exampleID: providers.IssuerDown} {
		state("failed-at-"+string(id), id, providers.ModeThis, flow.View{State: flow.StateFailed, Failed: providers.Failed{Reason: r, Text: textFor(r)}})
	}
	via("error-stray", "GET", "/eid/telia/back?state=x", nil, 404)
	via("returning-frame", "GET", "/login/returning/o-returning/qr", nil, 200)
	for _, r := range reasons() {
		state("failed-"+string(r), providers.MBankID, providers.ModeOther, flow.View{State: flow.StateFailed, Failed: providers.Failed{Reason: r, Text: textFor(r)}})
	}
	// The login is over; its page is still open somewhere.
	h.flow.put("o-elsewhere", browserOne, "elsewhere", flow.View{State: flow.StateFailed, Failed: providers.Failed{Hint: flow.ContinuedElsewhere}})
	via("elsewhere", "GET", "/login/elsewhere/o-elsewhere", nil, 200)
	h.login("late", func(l *broker.Login) {
		l.Order, l.Provider, l.Mode, l.OrderAt = "o-late", providers.BankID, providers.ModeThis, h.now.Add(-time.Minute)
	})
	via("failed-never-begun", "GET", "/login/late/o-late", nil, 200)

	// The same pages for signatures, as the signing room has them.
	signed := func(name string, m providers.Mode, v flow.View) {
		draw("sign-"+name, 200, func(w http.ResponseWriter, r *http.Request) {
			e := signature(m)
			e.Self = "/signing/demo/o/order/2/e/" + name
			r = h.web.ground.Prepare(w, r)
			if err := h.web.Pages.Waiting(w, r, e, v); err != nil {
				t.Error(err)
			}
		})
	}
	signed("wait-qr", providers.ModeOther, flow.View{State: flow.StatePending, Wait: waiting(providers.ModeOther)})
	signed("wait-link", providers.ModeThis, flow.View{State: flow.StatePending, Wait: waiting(providers.ModeThis), Order: broker.Order{Returned: h.now}})
	signed("away-redirect", providers.ModeThis, flow.View{State: flow.StatePending, Info: infoOf(providers.Telia), Away: h.flow.away, Order: broker.Order{Provider: providers.Telia, Created: h.now.Add(-time.Minute)}})
	signed("away-post", providers.ModeThis, flow.View{State: flow.StatePending, Info: infoOf(providers.Telia), Away: posted, Order: broker.Order{Provider: providers.Telia, Created: h.now.Add(-time.Minute)}})
	signed("away-returning", providers.ModeThis, flow.View{State: flow.StateReturning, Info: infoOf(providers.Telia), Order: broker.Order{Provider: providers.Telia}})
	signed("failure-at-telia", providers.ModeThis, flow.View{State: flow.StateFailed, Info: infoOf(providers.Telia), Order: broker.Order{Provider: providers.Telia},
		Failed: providers.Failed{Reason: providers.LevelTooLow, Text: textFor(providers.LevelTooLow)}})
	signed("returning", providers.ModeThis, flow.View{State: flow.StateReturning, Order: broker.Order{Provider: providers.BankID}})
	for _, r := range reasons() {
		signed("failed-"+string(r), providers.ModeOther, flow.View{State: flow.StateFailed, Failed: providers.Failed{Reason: r, Text: textFor(r)}})
	}

	rejections := map[providers.Reason]*oidc.Rejection{
		oidc.TooYoung: {Reason: oidc.TooYoung, Code: "access_denied", Text: providers.Text{
			SV: "Den här tjänsten är för den som har fyllt 18 år. Be en vårdnadshavare att logga in i stället, eller kontakta Exempelbo kommun.",
			EN: "This service is for people aged 18 or older. Ask a guardian to log in instead, or contact Exempelbo Municipality.",
		}},
		oidc.NotFresh: {Reason: oidc.NotFresh, Code: "login_required", Text: providers.Text{
			SV: "Tjänsten vill att du legitimerar dig på nytt, men din e-legitimation svarade med en tidigare inloggning. Försök igen eller välj en annan e-legitimation.",
			EN: "The service wants you to identify yourself again, but your e-ID answered with an earlier login. Try again, or choose another e-ID.",
		}},
		oidc.CoordinationNumber: {Reason: oidc.CoordinationNumber, Code: "access_denied", Text: providers.Text{
			SV: "Den här tjänsten kan inte ta emot samordningsnummer. Kontakta Exempelbo kommun så hjälper de dig på ett annat sätt.",
			EN: "This service cannot accept coordination numbers. Please contact Exempelbo Municipality and they will help you in another way.",
		}},
	}
	h.logins.finish = func(l broker.Login) error {
		if r, ok := rejections[providers.Reason(l.ID)]; ok {
			return r
		}
		return errors.New("the disk is full")
	}
	for r := range rejections {
		h.login(string(r))
		h.order(string(r), broker.OrderID("o-"+r), providers.MBankID, providers.ModeOther, flow.View{State: flow.StateComplete})
		via("rejected-"+string(r), "GET", "/login/"+string(r)+"/o-"+string(r)+"/done", nil, 403)
	}
	h.login("broken")
	h.order("broken", "o-broken", providers.MBankID, providers.ModeOther, flow.View{State: flow.StateComplete})
	via("error-internal", "GET", "/login/broken/o-broken/done", nil, 500)

	h.flow.arrivals["o-x wrong"] = flow.Arrival{Outcome: flow.WrongBrowser}
	h.flow.arrivals["o-x close"] = flow.Arrival{Outcome: flow.CloseWindow}
	via("return-wrong", "GET", "/return/o-x?n=wrong", nil, 403)
	via("return-close", "GET", "/return/o-x?n=close", nil, 200)
	via("return-spent", "GET", "/return/o-x?n=spent", nil, 410)

	via("front", "GET", "/", nil, 200)
	via("error-not-found", "GET", "/nowhere", nil, 404)
	via("error-method", "GET", "/login/"+loginOne+"/back", nil, 405)
	via("error-choice", "POST", "/login/"+loginOne, url.Values{"provider": {"telia"}}, 400)
	via("error-malformed", "POST", "/login/"+loginOne, url.Values{"x": {"y"}}, 400)
	via("error-too-large", "POST", "/login/"+loginOne, url.Values{"provider": {string(make([]byte, 20<<10))}}, 413)
	via("error-expired", "GET", "/login/gone", nil, 404)
	via("error-expired-known", "GET", "/login/gone", nil, 404, cookie(clientCookie, loginMark("gone")+".demo"))
	draw("error-too-many", 429, h.web.TooMany())
	via("error-cross-site", "POST", "/login/"+loginOne, nil, 403, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })

	pages, client := h.web.Pages, h.logins.clients["demo"]
	client.PostLogoutRedirectURIs = []string{"https://app.example.se/"}
	for _, code := range []string{
		oidc.FaultMalformed, oidc.FaultTooLarge, oidc.FaultClient, oidc.FaultRedirect, oidc.FaultResponseMode,
		oidc.FaultExpired, oidc.FaultCrossSite, oidc.FaultInternal,
	} {
		draw("fault-"+code, 400, func(w http.ResponseWriter, r *http.Request) {
			pages.Fault(w, r, oidc.Fault{Status: 400, Code: code, Client: &client})
		})
	}
	draw("logout-ask", 200, func(w http.ResponseWriter, r *http.Request) {
		pages.Logout(w, r, oidc.LogoutView{Confirm: true, Action: "/logout/handle", Handle: "handle", Client: &client, Back: client.Home})
	})
	draw("logout-done", 200, func(w http.ResponseWriter, r *http.Request) {
		pages.Logout(w, r, oidc.LogoutView{Client: &client, Back: client.Home})
	})
	draw("logout-done-unknown", 200, func(w http.ResponseWriter, r *http.Request) { pages.Logout(w, r, oidc.LogoutView{}) })
	// To our own host, so that looking at it leads nowhere.
	draw("onward", 200, func(w http.ResponseWriter, r *http.Request) {
		pages.FormPost(w, r, "http://"+r.Host+"/callback", [][2]string{{"code", "abc"}, {"state", `x"y`}})
	})
	return out
}

// signature is the errand of somebody who is about to sign.
func signature(m providers.Mode) Errand {
	e := Errand{
		Owner: "signing", Ref: "order.2", Order: "o-sign", Browser: browserOne, Provider: providers.MBankID, Mode: m,
		Sign: true, What: "Ansökan om plats i förskola",
		Look: LookOf(&broker.Client{Name: "Exempelbo kommun", NameEN: "Exempelbo Municipality"}, ""),
		Self: "/signing/demo/o/order/2/e/o-sign", Choices: "/signing/demo/o/order/2",
	}
	if m == providers.ModeThis {
		e.Provider = providers.BankID
	}
	e.Done = e.Self + "/done"
	return e
}

func textFor(r providers.Reason) providers.Text {
	switch r {
	case providers.Cancelled:
		return providers.Text{SV: "Du avbröt i BankID-appen.", EN: "You cancelled in the BankID app."}
	case providers.TimedOut:
		return providers.Text{SV: "Det tog för lång tid. Försök igen.", EN: "It took too long. Try again."}
	case providers.Blocked:
		return providers.Text{SV: "Ditt BankID är spärrat eller för gammalt. Skaffa ett nytt hos din bank eller välj ett annat.", EN: "Your BankID is blocked or too old. Get a new one from your bank, or use another."}
	case providers.StartFailed:
		return providers.Text{SV: "Koden lästes inte av i tid. Kontrollera appen och skanna en ny kod.", EN: "The code was not scanned in time. Check the app and scan a new code."}
	}
	return providers.Text{SV: "Något gick fel. Försök igen.", EN: "Something went wrong. Try again."}
}

// sampleOrder makes the order that a looked-at waiting sample asks for.
func (h *house) sampleOrder(r *http.Request) {
	r.Header.Del("Cookie")
	r.AddCookie(&http.Cookie{Name: page.BrowserCookie, Value: browserOne})
	login := r.PathValue("login")
	v := flow.View{State: flow.StatePending, Wait: waiting(providers.ModeOther)}
	mode := providers.ModeOther
	switch login {
	case "wait-picked":
		v.Wait = providers.Wait{Hint: "userSign", PickedUp: true, Text: providers.Text{SV: "Bekräfta i BankID-appen och välj Identifiera.", EN: "Confirm in the BankID app and choose Identify."}}
	case "wait-link", "wait-starting":
		v.Wait, mode = waiting(providers.ModeThis), providers.ModeThis
	case "away-redirect", "away-post":
		v.Wait, v.Away, mode = providers.Wait{Hint: "away"}, h.flow.away, providers.ModeThis
	case "away-checking":
		v.Wait, mode = providers.Wait{Hint: "processing", Text: providers.Text{SV: "Vi kontrollerar …", EN: "Checking …"}}, providers.ModeThis
	case "wait-freja-link":
		v.Wait, mode = providers.Wait{Link: "https://app.example.com/freja"}, providers.ModeThis
	case "away-returning", "returning":
		v.State, mode = flow.StateReturning, providers.ModeThis
	}
	h.login(login)
	id := providers.MBankID
	switch {
	case strings.HasPrefix(login, "away"):
		id = providers.Telia
	case strings.HasPrefix(login, "wait-freja"):
		id = providers.Freja
	}
	h.order(login, broker.OrderID(r.PathValue("order")), id, mode, v)
}
