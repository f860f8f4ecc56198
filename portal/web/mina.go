package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/store"
)

// perPage is how many cases a list of Mina sidor shows at a time.
const perPage = 20

// minePage is Mina sidor.
type minePage struct {
	Told         string
	Asked        []askedRow
	Drafts       []draftRow
	Sent, Closed caseList
	Empty        bool
	Start        string
}

// askedRow is something that somebody else filled in and this person is asked to
// sign.
type askedRow struct{ Title, Tenant, URL string }

// draftRow is something that has not been sent.
type draftRow struct {
	Title, Tenant, State, Mark, Text, Reason string
	Parties                                  []partyMark
	Changed, Ends, Go, GoWords, Remove       string
}

type partyMark struct{ Icon, Text string }

// caseList is a list of cases, with where it goes on.
type caseList struct {
	Count             int
	Rows              []caseRow
	First, More, None string
}

type caseRow struct {
	URL, Title, State, Unread, Number, Tenant, When, Erase string
}

// serveMine shows everything that a person has with all tenants of the group.
func (w *Web) serveMine(rw http.ResponseWriter, r *http.Request, v visit) error {
	sent, err := cursor(r.URL.Query().Get("skickade"))
	if err != nil {
		return err
	}
	closed, err := cursor(r.URL.Query().Get("avslutade"))
	if err != nil {
		return err
	}
	mine, err := w.Cases.Overview(r.Context(), v.who, sent, closed)
	if err != nil {
		return err
	}
	if mine.Drafts, err = w.Drafts.List(r.Context(), v.who); err != nil {
		return err
	}
	several := w.several(v.tenant)
	named := func(id portal.TenantID) string {
		if !several {
			return ""
		}
		return w.tenantName(v, id)
	}
	p := minePage{
		Start:  v.path("/"),
		Sent:   caseList{Count: mine.CountSent, None: w.text(v, "mina.sent.none")},
		Closed: caseList{Count: mine.CountClosed, None: w.text(v, "mina.closed.none")},
		Empty:  len(mine.Drafts)+len(mine.Asked)+mine.CountSent+mine.CountClosed == 0,
	}
	if r.URL.Query().Get("besked") == "borttaget" {
		p.Told = w.text(v, "mina.removed")
	}
	for _, a := range mine.Asked {
		p.Asked = append(p.Asked, askedRow{Title: a.Title, Tenant: named(a.Tenant), URL: w.signingList(a.Tenant)})
	}
	for _, d := range mine.Drafts {
		row := w.draftRow(r.Context(), v, d)
		row.Tenant = named(d.Tenant)
		p.Drafts = append(p.Drafts, row)
	}
	list := func(l *caseList, heads []portal.CaseHead, more *store.Page, at store.Page, name, anchor string) {
		for _, h := range heads {
			row := w.caseRow(r.Context(), v, h)
			row.Tenant = named(h.Tenant)
			l.Rows = append(l.Rows, row)
		}
		if !at.Before.IsZero() {
			l.First = v.path("/mina-sidor") + "#" + anchor
		}
		if more != nil {
			l.More = v.path("/mina-sidor") + "?" + url.Values{name: {cursorText(*more)}}.Encode() + "#" + anchor
		}
	}
	list(&p.Sent, mine.Sent, mine.MoreSent, sent, "skickade", "sent")
	list(&p.Closed, mine.Closed, mine.MoreClosed, closed, "avslutade", "closed")
	return w.page(rw, r, v, "mina", sheet{Here: "mine", Body: p})
}

// draftRow says how far a draft has come. One that waits or came back is opened,
// since only its body says who has signed and who said no.
func (w *Web) draftRow(ctx context.Context, v visit, h portal.DraftHead) draftRow {
	at := w.elsewhere(v, h.Tenant) + "/utkast/" + string(h.ID)
	row := draftRow{
		Title: w.title(ctx, v.lang, h.Version, h.Tenant, h.Service), Changed: w.when(v, h.Changed),
		Ends: w.text(v, "mina.ends", "when", w.date(v, h.Expires)), Go: at, GoWords: w.text(v, "mina.go"),
	}
	var d portal.Draft
	if h.State == portal.Waiting || h.Returned != "" {
		var err error
		if d, err = w.Drafts.Open(ctx, v.who, h.ID); err != nil && !errors.Is(err, portal.ErrNotFound) {
			w.Log.ErrorContext(ctx, "a draft of Mina sidor was not opened", "error", err)
		}
	}
	switch {
	case h.State == portal.Waiting:
		row.Ends, row.Go = w.text(v, "mina.ends.waiting"), at+"/vantar"
		key := waitingFor(d.Parties)
		row.State, row.GoWords = w.text(v, key.state), w.text(v, key.words)
		row.Text, row.Mark = w.text(v, key.text), "pending"
		row.Parties = w.partyMarks(v, d.Parties)
	case h.State == portal.Sending:
		row.State, row.Text, row.Go = w.text(v, "mina.state.sending"), w.text(v, "mina.state.sending.text"), at+"/vantar"
	case h.Returned != "":
		row.State, row.Mark = w.text(v, "mina.state.returned"), "pending"
		row.Text, row.Reason = w.returned(v, d.RefusedBy, h.Returned), d.Reason
		row.Remove = at + "/ta-bort"
	default:
		row.State, row.Text = w.text(v, "mina.state.saved"), w.text(v, "mina.state.saved.text")
		row.Remove = at + "/ta-bort"
	}
	return row
}

// waitingKeys are the texts of a draft that waits.
type waitingKeys struct{ state, text, words string }

// waitingFor says what a draft waits for: the label of P-75 stands only where
// another than the applicant has not signed, and the applicant has.
func waitingFor(parties []portal.Party) waitingKeys {
	mine, others := missing(parties)
	switch {
	case len(parties) == 0:
		return waitingKeys{"mina.state.signing", "mina.state.others.text", "mina.go.waiting"}
	case mine:
		return waitingKeys{"mina.state.sign", "mina.state.sign.text", "mina.go.sign"}
	case others > 0:
		return waitingKeys{"mina.state.others", "mina.state.others.text", "mina.go.waiting"}
	}
	return waitingKeys{"mina.state.sealing", "mina.state.sealing.text", "mina.go.waiting"}
}

// missing says whether the applicant has not signed, and how many others have not.
func missing(parties []portal.Party) (mine bool, others int) {
	for _, p := range parties {
		switch {
		case p.State == portal.PartySigned || p.State == portal.PartyReplaced:
		case p.Applicant:
			mine = true
		default:
			others++
		}
	}
	return mine, others
}

// partyMarks say of each party whether it has signed (P-76).
func (w *Web) partyMarks(v visit, parties []portal.Party) []partyMark {
	var out []partyMark
	for _, p := range parties {
		if p.State == portal.PartyReplaced {
			continue
		}
		signed := p.State == portal.PartySigned
		m := partyMark{Icon: "clock"}
		if signed {
			m.Icon = "check"
		}
		switch {
		case p.Applicant && signed:
			m.Text = w.text(v, "mina.party.you.signed")
		case p.Applicant:
			m.Text = w.text(v, "mina.party.you.not")
		case signed:
			m.Text = w.text(v, "mina.party.signed", "name", p.Name)
		default:
			m.Text = w.text(v, "mina.party.not", "name", p.Name)
		}
		out = append(out, m)
	}
	return out
}

// returned says why a draft came back from signing, and what that means: on Mina
// sidor and on the draft's own pages. by is who refused, when that is known.
func (w *Web) returned(v visit, by string, why portal.Returned) string {
	again := " " + w.text(v, "returned.again")
	switch {
	case why == portal.ReturnedRefused && by != "":
		return w.text(v, "returned.refused", "name", by) + again
	case why == portal.ReturnedRefused:
		return w.text(v, "returned.refused.someone") + again
	case why == portal.ReturnedExpired:
		return w.text(v, "returned.expired") + again
	case why == portal.ReturnedWithdrawn:
		return w.text(v, "returned.withdrawn") + again
	case why == portal.ReturnedCancelled:
		return w.text(v, "returned.cancelled") + again
	}
	return w.text(v, "returned.failed") + again
}

// caseRow is a case in a list.
func (w *Web) caseRow(ctx context.Context, v visit, h portal.CaseHead) caseRow {
	row := caseRow{
		URL: w.elsewhere(v, h.Tenant) + "/arende/" + string(h.ID), Title: w.title(ctx, v.lang, h.Version, h.Tenant, h.Service),
		State: w.text(v, stateKey(h.State)), Number: h.Number, When: w.text(v, "mina.arrived", "when", w.when(v, h.Arrived)),
	}
	if h.Unread > 0 {
		row.Unread = w.text(v, "mina.unread", "n", h.Unread)
	}
	if !h.Erase.IsZero() {
		row.Erase = w.text(v, "mina.erased", "when", w.date(v, h.Erase))
	}
	return row
}

// title is that of the version that a draft or a case stays on; when that cannot
// be had, of the newest one, since a list must not fail by a single row.
func (w *Web) title(ctx context.Context, lang, version string, t portal.TenantID, id portal.ServiceID) string {
	if s, err := w.Catalogue.Version(ctx, version); err == nil {
		return s.Title.In(lang)
	}
	if s, ok := w.Catalogue.Service(t, id); ok {
		return s.Title.In(lang)
	}
	return string(id)
}

// several reports whether the tenant shares Mina sidor with others.
func (w *Web) several(t portal.Tenant) bool {
	n := 0
	for _, other := range w.Catalogue.Tenants() {
		if other.Group == t.Group {
			n++
		}
	}
	return n > 1
}

func (w *Web) tenantName(v visit, id portal.TenantID) string {
	t, ok := w.Catalogue.Tenant(id)
	if !ok {
		return string(id)
	}
	return t.Name.In(v.lang)
}

// signingList is where the signing room shows a person what a tenant asks them
// to sign.
func (w *Web) signingList(id portal.TenantID) string {
	return w.Issuer + "/signing/" + portal.Tenant{ID: id}.Client() + "/"
}

// cursor reads where a list goes on; empty: from its beginning.
func cursor(text string) (store.Page, error) {
	p := store.Page{Limit: perPage}
	if text == "" {
		return p, nil
	}
	at, id, ok := strings.Cut(text, ".")
	ms, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || strconv.FormatInt(ms, 10) != at || ms <= 0 || !portal.IsID(id) {
		return p, &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("a place in a list that is none")}
	}
	p.Before, p.ID = time.UnixMilli(ms).UTC(), portal.CaseID(id)
	return p, nil
}

func cursorText(p store.Page) string { return fmt.Sprintf("%d.%s", p.Before.UnixMilli(), p.ID) }

// stateKey names the text of a case's state.
func stateKey(s portal.CaseState) string {
	switch s {
	case portal.InProgress, portal.Supplement, portal.Closed:
		return "state." + string(s)
	}
	return "state." + string(portal.Arrived)
}
