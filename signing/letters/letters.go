// Package letters writes the messages that signatories get: that somebody asks
// for their signature, that what they signed was changed, a reminder, that
// nothing is asked of them any more, and that the receipt can be fetched.
//
// It owns the words, in Swedish and English, and their form: plain text, HTML
// without anything from outside, and SMS. It sends nothing and knows no order. A
// message names who asks, and an e-mail what it is about, and no more: neither is
// a safe way to a person (P-98), and an SMS holds nothing about anybody (P-82).
package letters

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Kind is what a message is about.
type Kind string

const (
	Invitation Kind = "invite"
	SignAgain  Kind = "sign_again"
	Reminder   Kind = "remind"
	Ended      Kind = "ended"
	Receipt    Kind = "receipt"
)

// Why is why nothing is asked any more.
type Why string

const (
	Refused   Why = "refused"
	Expired   Why = "expired"
	Cancelled Why = "cancelled"
	Replaced  Why = "replaced"
)

// Letter is what a message is made of.
type Letter struct {
	Kind     Kind
	Why      Why    // of an Ended
	Lang     string // "sv" or "en"
	Asker    string
	Title    string
	Deadline time.Time // in the zone that the reader lives in
	Link     string
	// NoLink makes the message one without any link: it says in words where to go
	// (Host and Path), and has a Code to type there.
	NoLink     bool
	Host, Path string
	Code       string
}

// Message is a letter as it is sent. SMS stands by itself.
type Message struct{ Subject, Text, HTML, SMS string }

//go:embed letter.gohtml
var files embed.FS

// Write writes a letter.
func Write(l Letter) (Message, error) {
	w, err := words(l)
	if err != nil {
		return Message{}, err
	}
	page, err := template.ParseFS(files, "letter.gohtml")
	if err != nil {
		return Message{}, err
	}
	var html bytes.Buffer
	if err := page.Execute(&html, w); err != nil {
		return Message{}, err
	}
	return Message{Subject: w.Subject, Text: w.text(), HTML: html.String(), SMS: w.SMS}, nil
}

// letter is a letter in words, in the order in which it is read.
type letter struct {
	Lang    string
	Subject string
	Lead    []string // who asks for what, until when
	Button  string   // what Link is for
	Link    string
	Steps   []string // where to go, for a letter without a link
	Label   string   // of Code
	Code    string
	Notes   []string // what to beware of
	Foot    string
	SMS     string
}

func words(l Letter) (letter, error) {
	var p phrase
	switch l.Lang {
	case "sv":
		p = swedish()
	case "en":
		p = english()
	default:
		return letter{}, errors.New("letters: unknown language")
	}
	signs := l.Kind == Invitation || l.Kind == SignAgain || l.Kind == Reminder
	reads := signs || l.Kind == Receipt
	switch {
	case l.Asker == "" || l.Title == "":
		return letter{}, errors.New("letters: who asks, or what it is about, is missing")
	case l.Host == "", reads && l.NoLink == (l.Link != ""), reads && l.NoLink != (l.Code != ""):
		return letter{}, errors.New("letters: a letter has either a link or the way in words")
	}
	asker, title := line(l.Asker), line(l.Title)
	fill := func(s string) string {
		return strings.NewReplacer("{asker}", asker, "{title}", title, "{by}", p.when(l.Deadline), "{host}", l.Host, "{where}", where(l)).Replace(s)
	}
	fillAll := func(list []string) []string {
		var out []string
		for _, s := range list {
			out = append(out, fill(s))
		}
		return out
	}
	t, ok := p.kinds[string(l.Kind)]
	if l.Kind == Ended {
		t, ok = p.kinds[string(l.Kind)+" "+string(l.Why)]
	}
	if !ok {
		return letter{}, errors.New("letters: unknown kind")
	}
	out := letter{Lang: l.Lang, Subject: subject(t.subject, asker, title), Lead: fillAll(t.lead), Foot: fill(p.foot)}
	switch {
	case reads && l.NoLink:
		out.Steps, out.Label, out.Code = fillAll(p.steps), p.code, l.Code
	case reads:
		out.Button, out.Link = p.see, l.Link
		if l.Kind == Receipt {
			out.Button = p.fetch
		}
	}
	if signs {
		out.Notes = fillAll(p.notes)
	}
	out.SMS = sms(t.sms, p, l, asker, reads)
	return out, nil
}

// line keeps a text from outside on one line.
func line(s string) string { return strings.Join(strings.Fields(s), " ") }

// longestSubject is how many bytes a subject has at most. Nobody reads more, and
// some who pass mail on refuse it.
const longestSubject = 300

// subject fills in a subject. The title is shortened before anything else is.
func subject(pattern, asker, title string) string {
	with := func(title string) string {
		return strings.NewReplacer("{asker}", asker, "{title}", title).Replace(pattern)
	}
	if whole := with(title); len(whole) <= longestSubject {
		return whole
	}
	return shorten(with(shorten(title, max(longestSubject-len(with("")), 40))), longestSubject)
}

// shorten cuts a text between two characters, with what stands upon the first,
// so that it has at most so many bytes.
func shorten(s string, most int) string {
	const dots = "…"
	if len(s) <= most {
		return s
	}
	end := 0
	for i, r := range s {
		if i > most-len(dots) {
			break
		}
		if !unicode.IsMark(r) && r != '\u200d' && !strings.HasSuffix(s[:i], "\u200d") {
			end = i
		}
	}
	return strings.TrimSpace(s[:end]) + dots
}

// where is the way in words that a person can type, since nothing is there to
// click.
func where(l Letter) string { return l.Host + strings.TrimSuffix(l.Path, "/") }

// text is the letter as plain text. Lines are left whole: programs that show mail
// break them as wide as they are.
func (w letter) text() string {
	var b strings.Builder
	part := func(lines ...string) {
		for _, l := range lines {
			b.WriteString(l + "\n\n")
		}
	}
	part(w.Lead...)
	if w.Link != "" {
		part(w.Button + ":\n" + w.Link)
	}
	for i, s := range w.Steps {
		b.WriteString(strconv.Itoa(i+1) + ". " + s + "\n")
	}
	if len(w.Steps) > 0 {
		b.WriteString("\n")
	}
	if w.Code != "" {
		part(w.Label + ": " + w.Code)
	}
	part(w.Notes...)
	return b.String() + "-- \n" + w.Foot + "\n"
}
