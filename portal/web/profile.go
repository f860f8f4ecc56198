package web

import (
	"errors"
	"net/http"

	"sigill/broker/kit/page"
	"sigill/portal/form"
	"sigill/portal/people"
	"sigill/portal/register"
)

// profilePage is how a person wants to be told (P-94).
type profilePage struct {
	Problems                                  []problem
	Told, Warned, Name, Self, Mine            string
	Email, Phone                              string
	EmailProblem, PhoneProblem, NotifyProblem string
	Notify                                    []notifyChoice
}

type notifyChoice struct {
	ID, Value, Label string
	Chosen           bool
}

// serveProfile shows what was chosen.
func (w *Web) serveProfile(rw http.ResponseWriter, r *http.Request, v visit) error {
	c, err := w.People.Profile(r.Context(), v.who)
	if err != nil {
		return err
	}
	return w.showProfile(rw, r, v, http.StatusOK, c, "", nil)
}

// serveProfileSave takes a change.
func (w *Web) serveProfileSave(rw http.ResponseWriter, r *http.Request, v visit) error {
	f, err := page.Form(r, "email", "phone", "notify")
	if err != nil {
		return err
	}
	c := form.Contact{Email: f["email"], Phone: f["phone"], Notify: f["notify"]}
	if c.Email == "" && c.Phone == "" {
		c.Notify = "" // a choice cannot be taken back in a form, and there is none
	}
	faults, err := w.People.SetProfile(settled(r), v.who, c)
	if errors.Is(err, register.ErrProtected) {
		return w.tellProtected(rw, r, v)
	}
	if errors.Is(err, people.ErrUnanswered) {
		return w.showProfile(rw, r, v, http.StatusServiceUnavailable, c, w.text(v, "profile.unanswered"), nil)
	}
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return w.showProfile(rw, r, v, http.StatusUnprocessableEntity, c, "", faults)
	}
	page.SeeOther(rw, v.path("/profil?besked=sparat"))
	return nil
}

func (w *Web) showProfile(rw http.ResponseWriter, r *http.Request, v visit, status int, c form.Contact, warned string, faults []form.Fault) error {
	p := profilePage{Warned: warned, Name: personName(v.who), Self: v.path("/profil"), Mine: v.path("/mina-sidor"), Email: c.Email, Phone: spoken(c.Phone)}
	if r.URL.Query().Get("besked") == "sparat" && r.Method == http.MethodGet {
		p.Told = w.text(v, "profile.saved")
	}
	for _, way := range []string{"email", "sms", "both"} {
		p.Notify = append(p.Notify, notifyChoice{ID: "notify-" + way, Value: way, Label: w.text(v, "profile.notify."+way), Chosen: c.Notify == way})
	}
	for _, f := range faults {
		text, at := w.contactFault(v, f), "email"
		switch {
		case f.Part == "notify" || f.Code == form.FaultNotify:
			at, p.NotifyProblem = "notify-email", text
		case f.Part == "phone" || f.Code == form.FaultPhone:
			at, p.PhoneProblem = "phone", text
		default:
			p.EmailProblem = text
		}
		p.Problems = append(p.Problems, problem{"#" + at, text})
	}
	return w.page(rw, r, v, "profile", sheet{Status: status, Here: "profile", Body: p})
}

// contactFault says what is wrong with a way to reach somebody, and what would
// be right.
func (w *Web) contactFault(v visit, f form.Fault) string {
	switch f.Code {
	case form.FaultEmail, form.FaultPhone, form.FaultNotify, form.FaultReach:
		return w.text(v, "profile.fault."+string(f.Code))
	}
	return w.text(v, "profile.fault.other")
}
