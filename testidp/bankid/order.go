package bankid

import (
	"slices"
	"strconv"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

// Timings are the periods of bankid.md 3.4. A zero field means the genuine
// value.
type Timings struct {
	StartFailed    time.Duration // nobody opened the order: 30 s
	Sign           time.Duration // opened but not finished: 3 min
	Processing     time.Duration // between the person's approval and the result: none
	CompleteKept   time.Duration // an uncollected result: 3 min
	FailedKept     time.Duration // an uncollected failure: 5 min
	NeverStartKept time.Duration // an order that nobody opened, from its start: 3 min 10 s
	Slow           time.Duration // how much the fault "slow" takes: 3 s
	Remembered     time.Duration // how long the control API lists an order that is over: 1 min
}

func (t Timings) withDefaults() Timings {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.StartFailed, 30*time.Second)
	set(&t.Sign, 3*time.Minute)
	set(&t.CompleteKept, 3*time.Minute)
	set(&t.FailedKept, 5*time.Minute)
	set(&t.NeverStartKept, 3*time.Minute+10*time.Second)
	set(&t.Slow, 3*time.Second)
	set(&t.Remembered, time.Minute)
	return t
}

// The hint codes that the simulator itself brings about.
const (
	hintOutstanding  = "outstandingTransaction"
	hintStarted      = "started"
	hintMRTD         = "userMrtd"
	hintCall         = "userCallConfirm"
	hintSign         = "userSign"
	hintProcessing   = "processing"
	hintExpired      = "expiredTransaction"
	hintCertificate  = "certificateErr"
	hintCancel       = "userCancel"
	hintCancelled    = "cancelled"
	hintStartFailed  = "startFailed"
	hintDeclinedCall = "userDeclinedCall"
)

// A route is how an order came to a device.
type route int

const (
	notOpened route = iota
	byQR            // scanned: only a phone can
	byLink          // app link: the device where the browser is
	byCall          // pushed to the phone of the person in the call
)

// An order is one identification or signing. Its fields are guarded by the
// simulator's lock; the methods take the time and do no other input.
type order struct {
	ref, autoStart, qrToken, qrSecret string

	demand  demand
	rp      pki.RelyingParty
	created time.Time

	status string // control.Pending, Complete or Failed
	hint   string
	route  route
	opened time.Time
	person *persons.Person // who opened it, once known
	kind   pki.Kind        // the e-ID that the person uses here
	mrtd   bool            // the document has been read

	result *completionData
	ended  time.Time // when it became complete or failed; for a result, may lie ahead
	over   time.Time // when it was delivered or cancelled by the relying party; zero before

	lastCollect time.Time
	collecting  int
	fast        int
	concurrent  int
}

// settle brings an order up to date with the clock.
func (o *order) settle(now time.Time, t *Timings) {
	if o.status != control.Pending {
		return
	}
	switch {
	case o.result != nil:
		if !now.Before(o.ended) {
			o.status, o.hint = control.Complete, ""
		}
	case o.hint == hintProcessing:
		// The person is done; signing is under way and cannot time out.
	case o.hint == hintOutstanding:
		if end := o.created.Add(t.StartFailed); !now.Before(end) {
			o.fail(hintStartFailed, end)
		}
	default:
		if end := o.opened.Add(t.Sign); !now.Before(end) {
			o.fail(hintExpired, end)
		}
	}
}

// fail ends a pending order.
func (o *order) fail(hint string, at time.Time) {
	o.status, o.hint, o.ended = control.Failed, hint, at
}

// kept is until when the relying party can collect a finished order.
func (o *order) kept(t *Timings) time.Time {
	switch {
	case o.status == control.Complete:
		return o.ended.Add(t.CompleteKept)
	case o.hint == hintStartFailed:
		return o.created.Add(t.NeverStartKept)
	default:
		return o.ended.Add(t.FailedKept)
	}
}

// collectable reports whether the relying party still sees the order.
func (o *order) collectable(now time.Time, t *Timings) bool {
	return o.over.IsZero() && (o.status == control.Pending || now.Before(o.kept(t)))
}

// forgotten reports whether even the control API has lost the order.
func (o *order) forgotten(now time.Time, t *Timings) bool {
	if !o.over.IsZero() {
		return !now.Before(o.over.Add(t.Remembered))
	}
	return o.status != control.Pending && !now.Before(o.kept(t))
}

// frameAt is the content of the QR code at a time.
func (o *order) frameAt(now time.Time) string {
	t := int(now.Sub(o.created) / time.Second)
	return "bankid." + o.qrToken + "." + strconv.Itoa(t) + "." + frameMAC(o.qrSecret, t)
}

// open notes that some device has the order.
func (o *order) open(r route, now time.Time) {
	if o.route == notOpened {
		if o.demand.call {
			r = byCall
		}
		o.route, o.opened = r, now
	}
	if o.hint == hintOutstanding {
		o.hint = hintStarted
	}
}

// choose finds the person's e-ID that may complete the order on this device.
// want narrows the choice and may be empty.
func (o *order) choose(p persons.Person, want pki.Kind) (pki.Kind, bool) {
	if o.demand.pnr != "" && o.demand.pnr != p.Number {
		return "", false
	}
	for _, k := range o.devices() {
		if (want == "" || want == k) && owns(p, k) {
			return k, true
		}
	}
	return "", false
}

// devices lists the kinds of e-ID that the order accepts on the device that
// has it, the preferred one first.
func (o *order) devices() []pki.Kind {
	kinds := []pki.Kind{pki.Mobile, pki.File, pki.Card}
	if o.route == byQR || o.route == byCall {
		kinds = kinds[:1] // only a phone scans codes and takes calls
	}
	return slices.DeleteFunc(slices.Clone(kinds), func(k pki.Kind) bool {
		return !o.demand.accepts(k.Policy()) || o.demand.cardReader != "" && k != pki.Card
	})
}

func owns(p persons.Person, k pki.Kind) bool {
	switch {
	case p.Has(persons.NoEID):
		return false
	case k == pki.Mobile:
		return !p.Has(persons.NoMobile)
	case k == pki.File:
		return !p.Has(persons.NoFile)
	default:
		return p.Has(persons.Card)
	}
}

// advance moves an order that a person with a fitting e-ID has in hand to its
// next pending state.
func (o *order) advance(p persons.Person, k pki.Kind) {
	o.person, o.kind = &p, k
	if o.hint != hintStarted {
		return
	}
	o.hint = hintSign
	if o.demand.mrtd && !o.mrtd {
		o.hint = hintMRTD
	}
}

// slim drops what nobody asks for any more.
func (o *order) slim() {
	o.result = nil
	o.demand.nonVisible = ""
	if len(o.demand.visible) > 2048 {
		o.demand.visible = ""
	}
	o.qrSecret = ""
}

// view is the order as the control API and the phone see it.
func (o *order) view() control.Order {
	v := control.Order{
		ID: o.ref, Provider: Name, Kind: "auth", AutoStartToken: o.autoStart, Reference: o.ref,
		Text: o.demand.text(), RequiredPnr: o.demand.pnr, ReturnURL: o.demand.returnURL, State: o.status,
		RelyingParty: o.rp.DisplayName, Markdown: o.demand.format == formatMarkdown, Hint: o.hint,
		PickedUp: o.route != notOpened, SameDevice: o.route == byLink, Call: o.demand.call,
	}
	if o.demand.sign {
		v.Kind = "sign"
	}
	if o.person != nil {
		v.Person = o.person.Number
	}
	for _, k := range o.devices() {
		if o.person == nil || owns(*o.person, k) {
			v.Devices = append(v.Devices, string(k))
		}
	}
	return v
}
