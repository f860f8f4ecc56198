package freja

import (
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// The statuses of freja.md section 2.3.
const (
	statusStarted    = "STARTED"
	statusDelivered  = "DELIVERED_TO_MOBILE"
	statusCanceled   = "CANCELED"
	statusRPCanceled = "RP_CANCELED"
	statusExpired    = "EXPIRED"
	statusApproved   = "APPROVED"
	statusRejected   = "REJECTED"
)

// An order is one transaction: an authentication or a signature. Its fields are
// guarded by the simulator's lock.
type order struct {
	ref    string
	secret string // of the dynamic QR code
	demand demand
	rp     string
	cookie string

	created time.Time
	expires time.Time
	status  string
	pushed  bool   // the app of the user it names fetches it
	asleep  bool   // or never does by itself
	opened  bool   // by a link or in the app
	byLink  bool   // by its app link, on the device where the browser is
	back    string // where the link leads back to
	person  *user  // who has it in hand, once known
	claimed string // number of the person whose only authentication this is
	signing bool   // approved, and the statement is being made

	result *result
	ended  time.Time // when it became final; for a result, may lie ahead

	lastAsked  time.Time
	asking     int
	fast       int
	concurrent int
}

// A result is what an approved transaction delivers, the same every time.
type result struct {
	details    string
	huge       bool // details that no client should read to the end
	attributes *attributes
}

func (r *result) size() int { return len(r.details) }

func (o *order) pending() bool { return o.status == statusStarted || o.status == statusDelivered }

// busy reports whether the person is done with a pending transaction.
func (o *order) busy() bool { return o.signing || o.result != nil }

// open notes that some app has the transaction.
func (o *order) open(byLink bool) {
	if !o.opened {
		o.opened, o.byLink = true, byLink
	}
	if o.status == statusStarted {
		o.status = statusDelivered
	}
}

func (o *order) state() string {
	switch {
	case o.pending():
		return control.Pending
	case o.status == statusApproved:
		return control.Complete
	default:
		return control.Failed
	}
}

// required is the number of the person that the transaction names.
func (o *order) required() string {
	if o.demand.named != nil {
		return o.demand.named.Number
	}
	return o.demand.ssn
}

func (o *order) answer() control.Result {
	return control.Result{ID: o.ref, State: o.state(), Hint: o.status, ReturnURL: o.back}
}

// view is the transaction as the control API and the phone see it.
func (o *order) view() control.Order {
	v := control.Order{
		ID: o.ref, Provider: Name, Kind: "auth", AutoStartToken: o.ref, Reference: o.ref,
		Text: o.demand.text, RequiredPnr: o.required(), ReturnURL: o.back, State: o.state(),
		RelyingParty: o.rp, Hint: o.status, PickedUp: o.opened, SameDevice: o.byLink,
		Pushed: o.pushed && o.status == statusDelivered, Devices: []string{"mobile"},
	}
	if o.demand.sign {
		v.Kind = "sign"
	}
	if o.person != nil {
		v.Person = o.person.Number
	}
	if o.pending() {
		// The phone's words for what it may do now.
		switch {
		case o.busy():
			v.Hint = "processing"
		case o.opened && o.person == nil:
			v.Hint = "started"
		}
	}
	return v
}

// usable reports whether a person has a Freja that can approve anything.
func usable(p persons.Person) bool {
	return !p.Has(persons.NoEID) && !p.Has(persons.NoMobile) && !p.Has(persons.Blocked)
}
