package sending

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/register"
)

// Whoever of those who are to sign is protected is not written to, and the draft
// stays its owner's; where it is not known, nothing goes out either.
func TestPartyProtected(t *testing.T) {
	for who, digits := range map[string]string{"the applicant": first, "the other": second} {
		for why, c := range map[string]struct{ known, want error }{
			"protected": {nil, register.ErrProtected}, "not known": {errors.New("no answer"), ErrUnsure},
		} {
			t.Run(who+" "+why, func(t *testing.T) {
				w := newWorld(t)
				hide := func() { w.hidden = map[string]error{digits: c.known} }
				id, rev := w.fill(nil)
				hide()
				if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, c.want) || w.state(id) != portal.Open || len(w.room.orders) != 0 {
					t.Fatalf("sent: %v, it is %s", err, w.state(id))
				}
				// While it was locked, and was not handed over.
				w.hidden = nil
				w.room.down = true
				if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, ErrUnsure) || w.state(id) != portal.Sending {
					t.Fatal(err)
				}
				w.room.down = false
				hide()
				want := portal.Sending
				if c.known == nil {
					want = portal.Open
				}
				if who == "the other" {
					if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, c.want) || w.state(id) != want || len(w.room.orders) != 0 {
						t.Errorf("again: %v, it is %s", err, w.state(id))
					}
				}
				w.later(time.Hour)
				check(t, w.Reconcile(ctx))
				if w.state(id) != want || len(w.room.orders) != 0 {
					t.Errorf("by itself: it is %s, %d orders", w.state(id), len(w.room.orders))
				}
			})
		}
	}
}

// A number that was typed is asked for too.
func TestNamedProtected(t *testing.T) {
	w := newWorld(t)
	id, err := w.Drafts.Begin(ctx, w.me, "exempelby", "intyg")
	check(t, err)
	d, err := w.Drafts.Save(ctx, w.me, id, 1, "ett", form.Answers{
		"varfor": {Text: "Resa"}, "annan": {Text: third}, "annans_namn": {Text: "Testperson Tre"}, "annans_kontakt": {Parts: map[string]string{"email": "tre@example.se"}},
	}, true)
	check(t, err)
	w.hidden = map[string]error{third: nil}
	if _, err := w.Send(ctx, w.me, id, d.Revision, ""); !errors.Is(err, register.ErrProtected) || len(w.room.orders) != 0 {
		t.Errorf("sent: %v", err)
	}
}

// Nobody is reminded who has become protected, nor is where they are mended.
func TestRemindProtected(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	w.room.calls = nil
	for _, c := range []struct{ known, want error }{{nil, register.ErrProtected}, {errors.New("no answer"), ErrUnsure}} {
		w.hidden = map[string]error{second: c.known}
		if err := w.Remind(ctx, w.me, id); !errors.Is(err, c.want) {
			t.Errorf("reminded: %v", err)
		}
		if _, err := w.Correct(ctx, w.me, id, 2, form.Contact{Email: "ny@example.se"}); !errors.Is(err, c.want) {
			t.Errorf("corrected: %v", err)
		}
	}
	if got := strings.Join(w.room.calls, " "); strings.Contains(got, "remind") || strings.Contains(got, "correct") {
		t.Errorf("the signing service was told: %s", got)
	}
	// Of whoever has signed nothing is sent.
	w.room.sign(1)
	_, err = w.Stand(ctx, w.me, id)
	check(t, err)
	w.hidden = map[string]error{first: nil}
	check(t, w.Remind(ctx, w.me, id))
}

// What everybody has signed arrives though the applicant has become protected, or
// that is not known. Whether they are told of it is asked when they would be.
func TestArrivesProtected(t *testing.T) {
	for _, known := range []error{nil, errors.New("no answer")} {
		w := newWorld(t)
		w.alone()
		id, rev := w.fill(nil)
		_, err := w.Send(ctx, w.me, id, rev, "")
		check(t, err)
		w.room.sign(1)
		w.hidden = map[string]error{first: known}
		w.later(time.Hour)
		check(t, w.Reconcile(ctx))
		w.theCase()
	}
}
