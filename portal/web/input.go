package web

import (
	"slices"
	"strconv"
	"strings"

	"sigill/portal/form"
)

// input is a field as it is drawn: what its template needs, in words.
type input struct {
	Kind  string // its template
	ID    string // in the page
	Name  string // of what is posted
	Label string
	Help  []string // the service's own, and what follows from its limits
	Need  string   // that it may be left out, in words; empty: it may not
	Error string
	// Describe are the ids of help and error, for whoever cannot see them.
	Describe string
	Value    string
	Lines    []string // of a value that cannot be changed here
	Origin   string   // who said it, in words
	Body     []string
	Parts    []part
	Choices  []choice
	Ranks    []rank
	Files    []fileLine
	Go       string // what the button for files says to us
	Accept   string
	Many     bool
	Unit     string
	Mode     string // of the keyboard
	Complete string // autocomplete
	Rows     int
	Absent   []string // why there is nothing to choose among
	Contact  reach
}

// part is one of several inputs of a field.
type part struct {
	Key, ID, Name, Label, Value, Error, Describe, Complete string
}

// choice is an alternative.
type choice struct {
	ID, Value, Label, Hint string
	Chosen                 bool
}

// rank is one place of a ranking.
type rank struct {
	ID, Name, Label, Error, Describe string
	Choices                          []choice
}

// fileLine is a file that is there.
type fileLine struct{ Name, URL, Size, Go string }

// inputID names a field in the page.
func inputID(field string, parts ...string) string {
	return strings.Join(append([]string{"f-" + field}, parts...), "-")
}

// input draws a field with its answer and what is wrong with it. file says what
// was wrong with a file that did not become one.
func (w *Web) input(v visit, k work, f *form.Field, faults []form.Fault, file string) input {
	a := k.draft.Answers[f.ID]
	in := input{Kind: string(f.Type), ID: inputID(f.ID), Name: f.ID, Label: f.Label.In(v.lang), Value: a.Text, Complete: f.Autocomplete, Error: file}
	if f.Type == form.TypeInformation {
		in.Body = paragraphs(f.Body, v.lang)
		return in
	}
	in.Help = append(paragraphs(f.Help, v.lang), w.limits(v, f)...)
	switch f.Need {
	case form.Optional:
		in.Need = w.text(v, "need.optional")
	case form.Recommended:
		in.Need = w.text(v, "need.recommended")
	}
	if a.Origin == form.FromProfile {
		in.Origin = w.text(v, "origin.profile")
	}
	if known, locked := f.Known(k.facts); locked {
		in.Kind, in.Need = "known", ""
		in.Lines = strings.Split(k.service.Display(f, known, k.facts, v.lang), "\n")
		in.Origin = w.text(v, "origin."+string(known.Origin))
		return in
	}
	wrong := map[string]string{} // by part
	for _, fault := range faults {
		if fault.Field == f.ID && wrong[fault.Part] == "" {
			wrong[fault.Part] = w.faultText(v, f, fault)
		}
	}
	if in.Error == "" {
		in.Error = wrong[""]
	}
	if len(in.Help) > 0 {
		in.Describe = in.ID + "-help"
	}
	w.filled(v, k, f, a, &in, wrong)
	if in.Error != "" {
		in.Describe = strings.TrimSpace(in.Describe + " " + in.ID + "-error")
	}
	if in.Unit != "" {
		in.Describe = strings.TrimSpace(in.Describe + " " + in.ID + "-unit")
	}
	return in
}

// filled adds what is different for each type.
func (w *Web) filled(v visit, k work, f *form.Field, a form.Value, in *input, wrong map[string]string) {
	part_ := func(key, label, complete string) {
		p := part{Key: key, ID: inputID(f.ID, key), Name: f.ID + "." + key, Label: label, Value: a.Parts[key], Error: wrong[key], Complete: complete}
		if p.Error != "" {
			p.Describe = p.ID + "-error"
		}
		in.Parts = append(in.Parts, p)
	}
	switch f.Type {
	case form.TypeTextarea:
		in.Rows = 5
		if f.MaxLength > 0 && f.MaxLength <= 400 {
			in.Rows = 3
		}
	case form.TypeNumber:
		in.Unit, in.Mode = f.Unit.In(v.lang), "numeric"
		if f.Decimals > 0 {
			in.Mode = "decimal"
		}
	case form.TypePersonalID:
		in.Mode = "numeric"
	case form.TypeDate:
		born := f.Autocomplete == "bday"
		for _, key := range []string{"day", "month", "year"} {
			complete := ""
			if born {
				complete = "bday-" + key
			}
			part_(key, w.text(v, "date."+key), complete)
		}
		in.Complete = ""
		// One text is enough for three boxes.
		for _, p := range in.Parts {
			if p.Error != "" && in.Error == "" {
				in.Error = p.Error
			}
		}
	case form.TypeContact, form.TypePartyContact:
		for _, channel := range f.Channels {
			complete := ""
			if f.Type == form.TypeContact {
				complete = map[string]string{"email": "email", "phone": "tel"}[channel]
			}
			part_(channel, w.text(v, "contact."+channel), complete)
		}
		if f.Type == form.TypeContact && len(f.Channels) > 1 {
			part_("notify", w.text(v, "contact.notify"), "")
			for _, key := range []string{"email", "sms", "both"} {
				in.Choices = append(in.Choices, choice{ID: inputID(f.ID, "notify", key), Value: key, Label: w.text(v, "notify."+key), Chosen: a.Parts["notify"] == key})
			}
		}
	case form.TypeRadio, form.TypeDropdown, form.TypeCheckboxes:
		for i, o := range f.Alternatives(k.facts) {
			in.Choices = append(in.Choices, choice{
				ID: choiceID(f.ID, i), Value: o.Key, Label: o.Label.In(v.lang), Chosen: a.Text == o.Key || slices.Contains(a.Chosen, o.Key),
			})
		}
	case form.TypeYesNo:
		for i, key := range []string{"yes", "no"} {
			in.Choices = append(in.Choices, choice{ID: choiceID(f.ID, i), Value: key, Label: w.text(v, "answer."+key), Chosen: a.Text == key})
		}
	case form.TypeRanking:
		w.ranks(v, k, f, a, in, wrong)
	case form.TypeChild:
		w.children(v, k, f, a, in)
	case form.TypeFile:
		in.Go, in.Many, in.Accept = "attach:"+f.ID, f.MaxFiles > 1, accept(f)
		for _, x := range a.Files {
			in.Files = append(in.Files, fileLine{
				Name: x.Name, URL: k.path(v, "/fil/"+x.ID), Size: size(v.lang, x.Size), Go: "detach:" + f.ID + ":" + x.ID,
			})
		}
	}
}

// choiceID names an alternative in the page; the first has the field's own name,
// so that the summary's link comes to it.
func choiceID(field string, i int) string {
	if i == 0 {
		return inputID(field)
	}
	return inputID(field, strconv.Itoa(i+1))
}

// maxRanks is how many places a ranking has at most, whatever may be chosen.
const maxRanks = 10

func (w *Web) ranks(v visit, k work, f *form.Field, a form.Value, in *input, wrong map[string]string) {
	options := f.Alternatives(k.facts)
	n := len(options)
	if f.MaxCount > 0 {
		n = min(n, f.MaxCount)
	}
	for i := range max(min(n, maxRanks), len(a.Chosen)) {
		key := strconv.Itoa(i + 1)
		r := rank{ID: inputID(f.ID, key), Name: f.ID + "." + key, Label: w.text(v, "rank", "n", i+1), Error: wrong[key]}
		if r.Error != "" {
			r.Describe = r.ID + "-error"
		}
		for _, o := range options {
			r.Choices = append(r.Choices, choice{Value: o.Key, Label: o.Label.In(v.lang), Chosen: i < len(a.Chosen) && a.Chosen[i] == o.Key})
		}
		in.Ranks = append(in.Ranks, r)
	}
}

// children are those that the register lets the person choose among, by name and
// year of birth.
func (w *Web) children(v visit, k work, f *form.Field, a form.Value, in *input) {
	chosen := ""
	if a.Child != nil {
		chosen = a.Child.Key
	}
	for i, c := range k.facts.Children {
		in.Choices = append(in.Choices, choice{
			ID: choiceID(f.ID, i), Value: c.Key, Label: c.Name, Hint: w.text(v, "child.born", "year", birthYear(c.Number)), Chosen: c.Key == chosen,
		})
	}
	contact := reachOf(authority(v.tenant, k.service).Contact, v.lang)
	switch {
	case k.facts.NoRegister:
		in.Absent = append(in.Absent, w.text(v, "child.register"))
	case k.facts.HiddenChildren:
		contact.Email = "" // somebody may be protected: never e-mail (P-29)
		in.Absent = append(in.Absent, w.text(v, "child.hidden"))
	case len(in.Choices) == 0:
		in.Absent = append(in.Absent, w.text(v, "child.none"))
	}
	if len(in.Absent) > 0 {
		in.Contact = contact
		in.Describe = strings.TrimSpace(in.Describe + " " + in.ID + "-absent")
	}
}

func birthYear(number string) string {
	if len(number) != 12 {
		return ""
	}
	return number[:4]
}

// limits says in words what a definition demands, where that helps before one
// has answered.
func (w *Web) limits(v visit, f *form.Field) []string {
	var out []string
	switch f.Type {
	case form.TypeTextarea:
		if f.MaxLength > 0 {
			out = append(out, w.text(v, "limit.length", "n", f.MaxLength))
		}
	case form.TypePersonalID:
		out = append(out, w.text(v, "limit.personal_id"))
	case form.TypeFile:
		out = append(out, w.text(v, "limit.file", "kinds", strings.ToUpper(strings.Join(f.Accept, ", ")), "max", megabytes(v.lang, f.MaxBytes)))
		if f.MaxFiles > 1 {
			out = append(out, w.text(v, "limit.files", "n", f.MaxFiles))
		}
	case form.TypeContact:
		if f.OneOf && len(f.Channels) > 1 && len(f.Help) == 0 {
			out = append(out, w.text(v, "limit.one"))
		}
	case form.TypeCheckboxes:
		if f.MaxCount > 0 {
			out = append(out, w.text(v, "limit.many", "n", f.MaxCount))
		}
	}
	return out
}

// accept is what the browser offers among files; what is taken is decided by
// the content.
func accept(f *form.Field) string {
	var out []string
	for _, a := range f.Accept {
		switch a {
		case "pdf":
			out = append(out, ".pdf", "application/pdf")
		case "jpg":
			out = append(out, ".jpg", ".jpeg", "image/jpeg")
		case "png":
			out = append(out, ".png", "image/png")
		}
	}
	return strings.Join(out, ",")
}

// megabytes says a limit in whole megabytes.
func megabytes(lang string, n int64) string {
	if n >= 1<<20 {
		return strconv.FormatInt(n>>20, 10) + " MB"
	}
	return size(lang, n)
}

// problems are the lines of the summary about a field, with where they lead.
func (in input) problems() []problem {
	var out []problem
	target := in.ID
	switch in.Kind {
	case "date":
		for _, p := range in.Parts {
			if p.Error != "" {
				target = p.ID
				break
			}
		}
		if target == in.ID {
			target = in.Parts[0].ID
		}
	case "contact", "party_contact":
		target = in.Parts[0].ID
	case "ranking":
		if len(in.Ranks) > 0 {
			target = in.Ranks[0].ID
		}
	case "child":
		if len(in.Choices) == 0 {
			target = in.ID + "-set"
		}
	}
	if in.Error != "" {
		out = append(out, problem{"#" + target, in.Error})
	}
	if in.Kind == "date" {
		return out
	}
	for _, p := range in.Parts {
		if p.Error == "" {
			continue
		}
		href := "#" + p.ID
		if p.Key == "notify" && len(in.Choices) > 0 {
			href = "#" + in.Choices[0].ID
		}
		out = append(out, problem{href, p.Error})
	}
	for _, r := range in.Ranks {
		if r.Error != "" {
			out = append(out, problem{"#" + r.ID, r.Error})
		}
	}
	return out
}
