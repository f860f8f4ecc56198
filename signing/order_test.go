package signing

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sigill/providers/personnummer"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Published test numbers.
var numbers = []string{
	"198006299252", "198101199282", "198107039276", "198405299291", "198410039278", "196608182942",
	"198509129881", "198806192392", "198904252387", "199002232388", "199003142396", "199003282390",
}

func number(t testing.TB, i int) personnummer.Number {
	t.Helper()
	n, err := personnummer.FromDigits(numbers[i])
	check(t, err)
	return n
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func origin() Origin {
	return Origin{ID: "order", Client: "demo", Issuer: "https://sigill.example.se", NumberKey: []byte(strings.Repeat("k", 32)),
		URL: func(string) string { return "" }}
}

// aWish has so many signatories, who are reached by e-mail.
func aWish(sequence Sequence, signatories int) Wish {
	w := Wish{Title: "Ansökan", Documents: []Document{{Name: "Ansökan", Kind: KindText, Text: "Vi ansöker."}},
		Sequence: sequence, Deadline: t0.AddDate(0, 0, 10), Reminders: []int{1, 3}}
	for i := range signatories {
		s := WishedSignatory{Number: numbers[i], Name: fmt.Sprint("Testperson ", i+1), Email: fmt.Sprintf("person%d@example.se", i+1), Invite: InviteEmail}
		if sequence == Groups {
			s.Group = i/2 + 1
		}
		w.Signatories = append(w.Signatories, s)
	}
	return w
}

// begun is an order of a wish, and what its beginning led to.
func begun(t testing.TB, w Wish) (*Order, *Body, []Effect) {
	t.Helper()
	o, b, err := New(w, origin(), Limits{}.WithDefaults(), t0)
	check(t, err)
	effects := o.Begin(t0)
	return &o, &b, effects
}

func signature(o *Order, at time.Time) Signature {
	return Signature{Digest: o.Digest, Name: "Testperson", At: at, EIDOrder: "eid"}
}

// told writes effects as one line.
func told(effects []Effect) string {
	var out []string
	for _, e := range effects {
		s := string(e.Kind)
		if e.Event != "" {
			s = string(e.Event)
		}
		if e.N > 0 {
			s += fmt.Sprint(" ", e.N)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// states writes an order's states as one line.
func states(o *Order) string {
	out := string(o.State) + ":"
	for _, s := range o.Signatories {
		out += " " + strings.ReplaceAll(string(s.State), " ", "_")
	}
	return out
}

// copied is a copy that shares nothing.
func copied(t testing.TB, o *Order) Order {
	t.Helper()
	b, err := json.Marshal(o)
	check(t, err)
	var c Order
	check(t, json.Unmarshal(b, &c))
	return c
}

func sameOrder(t testing.TB, want, got Order) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b personnummer.Number) bool { return a == b })); diff != "" {
		t.Fatalf("order (-want +got):\n%s", diff)
	}
}

// step is one act upon an order.
type step func(t *testing.T, o *Order, b *Body) ([]Effect, error)

func signing(n int) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) {
		return o.Sign(n, signature(o, t0.Add(time.Duration(n)*time.Minute)), t0)
	}
}

func signingAt(n int, at time.Time) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) { return o.Sign(n, signature(o, at), at) }
}

func signingOld(n int) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) {
		s := signature(o, t0)
		s.Digest[31] ^= 1
		return o.Sign(n, s, t0)
	}
}

func looking(n int) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) {
		if !o.Look(n, t0.Add(time.Hour)) {
			return nil, errNothing
		}
		return nil, nil
	}
}

// errNothing stands for an answer that nothing was changed.
var errNothing = errors.New("nothing")

func starting(n int, at time.Time) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) { return nil, o.MaySign(n, at) }
}

func declining(n int) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) { return o.Decline(n, "Nej.", t0) }
}

func cancelling(t *testing.T, o *Order, b *Body) ([]Effect, error) { return o.Cancel(t0) }

func completing(t *testing.T, o *Order, b *Body) ([]Effect, error) { return o.Complete(t0) }

func expiring(at time.Time) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) { return o.Expire(at) }
}

func reminding(at time.Time) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) { return o.Remind(at) }
}

func delivered(n int, c Channel, s DeliveryState) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) {
		before := copied(t, o)
		effects := o.Delivered(n, c, s, t0.Add(time.Minute))
		if cmp.Equal(before, copied(t, o), cmp.Comparer(func(a, b personnummer.Number) bool { return a == b })) {
			if len(effects) > 0 {
				t.Error("effects of nothing")
			}
			return nil, errNothing
		}
		return effects, nil
	}
}

func correcting(n int, c Contact) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) { return o.Correct(n, c, t0) }
}

func replacing(n, person int, invite Invite, at time.Time) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) {
		by := Signatory{Number: number(t, person), Name: "Testperson Ny", Email: "ny@example.se", Invite: invite, Language: "sv"}
		return o.Replace(b, n, by, at)
	}
}

func changing(at time.Time) step {
	return func(t *testing.T, o *Order, b *Body) ([]Effect, error) {
		return o.Change(b, []Document{{Name: "Ansökan", Kind: KindText, Type: TextType, Text: "Något annat."}}, at)
	}
}

func elsewhere(c Contact, n int) func(*Wish) {
	return func(w *Wish) {
		w.Signatories[n-1].Email, w.Signatories[n-1].Phone, w.Signatories[n-1].Invite = c.Email, c.Phone, c.Invite
	}
}

func TestTransitions(t *testing.T) {
	deadline := t0.AddDate(0, 0, 10)
	justBefore, end := deadline.Add(-time.Second), deadline.Add(Grace)
	mail := Contact{Email: "annan@example.se", Invite: InviteEmail}
	code := Contact{Email: "kod@example.se", Phone: "+46701740605", Invite: InviteCode}
	for _, c := range []struct {
		name     string
		sequence Sequence
		signs    int // how many shall sign; 2 when left out, -1 for none
		wish     func(*Wish)
		before   []step
		act      step
		want     string // effects
		err      error
		states   string // after; left out: as before
	}{
		{name: "parallel: all are invited", want: "invite 1, invite 2", states: "open: invited invited"},
		{name: "sequential: the first is invited", sequence: Sequential, want: "invite 1", states: "open: invited waiting"},
		{name: "groups: the first group is invited", sequence: Groups, signs: 4, want: "invite 1, invite 2", states: "open: invited invited waiting waiting"},
		{name: "nobody signs: sealed at once", signs: -1, want: "order.sealing, seal", states: "sealing:"},
		{name: "whom the client sends there gets no message", wish: elsewhere(Contact{Email: "x@example.se", Invite: InviteNone}, 1), want: "invite 2", states: "open: invited invited"},

		{name: "look", act: looking(1), states: "open: opened invited"},
		{name: "look again", before: []step{looking(1)}, act: looking(1), err: errNothing},
		{name: "look before one's turn", sequence: Sequential, act: looking(2), err: errNothing},
		{name: "look after signing", before: []step{signing(1)}, act: looking(1), err: errNothing},
		{name: "look at what is over", before: []step{cancelling}, act: looking(1), err: errNothing},
		{name: "nobody looks", act: looking(3), err: errNothing},
		{name: "look though no message arrived", before: []step{delivered(1, Email, Bounced)}, act: looking(1), states: "open: opened invited"},

		{name: "start", act: starting(1, t0)},
		{name: "start just in time", act: starting(1, justBefore)},
		{name: "start too late", act: starting(1, deadline), err: ErrLate},
		{name: "start before one's turn", sequence: Sequential, act: starting(2, t0), err: ErrNotNow},
		{name: "start again", before: []step{signing(1)}, act: starting(1, t0), err: ErrDone},
		{name: "start when it is over", before: []step{declining(2)}, act: starting(1, t0), err: ErrOver},
		{name: "start as nobody", act: starting(0, t0), err: ErrNoSuch},

		{name: "sign", act: signing(1), want: "signatory.signed 1", states: "open: signed invited"},
		{name: "sign, opened", before: []step{looking(1)}, act: signing(1), want: "signatory.signed 1", states: "open: signed invited"},
		{name: "sign, though no message arrived", before: []step{delivered(1, Email, Bounced)}, act: signing(1), want: "signatory.signed 1", states: "open: signed invited"},
		{name: "sign: the next one's turn", sequence: Sequential, act: signing(1), want: "signatory.signed 1, invite 2", states: "open: signed invited"},
		{name: "sign: not yet the next group's turn", sequence: Groups, signs: 4, act: signing(1), want: "signatory.signed 1", states: "open: signed invited waiting waiting"},
		{name: "sign: the next group's turn", sequence: Groups, signs: 4, before: []step{signing(2)}, act: signing(1), want: "signatory.signed 1, invite 3, invite 4", states: "open: signed signed invited invited"},
		{name: "sign as the last", before: []step{signing(2)}, act: signing(1), want: "signatory.signed 1, order.sealing, seal", states: "sealing: signed signed"},
		{name: "sign before one's turn", sequence: Sequential, act: signing(2), err: ErrNotNow},
		{name: "sign twice", before: []step{signing(1)}, act: signing(1), err: ErrDone},
		{name: "sign what was", act: signingOld(1), err: ErrOutdated},
		{name: "sign as nobody", act: signing(3), err: ErrNoSuch},
		{name: "sign as nobody, below", act: signing(-1), err: ErrNoSuch},
		{name: "sign in the grace", act: signingAt(1, end), want: "signatory.signed 1", states: "open: signed invited"},
		{name: "sign in the grace: nobody else has time", sequence: Sequential, act: signingAt(1, deadline), want: "signatory.signed 1", states: "open: signed waiting"},
		{name: "sign after the grace", act: signingAt(1, end.Add(1)), err: ErrLate},
		{name: "sign when it is sealed", signs: 1, before: []step{signing(1)}, act: signing(1), err: ErrOver},
		{name: "sign when it is refused", before: []step{declining(2)}, act: signing(1), err: ErrOver},
		{name: "sign when it has expired", before: []step{expiring(end)}, act: signing(1), err: ErrOver},

		{name: "complete", before: []step{signing(1), signing(2)}, act: completing, want: "order.completed, receipt 1, receipt 2", states: "completed: signed signed"},
		{name: "complete: nobody signs", signs: -1, act: completing, want: "order.completed", states: "completed:"},
		{name: "complete: who was replaced gets none", signs: 1, before: []step{replacing(1, 5, InviteEmail, t0), signing(2)}, act: completing, want: "order.completed, receipt 2", states: "completed: replaced signed"},
		{name: "complete too early", before: []step{signing(1)}, act: completing, err: ErrOver},
		{name: "complete twice", signs: 1, before: []step{signing(1), completing}, act: completing, err: ErrOver},
		{name: "complete what is refused", before: []step{declining(1)}, act: completing, err: ErrOver},

		{name: "decline", act: declining(1), want: "order.refused 1, ended 2", states: "refused: refused invited"},
		{name: "decline: who has signed hears of it", signs: 3, before: []step{signing(3)}, act: declining(1), want: "order.refused 1, ended 2, ended 3", states: "refused: refused invited signed"},
		{name: "decline: who has heard nothing hears nothing", sequence: Sequential, signs: 3, act: declining(1), want: "order.refused 1", states: "refused: refused waiting waiting"},
		{name: "decline before one's turn", sequence: Sequential, act: declining(2), want: "order.refused 2, ended 1", states: "refused: invited refused"},
		{name: "decline what one has signed", before: []step{signing(1)}, act: declining(1), err: ErrDone},
		{name: "decline as nobody", act: declining(7), err: ErrNoSuch},
		{name: "decline what is over", before: []step{cancelling}, act: declining(1), err: ErrOver},
		{name: "decline, replaced", before: []step{replacing(1, 5, InviteEmail, t0)}, act: declining(1), err: ErrDone},

		{name: "cancel", act: cancelling, want: "order.cancelled, ended 1, ended 2", states: "cancelled: invited invited"},
		{name: "cancel: who has heard nothing hears nothing", sequence: Sequential, act: cancelling, want: "order.cancelled, ended 1", states: "cancelled: invited waiting"},
		{name: "cancel: who signed before the change hears of it", sequence: Sequential, before: []step{signing(1), changing(t0)}, act: cancelling, want: "order.cancelled, ended 1, ended 2", states: "cancelled: invited waiting"},
		{name: "cancel twice", before: []step{cancelling}, act: cancelling, err: ErrOver},
		{name: "cancel what is sealed", signs: 1, before: []step{signing(1)}, act: cancelling, err: ErrOver},
		{name: "cancel what is completed", signs: 1, before: []step{signing(1), completing}, act: cancelling, err: ErrOver},

		{name: "expire", before: []step{signing(1)}, act: expiring(end), want: "order.expired, ended 1, ended 2", states: "expired: signed expired"},
		{name: "expire: who was replaced", before: []step{replacing(1, 5, InviteEmail, t0)}, act: expiring(end), want: "order.expired, ended 2, ended 3", states: "expired: replaced expired expired"},
		{name: "expire in the grace", act: expiring(end.Add(-1)), err: ErrUnchanged},
		{name: "expire twice", before: []step{expiring(end)}, act: expiring(end), err: ErrOver},
		{name: "expire what is sealed", signs: 1, before: []step{signing(1)}, act: expiring(end), err: ErrOver},

		{name: "remind", act: reminding(t0), want: "remind 1, remind 2", states: "open: invited invited"},
		{name: "remind whose turn it is", sequence: Sequential, before: []step{looking(1)}, act: reminding(t0), want: "remind 1", states: "open: opened waiting"},
		{name: "remind who has not signed", before: []step{signing(2)}, act: reminding(t0), want: "remind 1", states: "open: invited signed"},
		{name: "remind who cannot be reached", wish: elsewhere(Contact{Invite: InviteNone}, 1), act: reminding(t0), want: "remind 2", states: "open: invited invited"},
		{name: "remind who was not reached", before: []step{delivered(1, Email, Bounced)}, act: reminding(t0), want: "remind 1, remind 2", states: "open: delivery_failed invited"},
		{name: "remind just in time", act: reminding(justBefore), want: "remind 1, remind 2", states: "open: invited invited"},
		{name: "remind too late", act: reminding(deadline), want: "", states: "open: invited invited"},
		{name: "remind of what is over", before: []step{cancelling}, act: reminding(t0), err: ErrOver},
		{name: "remind of what is sealed", signs: 1, before: []step{signing(1)}, act: reminding(t0), err: ErrOver},

		{name: "a message goes out", act: delivered(1, Email, Sent), want: "", states: "open: invited invited"},
		{name: "a message bounces", act: delivered(1, Email, Bounced), want: "signatory.delivery_failed 1", states: "open: delivery_failed invited"},
		{name: "a message bounces twice", before: []step{delivered(1, Email, Bounced)}, act: delivered(1, Email, Bounced), err: errNothing},
		{name: "a message arrives after all", before: []step{delivered(1, Email, Bounced)}, act: delivered(1, Email, Sent), states: "open: invited invited"},
		{name: "one of two bounces", wish: elsewhere(code, 1), act: delivered(1, SMS, Bounced), want: "signatory.delivery_failed 1", states: "open: invited invited"},
		{name: "both of two bounce", wish: elsewhere(code, 1), before: []step{delivered(1, SMS, Bounced)}, act: delivered(1, Email, Bounced), want: "signatory.delivery_failed 1", states: "open: delivery_failed invited"},
		{name: "a message bounces that was read", before: []step{looking(1)}, act: delivered(1, Email, Bounced), want: "signatory.delivery_failed 1", states: "open: opened invited"},
		{name: "a message that was never sent", act: delivered(1, SMS, Bounced), err: errNothing},
		{name: "a message to nobody", act: delivered(9, Email, Bounced), err: errNothing},
		{name: "a message bounces when it is over", before: []step{cancelling}, act: delivered(1, Email, Bounced), err: errNothing},
		{name: "a message bounces when it is sealed", signs: 1, before: []step{signing(1)}, act: delivered(1, Email, Bounced), err: errNothing},
		{name: "a message to the replaced bounces", before: []step{replacing(1, 5, InviteEmail, t0)}, act: delivered(1, Email, Bounced), err: errNothing},

		{name: "correct", act: correcting(1, mail), want: "invite 1", states: "open: invited invited"},
		{name: "correct: nothing is voided", before: []step{signing(2), looking(1)}, act: correcting(1, mail), want: "invite 1", states: "open: opened signed"},
		{name: "correct who was not reached", before: []step{delivered(1, Email, Bounced)}, act: correcting(1, mail), want: "invite 1", states: "open: invited invited"},
		{name: "correct who waits", sequence: Sequential, act: correcting(2, mail), want: "", states: "open: invited waiting"},
		{name: "correct to no messages", act: correcting(1, Contact{Invite: InviteNone}), want: "", states: "open: invited invited"},
		{name: "correct to nothing new", act: correcting(1, Contact{Email: "person1@example.se", Invite: InviteEmail}), err: ErrUnchanged},
		{name: "correct to nowhere", act: correcting(1, Contact{Email: "person1@example.se", Invite: InviteSMS}), err: ErrNoContact},
		{name: "correct who has signed", before: []step{signing(1)}, act: correcting(1, mail), err: ErrDone},
		{name: "correct nobody", act: correcting(3, mail), err: ErrNoSuch},
		{name: "correct what is over", before: []step{cancelling}, act: correcting(1, mail), err: ErrOver},

		{name: "replace", before: []step{signing(2)}, act: replacing(1, 5, InviteEmail, t0), want: "ended 1, sign_again 2, invite 3", states: "open: replaced invited invited"},
		{name: "replace who has heard nothing", sequence: Sequential, act: replacing(2, 5, InviteEmail, t0), want: "sign_again 1", states: "open: invited replaced waiting"},
		{name: "replace the first of a sequence", sequence: Sequential, act: replacing(1, 5, InviteEmail, t0), want: "ended 1, invite 3", states: "open: replaced waiting invited"},
		{name: "replace by whom the client sends", signs: 1, act: replacing(1, 5, InviteNone, t0), want: "ended 1", states: "open: replaced invited"},
		{name: "replace by another signatory", act: replacing(1, 1, InviteEmail, t0), err: ErrSamePerson},
		{name: "replace by oneself", act: replacing(1, 0, InviteEmail, t0), err: ErrSamePerson},
		{name: "replace by who was replaced", signs: 1, before: []step{replacing(1, 5, InviteEmail, t0)}, act: replacing(2, 0, InviteEmail, t0), want: "ended 2, invite 3", states: "open: replaced replaced invited"},
		{name: "replace by who cannot be reached", act: replacing(1, 5, InviteSMS, t0), err: ErrNoContact},
		{name: "replace who has signed", before: []step{signing(1)}, act: replacing(1, 5, InviteEmail, t0), err: ErrDone},
		{name: "replace twice", before: []step{replacing(1, 5, InviteEmail, t0)}, act: replacing(1, 6, InviteEmail, t0), err: ErrDone},
		{name: "replace nobody", act: replacing(3, 5, InviteEmail, t0), err: ErrNoSuch},
		{name: "replace too late", act: replacing(1, 5, InviteEmail, deadline), err: ErrLate},
		{name: "replace in what is over", before: []step{cancelling}, act: replacing(1, 5, InviteEmail, t0), err: ErrOver},

		{name: "change", before: []step{signing(1), looking(2)}, act: changing(t0), want: "sign_again 1, sign_again 2", states: "open: invited invited"},
		{name: "change: back to the first", sequence: Sequential, before: []step{signing(1)}, act: changing(t0), want: "sign_again 1", states: "open: invited waiting"},
		{name: "change: who signed hears when it is their turn", sequence: Sequential, before: []step{signing(1), changing(t0)}, act: signing(1), want: "signatory.signed 1, sign_again 2", states: "open: signed invited"},
		{name: "change just in time", act: changing(justBefore), want: "sign_again 1, sign_again 2", states: "open: invited invited"},
		{name: "change too late", before: []step{signing(1)}, act: changing(deadline), err: ErrLate},
		{name: "change what is sealed", signs: 1, before: []step{signing(1)}, act: changing(t0), err: ErrOver},
		{name: "change what nobody signs", signs: -1, act: changing(t0), err: ErrOver},
		{name: "change what is over", before: []step{declining(1)}, act: changing(t0), err: ErrOver},
	} {
		t.Run(c.name, func(t *testing.T) {
			signs := max(c.signs, 0)
			if c.signs == 0 {
				signs = 2
			}
			w := aWish(c.sequence, signs)
			if c.wish != nil {
				c.wish(&w)
			}
			o, b, effects := begun(t, w)
			for i, s := range c.before {
				if _, err := s(t, o, b); err != nil {
					t.Fatalf("step %d: %v", i+1, err)
				}
			}
			before, wantStates := copied(t, o), c.states
			if wantStates == "" {
				wantStates = states(o)
			}
			var err error
			if c.act != nil {
				effects, err = c.act(t, o, b)
			}
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, not %v", err, c.err)
			}
			if got := told(effects); err == nil && got != c.want {
				t.Errorf("effects %q, not %q", got, c.want)
			}
			if got := states(o); got != wantStates {
				t.Errorf("%q, not %q", got, wantStates)
			}
			if err != nil {
				if len(effects) > 0 {
					t.Errorf("a refusal has effects: %v", effects)
				}
				sameOrder(t, before, copied(t, o))
			}
		})
	}
}

// A new revision has a new digest, also when the same comes back.
func TestVoid(t *testing.T) {
	for name, act := range map[string]step{"change": changing(t0), "replace": replacing(3, 5, InviteEmail, t0)} {
		t.Run(name, func(t *testing.T) {
			o, b, _ := begun(t, aWish(Parallel, 3))
			first := o.Digest
			for n := 1; n <= 2; n++ {
				if !o.Look(n, t0) {
					t.Fatal("nothing was seen")
				}
				_, err := o.Sign(n, signature(o, t0), t0)
				check(t, err)
			}
			_, err := act(t, o, b)
			check(t, err)
			if o.Revision != 2 || o.Digest == first {
				t.Errorf("revision %d, digest %x", o.Revision, o.Digest)
			}
			for _, s := range o.Signatories {
				if s.Signature != nil || s.State == Signed || !s.OpenedAt.IsZero() {
					t.Errorf("signatory %d is %s", s.N, s.State)
				}
			}
			if _, err := o.Sign(1, Signature{Digest: first, At: t0}, t0); !errors.Is(err, ErrOutdated) {
				t.Errorf("signed the first: %v", err)
			}
			canonical, digest, err := b.Manifest.Encode()
			check(t, err)
			if digest != o.Digest {
				t.Errorf("the digest is not of %s", canonical)
			}
			if want := map[string]string{"change": "Något annat.", "replace": "Vi ansöker."}[name]; len(b.Documents) != 1 || b.Documents[0].Text != want {
				t.Errorf("documents %v", b.Documents)
			}
			entries, err := entriesOf(b.Documents)
			check(t, err)
			if !slices.Equal(entries, b.Manifest.Documents) {
				t.Errorf("the manifest has the documents %v", b.Manifest.Documents)
			}
			var actives []int
			for _, s := range b.Manifest.Signatories {
				actives = append(actives, s.N)
			}
			if want := map[string][]int{"change": {1, 2, 3}, "replace": {1, 2, 4}}[name]; !slices.Equal(actives, want) {
				t.Errorf("the manifest has %v", actives)
			}
			seen := map[[32]byte]bool{first: true, o.Digest: true}
			for range 3 {
				_, err := o.Change(b, []Document{{Name: "Ansökan", Kind: KindText, Type: TextType, Text: "Vi ansöker."}}, t0)
				check(t, err)
				if seen[o.Digest] {
					t.Error("a digest came back")
				}
				seen[o.Digest] = true
			}
		})
	}
}

// The time of the order is that of the last signature, by the issuers' clocks,
// whoever was heard of first.
func TestCompletedAt(t *testing.T) {
	o, _, _ := begun(t, aWish(Parallel, 2))
	last := t0.Add(time.Hour + 700*time.Millisecond)
	_, err := o.Sign(1, signature(o, last.In(time.FixedZone("", 3600))), t0)
	check(t, err)
	_, err = o.Sign(2, signature(o, t0.Add(time.Minute)), last.Add(time.Hour))
	check(t, err)
	if want := t0.Add(time.Hour); !o.CompletedAt.Equal(want) || o.CompletedAt.Location() != time.UTC {
		t.Errorf("completed at %v, not %v", o.CompletedAt, want)
	}
	_, err = o.Complete(last.Add(2 * time.Hour))
	check(t, err)
	if !o.CompletedAt.Equal(t0.Add(time.Hour)) || !o.EndedAt.Equal(last.Add(2*time.Hour)) {
		t.Errorf("completed at %v, ended at %v", o.CompletedAt, o.EndedAt)
	}
	o, _, _ = begun(t, aWish(Parallel, 0))
	if !o.CompletedAt.Equal(t0) {
		t.Errorf("what nobody signs was completed at %v", o.CompletedAt)
	}
	if o.Begin(t0.Add(time.Hour)) != nil || !o.CompletedAt.Equal(t0) {
		t.Error("it began twice")
	}
}

func TestDue(t *testing.T) {
	deadline := t0.AddDate(0, 0, 10)
	o, _, _ := begun(t, aWish(Parallel, 1))
	at := func(want time.Time) {
		t.Helper()
		if got := o.Due(); !got.Equal(want) {
			t.Fatalf("due at %v, not %v", got, want)
		}
	}
	at(deadline.AddDate(0, 0, -3))
	_, err := o.Remind(t0.Add(time.Hour)) // by the client: those planned go out all the same
	check(t, err)
	at(deadline.AddDate(0, 0, -3))
	_, err = o.Remind(deadline.AddDate(0, 0, -3))
	check(t, err)
	at(deadline.AddDate(0, 0, -1))
	// Nobody was there for a while: what was missed is done once, and not too late.
	effects, err := o.Remind(deadline.Add(time.Minute))
	check(t, err)
	if len(effects) > 0 {
		t.Errorf("effects %v after the deadline", told(effects))
	}
	at(deadline.Add(Grace))
	_, err = o.Expire(deadline.Add(Grace))
	check(t, err)
	at(time.Time{})

	w := aWish(Parallel, 1)
	w.Reminders = []int{10, 11, 300} // when it began, and before
	o, _, _ = begun(t, w)
	at(deadline.Add(Grace))
	o, _, _ = begun(t, aWish(Parallel, 0))
	at(time.Time{})
}

func TestFinding(t *testing.T) {
	o, b, _ := begun(t, aWish(Parallel, 2))
	for n, want := range map[int]bool{-1: false, 0: false, 1: true, 2: true, 3: false} {
		if s, ok := o.Signatory(n); ok != want || ok && s.N != n {
			t.Errorf("signatory %d: %v", n, ok)
		}
	}
	for i, want := range []int{1, 2, 0} {
		if s, ok := o.Person(number(t, i)); ok != (want > 0) || ok && s.N != want {
			t.Errorf("person %d: %v", i, ok)
		}
	}
	if _, ok := o.Person(personnummer.Number{}); ok {
		t.Error("nobody is a signatory")
	}
	o.Signatories[0].Number = personnummer.Number{}
	if _, ok := o.Person(personnummer.Number{}); ok {
		t.Error("nobody is the signatory without number")
	}
	_, err := o.Replace(b, 2, Signatory{Number: number(t, 4), Invite: InviteNone}, t0)
	check(t, err)
	if _, ok := o.Person(number(t, 1)); ok {
		t.Error("who was replaced is a signatory")
	}
	if s, of := o.Signed(); s != 0 || of != 2 {
		t.Errorf("%d of %d have signed", s, of)
	}
	if o.Turn(2) || !o.Turn(3) || o.Turn(0) || o.Turn(4) {
		t.Error("whose turn is it?")
	}
}

func TestChannels(t *testing.T) {
	for _, c := range []struct {
		email, phone string
		invite       Invite
		want         string
	}{
		{"e", "p", InviteEmail, "[email]"}, {"e", "p", InviteSMS, "[sms]"}, {"e", "p", InviteBoth, "[email sms]"},
		{"e", "p", InviteCode, "[email sms]"}, {"e", "", InviteCode, "[email]"}, {"", "p", InviteCode, "[sms]"},
		{"e", "p", InviteNone, "[]"}, {"", "p", InviteEmail, "[]"}, {"e", "", InviteSMS, "[]"}, {"e", "p", "", "[]"},
	} {
		if got := fmt.Sprint(Signatory{Email: c.email, Phone: c.phone, Invite: c.invite}.Channels()); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// An order can be logged without telling what it is about, or who signs.
func TestLogs(t *testing.T) {
	o, _, _ := begun(t, aWish(Parallel, 1))
	o.Reference, o.Message = "a reference", "a message"
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil))
	log.Info("x", "order", *o, "signatory", o.Signatories[0])
	for _, secret := range []string{"Ansökan", "reference", "message", "Testperson", "person1", numbers[0], numbers[0][2:]} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q is in the log: %s", secret, b.String())
		}
	}
	if !strings.Contains(b.String(), `"id":"order"`) || !strings.Contains(b.String(), `"n":1`) {
		t.Errorf("the log tells nothing: %s", b.String())
	}
	if s := fmt.Sprintf("%v %+v %#v", o.Signatories[0], o.Signatories[0], o.Signatories[0].Number); strings.Contains(s, numbers[0]) {
		t.Errorf("%s", s)
	}
}
