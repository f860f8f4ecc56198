package web

import (
	"errors"
	"net/http"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/register"
)

// work is a draft on the table: what it says, what it is of, what the world
// knows, and the way through it.
type work struct {
	draft   portal.Draft
	service *form.Service
	facts   form.Facts
	journey form.Journey
}

// errOut says that nobody is logged in whose draft it could be.
var errOut = errors.New("portal/web: not logged in")

// enter opens the draft that an address names, for its owner.
func (w *Web) enter(r *http.Request, v visit) (work, error) {
	id := portal.DraftID(r.PathValue("draft"))
	d, err := portal.Draft{}, portal.ErrNotFound
	if portal.IsID(string(id)) && (v.who.LoggedIn() || v.who.Browser != "") {
		d, err = w.Drafts.Open(r.Context(), v.who, id)
	}
	if err == nil && d.Tenant != v.tenant.ID {
		err = portal.ErrNotFound
	}
	switch {
	case errors.Is(err, portal.ErrNotFound) && !v.who.LoggedIn():
		return work{}, errOut
	case err != nil:
		return work{}, err
	case d.State != portal.Open:
		return work{draft: d}, drafts.ErrLocked
	}
	s, err := w.Catalogue.Version(r.Context(), d.Version)
	if err != nil {
		return work{}, err
	}
	f, err := w.People.Facts(r.Context(), v.who, s)
	if err != nil {
		return work{}, err
	}
	return newWork(d, s, f), nil
}

// newWork knows the way. What cannot be changed here is what is known now.
func newWork(d portal.Draft, s *form.Service, f form.Facts) work {
	d.Answers = s.Prefill(d.Answers, f)
	return work{draft: d, service: s, facts: f, journey: s.Journey(d.Answers, d.Saved, f)}
}

// now is the work after its draft was saved.
func (k work) now(d portal.Draft) work { return newWork(d, k.service, k.facts) }

// path is an address of the draft.
func (k work) path(v visit, below string) string {
	return v.path("/utkast/" + string(k.draft.ID) + below)
}

// next is where somebody goes who wants to go on: the first step that is not
// done, or the review.
func (k work) next() string {
	if id := k.journey.First(); id != "" {
		return "/s/" + id
	}
	return "/granska"
}

// barred answers whoever may not work on the draft now. p is what was posted, if
// anything was.
func (w *Web) barred(rw http.ResponseWriter, r *http.Request, v visit, err error, p *posted) error {
	at := "/utkast/" + r.PathValue("draft")
	var conflict *drafts.Conflict
	switch {
	case errors.Is(err, errOut) && p != nil:
		return w.interrupted(rw, r, v, *p)
	case errors.Is(err, errOut):
		return w.land(rw, r, v)
	case errors.Is(err, portal.ErrNotFound):
		return notFound()
	case errors.Is(err, drafts.ErrLocked) && p != nil && r.PathValue("step") != "":
		return v.to(rw, at+"/vantar?besked="+newsUnsaved)
	case errors.Is(err, drafts.ErrLocked):
		return v.to(rw, at+"/vantar")
	case errors.Is(err, register.ErrProtected):
		return w.tellProtected(rw, r, v)
	case errors.As(err, &conflict):
		return v.to(rw, at+"/krock")
	}
	return err
}

// became is the case that somebody's draft has become, when err says that there
// is no such draft; empty: it has become none.
func (w *Web) became(r *http.Request, v visit, err error) portal.CaseID {
	id := portal.DraftID(r.PathValue("draft"))
	if !errors.Is(err, portal.ErrNotFound) && !errors.Is(err, errOut) || !portal.IsID(string(id)) {
		return ""
	}
	if err := w.draftHere(r, v, id); err != nil {
		return "" // the draft's own answer stands
	}
	s, err := w.Desk.Stand(r.Context(), v.who, id)
	if err != nil {
		return ""
	}
	return s.Case
}

// serveDraft leads to the first step that is not done; or to the case, when the
// draft has become one.
func (w *Web) serveDraft(rw http.ResponseWriter, r *http.Request, v visit) error {
	k, err := w.enter(r, v)
	if c := w.became(r, v, err); c != "" {
		to := "/arende/" + string(c)
		if !v.who.LoggedIn() {
			to += "/inskickat" // all that a browser may see
		}
		return v.to(rw, to)
	}
	if err != nil {
		return w.barred(rw, r, v, err, nil)
	}
	if two, err := w.unsettled(r, v, k); err != nil {
		return err
	} else if two {
		return v.to(rw, "/utkast/"+string(k.draft.ID)+"/krock")
	}
	page.SeeOther(rw, k.path(v, k.next()))
	return nil
}

// serveDraftFile hands out a file of a draft.
func (w *Web) serveDraftFile(rw http.ResponseWriter, r *http.Request, v visit) error {
	id, file := portal.DraftID(r.PathValue("draft")), r.PathValue("file")
	meta, content, err := form.File{}, []byte(nil), portal.ErrNotFound
	if portal.IsID(string(id)) && portal.IsID(file) {
		if err := w.draftHere(r, v, id); err != nil {
			return seen(err)
		}
		meta, content, err = w.Files.File(r.Context(), v.who, id, portal.FileID(file))
	}
	switch {
	case errors.Is(err, portal.ErrNotFound) && !v.who.LoggedIn():
		return w.land(rw, r, v)
	case errors.Is(err, portal.ErrNotFound):
		return notFound()
	case err != nil:
		return err
	}
	return page.Hand(rw, r, meta.Name, meta.Type, content)
}

// comeback says why a draft came back from signing, and what was said; nil: it
// did not.
func (w *Web) comeback(v visit, d portal.Draft) []string {
	if d.Returned == "" {
		return nil
	}
	out := []string{w.returned(v, d.RefusedBy, d.Returned)}
	if d.Reason != "" {
		out = append(out, w.text(v, "step.reason", "reason", d.Reason))
	}
	return out
}
