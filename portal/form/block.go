package form

import (
	"slices"
	"strings"
	"time"

	"sigill/providers/personnummer"
)

// Block is a part of the answers as they are shown, reviewed and signed: a
// heading, a text, or rows, and only one of them. Its JSON is that of the signing
// API's content.
type Block struct {
	Heading string `json:"heading,omitempty"`
	Text    string `json:"text,omitempty"`
	Rows    []Row  `json:"rows,omitempty"`
}

// Row is a question and its answer. A value may have several lines.
type Row struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Blocks draws what was asked and answered, shown fields alone, in a language:
// for each step a heading and its rows, and at the end who signs. It is the same
// whenever it is asked: it is what is signed.
func (s *Service) Blocks(a Answers, f Facts, lang string) []Block {
	seen := s.look(a)
	var blocks []Block
	for i, step := range seen.steps {
		var rows []Row
		for _, field := range seen.fields[i] {
			if field.Type == TypeInformation {
				continue
			}
			value := s.Display(field, seen.answers[field.ID], f, lang)
			if value == "" {
				value = say(wordUnanswered, lang)
			}
			rows = append(rows, Row{field.Label.In(lang), value})
		}
		if len(rows) > 0 {
			blocks = append(blocks, Block{Heading: step.Title.In(lang)}, Block{Rows: rows})
		}
	}
	parties, _ := s.Parties(seen.answers, f)
	var rows []Row
	for _, p := range parties {
		label := wordAlso
		if p.Applicant {
			label = wordApplicant
		}
		rows = append(rows, Row{say(label, lang), p.Name})
	}
	if len(rows) > 0 {
		blocks = append(blocks, Block{Heading: say(wordParties, lang)}, Block{Rows: rows})
	}
	return blocks
}

// Display draws one answer, as it stands in a row; empty when there is none.
func (s *Service) Display(field *Field, v Value, f Facts, lang string) string {
	if v.Empty() {
		return ""
	}
	switch field.Type {
	case TypeTextarea:
		return strings.TrimSpace(tidy(v.Text, true, maxTyped))
	case TypeNumber:
		return displayNumber(field, v, lang)
	case TypeDate:
		if t, bad := v.date(); bad == "" {
			return t.Format(dateLayout)
		}
		return line(strings.Join([]string{v.Parts[partYear], v.Parts[partMonth], v.Parts[partDay]}, "-"))
	case TypeRadio, TypeDropdown:
		return field.optionLabel(v.Text, f, lang)
	case TypeYesNo:
		switch v.Text {
		case yes:
			return say(wordYes, lang)
		case no:
			return say(wordNo, lang)
		}
	case TypeCheckboxes, TypeRanking:
		return field.displayChosen(v.Chosen, f, lang)
	case TypePersonalID:
		if n, err := personnummer.Parse(v.Text, f.Today()); err == nil {
			return n.Digits()[:8] + "-" + n.Digits()[8:]
		}
	case TypeChild:
		return displayChild(*v.Child, lang)
	case TypeContact, TypePartyContact:
		return field.displayContact(v, lang)
	case TypeFile:
		var names []string
		for _, file := range v.Files {
			names = append(names, line(file.Name))
		}
		return strings.Join(names, "\n")
	}
	return line(v.Text)
}

// line is a text as one line that can be signed.
func line(s string) string { return strings.TrimSpace(tidy(s, false, maxTyped)) }

func displayNumber(field *Field, v Value, lang string) string {
	text := line(v.Text)
	if d, ok := parseDecimal(v.Text); ok {
		if text = d.text; lang != "en" {
			text = strings.Replace(text, ".", ",", 1)
		}
	}
	if unit := field.Unit.In(lang); unit != "" {
		text += " " + unit
	}
	return text
}

func (f *Field) optionLabel(key string, facts Facts, lang string) string {
	for _, o := range f.Alternatives(facts) {
		if o.Key == key {
			return line(o.Label.In(lang))
		}
	}
	return line(key)
}

// displayChosen gives a ranking its numbers, and other choices the order of the
// alternatives.
func (f *Field) displayChosen(keys []string, facts Facts, lang string) string {
	var lines []string
	if f.Type == TypeRanking {
		for i, k := range keys {
			lines = append(lines, formatNumber(float64(i+1))+". "+f.optionLabel(k, facts, lang))
		}
		return strings.Join(lines, "\n")
	}
	all := f.Alternatives(facts)
	place := func(key string) int {
		if i := slices.IndexFunc(all, func(o Option) bool { return o.Key == key }); i >= 0 {
			return i
		}
		return len(all)
	}
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b string) int { return place(a) - place(b) })
	for _, k := range keys {
		lines = append(lines, f.optionLabel(k, facts, lang))
	}
	return strings.Join(lines, "\n")
}

// displayChild tells when a child was born, and no number: not all who sign need
// to know it.
func displayChild(c Child, lang string) string {
	text := line(c.Name)
	if n, err := personnummer.FromDigits(c.Number); err == nil {
		text += ", " + say(wordBorn, lang) + " " + n.Birthdate().Format(time.DateOnly)
	}
	var names []string
	for _, g := range c.Guardians {
		names = append(names, line(g.Name))
	}
	if len(names) > 0 {
		text += "\n" + say(wordGuardians, lang) + ": " + strings.Join(names, ", ")
	}
	return text
}

func (f *Field) displayContact(v Value, lang string) string {
	var lines []string
	for _, channel := range f.Channels {
		text := line(v.Parts[channel])
		if text == "" {
			continue
		}
		label := wordPhone
		if channel == channelEmail {
			label = wordEmail
		}
		lines = append(lines, say(label, lang)+": "+text)
	}
	how := map[string]word{notifyEmail: wordByEmail, notifySMS: wordBySMS, notifyBoth: wordByBoth}
	if w, chosen := how[v.Parts[partNotify]]; chosen && f.Type == TypeContact && len(f.Channels) > 1 {
		lines = append(lines, say(w, lang))
	}
	return strings.Join(lines, "\n")
}

// A word is one that stands among the answers and is not the service's own.
type word int

const (
	wordYes word = iota
	wordNo
	wordUnanswered
	wordBorn
	wordGuardians
	wordParties
	wordApplicant
	wordAlso
	wordEmail
	wordPhone
	wordByEmail
	wordBySMS
	wordByBoth
)

func say(w word, lang string) string {
	texts := [...]Text{
		wordYes:        {"sv": "Ja", "en": "Yes"},
		wordNo:         {"sv": "Nej", "en": "No"},
		wordUnanswered: {"sv": "Ej besvarad", "en": "Not answered"},
		wordBorn:       {"sv": "född", "en": "born"},
		wordGuardians:  {"sv": "Vårdnadshavare", "en": "Guardians"},
		wordParties:    {"sv": "Underskrifter", "en": "Signatures"},
		wordApplicant:  {"sv": "Sökande", "en": "Applicant"},
		wordAlso:       {"sv": "Skriver också under", "en": "Also signs"},
		wordEmail:      {"sv": "E-post", "en": "E-mail"},
		wordPhone:      {"sv": "Telefon", "en": "Phone"},
		wordByEmail:    {"sv": "Vill få besked med e-post", "en": "Wants to be told by e-mail"},
		wordBySMS:      {"sv": "Vill få besked med sms", "en": "Wants to be told by text message"},
		wordByBoth:     {"sv": "Vill få besked med e-post och sms", "en": "Wants to be told by e-mail and text message"},
	}
	return texts[w].In(lang)
}
