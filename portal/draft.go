package portal

import (
	"time"

	"sigill/portal/form"
)

// DraftState is how far a draft has come. However far: it has not arrived.
type DraftState string

const (
	Open    DraftState = "open"    // can be changed
	Sending DraftState = "sending" // locked, and about to be handed to the signing service
	Waiting DraftState = "waiting" // locked, and waits for signatures
)

// DraftHead is what can be told of a draft without opening it.
type DraftHead struct {
	ID       DraftID
	Tenant   TenantID
	Service  ServiceID
	Version  string // hash of the definition that it stays on
	State    DraftState
	Revision int
	Order    string // the signing order, when it waits
	// Returned is why it came back: a closed list below. Empty: it did not.
	Returned  Returned
	Anonymous bool
	Created   time.Time
	Changed   time.Time
	Expires   time.Time // when it is removed
}

// Returned is why a draft came back from signing.
type Returned string

const (
	ReturnedRefused   Returned = "refused"   // by a party
	ReturnedExpired   Returned = "expired"   // the deadline passed
	ReturnedWithdrawn Returned = "withdrawn" // by the owner, to change it
	ReturnedCancelled Returned = "cancelled" // by the signing service
	ReturnedFailed    Returned = "failed"    // what was signed is not what was locked, or the seal is bad
)

// Draft is an application that is being filled in: the owner's alone (I5).
type Draft struct {
	DraftHead
	Lang    string
	Answers form.Answers
	// Saved are the steps that were once saved; a step is done when it was saved
	// and nothing is wrong in it.
	Saved []string
	// Reason is what the party said who refused.
	Reason string
	// RefusedBy is that party's name.
	RefusedBy string
	// Parties are those of the signing order, when it waits.
	Parties []Party
}

// Party is somebody who signs a case, with how far it has come.
type Party struct {
	form.Party
	N       int // of the signing order, from 1
	Key     PersonKey
	State   PartyState
	SignURL string // of the applicant
	// Signed is when.
	Signed time.Time
	// Delivery says of each channel how the invitation went.
	Delivery []Delivery
}

// Delivery is how a message to a party went.
type Delivery struct {
	Channel string // "email", "sms"
	State   string // "waiting", "sent", "failed"
	At      time.Time
}

// PartyState is that of the signing API's signatory.
type PartyState string

const (
	PartyWaiting  PartyState = "waiting" // not yet asked
	PartyInvited  PartyState = "invited"
	PartyFailed   PartyState = "delivery failed"
	PartyOpened   PartyState = "opened"
	PartySigned   PartyState = "signed"
	PartyRefused  PartyState = "refused"
	PartyExpired  PartyState = "expired"
	PartyReplaced PartyState = "replaced"
)
