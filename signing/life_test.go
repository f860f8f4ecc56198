package signing

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sigill/providers/personnummer"
)

// life is an order and what an observer knows of it who keeps books of its own.
type life struct {
	o   *Order
	b   *Body
	now time.Time

	begun   []attempt         // e-ID orders, with what was to be signed then
	signed  map[int]Signature // that count for the present digest
	digests map[[32]byte]int  // all there have been, by revision
	heard   map[int]bool      // who has been asked to sign
	events  map[EventType]int // how often the client was told
	seals   int               // how often the receipt was to be made
	over    []byte            // the order when it was over
}

type attempt struct {
	n       int
	digest  [32]byte
	started time.Time
}

func newLife(t *rapid.T) *life {
	sequence := rapid.SampledFrom([]Sequence{Parallel, Sequential, Groups}).Draw(t, "sequence")
	n := rapid.IntRange(0, 5).Draw(t, "signatories")
	w := Wish{Title: "Ansökan", Documents: []Document{{Name: "Ansökan", Kind: KindText, Text: "Vi ansöker."}}, Sequence: sequence,
		Deadline:  t0.Add(time.Duration(rapid.IntRange(1, 60*24*6).Draw(t, "minutes")) * time.Minute),
		Reminders: rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 0, 3, rapid.ID[int]).Draw(t, "reminders")}
	for i := range n {
		c := aContact(t)
		s := WishedSignatory{Number: numbers[i], Name: "Testperson", Email: c.Email, Phone: c.Phone, Invite: c.Invite}
		if sequence == Groups {
			s.Group = rapid.IntRange(1, 3).Draw(t, "group")
		}
		w.Signatories = append(w.Signatories, s)
	}
	o, b, err := New(w, origin(), Limits{}.WithDefaults(), t0)
	if err != nil {
		t.Fatal(err)
	}
	l := &life{o: &o, b: &b, now: t0, signed: map[int]Signature{}, digests: map[[32]byte]int{o.Digest: 1}, heard: map[int]bool{}, events: map[EventType]int{}}
	l.took(t, o.Begin(t0), 0)
	return l
}

// aContact is one that CheckContact lets through.
func aContact(t *rapid.T) Contact {
	c := Contact{Email: rapid.SampledFrom([]string{"", "a@example.se", "b@example.se"}).Draw(t, "email"),
		Phone:  rapid.SampledFrom([]string{"", "+46701740605"}).Draw(t, "phone"),
		Invite: rapid.SampledFrom([]Invite{InviteEmail, InviteSMS, InviteBoth, InviteCode, InviteNone}).Draw(t, "invite")}
	if _, err := CheckContact(c.Email, c.Phone, c.Invite); err != nil {
		c.Email, c.Phone = "a@example.se", "+46701740605"
	}
	return c
}

// anyone is a signatory, or nobody.
func (l *life) anyone(t *rapid.T) int {
	return rapid.IntRange(-1, len(l.o.Signatories)+1).Draw(t, "n")
}

// turn tells by the observer's own books whether n may sign.
func (l *life) turn(n int) bool {
	for _, s := range l.o.Signatories {
		if _, has := l.signed[s.N]; s.State != Replaced && s.Group < l.o.Signatories[n-1].Group && !has {
			return false
		}
	}
	return true
}

// unsigned tells whether n is a signatory who has not signed.
func (l *life) unsigned(n int) bool {
	_, has := l.signed[n]
	return n >= 1 && n <= len(l.o.Signatories) && l.o.Signatories[n-1].State != Replaced && !has
}

func (l *life) late() bool { return !l.now.Before(l.o.Deadline) }

func (l *life) copy(t *rapid.T) []byte {
	b, err := json.Marshal(struct {
		*Order
		B *Body
	}{l.o, l.b})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// do makes an act. It may go well exactly when may says so, and a refusal
// changes nothing. by is who did it, if it was a signatory.
func (l *life) do(t *rapid.T, may bool, by int, act func() ([]Effect, error)) (ok bool) {
	t.Helper()
	before := l.copy(t)
	effects, err := act()
	if (err == nil) != may {
		t.Fatalf("error %v, and it may: %v (%s)", err, may, states(l.o))
	}
	if err != nil {
		if len(effects) > 0 {
			t.Fatalf("a refusal has effects: %s", told(effects))
		}
		if after := l.copy(t); string(before) != string(after) {
			t.Fatalf("a refusal has changed the order:\n%s", cmp.Diff(before, after))
		}
		return false
	}
	l.took(t, effects, by)
	return true
}

// took looks at effects.
func (l *life) took(t *rapid.T, effects []Effect, by int) {
	t.Helper()
	ended := map[int]bool{}
	for i, e := range effects {
		if slices.Contains(effects[:i], e) {
			t.Fatalf("twice the same effect: %s", told(effects))
		}
		switch e.Kind {
		case Announce:
			l.events[e.Event]++
			continue
		case Seal:
			l.seals++
			continue
		}
		s, ok := l.o.Signatory(e.N)
		if !ok || len(s.Channels()) == 0 || !s.Active() && e.Kind != SendEnded {
			t.Fatalf("a message to %d, who cannot get one: %s, %s", e.N, told(effects), states(l.o))
		}
		switch e.Kind {
		case SendInvitation, SendAgain, SendReminder:
			if l.late() || l.o.State != Open || !l.unsigned(e.N) || !l.turn(e.N) {
				t.Fatalf("%d is asked to sign what cannot be signed: %s, %s", e.N, told(effects), states(l.o))
			}
			for _, d := range s.Deliveries {
				if d.State != Queued || !d.At.Equal(l.now) {
					t.Fatalf("a new message is %s since %v", d.State, d.At)
				}
			}
			if e.Kind == SendAgain && !l.heard[e.N] {
				t.Fatalf("%d is to sign again what it has not heard of: %s", e.N, told(effects))
			}
			l.heard[e.N] = true
			if len(s.Deliveries) != len(s.Channels()) {
				t.Fatalf("%d deliveries by %v", len(s.Deliveries), s.Channels())
			}
		case SendEnded:
			ended[e.N] = true
		}
	}
	for _, s := range l.o.Signatories {
		if s.Active() && l.o.State.Over() && l.o.State != Completed && s.N != by && len(effects) > 0 {
			if want := l.heard[s.N] && len(s.Channels()) > 0; ended[s.N] != want {
				t.Fatalf("%d heard of it: %v, and hears of the end: %v", s.N, l.heard[s.N], ended[s.N])
			}
		}
		if !s.InvitedAt.IsZero() {
			l.heard[s.N] = true
		}
	}
}

// revised takes in that all signatures are void.
func (l *life) revised(t *rapid.T) {
	clear(l.signed)
	if was, twice := l.digests[l.o.Digest]; twice {
		t.Fatalf("revision %d has the digest of %d", l.o.Revision, was)
	}
	l.digests[l.o.Digest] = l.o.Revision
	for _, s := range l.o.Signatories {
		if s.Signature != nil || s.Active() && s.State != Waiting && s.State != Invited {
			t.Fatalf("%d is %s after a change", s.N, s.State)
		}
	}
}

func (l *life) acts() map[string]func(*rapid.T) {
	finish := func(t *rapid.T, a attempt, digest [32]byte) {
		at := l.now.Add(time.Duration(rapid.IntRange(-120, 60).Draw(t, "seconds")) * time.Second)
		may := l.o.State == Open && l.unsigned(a.n) && digest == l.o.Digest && l.turn(a.n) && !at.After(l.o.Deadline.Add(Grace))
		s := Signature{Digest: digest, At: at, Started: a.started, EIDOrder: fmt.Sprint(a)}
		last := may
		for _, other := range l.o.Signatories {
			last = last && (other.N == a.n || !l.unsigned(other.N))
		}
		if may {
			l.signed[a.n] = s // took asks
		}
		l.do(t, may, a.n, func() ([]Effect, error) { return l.o.Sign(a.n, s, l.now) })
		if may && (l.o.State == Sealing) != last {
			t.Fatalf("after the last signature (%v) the order is %s", last, l.o.State)
		}
	}
	return map[string]func(*rapid.T){
		"time passes": func(t *rapid.T) {
			switch rapid.IntRange(0, 7).Draw(t, "how") {
			case 0:
				l.now = l.now.Add(time.Duration(rapid.IntRange(0, 4*24*60).Draw(t, "minutes")) * time.Minute)
			case 1, 2, 3: // to an edge
				for _, edge := range []time.Time{l.o.Due(), l.o.Deadline, l.o.Deadline.Add(Grace)} {
					if edge = edge.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "off")) * time.Nanosecond); edge.After(l.now) {
						l.now = edge
						break
					}
				}
			default:
				l.now = l.now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
			}
		},
		"the clock": func(t *rapid.T) { l.clock(t) },
		"look": func(t *rapid.T) {
			n := l.anyone(t)
			before := l.copy(t)
			if !l.o.Look(n, l.now) {
				if string(before) != string(l.copy(t)) {
					t.Fatal("nothing was seen, and something changed")
				}
				return
			}
			if !l.unsigned(n) || !l.turn(n) || l.o.Signatories[n-1].State != Opened {
				t.Fatalf("%d has looked: %s", n, states(l.o))
			}
		},
		"start": func(t *rapid.T) {
			n := l.anyone(t)
			may := l.o.State == Open && l.unsigned(n) && l.turn(n) && !l.late()
			l.do(t, may, n, func() ([]Effect, error) { return nil, l.o.MaySign(n, l.now) })
			if may {
				l.begun = append(l.begun, attempt{n, l.o.Digest, l.now})
			}
		},
		"finish": func(t *rapid.T) {
			if len(l.begun) > 0 {
				a := rapid.SampledFrom(l.begun).Draw(t, "attempt")
				finish(t, a, a.digest)
			}
		},
		"sign": func(t *rapid.T) { finish(t, attempt{n: l.anyone(t)}, l.o.Digest) },
		"sign anything": func(t *rapid.T) {
			digest := sha256.Sum256([]byte("another order"))
			if rapid.Bool().Draw(t, "nothing") {
				digest = [32]byte{}
			}
			finish(t, attempt{n: l.anyone(t)}, digest)
		},
		"decline": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "in four") > 0 {
				return // or few orders would live
			}
			n := l.anyone(t)
			l.do(t, l.o.State == Open && l.unsigned(n), n, func() ([]Effect, error) { return l.o.Decline(n, "Nej.", l.now) })
		},
		"cancel": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "in four") == 0 {
				l.do(t, l.o.State == Open, 0, func() ([]Effect, error) { return l.o.Cancel(l.now) })
			}
		},
		"expire": func(t *rapid.T) {
			l.do(t, l.o.State == Open && !l.now.Before(l.o.Deadline.Add(Grace)), 0, func() ([]Effect, error) { return l.o.Expire(l.now) })
		},
		"complete": func(t *rapid.T) {
			l.do(t, l.o.State == Sealing, 0, func() ([]Effect, error) { return l.o.Complete(l.now) })
		},
		"remind": func(t *rapid.T) {
			l.do(t, l.o.State == Open, 0, func() ([]Effect, error) { return l.o.Remind(l.now) })
		},
		"deliver": func(t *rapid.T) {
			n, c := l.anyone(t), rapid.SampledFrom([]Channel{Email, SMS}).Draw(t, "channel")
			state := rapid.SampledFrom([]DeliveryState{Queued, Sent, Bounced}).Draw(t, "state")
			for range rapid.IntRange(1, 2).Draw(t, "times") {
				before := l.copy(t)
				effects := l.o.Delivered(n, c, state, l.now)
				if len(effects) > 0 && (state != Bounced || string(before) == string(l.copy(t))) {
					t.Fatalf("effects %s", told(effects))
				}
				l.took(t, effects, n)
			}
		},
		"correct": func(t *rapid.T) {
			n, c := l.anyone(t), aContact(t)
			may := l.o.State == Open && l.unsigned(n)
			if may {
				s := l.o.Signatories[n-1]
				may = s.Email != c.Email || s.Phone != c.Phone || s.Invite != c.Invite
			}
			l.do(t, may, 0, func() ([]Effect, error) { return l.o.Correct(n, c, l.now) })
		},
		"replace": func(t *rapid.T) {
			if len(l.o.Signatories) >= len(numbers) {
				return
			}
			n, person := l.anyone(t), rapid.IntRange(0, len(numbers)-1).Draw(t, "person")
			number, err := personnummer.FromDigits(numbers[person])
			if err != nil {
				t.Fatal(err)
			}
			c := aContact(t)
			by := Signatory{Number: number, Name: "Testperson", Email: c.Email, Phone: c.Phone, Invite: c.Invite}
			_, there := l.o.Person(number)
			may := l.o.State == Open && l.unsigned(n) && !l.late() && !there
			if may {
				clear(l.signed) // took asks
				if l.o.Signatories[n-1].Number == number {
					t.Fatal("a person replaces itself")
				}
			}
			if l.do(t, may, 0, func() ([]Effect, error) { return l.o.Replace(l.b, n, by, l.now) }) {
				l.revised(t)
				if s := l.o.Signatories[n-1]; s.State != Replaced || l.o.Signatories[len(l.o.Signatories)-1].Group != s.Group {
					t.Fatalf("replaced: %s", states(l.o))
				}
			}
		},
		"change": func(t *rapid.T) {
			d := Document{Name: "Ansökan", Kind: KindText, Type: TextType, Text: rapid.SampledFrom([]string{"Vi ansöker.", "Vi ansöker inte."}).Draw(t, "text")}
			may := l.o.State == Open && !l.late()
			if may {
				clear(l.signed)
			}
			if l.do(t, may, 0, func() ([]Effect, error) { return l.o.Change(l.b, []Document{d}, l.now) }) {
				l.revised(t)
			}
		},
		"begin again": func(t *rapid.T) { l.took(t, l.o.Begin(l.now), 0) },
		"written and read": func(t *rapid.T) {
			b, err := json.Marshal(l.o)
			if err != nil {
				t.Fatal(err)
			}
			var o Order
			if err := json.Unmarshal(b, &o); err != nil {
				t.Fatal(err)
			}
			l.o = &o
		},
		"": l.invariants,
	}
}

// clock does what is due as the one who runs orders does it.
func (l *life) clock(t *rapid.T) {
	if due := l.o.Due(); due.IsZero() || due.After(l.now) {
		return
	}
	effects, err := l.o.Expire(l.now)
	if errors.Is(err, ErrUnchanged) {
		effects, err = l.o.Remind(l.now)
	}
	if err != nil {
		t.Fatalf("what is due cannot be done: %v", err)
	}
	l.took(t, effects, 0)
	if due := l.o.Due(); !due.IsZero() && !due.After(l.now) {
		t.Fatalf("due at %v, and it is %v", due, l.now)
	}
}

// invariants are what always holds.
func (l *life) invariants(t *rapid.T) {
	o := l.o
	// What is over stays as it is.
	if l.over != nil {
		if now := l.copy(t); string(l.over) != string(now) {
			t.Fatalf("it was over, and changed from\n%s\nto\n%s", l.over, now)
		}
	} else if o.State.Over() {
		l.over = l.copy(t)
	}
	// The digest is of the manifest, and that of the order as it is.
	canonical, digest, err := l.b.Manifest.Encode()
	if err != nil || digest != o.Digest || l.b.Manifest.Revision != o.Revision || l.digests[digest] != o.Revision {
		t.Fatalf("revision %d: digest %x of %s, %v", o.Revision, o.Digest, canonical, err)
	}
	var want []ManifestSignatory
	persons := map[personnummer.Number]bool{}
	for i, s := range o.Signatories {
		if s.N != i+1 {
			t.Fatalf("signatory %d has n %d", i+1, s.N)
		}
		if !s.Active() {
			continue
		}
		want = append(want, ManifestSignatory{N: s.N, Number: NumberDigest(l.b.NumberKey, s.Number), Group: s.Group})
		if persons[s.Number] {
			t.Fatal("somebody signs twice")
		}
		persons[s.Number] = true
	}
	if !slices.Equal(want, l.b.Manifest.Signatories) {
		t.Fatalf("the manifest has other signatories: %s", canonical)
	}
	// Signatures are those that were taken in, over this digest, in turn.
	for _, s := range o.Signatories {
		sig, has := l.signed[s.N]
		switch {
		case has != (s.Signature != nil) || has != (s.State == Signed):
			t.Fatalf("%d is %s, and has signed: %v", s.N, s.State, has)
		case has && (s.Signature.EIDOrder != sig.EIDOrder || s.Signature.Digest != o.Digest):
			t.Fatalf("%d has signed something else", s.N)
		case s.Active() && s.State != Waiting && s.State != Declined && s.State != TooLate && !l.turn(s.N):
			t.Fatalf("%d is %s before its turn: %s", s.N, s.State, states(o))
		case o.State == Open && s.State == Waiting && l.turn(s.N) && s.Active() && !l.late():
			t.Fatalf("%d is forgotten: %s", s.N, states(o))
		case s.State == Replaced && (s.Signature != nil || o.Turn(s.N)):
			t.Fatalf("%d is replaced and signs", s.N)
		}
	}
	// It is complete when everybody has signed, and then once.
	complete := true
	for _, s := range o.Signatories {
		complete = complete && !l.unsigned(s.N)
	}
	sealed := o.State == Sealing || o.State == Completed
	count := func(done bool, n int, what string) {
		if n != 0 && !done || n != 1 && done {
			t.Fatalf("%s %d times, and the order is %s", what, n, o.State)
		}
	}
	if sealed != complete {
		t.Fatalf("everybody has signed: %v, and the order is %s", complete, states(o))
	}
	count(sealed, l.seals, "sealed")
	count(sealed, l.events[EventSealing], "told of sealing")
	for state, event := range map[State]EventType{Completed: EventCompleted, Refused: EventRefused, Expired: EventExpired, Cancelled: EventCancelled} {
		count(o.State == state, l.events[event], "told of "+string(event))
	}
	if sealed {
		var last time.Time
		for _, s := range l.signed {
			if s.At.After(last) {
				last = s.At
			}
		}
		if len(l.signed) > 0 && !o.CompletedAt.Equal(last.Truncate(time.Second)) {
			t.Fatalf("completed at %v, and last signed at %v", o.CompletedAt, last)
		}
	}
	if (o.State == Open) == o.Due().IsZero() || o.State.Over() == o.EndedAt.IsZero() {
		t.Fatalf("%s: due at %v, ended at %v", o.State, o.Due(), o.EndedAt)
	}
}

// An order lives through random acts of everybody, in any order.
func TestLife(t *testing.T) {
	ends := map[State]int{}
	for range 5 { // so many that each end is met, whatever the seed
		rapid.Check(t, func(t *rapid.T) {
			l := newLife(t)
			t.Repeat(l.acts())
			ends[l.o.State]++
		})
	}
	t.Logf("%v", ends)
	for _, s := range []State{Completed, Refused, Expired, Cancelled} {
		if ends[s] == 0 && !t.Failed() {
			t.Errorf("no order ended %s: the acts reach too little", s)
		}
	}
}
