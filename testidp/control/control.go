// Package control holds what all simulated e-IDs have in common: the
// vocabulary of orders and what a person does with them, fault modes (which
// mail and SMS have too), the obedient person ("auto"), and the control API. TEST ONLY: whoever reaches
// the API can approve anything in anybody's name.
//
// The API is the one of DESIGN.md section 6 ("Control API of the simulators").
// The simulators import this package and it knows none of them.
package control

import (
	"errors"
	"net/http"
)

// An Order is a pending or finished order as the control API lists it.
type Order struct {
	ID             string `json:"id"`
	Provider       string `json:"provider"`
	Kind           string `json:"kind"` // auth or sign
	AutoStartToken string `json:"autoStartToken"`
	Reference      string `json:"reference"` // what the relying party calls the order
	Text           string `json:"text"`
	RequiredPnr    string `json:"requiredPnr"`
	ReturnURL      string `json:"returnUrl"`
	State          string `json:"state"` // pending, complete or failed

	// The rest is for the phone and not part of the API.
	RelyingParty string   `json:"-"`
	Markdown     bool     `json:"-"` // Text is simpleMarkdownV1
	Hint         string   `json:"-"`
	PickedUp     bool     `json:"-"` // some device has opened it
	Pushed       bool     `json:"-"` // came by itself to the phone of the person that it names
	SameDevice   bool     `json:"-"` // opened by its app link
	Call         bool     `json:"-"` // belongs to a phone call
	Person       string   `json:"-"` // number of the person who opened it, if known
	Devices      []string `json:"-"` // kinds of e-ID that may be used here
}

// The states of an order.
const (
	Pending  = "pending"
	Complete = "complete"
	Failed   = "failed"
)

// An Action is what a person does with an order.
type Action struct {
	Action string `json:"action"` // start, approve, cancel or fail
	Pnr    string `json:"pnr"`    // who acts; may be left out when the order names a person
	Hint   string `json:"hint"`   // for fail: how it fails
	Device string `json:"device"` // file, card or mobile; empty lets the simulator choose
}

// A Result is how an order stands after an action.
type Result struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	Hint      string `json:"hint"`
	ReturnURL string `json:"returnUrl"`
}

// A Code is what opens an order on a device: the content of the QR frame that
// is shown right now, or the token of an app link.
type Code struct {
	QR             string `json:"qr"`
	AutoStartToken string `json:"autoStartToken"`
}

// A Ledger shows the orders that a simulator remembers.
type Ledger interface {
	// Orders lists them, those that are over first.
	Orders() []Order
	// Order finds one of them.
	Order(id string) (Order, bool)
	// ByToken finds the order of an app link, in whatever state it is.
	ByToken(autoStartToken string) (Order, bool)
}

// A Device is where a person opens orders and acts on them.
type Device interface {
	// Scan opens an order. The error is ErrUnknownCode when the code belongs
	// to no order of this simulator, else *Error.
	Scan(c Code) (id string, err error)
	// Act lets a person act. Errors are *Error.
	Act(id string, a Action) (Result, error)
}

// A Simulator is one simulated e-ID.
type Simulator interface {
	// Name is what faults and auto call the simulator.
	Name() string
	// FaultModes lists the fault modes that it knows.
	FaultModes() []string
	// Strictness reports relying parties that collect too eagerly.
	Strictness() Strictness
	Ledger
	Device
}

// A Service is a simulated thing that can go wrong but knows no orders.
type Service interface {
	// Name is what faults call the service.
	Name() string
	// FaultModes lists the fault modes that it knows.
	FaultModes() []string
}

// A Desk is where case officers log in.
type Desk interface {
	// Obey lets an officer log in without the page from now on; with an empty id
	// the page is back. Errors are *Error.
	Obey(officer string) error
}

// Strictness counts what bankid.md section 13 asks to report and not to
// refuse.
type Strictness struct {
	FastCollects       int           `json:"fastCollects"`       // less than a second after the one before
	ConcurrentCollects int           `json:"concurrentCollects"` // while another was under way for the same order
	Orders             []StrictOrder `json:"orders"`
}

// A StrictOrder is one order that was collected too eagerly.
type StrictOrder struct {
	ID         string `json:"id"`
	Fast       int    `json:"fast"`
	Concurrent int    `json:"concurrent"`
}

// ErrUnknownCode says that a code belongs to no order.
var ErrUnknownCode = errors.New("the code belongs to no order")

// An Error is a refusal with its HTTP status.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string { return e.Text }

// Refuse makes an Error for something that the order's state forbids.
func Refuse(text string) error { return &Error{http.StatusConflict, text} }

// Invalid makes an Error for a request that makes no sense.
func Invalid(text string) error { return &Error{http.StatusBadRequest, text} }

// NotFound makes the Error for an unknown order.
func NotFound() error { return &Error{http.StatusNotFound, "no such order"} }
