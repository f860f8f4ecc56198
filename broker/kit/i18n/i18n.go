// Package i18n holds the texts that people read, one JSON catalogue for each
// language beside the handlers that show them, and the choice of language.
//
// It owns the format of the catalogues and their checks: every text exists in
// every language with the same placeholders, every text is used, and every use
// fits. A catalogue with a fault is refused when it is loaded, so that a page
// never meets a missing text. It does not own the texts.
//
// A message is a string with named placeholders, "Hej {name}", or an object
// with the forms "one" and "other" that the placeholder n chooses between.
// Messages are text, never HTML.
package i18n

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Languages are those that we speak. The first is the default.
func Languages() []string { return []string{"sv", "en"} }

// Catalogue holds all texts of a room in all languages.
type Catalogue struct {
	texts map[string]map[string]message // by language, by key
}

// message is parsed once; one is nil for messages without a number.
type message struct {
	one, other []part
}

// part is a literal or, with name set, a placeholder.
type part struct{ text, name string }

// Load reads sv.json and en.json from each of the places and joins them. All
// faults are reported together.
func Load(places ...fs.FS) (*Catalogue, error) {
	c := &Catalogue{texts: map[string]map[string]message{}}
	var faults []error
	for _, lang := range Languages() {
		c.texts[lang] = map[string]message{}
		for _, place := range places {
			b, err := fs.ReadFile(place, lang+".json")
			if err != nil {
				return nil, fmt.Errorf("texts: %w", err)
			}
			faults = append(faults, c.read(lang, b)...)
		}
	}
	faults = append(faults, c.compare()...)
	return c, errors.Join(faults...)
}

// read decodes by tokens, since a map would let a doubled key pass.
func (c *Catalogue) read(lang string, b []byte) []error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return []error{fmt.Errorf("%s.json: not an object", lang)}
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s.json: "+format, append([]any{lang}, args...)...))
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			fault("%w", err)
			return faults
		}
		key, _ := t.(string)
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			fault("%s: %w", key, err)
			return faults
		}
		if _, double := c.texts[lang][key]; double {
			fault("%s: defined twice", key)
			continue
		}
		m, err := parseMessage(raw)
		if err != nil {
			fault("%s: %w", key, err)
		}
		c.texts[lang][key] = m
	}
	if _, err := d.Token(); err != nil {
		fault("%w", err)
	} else if _, err := d.Token(); err != io.EOF {
		fault("something follows the object")
	}
	return faults
}

func parseMessage(raw json.RawMessage) (message, error) {
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		parts, err := parse(plain)
		return message{other: parts}, err
	}
	var forms struct{ One, Other string }
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&forms); err != nil {
		return message{}, errors.New("neither a text nor the forms one and other")
	}
	one, err1 := parse(forms.One)
	other, err2 := parse(forms.Other)
	if err := errors.Join(err1, err2); err != nil {
		return message{}, err
	}
	if !slices.Contains(names(other), "n") {
		return message{}, errors.New("the form other lacks the placeholder n")
	}
	return message{one: one, other: other}, nil
}

func parse(s string) ([]part, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("empty text")
	}
	var parts []part
	for s != "" {
		text, rest, found := strings.Cut(s, "{")
		if strings.Contains(text, "}") {
			return nil, errors.New("a } without {")
		}
		if text != "" {
			parts = append(parts, part{text: text})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" {
			return nil, errors.New("a placeholder is a lower-case word between { and }")
		}
		parts = append(parts, part{name: name})
		s = after
	}
	return parts, nil
}

func names(parts []part) []string {
	set := map[string]bool{}
	for _, p := range parts {
		if p.name != "" {
			set[p.name] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// placeholders are all that the message wants to be told.
func (m message) placeholders() []string {
	return names(slices.Concat(m.one, m.other))
}

func (c *Catalogue) compare() []error {
	var faults []error
	first := Languages()[0]
	for _, lang := range Languages()[1:] {
		for _, key := range slices.Sorted(maps.Keys(c.texts[first])) {
			a := c.texts[first][key]
			b, ok := c.texts[lang][key]
			switch {
			case !ok:
				faults = append(faults, fmt.Errorf("%s.json: %s: missing", lang, key))
			case (a.one == nil) != (b.one == nil):
				faults = append(faults, fmt.Errorf("%s: has a number in one language only", key))
			case !slices.Equal(a.placeholders(), b.placeholders()):
				faults = append(faults, fmt.Errorf("%s: placeholders differ: %s has %v, %s has %v", key, first, a.placeholders(), lang, b.placeholders()))
			}
		}
		for _, key := range slices.Sorted(maps.Keys(c.texts[lang])) {
			if _, ok := c.texts[first][key]; !ok {
				faults = append(faults, fmt.Errorf("%s.json: %s: missing", first, key))
			}
		}
	}
	return faults
}

// Use is one place that shows a text.
type Use struct {
	Key   string
	Where string
	Names []string // placeholders given there
}

// Check holds the catalogue against the places that show its texts: each text
// shown must exist and be given exactly its placeholders, and each text must be
// shown somewhere.
func (c *Catalogue) Check(uses []Use) error {
	var faults []error
	used := map[string]bool{}
	first := Languages()[0]
	for _, u := range uses {
		used[u.Key] = true
		m, ok := c.texts[first][u.Key]
		if !ok {
			faults = append(faults, fmt.Errorf("%s: text %s is missing", u.Where, u.Key))
			continue
		}
		given := slices.Sorted(slices.Values(u.Names))
		if !slices.Equal(given, m.placeholders()) {
			faults = append(faults, fmt.Errorf("%s: text %s wants %v and is given %v", u.Where, u.Key, m.placeholders(), given))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.texts[first])) {
		if !used[key] {
			faults = append(faults, fmt.Errorf("text %s is not used", key))
		}
	}
	return errors.Join(faults...)
}

// Text gives a message with its placeholders filled: pairs of name and value.
// A number by the name n chooses the form. What Check has passed cannot fail.
func (c *Catalogue) Text(lang, key string, pairs ...any) (string, error) {
	m, ok := c.texts[lang][key]
	if !ok {
		return "", fmt.Errorf("no text %s in %s", key, lang)
	}
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("text %s: a placeholder without its value", key)
	}
	values := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return "", fmt.Errorf("text %s: a placeholder's name is not a string", key)
		}
		values[name] = pairs[i+1]
	}
	parts := m.other
	if m.one != nil && values["n"] == 1 {
		parts = m.one
	}
	var out strings.Builder
	for _, p := range parts {
		if p.name == "" {
			out.WriteString(p.text)
			continue
		}
		v, ok := values[p.name]
		if !ok {
			return "", fmt.Errorf("text %s: placeholder %s is not given", key, p.name)
		}
		fmt.Fprint(&out, v)
	}
	return out.String(), nil
}
