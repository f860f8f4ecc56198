// Package web is the portal's pages: the catalogue, an e-service's first page,
// its steps, review, waiting for signatures, Mina sidor, a case, the profile,
// and the officers' pages.
//
// It owns what is shown and asked, one page a file, and decides no right: every
// room it asks answers portal.ErrNotFound to whoever may not see, and that is a
// 404 here. Every page works without script; what script adds is saving by
// itself and the warning before the session ends.
//
// Everything of a tenant lies below its base path. Addresses, in Swedish since
// people read them:
//
//	GET  /                                 the tenants, where there are several
//	GET  {t}/                              first page: services, search (?q=)
//	GET  {t}/e/{service}                   an e-service's first page
//	POST {t}/e/{service}/starta            begin: to login, or to the first step
//	GET  {t}/utkast/{draft}                to the first step that is not done
//	GET, POST {t}/utkast/{draft}/s/{step}  a step; the post says what with "go":
//	                                       next, save, back, attach:{field}, detach:{field}:{file}, auto
//	GET  {t}/utkast/{draft}/sparat         it is saved, and has not been sent
//	GET  {t}/utkast/{draft}/granska        review; POST …/skicka sends it (revision, notice)
//	GET  {t}/utkast/{draft}/fil/{file}     a file of it
//	GET, POST {t}/utkast/{draft}/krock     two windows saved it: which one holds
//	GET, POST {t}/utkast/{draft}/ta-bort   asks, then removes
//	GET  {t}/utkast/{draft}/vantar         väntar på flerpartssignering: the timeline
//	POST {t}/utkast/{draft}/vantar         "do": remind, correct (n, email, phone), withdraw, send (what was locked)
//	GET  {t}/utkast/{draft}/signerat       back from the signing room
//	GET  {t}/arende/{case}                 a case; …/inskickat is the confirmation
//	GET  {t}/arende/{case}/fil/{file}      a document of it
//	POST {t}/arende/{case}/meddelande      a message (text, once)
//	GET  {t}/mina-sidor                    not sent, sent, closed
//	GET, POST {t}/profil                   how one wants to be told
//	GET, POST {t}/logga-in?till=…          asks, and the post begins a login; {t}/inloggad takes it back
//	POST {t}/logga-ut                      {t}/utloggad says good-bye
//	POST {t}/kvar                          prolongs the session: 204, or 401
//	GET  {t}/handlaggare/                  officers: list; logga-in, inloggad, logga-ut, utloggad
//	GET  {t}/handlaggare/arende/{case}     read; …/fil/{file}; POST …/meddelande, …/status
//	POST {t}/krok                          the signing service's webhook
//	GET  {t}/logga                         the tenant's logo; files of ours lie under /static/
//
// A tenant is found by host and path together, and nothing of it is kept between
// requests: tenants may come and go while the program runs. Whoever is not
// logged in is shown the login in place of a personal page, with the same
// address; a form that comes when its login has ended is kept until the person
// has logged in again.
package web

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // times are said as people here say them, on any machine

	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/form"
	"sigill/portal/login"
	"sigill/portal/sending"
	"sigill/portal/store"
)

//go:embed sv.json en.json
var texts embed.FS

//go:embed all:templates
var templates embed.FS

//go:embed static
var static embed.FS

// Config is what the pages are made of.
type Config struct {
	Catalogue Catalogue
	Drafts    Drafts
	Files     DraftFiles
	Desk      Desk
	Waiting   Waiting
	Cases     Cases
	Officers  Officers
	People    People
	Logins    Logins
	Holds     Holds
	Staff     Staff
	// News takes a checked webhook; Secret is what it is signed with.
	News   func(ctx context.Context, t portal.TenantID, order string) error
	Secret func(portal.TenantID) ([]byte, error)
	// Issuer is the origin of login and signing room: forms may end there.
	Issuer string
	// StaffIssuer is that of the officers' login; empty: there is none.
	StaffIssuer string
	Assets      *design.Assets
	Cookies     page.Cookies
	// Uploads is how many bytes of files on their way in are held at once;
	// default 200 MiB.
	Uploads int64
	Now     func() time.Time
	Log     *slog.Logger
}

// Catalogue is what exists: portal/catalogue.
type Catalogue interface {
	Tenants() []portal.Tenant
	Tenant(portal.TenantID) (portal.Tenant, bool)
	Offered(portal.TenantID) []*form.Service
	Service(portal.TenantID, portal.ServiceID) (*form.Service, bool)
	Version(ctx context.Context, hash string) (*form.Service, error)
	Find(t portal.TenantID, lang, words string) []*form.Service
	Logo(portal.TenantID) (fs.File, error)
}

// Drafts and DraftFiles are portal/drafts.
type Drafts interface {
	Begin(context.Context, portal.Visitor, portal.TenantID, portal.ServiceID) (portal.DraftID, error)
	Open(context.Context, portal.Visitor, portal.DraftID) (portal.Draft, error)
	List(context.Context, portal.Visitor) ([]portal.DraftHead, error)
	Save(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, step string, a form.Answers, done bool) (portal.Draft, error)
	Aside(context.Context, portal.Visitor, portal.DraftID) (portal.Draft, error)
	Settle(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, aside bool) (portal.Draft, error)
	Remove(context.Context, portal.Visitor, portal.DraftID) error
}

// DraftFiles keeps what is enclosed.
type DraftFiles interface {
	Attach(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, field, name string, content io.Reader) (portal.Draft, error)
	Detach(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, field string, file portal.FileID) (portal.Draft, error)
	File(ctx context.Context, v portal.Visitor, id portal.DraftID, file portal.FileID) (form.File, []byte, error)
}

// Desk and Waiting are portal/sending.
type Desk interface {
	Send(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, notice string) (sending.Sent, error)
	Stand(context.Context, portal.Visitor, portal.DraftID) (sending.Standing, error)
}

// Waiting is what can be done while others are to sign.
type Waiting interface {
	Withdraw(context.Context, portal.Visitor, portal.DraftID) error
	Remind(context.Context, portal.Visitor, portal.DraftID) error
	Correct(ctx context.Context, v portal.Visitor, id portal.DraftID, n int, c form.Contact) ([]form.Fault, error)
}

// Cases and Officers are portal/cases.
type Cases interface {
	Overview(ctx context.Context, v portal.Visitor, sent, closed store.Page) (cases.Mine, error)
	Head(context.Context, portal.Visitor, portal.CaseID) (portal.CaseHead, error)
	Open(context.Context, portal.Visitor, portal.CaseID) (portal.Case, error)
	File(context.Context, portal.Visitor, portal.CaseID, portal.FileID) (portal.CaseFile, []byte, error)
	Write(ctx context.Context, v portal.Visitor, id portal.CaseID, once, text string) error
}

// Officers is what officers do with cases.
type Officers interface {
	Inbox(context.Context, portal.Officer, cases.Filter) ([]portal.CaseHead, *store.Page, error)
	Read(context.Context, portal.Officer, portal.CaseID) (portal.Case, error)
	ReadFile(context.Context, portal.Officer, portal.CaseID, portal.FileID) (portal.CaseFile, []byte, error)
	Reply(ctx context.Context, o portal.Officer, id portal.CaseID, once, text string) error
	SetState(ctx context.Context, o portal.Officer, id portal.CaseID, was, to portal.CaseState) error
}

// People is portal/people.
type People interface {
	Facts(context.Context, portal.Visitor, *form.Service) (form.Facts, error)
	Profile(context.Context, portal.Visitor) (form.Contact, error)
	SetProfile(context.Context, portal.Visitor, form.Contact) ([]form.Fault, error)
}

// Logins and Staff are portal/login.
type Logins interface {
	Start(w http.ResponseWriter, r *http.Request, t portal.Tenant, aim login.Aim, lang string) error
	Finish(w http.ResponseWriter, r *http.Request, t portal.Tenant) (login.Outcome, error)
	Visitor(w http.ResponseWriter, r *http.Request, t portal.Tenant, touch bool) (portal.Visitor, error)
	End(w http.ResponseWriter, r *http.Request, t portal.Tenant, after string) error
}

// Holds keeps what must outlast a login that ended, and names browsers.
type Holds interface {
	Browser(w http.ResponseWriter, r *http.Request, v portal.Visitor) portal.Visitor
	Hold(w http.ResponseWriter, r *http.Request, t portal.Tenant, body []byte) (string, error)
	Take(w http.ResponseWriter, r *http.Request, t portal.Tenant, v portal.Visitor, held string) ([]byte, error)
}

// Staff is the officers' login.
type Staff interface {
	StartStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant, path string) error
	FinishStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant) (path, refused string, err error)
	Officer(w http.ResponseWriter, r *http.Request, t portal.Tenant) (portal.Officer, bool, error)
	EndStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant, after string) error
}

// Web is the pages.
type Web struct {
	Config
	room   *page.Room
	ground page.Ground
	assets *design.Assets
	policy page.Policy
	zone   *time.Location
	// uploads are the files on their way in.
	uploads *uploads
	// mux knows the addresses below a tenant, hooks those that other programs
	// call.
	mux, hooks *http.ServeMux
}

// New reads templates and texts and serves nothing.
func New(c Config) (*Web, error) {
	if c.Catalogue == nil || c.Drafts == nil || c.Files == nil || c.Desk == nil || c.Waiting == nil || c.Cases == nil || c.Officers == nil ||
		c.People == nil || c.Logins == nil || c.Holds == nil || c.Staff == nil || c.News == nil || c.Secret == nil || c.Issuer == "" || c.Assets == nil || c.Log == nil {
		return nil, errors.New("portal/web: incomplete configuration")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	room, err := newRoom(c)
	if err != nil {
		return nil, err
	}
	return inRoom(c, room)
}

// newRoom reads templates and texts, and checks them against each other.
func newRoom(c Config) (*page.Room, error) {
	own, err := fs.Sub(static, "static")
	if err != nil {
		return nil, err
	}
	assets, err := c.Assets.With(own)
	if err != nil {
		return nil, err
	}
	drawn, err := fs.Sub(templates, "templates")
	if err != nil {
		return nil, err
	}
	return page.NewRoom(page.RoomConfig{
		Address: c.Issuer, Assets: assets, Cookies: c.Cookies, Log: c.Log,
		Templates: drawn, Texts: texts, InCode: append(textsInCode(), otherTexts()...),
	})
}

// inRoom makes the pages of what was read.
func inRoom(c Config, room *page.Room) (*Web, error) {
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		return nil, err
	}
	w := &Web{Config: c, room: room, assets: room.Assets, zone: zone, uploads: newUploads(cmp.Or(c.Uploads, usualUploads))}
	// The menu of every page can log out, which ends at the issuer.
	w.policy.FormTargets = []string{c.Issuer}
	if c.StaffIssuer != "" {
		w.policy.FormTargets = append(w.policy.FormTargets, c.StaffIssuer)
	}
	w.ground = page.Ground{HTTPS: c.Cookies.Secure, Log: c.Log, Draw: w.drawProblem}
	w.routes()
	return w, nil
}

// routes fills the muxes with everything below a tenant.
func (w *Web) routes() {
	const service, draft, caseAt, officer = "/e/{service}", "/utkast/{draft}", "/arende/{case}", "/handlaggare"
	// Answers and files come to a step; everything else is small.
	large := w.ground
	large.MaxBody = maxStep
	words := w.ground
	words.MaxBody = maxWords

	w.mux = http.NewServeMux()
	for pattern, methods := range map[string]page.Methods{
		"/{$}":                           {"GET": w.open(w.serveStart)},
		service:                          {"GET": w.open(w.serveService)},
		service + "/starta":              {"POST": w.open(w.serveBegin)},
		draft:                            {"GET": w.open(w.serveDraft)},
		draft + "/sparat":                {"GET": w.open(w.serveSaved)},
		draft + "/granska":               {"GET": w.open(w.serveReview)},
		draft + "/skicka":                {"POST": w.open(w.serveSend)},
		draft + "/fil/{file}":            {"GET": w.open(w.serveDraftFile)},
		draft + "/krock":                 {"GET": w.open(w.serveConflict), "POST": w.open(w.serveSettle)},
		draft + "/ta-bort":               {"GET": w.open(w.serveRemove), "POST": w.open(w.serveRemoved)},
		draft + "/vantar":                {"GET": w.personal(w.serveWaiting), "POST": w.personal(w.serveWaitingDo)},
		draft + "/signerat":              {"GET": w.personal(w.serveSigned)},
		caseAt:                           {"GET": w.personal(w.serveCase)},
		caseAt + "/inskickat":            {"GET": w.open(w.serveSent)},
		caseAt + "/fil/{file}":           {"GET": w.open(w.serveCaseFile)},
		"/mina-sidor":                    {"GET": w.personal(w.serveMine)},
		"/profil":                        {"GET": w.personal(w.serveProfile), "POST": w.personal(w.serveProfileSave)},
		"/logga-in":                      {"GET": w.open(w.serveLogin), "POST": w.open(w.serveLoginBegin)},
		"/inloggad":                      {"GET": w.bare(w.serveLoggedIn)},
		"/logga-ut":                      {"POST": w.bare(w.serveLogout)},
		"/utloggad":                      {"GET": w.quiet(w.serveLoggedOut)},
		"/kvar":                          {"POST": w.bare(w.serveStay)},
		"/logga":                         {"GET": w.bare(w.serveLogo)},
		officer:                          {"GET": w.bare(w.serveOfficer)},
		officer + "/logga-in":            {"GET": w.bare(w.serveOfficerLogin), "POST": w.bare(w.serveOfficerLoginBegin)},
		officer + "/inloggad":            {"GET": w.bare(w.serveOfficerLoggedIn)},
		officer + "/logga-ut":            {"POST": w.bare(w.serveOfficerLogout)},
		officer + "/utloggad":            {"GET": w.bare(w.serveOfficerLoggedOut)},
		officer + caseAt:                 {"GET": w.bare(w.serveOfficerCase)},
		officer + caseAt + "/fil/{file}": {"GET": w.bare(w.serveOfficerFile)},
		officer + caseAt + "/status":     {"POST": w.bare(w.serveOfficerStatus)},
		"/":                              {"GET": w.bare(w.nowhere), "POST": w.bare(w.nowhere)},
	} {
		// To look at anything that is somebody's leaves a trace, and so does the way
		// back from a login: who asks for the head of a page alone gets none of it.
		if !slices.Contains([]string{"/{$}", service, "/logga-in", "/utloggad", "/logga", officer + "/logga-in", "/"}, pattern) {
			methods = headless(methods)
		}
		w.mux.Handle(pattern, w.ground.Handle(methods))
	}
	w.mux.Handle("/handlaggare/{$}", w.ground.Handle(headless(page.Methods{"GET": w.bare(w.serveOfficer)})))
	w.mux.Handle(draft+"/s/{step}", large.Handle(headless(page.Methods{"GET": w.open(w.serveStep), "POST": w.open(w.serveStepSave)})))
	w.mux.Handle(caseAt+"/meddelande", words.Handle(page.Methods{"POST": w.personal(w.serveMessage)}))
	w.mux.Handle(officer+caseAt+"/meddelande", words.Handle(page.Methods{"POST": w.bare(w.serveOfficerMessage)}))

	w.hooks = http.NewServeMux()
	w.hooks.Handle("/krok", words.Handle(page.Methods{"POST": w.bare(w.serveNews)}))
}

// headless refuses HEAD, which a GET handler else answers too.
func headless(m page.Methods) page.Methods {
	allow := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	out := maps.Clone(m)
	out[http.MethodHead] = func(rw http.ResponseWriter, _ *http.Request) error {
		rw.Header().Set("Allow", allow)
		return &page.Problem{Status: http.StatusMethodNotAllowed, Code: page.CodeMethod}
	}
	return out
}

// The most that a request may carry: a step with its files, and a page of words.
const (
	maxStep  = 30 << 20
	maxWords = 128 << 10
)

// Handler serves everything of the portal: pages behind the protection against
// cross-origin posts, the webhook beside it.
func (w *Web) Handler() http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.ground.Fail(rw, r, &page.Problem{Status: http.StatusForbidden, Code: codeOrigin})
	}))
	pages := protection.Handler(w.mux)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if isStatic(r) {
			w.assets.ServeHTTP(rw, r)
			return
		}
		asked := r
		r, ok := w.locate(r)
		// Whoever logs requests names the route, which is found on our copy.
		defer func() { asked.Pattern = r.Pattern }()
		switch {
		case !ok:
			w.ground.Handle(page.Methods{"GET": w.serveTenants}).ServeHTTP(rw, r)
		case r.URL.Path == "":
			// The tenant's address without its slash.
			w.ground.Prepare(rw, r)
			page.SeeOther(rw, spotOf(r).base+"/")
		case r.URL.Path == "/krok":
			w.hooks.ServeHTTP(rw, r)
		default:
			pages.ServeHTTP(rw, r)
		}
	})
}
