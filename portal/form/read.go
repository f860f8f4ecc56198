package form

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on what is kept of what was posted. They lie far above what any answer
// may be, so that what is too long can be kept and shown with its fault.
const (
	maxTyped  = 20_000 // characters of a text
	maxShort  = 400    // of everything that is a line
	maxChosen = 300
	maxRanked = 50
)

// Ways to reach somebody.
const (
	channelEmail = "email"
	channelPhone = "phone"
	partNotify   = "notify"
)

// Read takes what was posted of a step's fields and gives the answers with it:
// nothing that was typed is lost. Names of inputs: the field's id; of parts
// "id.day"; of a ranking "id.1" and on. Files are not touched. What is prefilled
// and locked is taken from facts, never from the browser.
//
// A field without any input was not on the page, and its answer stays; but
// browsers post nothing for checkboxes without a tick, so those that were shown
// are empty then. A page that shows fields before their condition holds posts an
// empty value beside its checkboxes.
func (s *Service) Read(step *Step, in Input, before Answers, f Facts) Answers {
	out := maps.Clone(before)
	if out == nil {
		out = Answers{}
	}
	was := s.look(before)
	for _, field := range step.Fields {
		if v, locked := field.Known(f); locked {
			out[field.ID] = v
			continue
		}
		old := before[field.ID]
		v, posted := field.read(in, old, f)
		switch {
		case posted:
			out[field.ID] = v
		case field.Type == TypeCheckboxes && was.shows(field.ID):
			out[field.ID] = Value{}
		}
	}
	return out
}

// Prefill fills in what is known and was not yet answered. What cannot be
// changed here becomes what is known now, each time.
func (s *Service) Prefill(a Answers, f Facts) Answers {
	out := s.lock(a, f)
	for _, step := range s.Steps {
		for _, field := range step.Fields {
			v, _ := field.Known(f)
			if _, answered := out[field.ID]; !answered && !v.Empty() {
				out[field.ID] = v
			}
		}
	}
	return out
}

// lock gives answers in which what cannot be changed here is as it is known now.
func (s *Service) lock(a Answers, f Facts) Answers {
	out := maps.Clone(a)
	if out == nil {
		out = Answers{}
	}
	for _, step := range s.Steps {
		for _, field := range step.Fields {
			if v, locked := field.Known(f); locked {
				out[field.ID] = v
			}
		}
	}
	return out
}

// Known is what is known of a field's answer beforehand; empty when nothing is.
// Locked: the person cannot change it here.
func (f *Field) Known(facts Facts) (v Value, locked bool) {
	who := facts.Applicant
	origin := FromLogin
	if who.FromRegister {
		origin = FromRegister
	}
	switch f.Prefill {
	case prefillName:
		if name := tidy(who.Name, false, maxShort); !blank(name) {
			return Value{Text: name, Origin: origin}, true
		}
	case prefillAddress:
		if address := tidy(who.Address, true, maxTyped); who.FromRegister && !blank(address) {
			return Value{Text: address, Origin: origin}, true
		}
	case prefillProfile:
		known := map[string]string{channelEmail: facts.Profile.Email, channelPhone: facts.Profile.Phone, partNotify: facts.Profile.Notify}
		parts := map[string]string{}
		for _, name := range f.parts() {
			if p := known[name]; p != "" {
				parts[name] = p
			}
		}
		if v = (Value{Parts: parts, Origin: FromProfile}); !v.Empty() {
			return v, false
		}
	}
	return Value{}, false
}

// parts are the inputs of a field that has several.
func (f *Field) parts() []string {
	switch f.Type {
	case TypeDate:
		return []string{partDay, partMonth, partYear}
	case TypePartyContact:
		return f.Channels
	case TypeContact:
		if len(f.Channels) > 1 {
			return append(slices.Clone(f.Channels), partNotify)
		}
		return f.Channels
	}
	return nil
}

// read gives what was posted, and whether anything was.
func (f *Field) read(in Input, old Value, facts Facts) (Value, bool) {
	typed, posted := in[f.ID]
	switch f.Type {
	case TypeInformation, TypeFile:
		return Value{}, false
	case TypeTextarea:
		return Value{Text: tidy(first(typed), true, maxTyped)}, posted
	case TypeText:
		return Value{Text: tidy(first(typed), false, maxTyped)}, posted
	case TypeDate, TypeContact, TypePartyContact:
		return f.readParts(in, old)
	case TypeCheckboxes:
		return Value{Chosen: keys(typed, true)}, posted
	case TypeRanking:
		var ranked []string
		posted = false
		for n := range maxRanked {
			if k, there := in[f.ID+"."+strconv.Itoa(n+1)]; there {
				ranked, posted = append(ranked, first(k)), true
			}
		}
		return Value{Chosen: keys(ranked, false)}, posted
	case TypeChild:
		return readChild(tidy(first(typed), false, maxShort), old, facts), posted
	}
	return Value{Text: tidy(first(typed), false, maxShort)}, posted
}

func (f *Field) readParts(in Input, old Value) (Value, bool) {
	parts, posted := map[string]string{}, false
	for _, name := range f.parts() {
		typed, there := in[f.ID+"."+name]
		posted = posted || there
		if p := tidy(first(typed), false, maxShort); p != "" {
			parts[name] = p
		}
	}
	v := Value{Parts: parts}
	if len(parts) == 0 {
		v.Parts = nil
	}
	if old.Origin == FromProfile && maps.Equal(parts, old.Parts) {
		v.Origin = FromProfile
	}
	return v, posted
}

// readChild takes the child with a key as the register has it now. While the
// register is silent, what was chosen stays. A key that is nobody's is kept, for
// Check to say so.
func readChild(key string, old Value, facts Facts) Value {
	if blank(key) {
		return Value{}
	}
	for _, c := range facts.Children {
		if c.Key == key {
			c.Guardians = slices.Clone(c.Guardians)
			return Value{Child: &c, Origin: FromRegister}
		}
	}
	if old.Child != nil && old.Child.Key == key {
		return old
	}
	return Value{Child: &Child{Key: key}}
}

// keys are what was chosen, without blanks.
func keys(typed []string, once bool) []string {
	var out []string
	for _, k := range typed {
		k = tidy(k, false, maxShort)
		if blank(k) || once && slices.Contains(out, k) {
			continue
		}
		if out = append(out, k); len(out) == maxChosen {
			break
		}
	}
	return out
}

// first is the first that is not empty: a page may post an empty one beside it.
func first(typed []string) string {
	for _, t := range typed {
		if t != "" {
			return t
		}
	}
	return ""
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// tidy keeps what a person can see and type: no controls, nothing that hides
// text or turns its direction, since what is signed must be what is shown. In a
// line, what breaks it becomes a space.
func tidy(s string, lines bool, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\r\n", "\n")
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r':
			if r = ' '; lines {
				r = '\n'
			}
		case r == '\t':
			r = ' '
		case invisible(r):
			continue
		}
		if most--; most < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// invisible: joiners are letters' spelling in some languages, and soft hyphens
// come with text that was pasted; the signing service takes these three too.
func invisible(r rune) bool {
	switch r {
	case '\u200c', '\u200d', '\u00ad':
		return false
	case '\u2028', '\u2029', utf8.RuneError:
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
