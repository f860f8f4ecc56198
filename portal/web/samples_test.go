package web

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/login"
	"sigill/portal/register"
	"sigill/portal/sending"
)

// The samples of these tests: every page from the catalogue to the button that
// sends, in every state that looks different.

// picture is a page with something to show.
type picture struct {
	name   string
	status int
	draw   func(lang string) *httptest.ResponseRecorder
}

// filled are answers to preschool that are complete.
func filled(h *house) form.Answers {
	chosen := h.people.facts.Children[0]
	return form.Answers{
		"barn":           {Child: &chosen, Origin: form.FromRegister},
		"vh2_kontakt":    {Parts: map[string]string{"email": "tva@example.se", "phone": "0701740606"}},
		"startdatum":     {Parts: map[string]string{"day": "17", "month": "8", "year": "2026"}},
		"forskolor":      {Chosen: []string{"bjorken", "eken"}},
		"omfattning":     {Text: "32,5"},
		"sysselsattning": {Text: "studerar"},
		"syskon":         {Text: "no"},
		"behov":          {Chosen: []string{"allergi"}},
		"behov_mer":      {Text: "Barnet tål inte jordnötter.\nVi har intyg."},
		"mina":           {Parts: map[string]string{"email": "ett@example.se", "notify": "email"}},
	}
}

var allSteps = []string{"barnet", "platsen", "kontakt"}

// multi makes a form with files: pairs of a field's name and content.
func multi(t testing.TB, path, who string, posted url.Values, files ...string) *http.Request {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, values := range posted {
		for _, v := range values {
			if err := w.WriteField(name, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := 0; i+2 < len(files); i += 3 {
		f, err := w.CreateFormFile(files[i], files[i+1])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, files[i+2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := request(http.MethodPost, path, who, nil)
	r.Body, r.ContentLength = io.NopCloser(&b), int64(b.Len())
	r.Header.Set("Content-Type", w.FormDataContentType())
	return r
}

func pictures(t testing.TB) []picture {
	var out []picture
	add := func(name string, status int, make func(h *house) *http.Request) {
		out = append(out, picture{name, status, func(lang string) *httptest.ResponseRecorder {
			h := newHouse(t)
			r := make(h)
			r.Header.Set("Accept-Language", lang)
			return h.do(r)
		}})
	}
	get := func(name, who, path string) {
		add(name, 200, func(h *house) *http.Request { return request("GET", path, who, nil) })
	}
	at := func(id portal.DraftID, below string) string { return base + "/utkast/" + string(id) + below }

	get("tenants", "", "/")
	get("start", "", base+"/")
	get("start-person", "one", base+"/")
	get("start-themed", "", "/annanstad/")
	get("search", "", base+"/?q=f%C3%B6rskola")
	get("search-none", "", base+"/?q=xyz")
	add("start-empty", 200, func(h *house) *http.Request {
		h.catalogue.services = nil
		return request("GET", base+"/", "", nil)
	})
	get("service", "", base+"/e/forskoleplats")
	add("service-drafts", 200, func(h *house) *http.Request {
		h.draft("one", h.catalogue.services[0], nil)
		id := h.draft("one", h.catalogue.services[0], nil)
		h.drafts.drafts[id].State = portal.Waiting
		return request("GET", base+"/e/forskoleplats", "one", nil)
	})
	get("service-anonymous", "", base+"/e/felanmalan")
	get("service-all", "", base+"/e/alla-slag")
	get("login", "", base+"/logga-in")
	get("login-land", "", base+"/mina-sidor")

	refused := func(why string, status int, begin portal.ServiceID) {
		add("refused-"+why, status, func(h *house) *http.Request {
			h.logins.outcome = login.Outcome{Refused: why, Aim: login.Aim{Path: "/e/forskoleplats", Begin: begin}}
			return request("GET", base+"/inloggad?code=x&state=y", "", nil)
		})
	}
	refused("protected", 403, "")
	refused("coordination", 403, "forskoleplats")
	refused("unknown", 403, "")
	refused("cancelled", 200, "forskoleplats")
	refused("failed", 400, "")
	add("too-many", 409, func(h *house) *http.Request {
		h.drafts.begin = drafts.ErrTooMany
		return request("POST", base+"/e/forskoleplats/starta", "one", nil)
	})

	step := func(name, id, service string, change func(*house, portal.DraftID), query string) {
		add(name, 200, func(h *house) *http.Request {
			i := map[string]int{"forskoleplats": 0, "felanmalan": 1, "alla-slag": 2}[service]
			who := "one"
			if service == "felanmalan" {
				who = "browser"
			}
			d := h.draft(who, h.catalogue.services[i], nil)
			if change != nil {
				change(h, d)
			}
			return request("GET", at(d, "/s/"+id+query), who, nil)
		})
	}
	answers := func(a form.Answers, saved ...string) func(*house, portal.DraftID) {
		return func(h *house, id portal.DraftID) {
			for k, v := range a {
				h.drafts.drafts[id].Answers[k] = v
			}
			h.drafts.drafts[id].Saved = saved
		}
	}
	whole := func(h *house, id portal.DraftID) { answers(filled(h), allSteps...)(h, id) }
	step("step", "barnet", "forskoleplats", nil, "")
	step("step-guardian", "barnet", "forskoleplats", whole, "?visa=nya")
	step("step-place", "platsen", "forskoleplats", whole, "")
	step("step-file", "platsen", "forskoleplats", func(h *house, id portal.DraftID) {
		whole(h, id)
		h.drafts.drafts[id].Answers["studieintyg"] = form.Value{Files: []form.File{{ID: portal.NewID(), Name: "intyg från skolan.pdf", Type: "application/pdf", Size: 1_830_000}}}
	}, "?fran=granska")
	step("step-contact", "kontakt", "forskoleplats", whole, "?visa=aterstallt")
	step("step-anonymous", "felet", "felanmalan", nil, "")
	step("step-back", "barnet", "forskoleplats", func(h *house, id portal.DraftID) {
		whole(h, id)
		d := h.drafts.drafts[id]
		d.Returned, d.RefusedBy, d.Reason = portal.ReturnedRefused, "Testperson Två", "Fel startdatum."
	}, "")
	step("step-no-register", "barnet", "forskoleplats", func(h *house, id portal.DraftID) {
		h.people.facts.NoRegister, h.people.facts.Children = true, nil
		h.people.facts.Applicant.FromRegister, h.people.facts.Applicant.Address = false, ""
		h.drafts.drafts[id].Saved = []string{"barnet"}
	}, "?visa=fel")
	step("step-hidden-child", "barnet", "forskoleplats", func(h *house, id portal.DraftID) {
		h.people.facts.HiddenChildren, h.people.facts.Children = true, h.people.facts.Children[:1]
	}, "")
	step("all", "alla", "alla-slag", nil, "")
	step("all-empty", "alla", "alla-slag", answers(nil, "alla"), "?visa=fel")
	step("all-wrong", "alla", "alla-slag", answers(wrong(), "alla"), "?visa=fel")
	step("neighbour", "grannen", "alla-slag", func(h *house, id portal.DraftID) { answers(right(h), "alla")(h, id) }, "")
	step("neighbour-wrong", "grannen", "alla-slag", func(h *house, id portal.DraftID) {
		answers(right(h), "alla", "grannen")(h, id)
		h.drafts.drafts[id].Answers["granne_nummer"] = form.Value{Text: "123"}
	}, "?visa=fel")
	add("bad-file", 422, func(h *house) *http.Request {
		d := h.draft("one", h.catalogue.services[0], filled(h), allSteps...)
		return multi(t, at(d, "/s/platsen"), "one", url.Values{"revision": {"1"}, "go": {"attach:studieintyg"}, "sysselsattning": {"studerar"}}, "studieintyg", "spel.exe", "MZ")
	})
	add("saved", 200, func(h *house) *http.Request {
		return request("GET", at(h.draft("one", h.catalogue.services[0], nil), "/sparat"), "one", nil)
	})
	add("held", 200, func(h *house) *http.Request {
		d := h.draft("one", h.catalogue.services[0], nil)
		return multi(t, at(d, "/s/platsen"), "", url.Values{"revision": {"1"}, "go": {"next"}}, "studieintyg", "intyg.pdf", "%PDF")
	})

	review := func(name string, status int, change func(*house, portal.DraftID), query string) {
		add(name, status, func(h *house) *http.Request {
			d := h.draft("one", h.catalogue.services[0], filled(h), allSteps...)
			if change != nil {
				change(h, d)
			}
			return request("GET", at(d, "/granska"+query), "one", nil)
		})
	}
	review("review", 200, nil, "")
	review("review-alone", 200, func(h *house, id portal.DraftID) {
		h.catalogue.tenants[0].Invite = "code"
		chosen := h.people.facts.Children[1]
		h.drafts.drafts[id].Answers["barn"] = form.Value{Child: &chosen}
	}, "?visa=andrad")
	add("review-anonymous", 200, func(h *house) *http.Request {
		d := h.draft("browser", h.catalogue.services[1], form.Answers{
			"slag": {Text: "ljus"}, "plats": {Text: "Storgatan 1"}, "beskrivning": {Text: "Lampan är släckt."}, "aterkoppling": {Text: "no"},
		}, "felet", "kontakt")
		return request("GET", at(d, "/granska"), "browser", nil)
	})
	send := func(name string, status int, err error) {
		add(name, status, func(h *house) *http.Request {
			d := h.draft("one", h.catalogue.services[0], filled(h), allSteps...)
			h.desk.err = err
			return request("POST", at(d, "/skicka"), "one", url.Values{"revision": {"1"}, "notice": {h.noticeOf(h.catalogue.services[0])}})
		})
	}
	send("unsent-refused", 422, &sending.Refused{Faults: []form.Fault{{Field: "vh2_kontakt", Part: "email", Code: form.FaultReach}}})
	send("unsent-changed", 409, sending.ErrChanged)
	send("unsent-unsure", 503, sending.ErrUnsure)
	send("unsent-protected", 403, register.ErrProtected)
	add("conflict", 200, func(h *house) *http.Request {
		d := h.draft("one", h.catalogue.services[0], filled(h), allSteps...)
		late := *h.drafts.drafts[d]
		late.Answers = filled(h)
		late.Answers["omfattning"], late.Answers["behov"] = form.Value{Text: "20"}, form.Value{}
		h.drafts.asides[d] = late
		return request("GET", at(d, "/krock"), "one", nil)
	})
	add("remove", 200, func(h *house) *http.Request {
		return request("GET", at(h.draft("one", h.catalogue.services[0], nil), "/ta-bort"), "one", nil)
	})
	get("out", "", base+"/utloggad")
	get("out-idle", "", base+"/utloggad?till=/mina-sidor")

	add("error-not-found", 404, func(*house) *http.Request { return request("GET", base+"/nix", "one", nil) })
	add("error-no-tenant", 404, func(*house) *http.Request { return request("GET", "/nix", "", nil) })
	add("error-method", 405, func(*house) *http.Request { return request("GET", base+"/logga-ut", "one", nil) })
	add("error-internal", 500, func(*house) *http.Request { return request("GET", base+"/", "broken", nil) })
	add("error-too-large", 413, func(h *house) *http.Request {
		d := h.draft("one", h.catalogue.services[0], nil)
		return request("POST", at(d, "/s/barnet"), "one", url.Values{"x": {strings.Repeat("x", maxTyped+1)}})
	})
	add("error-origin", 403, func(*house) *http.Request {
		r := request("POST", base+"/logga-ut", "one", nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		return r
	})
	return out
}

// wrong are answers to everything in which something is wrong, each.
func wrong() form.Answers {
	return form.Answers{
		"rad": {Text: strings.Repeat("lång ", 9)}, "tal": {Text: "99"}, "dag": {Parts: map[string]string{"day": "31", "month": "2", "year": "2027"}},
		"epost": {Text: "ett@"}, "mobil": {Text: "070"}, "ettval": {Text: "c"}, "janej": {Text: "yes"}, "flera": {Chosen: []string{"a", "b", "c"}},
		"lista": {Text: "nix"}, "ordning": {Chosen: []string{"eken", "eken"}}, "barn": {Child: &form.Child{Key: "nix"}},
		"mitt": {Parts: map[string]string{"email": "ett@example.se", "phone": "12", "notify": "both"}},
	}
}

// right are answers to everything that are complete.
func right(h *house) form.Answers {
	chosen := h.people.facts.Children[0]
	return form.Answers{
		"rad": {Text: "kort"}, "tal": {Text: "2,5"}, "dag": {Parts: map[string]string{"day": "1", "month": "9", "year": "2026"}},
		"epost": {Text: "ett@example.se"}, "mobil": {Text: "0701740605"}, "ettval": {Text: "a"}, "janej": {Text: "no"}, "flera": {Chosen: []string{"a", "b"}},
		"lista": {Text: "eken"}, "ordning": {Chosen: []string{"eken", "linden"}}, "barn": {Child: &chosen},
		"bilaga": {Files: []form.File{{ID: portal.NewID(), Name: "a.pdf", Type: "application/pdf", Size: 900}}},
		"mitt":   {Parts: map[string]string{"email": "ett@example.se", "notify": "email"}},
	}
}

// noticeOf is the version of the notice that the review of a service shows.
func (h *house) noticeOf(s *form.Service) string {
	return h.web.noticeVersion(visit{tenant: h.catalogue.tenants[0], lang: "sv"}, s)
}

// gallery serves every page with sample data.
func gallery(t testing.TB) (http.Handler, []string) {
	all := pictures(t)
	h := newHouse(t)
	mux := http.NewServeMux()
	var names []string
	list := ""
	for _, p := range all {
		names = append(names, p.name)
		list += fmt.Sprintf(`<li><a href="/gallery/%[1]s?lang=sv">%[1]s</a> <a href="/gallery/%[1]s?lang=en">en</a>`, html.EscapeString(p.name))
		mux.HandleFunc("GET /gallery/"+p.name, func(w http.ResponseWriter, r *http.Request) {
			lang := r.URL.Query().Get("lang")
			if lang == "" {
				lang = "sv"
			}
			drawn := p.draw(lang)
			for k, v := range drawn.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(drawn.Code)
			_, _ = w.Write(drawn.Body.Bytes())
		})
	}
	mux.HandleFunc("GET /gallery/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Gallery</title><ul>"+list)
	})
	mux.Handle("/", h.handler)
	return mux, names
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
