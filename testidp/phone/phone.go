// Package phone is the phone of the simulated e-IDs: pages on which a human
// picks a person, opens orders, reads what they say and approves or refuses.
// TEST ONLY: it asks for no security code.
//
// It owns the pages, their texts and their look, the address that app links
// lead to (DESIGN.md section 6, /app), and the pages on which mail and SMS are
// read. What an order may do is the
// simulators' business. An order that nobody has opened cannot be seen here:
// it takes the QR frame of the moment (by the camera, or pasted) or the app
// link, as with a real phone. Orders of e-IDs that have a web site of their own
// are decided there; the phone only shows the way.
package phone

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"sigill/testidp/control"
	"sigill/testidp/inbox"
	"sigill/testidp/markdown"
	"sigill/testidp/persons"
)

//go:embed assets
var assets embed.FS

// AppPath is where app links lead to: BankID's with ?autostarttoken=, those of
// a Linker below it, by the simulator's name, with whatever they say.
const AppPath = "/app"

const (
	personCookie   = "testidp_person"
	languageCookie = "testidp_language"
	maxForm        = 16 << 10
)

// A Simulator is what the phone needs of an e-ID.
type Simulator interface {
	Name() string
	control.Ledger
	control.Device
}

// A Camera is a simulator that knows what the phone of a person would read from
// the screen. It stands in for holding a phone to it, for people who have only a
// browser.
type Camera interface {
	InView(pnr string) (qr string, ok bool)
}

// A Linker is a simulator whose app links say more than a token.
type Linker interface {
	// OpenLink opens the order of an app link on the device where the browser is.
	// Errors are those of control.Device's Scan.
	OpenLink(link string) (id string, err error)
}

// A Phone serves the pages.
type Phone struct {
	base       string // its own address
	people     *persons.Directory
	simulators []control.Simulator // whose orders are opened here
	sites      []control.Simulator // whose orders have pages of their own
	autos      *control.Autos
	inbox      *inbox.Inbox
	pages      *template.Template
}

// Config is what a phone needs.
type Config struct {
	BaseURL string // how browsers reach it, without a slash at the end
	People  *persons.Directory
	Apps    []control.Simulator // e-IDs with an app on the phone
	Sites   []control.Simulator // e-IDs with a web site of their own
	Autos   *control.Autos
	Inbox   *inbox.Inbox
}

// New makes a phone.
func New(c Config) (*Phone, error) {
	pages, err := template.New("").ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	return &Phone{base: c.BaseURL, people: c.People, simulators: c.Apps, sites: c.Sites, autos: c.Autos, inbox: c.Inbox, pages: pages}, nil
}

// Handler routes /, /app and everything under /phone/ and /inbox.
func (p *Phone) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET "+AppPath, p.app)
	mux.HandleFunc("GET "+AppPath+"/{eid}", p.appLink)
	mux.HandleFunc("POST /phone/person", p.choosePerson)
	mux.HandleFunc("POST /phone/language", p.chooseLanguage)
	mux.HandleFunc("POST /phone/scan", p.scan)
	mux.HandleFunc("GET /phone/orders/{id}", p.order)
	mux.HandleFunc("POST /phone/orders/{id}", p.act)
	mux.HandleFunc("GET "+inboxPath, p.listMessages)
	mux.HandleFunc("GET "+inboxPath+"/{id}", p.showMessage)
	mux.HandleFunc("GET "+inboxPath+"/{id}/html", p.showHTML)
	mux.HandleFunc("POST "+inboxPath+"/clear", p.clearInbox)
	mux.HandleFunc("GET /phone/style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, "assets/style.css")
	})
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

// A page is what the templates draw.
type page struct {
	T       texts
	Title   string
	Refresh string // content of a meta refresh; empty for none
	Person  *persons.Person
	People  []persons.Person
	Notice  string
	QR      string
	Orders  []control.Order
	Sites   []control.Order // with their pages as ReturnURL
	Order   *orderView
	Inbox   *inboxView
	Message *messageView
	Here    string // the page of the inbox to come back to; empty: none
}

// An orderView is an order as its page shows it.
type orderView struct {
	control.Order
	Blocks  []markdown.Block
	Broken  string // why the text cannot be shown
	Refused string // why this person cannot go on
	Devices []deviceChoice
	Return  template.URL // where the app goes afterwards; empty for nowhere
}

type deviceChoice struct{ Value, Label string }

func (p *Phone) page(r *http.Request) page {
	pg := page{T: textsFor(cookie(r, languageCookie)), People: p.people.List()}
	if who, ok := p.people.ByID(cookie(r, personCookie)); ok {
		pg.Person = &who
	}
	return pg
}

func (p *Phone) draw(w http.ResponseWriter, status int, name string, pg page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	// A template that fails half-way leaves a broken page, which a test sees.
	p.pages.ExecuteTemplate(w, name, pg)
}

func (p *Phone) home(w http.ResponseWriter, r *http.Request) {
	pg := p.page(r)
	if pg.Person == nil || r.URL.Query().Has("person") {
		pg.Title = pg.T.Choose
		p.draw(w, http.StatusOK, "people", pg)
		return
	}
	p.drawHome(w, http.StatusOK, pg)
}

func (p *Phone) drawHome(w http.ResponseWriter, status int, pg page) {
	pg.Title = pg.T.Phone
	for _, s := range p.simulators {
		for _, o := range s.Orders() {
			if o.State == control.Pending && visible(o, *pg.Person) {
				pg.Orders = append(pg.Orders, o)
			}
		}
	}
	for _, s := range p.sites {
		for _, o := range s.Orders() {
			if o.State == control.Pending && (o.RequiredPnr == "" || o.RequiredPnr == pg.Person.Number) {
				pg.Sites = append(pg.Sites, o)
			}
		}
	}
	p.draw(w, status, "home", pg)
}

// onPhone reports whether an order is on anybody's phone: somebody has opened it,
// or it came there by itself.
func onPhone(o control.Order) bool { return o.PickedUp || o.Pushed }

// visible reports whether an order is on this person's phone: somebody has
// opened it and it is nobody else's, it was pushed to the person, or it belongs to
// a call with the person.
func visible(o control.Order, who persons.Person) bool {
	if o.Call || o.Pushed && !o.PickedUp {
		return onPhone(o) && o.RequiredPnr == who.Number
	}
	return o.PickedUp && (o.Person == "" || o.Person == who.Number)
}

func (p *Phone) choosePerson(w http.ResponseWriter, r *http.Request) {
	if who, ok := p.people.ByID(field(w, r, "person")); ok {
		remember(w, personCookie, who.ID)
	}
	http.Redirect(w, r, back(r), http.StatusSeeOther)
}

func (p *Phone) chooseLanguage(w http.ResponseWriter, r *http.Request) {
	if l := field(w, r, "language"); l == "sv" || l == "en" {
		remember(w, languageCookie, l)
	}
	http.Redirect(w, r, back(r), http.StatusSeeOther)
}

// back is the page of ours that a form asks to return to.
func back(r *http.Request) string {
	if id := r.PostFormValue("order"); id != "" && !strings.ContainsAny(id, "/\\?#") {
		return "/phone/orders/" + url.PathEscape(id)
	}
	if page, ok := inboxPage(r.PostFormValue("here")); ok {
		return page
	}
	return "/"
}

func (p *Phone) scan(w http.ResponseWriter, r *http.Request) {
	pg := p.page(r)
	if pg.Person == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	code := strings.TrimSpace(field(w, r, "qr"))
	if field(w, r, "camera") != "" {
		var ok bool
		if code, ok = p.inView(pg.Person.Number); !ok {
			pg.Notice = pg.T.NothingInView
			p.drawHome(w, http.StatusNotFound, pg)
			return
		}
	}
	id, err := control.Scan(p.simulators, control.Code{QR: code})
	if err != nil {
		pg.QR, pg.Notice = code, pg.T.ScanFailed+" ("+err.Error()+")"
		p.drawHome(w, http.StatusBadRequest, pg)
		return
	}
	http.Redirect(w, r, "/phone/orders/"+url.PathEscape(id), http.StatusSeeOther)
}

func (p *Phone) inView(pnr string) (string, bool) {
	for _, s := range p.simulators {
		if c, ok := s.(Camera); ok {
			if qr, ok := c.InView(pnr); ok {
				return qr, true
			}
		}
	}
	return "", false
}

// app is where app links lead. It opens the order, as a real app does, and is
// the same page when it is loaded again.
func (p *Phone) app(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("autostarttoken")
	s, o, ok := p.byToken(token)
	if !ok {
		p.unknown(w, r)
		return
	}
	if _, obeyed := p.autos.For(s.Name()); obeyed {
		p.obeyed(w, r, o)
		return
	}
	if o.State == control.Pending && !o.PickedUp {
		// Whoever opens it first has it; if that was somebody else just now,
		// the order's page tells.
		s.Scan(control.Code{AutoStartToken: token})
	}
	http.Redirect(w, r, "/phone/orders/"+url.PathEscape(o.ID), http.StatusSeeOther)
}

// appLink is where the app links of a Linker lead.
func (p *Phone) appLink(w http.ResponseWriter, r *http.Request) {
	for _, s := range p.simulators {
		linker, ok := s.(Linker)
		if !ok || s.Name() != r.PathValue("eid") {
			continue
		}
		id, err := linker.OpenLink(p.base + r.URL.RequestURI())
		if err != nil {
			// Loaded again, or somebody else was first: the order's page tells.
			ref, _, _ := strings.Cut(r.URL.Query().Get("transactionReference"), ".")
			id = ref
		}
		o, ok := s.Order(id)
		if !ok {
			break
		}
		if _, obeyed := p.autos.For(s.Name()); obeyed {
			// Who obeys may have been faster than the link.
			if back := r.URL.Query().Get("originAppScheme"); o.ReturnURL == "" {
				o.ReturnURL = back
			}
			p.obeyed(w, r, o)
			return
		}
		http.Redirect(w, r, "/phone/orders/"+url.PathEscape(id), http.StatusSeeOther)
		return
	}
	p.unknown(w, r)
}

// obeyed plays the app of a person who approves everything: it only waits and
// goes back.
func (p *Phone) obeyed(w http.ResponseWriter, r *http.Request, o control.Order) {
	pg := p.page(r)
	switch target, ok := returnURL(o.ReturnURL); {
	case o.State == control.Pending:
		pg.Title, pg.Refresh = pg.T.Working, "1"
		p.draw(w, http.StatusOK, "waiting", pg)
	case o.State == control.Complete && ok:
		w.Header().Set("Location", string(target))
		w.WriteHeader(http.StatusSeeOther)
	default:
		http.Redirect(w, r, "/phone/orders/"+url.PathEscape(o.ID), http.StatusSeeOther)
	}
}

// order shows an order that has been opened.
func (p *Phone) order(w http.ResponseWriter, r *http.Request) {
	s, o, ok := p.byID(r.PathValue("id"))
	if !ok || !onPhone(o) {
		p.unknown(w, r)
		return
	}
	pg := p.page(r)
	v := &orderView{Order: o}
	pg.Order = v
	if o.State != control.Pending {
		p.drawEnd(w, pg)
		return
	}
	if pg.Person == nil {
		pg.Title = pg.T.Choose
		p.draw(w, http.StatusOK, "people", pg)
		return
	}
	if o.Hint == "started" || !o.PickedUp {
		// The app looks for an e-ID of the person that will do.
		if _, err := s.Act(o.ID, control.Action{Action: "start", Pnr: pg.Person.Number}); err != nil {
			v.Refused = pg.T.NoEID
		}
		if _, v.Order, ok = p.byID(o.ID); !ok {
			p.unknown(w, r)
			return
		}
	}
	if v.Person != "" && v.Person != pg.Person.Number {
		v.Refused = pg.T.Others
	}
	if v.Hint == "processing" {
		pg.Title, pg.Refresh = pg.T.Working, "1"
		p.draw(w, http.StatusOK, "waiting", pg)
		return
	}
	if v.Markdown {
		blocks, err := markdown.Parse(v.Text)
		v.Blocks = blocks
		if err != nil {
			v.Broken = err.Error()
		}
	}
	if v.SameDevice && len(v.Order.Devices) > 1 {
		for _, d := range v.Order.Devices {
			v.Devices = append(v.Devices, deviceChoice{d, pg.T.device(d)})
		}
	}
	pg.Title = pg.T.Identify
	if v.Kind == "sign" {
		pg.Title = pg.T.Sign
	}
	p.draw(w, http.StatusOK, "order", pg)
}

// drawEnd shows an order that is over; on the device where the browser is, the
// way leads back there.
func (p *Phone) drawEnd(w http.ResponseWriter, pg page) {
	pg.Title = pg.T.Stopped
	target, ok := returnURL(pg.Order.ReturnURL)
	if ok && pg.Order.SameDevice {
		pg.Order.Return = target
	}
	if pg.Order.State == control.Complete {
		pg.Title = pg.T.Done
		if pg.Order.Return != "" {
			pg.Refresh = "1;url=" + string(target)
		}
	}
	p.draw(w, http.StatusOK, "end", pg)
}

// act does what the person pressed.
func (p *Phone) act(w http.ResponseWriter, r *http.Request) {
	s, o, ok := p.byID(r.PathValue("id"))
	pg := p.page(r)
	if !ok || !onPhone(o) || pg.Person == nil {
		p.unknown(w, r)
		return
	}
	a := control.Action{Pnr: pg.Person.Number, Device: field(w, r, "device")}
	switch field(w, r, "do") {
	case "approve":
		a.Action = "approve"
	case "confirm": // the call, or the document that was read
		a.Action = "start"
	case "decline":
		a.Action, a.Hint = "fail", "userDeclinedCall"
	case "unread":
		a.Action, a.Hint = "fail", "mrtdVerificationFailed"
	default:
		a.Action = "cancel"
	}
	// A refusal shows on the order's page: the order is over, or the person
	// has no fitting e-ID.
	s.Act(o.ID, a)
	http.Redirect(w, r, "/phone/orders/"+url.PathEscape(o.ID), http.StatusSeeOther)
}

func (p *Phone) unknown(w http.ResponseWriter, r *http.Request) {
	pg := p.page(r)
	pg.Title = pg.T.Unknown
	p.draw(w, http.StatusNotFound, "unknown", pg)
}

func (p *Phone) byID(id string) (Simulator, control.Order, bool) {
	for _, s := range p.simulators {
		if o, ok := s.Order(id); ok {
			return s, o, true
		}
	}
	return nil, control.Order{}, false
}

func (p *Phone) byToken(token string) (Simulator, control.Order, bool) {
	for _, s := range p.simulators {
		if o, ok := s.ByToken(token); ok && token != "" {
			return s, o, true
		}
	}
	return nil, control.Order{}, false
}

// returnURL lets through what an app would open: a web address or another
// app's scheme, and nothing that runs in the page.
func returnURL(s string) (template.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || s == "" || strings.ContainsAny(s, "\"'<> \r\n\t") {
		return "", false
	}
	switch strings.ToLower(u.Scheme) {
	case "", "javascript", "data", "vbscript", "file", "blob", "about":
		return "", false
	}
	return template.URL(s), true
}

func field(w http.ResponseWriter, r *http.Request, name string) string {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	return r.PostFormValue(name)
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

func remember(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: 30 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
