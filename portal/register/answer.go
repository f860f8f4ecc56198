package register

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigill/portal/form"
	"sigill/providers/personnummer"
)

// free is the only marker that lets anything of a person out of here.
const free = "none"

// Limits of an answer.
const (
	maxName      = 200 // bytes, of a part of it
	maxLines     = 10
	maxLine      = 200
	maxChildren  = 50
	maxGuardians = 10
	maxDepth     = 8
)

// The answer, as the contract has it. Members are pointers where their absence
// would otherwise look like an answer.
type (
	answer struct {
		Pnr        string   `json:"pnr"`
		Name       name     `json:"name"`
		Address    *address `json:"address"`
		Protection string   `json:"protection"`
		Children   *[]child `json:"children"`
	}
	name struct {
		Given  string `json:"given"`
		Family string `json:"family"`
	}
	address struct {
		Lines []string `json:"lines"`
	}
	child struct {
		guardian
		Guardians *[]guardian `json:"guardians"`
	}
	guardian struct {
		Pnr        string `json:"pnr"`
		Name       name   `json:"name"`
		Protection string `json:"protection"`
	}
)

// members are all names that may stand in an answer.
func members() []string {
	return []string{"pnr", "name", "given", "family", "address", "lines", "protection", "children", "guardians"}
}

// read reads an answer about a person. The marker comes first: however broken
// the rest is, who may be protected is.
func read(body []byte, asked personnummer.Number) (Entry, error) {
	marked, err := protected(body)
	switch {
	case err != nil:
		return Entry{}, err
	case marked:
		return Entry{}, ErrProtected
	}
	if err := plain(body); err != nil {
		return Entry{}, err
	}
	var a answer
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return Entry{}, errNoAnswer // whose text may hold what could not be read
	}
	if a.Pnr != asked.Digits() || a.Address == nil || len(a.Address.Lines) > maxLines || a.Children == nil || len(*a.Children) > maxChildren {
		return Entry{}, errNoAnswer
	}
	e := Entry{}
	if e.Name, err = a.Name.whole(); err != nil {
		return Entry{}, err
	}
	for _, l := range a.Address.Lines {
		if !line(l, maxLine) {
			return Entry{}, errNoAnswer
		}
	}
	e.Address = strings.Join(a.Address.Lines, "\n")
	seen := map[string]bool{a.Pnr: true}
	for _, c := range *a.Children {
		kid, hidden, err := c.read(asked)
		if err != nil {
			return Entry{}, err
		}
		if hidden {
			e.Hidden = true
			continue
		}
		if seen[c.Pnr] {
			return Entry{}, errNoAnswer
		}
		seen[c.Pnr] = true
		e.Children = append(e.Children, kid)
	}
	return e, nil
}

// read gives a child; hidden says that it is not to be listed, and then nothing
// else of it is given.
func (c child) read(asked personnummer.Number) (kid form.Child, hidden bool, err error) {
	if c.Protection != free {
		return form.Child{}, true, nil
	}
	if c.Guardians == nil || len(*c.Guardians) > maxGuardians {
		return form.Child{}, false, errNoAnswer
	}
	for _, g := range *c.Guardians {
		if g.Protection != free {
			return form.Child{}, true, nil
		}
	}
	number, whole, err := c.person()
	if err != nil {
		return form.Child{}, false, err
	}
	kid = form.Child{Number: number, Name: whole}
	mine := false
	for _, g := range *c.Guardians {
		number, whole, err := g.person()
		if err != nil {
			return form.Child{}, false, err
		}
		if number == kid.Number || slices.ContainsFunc(kid.Guardians, func(o form.Guardian) bool { return o.Number == number }) {
			return form.Child{}, false, errNoAnswer
		}
		mine = mine || number == asked.Digits()
		kid.Guardians = append(kid.Guardians, form.Guardian{Number: number, Name: whole})
	}
	if !mine {
		// Of a child that is not the person's to apply for, nothing is told.
		return form.Child{}, false, errNoAnswer
	}
	return kid, false, nil
}

func (g guardian) person() (number, whole string, err error) {
	n, err := personnummer.FromDigits(g.Pnr)
	if err != nil {
		return "", "", errNoAnswer
	}
	whole, err = g.Name.whole()
	return n.Digits(), whole, err
}

// whole is a name in one line. Somebody may have one part alone.
func (n name) whole() (string, error) {
	if !line(n.Given, maxName) || !line(n.Family, maxName) {
		return "", errNoAnswer
	}
	whole := strings.Join(strings.Fields(n.Given+" "+n.Family), " ")
	if whole == "" {
		return "", errNoAnswer
	}
	return whole, nil
}

func line(s string, most int) bool {
	return len(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}

// protected reports whether an answer carries a marker, or lacks the word that
// there is none. The error says that it is no JSON object.
func protected(body []byte) (bool, error) {
	if !utf8.Valid(body) {
		return false, errNoAnswer
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false, errNoAnswer
	}
	said, marked := false, false
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return false, errNoAnswer
		}
		if strings.EqualFold(strings.TrimSpace(key), "protection") {
			var marker string
			if json.Unmarshal(value, &marker) != nil || marker != free {
				marked = true
			}
			said = true
		}
	}
	if _, err := d.Token(); err != nil {
		return false, errNoAnswer
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return false, errNoAnswer
	}
	return marked || !said, nil
}

// plain refuses what encoding/json lets pass: members twice, or in another case,
// and depth without end.
func plain(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	known := members()
	var value func(depth int) error
	value = func(depth int) error {
		t, err := d.Token()
		if err != nil || t == nil || depth > maxDepth {
			return errNoAnswer
		}
		open, isDelim := t.(json.Delim)
		if !isDelim {
			return nil
		}
		seen := map[string]bool{}
		for d.More() {
			if open == '{' {
				t, err := d.Token()
				key, ok := t.(string)
				if err != nil || !ok || seen[key] || !slices.Contains(known, key) {
					return errNoAnswer
				}
				seen[key] = true
			}
			if err := value(depth + 1); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil {
			return errNoAnswer
		}
		return nil
	}
	return value(0)
}

// empty reports whether a body is an object with nothing in it.
func empty(body []byte) bool {
	var o map[string]json.RawMessage
	return json.Unmarshal(body, &o) == nil && o != nil && len(o) == 0
}
