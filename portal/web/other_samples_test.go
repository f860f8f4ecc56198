package web

import (
	"strings"
	"testing"
	"time"

	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/form"
	"sigill/portal/sending"
	"sigill/portal/store"
)

// The samples of these tests: what a person has with two tenants of a group.

const (
	caseOne    portal.CaseID = "caseOne00000000000000A"
	caseClosed portal.CaseID = "caseClosed00000000000A"
	caseNobody portal.CaseID = "caseNobody00000000000A" // sent without login
	fileSigned               = "fileSigned00000000000A"
	fileProof                = "fileProof000000000000A"
	fileTaken                = "fileTaken000000000000A"
)

// lived is a house in which things have happened.
func lived(t testing.TB) *house {
	h := newHouse(t)
	for i := range h.catalogue.tenants[:2] {
		h.catalogue.tenants[i].Group = "lan"
	}
	school := preschool(t)
	arrived := h.now.Add(-72 * time.Hour)
	head := portal.CaseHead{
		ID: caseOne, Number: "EXB-2026-000017", Tenant: "exempelbo", Service: portal.ServiceID(school.ID), Version: school.Hash, Group: "forskoleplacering",
		State: portal.Supplement, Arrived: arrived, Changed: arrived.Add(24 * time.Hour), Order: "order-one", Unread: 1,
	}
	h.cases.cases[caseOne] = portal.Case{
		CaseHead: head,
		Submission: portal.Submission{
			Lang: "sv", Title: "Ansökan om förskoleplats", Applicant: portal.Person{Number: numberOne, Name: "Testperson Ett"},
			Blocks: []form.Block{
				{Heading: "Barnet"}, {Rows: []form.Row{{Label: "Vilket barn gäller ansökan?", Value: "Testbarn Ett"}, {Label: "Särskilda behov", Value: ""}}},
				{Heading: "Önskad plats"}, {Rows: []form.Row{{Label: "Önskat startdatum", Value: "17 augusti 2026"}, {Label: "Önskade förskolor i ordning", Value: "1. Förskolan Björken\n2. Förskolan Eken"}}},
			},
			Parties: []portal.Party{
				{Party: form.Party{Number: numberOne, Name: "Testperson Ett", Applicant: true}, N: 1, State: portal.PartySigned, Signed: arrived.Add(-26 * time.Hour)},
				{Party: form.Party{Number: numberTwo, Name: "Testperson Två", CoOwner: true}, N: 2, State: portal.PartySigned, Signed: arrived},
			},
			Contact: form.Contact{Email: "hemma@example.se", Phone: "0701740606", Notify: "both"},
		},
		Events: []portal.Event{
			{At: arrived, Kind: portal.EventArrived, By: portal.BySystem},
			{At: arrived.Add(20 * time.Hour), Kind: portal.EventStatus, State: portal.InProgress, By: portal.ByOfficer},
			{At: arrived.Add(24 * time.Hour), Kind: portal.EventMessage, By: portal.ByOfficer},
			{At: arrived.Add(24 * time.Hour), Kind: portal.EventStatus, State: portal.Supplement, By: portal.ByOfficer},
			{At: arrived.Add(25 * time.Hour), Kind: portal.EventNoEmail, By: portal.BySystem},
			{At: arrived.Add(25 * time.Hour), Kind: portal.EventNoSMS, By: portal.BySystem},
		},
		Messages: []portal.Message{
			{ID: "m1", At: arrived.Add(22 * time.Hour), By: portal.ByCitizen, Name: "Testperson Ett", Text: "Hej! Behöver ni något mer av oss?", Read: arrived.Add(23 * time.Hour)},
			{ID: "m2", At: arrived.Add(24 * time.Hour), By: portal.ByOfficer, Name: "Handläggare Ett", Text: "Hej!\nVi behöver ert schema. Skriv det här, så går det snabbast."},
		},
		Files: []portal.CaseFile{
			{File: form.File{ID: fileSigned, Name: "ansokan.pdf", Type: "application/pdf", Size: 412_300}, Kind: portal.SignedPDF},
			{File: form.File{ID: fileProof, Name: "kvittens.pdf", Type: "application/pdf", Size: 38_000}, Kind: portal.ReceiptPDF},
			{File: form.File{ID: fileTaken, Name: "intyg från skolan.pdf", Type: "application/pdf", Size: 1_830_000}, Kind: portal.Attachment},
		},
	}
	h.cases.sees[caseOne] = []string{"key-one", "key-two"}
	h.cases.files = map[portal.FileID][]byte{fileSigned: []byte("%PDF signed"), fileProof: []byte("%PDF receipt"), fileTaken: []byte("%PDF taken")}

	closed := head
	closed.ID, closed.Number, closed.Tenant, closed.State, closed.Unread = caseClosed, "ANN-2025-000003", "annanstad", portal.Closed, 0
	closed.Arrived, closed.Closed = arrived.Add(-4000*time.Hour), arrived.Add(-1000*time.Hour)
	closed.Erase = closed.Closed.Add(2 * 365 * 24 * time.Hour)
	done := h.cases.cases[caseOne]
	done.CaseHead, done.Messages, done.Events = closed, done.Messages[:1], done.Events[:1]
	h.cases.cases[caseClosed] = done
	h.cases.sees[caseClosed] = []string{"key-one"}

	report := fault(t)
	anonymous := portal.CaseHead{
		ID: caseNobody, Number: "EXB-2026-000018", Tenant: "exempelbo", Service: portal.ServiceID(report.ID), Version: report.Hash, Group: "gata",
		State: portal.Arrived, Arrived: h.now, Changed: h.now, Anonymous: true,
	}
	h.cases.cases[caseNobody] = portal.Case{
		CaseHead:   anonymous,
		Submission: portal.Submission{Lang: "sv", Title: "Felanmälan", Blocks: []form.Block{{Rows: []form.Row{{Label: "Vad är fel?", Value: "En lampa lyser inte"}}}}},
		Events:     []portal.Event{{At: h.now, Kind: portal.EventArrived, By: portal.BySystem}},
	}
	h.cases.sees[caseNobody] = []string{"browser"}

	sealed := store.Asked{Draft: "draft", Order: "order-two", Person: "key-one", Tenant: "annanstad"}
	h.cases.mine = cases.Mine{
		Asked: []cases.Asked{{Asked: sealed, Title: "Ansökan om skolskjuts"}},
		Sent:  []portal.CaseHead{head}, Closed: []portal.CaseHead{closed}, CountSent: 21, CountClosed: 1,
		MoreSent: &store.Page{Before: head.Changed, ID: head.ID},
	}
	h.desks.heads = []portal.CaseHead{head, {
		ID: "caseTwo00000000000000A", Number: "EXB-2026-000016", Tenant: "exempelbo", Service: portal.ServiceID(school.ID), Version: school.Hash,
		Group: "forskoleplacering", State: portal.Arrived, Arrived: arrived.Add(-time.Hour), Changed: arrived.Add(-time.Hour),
	}, anonymous}
	h.desks.more = &store.Page{Before: arrived, ID: caseOne}
	h.people.profile = form.Contact{Email: "ett@example.se", Phone: "0701740605", Notify: "email"}
	return h
}

// party gives one of a signing order.
func party(n int, name string, s portal.PartyState, change ...func(*portal.Party)) portal.Party {
	p := portal.Party{Party: form.Party{Name: name, Applicant: n == 1}, N: n, State: s}
	if n == 1 {
		p.SignURL = "https://login.example.se/signing/portal-exempelbo/o/order-one/1"
	} else {
		p.Email, p.Phone = "tva@example.se", "0701740607"
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

func signedAt(t time.Time) func(*portal.Party) { return func(p *portal.Party) { p.Signed = t } }

func told(at time.Time, states ...string) func(*portal.Party) {
	return func(p *portal.Party) {
		for i, s := range states {
			p.Delivery = append(p.Delivery, portal.Delivery{Channel: []string{"email", "sms"}[i], State: s, At: at})
		}
	}
}

// waits makes a draft of a person wait with such parties, and gives its address.
func (h *house) waits(who string, parties ...portal.Party) (id portal.DraftID, at string) {
	h.t.Helper()
	id = h.draft(who, h.catalogue.services[0], nil)
	d := h.drafts.drafts[id]
	d.State, d.Order, d.Parties = portal.Waiting, "order-one", parties
	h.stands(id, sending.Standing{Draft: *d, Parties: parties, Deadline: h.now.Add(30 * 24 * time.Hour)})
	return id, base + "/utkast/" + string(id) + "/vantar"
}

func (h *house) stands(id portal.DraftID, s sending.Standing) {
	h.desk.standing[id], h.desk.owner[id] = s, portal.PersonKey(h.drafts.owner[id])
}

// comesBack makes a draft that came back.
func (h *house) comesBack(who string, why portal.Returned, by, reason string) portal.DraftID {
	id := h.draft(who, h.catalogue.services[0], nil)
	d := h.drafts.drafts[id]
	d.Returned, d.RefusedBy, d.Reason = why, by, reason
	return id
}

// sample is a page of the other half, as somebody sees it.
type sample struct{ name, who, path string }

// otherSamples gives a house with one of every page.
func otherSamples(t testing.TB) (*house, []sample) {
	h := lived(t)
	asked := h.now.Add(-50 * time.Hour)
	_, others := h.waits("one", party(1, "Testperson Ett", portal.PartySigned, signedAt(asked)), party(2, "Testperson Två", portal.PartyInvited, told(asked, "sent", "sent")))
	_, failed := h.waits("one", party(1, "Testperson Ett", portal.PartySigned, signedAt(asked)), party(2, "Testperson Två", portal.PartyFailed, told(asked, "failed", "failed")),
		party(3, "Testperson Tre", portal.PartyOpened, told(asked, "sent")), party(4, "Testperson Fyra", portal.PartySigned, told(asked, "sent"), signedAt(h.now.Add(-time.Hour))))
	_, own := h.waits("one", party(1, "Testperson Ett", portal.PartyInvited), party(2, "Testperson Två", portal.PartyWaiting))
	sealing, all := h.waits("two", party(1, "Testperson Två", portal.PartySigned, signedAt(asked)), party(2, "Testperson Ett", portal.PartySigned, signedAt(h.now)))
	s := h.desk.standing[sealing]
	s.Sealing, s.Stale = true, false
	h.stands(sealing, s)
	half, midway := h.waits("two")
	s = h.desk.standing[half]
	s.Draft.State, s.Deadline = portal.Sending, time.Time{}
	h.stands(half, s)
	h.drafts.drafts[half].State = portal.Sending
	h.comesBack("one", portal.ReturnedRefused, "Testperson Två", "Startdatumet är fel, vi sa september.")
	h.draft("one", h.catalogue.services[1], nil)
	c := string(caseOne)
	return h, []sample{
		{"mina", "one", base + "/mina-sidor"},
		{"mina-removed", "two", base + "/mina-sidor?besked=borttaget"},
		{"case", "one", base + "/arende/" + c},
		{"case-written", "one", base + "/arende/" + c + "?besked=skickat"},
		{"case-closed", "one", "/annanstad/arende/" + string(caseClosed)},
		{"sent", "one", base + "/arende/" + c + "/inskickat"},
		{"sent-late", "one", base + "/arende/" + c + "/inskickat?besked=for-sent"},
		{"sent-anonymous", "browser", base + "/arende/" + string(caseNobody) + "/inskickat"},
		{"waiting", "one", others},
		{"waiting-failed", "one", failed + "?besked=andrat"},
		{"waiting-own", "one", own},
		{"waiting-sealing", "two", all},
		{"waiting-sending", "two", midway},
		{"withdraw", "one", others + "?do=withdraw"},
		{"profile", "one", base + "/profil"},
		{"profile-saved", "one", base + "/profil?besked=sparat"},
		{"officer-list", "officer", base + "/handlaggare"},
		{"officer-case", "officer", base + "/handlaggare/arende/" + c},
		{"officer-stale", "officer", base + "/handlaggare/arende/" + c + "?besked=annan"},
		{"officer-login", "", base + "/handlaggare"},
		{"officer-bye", "", base + "/handlaggare/utloggad"},
	}
}

// with adds to the query of an address.
func with(path, query string) string {
	if strings.Contains(path, "?") {
		return path + "&" + query
	}
	return path + "?" + query
}
