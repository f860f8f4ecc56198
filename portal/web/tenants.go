package web

import (
	"errors"
	"net/http"

	"sigill/broker/kit/page"
	"sigill/portal"
)

// serveTenants lists the tenants of a host that has several. Everything else
// that is no tenant's is nowhere.
func (w *Web) serveTenants(rw http.ResponseWriter, r *http.Request) error {
	type entry struct{ URL, Name, Text string }
	lang := w.room.Lang(rw, r, page.Look{})
	var list []entry
	if r.URL.Path == "/" {
		for _, t := range w.Catalogue.Tenants() {
			if base, ok := baseAt(t, r.Host); ok {
				list = append(list, entry{base + "/", t.Name.In(lang), t.Welcome.In(lang)})
			}
		}
	}
	if len(list) == 0 {
		return notFound()
	}
	return w.room.Render(rw, r, http.StatusOK, "tenants", page.Look{Lang: lang}, page.Policy{}, func(string) any { return sheet{Body: list} })
}

// caseHere lets somebody on who may see a case and came by its own tenant's
// address: of a group, every tenant's cases are one person's, and yet none is
// read, marked or written in at another's.
func (w *Web) caseHere(r *http.Request, v visit, id portal.CaseID) error {
	c, err := w.Cases.Head(r.Context(), v.who, id)
	if err == nil && c.Tenant != v.tenant.ID {
		err = portal.ErrNotFound
	}
	return err
}

// draftHere is caseHere for drafts. One that is not there is for the rooms to
// answer, which know whether it has become a case.
func (w *Web) draftHere(r *http.Request, v visit, id portal.DraftID) error {
	d, err := w.Drafts.Open(r.Context(), v.who, id)
	switch {
	case errors.Is(err, portal.ErrNotFound):
		return nil
	case err == nil && d.Tenant != v.tenant.ID:
		return portal.ErrNotFound
	}
	return err
}
