package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
)

// conflictPage shows two versions of a draft beside each other: the one that was
// saved, and the one that another window brought too late.
type conflictPage struct {
	Service, Action string
	Revision        int
	Rows            []compared
	Same            bool // there is no difference to be seen
	When            string
	Why             string // why one came here, where it was not by saving
}

// compared is a question with its two answers.
type compared struct {
	Label, Now, Aside string
	Differ            bool
}

func (w *Web) serveConflict(rw http.ResponseWriter, r *http.Request, v visit) error {
	k, err := w.enter(r, v)
	if err != nil {
		return w.barred(rw, r, v, err, nil)
	}
	late, err := w.Drafts.Aside(r.Context(), v.who, k.draft.ID)
	if errors.Is(err, portal.ErrNotFound) {
		page.SeeOther(rw, k.path(v, k.next()))
		return nil
	} else if err != nil {
		return err
	}
	b := conflictPage{
		Service: k.service.Title.In(v.lang), Action: k.path(v, "/krock"), Revision: k.draft.Revision, When: w.when(v, k.draft.Changed),
	}
	if r.URL.Query().Get("fran") == "granska" {
		b.Why = w.text(v, "conflict.first")
	}
	b.Rows = w.compare(v, k, k.now(late))
	b.Same = !slices.ContainsFunc(b.Rows, func(c compared) bool { return c.Differ })
	return w.page(rw, r, v, "conflict", sheet{Here: "draft", Wide: true, Body: b})
}

// unsettled says whether another window brought a version of the draft that has
// not been chosen or left: nothing is reviewed or sent before that.
func (w *Web) unsettled(r *http.Request, v visit, k work) (bool, error) {
	_, err := w.Drafts.Aside(r.Context(), v.who, k.draft.ID)
	if errors.Is(err, portal.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// compare sets two versions against each other, question by question.
func (w *Web) compare(v visit, now, late work) []compared {
	say := func(k work, f *form.Field) (string, bool) {
		for _, p := range k.journey.Steps {
			if slices.Contains(p.Fields, f) {
				return k.service.Display(f, k.draft.Answers[f.ID], k.facts, v.lang), true
			}
		}
		return "", false
	}
	var out []compared
	for _, s := range now.service.Steps {
		for _, f := range s.Fields {
			a, here := say(now, f)
			b, there := say(late, f)
			if f.Type == form.TypeInformation || !here && !there || a == "" && b == "" {
				continue
			}
			c := compared{Label: f.Label.In(v.lang), Now: a, Aside: b, Differ: a != b}
			if a == "" {
				c.Now = w.text(v, "review.none")
			}
			if b == "" {
				c.Aside = w.text(v, "review.none")
			}
			out = append(out, c)
		}
	}
	return out
}

// serveSettle takes the choice in.
func (w *Web) serveSettle(rw http.ResponseWriter, r *http.Request, v visit) error {
	p, err := readPosted(r)
	if err != nil {
		return err
	}
	revision, err := strconv.Atoi(p.get("revision"))
	keep := p.get("behall")
	if err != nil || keep != "sparad" && keep != "andra" {
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("no choice")}
	}
	k, err := w.enter(r, v)
	if err != nil {
		return w.barred(rw, r, v, err, &p)
	}
	if _, err := w.Drafts.Settle(settled(r), v.who, k.draft.ID, revision, keep == "andra"); err != nil {
		var conflict *drafts.Conflict
		if errors.Is(err, portal.ErrNotFound) || errors.As(err, &conflict) { // settled already, or there is a newer one to see
			page.SeeOther(rw, k.path(v, ""))
			return nil
		}
		return w.barred(rw, r, v, err, nil)
	}
	page.SeeOther(rw, k.path(v, ""))
	return nil
}

// removePage asks before a draft is removed for good.
type removePage struct {
	Service, Action, Back string
	When                  string
}

func (w *Web) serveRemove(rw http.ResponseWriter, r *http.Request, v visit) error {
	k, err := w.enter(r, v)
	if err != nil {
		return w.barred(rw, r, v, err, nil)
	}
	back := k.path(v, "")
	if v.who.LoggedIn() {
		back = v.path("/mina-sidor")
	}
	return w.page(rw, r, v, "remove", sheet{Here: "draft", Body: removePage{
		Service: k.service.Title.In(v.lang), Action: k.path(v, "/ta-bort"), Back: back, When: w.when(v, k.draft.Changed),
	}})
}

func (w *Web) serveRemoved(rw http.ResponseWriter, r *http.Request, v visit) error {
	p, err := readPosted(r)
	if err != nil {
		return err
	}
	k, err := w.enter(r, v)
	if errors.Is(err, portal.ErrNotFound) && v.who.LoggedIn() {
		return v.to(rw, "/mina-sidor?besked=borttaget") // pressed twice
	} else if err != nil {
		return w.barred(rw, r, v, err, &p)
	}
	if err := w.Drafts.Remove(settled(r), v.who, k.draft.ID); err != nil {
		return w.barred(rw, r, v, err, nil)
	}
	if v.who.LoggedIn() {
		return v.to(rw, "/mina-sidor?besked=borttaget")
	}
	return v.to(rw, "/")
}
