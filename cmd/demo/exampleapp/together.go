package exampleapp

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // times as people in Sweden say them, on any machine
)

// together is the e-service in which several people sign the same thing. It plays
// a municipality's: what is signed, by whom and how it goes is the signing API's,
// and here are only the case numbers of whoever sits at this browser.
type together struct {
	app   *App
	desk  *desk
	hooks *hooks
	zone  *time.Location

	mu    sync.Mutex
	cases map[string]errand // by the key of the form
}

// errand is an order that somebody has sent from here.
type errand struct {
	owner string // the cookie of the browser
	order string // its id at the API
	title string
	sent  time.Time
}

const (
	hookPath   = "/webhooks/signing"
	makerCook  = "exempel_arenden"
	langCookie = "exempel_lang"
	mostErrand = 10_000
)

func newTogether(a *App) (*together, error) {
	h, err := newHooks(a.Signing.WebhookSecret, a.Now)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		return nil, err
	}
	return &together{
		app: a, hooks: h, zone: zone, cases: map[string]errand{},
		desk: &desk{issuer: a.Issuer, client: a.Signing.ClientID, secret: a.Signing.Secret, http: a.HTTP, tokenURL: func(ctx context.Context) (string, error) {
			p, err := a.discover(ctx)
			if err != nil {
				return "", err
			}
			return p.Endpoint().TokenURL, nil
		}},
	}, nil
}

func (t *together) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sign/{$}", t.blank)
	mux.HandleFunc("POST /sign/{$}", t.send)
	mux.HandleFunc("GET /sign/{key}", t.owned(t.status))
	mux.HandleFunc("POST /sign/{key}/remind", t.owned(t.act("remind", "reminded")))
	mux.HandleFunc("POST /sign/{key}/cancel", t.owned(t.act("cancel", "cancelled")))
	mux.HandleFunc("GET /sign/{key}/kvittens.pdf", t.owned(t.receipt))
	mux.HandleFunc("GET /sign/{key}/back", t.back)
}

// look is what every page needs to know of who looks.
type look struct {
	Lang  string
	Other string // address of this page in the other language; empty: it has one only
	Class string // of main
	Signs bool   // the application has people sign, too
}

// T chooses between a text in Swedish and the same in English.
func (l look) T(swedish, english string) string {
	if l.Lang == "en" {
		return english
	}
	return swedish
}

// look finds the language: as chosen now, as chosen before, as the browser likes.
func (t *together) look(w http.ResponseWriter, r *http.Request) look {
	l := look{Lang: "sv", Class: "claims", Signs: true}
	known := func(s string) bool { return s == "sv" || s == "en" }
	if c, err := r.Cookie(langCookie); err == nil && known(c.Value) {
		l.Lang = c.Value
	} else if first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ","); strings.HasPrefix(first, "en") {
		l.Lang = "en"
	}
	if asked := r.URL.Query().Get("lang"); known(asked) {
		l.Lang = asked
		http.SetCookie(w, &http.Cookie{Name: langCookie, Value: asked, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	if r.Method == http.MethodGet {
		l.Other = r.URL.Path + "?lang=" + map[string]string{"sv": "en", "en": "sv"}[l.Lang]
	}
	return l
}

func maker(r *http.Request) string {
	if c, err := r.Cookie(makerCook); err == nil {
		return c.Value
	}
	return ""
}

// blankView is the page with the form.
type blankView struct {
	look
	Form     form
	Mistakes []mistake
	Mine     []line // earlier ones of this browser
}

// line is a case in a list.
type line struct{ URL, Title, Text string }

// Mistake is what is wrong with a field.
func (v blankView) Mistake(field string) string {
	for _, m := range v.Mistakes {
		if m.Field == field {
			return m.Text
		}
	}
	return ""
}

func (t *together) blank(w http.ResponseWriter, r *http.Request) {
	l := t.look(w, r)
	f := form{
		Key: rand.Text(), Title: l.T("Förskoleplats från den 1 september", "A place at preschool from 1 September"),
		Text:  l.T("Vi ansöker om en plats på Exempelby förskola för vårt barn, måndag till fredag.", "We apply for a place at Exempelby preschool for our child, Monday to Friday."),
		Order: "parallel", Deadline: "week",
	}
	copy(f.People[:], t.app.Signing.People)
	t.showBlank(w, r, http.StatusOK, l, f, nil)
}

func (t *together) showBlank(w http.ResponseWriter, r *http.Request, status int, l look, f form, mistakes []mistake) {
	v := blankView{look: l, Form: f, Mistakes: mistakes, Mine: t.sentBy(l, maker(r))}
	t.app.render(w, status, "blank", v)
}

// sentBy lists the cases of a browser, the newest first.
func (t *together) sentBy(l look, owner string) []line {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(t.cases), func(a, b string) int { return t.cases[b].sent.Compare(t.cases[a].sent) })
	var out []line
	for _, key := range keys {
		if e := t.cases[key]; e.owner == owner {
			out = append(out, line{"/sign/" + key, e.title, reference(key) + ", " + t.when(l)(e.sent)})
		}
	}
	return out
}

// when says a time the way people do.
func (t *together) when(l look) func(time.Time) string {
	return func(at time.Time) string {
		at = at.In(t.zone)
		month := [...]string{"januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"}[at.Month()-1]
		return l.T(at.Format("2 ")+month+at.Format(" 2006 kl. 15.04"), at.Format("2 January 2006 at 15:04"))
	}
}

// send makes an order of the form.
func (t *together) send(w http.ResponseWriter, r *http.Request) {
	l := t.look(w, r)
	f, err := readForm(w, r)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errFileSize):
		t.showBlank(w, r, http.StatusRequestEntityTooLarge, l, f, []mistake{{"file", l.T("Bilagan är för stor. Den får vara högst 1 MB.", "The attachment is too large. It may be 1 MB at most.")}})
		return
	case errors.Is(err, errFileType):
		t.showBlank(w, r, http.StatusUnprocessableEntity, l, f, []mistake{{"file", l.T("Bilagan måste vara en PDF eller en bild (JPEG eller PNG).", "The attachment must be a PDF or an image (JPEG or PNG).")}})
		return
	case errors.As(err, &tooLarge):
		t.tell(w, l, http.StatusRequestEntityTooLarge, l.T("Det var för mycket på en gång. Bilagan får vara högst 1 MB.", "That was too much at once. The attachment may be 1 MB at most."))
		return
	case err != nil:
		t.tell(w, l, http.StatusBadRequest, l.T("Formuläret kom inte fram som det skulle. Börja om.", "The form did not arrive as it should. Start again."))
		return
	}
	owner := maker(r)
	if !keyShape.MatchString(owner) {
		owner = rand.Text()
	}
	t.mu.Lock()
	before, sent := t.cases[f.Key]
	t.mu.Unlock()
	switch {
	case sent && before.owner == owner: // pressed twice
		http.Redirect(w, r, "/sign/"+f.Key, http.StatusSeeOther)
		return
	case sent:
		t.sentBefore(w, l)
		return
	}
	o, err := t.desk.create(r.Context(), f.wish(l, t.app.BaseURL, t.app.Now()), f.Key)
	var no *refusal
	switch {
	case errors.As(err, &no) && len(no.Faults) > 0:
		t.showBlank(w, r, http.StatusUnprocessableEntity, l, f, l.mistakes(no))
		return
	case errors.As(err, &no) && no.Code == "idempotency_mismatch":
		t.sentBefore(w, l)
		return
	case err != nil:
		t.app.Log.Error("example application: order", "error", err)
		t.tell(w, l, http.StatusBadGateway, l.T("Underskriftstjänsten svarar inte som den ska. Försök igen om en stund.", "The signing service does not answer as it should. Try again in a while."))
		return
	}
	t.mu.Lock()
	if len(t.cases) >= mostErrand {
		clear(t.cases)
	}
	t.cases[f.Key] = errand{owner, o.ID, o.Title, t.app.Now()}
	t.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: makerCook, Value: owner, Path: "/sign/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/sign/"+f.Key, http.StatusSeeOther)
}

func (t *together) sentBefore(w http.ResponseWriter, l look) {
	t.tell(w, l, http.StatusConflict, l.T("Det här formuläret är redan skickat. Börja på ett nytt.", "This form has been sent already. Start a new one."))
}

// owned lets only the browser that sent an order in.
func (t *together) owned(h func(http.ResponseWriter, *http.Request, look, errand)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l := t.look(w, r)
		if e, ok := t.mine(r); ok {
			h(w, r, l, e)
			return
		}
		t.tell(w, l, http.StatusNotFound, l.T("Det finns inget sådant ärende, eller så skickades det från en annan webbläsare.", "There is no such case, or it was sent from another browser."))
	}
}

func (t *together) mine(r *http.Request) (errand, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.cases[r.PathValue("key")]
	return e, ok && e.owner == maker(r)
}

// tell shows a page that says one thing.
func (t *together) tell(w http.ResponseWriter, l look, status int, text string) {
	l.Class = ""
	t.app.render(w, status, "said", struct {
		look
		Heading, Text string
	}{l, l.T("Det gick inte", "That did not work"), text})
}

// statusView is the page of an order.
type statusView struct {
	look
	Self, Title, Reference, State, Lead, Deadline, Note string
	Steps                                               []step
	Open, Moves, Done                                   bool // Moves: more will happen
	Events                                              []told
	Issuer, Phone                                       string
}

// step is one signatory.
type step struct {
	Name, State, Text, Icon, Mark string
	URL                           string // to sign, for whoever gets no message
}

// told is one webhook.
type told struct{ At, Type, ID string }

func (t *together) status(w http.ResponseWriter, r *http.Request, l look, e errand) {
	o, err := t.desk.get(r.Context(), e.order)
	if err != nil {
		t.failed(w, l, err)
		return
	}
	v := statusView{
		look: l, Self: "/sign/" + r.PathValue("key"), Title: o.Title, Reference: o.Reference, Deadline: t.when(l)(o.Deadline), State: o.State,
		Open: o.State == "open", Moves: o.State == "open" || o.State == "sealing", Done: o.State == "completed", Note: l.note(r.URL.Query().Get("note")), Lead: l.lead(o, t.when(l)), Issuer: t.app.Issuer, Phone: t.app.Phone,
	}
	for _, s := range o.Signatories {
		v.Steps = append(v.Steps, l.step(o, s, t.when(l)))
	}
	for _, e := range t.hooks.of(o.ID) {
		v.Events = append(v.Events, told{e.At.In(t.zone).Format("15:04:05"), e.Type, e.ID})
	}
	t.app.render(w, http.StatusOK, "status", v)
}

func (t *together) failed(w http.ResponseWriter, l look, err error) {
	var no *refusal
	if errors.As(err, &no) && no.Code == "not_found" {
		t.tell(w, l, http.StatusNotFound, l.T("Underskriftstjänsten känner inte längre till ärendet.", "The signing service does not know of the case any more."))
		return
	}
	t.app.Log.Error("example application: order", "error", err)
	t.tell(w, l, http.StatusBadGateway, l.T("Underskriftstjänsten svarar inte som den ska. Försök igen om en stund.", "The signing service does not answer as it should. Try again in a while."))
}

// act does something to an order and says how it went.
func (t *together) act(what, done string) func(http.ResponseWriter, *http.Request, look, errand) {
	return func(w http.ResponseWriter, r *http.Request, l look, e errand) {
		_, err := t.desk.act(r.Context(), e.order, what)
		var no *refusal
		if errors.As(err, &no) && (no.Code == "too_soon" || no.Code == "order_over") {
			http.Redirect(w, r, "/sign/"+r.PathValue("key")+"?note="+no.Code, http.StatusSeeOther)
			return
		}
		if err != nil {
			t.failed(w, l, err)
			return
		}
		http.Redirect(w, r, "/sign/"+r.PathValue("key")+"?note="+done, http.StatusSeeOther)
	}
}

func (t *together) receipt(w http.ResponseWriter, r *http.Request, l look, e errand) {
	pdf, err := t.desk.receipt(r.Context(), e.order)
	if err != nil {
		t.failed(w, l, err)
		return
	}
	defer pdf.Close()
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `attachment; filename="`+reference(r.PathValue("key"))+`.pdf"`)
	_, _ = io.Copy(w, pdf)
}

// back is where signatories come when they are done. Whoever sent the order sees
// how it stands; the others have nothing to do here.
func (t *together) back(w http.ResponseWriter, r *http.Request) {
	if _, ok := t.mine(r); ok {
		http.Redirect(w, r, "/sign/"+r.PathValue("key"), http.StatusSeeOther)
		return
	}
	l := t.look(w, r)
	l.Class = ""
	t.app.render(w, http.StatusOK, "said", struct {
		look
		Heading, Text string
	}{l, l.T("Tack!", "Thank you!"), l.T("Du är tillbaka hos Exempelappen och kan stänga sidan.", "You are back at the example application and may close this page.")})
}

func (l look) note(n string) string {
	switch n {
	case "reminded":
		return l.T("En påminnelse är på väg till dem som inte har skrivit under.", "A reminder is on its way to those who have not signed.")
	case "cancelled":
		return l.T("Ärendet är avbrutet. De som hade fått en inbjudan får veta det.", "The case is cancelled. Those who had been invited are told.")
	case "too_soon":
		return l.T("Det är för kort tid sedan förra meddelandet. Vänta en stund.", "Too little time has passed since the last message. Wait a while.")
	case "order_over":
		return l.T("Det är för sent: ärendet är redan avslutat.", "It is too late: the case has ended already.")
	}
	return ""
}

// lead says how an order stands.
func (l look) lead(o order, when func(time.Time) string) string {
	signed := 0
	for _, s := range o.Signatories {
		if s.Signature != nil {
			signed++
		}
	}
	switch o.State {
	case "open":
		if signed == 0 {
			return l.T("Ingen har skrivit under än.", "Nobody has signed yet.")
		}
		return l.T("Väntar på fler underskrifter.", "Waiting for more signatures.")
	case "sealing":
		return l.T("Alla har skrivit under. Kvittensen görs i ordning.", "Everybody has signed. The receipt is being made.")
	case "completed":
		return l.T("Alla har skrivit under. Klart ", "Everybody has signed. Completed ") + when(o.CompletedAt) + "."
	case "refused":
		return l.T("Någon har tackat nej, så det blev ingen underskrift.", "Somebody has said no, so nothing is signed.")
	case "expired":
		return l.T("Alla hann inte skriva under i tid.", "Not everybody signed in time.")
	case "cancelled":
		return l.T("Avbrutet.", "Cancelled.")
	}
	return o.State
}

// step says how far a signatory has come.
func (l look) step(o order, s signatory, when func(time.Time) string) step {
	p := step{Name: s.Name, State: s.State, Icon: "clock"}
	switch {
	case s.Signature != nil:
		p.Icon, p.Mark, p.Text = "check", "done", l.T("Skrev under ", "Signed ")+when(s.Signature.At)
		return p
	case s.State == "refused":
		p.Icon, p.Mark, p.Text = "alert", "no", l.T("Har tackat nej", "Has said no")
		if s.Reason != "" {
			p.Text += ": ”" + s.Reason + "”"
		}
		return p
	case o.State != "open":
		p.Text = l.T("Skrev inte under", "Did not sign")
		return p
	}
	switch s.State {
	case "waiting":
		p.Text = l.T("Väntar på sin tur", "Waits for the others")
	case "opened":
		p.Text = l.T("Har öppnat", "Has opened it")
	case "delivery failed":
		p.Icon, p.Mark, p.Text = "alert", "no", l.T("Meddelandet gick inte att skicka", "The message could not be sent")
	default:
		p.Text = l.T("Har inte skrivit under än", "Has not signed yet")
	}
	var sent []string
	for _, d := range s.Deliveries {
		channel := map[string]string{"email": l.T("e-post", "e-mail"), "sms": "SMS"}[d.Channel]
		state := map[string]string{"queued": l.T("på väg", "on its way"), "sent": l.T("skickat ", "sent ") + when(d.At), "failed": l.T("kom inte fram", "failed")}[d.State]
		sent = append(sent, channel+" "+state)
	}
	if len(sent) > 0 {
		p.Text += " (" + strings.Join(sent, ", ") + ")"
	}
	if s.SignURL != "" && s.State != "waiting" {
		p.URL = s.SignURL
	}
	return p
}

// A field is an input of the form.
type field struct{ Name, Label, Type, Mode, Value, Problem string }

// Field makes one.
func (v blankView) Field(name, label, kind, value string) field {
	f := field{Name: name, Label: label, Type: kind, Value: value, Problem: v.Mistake(name)}
	if kind == "number" { // what looks like one and is none: no arrows, no rounding
		f.Type, f.Mode = "text", "numeric"
	}
	return f
}

// PersonField makes one of a person's.
func (v blankView) PersonField(n int, name, label, kind, value string) field {
	return v.Field(name+strconv.Itoa(n), label, kind, value)
}

// An option is one of a choice.
type option struct {
	Value, Label string
	Chosen       bool
}

// Option makes one.
func (v blankView) Option(chosen, value, label string) option {
	return option{value, label, chosen == value}
}
