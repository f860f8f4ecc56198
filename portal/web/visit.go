package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"sigill/broker/kit/design"
	"sigill/broker/kit/page"
	"sigill/portal"
)

// visit is a request to a tenant's portal: who came, and in which language the
// answer is.
type visit struct {
	tenant portal.Tenant
	base   string // path of the tenant's address, without a slash at the end
	who    portal.Visitor
	lang   string
}

// path is an address of the tenant: what is below its own.
func (v visit) path(below string) string { return v.base + below }

// name is the tenant's.
func (v visit) name() string { return v.tenant.Name.In(v.lang) }

// handler answers a visit. It writes nothing before it is sure.
type handler func(rw http.ResponseWriter, r *http.Request, v visit) error

// spot is where a request goes: the tenant by its address, and the address as
// the browser sees it, since the mux is shown what is below the tenant alone.
type spot struct {
	tenant portal.Tenant
	base   string
	url    *url.URL
	visit  *visit // once it is known who came
}

type spotKey struct{}

// spotOf gives it; nil for what is no tenant's.
func spotOf(r *http.Request) *spot {
	s, _ := r.Context().Value(spotKey{}).(*spot)
	return s
}

func isStatic(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, design.Prefix) }

// locate finds the tenant that an address belongs to, by host and path; of two,
// the longer path. The request that it gives has an address below the tenant's.
func (w *Web) locate(r *http.Request) (*http.Request, bool) {
	// Nothing of ours needs an escape or a detour, and each would be another
	// name of the same page.
	if r.URL.RawPath != "" || !strings.HasPrefix(r.URL.Path, "/") || strings.TrimSuffix(r.URL.Path, "/") != strings.TrimSuffix(path.Clean(r.URL.Path), "/") {
		return r, false
	}
	var s *spot
	for _, t := range w.Catalogue.Tenants() {
		base, ok := baseAt(t, r.Host)
		rest, below := strings.CutPrefix(r.URL.Path, base)
		if !ok || !below || rest != "" && rest[0] != '/' || s != nil && len(base) <= len(s.base) {
			continue
		}
		s = &spot{tenant: t, base: base, url: r.URL}
	}
	if s == nil {
		return r, false
	}
	r = r.WithContext(context.WithValue(r.Context(), spotKey{}, s))
	below := *s.url
	below.Path = strings.TrimPrefix(below.Path, s.base)
	r.URL = &below
	return r, true
}

// baseAt gives the path of a tenant's address when it lies at a host.
func baseAt(t portal.Tenant, host string) (string, bool) {
	u, err := url.Parse(t.BaseURL)
	if err != nil || u.Host == "" || !strings.EqualFold(plainHost(u.Host), plainHost(host)) {
		return "", false
	}
	return strings.TrimSuffix(u.Path, "/"), true
}

// plainHost leaves out the ports that addresses need not name.
func plainHost(host string) string {
	return strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
}

// idle is how long somebody may do nothing.
func idle(t portal.Tenant) time.Duration { return cmp.Or(t.Idle, 20*time.Minute) }

// open answers everybody, logged in or not; it counts as doing something.
func (w *Web) open(h handler) page.Handler { return w.visited(h, true, true) }

// quiet is open without counting as doing something.
func (w *Web) quiet(h handler) page.Handler { return w.visited(h, true, false) }

// bare answers without asking who came.
func (w *Web) bare(h handler) page.Handler { return w.visited(h, false, false) }

// personal answers those who are logged in, and shows everybody else the login.
func (w *Web) personal(h handler) page.Handler {
	return w.open(func(rw http.ResponseWriter, r *http.Request, v visit) error {
		if !v.who.LoggedIn() {
			return w.land(rw, r, v)
		}
		return h(rw, r, v)
	})
}

func (w *Web) visited(h handler, ask, touch bool) page.Handler {
	return func(rw http.ResponseWriter, r *http.Request) error {
		s := spotOf(r)
		r.URL = s.url // as the browser sees it
		v := visit{tenant: s.tenant, base: s.base}
		v.lang = w.room.Lang(rw, r, page.Look{})
		if ask {
			var err error
			if v.who, err = w.Logins.Visitor(rw, r, v.tenant, touch && r.Method != http.MethodHead); err != nil {
				return err
			}
		}
		v.who.Lang = v.lang
		s.visit = &v
		return h(rw, r, v)
	}
}

// settled lets what a person has pressed happen, also when the browser has gone.
func settled(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }

func (w *Web) nowhere(http.ResponseWriter, *http.Request, visit) error { return notFound() }

func notFound() error { return &page.Problem{Status: http.StatusNotFound, Code: page.CodeNotFound} }

// to sends the browser to an address below the tenant's.
func (v visit) to(rw http.ResponseWriter, below string) error {
	page.SeeOther(rw, v.path(below))
	return nil
}
