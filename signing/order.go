package signing

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
)

// State is where an order is.
type State string

const (
	Open      State = "open"
	Sealing   State = "sealing" // everybody has signed; the receipt is being made
	Completed State = "completed"
	Refused   State = "refused" // a signatory said no
	Expired   State = "expired"
	Cancelled State = "cancelled" // by the client
)

// Over reports whether nothing more will happen to the order.
func (s State) Over() bool { return s != Open && s != Sealing }

// Visibility is what signatories see of each other.
type Visibility string

const (
	ShowNames Visibility = "names" // names and who has signed
	ShowNone  Visibility = "none"  // how many have signed
)

// Order is a wish of a client that some persons sign the same documents. It
// holds no document: those lie under a key of their own, see Body.
type Order struct {
	ID         string         `json:"id"`
	Client     string         `json:"client"`
	State      State          `json:"state"`
	Title      string         `json:"title"`
	Message    string         `json:"message,omitempty"`
	Reference  string         `json:"reference,omitempty"`
	Language   string         `json:"language"`
	Sequence   Sequence       `json:"sequence"`
	Deadline   time.Time      `json:"deadline"`
	Reminders  []int          `json:"reminders,omitempty"` // days before the deadline
	Visibility Visibility     `json:"visibility"`
	Providers  []providers.ID `json:"providers,omitempty"` // allowed; empty: all of the client's
	ReturnURL  string         `json:"return_url,omitempty"`
	Callback   string         `json:"callback,omitempty"`

	Signatories []Signatory `json:"signatories"`
	Revision    int         `json:"revision"`
	Digest      [32]byte    `json:"digest"` // of the manifest of this revision

	Created     time.Time `json:"created"`
	CompletedAt time.Time `json:"completed_at,omitzero"` // the time of the last signature
	EndedAt     time.Time `json:"ended_at,omitzero"`     // when it was over, however
	Reminded    time.Time `json:"reminded,omitzero"`     // up to when reminders have been sent
}

// LogValue keeps what an order is about out of logs.
func (o Order) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", o.ID), slog.String("state", string(o.State)))
}

// Body is what lies under the order's own key until it is completed.
type Body struct {
	NumberKey []byte     `json:"number_key"` // of the manifest's digests of numbers
	Manifest  Manifest   `json:"manifest"`
	Documents []Document `json:"documents"` // files without their bytes
}

// Reasons why something cannot be done. They are a caller's or a person's, and
// change nothing.
var (
	ErrOver       = errors.New("the order is over")                        // completed, being sealed, refused, expired or cancelled
	ErrNotNow     = errors.New("it is not this signatory's turn")          // others sign first
	ErrDone       = errors.New("the signatory has signed or refused")      // or been replaced
	ErrNoSuch     = errors.New("there is no such signatory")               //
	ErrOutdated   = errors.New("the order was changed after this began")   // another digest was signed
	ErrLate       = errors.New("the deadline has passed")                  //
	ErrSamePerson = errors.New("the person is a signatory of this order")  // twice the same
	ErrUnchanged  = errors.New("nothing would change")                     //
	ErrNoContact  = errors.New("the signatory cannot be reached that way") // no address for the way of inviting
)

// Effect is something that must be done because of what happened to an order.
// It is written in the transaction of what happened.
type Effect struct {
	Kind  EffectKind
	N     int       // signatory; 0: the order as a whole
	Event EventType // of an Announce
}

// EffectKind is what must be done.
type EffectKind string

const (
	SendInvitation EffectKind = "invite"     // it is N's turn
	SendAgain      EffectKind = "sign_again" // what N signed or was to sign was changed
	SendReminder   EffectKind = "remind"
	SendEnded      EffectKind = "ended"    // N need not sign: refused, expired, cancelled or replaced
	SendReceipt    EffectKind = "receipt"  // N can fetch the sealed receipt
	Seal           EffectKind = "seal"     // make the receipt
	Announce       EffectKind = "announce" // tell the client
)

// EventType is what a client is told of.
type EventType string

const (
	EventSealing        EventType = "order.sealing"
	EventCompleted      EventType = "order.completed"
	EventRefused        EventType = "order.refused"
	EventExpired        EventType = "order.expired"
	EventCancelled      EventType = "order.cancelled"
	EventSigned         EventType = "signatory.signed"
	EventDeliveryFailed EventType = "signatory.delivery_failed"
)

// Grace is how long after the deadline a signature that began before it still
// counts: an e-ID order lives no longer.
const Grace = 15 * time.Minute

// Signatory finds a signatory by n.
func (o *Order) Signatory(n int) (*Signatory, bool) {
	if n < 1 || n > len(o.Signatories) {
		return nil, false
	}
	return &o.Signatories[n-1], true
}

// Person finds the active signatory that a person is.
func (o *Order) Person(number personnummer.Number) (*Signatory, bool) {
	for i := range o.Signatories {
		if s := &o.Signatories[i]; s.Active() && s.Number == number && !number.IsZero() {
			return s, true
		}
	}
	return nil, false
}

// Turn reports whether everybody who signs before n has signed.
func (o *Order) Turn(n int) bool {
	s, ok := o.Signatory(n)
	if !ok || !s.Active() {
		return false
	}
	return !slices.ContainsFunc(o.Signatories, func(other Signatory) bool {
		return other.Active() && other.Group < s.Group && other.State != Signed
	})
}

// Signed tells how many of the active signatories have signed.
func (o *Order) Signed() (signed, of int) {
	for _, s := range o.Signatories {
		if s.Active() {
			of++
			if s.State == Signed {
				signed++
			}
		}
	}
	return signed, of
}

// Begin opens a new order: those whose turn it is are invited. An order without
// signatories is sealed at once.
func (o *Order) Begin(now time.Time) []Effect {
	switch {
	case o.State != Open:
		return nil
	case len(o.Signatories) == 0:
		o.CompletedAt = now.UTC().Truncate(time.Second)
		return o.seal()
	}
	return o.invite(now)
}

// late reports whether nobody may begin to sign any more.
func (o *Order) late(now time.Time) bool { return !now.Before(o.Deadline) }

// invite tells those whose turn it has become. Those who were invited before
// hear that they must sign once more.
func (o *Order) invite(now time.Time) []Effect {
	if o.late(now) {
		return nil
	}
	var effects []Effect
	for i := range o.Signatories {
		s := &o.Signatories[i]
		if s.State != Waiting || !o.Turn(s.N) {
			continue
		}
		kind := SendInvitation
		if !s.InvitedAt.IsZero() {
			kind = SendAgain
		}
		s.State, s.InvitedAt = Invited, now
		effects = append(effects, o.write(s, kind, now)...)
	}
	return effects
}

// write plans a message to a signatory, if there is a way to send one. Nobody is
// asked to sign when it is too late.
func (o *Order) write(s *Signatory, kind EffectKind, now time.Time) []Effect {
	channels := s.Channels()
	asks := kind == SendInvitation || kind == SendAgain || kind == SendReminder
	if len(channels) == 0 || asks && o.late(now) {
		return nil
	}
	if asks {
		s.Deliveries = nil
		for _, c := range channels {
			s.Deliveries = append(s.Deliveries, Delivery{Channel: c, State: Queued, At: now})
		}
	}
	return []Effect{{Kind: kind, N: s.N}}
}

// open finds an active signatory of an open order who has not answered yet.
func (o *Order) open(n int) (*Signatory, error) {
	s, ok := o.Signatory(n)
	switch {
	case !ok:
		return nil, ErrNoSuch
	case o.State != Open:
		return nil, ErrOver
	case s.State == Signed, s.State == Declined, s.State == Replaced, s.State == TooLate:
		return nil, ErrDone
	}
	return s, nil
}

// Look notes that the signatory has seen the order. It is no error when there
// is nothing to note.
func (o *Order) Look(n int, now time.Time) (changed bool) {
	s, err := o.open(n)
	if err != nil || s.State != Invited && s.State != DeliveryFailed {
		return false
	}
	s.State, s.OpenedAt = Opened, now
	return true
}

// MaySign reports whether the signatory may begin a signature now.
func (o *Order) MaySign(n int, now time.Time) error {
	s, err := o.open(n)
	switch {
	case err != nil:
		return err
	case !o.Turn(s.N):
		return ErrNotNow
	case o.late(now):
		return ErrLate
	}
	return nil
}

// Sign takes in a verified signature. The same one twice is ErrDone.
func (o *Order) Sign(n int, sig Signature, now time.Time) ([]Effect, error) {
	s, err := o.open(n)
	switch {
	case err != nil:
		return nil, err
	case sig.Digest != o.Digest:
		return nil, ErrOutdated
	case !o.Turn(s.N):
		return nil, ErrNotNow
	case sig.At.After(o.Deadline.Add(Grace)):
		return nil, ErrLate
	}
	s.State, s.Signature = Signed, &sig
	effects := []Effect{{Kind: Announce, N: s.N, Event: EventSigned}}
	if signed, of := o.Signed(); signed < of {
		return append(effects, o.invite(now)...), nil
	}
	for _, s := range o.Signatories {
		if s.Active() && s.Signature.At.After(o.CompletedAt) {
			o.CompletedAt = s.Signature.At
		}
	}
	o.CompletedAt = o.CompletedAt.UTC().Truncate(time.Second)
	return append(effects, o.seal()...), nil
}

func (o *Order) seal() []Effect {
	o.State = Sealing
	return []Effect{{Kind: Announce, Event: EventSealing}, {Kind: Seal}}
}

// Complete takes in that the sealed receipt is stored.
func (o *Order) Complete(now time.Time) ([]Effect, error) {
	if o.State != Sealing {
		return nil, ErrOver
	}
	o.State, o.EndedAt = Completed, now
	effects := []Effect{{Kind: Announce, Event: EventCompleted}}
	for i := range o.Signatories {
		if s := &o.Signatories[i]; s.Active() {
			effects = append(effects, o.write(s, SendReceipt, now)...)
		}
	}
	return effects, nil
}

// Decline takes in that a signatory says no. One no ends the order, since
// nothing counts before everybody has signed.
func (o *Order) Decline(n int, reason string, now time.Time) ([]Effect, error) {
	s, err := o.open(n)
	if err != nil {
		return nil, err
	}
	s.State, s.Reason, s.DeclinedAt = Declined, reason, now
	return o.end(Refused, EventRefused, now, s.N), nil
}

// Cancel ends the order because its client says so.
func (o *Order) Cancel(now time.Time) ([]Effect, error) {
	if o.State != Open {
		return nil, ErrOver
	}
	return o.end(Cancelled, EventCancelled, now, 0), nil
}

// Expire ends an order whose time is out.
func (o *Order) Expire(now time.Time) ([]Effect, error) {
	switch {
	case o.State != Open:
		return nil, ErrOver
	case now.Before(o.Deadline.Add(Grace)):
		return nil, ErrUnchanged
	}
	for i := range o.Signatories {
		if s := &o.Signatories[i]; s.Active() && s.State != Signed {
			s.State = TooLate
		}
	}
	return o.end(Expired, EventExpired, now, 0), nil
}

// end tells those who know of the order, except whoever ended it.
func (o *Order) end(state State, event EventType, now time.Time, by int) []Effect {
	o.State, o.EndedAt = state, now
	effects := []Effect{{Kind: Announce, N: by, Event: event}}
	for i := range o.Signatories {
		s := &o.Signatories[i]
		if s.Active() && s.N != by && !s.InvitedAt.IsZero() {
			effects = append(effects, o.write(s, SendEnded, now)...)
		}
	}
	return effects
}

// Remind writes once more to those whose turn it is, unless it is too late.
func (o *Order) Remind(now time.Time) ([]Effect, error) {
	if o.State != Open {
		return nil, ErrOver
	}
	var effects []Effect
	for i := range o.Signatories {
		s := &o.Signatories[i]
		if _, err := o.open(s.N); err == nil && s.State != Waiting {
			effects = append(effects, o.write(s, SendReminder, now)...)
		}
	}
	o.Reminded = now
	return effects, nil
}

// NextReminder is when the next planned reminder is due; zero: none is left.
func (o *Order) NextReminder() time.Time {
	var next time.Time
	for _, days := range o.Reminders {
		at := o.Deadline.AddDate(0, 0, -days)
		if at.After(o.Created) && at.After(o.Reminded) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// Due is when the clock next has something to do with the order; zero: never.
func (o *Order) Due() time.Time {
	if o.State != Open {
		return time.Time{}
	}
	due := o.Deadline.Add(Grace)
	if r := o.NextReminder(); !r.IsZero() && r.Before(due) {
		return r
	}
	return due
}

// Delivered takes in what became of a message of an invitation or reminder: of
// the newest by that channel, which the caller knows. When the order is over, or
// the signatory replaced, it does not matter any more.
func (o *Order) Delivered(n int, c Channel, state DeliveryState, now time.Time) []Effect {
	s, ok := o.Signatory(n)
	if !ok || o.State != Open || !s.Active() {
		return nil
	}
	i := slices.IndexFunc(s.Deliveries, func(d Delivery) bool { return d.Channel == c })
	if i < 0 || s.Deliveries[i].State == state {
		return nil
	}
	s.Deliveries[i].State, s.Deliveries[i].At = state, now
	if state != Bounced {
		if s.State == DeliveryFailed {
			s.State = Invited
		}
		return nil
	}
	reached := slices.ContainsFunc(s.Deliveries, func(d Delivery) bool { return d.State != Bounced })
	if !reached && s.State == Invited {
		s.State = DeliveryFailed
	}
	return []Effect{{Kind: Announce, N: n, Event: EventDeliveryFailed}}
}

// Contact is how to reach a signatory.
type Contact struct {
	Email  string
	Phone  string
	Invite Invite
}

// Correct changes how a signatory is reached, and writes there. No signature is
// touched: a contact is not part of what is signed.
func (o *Order) Correct(n int, c Contact, now time.Time) ([]Effect, error) {
	s, err := o.open(n)
	if err != nil {
		return nil, err
	}
	if s.Email == c.Email && s.Phone == c.Phone && s.Invite == c.Invite {
		return nil, ErrUnchanged
	}
	next := *s
	next.Email, next.Phone, next.Invite = c.Email, c.Phone, c.Invite
	if next.Invite != InviteNone && len(next.Channels()) == 0 {
		return nil, ErrNoContact
	}
	*s = next
	s.Deliveries = nil
	if s.State == Waiting {
		return nil, nil
	}
	if s.State == DeliveryFailed {
		s.State = Invited
	}
	return o.write(s, SendInvitation, now), nil
}

// Replace lets another person sign instead of signatory n: a change of what
// everybody signs, so every signature is void.
func (o *Order) Replace(b *Body, n int, by Signatory, now time.Time) ([]Effect, error) {
	s, err := o.open(n)
	if err != nil {
		return nil, err
	}
	if o.late(now) {
		return nil, ErrLate
	}
	if _, there := o.Person(by.Number); there {
		return nil, ErrSamePerson
	}
	if by.Invite != InviteNone && len(by.Channels()) == 0 {
		return nil, ErrNoContact
	}
	told := !s.InvitedAt.IsZero()
	by.N, by.Group, by.State = len(o.Signatories)+1, s.Group, Waiting
	s.State = Replaced
	var effects []Effect
	if told {
		effects = o.write(s, SendEnded, now)
	}
	o.Signatories = append(o.Signatories, by)
	more, err := o.revise(b, b.Documents, b.Manifest.Documents, now)
	return append(effects, more...), err
}

// Change puts other documents in the place of those that were to be signed.
// Every signature is void.
func (o *Order) Change(b *Body, documents []Document, now time.Time) ([]Effect, error) {
	switch {
	case o.State != Open:
		return nil, ErrOver
	case o.late(now):
		return nil, ErrLate
	}
	entries, err := entriesOf(documents)
	if err != nil {
		return nil, err
	}
	return o.revise(b, documents, entries, now)
}

func entriesOf(documents []Document) ([]ManifestDocument, error) {
	entries := []ManifestDocument{}
	for _, d := range documents {
		e, err := d.Entry()
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (o *Order) revise(b *Body, documents []Document, entries []ManifestDocument, now time.Time) ([]Effect, error) {
	o.Revision++
	b.Documents = documents
	if err := o.bind(b, entries); err != nil {
		return nil, err
	}
	for i := range o.Signatories {
		// InvitedAt stays: who has heard of the order hears how it goes on.
		if s := &o.Signatories[i]; s.Active() {
			s.State, s.Signature, s.OpenedAt = Waiting, nil, time.Time{}
		}
	}
	return o.invite(now), nil
}

// bind makes the manifest of the order as it is now.
func (o *Order) bind(b *Body, entries []ManifestDocument) error {
	issuer := b.Manifest.Issuer
	b.Manifest = Manifest{
		Format: ManifestFormat, Issuer: issuer, Client: o.Client, Order: o.ID, Revision: o.Revision,
		Title: o.Title, Message: o.Message, Reference: o.Reference, Sequence: o.Sequence,
		Documents: entries, Signatories: []ManifestSignatory{},
	}
	for _, s := range o.Signatories {
		if s.Active() {
			b.Manifest.Signatories = append(b.Manifest.Signatories,
				ManifestSignatory{N: s.N, Number: NumberDigest(b.NumberKey, s.Number), Group: s.Group})
		}
	}
	_, digest, err := b.Manifest.Encode()
	o.Digest = digest
	return err
}
