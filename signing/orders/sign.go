package orders

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/receipt"
)

// Start is what a guest wishes to sign, and how.
type Start struct {
	// Digest is of what the guest was shown. Only that can be signed: when it is
	// not what the order holds now, or is missing, the answer is
	// signing.ErrOutdated.
	Digest [32]byte
	// Again, instead of Digest, is an e-ID order of this guest's that came to
	// nothing: the same content is asked for once more.
	Again    broker.OrderID
	Provider providers.ID
	Mode     providers.Mode
	Device   providers.Device
	Browser  string // the secret of the browser
	Language string
}

// Outcomes of e-ID orders besides providers.Reason.
const (
	OutcomeSigned   = "signed"
	OutcomeOutdated = "outdated"        // the order was changed meanwhile
	OutcomeLate     = "late"            // after the deadline
	OutcomeOver     = "over"            // the order was over
	OutcomeAlready  = "already_signed"  // or refused, or replaced by somebody else
	OutcomeNotNow   = "not_now"         // others sign first
	OutcomeUnfit    = "does_not_belong" // it is not a signature of this signatory's
	OutcomeDoubted  = "not_believed"    // nobody who has the trust file would believe it
)

// Sign begins an e-ID order in which this guest alone can sign exactly the
// order's digest. Errors of package signing say why not (others first, too
// late, already signed); *providers.BadRequest that this e-ID cannot.
func (s *Service) Sign(ctx context.Context, client, id string, n int, g Guest, start Start) (broker.OrderID, error) {
	c, err := s.Clients.Client(ctx, client)
	if err != nil {
		return "", err
	}
	eid := broker.OrderID(broker.NewID())
	var begin flow.Begin
	_, err = s.act(ctx, client, id, func(a *act) error {
		sig, err := s.guest(ctx, &a.head, n, g)
		if err != nil {
			return err
		}
		if err := a.Order.MaySign(n, a.now); err != nil {
			return err
		}
		// What is signed is what was shown, also when the client changes it between
		// the page and the button.
		if read, err := s.read(ctx, ref(id, n), start); err != nil {
			return err
		} else if subtle.ConstantTimeCompare(read[:], a.Order.Digest[:]) == 0 {
			return signing.ErrOutdated
		}
		info, err := s.chosen(c, &a.Order, start)
		if err != nil {
			return err
		}
		k, err := s.unwrap(a.row, &a.Order, signatory{n, g})
		if err != nil {
			return err
		}
		b, err := k.openBody(a.row, &a.Order)
		if err != nil {
			return err
		}
		shown, markup := text(a.Asker, b, a.Order.Digest, start.Language, info)
		if len(shown) > info.TextLimit {
			return &providers.BadRequest{Field: "provider", Problem: "shows no text that long"}
		}
		begin = flow.Begin{
			ID: eid, Owner: Owner, Ref: ref(id, n), Client: client, Provider: info.ID, Instance: info.Instance,
			Kind: providers.KindSign, Locked: true, Browser: start.Browser,
			Request: providers.Request{
				Mode: start.Mode, Device: start.Device, Text: shown, Markup: markup,
				Binding: signing.Binding(a.Order.Digest), Number: sig.Number, Lang: start.Language,
			},
		}
		other, err := s.doubleClick(ctx, begin)
		if err != nil {
			return err
		}
		if other != eid {
			eid = other
			return errNothing
		}
		// Stored before it begins, so that its result always finds it.
		a.change.Attempt = &Attempt{EIDOrder: string(eid), N: n, Made: a.now}
		a.noteEID(audit.SigningBegun, sig.Number, "", string(eid), info.ID, info.Instance)
		return nil
	})
	if err != nil {
		if begin.ID != "" {
			s.mayClickAgain(ctx, begin)
		}
		if errors.Is(err, sqldb.ErrUncertain) { // it may be stored, and nothing begins it
			s.neverBegan(ctx, begin)
		}
		return "", err
	}
	if eid != begin.ID {
		return eid, nil
	}
	err = s.Short.Put(ctx, kindRead, string(eid), append([]byte(begin.Ref), begin.Request.Binding...), s.Now().Add(s.LoginAge))
	asked := err == nil
	if asked {
		err = s.Begin(ctx, begin)
	}
	if err != nil {
		s.mayClickAgain(ctx, begin)
		var refused *providers.BadRequest
		if !asked || errors.As(err, &refused) {
			s.neverBegan(ctx, begin)
		}
		return "", err
	}
	return eid, nil
}

// kindRead remembers what an e-ID order was for, for as long as its guest's login
// may last.
const kindRead = "signing read"

// read gives the digest of what a guest was shown; none when that is not known.
func (s *Service) read(ctx context.Context, ref string, start Start) (digest [32]byte, err error) {
	if start.Again == "" {
		return start.Digest, nil
	}
	raw, _, err := s.Short.Get(ctx, kindRead, string(start.Again))
	if errors.Is(err, broker.ErrNotFound) {
		return digest, nil
	}
	if binding, ok := bytes.CutPrefix(raw, []byte(ref)); ok && err == nil {
		digest, _ = readBinding(binding)
	}
	return digest, err
}

// chosen finds the e-ID that a guest wishes to sign with.
func (s *Service) chosen(c broker.Client, o *signing.Order, start Start) (providers.Info, error) {
	if start.Browser == "" {
		return providers.Info{}, errors.New("orders: a signature needs a browser")
	}
	infos := s.signers(c, o.Providers)
	i := slices.IndexFunc(infos, func(i providers.Info) bool { return i.ID == start.Provider })
	if i < 0 {
		return providers.Info{}, &providers.BadRequest{Field: "provider", Problem: "is not offered"}
	}
	if !slices.Contains(infos[i].Modes, start.Mode) {
		return providers.Info{}, &providers.BadRequest{Field: "device", Problem: "is not offered"}
	}
	return infos[i], nil
}

// noteEID is note for what happens in an e-ID order.
func (a *act) noteEID(t audit.Type, person personnummer.Number, reason, eid string, provider providers.ID, instance string) {
	e := a.s.event(t, a.now, a.Order.Client, a.Order.ID, person, reason)
	e.Login, e.Provider, e.Instance = eid, string(provider), instance
	a.change.Events = append(a.change.Events, e)
}

// A browser that asks for the same twice within a moment has clicked twice.
const (
	kindClick = "signing click"
	moment    = 3 * time.Second
)

// click names what a browser asks for.
func click(b flow.Begin) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{b.Ref, b.Browser, string(b.Provider), string(b.Request.Mode), string(b.Request.Binding)}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// doubleClick gives the e-ID order that the same browser began a moment ago, if
// it is still under way, and otherwise the one that is to begin.
func (s *Service) doubleClick(ctx context.Context, b flow.Begin) (broker.OrderID, error) {
	for range tries {
		err := s.Short.Swap(ctx, kindClick, click(b), 0, []byte(b.ID), s.Now().Add(moment))
		if err == nil {
			return b.ID, nil
		}
		if !errors.Is(err, broker.ErrConflict) {
			return "", err
		}
		raw, version, err := s.Short.Get(ctx, kindClick, click(b))
		if errors.Is(err, broker.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		other := broker.OrderID(raw)
		if other == b.ID {
			return b.ID, nil // ours: the act was begun again
		}
		_, attempt, err := s.Store.Attempt(ctx, string(other))
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return "", err
		}
		if attempt.Outcome == "" {
			return other, nil
		}
		err = s.Short.Swap(ctx, kindClick, click(b), version, []byte(b.ID), s.Now().Add(moment))
		if err == nil {
			return b.ID, nil
		}
		if !errors.Is(err, broker.ErrConflict) {
			return "", err
		}
	}
	return b.ID, nil
}

// neverBegan notes that there is no e-ID order: its result will not come, and when
// the order's time is out nobody need wait for it. It is only for what is certain:
// after another error of flow's the e-ID order may be stored, and be signed. It is
// noted also where the attempt may not be stored: an act that comes to its end late
// then meets this one, and is undone.
func (s *Service) neverBegan(ctx context.Context, b flow.Begin) {
	id, n, _ := readRef(b.Ref)
	if _, err := s.act(context.WithoutCancel(ctx), b.Client, id, func(a *act) error {
		a.change.Attempt = &Attempt{EIDOrder: string(b.ID), N: n, Outcome: string(providers.Unknown), Made: a.now}
		return nil
	}); err != nil {
		s.Log.WarnContext(ctx, "an e-ID order that never began is waited for", "order", id, "eid_order", b.ID, "error", err)
	}
}

// mayClickAgain forgets a click that led to nothing.
func (s *Service) mayClickAgain(ctx context.Context, b flow.Begin) {
	if _, err := s.Short.Take(context.WithoutCancel(ctx), kindClick, click(b)); err != nil && !errors.Is(err, broker.ErrNotFound) {
		s.Log.WarnContext(ctx, "a click is remembered that led to nothing", "order", b.Ref, "error", err)
	}
}

// ref is how flow knows what an e-ID order is for.
func ref(id string, n int) string { return id + "/" + strconv.Itoa(n) }

func readRef(text string) (id string, n int, ok bool) {
	id, digits, found := strings.Cut(text, "/")
	n, err := strconv.Atoi(digits)
	return id, n, found && err == nil && ref(id, n) == text
}

// Outcome tells what became of an e-ID order of this guest's, for the page that
// it leads back to: empty while it is under way or not taken in yet, "signed",
// or why it did not count (a providers.Reason, or another Outcome).
func (s *Service) Outcome(ctx context.Context, client, id string, n int, g Guest, eid broker.OrderID) (string, error) {
	if _, _, _, err := s.seat(ctx, client, id, n, g); err != nil {
		return "", err
	}
	of, attempt, err := s.Store.Attempt(ctx, string(eid))
	if err != nil {
		return "", err
	}
	if of != id || attempt.N != n {
		return "", broker.ErrNotFound
	}
	return attempt.Outcome, nil
}

// Settled takes in how an e-ID order ended; it is flow's Owner. The same one
// twice changes nothing. What would not change by being told again is no error.
func (s *Service) Settled(ctx context.Context, e flow.Settled) error {
	id, n, ok := readRef(e.Order.Ref)
	if !ok || e.Order.Owner != Owner || (e.Done == nil) == (e.Failed == nil) {
		s.Log.ErrorContext(ctx, "an e-ID order that is not ours", "eid_order", e.Order.ID)
		return nil
	}
	var doubt error
	_, err := s.act(ctx, e.Order.Client, id, func(a *act) error {
		doubt = nil
		of, attempt, err := s.Store.Attempt(ctx, string(e.Order.ID))
		if err != nil {
			return err
		}
		if of != id || attempt.N != n {
			return broker.ErrNotFound
		}
		if attempt.Outcome != "" {
			return errNothing
		}
		outcome := a.take(n, e)
		if outcome.err != nil {
			return outcome.err
		}
		attempt.Outcome, doubt = outcome.name, outcome.doubt
		a.change.Attempt = &attempt
		return nil
	})
	if err == nil && doubt != nil {
		s.Log.ErrorContext(ctx, "orders: a signature does not count, since nobody who has the trust file would believe it; mend the trust file",
			"order", id, "eid_order", e.Order.ID, "provider", e.Order.Provider, "instance", e.Order.Instance, "error", doubt)
	}
	if isGone(err) {
		// Erased meanwhile, or never ours. There is nobody left to tell.
		s.Log.WarnContext(ctx, "result of an e-ID order that nobody knows", "order", id, "eid_order", e.Order.ID)
		if e.Done == nil {
			return nil
		}
		v := s.event(audit.SigningDiscarded, s.now(), e.Order.Client, id, nobody, "unknown")
		v.Login = string(e.Order.ID)
		return s.Audit.Record(ctx, v)
	}
	return err
}

// taken is what became of an e-ID order: its outcome, or why it cannot be said.
// doubt is why a signature is not believed.
type taken struct {
	name  string
	err   error
	doubt error
}

// take judges the result of an e-ID order and, if it is a signature that counts,
// takes it in.
func (a *act) take(n int, e flow.Settled) taken {
	if e.Failed != nil {
		if e.Failed.Reason == "" {
			return taken{name: string(providers.Unknown)}
		}
		return taken{name: string(e.Failed.Reason)}
	}
	sig, ok := a.Order.Signatory(n)
	if !ok {
		return taken{err: broker.ErrNotFound}
	}
	person := sig.Number
	discard := func(why string) taken {
		a.noteEID(audit.SigningDiscarded, person, why, string(e.Order.ID), e.Order.Provider, e.Order.Instance)
		return taken{name: why}
	}
	digest, ok := readBinding(e.Request.Binding)
	if !ok || !verified(e, *sig) {
		return discard(OutcomeUnfit)
	}
	id := e.Done.Identity
	revision, row := a.Order.Revision, a.row
	before := a.Order // whose key it is, as long as it is open; and stays, if the signature is not believed
	before.Signatories = slices.Clone(a.Order.Signatories)
	effects, err := a.Order.Sign(n, signing.Signature{
		Digest: digest, Name: id.Name, Provider: e.Order.Provider, ProviderName: e.Order.Provider.Name(),
		Level: id.Level, Policy: id.Policy, Started: e.Order.Created.UTC(), At: id.At.UTC(),
		Text: e.Request.Text, Markup: e.Request.Markup, EIDOrder: string(e.Order.ID), Transaction: named(id.Transaction),
	}, a.now)
	switch {
	case errors.Is(err, signing.ErrOutdated):
		return discard(OutcomeOutdated)
	case errors.Is(err, signing.ErrLate):
		return discard(OutcomeLate)
	case errors.Is(err, signing.ErrOver):
		return discard(OutcomeOver)
	case errors.Is(err, signing.ErrDone):
		return discard(OutcomeAlready)
	case errors.Is(err, signing.ErrNotNow):
		return discard(OutcomeNotNow)
	case err != nil:
		return taken{err: err}
	}
	if err := a.believe(n, e.Done.Evidence, digest); err != nil {
		a.Order = before
		t := discard(OutcomeDoubted)
		t.doubt = err
		return t
	}
	k, err := a.s.unwrap(row, &before, signature{n, e})
	if err != nil {
		return taken{err: err}
	}
	a.change.Parts = append(a.change.Parts, k.sealEvidence(n, revision, e.Done.Evidence))
	a.effects = append(a.effects, effects...)
	a.forget(n)
	a.noteEID(audit.SigningSigned, person, "", string(e.Order.ID), e.Order.Provider, e.Order.Instance)
	return taken{name: OutcomeSigned}
}

// believe judges a signature that has just been taken in as its receipt will be
// judged before release. Afterwards it would be too late: nobody signs twice.
func (a *act) believe(n int, e providers.Evidence, digest [32]byte) error {
	sig, ok := a.Order.Signatory(n)
	if !ok || sig.Signature == nil {
		return broker.ErrNotFound
	}
	files, err := a.s.attached(e, n)
	if err != nil {
		return err
	}
	return a.s.Believe(statement(*sig, e, files), sig.Number, e, digest)
}

// named is an issuer's name for an order, if a receipt can bear it. No proof holds
// it, so an odd one is no reason to refuse what the person signed.
func named(transaction string) string {
	if !receipt.IsName(transaction) {
		return ""
	}
	return transaction
}

// verified tells whether a result is a proof that this signatory signed what
// flow was asked to have signed.
func verified(e flow.Settled, sig signing.Signatory) bool {
	return e.Done != nil && e.Order.Locked && e.Order.Kind == providers.KindSign && !sig.Number.IsZero() &&
		e.Request.Number == sig.Number && e.Done.Identity.Number == sig.Number &&
		len(e.Done.Evidence.Bytes) > 0 && !strings.Contains(e.Done.Evidence.MediaType, "\n")
}

// readBinding gives the digest that a signature covers.
func readBinding(b []byte) (digest [32]byte, ok bool) {
	i := len(b) - hex.EncodedLen(len(digest))
	if i < 0 {
		return digest, false
	}
	if _, err := hex.Decode(digest[:], b[i:]); err != nil {
		return digest, false
	}
	return digest, string(signing.Binding(digest)) == string(b)
}
