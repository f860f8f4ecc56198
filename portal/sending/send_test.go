package sending

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/portal/signclient"
	"sigill/portal/store"
)

const pdf = "%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer <<>>\nstartxref\n0\n%%EOF\n"

func TestTwoSign(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	d, err := w.Drafts.Attach(ctx, w.me, id, rev, "intyg", "intyg.pdf", strings.NewReader(pdf))
	check(t, err)
	rev = d.Revision
	sent, err := w.Send(ctx, w.me, id, rev, "notice-1")
	check(t, err)
	o := w.room.order()
	if sent.Case != "" || sent.SignURL != o.Signatories[0].SignURL || sent.SignURL == "" {
		t.Fatalf("sent: %+v", sent)
	}

	// What was asked for.
	ask := o.wish
	if ask.Title != "Ansökan om plats" || ask.Language != "sv" || ask.Order != "groups" || ask.Message == "" ||
		ask.ReturnURL != "https://exempelby.example/utkast/"+string(id)+"/signerat" || ask.CallbackURL != "https://exempelby.example/krok" ||
		!slices.Equal(ask.AllowedProviders, []string{"bankid", "mbankid"}) || !slices.Equal(ask.Reminders, []int{7}) ||
		ask.Deadline == nil || !ask.Deadline.Equal(w.clock().Add(30*24*time.Hour)) {
		t.Errorf("wish: %+v", ask)
	}
	if len(ask.Documents) != 2 || ask.Documents[0].Name != "Ansökan om plats" || ask.Documents[1].Name != "intyg.pdf" || ask.Documents[1].Type != "application/pdf" {
		t.Errorf("documents: %d", len(ask.Documents))
	}
	if s := string(ask.Documents[0].Content); !strings.Contains(s, `För att\nvi behöver den.`) {
		t.Error("the answers are not tidied")
	}
	if s := ask.Signatories; len(s) != 2 || s[0].Invite != "none" || s[0].Group != 1 || s[1].Invite != "both" || s[1].Group != 2 || s[0].Email != "" {
		t.Errorf("signatories: %d", len(s))
	}
	if row, err := store.DraftOf(store.Last(ctx, w.db), id); err != nil || row.State != portal.Waiting || row.Attempt != ask.Reference {
		t.Errorf("draft: %v, %v", row.State, err)
	}
	asked := func(want int) {
		t.Helper()
		if n := w.count(`draft_asked WHERE person = $1`, string(w.other.Key)); n != want || w.count(`draft_asked`) != want {
			t.Errorf("the other is asked %d times, want %d", n, want)
		}
	}
	asked(0)

	// One has signed: told once, however often we look.
	st, err := w.Stand(ctx, w.me, id)
	check(t, err)
	if !st.Mine() || st.Stale || len(st.Parties) != 2 || !st.Deadline.Equal(o.Deadline) {
		t.Errorf("standing: mine %v, stale %v", st.Mine(), st.Stale)
	}
	w.later(time.Minute)
	asked(0) // the applicant has opened it, and may never sign
	w.room.sign(1)
	for range 3 {
		check(t, w.News(ctx, "exempelby", o.ID))
		asked(1)
		w.later(20 * time.Minute)
		check(t, w.Reconcile(ctx))
	}
	if n := w.notices(); n != 1 {
		t.Errorf("%d notices, want 1", n)
	}
	if st, err = w.Stand(ctx, w.me, id); err != nil || st.Mine() || st.Case != "" {
		t.Errorf("standing: %v", err)
	}
	if w.count(`cases`) != 0 {
		t.Fatal("arrived with one signature")
	}

	w.later(time.Hour)
	w.room.sign(2)
	last := w.clock()
	w.later(time.Hour)
	check(t, w.News(ctx, "exempelby", o.ID))
	check(t, w.News(ctx, "exempelby", o.ID))
	c := w.theCase()
	if c.Number != "EXE-2026-000001" || !c.Arrived.Equal(last) || c.Order != o.ID || c.Group != "placering" || c.State != portal.Arrived || c.Anonymous {
		t.Errorf("case: %+v", c.CaseHead)
	}
	if w.count(`drafts`) != 0 || w.count(`draft_asked`) != 0 || w.count(`draft_files`) != 0 {
		t.Error("the draft is still there")
	}
	persons, err := store.PersonsOf(store.Last(ctx, w.db), c.ID)
	check(t, err)
	owners := map[portal.PersonKey]bool{}
	for _, p := range persons {
		owners[p.Person] = p.Owner
	}
	if own, there := owners[w.other.Key]; len(persons) != 2 || !owners[w.me.Key] || own || !there {
		t.Errorf("%d people see it", len(persons))
	}
	s, err := cases.OpenSubmission(w.Vault, c)
	check(t, err)
	if s.Applicant.Number != first || s.Notice != "notice-1" || s.Contact.Email != "ett@example.se" || len(s.Parties) != 2 || s.Parties[1].Signed.IsZero() ||
		s.Parties[0].State != portal.PartySigned || s.Title != "Ansökan om plats" || s.PDF == "" || s.Answers["varfor"].Text == "" || s.Parties[0].SignURL != "" {
		t.Error("the submission is not what was sent")
	}
	if n := w.notices(); n != 2 { // the earlier one is erased with the draft
		t.Errorf("%d notices, want 2", n)
	}
	if n := w.count(`audit_waiting WHERE type = 'case.arrived'`); n != 1 {
		t.Errorf("%d arrivals in the audit", n)
	}

	// The receipt, done again as often as one likes.
	for range 3 {
		check(t, w.receipts())
	}
	files, err := store.CaseFiles(store.Last(ctx, w.db), c.ID)
	check(t, err)
	var kinds []portal.FileKind
	for _, f := range files {
		kinds = append(kinds, f.Kind)
	}
	if !slices.Equal(kinds, []portal.FileKind{portal.SignedPDF, portal.Attachment, portal.ReceiptPDF}) {
		t.Errorf("files: %v", kinds)
	}
	if len(w.room.orders) != 1 || len(w.room.deleted) == 0 {
		t.Error("the receipt's order is still at the signing service")
	}
	seen, err := opened(w).Open(ctx, w.other, c.ID)
	check(t, err)
	_, content, err := opened(w).File(ctx, w.other, c.ID, portal.FileID(seen.Files[0].ID))
	check(t, err)
	if sum(content) != s.PDF {
		t.Error("the signed document is not the one that the submission names")
	}
	_, content, err = opened(w).File(ctx, w.me, c.ID, portal.FileID(d.Answers["intyg"].Files[0].ID))
	if err != nil || string(content) != pdf {
		t.Errorf("the attachment: %v", err)
	}

	// Everybody who asks for the draft is told where it is, if it is theirs.
	if st, err := w.Stand(ctx, w.me, id); err != nil || st.Case != c.ID {
		t.Errorf("stand: %v, %v", st.Case, err)
	}
	if sent, err := w.Send(ctx, w.me, id, rev, ""); err != nil || sent.Case != c.ID {
		t.Errorf("sent again: %v", err)
	}
	for what, err := range map[string]error{
		"stand": second3(w.Stand(ctx, w.other, id)), "send": second3(w.Send(ctx, w.other, id, rev, "")),
		"withdraw": w.Withdraw(ctx, w.other, id), "remind": w.Remind(ctx, w.other, id),
	} {
		if !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("%s by another: %v", what, err)
		}
	}
	if err := w.Withdraw(ctx, w.me, id); !errors.Is(err, ErrTooLate) {
		t.Errorf("withdrawn after arrival: %v", err)
	}
}

func second3[T any](_ T, err error) error { return err }

func opened(w *world) *cases.Cases {
	c, err := cases.New(cases.Config{
		DB: w.db, Vault: w.Vault, Notices: w.Notices, Service: w.Service, Tenant: w.Tenant,
		Tenants: func(portal.GroupID) []portal.TenantID { return []portal.TenantID{"exempelby"} },
		Forget:  w.room.Delete, Wake: func() {}, Now: w.clock, Log: w.Log,
	})
	check(w.t, err)
	return c
}

func TestOneSigns(t *testing.T) {
	w := newWorld(t)
	w.alone()
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	if o := w.room.order(); o.wish.Order != "parallel" || o.wish.Message != "" || o.wish.Signatories[0].Group != 0 {
		t.Errorf("wish: %s %d", o.wish.Order, o.wish.Signatories[0].Group)
	}
	w.room.sign(1)
	st, err := w.Stand(ctx, w.me, id)
	check(t, err)
	if c := w.theCase(); st.Case != c.ID {
		t.Error("the browser's return did not make it arrive")
	}
	if w.notices() != 1 {
		t.Errorf("%d notices", w.notices())
	}
}

func TestUnsigned(t *testing.T) {
	w := newWorld(t)
	w.me = portal.Visitor{Group: "exempelby", Tenant: "exempelby", Browser: "webbläsaren", Lang: "en"}
	id, err := w.Drafts.Begin(ctx, w.me, "exempelby", "fel")
	check(t, err)
	d, err := w.Drafts.Save(ctx, w.me, id, 1, "felet", form.Answers{"plats": {Text: "Torget"}, "mina": {Parts: map[string]string{"email": "ett@example.se", "notify": "email"}}}, true)
	check(t, err)
	d, err = w.Drafts.Attach(ctx, w.me, id, d.Revision, "foto", "foto.pdf", strings.NewReader(pdf))
	check(t, err)
	var conflict *drafts.Conflict
	if _, err := w.Send(ctx, w.me, id, d.Revision-1, ""); !errors.As(err, &conflict) || conflict.Now != d.Revision {
		t.Fatalf("an old revision: %v", err)
	}
	sent, err := w.Send(ctx, w.me, id, d.Revision, "n")
	check(t, err)
	c := w.theCase()
	if sent.Case != c.ID || sent.SignURL != "" || !c.Arrived.Equal(w.clock()) || !c.Anonymous || c.Order != "" || c.Group != "gatan" {
		t.Errorf("case: %+v", c.CaseHead)
	}
	if again, err := w.Send(ctx, w.me, id, d.Revision, "n"); err != nil || again.Case != c.ID {
		t.Errorf("again: %v", err)
	}
	if _, err := w.Send(ctx, portal.Visitor{Group: "exempelby", Tenant: "exempelby", Browser: "en annan"}, id, d.Revision, "n"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("another browser: %v", err)
	}
	w.theCase()
	check(t, w.receipts())
	check(t, w.receipts())
	c = w.theCase()
	s, err := cases.OpenSubmission(w.Vault, c)
	check(t, err)
	if s.PDF == "" || s.Lang != "en" || s.Applicant.Number != "" {
		t.Error("the receipt is not the case's sealed document")
	}
	if w.notices() != 1 || w.count(`case_files`) != 2 || len(w.room.orders) != 0 {
		t.Errorf("%d notices, %d files, %d orders", w.notices(), w.count(`case_files`), len(w.room.orders))
	}
}

// What was saved too late and is not settled is not lost by sending without a
// signature either.
func TestUnsignedAside(t *testing.T) {
	w := newWorld(t)
	id, rev := w.report()
	var conflict *drafts.Conflict
	if _, err := w.Drafts.Save(ctx, w.me, id, 1, "felet", form.Answers{"plats": {Text: "Nej, Storgatan"}}, true); !errors.As(err, &conflict) {
		t.Fatal(err)
	}
	conflict = nil
	if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.As(err, &conflict) || conflict.Base != 1 || conflict.Now != rev {
		t.Fatalf("%v, %+v", err, conflict)
	}
	if w.count(`cases`) != 0 || w.count(`draft_asides`) != 1 {
		t.Error("it has arrived, or what was late is gone")
	}
	d, err := w.Drafts.Settle(ctx, w.me, id, rev, true)
	check(t, err)
	_, err = w.Send(ctx, w.me, id, d.Revision, "")
	check(t, err)
	s, err := cases.OpenSubmission(w.Vault, w.theCase())
	if err != nil || s.Answers["plats"].Text != "Nej, Storgatan" {
		t.Errorf("%v, %q", err, s.Answers["plats"].Text)
	}
}

// report makes a draft that nobody has to sign.
func (w *world) report() (portal.DraftID, int) {
	w.t.Helper()
	id, err := w.Drafts.Begin(ctx, w.me, "exempelby", "fel")
	check(w.t, err)
	d, err := w.Drafts.Save(ctx, w.me, id, 1, "felet", form.Answers{"plats": {Text: "Torget"}}, true)
	check(w.t, err)
	return id, d.Revision
}

// Where a register is silent, nobody who is logged in sends anything: it is not
// known whether they are protected.
func TestUnsignedWithoutAnswer(t *testing.T) {
	w := newWorld(t)
	id, rev := w.report()
	w.facts.NoRegister, w.facts.Applicant.FromRegister = true, false
	if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, ErrUnsure) || w.count(`cases`) != 0 {
		t.Fatalf("logged in: %v, %d cases", err, w.count(`cases`))
	}
}

// Where there is no register, what needs none can be sent, signed too.
func TestNoRegisterAtAll(t *testing.T) {
	w := newWorld(t)
	kid := w.facts.Children[0]
	w.facts.Applicant.FromRegister, w.facts.Children = false, nil
	id, err := w.Drafts.Begin(ctx, w.me, "exempelby", "intyg")
	check(t, err)
	d, err := w.Drafts.Save(ctx, w.me, id, 1, "ett", form.Answers{
		"varfor": {Text: "Resa"}, "annan": {Text: second}, "annans_namn": {Text: "Testperson Två"}, "annans_kontakt": {Parts: map[string]string{"email": "tva@example.se"}},
	}, true)
	check(t, err)
	if sent, err := w.Send(ctx, w.me, id, d.Revision, ""); err != nil || sent.SignURL == "" || w.state(id) != portal.Waiting {
		t.Fatalf("signed by two: %v", err)
	}
	// A child cannot be answered, and one from before is not believed.
	id, err = w.Drafts.Begin(ctx, w.me, "exempelby", "plats")
	check(t, err)
	rev := w.save(id, 1, form.Answers{"barn": {Child: &kid}, "varfor": {Text: "x"}, "mina": {Parts: map[string]string{"email": "ett@example.se", "notify": "email"}},
		"andra_kontakt": {Parts: map[string]string{"email": "tva@example.se"}}})
	if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, ErrChanged) && !errors.Is(err, ErrIncomplete) {
		t.Errorf("with a child: %v", err)
	}
}

func TestNotSent(t *testing.T) {
	gone := form.Child{Key: "a", Number: child, Name: "Testbarn Ett", Guardians: []form.Guardian{{Number: first}, {Number: third, Name: "Testperson Tre"}}}
	for _, c := range []struct {
		name   string
		change func(*world, form.Answers)
		after  func(*world)
		want   error
	}{
		{name: "protected", after: func(w *world) { w.factsErr = register.ErrProtected }, want: register.ErrProtected},
		{name: "register broken", after: func(w *world) { w.factsErr = errors.New("no") }, want: ErrUnsure},
		{name: "register down", after: func(w *world) { w.facts.NoRegister = true }, want: ErrUnsure},
		{name: "another guardian", after: func(w *world) { w.facts.Children = []form.Child{gone} }, want: ErrChanged},
		{name: "one guardian less", after: func(w *world) { w.alone() }, want: ErrChanged},
		{name: "child gone", after: func(w *world) { w.facts.Children = nil }, want: ErrChanged},
		{name: "not complete", change: func(_ *world, a form.Answers) { a["varfor"] = form.Value{} }, want: ErrIncomplete},
		{name: "service down", after: func(w *world) { w.room.down = true }, want: ErrUnsure},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			id, rev := w.fill(func(a form.Answers) {
				if c.change != nil {
					c.change(w, a)
				}
			})
			if c.after != nil {
				c.after(w)
			}
			if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if len(w.room.orders) != 0 || w.count(`cases`) != 0 || w.count(`outbox`) != 0 || w.count(`drafts`) != 1 {
				t.Error("something has happened")
			}
			if state := w.state(id); state != portal.Open && c.name != "service down" {
				t.Errorf("the draft is %s", state)
			}
		})
	}
}

func (w *world) state(id portal.DraftID) portal.DraftState {
	row, err := store.DraftOf(store.Last(ctx, w.db), id)
	if errors.Is(err, store.ErrNone) {
		return ""
	}
	check(w.t, err)
	return row.State
}

func TestRefusedBySigningService(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	w.room.rejects = true
	_, err := w.Send(ctx, w.me, id, rev, "")
	var p *signclient.Problem
	if !errors.As(err, &p) || !errors.Is(err, ErrNotTaken) || w.state(id) != portal.Open {
		t.Fatalf("%v, draft %s", err, w.state(id))
	}
	w.room.rejects = false
	d, err := w.Drafts.Open(ctx, w.me, id)
	check(t, err)
	if _, err := w.Send(ctx, w.me, id, d.Revision, ""); err != nil || w.state(id) != portal.Waiting {
		t.Errorf("sent again: %v", err)
	}
}

// A refusal that says nothing of an earlier try gives nothing back: that one may
// have been granted, and somebody may sign it.
func TestUnsureRefusals(t *testing.T) {
	for _, status := range []int{401, 403, 404, 409, 429, 500, 503} {
		w := newWorld(t)
		id, rev := w.fill(nil)
		for n := 1; len(w.room.orders) == 0; n++ {
			_, _ = w.Send(newFuse(n), w.me, id, rev, "")
		}
		w.room.busy = &signclient.Problem{Status: status, Code: "busy"}
		if _, err := w.Send(ctx, w.me, id, rev, ""); !errors.Is(err, ErrUnsure) || w.state(id) != portal.Sending {
			t.Fatalf("%d: %v, the draft is %s", status, err, w.state(id))
		}
		w.room.busy = nil
		if _, err := w.Send(ctx, w.me, id, rev, ""); err != nil || len(w.room.orders) != 1 || w.state(id) != portal.Waiting {
			t.Errorf("%d: %v, %d orders", status, err, len(w.room.orders))
		}
	}
}

func TestBack(t *testing.T) {
	for _, c := range []struct {
		name    string
		end     func(*world)
		want    portal.Returned
		notices int
	}{
		{"refused", func(w *world) { w.room.end(signclient.Refused, 2, "Vi är inte överens") }, portal.ReturnedRefused, 1},
		{"refused by the applicant", func(w *world) { w.room.end(signclient.Refused, 1, "Fel barn") }, portal.ReturnedRefused, 0},
		{"expired", func(w *world) { w.room.end(signclient.Expired, 0, "") }, portal.ReturnedExpired, 1},
		{"cancelled", func(w *world) { w.room.end(signclient.Cancelled, 0, "") }, portal.ReturnedCancelled, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			id, rev := w.fill(nil)
			_, err := w.Send(ctx, w.me, id, rev, "")
			check(t, err)
			o := w.room.order()
			c.end(w)
			for range 2 {
				check(t, w.News(ctx, "exempelby", o.ID))
				w.later(time.Hour)
				check(t, w.Reconcile(ctx))
			}
			st, err := w.Stand(ctx, w.me, id)
			check(t, err)
			if st.Draft.State != portal.Open || st.Draft.Returned != c.want || w.notices() != c.notices || w.count(`cases`) != 0 || w.count(`draft_asked`) != 0 {
				t.Errorf("%s %s, %d notices", st.Draft.State, st.Draft.Returned, w.notices())
			}
			if c.name == "refused" && (st.Draft.RefusedBy != "Testperson Två" || st.Draft.Reason != "Vi är inte överens") {
				t.Error("not said who refused, and why")
			}
			// And again, from the beginning.
			_, err = w.Send(ctx, w.me, id, st.Draft.Revision, "")
			check(t, err)
			if again := w.room.order(); again.ID == o.ID || w.state(id) != portal.Waiting {
				t.Error("not sent again")
			}
		})
	}
}

func TestWithdraw(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	w.room.sign(1)
	check(t, w.News(ctx, "exempelby", w.room.order().ID))
	told := w.notices()
	check(t, w.Withdraw(ctx, w.me, id))
	check(t, w.Withdraw(ctx, w.me, id)) // pressed twice
	d, err := w.Drafts.Open(ctx, w.me, id)
	check(t, err)
	if d.State != portal.Open || d.Returned != portal.ReturnedWithdrawn || w.notices() != told || w.room.order().State != signclient.Cancelled {
		t.Errorf("%s %s, %d notices", d.State, d.Returned, w.notices()-told)
	}

	// The order is forgotten when those who were asked have been told.
	order := w.room.order().ID
	var due int64
	check(t, w.db.Row(ctx, `SELECT due FROM outbox WHERE kind = 'forget' AND ref = $1`, order).Scan(&due))
	if wait := time.UnixMilli(due).Sub(w.clock()); wait != courtesy {
		t.Errorf("forgotten in %s", wait)
	}
	e := outbox.Entry{Ref: order, Payload: []byte("exempelby")}
	for range 2 { // the second finds nothing
		check(t, w.Handlers()[forgetKind].Do(ctx, e))
	}
	if !slices.Contains(w.room.deleted, order) {
		t.Error("the order is still there")
	}

	// One that loses the race arrives.
	_, err = w.Send(ctx, w.me, id, d.Revision, "")
	check(t, err)
	w.room.sign(1)
	w.room.sign(2)
	if err := w.Withdraw(ctx, w.me, id); !errors.Is(err, ErrTooLate) {
		t.Fatalf("too late: %v", err)
	}
	check(t, w.Reconcile(ctx))
	w.later(time.Hour)
	check(t, w.Reconcile(ctx))
	w.theCase()
}

// Taking it back that was refused is forgotten: when the order ends later, it was
// not the owner who ended it.
func TestNotWithdrawn(t *testing.T) {
	for _, status := range []int{403, 409, 429, 503} {
		w := newWorld(t)
		id, rev := w.fill(nil)
		_, err := w.Send(ctx, w.me, id, rev, "")
		check(t, err)
		if status == 409 {
			w.room.slow = true
			w.room.sign(1)
			w.room.sign(2)
			err = w.Withdraw(ctx, w.me, id)
		} else {
			w.room.busy = &signclient.Problem{Status: status, Code: "busy"}
			err = w.Withdraw(ctx, w.me, id)
			w.room.busy = nil
		}
		if status == 409 && !errors.Is(err, ErrTooLate) || status != 409 && !errors.Is(err, ErrUnsure) {
			t.Errorf("%d: %v", status, err)
		}
		// Of what may have been done nothing is known.
		want := 0
		if status == 503 {
			want = 1
		}
		if n := w.count(`held`); n != want {
			t.Errorf("%d: %d marks that it was taken back, want %d", status, n, want)
		}
	}
}

// The order was taken back, and the process died before it was noted: whoever
// sees it says that the owner did it.
func TestWithdrawnThenDied(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	for n := 1; w.state(id) == portal.Waiting && w.room.order().State == signclient.Open; n++ {
		_ = w.Withdraw(newFuse(n), w.me, id)
	}
	w.later(time.Hour)
	check(t, w.Reconcile(ctx))
	d, err := w.Drafts.Open(ctx, w.me, id)
	check(t, err)
	if d.Returned != portal.ReturnedWithdrawn || w.notices() != 0 {
		t.Errorf("%s, %d notices", d.Returned, w.notices())
	}
}

func TestCorrect(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	for _, c := range []struct {
		n       int
		contact form.Contact
		invite  string
		fault   form.Code
		err     error
	}{
		{n: 2, contact: form.Contact{Email: "ny@example.se"}, invite: "email"},
		{n: 2, contact: form.Contact{Phone: "070 174 06 06"}, invite: "sms"},
		{n: 2, contact: form.Contact{Email: "ny@example.se", Phone: "0701740606"}, invite: "both"},
		{n: 2, contact: form.Contact{Email: "ny"}, fault: form.FaultEmail},
		{n: 2, contact: form.Contact{Phone: "1"}, fault: form.FaultPhone},
		{n: 2, fault: form.FaultReach},
		{n: 1, contact: form.Contact{Email: "ny@example.se"}, err: portal.ErrNotFound},
		{n: 3, contact: form.Contact{Email: "ny@example.se"}, err: portal.ErrNotFound},
	} {
		faults, err := w.Correct(ctx, w.me, id, c.n, c.contact)
		if !errors.Is(err, c.err) || (c.fault == "") != (len(faults) == 0) || len(faults) > 0 && (faults[0].Code != c.fault || faults[0].Field != "andra_kontakt") {
			t.Errorf("%d: %v, %v", c.n, faults, err)
		}
		if c.invite != "" && w.room.calls[len(w.room.calls)-1] != "correct "+c.invite {
			t.Errorf("invited by %q, want %s", w.room.calls[len(w.room.calls)-1], c.invite)
		}
	}
	// Only what was done is in the audit, with who did it.
	if n := w.count(`audit_waiting WHERE type = 'draft.corrected' AND person <> '' AND order_id = $1 AND reason = 'party 2'`, string(id)); n != 3 {
		t.Errorf("%d corrections in the audit, want 3", n)
	}
	check(t, w.Remind(ctx, w.me, id))
	w.room.busy = &signclient.Problem{Status: 429, Code: "too_soon"}
	if err := w.Remind(ctx, w.me, id); !errors.As(err, new(*signclient.Problem)) {
		t.Errorf("reminded too soon: %v", err)
	}
	w.room.busy = nil
	if n := w.count(`audit_waiting WHERE type = 'draft.reminded' AND person <> ''`); n != 1 {
		t.Errorf("%d reminders in the audit, want 1", n)
	}
	// What is told after arrival goes to the address that was corrected.
	w.room.sign(1)
	w.room.sign(2)
	st, err := w.Stand(ctx, w.me, id)
	check(t, err)
	if st.Case == "" {
		t.Fatal("not arrived")
	}
	s, err := cases.OpenSubmission(w.Vault, w.theCase())
	check(t, err)
	if s.Parties[1].Email != "ny@example.se" || s.Parties[1].Phone != "+46701740606" {
		t.Error("the case has the old address")
	}
}

func TestStale(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	w.room.sign(1)
	_, err = w.Stand(ctx, w.me, id)
	check(t, err)
	w.room.down = true
	st, err := w.Stand(ctx, w.me, id)
	if err != nil || !st.Stale || len(st.Parties) != 2 || st.Parties[0].State != portal.PartySigned || st.Mine() {
		t.Errorf("%v, stale %v", err, st.Stale)
	}
	if err := w.Withdraw(ctx, w.me, id); !errors.Is(err, ErrUnsure) || w.state(id) != portal.Waiting {
		t.Errorf("withdrawn without an answer: %v", err)
	}
}

// A completed order is believed only if it is what was locked, in all parts.
func TestNotBelieved(t *testing.T) {
	other := func(w *world) portal.ReportSignature {
		return portal.ReportSignature{Number: w.visitor(third, "").Number, At: w.clock()}
	}
	for name, forge := range map[string]func(*world, *portal.Report){
		"another order":       func(_ *world, r *portal.Report) { r.Order = "another" },
		"another client":      func(_ *world, r *portal.Report) { r.Client = "portal-annanby" },
		"another time":        func(_ *world, r *portal.Report) { r.Completed = r.Completed.Add(-time.Hour) },
		"another content":     func(_ *world, r *portal.Report) { r.Documents[0].SHA256 = sum(nil) },
		"another attachment":  func(_ *world, r *portal.Report) { r.Documents[1].SHA256 = sum(nil) },
		"attachment missing":  func(_ *world, r *portal.Report) { r.Documents = r.Documents[:1] },
		"one more document":   func(_ *world, r *portal.Report) { r.Documents = append(r.Documents, r.Documents[0]) },
		"documents exchanged": func(_ *world, r *portal.Report) { slices.Reverse(r.Documents) },
		"another name":        func(_ *world, r *portal.Report) { r.Documents[1].Name = "Godkännande.pdf" },
		"another title":       func(_ *world, r *portal.Report) { r.Documents[0].Name = "Något annat" },
		"no documents":        func(_ *world, r *portal.Report) { r.Documents = nil },
		"signature missing":   func(_ *world, r *portal.Report) { r.Signed = r.Signed[:1] },
		"one signed twice":    func(_ *world, r *portal.Report) { r.Signed[1] = r.Signed[0] },
		"another person":      func(w *world, r *portal.Report) { r.Signed[1] = other(w) },
		"one person more":     func(w *world, r *portal.Report) { r.Signed = append(r.Signed, other(w)) },
		"nobody":              func(_ *world, r *portal.Report) { r.Signed = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id, rev := w.fill(nil)
			d, err := w.Drafts.Attach(ctx, w.me, id, rev, "intyg", "intyg.pdf", strings.NewReader(pdf))
			check(t, err)
			_, err = w.Send(ctx, w.me, id, d.Revision, "")
			check(t, err)
			w.room.sign(1)
			w.room.sign(2)
			w.room.forge = func(r *portal.Report) {
				r.Documents, r.Signed = slices.Clone(r.Documents), slices.Clone(r.Signed)
				forge(w, r)
			}
			check(t, w.News(ctx, "exempelby", w.room.order().ID))
			d, err = w.Drafts.Open(ctx, w.me, id)
			check(t, err)
			if d.State != portal.Open || d.Returned != portal.ReturnedFailed || w.count(`cases`) != 0 {
				t.Errorf("%s %s, %d cases", d.State, d.Returned, w.count(`cases`))
			}
			if w.count(`outbox WHERE kind = 'forget'`) != 0 {
				t.Error("what is to be looked into is to be forgotten")
			}
			if w.notices() != 1 || w.count(`audit_waiting WHERE type = 'draft.signature_refused'`) != 1 {
				t.Errorf("%d notices", w.notices())
			}
		})
	}
}

// A receipt whose seal is not believed may be a trust file that lacks something:
// nothing arrives, nothing is lost, and when it is mended the case is there.
func TestSealNotBelieved(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.Log = slog.New(slog.NewTextHandler(&log, nil))
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	w.room.sign(1)
	w.room.sign(2)
	w.room.forge = func(r *portal.Report) { r.Valid, r.Code = false, "NO_CERTIFICATE_CHAIN_FOUND" }
	if err := w.News(ctx, "exempelby", w.room.order().ID); err == nil || !strings.Contains(err.Error(), "NO_CERTIFICATE_CHAIN_FOUND") {
		t.Fatalf("the news is taken: %v", err)
	}
	st, err := w.Stand(ctx, w.me, id)
	if err != nil || st.Case != "" || st.Mine() || !st.Stale && !st.Sealing || w.state(id) != portal.Waiting || w.count(`cases`) != 0 {
		t.Fatalf("%v, case %q, stale %v, sealing %v, %s", err, st.Case, st.Stale, st.Sealing, w.state(id))
	}
	// However often it is looked at: once in the audit, and once an hour in the log.
	for range 2 * 60 {
		w.later(time.Minute)
		check(t, w.Reconcile(ctx))
	}
	if n := w.count(`audit_waiting WHERE type = 'draft.signature_refused' AND reason = 'seal' AND login = $1`, w.room.order().ID); n != 1 {
		t.Errorf("%d events", n)
	}
	if n := strings.Count(log.String(), "\n"); n != 3 || strings.Count(log.String(), "level=ERROR") != 3 {
		t.Errorf("%d lines in two hours:\n%s", n, log.String())
	}
	w.room.forge = nil
	check(t, w.News(ctx, "exempelby", w.room.order().ID))
	w.theCase()
}

// What the portal did not note, because something broke, is found by the webhook.
func TestAdopted(t *testing.T) {
	w := newWorld(t)
	id, rev := w.fill(nil)
	for n := 1; len(w.room.orders) == 0; n++ {
		_, _ = w.Send(newFuse(n), w.me, id, rev, "")
	}
	o := w.room.order()
	if w.state(id) != portal.Sending {
		t.Fatalf("the draft is %s", w.state(id))
	}
	// Somebody else's news about it, and news about nothing.
	check(t, w.News(ctx, "annanby", o.ID))
	check(t, w.News(ctx, "exempelby", "nothing"))
	w.room.sign(1)
	check(t, w.News(ctx, "exempelby", o.ID))
	if w.state(id) != portal.Waiting || w.notices() != 1 {
		t.Fatalf("the draft is %s, %d notices", w.state(id), w.notices())
	}
	w.room.sign(2)
	check(t, w.News(ctx, "exempelby", o.ID))
	w.theCase()
	check(t, w.News(ctx, "exempelby", o.ID))
}

func TestInvitation(t *testing.T) {
	for _, c := range []struct{ rule, email, phone, want string }{
		{"email", "e", "p", "email"}, {"sms", "e", "p", "sms"}, {"both", "e", "p", "both"}, {"code", "e", "p", "code"},
		{"email", "", "p", "sms"}, {"sms", "e", "", "email"}, {"both", "e", "", "email"}, {"both", "", "p", "sms"},
		{"code", "e", "", "code"}, {"code", "", "p", "code"}, {"", "e", "p", "email"},
		{"email", "", "", ""}, {"code", "", "", ""},
	} {
		if got := invitation(c.rule, c.email, c.phone); got != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.rule, c.email, c.phone, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	taken := map[string]bool{}
	long := strings.Repeat("å", 200)
	var got []string
	for _, name := range []string{"a.pdf", "a.pdf", "a.pdf", " a\n.pdf", "", "", long + ".pdf", long + ".pdf"} {
		n := unlike(taken, name)
		if n == "" || len([]rune(n)) > maxName || slices.Contains(got, n) {
			t.Errorf("%d characters", len([]rune(n)))
		}
		got = append(got, n)
	}
	if got[1] != "a (2).pdf" || !strings.HasSuffix(got[7], " (2).pdf") {
		t.Errorf("%v", got[:4])
	}
	for _, c := range []struct {
		tenant  string
		year, n int
		want    string
	}{{"exempelby", 2026, 17, "EXE-2026-000017"}, {"ab", 2026, 1234567, "AB-2026-1234567"}, {"a-b-c-d", 2027, 1, "ABC-2027-000001"}} {
		if got := caseNumber(portal.Tenant{ID: portal.TenantID(c.tenant)}.CasePrefix(), c.year, c.n); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// The year of a case is the one in Sweden.
func TestYear(t *testing.T) {
	w := newWorld(t)
	w.now = time.Date(2026, 12, 31, 23, 30, 0, 0, time.UTC)
	w.alone()
	id, rev := w.fill(nil)
	_, err := w.Send(ctx, w.me, id, rev, "")
	check(t, err)
	w.room.sign(1)
	_, err = w.Stand(ctx, w.me, id)
	check(t, err)
	if c := w.theCase(); c.Number != "EXE-2027-000001" {
		t.Errorf("%s", c.Number)
	}
}
