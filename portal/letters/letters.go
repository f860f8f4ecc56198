// Package letters is the words of the portal's messages, in Swedish and English:
// e-mail as text and HTML, and SMS.
//
// A message names the municipality and, in an e-mail, the e-service and the case
// number, and nothing that was answered (P-98); an SMS holds nothing about
// anybody (P-82). It says what has happened and what has not (P-77).
package letters

import (
	"errors"
	"time"

	"sigill/portal"
)

// Kind is what a message is about.
type Kind string

const (
	Arrived  Kind = "arrived"  // to applicant and co-owners: it has arrived
	Waiting  Kind = "waiting"  // to the applicant, who signed: it has not arrived, others are asked
	Returned Kind = "returned" // to the applicant: it came back, nothing has arrived
	Message  Kind = "message"  // a case officer has written
	Status   Kind = "status"   // the case has a new status
)

// Letter is what a message is made of.
type Letter struct {
	Kind     Kind
	Lang     string
	Tenant   string // name
	Title    string // of the service
	Number   string // of the case
	Link     string
	Returned portal.Returned
	Deadline time.Time
	Follow   bool
	// Reach is how to ask, in words: telephone and address of the tenant.
	Reach string
}

// Words is a letter as it is sent. SMS stands by itself.
type Words struct{ Subject, Text, HTML, SMS string }

// Write writes a letter.
func Write(l Letter) (Words, error) { return Words{}, errors.New("letters: not built yet") }
