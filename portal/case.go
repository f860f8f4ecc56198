package portal

import (
	"time"

	"sigill/portal/form"
)

// CaseState is how far the municipality has come. Access never depends on it.
type CaseState string

const (
	Arrived    CaseState = "arrived"
	InProgress CaseState = "in_progress"
	Supplement CaseState = "supplement" // the citizen is asked for more
	Closed     CaseState = "closed"
)

// CaseStates are those that an officer may set, in their order.
func CaseStates() []CaseState { return []CaseState{Arrived, InProgress, Supplement, Closed} }

// CaseHead is what lists show of a case.
type CaseHead struct {
	ID      CaseID
	Number  string // such as "EXB-2026-000017": tenant, year, count
	Tenant  TenantID
	Service ServiceID
	Version string // hash of its definition
	Group   string // of officers
	State   CaseState
	Arrived time.Time // once, and never changed (I6)
	Changed time.Time
	Closed  time.Time
	// Erase is when a closed case is removed (gallring); zero: not decided.
	Erase     time.Time
	Order     string // the signing order; empty: not signed
	Anonymous bool
	// Unread counts messages to whoever asked for the list.
	Unread int
}

// Case is an application that has arrived. What was submitted never changes.
type Case struct {
	CaseHead
	Submission Submission
	Events     []Event
	Messages   []Message
	Files      []CaseFile
}

// Submission is what arrived.
type Submission struct {
	Lang      string       `json:"lang"`
	Title     string       `json:"title"`
	Applicant Person       `json:"applicant,omitzero"` // zero: anonymous
	Answers   form.Answers `json:"answers"`
	Blocks    []form.Block `json:"blocks"`
	Parties   []Party      `json:"parties,omitempty"`
	// Notice is the version of the notice on personal data that was shown (P-47).
	Notice string `json:"notice"`
	// Contact is where the applicant asked to be told (P-46).
	Contact form.Contact `json:"contact,omitzero"`
	// PDF is the SHA-256 of the sealed document, in hexadecimal; empty until the
	// receipt of an unsigned case is made.
	PDF string `json:"pdf,omitempty"`
}

// Person is somebody as a case names them.
type Person struct {
	Number string `json:"number"` // 12 digits
	Name   string `json:"name"`
}

// CaseFile is a document of a case.
type CaseFile struct {
	form.File
	Kind FileKind
}

// FileKind is what a file of a case is.
type FileKind string

const (
	SignedPDF  FileKind = "signed"     // the sealed document with everybody's signatures
	ReceiptPDF FileKind = "receipt"    // the arrival receipt: number, time, digest of the signed document
	Attachment FileKind = "attachment" // what the citizen enclosed
)

// Event is something that happened to a case.
type Event struct {
	At   time.Time
	Kind EventKind
	// State is that which a status event set.
	State CaseState
	By    Role
}

// EventKind is what happened.
type EventKind string

const (
	EventArrived EventKind = "arrived"
	EventStatus  EventKind = "status"
	EventMessage EventKind = "message"
	// A notice could not be delivered, by e-mail or SMS (P-81).
	EventNoEmail EventKind = "no_email"
	EventNoSMS   EventKind = "no_sms"
)

// Role is who did it, without a name.
type Role string

const (
	ByCitizen Role = "citizen"
	ByOfficer Role = "officer"
	BySystem  Role = "system"
)

// Message is one of the dialogue in a case.
type Message struct {
	ID   string
	At   time.Time
	By   Role
	Name string // of whoever wrote it
	Text string
	Read time.Time // by the other side; zero: not yet
}
