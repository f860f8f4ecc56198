package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/portal/sending"
)

// reviewPage shows everything before it is signed or sent.
type reviewPage struct {
	Service  string
	Send     string // where the button posts
	Revision int
	Notice   string // version of the notice on personal data
	Note     string
	Back     []string // why the draft came back
	Progress []stop
	N, Of    int
	Steps    []reviewed
	Problems []problem // that must be mended first
	Warnings []problem // that need not
	Signers  []signer
	Several  bool
	Deadline string
	Privacy  privacy
	Agency   string
	Sign     bool
	Button   string
	Close    bool
	Minutes  string
}

// reviewed is a step with its answers.
type reviewed struct {
	Title, Change, Hidden string
	Rows                  []answered
}

// answered is a question and its answer.
type answered struct {
	Label string
	Lines []string
	Files []fileLine
	None  bool
}

// signer is somebody who signs, and how that person is asked.
type signer struct{ Name, Text string }

// What the review says besides.
const noteChanged, noteNotice = "andrad", "ny-text"

func (w *Web) serveReview(rw http.ResponseWriter, r *http.Request, v visit) error {
	k, err := w.enter(r, v)
	if err != nil {
		return w.barred(rw, r, v, err, nil)
	}
	if two, err := w.unsettled(r, v, k); err != nil {
		return err
	} else if two {
		page.SeeOther(rw, k.path(v, "/krock?fran=granska"))
		return nil
	}
	if id := k.journey.First(); id != "" {
		// Not every step is done: nothing is reviewed before that (P-38).
		page.SeeOther(rw, k.path(v, w.unfinished(k, id)))
		return nil
	}
	note := ""
	switch r.URL.Query().Get("visa") {
	case noteChanged:
		note = w.text(v, "review.changed")
	case noteNotice:
		note = w.text(v, "review.notice.changed")
	}
	return w.showReview(rw, r, v, k, http.StatusOK, note, nil)
}

// unfinished is the first step that is not done; it says what is wrong if the
// person has been there.
func (w *Web) unfinished(k work, id string) string {
	if p, ok := k.journey.Find(id); ok && p.Saved {
		return "/s/" + id + "?visa=" + showFaults
	}
	return "/s/" + id
}

func (w *Web) showReview(rw http.ResponseWriter, r *http.Request, v visit, k work, status int, note string, refused []form.Fault) error {
	s, a := k.service, k.draft.Answers
	parties, wrong := s.Parties(a, k.facts)
	if len(refused) > 0 {
		wrong = refused
	}
	b := reviewPage{
		Service: s.Title.In(v.lang), Send: k.path(v, "/skicka"), Revision: k.draft.Revision, Note: note, Back: w.comeback(v, k.draft),
		Progress: w.progress(v, k, ""), N: len(k.journey.Steps) + 1, Of: len(k.journey.Steps) + 1,
		Notice: w.noticeVersion(v, s), Privacy: w.privacyOf(v, s), Agency: authority(v.tenant, s).Name.In(v.lang),
		Sign: s.Signing != nil, Button: v.tenant.Send.In(v.lang), Several: len(parties) > 1,
		Close: v.who.LoggedIn() && s.Login.Drafts,
	}
	if v.who.LoggedIn() {
		b.Minutes = waitMinutes(v.tenant)
	}
	if b.Button == "" {
		b.Button = w.text(v, "review.send")
	}
	if b.Sign {
		b.Button = w.text(v, "review.sign")
		b.Deadline = w.date(v, w.Now().Add(s.Signing.Deadline))
	}
	for _, p := range k.journey.Steps {
		change := k.path(v, "/s/"+p.Step.ID) + "?fran=granska"
		step := reviewed{Title: p.Step.Title.In(v.lang), Change: change}
		for _, f := range p.Fields {
			if f.Type != form.TypeInformation {
				step.Rows = append(step.Rows, w.answered(v, k, f))
			}
		}
		for _, x := range p.Faults {
			if f, _ := s.Field(x.Field); f != nil && x.Warning() {
				b.Warnings = append(b.Warnings, problem{change + "#" + inputID(f.ID), w.faultText(v, f, x)})
			}
		}
		if len(step.Rows) > 0 {
			b.Steps = append(b.Steps, step)
		}
	}
	for _, x := range wrong {
		f, step := s.Field(x.Field)
		if f == nil || step == nil {
			b.Problems = append(b.Problems, problem{k.path(v, k.next()), w.text(v, "review.problem")})
			continue
		}
		href := k.path(v, "/s/"+step.ID) + "?fran=granska#" + inputID(f.ID)
		if x.Part != "" {
			href += "-" + x.Part
		}
		b.Problems = append(b.Problems, problem{href, w.faultText(v, f, x)})
	}
	for _, p := range parties {
		b.Signers = append(b.Signers, signer{p.Name, w.askedHow(v, p, len(parties) > 1)})
	}
	return w.page(rw, r, v, "review", sheet{Status: status, Here: "draft", Wide: true, Body: b})
}

// answered draws a question with its answer; of files, links to them.
func (w *Web) answered(v visit, k work, f *form.Field) answered {
	a := k.draft.Answers[f.ID]
	row := answered{Label: f.Label.In(v.lang)}
	if f.Type == form.TypeFile {
		for _, x := range a.Files {
			row.Files = append(row.Files, fileLine{Name: x.Name, URL: k.path(v, "/fil/"+x.ID), Size: size(v.lang, x.Size)})
		}
	} else if s := k.service.Display(f, a, k.facts, v.lang); s != "" {
		row.Lines = strings.Split(s, "\n")
	}
	row.None = len(row.Files) == 0 && len(row.Lines) == 0
	return row
}

// askedHow says how a party is asked to sign.
func (w *Web) askedHow(v visit, p form.Party, several bool) string {
	if p.Applicant && !several {
		return w.text(v, "signer.alone")
	}
	if p.Applicant {
		return w.text(v, "signer.you")
	}
	var to []string
	if p.Email != "" && v.tenant.Invite != "sms" {
		to = append(to, p.Email)
	}
	if p.Phone != "" && v.tenant.Invite != "email" {
		to = append(to, spoken(p.Phone))
	}
	if len(to) == 0 { // the tenant's way is not there, and another is used
		to = slices.DeleteFunc([]string{p.Email, spoken(p.Phone)}, func(s string) bool { return s == "" })
	}
	address := strings.Join(to, " "+w.text(v, "and")+" ")
	switch {
	case address == "":
		return w.text(v, "signer.unreached")
	case v.tenant.Invite == "code":
		return w.text(v, "signer.code", "to", address)
	}
	return w.text(v, "signer.link", "to", address)
}

// noticeVersion names the very text on personal data that is shown (P-47).
func (w *Web) noticeVersion(v visit, s *form.Service) string {
	h := sha256.New()
	p := w.privacyOf(v, s)
	for _, row := range p.Rows {
		h.Write(portal.Context(row.Label, row.Value))
	}
	h.Write(portal.Context(w.text(v, "review.notice", "agency", authority(v.tenant, s).Name.In(v.lang)), p.More))
	return hex.EncodeToString(h.Sum(nil))
}

// serveSend is the button of the review.
func (w *Web) serveSend(rw http.ResponseWriter, r *http.Request, v visit) error {
	p, err := readPosted(r)
	if err != nil {
		return err
	}
	revision, err := strconv.Atoi(p.get("revision"))
	if err != nil {
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("no revision")}
	}
	k, err := w.enter(r, v)
	if c := w.became(r, v, err); c != "" { // pressed again, since the answer was lost
		return v.to(rw, "/arende/"+string(c)+"/inskickat")
	}
	if err != nil {
		return w.barred(rw, r, v, err, &p)
	}
	if two, err := w.unsettled(r, v, k); err != nil {
		return err
	} else if two {
		page.SeeOther(rw, k.path(v, "/krock?fran=granska"))
		return nil
	}
	if id := k.journey.First(); id != "" {
		page.SeeOther(rw, k.path(v, w.unfinished(k, id)))
		return nil
	}
	notice := p.get("notice")
	if !slices.ContainsFunc([]string{"sv", "en"}, func(lang string) bool {
		shown := v
		shown.lang = lang
		return notice == w.noticeVersion(shown, k.service)
	}) {
		page.SeeOther(rw, k.path(v, "/granska?visa="+noteNotice))
		return nil
	}
	sent, err := w.Desk.Send(settled(r), v.who, k.draft.ID, revision, notice)
	if err != nil {
		return w.unsent(rw, r, v, k, err, revision, notice)
	}
	if sent.SignURL != "" {
		page.SeeOther(rw, sent.SignURL)
		return nil
	}
	return v.to(rw, "/arende/"+string(sent.Case)+"/inskickat")
}

// unsent says why nothing was sent.
func (w *Web) unsent(rw http.ResponseWriter, r *http.Request, v visit, k work, err error, revision int, version string) error {
	var refused *sending.Refused
	var conflict *drafts.Conflict
	contact := reachOf(authority(v.tenant, k.service).Contact, v.lang)
	switch {
	case errors.Is(err, sending.ErrIncomplete):
		page.SeeOther(rw, k.path(v, ""))
		return nil
	case errors.As(err, &conflict):
		page.SeeOther(rw, k.path(v, "/granska?visa="+noteChanged))
		return nil
	case errors.Is(err, drafts.ErrLocked), errors.Is(err, sending.ErrTooLate):
		page.SeeOther(rw, k.path(v, "/vantar"))
		return nil
	case errors.As(err, &refused):
		return w.showReview(rw, r, v, k, http.StatusUnprocessableEntity, "", refused.Faults)
	case errors.Is(err, register.ErrProtected):
		return w.tellProtected(rw, r, v)
	case errors.Is(err, sending.ErrChanged):
		return w.tell(rw, r, v, http.StatusConflict, notice{
			Heading: w.text(v, "unsent.changed"), Texts: []string{w.text(v, "unsent.changed.text"), w.text(v, "unsent.nothing")}, Sign: "warn", Icon: "alert",
			Acts: []act{{Label: w.text(v, "unsent.changed.go"), URL: k.path(v, w.registered(k)), Main: true}}, Contact: &contact,
		})
	case errors.Is(err, sending.ErrNotTaken):
		return w.tellNotTaken(rw, r, v, k.path(v, w.enclosing(k)), contact)
	case errors.Is(err, sending.ErrUnsure):
		return w.tell(rw, r, v, http.StatusServiceUnavailable, notice{
			Heading: w.text(v, "unsent.unsure"), Texts: []string{w.text(v, "unsent.unsure.text"), w.text(v, "unsent.nothing")}, Sign: "warn", Icon: "clock",
			Acts: []act{
				{Label: w.text(v, "unsent.again"), URL: k.path(v, "/skicka"), Post: true, Main: true, Fields: []hidden{{"revision", strconv.Itoa(revision)}, {"notice", version}}},
				{Label: w.text(v, "unsent.review"), URL: k.path(v, "/granska")},
			}, Contact: &contact, Reference: page.RequestID(r.Context()),
		})
	case errors.Is(err, portal.ErrNotFound):
		return notFound()
	}
	return err
}

// tellNotTaken says that something is too much to be signed, and where it is mended.
func (w *Web) tellNotTaken(rw http.ResponseWriter, r *http.Request, v visit, at string, contact reach) error {
	return w.tell(rw, r, v, http.StatusUnprocessableEntity, notice{
		Heading: w.text(v, "unsent.not_taken"), Texts: []string{w.text(v, "unsent.not_taken.text"), w.text(v, "unsent.nothing")}, Sign: "warn", Icon: "alert",
		Acts: []act{{Label: w.text(v, "unsent.not_taken.go"), URL: at, Main: true}}, Contact: &contact, Reference: page.RequestID(r.Context()),
	})
}

// enclosing is the first step with a file; without one, the review.
func (w *Web) enclosing(k work) string {
	for _, p := range k.journey.Steps {
		if slices.ContainsFunc(p.Fields, func(f *form.Field) bool { return len(k.draft.Answers[f.ID].Files) > 0 }) {
			return "/s/" + p.Step.ID + "?fran=granska"
		}
	}
	return "/granska"
}

// registered is the first step that asks for somebody whom the register knows.
func (w *Web) registered(k work) string {
	for _, p := range k.journey.Steps {
		if slices.ContainsFunc(p.Fields, func(f *form.Field) bool {
			return f.Type == form.TypeChild || f.Prefill != "" && f.Type != form.TypeContact
		}) {
			return "/s/" + p.Step.ID + "?visa=" + showFaults
		}
	}
	return k.next()
}
