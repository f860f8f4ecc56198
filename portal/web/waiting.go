package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/portal/sending"
	"sigill/portal/signclient"
)

// waitingPage is a draft that waits for signatures: nothing has arrived.
type waitingPage struct {
	Problems                   []problem
	Told, Warned               string
	Heading, Title, Icon, Mark string
	Text, Next, Sign, Deadline string
	Parties                    []partyShown
	Self, Withdraw, Mine       string
	Moves, Remind, Again       bool
	// Contact is whom to turn to when it takes long; nil: nothing does.
	Contact *reach
}

// partyShown is a party in the timeline.
type partyShown struct {
	Name, Icon, Mark string
	Steps            []string
	Correct          *correctForm
}

// correctForm mends how a party is reached.
type correctForm struct {
	Action, Name, EmailID, PhoneID string
	N                              int
	Email, Phone                   string
	EmailProblem, PhoneProblem     string
	Open                           bool
}

// tried is a correction that was not taken.
type tried struct {
	n       int
	contact form.Contact
	faults  []form.Fault
}

// newsUnsaved says that what was typed came to a draft that is locked.
const newsUnsaved = "ej-sparat"

// serveWaiting shows how a draft that waits stands.
func (w *Web) serveWaiting(rw http.ResponseWriter, r *http.Request, v visit) error {
	return w.showWaiting(rw, r, v, http.StatusOK, nil)
}

// stand says how a draft of this tenant stands, to its owner.
func (w *Web) stand(r *http.Request, v visit, id portal.DraftID) (sending.Standing, error) {
	if !portal.IsID(string(id)) {
		return sending.Standing{}, portal.ErrNotFound
	}
	if err := w.draftHere(r, v, id); err != nil {
		return sending.Standing{}, err
	}
	return w.Desk.Stand(r.Context(), v.who, id)
}

// showWaiting draws the page, or sends on where the draft waits no more.
func (w *Web) showWaiting(rw http.ResponseWriter, r *http.Request, v visit, status int, t *tried) error {
	id := portal.DraftID(r.PathValue("draft"))
	at := v.path("/utkast/" + string(id))
	news := r.URL.Query().Get("besked")
	stand, err := w.stand(r, v, id)
	switch {
	case err != nil:
		return seen(err)
	case stand.Case != "":
		to := v.path("/arende/"+string(stand.Case)) + "/inskickat"
		if news == "for-sent" {
			to += "?besked=for-sent"
		}
		page.SeeOther(rw, to)
		return nil
	case stand.Draft.State == portal.Open:
		page.SeeOther(rw, at)
		return nil
	}
	service, err := w.Catalogue.Version(r.Context(), stand.Draft.Version)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("do") == "withdraw" && !stand.Sealing {
		return w.page(rw, r, v, "withdraw", sheet{Here: "mine", Body: w.withdrawPage(v, at+"/vantar", service.Title.In(v.lang), stand.Parties)})
	}
	p := w.waitingPage(v, at, stand, t)
	if p.Moves {
		rw.Header().Set("Refresh", strconv.Itoa(int(w.lookAgain(stand.Parties).Seconds())))
		contact := reachOf(authority(v.tenant, service).Contact, v.lang)
		p.Contact = &contact
	}
	p.Title, p.Mine = service.Title.In(v.lang), v.path("/mina-sidor")
	switch news {
	case "pamind":
		p.Told = w.text(v, "waiting.reminded")
	case "andrat":
		p.Told = w.text(v, "waiting.corrected")
	case "nyss":
		p.Warned = w.text(v, "waiting.remind.soon")
	case "gick-inte":
		p.Warned = w.text(v, "waiting.not")
	case "for-sent":
		p.Warned = w.text(v, "waiting.late")
	case newsUnsaved:
		p.Warned = w.text(v, "waiting.unsaved")
	}
	if p.Warned == "" && stand.Stale && stand.Draft.State == portal.Waiting {
		p.Warned = w.text(v, "waiting.stale")
	}
	return w.page(rw, r, v, "waiting", sheet{Status: status, Here: "mine", Body: p})
}

// lookAgain is how soon the page of something that all have signed looks again:
// soon, and seldom when it has taken long.
func (w *Web) lookAgain(parties []portal.Party) time.Duration {
	var last time.Time
	for _, p := range parties {
		if p.Signed.After(last) {
			last = p.Signed
		}
	}
	if w.Now().Sub(last) < receiptSoon {
		return 2 * time.Second
	}
	return 30 * time.Second
}

// waitingPage says how it stands.
func (w *Web) waitingPage(v visit, at string, s sending.Standing, t *tried) waitingPage {
	self := at + "/vantar"
	mine, others := missing(s.Parties)
	p := waitingPage{Self: self, Icon: "clock"}
	// Also when the signing service does not answer, and all had signed before.
	signed := !mine && others == 0 && (s.Sealing || len(s.Parties) > 0)
	switch {
	case s.Draft.State == portal.Sending:
		p.Icon, p.Mark, p.Again, p.Withdraw = "alert", "warn", true, self+"?do=withdraw"
		p.Heading, p.Text = w.text(v, "waiting.sending"), w.text(v, "waiting.sending.text")
		return p
	case s.Sealing && !signed:
		// It has ended in another way, and what follows is being done.
		p.Moves = true
		p.Heading, p.Text = w.text(v, "waiting.ended"), w.text(v, "waiting.ended.text")
	case signed:
		p.Icon, p.Moves = "check", true
		p.Heading, p.Text, p.Next = w.text(v, "waiting.sealing"), w.text(v, "waiting.sealing.text"), w.text(v, "waiting.sealing.next")
	case mine:
		p.Heading, p.Text, p.Next = w.text(v, "waiting.sign.heading"), w.text(v, "waiting.sign.text"), w.text(v, "waiting.sign.alone")
		if others > 0 {
			p.Next = w.text(v, "waiting.sign.many")
		}
	default:
		p.Heading, p.Text, p.Next = w.text(v, "waiting.others"), w.text(v, "waiting.others.text", "n", others), w.text(v, "waiting.others.next")
		p.Remind = others > 0
	}
	if !s.Sealing && !signed {
		p.Withdraw = self + "?do=withdraw"
		if !s.Deadline.IsZero() {
			p.Deadline = w.text(v, "waiting.deadline", "when", w.when(v, s.Deadline))
		}
	}
	for _, party := range s.Parties {
		if party.State == portal.PartyReplaced {
			continue
		}
		shown := w.partyShown(v, party, mine)
		if party.Applicant && mine {
			p.Sign = party.SignURL
		}
		if correctable(party) && !s.Sealing {
			shown.Correct = correctFor(self, party)
			if t != nil && t.n == party.N {
				p.Problems = w.mend(v, shown.Correct, t)
			}
		}
		p.Parties = append(p.Parties, shown)
	}
	return p
}

// partyShown is what has happened to a party, in its order.
func (w *Web) partyShown(v visit, p portal.Party, first bool) partyShown {
	s := partyShown{Name: p.Name, Icon: "clock"}
	if p.Applicant {
		s.Name = w.text(v, "waiting.you", "name", p.Name)
	} else {
		for _, d := range p.Delivery {
			if line := w.delivered(v, d); line != "" {
				s.Steps = append(s.Steps, line)
			}
		}
	}
	add := func(key string, pairs ...any) { s.Steps = append(s.Steps, w.text(v, key, pairs...)) }
	switch p.State {
	case portal.PartySigned:
		s.Icon, s.Mark = "check", "done"
		if p.Signed.IsZero() {
			add("waiting.party.signed.unknown")
		} else {
			add("waiting.party.signed", "when", w.when(v, p.Signed))
		}
	case portal.PartyRefused:
		s.Icon, s.Mark = "alert", "no"
		add("waiting.party.refused")
	case portal.PartyExpired:
		add("waiting.party.expired")
	case portal.PartyFailed:
		s.Icon, s.Mark = "alert", "no"
		if len(s.Steps) == 0 { // else they say it
			add("waiting.party.failed")
		}
	case portal.PartyOpened:
		if !p.Applicant {
			add("waiting.party.opened")
		}
		add("waiting.party.not")
	case portal.PartyWaiting:
		switch {
		case p.Applicant:
			add("waiting.party.not")
		case first:
			add("waiting.party.later")
		default:
			add("waiting.party.turn")
		}
	default:
		if !p.Applicant && len(s.Steps) == 0 {
			add("waiting.party.asked")
		}
		add("waiting.party.not")
	}
	return s
}

// delivered says how a message to a party went.
func (w *Web) delivered(v visit, d portal.Delivery) string {
	if d.Channel != "email" && d.Channel != "sms" {
		return ""
	}
	switch d.State {
	case "sent":
		return w.text(v, "waiting.sent."+d.Channel, "when", w.when(v, d.At))
	case "failed":
		return w.text(v, "waiting.failed."+d.Channel)
	}
	return w.text(v, "waiting.queued."+d.Channel)
}

// correctable reports whether it helps to mend how a party is reached: it was not
// reached, or has not come yet.
func correctable(p portal.Party) bool {
	return !p.Applicant && (p.State == portal.PartyWaiting || p.State == portal.PartyInvited || p.State == portal.PartyFailed)
}

func correctFor(self string, p portal.Party) *correctForm {
	n := strconv.Itoa(p.N)
	return &correctForm{
		Action: self, Name: p.Name, N: p.N, EmailID: "email-" + n, PhoneID: "phone-" + n,
		Email: p.Email, Phone: spoken(p.Phone), Open: p.State == portal.PartyFailed,
	}
}

// mend puts what was typed, and what is wrong with it, into the form.
func (w *Web) mend(v visit, f *correctForm, t *tried) []problem {
	f.Email, f.Phone, f.Open = t.contact.Email, t.contact.Phone, true
	var out []problem
	for _, fault := range t.faults {
		text := w.contactFault(v, fault)
		if fault.Part == "phone" || fault.Part == "" && fault.Code == form.FaultPhone {
			f.PhoneProblem = text
			out = append(out, problem{"#" + f.PhoneID, text})
			continue
		}
		f.EmailProblem = text
		out = append(out, problem{"#" + f.EmailID, text})
	}
	return out
}

// withdrawShown asks before every signature is made void.
type withdrawShown struct{ Title, Text, Self string }

func (w *Web) withdrawPage(v visit, self, title string, parties []portal.Party) withdrawShown {
	n := 0
	for _, p := range parties {
		if p.State == portal.PartySigned {
			n++
		}
	}
	text := w.text(v, "withdraw.none")
	if n > 0 {
		text = w.text(v, "withdraw.text", "n", n)
	}
	return withdrawShown{Title: title, Text: text, Self: self}
}

// serveWaitingDo does what was pressed.
func (w *Web) serveWaitingDo(rw http.ResponseWriter, r *http.Request, v visit) error {
	f, err := page.Form(r, "do", "n", "email", "phone")
	if err != nil {
		return err
	}
	id := portal.DraftID(r.PathValue("draft"))
	if !portal.IsID(string(id)) {
		return notFound()
	}
	if err := w.draftHere(r, v, id); err != nil {
		return seen(err)
	}
	at := v.path("/utkast/" + string(id))
	back := func(news string) error { page.SeeOther(rw, at+"/vantar?besked="+news); return nil }
	switch f["do"] {
	case "remind":
		err = w.Waiting.Remind(settled(r), v.who, id)
		if err == nil {
			return back("pamind")
		}
	case "send":
		// Only what was locked goes out, as it was: no revision of an open draft is -1.
		var sent sending.Sent
		sent, err = w.Desk.Send(settled(r), v.who, id, -1, "")
		switch {
		case err == nil && sent.Case != "":
			return v.to(rw, "/arende/"+string(sent.Case)+"/inskickat")
		case err == nil && sent.SignURL != "":
			page.SeeOther(rw, sent.SignURL)
			return nil
		case err == nil || errors.As(err, new(*drafts.Conflict)):
			page.SeeOther(rw, at)
			return nil
		}
	case "withdraw":
		err = w.Waiting.Withdraw(settled(r), v.who, id)
		if err == nil {
			page.SeeOther(rw, at)
			return nil
		}
	case "correct":
		n, bad := strconv.Atoi(f["n"])
		if bad != nil || n < 1 || n > 99 {
			return malformed("a party that is none")
		}
		c := form.Contact{Email: f["email"], Phone: f["phone"]}
		var faults []form.Fault
		faults, err = w.Waiting.Correct(settled(r), v.who, id, n, c)
		if err == nil && len(faults) > 0 {
			return w.showWaiting(rw, r, v, http.StatusUnprocessableEntity, &tried{n, c, faults})
		}
		if err == nil {
			return back("andrat")
		}
	default:
		return malformed("nothing that can be done")
	}
	var refused *signclient.Problem
	switch {
	case errors.As(err, &refused) && f["do"] == "remind":
		return back("nyss")
	case errors.Is(err, sending.ErrTooLate):
		return back("for-sent")
	case errors.Is(err, sending.ErrUnsure):
		return back("gick-inte")
	case errors.Is(err, sending.ErrNotTaken): // it is open again
		return w.tellNotTaken(rw, r, v, at, reachOf(v.tenant.Contact, v.lang))
	case errors.Is(err, register.ErrProtected):
		return w.tellProtected(rw, r, v)
	}
	return seen(err)
}

// serveSigned takes the applicant back from the signing room: to the confirmation
// when it has arrived, and else to how it stands.
func (w *Web) serveSigned(rw http.ResponseWriter, r *http.Request, v visit) error {
	id := portal.DraftID(r.PathValue("draft"))
	stand, err := w.stand(r, v, id)
	switch {
	case err != nil:
		return seen(err)
	case stand.Case != "":
		page.SeeOther(rw, v.path("/arende/"+string(stand.Case))+"/inskickat")
	case stand.Draft.State == portal.Open:
		page.SeeOther(rw, v.path("/utkast/"+string(id)))
	default:
		page.SeeOther(rw, v.path("/utkast/"+string(id))+"/vantar")
	}
	return nil
}

func malformed(why string) error {
	return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New(why)}
}
