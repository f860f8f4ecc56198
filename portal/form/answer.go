package form

import (
	"time"

	"sigill/providers/personnummer"
)

// Answers are what was answered, by field. What is typed is kept as it was
// typed, also when something is wrong in it: Check says what.
type Answers map[string]Value

// Value is the answer to one field. Which of its members is meant follows from
// the field's type.
type Value struct {
	// Text of text, textarea, number, email, phone, radio, dropdown, personal_id;
	// of yesno "yes" or "no".
	Text string `json:"text,omitempty"`
	// Chosen are the keys of checkboxes, and of a ranking in their order.
	Chosen []string `json:"chosen,omitempty"`
	// Parts of a date: "day", "month", "year"; of contact and party_contact:
	// "email", "phone", of contact also "notify" (email, sms, both).
	Parts map[string]string `json:"parts,omitempty"`
	Child *Child            `json:"child,omitempty"`
	Files []File            `json:"files,omitempty"`
	// Origin is who said it; empty: the person.
	Origin Origin `json:"origin,omitempty"`
}

// Empty reports whether nothing was answered. The choice between e-mail and SMS
// alone is no answer.
func (v Value) Empty() bool {
	for name, part := range v.Parts {
		if name != "notify" && !blank(part) {
			return false
		}
	}
	return blank(v.Text) && len(v.Chosen) == 0 && v.Child == nil && len(v.Files) == 0
}

// Origin is where an answer came from, other than the person who answers.
type Origin string

const (
	FromRegister Origin = "register" // folkbokföringen
	FromLogin    Origin = "login"    // the e-ID
	FromProfile  Origin = "profile"  // what the person said on the profile page
)

// Child is a child as the population register knows it.
type Child struct {
	// Key chooses it in a form; it tells nothing.
	Key       string     `json:"key"`
	Number    string     `json:"number"` // 12 digits
	Name      string     `json:"name"`
	Guardians []Guardian `json:"guardians"` // all, with the one who asks
}

// Guardian is a guardian of a child.
type Guardian struct {
	Number string `json:"number"`
	Name   string `json:"name"`
}

// File is a file that was enclosed. Its content lies elsewhere.
type File struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Type   string `json:"type"` // application/pdf, image/jpeg, image/png
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Contact is how a person wants to be told.
type Contact struct {
	Email  string `json:"email,omitempty"`
	Phone  string `json:"phone,omitempty"`
	Notify string `json:"notify,omitempty"` // email, sms, both
}

// Facts are what the world knows when a page is drawn or a step is checked.
type Facts struct {
	Now       time.Time
	Applicant Applicant
	// Children that the register lets the applicant choose among: none that is
	// protected, or has a protected guardian.
	Children []Child
	// HiddenChildren says that there are such that are not listed.
	HiddenChildren bool
	// NoRegister says that the register did not answer: what needs it cannot be
	// answered now.
	NoRegister bool
	Profile    Contact
	// Lists are the tenant's.
	Lists map[string][]Option
}

// Applicant is who fills in.
type Applicant struct {
	Number  personnummer.Number
	Name    string
	Address string // of the register; several lines
	// FromRegister says that name and address are the register's.
	FromRegister bool
}

// Input is what a browser posted: url.Values has its shape.
type Input map[string][]string

// Code names what is wrong, from a closed list; pages have its words.
type Code string

// What can be wrong with an answer. Each names, in Args, what its words need.
const (
	FaultRequired   Code = "required"    //
	FaultAdvised    Code = "recommended" // a warning only
	FaultTooLong    Code = "too_long"    // max
	FaultNumber     Code = "number"      //
	FaultDecimals   Code = "decimals"    // max
	FaultMin        Code = "min"         // min
	FaultMax        Code = "max"         // max
	FaultDate       Code = "date"        //
	FaultDateMin    Code = "date_min"    // min, as YYYY-MM-DD
	FaultDateMax    Code = "date_max"    // max
	FaultEmail      Code = "email"       //
	FaultPhone      Code = "phone"       //
	FaultNotify     Code = "notify"      // a channel was chosen that has no address
	FaultReach      Code = "reach"       // neither e-mail nor phone
	FaultOption     Code = "option"      // not one of the alternatives
	FaultFew        Code = "few"         // min
	FaultMany       Code = "many"        // max
	FaultTwice      Code = "twice"       // the same twice in a ranking
	FaultPersonalID Code = "personal_id" //
	FaultChild      Code = "child"       // none of one's own, no longer, or the register says something else of it since
	FaultAge        Code = "age"         // min, max
	FaultRegister   Code = "register"    // the register does not answer
	FaultSelf       Code = "self"        // the other party is the applicant
	FaultFiles      Code = "files"       // max
)

// Codes are all of them.
func Codes() []Code {
	return []Code{
		FaultRequired, FaultAdvised, FaultTooLong, FaultNumber, FaultDecimals, FaultMin, FaultMax, FaultDate,
		FaultDateMin, FaultDateMax, FaultEmail, FaultPhone, FaultNotify, FaultReach, FaultOption, FaultFew, FaultMany,
		FaultTwice, FaultPersonalID, FaultChild, FaultAge, FaultRegister, FaultSelf, FaultFiles,
	}
}

// Fault is something wrong in an answer.
type Fault struct {
	Field string
	Part  string // of the input that it is about; empty: the field's only one
	Code  Code
	Args  map[string]string
}

// Warning reports whether one may go on and send all the same.
func (f Fault) Warning() bool { return f.Code == FaultAdvised }
