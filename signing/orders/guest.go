package orders

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
)

// The room's side: for signing/web. The guest must be the signatory: everybody
// else, like everybody at an order that does not exist, gets
// broker.ErrNotFound. A signatory whose login does not count here gets ErrLevel.

// Guest is a person who has logged in with an e-ID, as the session says.
type Guest struct {
	Number   personnummer.Number
	Provider providers.ID
	Level    providers.Level
	AuthTime time.Time
}

// Visit is an order as one of its signatories may see it: of the others no
// number and no contact, and their names only where the order shows them.
// Documents have no bytes of files; see File.
type Visit struct {
	Order signing.Order
	N     int    // who the guest is
	Asker string // who asks, as it stands in the text that is signed
	Body  signing.Body
}

// guest finds the signatory that a guest is. An e-ID that cannot show the text may
// still be logged in with, where no client has said otherwise.
func (s *Service) guest(ctx context.Context, h *head, n int, g Guest) (*signing.Signatory, error) {
	o := &h.Order
	sig, ok := o.Signatory(n)
	if !ok || !sig.Active() || g.Number.IsZero() || sig.Number != g.Number {
		return nil, broker.ErrNotFound
	}
	c, err := s.Clients.Client(ctx, o.Client)
	if err != nil {
		return nil, err
	}
	age := s.Now().Sub(g.AuthTime)
	offered := slices.ContainsFunc(s.Offers(c), func(i providers.Info) bool { return i.ID == g.Provider })
	allowed := len(o.Providers) == 0 || h.Narrowed || slices.Contains(o.Providers, g.Provider)
	if age > s.LoginAge || age < -time.Minute || !offered || !allowed || g.Level < providers.LevelUncertified3 {
		return nil, ErrLevel
	}
	return sig, nil
}

// ByToken finds where an invitation leads its guest. Nothing is consumed.
func (s *Service) ByToken(ctx context.Context, client, token string, g Guest) (id string, n int, err error) {
	if len(token) > 128 {
		return "", 0, broker.ErrNotFound
	}
	return s.invited(ctx, client, tokenHash(token), g)
}

// invited follows a way in, if it is the guest's and has not died.
func (s *Service) invited(ctx context.Context, client string, hash []byte, g Guest) (string, int, error) {
	id, n, err := s.Store.Invitation(ctx, client, hash)
	if errors.Is(err, broker.ErrNotFound) {
		id, n, err = broker.NewID(), 1, nil // of no order: what follows is the same
	}
	if err != nil {
		return "", 0, err
	}
	a, sig, there, err := s.seat(ctx, client, id, n, g)
	if err == nil && !alive(&a.Order, sig) {
		err = broker.ErrNotFound
	}
	if err != nil {
		return "", 0, s.refused(ctx, client, there, g, err)
	}
	return id, n, nil
}

// seat finds an order and the signatory that a guest is in it. there is the
// order's id if there is one, for the audit only: to whoever is not its
// signatory, not even the time it takes tells one that is there from none.
func (s *Service) seat(ctx context.Context, client, id string, n int, g Guest) (a *act, sig *signing.Signatory, there string, err error) {
	if a, err = s.load(ctx, client, id); err != nil {
		if errors.Is(err, broker.ErrNotFound) {
			s.decoy(ctx, client)
		}
		return nil, nil, "", err
	}
	sig, err = s.guest(ctx, &a.head, n, g)
	return a, sig, id, err
}

// Of what a person comes to that is not theirs so much is noted in an hour, at
// one client: enough to see what goes on, and no way to fill the disk.
const (
	kindStrangers    = "signing strangers"
	strangersNoted   = 50
	strangersForgets = time.Hour
)

// refused notes that somebody came to what is not theirs, or not there: either
// way, so that not even the time it takes tells them apart.
func (s *Service) refused(ctx context.Context, client, id string, g Guest, err error) error {
	if !errors.Is(err, broker.ErrNotFound) {
		return err
	}
	if _, known := s.Clients.Client(ctx, client); known != nil {
		client = "" // it may be anything
	}
	bucket := hex.EncodeToString(s.person(client, g.Number))
	if err := s.count(ctx, kindStrangers, bucket, strangersNoted, strangersForgets, 1); errors.Is(err, ErrTooMany) {
		return broker.ErrNotFound
	} else if err != nil {
		return err
	}
	if err := s.Audit.Record(ctx, s.event(audit.SigningInvitationRefused, s.now(), client, id, g.Number, "")); err != nil {
		return err
	}
	return broker.ErrNotFound
}

// alive tells whether ways in to a signatory still lead there. When an order is
// over all are dropped; those that there are afterwards lead to the receipt.
func alive(o *signing.Order, sig *signing.Signatory) bool {
	switch sig.State {
	case signing.Signed:
		return o.State == signing.Completed
	case signing.Waiting, signing.Invited, signing.DeliveryFailed, signing.Opened:
		return o.State == signing.Open
	}
	return false
}

// Wrong codes of one person at one client are counted for an hour.
const (
	kindCodes   = "signing codes"
	codeTries   = 5
	codeForgets = time.Hour
)

// ByCode is ByToken for a typed code: five tries an hour for each person, then
// ErrTooMany.
func (s *Service) ByCode(ctx context.Context, client, code string, g Guest) (id string, n int, err error) {
	if g.Number.IsZero() {
		return "", 0, broker.ErrNotFound
	}
	// The try is counted before it is looked up, so that many at once are no more
	// than five; one that was right is given back.
	bucket := hex.EncodeToString(s.person(client, g.Number))
	if err := s.count(ctx, kindCodes, bucket, codeTries, codeForgets, 1); err != nil {
		return "", 0, err
	}
	if readCode(code) == "" {
		return "", 0, s.refused(ctx, client, "", g, broker.ErrNotFound)
	}
	id, n, err = s.invited(ctx, client, s.codeHash(client, g.Number, code), g)
	if err == nil || !errors.Is(err, broker.ErrNotFound) {
		if back := s.count(ctx, kindCodes, bucket, codeTries, codeForgets, -1); back != nil {
			s.Log.WarnContext(ctx, "a right code was counted as wrong", "error", back)
		}
	}
	return id, n, err
}

// count adds a try to a bucket, or takes the last one back. It is ErrTooMany when
// there are so many already that it has not forgotten.
func (s *Service) count(ctx context.Context, kind, bucket string, most int, forgets time.Duration, by int) error {
	for range tries {
		raw, version, err := s.Short.Get(ctx, kind, bucket)
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return err
		}
		now := s.now()
		var recent []byte // times in milliseconds, eight bytes each
		for len(raw) >= 8 {
			if at := time.UnixMilli(int64(binary.BigEndian.Uint64(raw))); now.Sub(at) < forgets {
				recent = append(recent, raw[:8]...)
			}
			raw = raw[8:]
		}
		switch {
		case by < 0 && len(recent) == 0:
			return nil
		case by < 0:
			recent = recent[:len(recent)-8]
		case len(recent) >= 8*most:
			return ErrTooMany
		default:
			recent = binary.BigEndian.AppendUint64(recent, uint64(now.UnixMilli()))
		}
		err = s.Short.Swap(ctx, kind, bucket, version, recent, now.Add(forgets))
		if !errors.Is(err, broker.ErrConflict) {
			return err
		}
	}
	return ErrTooMany // that many at once are no typing
}

// maxAwaiting is how many orders a list shows, and mostAwaiting how many are looked
// through for it.
const (
	maxAwaiting  = 100
	mostAwaiting = 5000
)

// Awaiting lists the client's open orders that it is the guest's turn to sign or
// that the guest has signed, newest first, at most 100. Orders that the guest's
// login does not count for are left out.
func (s *Service) Awaiting(ctx context.Context, client string, g Guest) ([]Visit, error) {
	if g.Number.IsZero() {
		return nil, broker.ErrNotFound
	}
	visits := []Visit{}
	var after Mark
	for range mostAwaiting / maxAwaiting {
		rows, err := s.Store.Awaiting(ctx, client, s.person(client, g.Number), after, maxAwaiting)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			after = Mark{row.Created, row.ID}
			v, ok, err := s.awaits(ctx, row, g)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if visits = append(visits, v); len(visits) == maxAwaiting {
				return visits, nil
			}
		}
		if len(rows) < maxAwaiting {
			break
		}
	}
	return visits, nil
}

// awaits tells whether an order is one that a guest may sign or has signed.
func (s *Service) awaits(ctx context.Context, row Row, g Guest) (v Visit, ok bool, err error) {
	h, err := s.openHead(row)
	if err != nil {
		return v, false, err
	}
	sig, ok := h.Order.Person(g.Number)
	if !ok || !h.Order.Turn(sig.N) {
		return v, false, nil
	}
	switch _, err := s.guest(ctx, &h, sig.N, g); {
	case errors.Is(err, ErrLevel), errors.Is(err, broker.ErrNotFound):
		return v, false, nil
	case err != nil:
		return v, false, err
	}
	return Visit{Order: shown(h.Order, sig.N), N: sig.N, Asker: h.Asker}, true, nil
}

// shown is an order without what is not signatory n's to see.
func shown(o signing.Order, n int) signing.Order {
	o.Callback = ""
	o.Signatories = slices.Clone(o.Signatories)
	for i := range o.Signatories {
		s := &o.Signatories[i]
		if s.N == n {
			continue
		}
		other := signing.Signatory{N: s.N, Group: s.Group, State: s.State}
		if other.State == signing.DeliveryFailed {
			other.State = signing.Invited
		}
		if o.Visibility == signing.ShowNames {
			other.Name = s.Name
			if s.Signature != nil {
				other.Signature = &signing.Signature{At: s.Signature.At}
			}
		}
		*s = other
	}
	return o
}

// Visit shows an order to one of its signatories and notes that it was opened.
// The Body is empty while others sign first, and when the order is over
// (refused, expired, cancelled, completed): what was to be signed is then in the
// receipt, or gone.
func (s *Service) Visit(ctx context.Context, client, id string, n int, g Guest) (Visit, error) {
	var v Visit
	there := ""
	_, err := s.act(ctx, client, id, func(a *act) error {
		there = id
		sig, err := s.guest(ctx, &a.head, n, g)
		if err != nil {
			return err
		}
		v = Visit{Order: shown(a.Order, n), N: n, Asker: a.Asker}
		if a.Order.State.Over() {
			if err := a.fetched(ctx, sig.Number, "order"); err != nil {
				return err
			}
			return errNothing
		}
		if !a.Order.Turn(n) {
			return errNothing
		}
		k, err := s.unwrap(a.row, &a.Order, signatory{n, g})
		if err != nil {
			return err
		}
		if v.Body, err = k.openBody(a.row, &a.Order); err != nil {
			return err
		}
		v.Body.NumberKey = nil
		first := a.Order.Look(n, a.now)
		now := seen{g.AuthTime.UTC().Truncate(time.Millisecond), a.Order.Revision}
		if !first && a.Seen[n] == now {
			return errNothing // a reload is no act of its own
		}
		if a.Seen == nil {
			a.Seen = map[int]seen{}
		}
		a.Seen[n] = now
		if first {
			a.note(audit.SigningOpened, sig.Number, "")
		}
		a.note(audit.SigningRead, sig.Number, "documents")
		v.Order = shown(a.Order, n)
		return nil
	})
	if err != nil {
		if there == "" && errors.Is(err, broker.ErrNotFound) {
			s.decoy(ctx, client)
		}
		return Visit{}, s.refused(ctx, client, there, g, err)
	}
	return v, nil
}

// Glance is Visit for what shows nothing that is to be signed: without Body, and
// nothing counts as opened or read.
func (s *Service) Glance(ctx context.Context, client, id string, n int, g Guest) (Visit, error) {
	a, _, there, err := s.seat(ctx, client, id, n, g)
	if err != nil {
		return Visit{}, s.refused(ctx, client, there, g, err)
	}
	return Visit{Order: shown(a.Order, n), N: n, Asker: a.Asker}, nil
}

// File gives a document's bytes, for download; i counts from 0.
func (s *Service) File(ctx context.Context, client, id string, n int, g Guest, i int) (signing.Document, error) {
	a, sig, _, err := s.seat(ctx, client, id, n, g)
	if err != nil {
		return signing.Document{}, err
	}
	if a.Order.State.Over() || !a.Order.Turn(n) || i < 0 || i >= len(a.Files) {
		return signing.Document{}, broker.ErrNotFound
	}
	k, err := s.unwrap(a.row, &a.Order, signatory{n, g})
	if err != nil {
		return signing.Document{}, err
	}
	b, err := k.openBody(a.row, &a.Order)
	if err != nil {
		return signing.Document{}, err
	}
	d, err := s.file(ctx, k, a.head, b, i)
	if err != nil {
		return signing.Document{}, err
	}
	if err := a.fetched(ctx, sig.Number, "document "+strconv.Itoa(i+1)); err != nil {
		return signing.Document{}, err
	}
	return d, nil
}

// ReceiptFor gives the sealed PDF to a signatory.
func (s *Service) ReceiptFor(ctx context.Context, client, id string, n int, g Guest) ([]byte, error) {
	a, sig, _, err := s.seat(ctx, client, id, n, g)
	if err != nil {
		return nil, err
	}
	return a.receipt(ctx, sig.Number)
}

// Decline takes in that the guest says no.
func (s *Service) Decline(ctx context.Context, client, id string, n int, g Guest, reason string) error {
	reason, err := signing.CheckReason(reason)
	if err != nil {
		return err
	}
	_, err = s.act(ctx, client, id, func(a *act) error {
		sig, err := s.guest(ctx, &a.head, n, g)
		if err != nil {
			return err
		}
		if !a.Order.Turn(n) {
			return signing.ErrNotNow
		}
		a.note(audit.SigningRefused, sig.Number, "")
		return a.planned(a.Order.Decline(n, reason, a.now))
	})
	return err
}
