package web

import (
	"net/http"
	"strings"

	"sigill/broker/kit/page"
	"sigill/portal"
)

// officer says which officer came. Whoever is none is shown the officers' login,
// the same for every address; ok is false then, and when there is no such login.
func (w *Web) officer(rw http.ResponseWriter, r *http.Request, v visit) (o portal.Officer, ok bool, err error) {
	if w.StaffIssuer == "" {
		return o, false, notFound()
	}
	if o, ok, err = w.Staff.Officer(rw, r, v.tenant); err != nil || ok {
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
	till := f["till"]
	if till != "/handlaggare" && !strings.HasPrefix(till, "/handlaggare/") || strings.ContainsAny(till, "\\?#") || strings.Contains(till, "..") {
		till = "/handlaggare"
	}
	return w.Staff.StartStaff(rw, r, v.tenant, till)
}

// serveOfficerLoggedIn takes the browser back.
func (w *Web) serveOfficerLoggedIn(rw http.ResponseWriter, r *http.Request, v visit) error {
	if w.StaffIssuer == "" {
		return notFound()
	}
	till, refused, err := w.Staff.FinishStaff(rw, r, v.tenant)
	switch {
	case err != nil:
		return err
	case refused == "":
		return v.to(rw, till)
	}
	n := notice{
		Heading: w.text(v, "officer.failed"), Texts: []string{w.text(v, "officer.failed.text")}, Sign: "warn", Icon: "alert",
		Acts: []act{{Label: w.text(v, "officer.again"), URL: v.path("/handlaggare/logga-in"), Main: true}},
	}
	if refused != "cancelled" && refused != "failed" {
		n.Heading, n.Texts = w.text(v, "officer.refused"), []string{w.text(v, "officer.refused.text")}
	}
	return w.tell(rw, r, v, http.StatusForbidden, n)
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
	return w.tell(rw, r, v, http.StatusOK, notice{
		Heading: w.text(v, "officer.bye"), Texts: []string{w.text(v, "officer.bye.text")}, Icon: "check",
		Acts: []act{{Label: w.text(v, "officer.again"), URL: v.path("/handlaggare/logga-in")}},
	})
}
