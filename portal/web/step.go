package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sigill/broker/kit/page"
	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
)

// stepPage is a step: its questions, and where it lies on the way.
type stepPage struct {
	Title, Service, Action string
	Revision               int
	Review                 bool // one came from the review, and goes back there
	N, Of                  int
	Progress               []stop
	Intro                  []string
	Back                   []string // why the draft came back from signing
	Note                   string   // what has just happened
	Problems               []problem
	Fields                 []input
	Known                  string // where what is known already can be changed
	Upload                 bool   // there are files to choose: the form is another
	Previous               bool
	Close                  bool // can be saved and gone on with another day
	Last                   bool
	Minutes                string // one may do nothing for so long; empty: there is no login
	Keep                   string // until when a draft lives
}

// stop is a step in the list of them.
type stop struct {
	N          int
	Title, URL string
	State      string // "done", "here", "open", "closed"
	Label      string // the state in words
}

// problem is a line of the summary: what is wrong, with a link to it.
type problem struct{ Href, Text string }

// What a step is asked to say besides its questions.
const (
	showFaults   = "fel"
	showMore     = "nya"
	showRestored = "aterstallt"
	showLost     = "fil"
)

func (w *Web) serveStep(rw http.ResponseWriter, r *http.Request, v visit) error {
	k, err := w.enter(r, v)
	if err != nil {
		return w.barred(rw, r, v, err, nil)
	}
	place, ok := k.journey.Find(r.PathValue("step"))
	if !ok || !place.Open {
		page.SeeOther(rw, k.path(v, k.next()))
		return nil
	}
	q := r.URL.Query()
	show := view{review: q.Get("fran") == "granska", status: http.StatusOK}
	switch q.Get("visa") {
	case showFaults:
		show.faults = place.Faults
	case showMore:
		show.note = w.text(v, "step.more")
	case showRestored:
		show.note = w.text(v, "step.restored")
	case showLost:
		show.note = w.text(v, "step.restored") + " " + w.text(v, "step.lost")
	}
	return w.showStep(rw, r, v, k, place, show)
}

// view is how a step is shown.
type view struct {
	status int
	review bool
	note   string
	faults []form.Fault
	// file is a fault of a file that was not taken, in words, at a field.
	file map[string]string
}

func (w *Web) showStep(rw http.ResponseWriter, r *http.Request, v visit, k work, place form.Place, show view) error {
	id := place.Step.ID
	b := stepPage{
		Title: place.Step.Title.In(v.lang), Service: k.service.Title.In(v.lang), Action: k.path(v, "/s/"+id), Revision: k.draft.Revision,
		Review: show.review, Of: len(k.journey.Steps) + 1, Intro: paragraphs(place.Step.Intro, v.lang), Note: show.note,
		Back: w.comeback(v, k.draft), Previous: k.journey.Previous(id) != "", Last: k.journey.Next(id) == "",
		Close: v.who.LoggedIn() && k.service.Login.Drafts,
	}
	if v.who.LoggedIn() {
		b.Minutes = waitMinutes(v.tenant)
	}
	if !k.draft.Expires.IsZero() && b.Close {
		b.Keep = w.date(v, k.draft.Expires)
	}
	b.N = slices.IndexFunc(k.journey.Steps, func(p form.Place) bool { return p.Step.ID == id }) + 1
	b.Progress = w.progress(v, k, id)
	for _, f := range place.Fields {
		in := w.input(v, k, f, show.faults, show.file[f.ID])
		if in.Kind == "known" && b.Known == "" {
			// Where to mend it is said once (P-35).
			b.Known = w.text(v, "known."+string(k.draft.Answers[f.ID].Origin))
		}
		b.Problems = append(b.Problems, in.problems()...)
		b.Fields = append(b.Fields, in)
	}
	// Also for a file that an answer may ask for while the page is open.
	b.Upload = slices.ContainsFunc(place.Step.Fields, func(f *form.Field) bool { return f.Type == form.TypeFile })
	return w.page(rw, r, v, "step", sheet{Status: show.status, Here: "draft", Wide: true, Body: b})
}

// progress lists the steps, with the review at the end.
func (w *Web) progress(v visit, k work, here string) []stop {
	var out []stop
	add := func(title, below, id string, done, open bool) {
		s := stop{N: len(out) + 1, Title: title, State: "closed"}
		switch {
		case id == here:
			s.State = "here"
		case done:
			s.State = "done"
		case open:
			s.State = "open"
		}
		if s.State == "done" || s.State == "open" {
			s.URL = k.path(v, below)
		}
		s.Label = w.text(v, "progress."+s.State)
		out = append(out, s)
	}
	for _, p := range k.journey.Steps {
		add(p.Step.Title.In(v.lang), "/s/"+p.Step.ID, p.Step.ID, p.Done(), p.Open)
	}
	last := "progress.review"
	if k.service.Signing != nil {
		last = "progress.sign"
	}
	add(w.text(v, last), "/granska", "", false, k.journey.Complete())
	return out
}

// serveStepSave takes a step in and does what the button says.
func (w *Web) serveStepSave(rw http.ResponseWriter, r *http.Request, v visit) error {
	k, barred := w.enter(r, v)
	place, ok := k.journey.Find(r.PathValue("step"))
	here := barred == nil && ok && place.Open
	var files map[string]int64
	busy := false
	if here {
		files = takes(place.Fields)
	}
	if n := uploaded(r); n > 0 && len(files) > 0 {
		done, free := w.uploads.begin(uploader(v.who), n)
		if free {
			defer done()
		} else {
			busy, files = true, nil
		}
	}
	p, err := readForm(r, files)
	if err != nil {
		return err
	}
	do, field, file, ok := action(p.get("go"))
	if p.cut && do == "" {
		do, ok = "attach", true // the button comes last, and has not come
	}
	if !ok {
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("an unknown button")}
	}
	revision, err := strconv.Atoi(p.get("revision"))
	if err != nil {
		return &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("no revision")}
	}
	if do == "auto" {
		return w.autosave(rw, r, v, k, barred, p, revision)
	}
	if barred != nil {
		return w.barred(rw, r, v, barred, &p)
	}
	if !here {
		page.SeeOther(rw, k.path(v, k.next()))
		return nil
	}
	id := place.Step.ID
	answers := k.service.Read(place.Step, form.Input(p.values), k.draft.Answers, k.facts)
	if busy {
		return w.tooBusy(rw, r, v, k, place, answers, revision, p.get("fran") == "granska")
	}
	done := do == "next" || do == "save"
	d, err := w.Drafts.Save(settled(r), v.who, k.draft.ID, revision, id, answers, done)
	if err != nil {
		return w.barred(rw, r, v, err, &p)
	}
	// Files that were chosen come with whichever button was pressed.
	refused := map[string]string{}
	for _, u := range p.files {
		if d, err = w.attach(r, v, place, d, u, refused); err != nil {
			return w.barred(rw, r, v, err, nil)
		}
	}
	if p.cut && len(refused) == 0 {
		for _, f := range place.Fields {
			if f.Type == form.TypeFile {
				refused[f.ID] = w.text(v, "file.cut", "max", megabytes(v.lang, f.MaxBytes))
				break
			}
		}
	}
	if do == "detach" {
		d, err = w.Files.Detach(settled(r), v.who, k.draft.ID, d.Revision, field, portal.FileID(file))
		if err != nil {
			return w.barred(rw, r, v, err, nil)
		}
	}
	before := place
	k = k.now(d)
	review := p.get("fran") == "granska"
	if len(refused) > 0 {
		if place, ok = k.journey.Find(id); ok {
			return w.showStep(rw, r, v, k, place, view{status: http.StatusUnprocessableEntity, review: review, file: refused})
		}
	}
	page.SeeOther(rw, k.path(v, w.after(k, before, do, field, review)))
	return nil
}

// tooBusy says that there is no room for files now. Nothing has been done: what
// was typed stands on the page, to be sent again.
func (w *Web) tooBusy(rw http.ResponseWriter, r *http.Request, v visit, k work, place form.Place, a form.Answers, revision int, review bool) error {
	d := k.draft
	d.Answers, d.Revision = a, revision
	k = k.now(d)
	rw.Header().Set("Retry-After", "30")
	if now, ok := k.journey.Find(place.Step.ID); ok {
		place = now
	}
	return w.showStep(rw, r, v, k, place, view{status: http.StatusServiceUnavailable, review: review, note: w.text(v, "step.busy")})
}

// after is where a button leads when everything is saved.
func (w *Web) after(k work, before form.Place, do, field string, review bool) string {
	id := before.Step.ID
	stay := func(show, anchor string) string {
		q := url.Values{}
		if show != "" {
			q.Set("visa", show)
		}
		if review {
			q.Set("fran", "granska")
		}
		out := "/s/" + id
		if len(q) > 0 {
			out += "?" + q.Encode()
		}
		return out + anchor
	}
	switch do {
	case "attach", "detach":
		return stay("", "#"+inputID(field))
	case "save":
		return "/sparat"
	case "back":
		if previous := k.journey.Previous(id); previous != "" {
			return "/s/" + previous
		}
		return stay("", "")
	}
	place, ok := k.journey.Find(id)
	switch {
	case !ok:
		return k.next()
	case asksMore(before, place, k.draft.Answers):
		return stay(showMore, "")
	case !place.Done():
		return stay(showFaults, "")
	case review:
		return k.next()
	}
	if next := k.journey.Next(id); next != "" {
		return "/s/" + next
	}
	return k.next()
}

// asksMore reports whether answers have brought questions that were not on the
// page: nobody is told that they are wrong before having seen them.
func asksMore(before, now form.Place, a form.Answers) bool {
	for _, f := range now.Fields {
		if f.Type != form.TypeInformation && a[f.ID].Empty() && !slices.ContainsFunc(before.Fields, func(b *form.Field) bool { return b.ID == f.ID }) {
			return true
		}
	}
	return false
}

// attach adds a file that came, or says in refused why not.
func (w *Web) attach(r *http.Request, v visit, place form.Place, d portal.Draft, u upload, refused map[string]string) (portal.Draft, error) {
	i := slices.IndexFunc(place.Fields, func(f *form.Field) bool { return f.ID == u.field && f.Type == form.TypeFile })
	if i < 0 {
		return d, &page.Problem{Status: http.StatusBadRequest, Code: page.CodeMalformed, Err: errors.New("a file for no field")}
	}
	field := place.Fields[i]
	refuse := func(why drafts.FileFault, most string) {
		refused[field.ID] = w.text(v, "file."+string(why), "name", shorten(u.name), "max", most)
	}
	if u.large {
		refuse(drafts.FileLarge, megabytes(v.lang, field.MaxBytes))
		return d, nil
	}
	now, err := w.Files.Attach(settled(r), v.who, d.ID, d.Revision, field.ID, u.name, bytes.NewReader(u.content))
	var bad *drafts.BadFile
	if errors.As(err, &bad) && slices.Contains(fileFaults(), bad.Why) {
		refuse(bad.Why, bad.Max)
		return d, nil
	}
	if err != nil {
		return d, err
	}
	return now, nil
}

// autosave saves without a button, for the script. It marks no step as done.
func (w *Web) autosave(rw http.ResponseWriter, r *http.Request, v visit, k work, err error, p posted, revision int) error {
	type answer struct {
		State    string `json:"state"`
		Revision int    `json:"revision,omitempty"`
		Fields   string `json:"fields,omitempty"` // those that are shown now
	}
	say := func(status int, a answer) error {
		b, err := json.Marshal(a)
		if err != nil {
			return err
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_, _ = rw.Write(b)
		return nil
	}
	var place form.Place
	if err == nil {
		var ok bool
		if place, ok = k.journey.Find(r.PathValue("step")); !ok || !place.Open {
			err = portal.ErrNotFound
		}
	}
	if err == nil {
		answers := k.service.Read(place.Step, form.Input(p.values), k.draft.Answers, k.facts)
		var d portal.Draft
		if d, err = w.Drafts.Save(settled(r), v.who, k.draft.ID, revision, place.Step.ID, answers, false); err == nil {
			k = k.now(d)
			place, _ = k.journey.Find(place.Step.ID)
			return say(http.StatusOK, answer{"saved", d.Revision, shown(place.Fields)})
		}
	}
	var conflict *drafts.Conflict
	switch {
	case errors.Is(err, errOut):
		return say(http.StatusUnauthorized, answer{State: "out"})
	case errors.Is(err, portal.ErrNotFound):
		return say(http.StatusNotFound, answer{State: "gone"})
	case errors.As(err, &conflict):
		return say(http.StatusConflict, answer{State: "conflict"})
	case errors.Is(err, drafts.ErrLocked):
		return say(http.StatusConflict, answer{State: "locked"})
	}
	return err
}

// shown names the fields of a page.
func shown(fields []*form.Field) string {
	var ids []string
	for _, f := range fields {
		ids = append(ids, f.ID)
	}
	return strings.Join(ids, " ")
}

// restoreStep saves a step that was held while its person logged in again, in that
// person's own draft.
func (w *Web) restoreStep(rw http.ResponseWriter, r *http.Request, v visit, kept held) error {
	k, err := w.enter(r, v)
	switch {
	case errors.Is(err, portal.ErrNotFound):
		return w.tellGone(rw, r, v, "/mina-sidor")
	case errors.Is(err, drafts.ErrLocked):
		return v.to(rw, "/utkast/"+r.PathValue("draft")+"/vantar?besked="+newsUnsaved)
	case err != nil:
		return w.barred(rw, r, v, err, nil)
	}
	place, ok := k.journey.Find(r.PathValue("step"))
	if !ok || !place.Open { // the answers lead elsewhere by now
		return w.tellGone(rw, r, v, "/utkast/"+string(k.draft.ID))
	}
	revision, err := strconv.Atoi(kept.Values.Get("revision"))
	if err != nil {
		revision = k.draft.Revision
	}
	answers := k.service.Read(place.Step, form.Input(kept.Values), k.draft.Answers, k.facts)
	if _, err := w.Drafts.Save(settled(r), v.who, k.draft.ID, revision, place.Step.ID, answers, false); err != nil {
		return w.barred(rw, r, v, err, nil)
	}
	show := showRestored
	if kept.Files {
		show = showLost
	}
	page.SeeOther(rw, k.path(v, "/s/"+place.Step.ID+"?visa="+show))
	return nil
}

// action reads what a button says.
func action(s string) (do, field, file string, ok bool) {
	do, rest, more := strings.Cut(s, ":")
	switch do {
	case "next", "save", "back", "auto":
		return do, "", "", !more
	case "attach":
		return do, rest, "", rest != ""
	case "detach":
		field, file, ok = strings.Cut(rest, ":")
		return do, field, file, ok && portal.IsID(file)
	}
	return "", "", "", false
}

// serveSaved says that a draft is kept, that it has not been sent, and until when
// it can be gone on with (P-54).
func (w *Web) serveSaved(rw http.ResponseWriter, r *http.Request, v visit) error {
	k, err := w.enter(r, v)
	if err != nil {
		return w.barred(rw, r, v, err, nil)
	}
	n := notice{
		Title: w.text(v, "saved.title"), Heading: w.text(v, "saved.heading"), Icon: "check",
		Texts: []string{w.text(v, "saved.text", "title", k.service.Title.In(v.lang)), w.text(v, "saved.keep", "date", w.date(v, k.draft.Expires))},
		Acts:  []act{{Label: w.text(v, "saved.go"), URL: k.path(v, ""), Main: true}, {Label: w.text(v, "menu.mine"), URL: v.path("/mina-sidor")}},
	}
	if !v.who.LoggedIn() {
		n.Acts = n.Acts[:1]
	}
	return w.tell(rw, r, v, http.StatusOK, n)
}
