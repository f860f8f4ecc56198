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
//	GET  {t}/utkast/{draft}/granska        review; POST …/skicka sends it
//	GET  {t}/utkast/{draft}/fil/{file}     a file of it
//	GET, POST {t}/utkast/{draft}/krock     two windows saved it: which one holds
//	GET, POST {t}/utkast/{draft}/ta-bort   asks, then removes
//	GET  {t}/utkast/{draft}/vantar         väntar på flerpartssignering: the timeline
//	POST {t}/utkast/{draft}/vantar         "do": remind, correct (n, email, phone), withdraw
//	GET  {t}/utkast/{draft}/signerat       back from the signing room
//	GET  {t}/arende/{case}                 a case; …/inskickat is the confirmation
//	GET  {t}/arende/{case}/fil/{file}      a document of it
//	POST {t}/arende/{case}/meddelande      a message (text, once)
//	GET  {t}/mina-sidor                    not sent, sent, closed
//	GET, POST {t}/profil                   how one wants to be told
//	GET  {t}/logga-in?till=…               login; {t}/inloggad takes it back
//	POST {t}/logga-ut                      {t}/utloggad says good-bye
//	POST {t}/kvar                          prolongs the session: 204, or 401
//	GET  {t}/handlaggare/                  officers: list; logga-in, inloggad, logga-ut, utloggad
//	GET  {t}/handlaggare/arende/{case}     read; …/fil/{file}; POST …/meddelande, …/status
//	POST {t}/krok                          the signing service's webhook
//	GET  {t}/stil/…, {t}/logga             style of the tenant
package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/form"
	"sigill/portal/login"
	"sigill/portal/sending"
	"sigill/portal/store"
)

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
	Now         func() time.Time
	Log         *slog.Logger
}

// Catalogue is what exists: portal/catalogue.
type Catalogue interface {
	Tenants() []portal.Tenant
	Tenant(portal.TenantID) (portal.Tenant, bool)
	Offered(portal.TenantID) []*form.Service
	Service(portal.TenantID, portal.ServiceID) (*form.Service, bool)
	Version(ctx context.Context, hash string) (*form.Service, error)
	Find(t portal.TenantID, lang, words string) []*form.Service
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
	Take(w http.ResponseWriter, r *http.Request, t portal.Tenant, held string) ([]byte, error)
}

// Staff is the officers' login.
type Staff interface {
	StartStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant, path string) error
	FinishStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant) (path, refused string, err error)
	Officer(w http.ResponseWriter, r *http.Request, t portal.Tenant) (portal.Officer, bool, error)
	EndStaff(w http.ResponseWriter, r *http.Request, t portal.Tenant, after string) error
}

var errNotBuilt = errors.New("web: not built yet")

// Web is the pages.
type Web struct{ Config }

// New reads templates and texts and serves nothing.
func New(c Config) (*Web, error) { return nil, errNotBuilt }

// Handler serves everything of the portal: pages behind the protection against
// cross-origin posts, the webhook beside it.
func (w *Web) Handler() http.Handler { return http.NotFoundHandler() }
