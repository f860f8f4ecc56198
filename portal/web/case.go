package web

import (
	"errors"
	"net/http"
	"time"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/form"
)

// longestMessage is how many characters a message may have; cases says the same.
const longestMessage = 10000

// most says it to people.
func most(lang string) string {
	if lang == "en" {
		return "10,000"
	}
	return "10\u00a0000"
}

// casePage is a case for somebody it is about.
type casePage struct {
	caseParts
	Told, Warned, Title, Number, Tenant string
	Mine                                string
}

// caseParts is what citizens and officers see of a case alike.
type caseParts struct {
	State                       stateShown
	FirstSigned, Arrived, Erase string
	Receipt                     string
	Files                       []fileShown
	Signers                     []signerShown
	Answers                     answersShown
	History                     []eventShown
	Messages                    messagesShown
}

type stateShown struct{ Label, Text, When string }

type fileShown struct{ Name, About, URL string }

// signerShown is who signed; officers are told the personal number too.
type signerShown struct{ Name, Number, Text string }

type answersShown struct {
	Lang   string // when it is not the page's
	Blocks []form.Block
}

type eventShown struct{ Icon, Mark, Text, When string }

type messagesShown struct {
	Shown                         bool
	List                          []messageShown
	Action, Once, Label, Help     string
	Problem, Typed, Closed, Empty string
	Most                          int
}

type messageShown struct {
	From, When, Text string
	Own, New         bool
}

// serveCase shows a case to those it is about.
func (w *Web) serveCase(rw http.ResponseWriter, r *http.Request, v visit) error {
	return w.showCase(rw, r, v, http.StatusOK, said{})
}

// said is a message that was typed and not taken, with what was wrong with it, or
// why else.
type said struct{ Typed, Problem, Warned string }

// showCase draws it.
func (w *Web) showCase(rw http.ResponseWriter, r *http.Request, v visit, status int, m said) error {
	id := portal.CaseID(r.PathValue("case"))
	if err := w.caseHere(r, v, id); err != nil {
		return seen(err)
	}
	c, err := w.Cases.Open(r.Context(), v.who, id)
	if err != nil {
		return seen(err)
	}
	service, err := w.Catalogue.Version(r.Context(), c.Version)
	if err != nil {
		return err
	}
	base := v.path("/arende/" + string(c.ID))
	p := casePage{
		caseParts: w.caseParts(v, c, service, base, portal.ByCitizen),
		Title:     service.Title.In(v.lang), Number: c.Number, Tenant: w.tenantName(v, c.Tenant), Mine: v.path("/mina-sidor"),
	}
	p.Messages.Problem, p.Messages.Typed, p.Warned = m.Problem, m.Typed, m.Warned
	switch r.URL.Query().Get("besked") {
	case "skickat":
		p.Told = w.text(v, "case.message.sent")
	case "stangt":
		p.Warned = w.text(v, "case.message.not")
	}
	return w.page(rw, r, v, "case", sheet{Status: status, Here: "mine", Wide: true, Body: p})
}

// caseParts draws what both sides see. side is who looks.
func (w *Web) caseParts(v visit, c portal.Case, service *form.Service, base string, side portal.Role) caseParts {
	p := caseParts{
		Arrived: w.when(v, c.Arrived), Answers: answersShown{Blocks: c.Submission.Blocks},
		State: stateShown{Label: w.text(v, stateKey(c.State)), Text: w.text(v, stateKey(c.State)+".text"), When: w.when(v, stateSince(c))},
	}
	if c.Submission.Lang != v.lang {
		p.Answers.Lang = c.Submission.Lang
	}
	if !c.Erase.IsZero() {
		p.Erase = w.date(v, c.Erase)
	}
	for _, f := range c.Files {
		shown := fileShown{Name: f.Name, URL: base + "/fil/" + f.ID, About: w.text(v, "case.file.about", "kind", w.fileKind(v, f.Type), "size", size(v.lang, f.Size))}
		switch f.Kind {
		case portal.SignedPDF:
			shown.Name = w.text(v, "case.file.signed")
		case portal.ReceiptPDF:
			shown.Name, p.Receipt = w.text(v, "case.file.receipt"), shown.URL
		}
		p.Files = append(p.Files, shown)
	}
	var first time.Time
	for _, party := range c.Submission.Parties {
		s := signerShown{Name: party.Name, Text: w.text(v, "case.signed")}
		if side == portal.ByOfficer {
			s.Number = dashed(party.Number)
		}
		if !party.Signed.IsZero() {
			s.Text = w.text(v, "case.signed.at", "when", w.when(v, party.Signed))
			if first.IsZero() || party.Signed.Before(first) {
				first = party.Signed
			}
		}
		p.Signers = append(p.Signers, s)
	}
	if !first.IsZero() && !first.Equal(c.Arrived) {
		p.FirstSigned = w.when(v, first)
	}
	for _, e := range c.Events {
		p.History = append(p.History, w.event(v, e))
	}
	p.Messages = w.messages(v, c, service, base, side)
	return p
}

// stateSince is when the case got the state it has.
func stateSince(c portal.Case) time.Time {
	since := c.Arrived
	for _, e := range c.Events {
		if e.Kind == portal.EventStatus && e.State == c.State {
			since = e.At
		}
	}
	return since
}

func (w *Web) event(v visit, e portal.Event) eventShown {
	s := eventShown{Icon: "check", Mark: "done", When: w.when(v, e.At)}
	switch {
	case e.Kind == portal.EventArrived:
		s.Text = w.text(v, "case.event.arrived")
	case e.Kind == portal.EventStatus:
		s.Text = w.text(v, "case.event.status", "state", w.text(v, stateKey(e.State)))
	case e.Kind == portal.EventNoEmail:
		s.Icon, s.Mark, s.Text = "alert", "", w.text(v, "case.event.no_email")
	case e.Kind == portal.EventNoSMS:
		s.Icon, s.Mark, s.Text = "alert", "", w.text(v, "case.event.no_sms")
	case e.By == portal.ByCitizen:
		s.Icon, s.Mark, s.Text = "info", "", w.text(v, "case.event.written")
	default:
		s.Icon, s.Mark, s.Text = "info", "", w.text(v, "case.event.answered")
	}
	return s
}

// messages is the dialogue, in services that have one (P-90) and with people who
// can read an answer. Where the case is closed it can be read and not written.
func (w *Web) messages(v visit, c portal.Case, service *form.Service, base string, side portal.Role) messagesShown {
	m := messagesShown{
		Shown: service.Handlers.Messages && !c.Anonymous || len(c.Messages) > 0, Most: longestMessage,
		Label: w.text(v, "case.message.label"), Help: w.text(v, "case.message.help", "most", most(v.lang)), Closed: w.text(v, "case.message.closed"),
	}
	if side == portal.ByOfficer {
		m.Label = w.text(v, "officer.message.label")
	}
	if service.Handlers.Messages && !c.Anonymous && c.State != portal.Closed {
		m.Action, m.Once = base+"/meddelande", portal.NewID()
	}
	for _, x := range c.Messages {
		shown := messageShown{When: w.when(v, x.At), Text: x.Text, Own: x.By == side, New: x.By != side && x.Read.IsZero(), From: x.Name}
		if shown.From == "" {
			shown.From = w.text(v, map[bool]string{true: "case.message.officer", false: "case.message.from"}[x.By == portal.ByOfficer])
		}
		m.List = append(m.List, shown)
	}
	return m
}

// serveCaseFile gives a document of a case.
func (w *Web) serveCaseFile(rw http.ResponseWriter, r *http.Request, v visit) error {
	id := portal.CaseID(r.PathValue("case"))
	if err := w.caseHere(r, v, id); err != nil {
		return w.unseen(rw, r, v, err)
	}
	f, b, err := w.Cases.File(r.Context(), v.who, id, portal.FileID(r.PathValue("file")))
	if err != nil {
		return w.unseen(rw, r, v, err)
	}
	return page.Hand(rw, r, f.Name, f.Type, b)
}

// serveMessage takes a message of a citizen.
func (w *Web) serveMessage(rw http.ResponseWriter, r *http.Request, v visit) error {
	id := portal.CaseID(r.PathValue("case"))
	once, text, err := messageForm(r)
	if err != nil {
		return err
	}
	if err := w.caseHere(r, v, id); err != nil {
		return seen(err)
	}
	at := v.path("/arende/" + string(id))
	switch err := w.Cases.Write(settled(r), v.who, id, once, text); {
	case errors.Is(err, cases.ErrEmpty):
		return w.showCase(rw, r, v, http.StatusUnprocessableEntity, said{Typed: text, Problem: w.text(v, "case.message.empty", "most", most(v.lang))})
	case errors.Is(err, cases.ErrNoMessages):
		page.SeeOther(rw, at+"?besked=stangt")
	case err != nil:
		return seen(err)
	default:
		page.SeeOther(rw, at+"?besked=skickat#messages")
	}
	return nil
}

// messageForm reads the form of a message. Its key says that the same form is the
// same message, however often it comes.
func messageForm(r *http.Request) (once, text string, err error) {
	f, err := page.FormUpTo(r, 4*longestMessage+1000, "once", "text")
	if err != nil {
		return "", "", err
	}
	if !portal.IsID(f["once"]) {
		return "", "", &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("a message without its key")}
	}
	return f["once"], f["text"], nil
}

func (w *Web) fileKind(v visit, media string) string {
	switch media {
	case "application/pdf":
		return w.text(v, "case.file.pdf")
	case "image/jpeg", "image/png":
		return w.text(v, "case.file.image")
	}
	return w.text(v, "case.file.other")
}
