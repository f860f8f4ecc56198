package web

import (
	"cmp"
	"errors"
	"net/http"
	"path"
	"strings"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/login"
)

// officer says which officer came. Whoever is none is shown the officers' login,
// the same for every address; ok is false then, and when there is no such login.
func (w *Web) officer(rw http.ResponseWriter, r *http.Request, v visit) (o portal.Officer, ok bool, err error) {
	if w.StaffIssuer == "" {
		return o, false, notFound()
	}
	if o, ok, err = w.Staff.Officer(rw, r, v.tenant); err != nil || ok {
		o.Name = cmp.Or(o.Name, w.text(v, "officer.nameless"))
		return o, ok && err == nil, err
	}
	till := "/handlaggare"
	if r.Method == http.MethodGet {
		till = strings.TrimPrefix(r.URL.Path, v.base)
	}
	return o, false, w.officerLogin(rw, r, v, till)
}

// officerLogin asks an officer to log in.
func (w *Web) officerLogin(rw http.ResponseWriter, r *http.Request, v visit, till string) error {
	return w.tell(rw, r, v, http.StatusOK, notice{
		Heading: w.text(v, "officer.land"), Texts: []string{w.text(v, "officer.land.text")}, Icon: "lock",
		Acts: []act{{Label: w.text(v, "officer.login"), URL: v.path("/handlaggare/logga-in"), Post: true, Main: true, Fields: []hidden{{"till", till}}}},
	})
}

// serveOfficerLogin is the login's own address.
func (w *Web) serveOfficerLogin(rw http.ResponseWriter, r *http.Request, v visit) error {
	if w.StaffIssuer == "" {
		return notFound()
	}
	return w.officerLogin(rw, r, v, "/handlaggare")
}

// serveOfficerLoginBegin sends the browser to the municipality's own login.
func (w *Web) serveOfficerLoginBegin(rw http.ResponseWriter, r *http.Request, v visit) error {
	if w.StaffIssuer == "" {
		return notFound()
	}
	f, err := page.Form(r, "till")
	if err != nil {
		return err
	}
	err = w.Staff.StartStaff(rw, r, v.tenant, officerPath(f["till"]))
	if errors.Is(err, login.ErrUnavailable) {
		return w.officerUnavailable(rw, r, v, err)
	}
	return err
}

// serveOfficerLoggedIn takes the browser back.
func (w *Web) serveOfficerLoggedIn(rw http.ResponseWriter, r *http.Request, v visit) error {
	if w.StaffIssuer == "" {
		return notFound()
	}
	till, refused, err := w.Staff.FinishStaff(rw, r, v.tenant)
	switch {
	case errors.Is(err, login.ErrUnavailable):
		return w.officerUnavailable(rw, r, v, err)
	case err != nil:
		return err
	case refused == "":
		return v.to(rw, officerPath(till))
	}
	n := notice{
		Heading: w.text(v, "officer.failed"), Texts: []string{w.text(v, "officer.failed.text")}, Sign: "warn", Icon: "alert",
		Acts: []act{{Label: w.text(v, "officer.again"), URL: v.path("/handlaggare/logga-in"), Main: true}},
	}
	if refused == login.RefusedNotOfficer {
		n.Heading, n.Texts = w.text(v, "officer.refused"), []string{w.text(v, "officer.refused.text")}
	}
	return w.tell(rw, r, v, http.StatusForbidden, n)
}

// officerUnavailable says that the municipality's own login does not answer.
func (w *Web) officerUnavailable(rw http.ResponseWriter, r *http.Request, v visit, err error) error {
	w.Log.ErrorContext(r.Context(), "the officers' login does not answer", "error", err, "reference", page.RequestID(r.Context()))
	return w.tell(rw, r, v, http.StatusServiceUnavailable, notice{
		Heading: w.text(v, "officer.failed"), Texts: []string{w.text(v, "officer.unavailable")}, Sign: "warn", Icon: "alert", Reference: page.RequestID(r.Context()),
		Acts: []act{{Label: w.text(v, "officer.again"), URL: v.path("/handlaggare/logga-in"), Main: true}},
	})
}

// officerPath is a page of the officers', below the tenant's address; of anything
// else their list.
func officerPath(s string) string {
	const list = "/handlaggare"
	if len(s) > 200 || !strings.HasPrefix(s, list+"/") || strings.ContainsAny(s, "\\?#%") || path.Clean(s) != s {
		return list
	}
	return s
}

// serveOfficerLogout ends the officer's session, here and where it was begun.
func (w *Web) serveOfficerLogout(rw http.ResponseWriter, r *http.Request, v visit) error {
	if w.StaffIssuer == "" {
		return notFound()
	}
	return w.Staff.EndStaff(rw, r, v.tenant, "/handlaggare/utloggad")
}

// serveOfficerLoggedOut says good-bye.
func (w *Web) serveOfficerLoggedOut(rw http.ResponseWriter, r *http.Request, v visit) error {
	if w.StaffIssuer == "" {
		return notFound()
	}
	if _, ok, err := w.Staff.Officer(rw, r, v.tenant); err != nil {
		return err
	} else if ok {
		return w.stillIn(rw, r, v, "/handlaggare/logga-ut", act{Label: w.text(v, "menu.officer"), URL: v.path("/handlaggare")})
	}
	return w.tell(rw, r, v, http.StatusOK, notice{
		Heading: w.text(v, "officer.bye"), Texts: []string{w.text(v, "officer.bye.text")}, Icon: "check",
		Acts: []act{{Label: w.text(v, "officer.again"), URL: v.path("/handlaggare/logga-in")}},
	})
}
