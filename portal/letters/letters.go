// Package letters is the words of the portal's messages, in Swedish and English:
// e-mail as text and HTML, and SMS.
//
// A message names the municipality and, in an e-mail, the e-service and the case
// number, and nothing that was answered (P-98); an SMS holds nothing about
// anybody (P-82). It says what has happened and what has not (P-77).
package letters

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"strings"
	"time"

	"sigill/portal"
)

// Kind is what a message is about.
type Kind string

const (
	Arrived  Kind = "arrived"  // to applicant and co-owners: it has arrived
	Waiting  Kind = "waiting"  // to the applicant, who signed: it has not arrived, others are asked
	Returned Kind = "returned" // to the applicant: it came back, nothing has arrived
	Message  Kind = "message"  // somebody else has written: an officer, or another person of the case
	Status   Kind = "status"   // the case has a new status
)

// Letter is what a message is made of.
type Letter struct {
	Kind   Kind
	Lang   string
	Tenant string // name
	Title  string // of the service
	Number string // of the case
	Link   string
	// Returned is why; a draft that its owner took back is told to nobody.
	Returned portal.Returned
	Deadline time.Time // in the zone that the reader lives in
	Follow   bool
	// Reach is how to ask, in words: telephone and address of the tenant.
	Reach string
}

// Words is a letter as it is sent. SMS stands by itself.
type Words struct{ Subject, Text, HTML, SMS string }

//go:embed letter.gohtml
var files embed.FS

// Write writes a letter.
func Write(l Letter) (Words, error) {
	f, err := fill(l)
	if err != nil {
		return Words{}, err
	}
	page, err := template.ParseFS(files, "letter.gohtml")
	if err != nil {
		return Words{}, err
	}
	var html bytes.Buffer
	if err := page.Execute(&html, f); err != nil {
		return Words{}, err
	}
	return Words{Subject: f.Subject, Text: f.text(), HTML: html.String(), SMS: f.SMS}, nil
}

// filled is a letter in words, in the order in which it is read.
type filled struct {
	Lang    string
	Subject string
	Lead    []string // what has happened, and what has not
	Button  string   // what Link is for
	Link    string
	Notes   []string // how to ask
	Foot    string
	SMS     string
}

func fill(l Letter) (filled, error) {
	var p phrases
	switch l.Lang {
	case "sv":
		p = swedish()
	case "en":
		p = english()
	default:
		return filled{}, errors.New("letters: unknown language")
	}
	what, ok := p.kinds[l.key()]
	switch {
	case !ok:
		return filled{}, errors.New("letters: unknown kind, or unknown reason")
	case l.Tenant == "" || l.Title == "":
		return filled{}, errors.New("letters: who writes, or what it is about, is missing")
	case l.ofCase() && l.Number == "":
		return filled{}, errors.New("letters: the case has no number")
	case l.Kind == Waiting && l.Deadline.IsZero():
		return filled{}, errors.New("letters: until when it waits is missing")
	case l.followed() == (l.Link == ""):
		return filled{}, errors.New("letters: a link belongs to what can be followed, and to nothing else")
	}
	words := strings.NewReplacer("{tenant}", line(l.Tenant), "{title}", line(l.Title), "{number}", line(l.Number), "{by}", p.when(l.Deadline), "{reach}", line(l.Reach))
	out := filled{Lang: l.Lang, Foot: words.Replace(p.foot), Link: l.Link}
	for _, s := range what.lead {
		out.Lead = append(out.Lead, words.Replace(s))
	}
	if l.Link != "" {
		switch l.Kind {
		case Waiting:
			out.Button = p.wait
		case Returned:
			out.Button = p.draft
		default:
			out.Button = p.see
		}
		out.Notes = append(out.Notes, words.Replace(p.login))
	}
	if l.Reach != "" {
		out.Notes = append(out.Notes, words.Replace(p.ask))
	}
	out.Subject = subject(what.subject, l)
	out.SMS = sms(what.sms, l)
	return out, nil
}

// key is the name of a letter's words.
func (l Letter) key() string {
	switch {
	case l.Kind == Returned:
		return string(l.Kind) + " " + string(l.Returned)
	case l.ofCase() && !l.Follow:
		return string(l.Kind) + " unseen"
	}
	return string(l.Kind)
}

// ofCase reports whether it is about something that has arrived.
func (l Letter) ofCase() bool { return l.Kind == Arrived || l.Kind == Message || l.Kind == Status }

// followed reports whether there is a page to read more on.
func (l Letter) followed() bool { return !l.ofCase() || l.Follow }

// line keeps a text from outside on one line.
func line(s string) string { return strings.Join(strings.Fields(s), " ") }

// longestSubject is how many characters a subject has at most. Nobody reads more,
// and some who pass mail on refuse it.
const longestSubject = 120

// subject fills in a subject; what does not fit goes from the end of the title.
func subject(pattern string, l Letter) string {
	with := func(title string) string {
		return strings.NewReplacer("{title}", title, "{number}", cut(line(l.Number), 40)).Replace(pattern)
	}
	title := line(l.Title)
	room := longestSubject - len([]rune(with("")))
	return with(cut(title, max(room, 20)))
}

// cut shortens a text to so many characters.
func cut(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return strings.TrimSpace(string(r[:most-1])) + "…"
}

// text is the letter as plain text. Lines are left whole: programs that show mail
// break them as wide as they are.
func (f filled) text() string {
	var b strings.Builder
	part := func(lines ...string) {
		for _, l := range lines {
			b.WriteString(l + "\n\n")
		}
	}
	part(f.Lead...)
	if f.Link != "" {
		part(f.Button + ":\n" + f.Link)
	}
	part(f.Notes...)
	return b.String() + "-- \n" + f.Foot + "\n"
}
