package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/form"
	"sigill/portal/store"
)

// officerCasePage is a case for an officer who handles its kind.
type officerCasePage struct {
	caseParts
	Told, Warned, Title, Number, List string
	Applicant                         applicantShown
	Reach                             string
	Children                          []applicantShown // whom the application is about
	StatusAction, Was                 string
	States                            []stateChoice
}

type applicantShown struct{ Name, Number string }

type stateChoice struct {
	Value, Label string
	Chosen       bool
}

// serveOfficerCase shows a case; portal/cases logs that it was read.
func (w *Web) serveOfficerCase(rw http.ResponseWriter, r *http.Request, v visit) error {
	o, ok, err := w.officer(rw, r, v)
	if !ok {
		return err
	}
	return w.showOfficerCase(rw, r, v, o, http.StatusOK, "", "")
}

func (w *Web) showOfficerCase(rw http.ResponseWriter, r *http.Request, v visit, o portal.Officer, status int, problem, typed string) error {
	c, err := w.Officers.Read(r.Context(), o, portal.CaseID(r.PathValue("case")))
	if err != nil {
		return seen(err)
	}
	service, err := w.Catalogue.Version(r.Context(), c.Version)
	if err != nil {
		return err
	}
	base := v.path("/handlaggare/arende/" + string(c.ID))
	p := officerCasePage{
		caseParts: w.caseParts(v, c, service, base, portal.ByOfficer),
		Title:     service.Title.In(v.lang), Number: c.Number, List: v.path("/handlaggare"),
		StatusAction: base + "/status", Was: string(c.State), Reach: lines(c.Submission.Contact.Email, spoken(c.Submission.Contact.Phone)),
	}
	if !c.Anonymous {
		p.Applicant = applicantShown{c.Submission.Applicant.Name, dashed(c.Submission.Applicant.Number)}
	}
	p.Children = childrenOf(service, c.Submission.Answers)
	p.Messages.Problem, p.Messages.Typed = problem, typed
	for _, s := range portal.CaseStates() {
		p.States = append(p.States, stateChoice{Value: string(s), Label: w.text(v, stateKey(s)), Chosen: s == c.State})
	}
	switch r.URL.Query().Get("besked") {
	case "skickat":
		p.Told = w.text(v, "officer.message.sent")
	case "status":
		p.Told = w.text(v, "officer.status.done")
	case "annan":
		p.Warned = w.text(v, "officer.status.stale")
	case "stangt":
		p.Warned = w.text(v, "case.message.not")
	}
	return w.page(rw, r, v, "officer_case", sheet{Status: status, Officer: o.Name, Here: "officer", Wide: true, Body: p})
}

// childrenOf are the children that were chosen, in the order of the questions:
// the answers that everybody signs tell only when they were born.
func childrenOf(service *form.Service, answers form.Answers) []applicantShown {
	var list []applicantShown
	for _, step := range service.Steps {
		for _, field := range step.Fields {
			if child := answers[field.ID].Child; field.Type == form.TypeChild && child != nil {
				list = append(list, applicantShown{child.Name, dashed(child.Number)})
			}
		}
	}
	return list
}

// serveOfficerFile gives a document of a case.
func (w *Web) serveOfficerFile(rw http.ResponseWriter, r *http.Request, v visit) error {
	o, ok, err := w.officer(rw, r, v)
	if !ok {
		return err
	}
	f, b, err := w.Officers.ReadFile(r.Context(), o, portal.CaseID(r.PathValue("case")), portal.FileID(r.PathValue("file")))
	if err != nil {
		return seen(err)
	}
	return page.Hand(rw, r, f.Name, f.Type, b)
}

// serveOfficerMessage takes what an officer writes to the people of a case.
func (w *Web) serveOfficerMessage(rw http.ResponseWriter, r *http.Request, v visit) error {
	o, ok, err := w.officer(rw, r, v)
	if !ok {
		return err
	}
	once, text, err := messageForm(r)
	if err != nil {
		return err
	}
	id := portal.CaseID(r.PathValue("case"))
	at := v.path("/handlaggare/arende/" + string(id))
	switch err := w.Officers.Reply(settled(r), o, id, once, text); {
	case errors.Is(err, cases.ErrEmpty):
		return w.showOfficerCase(rw, r, v, o, http.StatusUnprocessableEntity, w.text(v, "case.message.empty", "most", most(v.lang)), text)
	case errors.Is(err, cases.ErrNoMessages):
		page.SeeOther(rw, at+"?besked=stangt")
	case err != nil:
		return seen(err)
	default:
		page.SeeOther(rw, at+"?besked=skickat")
	}
	return nil
}

// serveOfficerStatus moves a case, if it still is where the page showed it.
func (w *Web) serveOfficerStatus(rw http.ResponseWriter, r *http.Request, v visit) error {
	o, ok, err := w.officer(rw, r, v)
	if !ok {
		return err
	}
	f, err := page.Form(r, "was", "to")
	if err != nil {
		return err
	}
	was, to := portal.CaseState(f["was"]), portal.CaseState(f["to"])
	if !slices.Contains(portal.CaseStates(), was) || !slices.Contains(portal.CaseStates(), to) {
		return malformed("a status that is none")
	}
	id := portal.CaseID(r.PathValue("case"))
	at := v.path("/handlaggare/arende/" + string(id))
	if was == to {
		page.SeeOther(rw, at) // nothing was chosen
		return nil
	}
	switch err := w.Officers.SetState(settled(r), o, id, was, to); {
	case errors.Is(err, store.ErrStale):
		page.SeeOther(rw, at+"?besked=annan")
	case err != nil:
		return seen(err)
	default:
		page.SeeOther(rw, at+"?besked=status")
	}
	return nil
}

// dashed writes a personal number of 12 digits as people read it.
func dashed(number string) string {
	if len(number) != 12 {
		return ""
	}
	return number[:8] + "-" + number[8:]
}

// lines joins what is there, a line each.
func lines(all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), "\n")
}
