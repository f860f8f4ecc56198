// Package form is the format of an e-service and what follows from it: which
// steps and questions a person meets, what is wrong in an answer, who has to
// sign, and what is signed.
//
// It owns the format (etjanst/1), its checks with line numbers, the types of
// fields, conditions, the journey through the steps, and the drawing of answers
// as the blocks that are reviewed and signed. It is pure: no HTTP, no SQL, no
// clock; whatever the world knows comes in as Facts.
//
// The rules that make a definition readable by a lawyer: everything is in one
// file; conditions look only backwards; an answer that is not shown does not
// exist, anywhere; nothing of it is program code; a published version never
// changes and is named by its hash.
package form

import "time"

// Text is what people read, by language: "sv" (always there) and "en".
type Text map[string]string

// In gives the text in a language, or in Swedish where there is none.
func (t Text) In(lang string) string {
	if s := t[lang]; s != "" {
		return s
	}
	return t["sv"]
}

// Service is a version of an e-service.
type Service struct {
	Format  string // "etjanst/1"
	ID      string
	Version int
	// Hash names this very text for ever: SHA-256 in hexadecimal.
	Hash     string
	Source   []byte // the file, as it was read
	Title    Text
	Summary  Text // a sentence, for the catalogue
	About    Text // paragraphs, for the first page; blank lines part them
	More     []Link
	Category string
	Audience []string // privat, foretag
	// Authority is the board that is responsible: a name in tenant.yaml.
	Authority string
	Handlers  Handlers
	Login     Login
	Checklist []Text // what to have at hand
	Privacy   Privacy
	Signing   *Signing // nil: sent without a signature
	Steps     []*Step
	Receipt   Text // what happens now, on the confirmation
	// Tests are the service's own cases, run by sigill service test.
	Tests []Case
}

// Link leads to further reading.
type Link struct {
	Label Text
	URL   string
}

// Handlers are the officers that take care of what arrives.
type Handlers struct {
	Group    string // a name in tenant.yaml
	Messages bool   // the dialogue on Mina sidor
}

// Login says whether one has to log in.
type Login struct {
	Required bool
	Drafts   bool // can be saved and gone on with
}

// Privacy is what must be said of personal data, for each service.
type Privacy struct {
	Purpose Text
	Data    Text // which data
	Basis   string
	Keep    Keep
}

// Keep is how long data live, one value for text and job alike.
type Keep struct {
	Draft  time.Duration // since it was last changed; default 90 days
	Closed time.Duration // after a case was closed; zero: for ever
}

// Signing says who signs and how long that may take.
type Signing struct {
	// Parties in their order; the first is the applicant.
	Parties  []PartyRule
	Deadline time.Duration
	Remind   []int // days before the deadline
}

// PartyRule says where a party comes from.
type PartyRule struct {
	ID string
	// From is "login" for the applicant, else the field of type child whose
	// other guardians are parties, or the field of type personal_id.
	From string
	// Name is the field of type text with the name of the party whose number is
	// that of From; a child's guardians have theirs from the register.
	Name string
	// Contact is the field of type party_contact that says how to reach the party.
	Contact string
	CoOwner bool // sees the case on Mina sidor
	When    *Condition
}

// Step is a page of questions.
type Step struct {
	ID     string
	Title  Text
	Intro  Text
	Fields []*Field
	Show   *Condition
}

// Type is a kind of question.
type Type string

// The types of fields.
const (
	TypeText         Type = "text"
	TypeTextarea     Type = "textarea"
	TypeNumber       Type = "number"
	TypeDate         Type = "date"
	TypeEmail        Type = "email"
	TypePhone        Type = "phone"
	TypeRadio        Type = "radio"
	TypeCheckboxes   Type = "checkboxes"
	TypeDropdown     Type = "dropdown"
	TypeYesNo        Type = "yesno"
	TypePersonalID   Type = "personal_id"
	TypeChild        Type = "child"
	TypePartyContact Type = "party_contact"
	TypeContact      Type = "contact"
	TypeRanking      Type = "ranking"
	TypeFile         Type = "file"
	TypeInformation  Type = "information" // a text, never an answer
)

// Need is how much an answer is wanted.
type Need string

const (
	Optional    Need = "optional"
	Recommended Need = "recommended" // one is warned, and may send
	Required    Need = "required"
)

// Field is one question.
type Field struct {
	ID    string
	Type  Type
	Label Text
	Help  Text
	Body  Text // of an information
	Need  Need
	Show  *Condition
	// Prefill names what is known already: "person.name", "person.address",
	// "profile" (for a contact). What the register or the e-ID said cannot be
	// changed here.
	Prefill string
	Options []Option
	// List takes the options from the tenant's list of that name.
	List string
	// Min and Max bound a number; MaxLength a text, in characters.
	Min, Max  *float64
	Decimals  int
	Unit      Text
	MaxLength int
	// MinDate and MaxDate bound a date: "today", "today+30d", "2026-01-31".
	MinDate, MaxDate string
	// MinCount and MaxCount bound choices and rankings.
	MinCount, MaxCount int
	// MinAge and MaxAge bound the child, in years on the day it is asked.
	MinAge, MaxAge *int
	// Accept are the kinds of file: pdf, jpg, png. Files are how many.
	Accept   []string
	MaxBytes int64
	MaxFiles int
	// OneOf says that one of the ways to reach somebody is enough; otherwise
	// Channels are all needed. Of email and phone.
	OneOf    bool
	Channels []string
	// Autocomplete is the token of WCAG 1.3.5, where the answer is about the
	// person who types.
	Autocomplete string
}

// Field gives a field and its step by the field's id; nil when there is none.
func (s *Service) Field(id string) (*Field, *Step) {
	for _, step := range s.Steps {
		for _, f := range step.Fields {
			if f.ID == id {
				return f, step
			}
		}
	}
	return nil, nil
}

// Step gives a step by its id; nil when there is none.
func (s *Service) Step(id string) *Step {
	for _, step := range s.Steps {
		if step.ID == id {
			return step
		}
	}
	return nil
}

// Alternatives are a field's options, its own or its tenant's.
func (f *Field) Alternatives(facts Facts) []Option {
	if f.List != "" {
		return facts.Lists[f.List]
	}
	return f.Options
}

// Option is one alternative.
type Option struct {
	Key   string
	Label Text
}

// Condition decides whether something is shown. It is exactly one of a
// comparison and a combination, and looks only at fields before it.
type Condition struct {
	// Field is "id", or "id.guardians" of a child: how many it has.
	Field  string
	Is     *string
	In     []string
	Gt     *float64
	Gte    *float64
	Lt     *float64
	Lte    *float64
	Filled *bool

	All []Condition
	Any []Condition
	Not *Condition
}
