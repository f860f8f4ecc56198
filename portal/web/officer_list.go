package web

import (
	"net/http"
	"net/url"
	"slices"

	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/store"
)

// officerPerPage is how many cases an officer's list shows at a time.
const officerPerPage = 50

// officerListPage is the cases of an officer's groups. It names no person: who
// reads a case is logged, and a list is no reading.
type officerListPage struct {
	Filters     []filterShown
	Rows        []officerRow
	First, More string
}

type filterShown struct {
	URL, Label string
	Here       bool
}

type officerRow struct{ URL, Number, Title, State, Unread, When, Changed string }

// serveOfficer lists them.
func (w *Web) serveOfficer(rw http.ResponseWriter, r *http.Request, v visit) error {
	o, ok, err := w.officer(rw, r, v)
	if !ok {
		return err
	}
	at, err := cursor(r.URL.Query().Get("fran"))
	if err != nil {
		return err
	}
	at.Limit = officerPerPage
	filter := cases.Filter{Page: at}
	chosen := portal.CaseState(r.URL.Query().Get("status"))
	switch {
	case slices.Contains(portal.CaseStates(), chosen):
		filter.States = []portal.CaseState{chosen}
	case chosen != "":
		return malformed("a status that is none")
	}
	heads, more, err := w.Officers.Inbox(r.Context(), o, filter)
	if err != nil {
		return err
	}
	list := v.path("/handlaggare")
	address := func(s portal.CaseState, p *store.Page) string {
		q := url.Values{}
		if s != "" {
			q.Set("status", string(s))
		}
		if p != nil {
			q.Set("fran", cursorText(*p))
		}
		if len(q) == 0 {
			return list
		}
		return list + "?" + q.Encode()
	}
	p := officerListPage{Filters: []filterShown{{URL: list, Label: w.text(v, "officer.filter.open"), Here: chosen == ""}}}
	for _, s := range portal.CaseStates() {
		p.Filters = append(p.Filters, filterShown{URL: address(s, nil), Label: w.text(v, stateKey(s)), Here: s == chosen})
	}
	for _, h := range heads {
		row := officerRow{
			URL: v.path("/handlaggare/arende/" + string(h.ID)), Number: h.Number, Title: w.title(r.Context(), v.lang, h.Version, h.Tenant, h.Service),
			State: w.text(v, stateKey(h.State)), When: w.text(v, "mina.arrived", "when", w.when(v, h.Arrived)), Changed: w.text(v, "officer.changed", "when", w.when(v, h.Changed)),
		}
		if h.Unread > 0 {
			row.Unread = w.text(v, "officer.unread", "n", h.Unread)
		}
		p.Rows = append(p.Rows, row)
	}
	if !at.Before.IsZero() {
		p.First = address(chosen, nil)
	}
	if more != nil {
		p.More = address(chosen, more)
	}
	return w.page(rw, r, v, "officer_list", sheet{Officer: o.Name, Here: "officer", Wide: true, Body: p})
}
