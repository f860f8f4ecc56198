package orders_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/outbox"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
)

func faults(t *testing.T, err error) []string {
	t.Helper()
	var invalid *signing.Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("no faults: %v", err)
	}
	var list []string
	for _, f := range invalid.Faults {
		list = append(list, f.Field)
	}
	return list
}

func TestRefusedWishes(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		change func(*signing.Wish)
		want   []string
	}{
		"nothing":          {func(w *signing.Wish) { *w = signing.Wish{} }, []string{"title", "documents"}},
		"foreign callback": {func(w *signing.Wish) { w.Callback = "https://evil.example/" }, []string{"callbackUrl"}},
		"foreign return":   {func(w *signing.Wish) { w.ReturnURL = "https://app.example.se.evil.example/" }, []string{"returnUrl"}},
		"no e-ID left":     {func(w *signing.Wish) { w.Providers = []providers.ID{providers.Telia} }, []string{"allowedProviders"}},
		"too much message": {func(w *signing.Wish) {
			w.Providers, w.Message = []providers.ID{providers.MBankID, providers.Freja}, strings.Repeat("å", 950)
		}, []string{"message"}},
		"too many documents": {func(w *signing.Wish) {
			w.Providers = []providers.ID{providers.Freja}
			w.Documents = nil
			for i := range 20 {
				w.Documents = append(w.Documents, signing.Document{Name: fmt.Sprint(i, strings.Repeat("n", 100)), Kind: signing.KindText, Text: "x"})
			}
		}, []string{"documents"}},
		"too many pages": {func(w *signing.Wish) {
			w.Documents = []signing.Document{{Name: "Lång", Kind: signing.KindText, Text: strings.Repeat("rad\n", 60000)}}
		}, []string{"documents"}},
	} {
		w := wish()
		c.change(&w)
		_, _, err := b.service.Create(ctx, b.clients["kommun"], w, "", [32]byte{})
		if diff := cmp.Diff(c.want, faults(t, err)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	// Only Freja's limit is in the way, and only where it is asked for.
	w := wish()
	w.Message, w.Providers = strings.Repeat("å", 950), []providers.ID{providers.MBankID, providers.Freja}
	_, _, err := b.service.Create(ctx, b.clients["kommun"], w, "", [32]byte{})
	if err == nil || !strings.Contains(err.Error(), "Freja eID+ shows at most 2000") || strings.Contains(err.Error(), "BankID") {
		t.Errorf("which e-ID: %v", err)
	}
	w.Providers = []providers.ID{providers.MBankID}
	b.create(w)
	w.Providers, b.infos[2].TextLimit = nil, 0 // Freja is for logins alone
	b.create(w)

	b.config.SMS, b.config.Mail = nil, nil
	b.again()
	_, _, err = b.service.Create(ctx, b.clients["kommun"], wish(), "", [32]byte{})
	if diff := cmp.Diff([]string{"signatories[1].email", "signatories[1].phone"}, faults(t, err)); diff != "" {
		t.Error(diff)
	}
	if len(b.store.all) != 4 {
		t.Errorf("refused wishes left %d messages", len(b.store.all)-4)
	}
}

// TestTextForSome: a text that some e-IDs cannot show is for the others to sign, as
// long as it is that long, where the client has named none.
func TestTextForSome(t *testing.T) {
	b := newBench(t)
	telia := providers.Info{ID: providers.Telia, Instance: "telia", Name: "Telia", Level: providers.LevelUncertified3, Modes: []providers.Mode{providers.ModeThis}}
	b.infos = append(b.infos, telia) // for logins alone
	text := func(n int) []signing.Document {
		var list []signing.Document
		for i := range n {
			list = append(list, signing.Document{Name: fmt.Sprint(i, strings.Repeat("n", 100)), Kind: signing.KindText, Text: "x"})
		}
		return list
	}
	rest := []providers.ID{providers.BankID, providers.MBankID, providers.Telia}
	same := func(when string, o signing.Order, want []providers.ID) {
		t.Helper()
		if !slices.Equal(o.Providers, want) {
			t.Errorf("%s: %v, want %v", when, o.Providers, want)
		}
	}
	freja := b.guest(one)
	freja.Provider = providers.Freja
	sign := func(o signing.Order, eid providers.ID, mode providers.Mode) error {
		_, err := b.service.Sign(ctx, "kommun", o.ID, 1, freja, orders.Start{Digest: o.Digest, Provider: eid, Mode: mode, Browser: "x"})
		return err
	}

	w := wish()
	w.Documents = text(20)
	o := b.create(w)
	same("too long for Freja", o, rest)
	b.again()
	var bad *providers.BadRequest
	if err := sign(o, providers.Freja, providers.ModeOther); !errors.As(err, &bad) {
		t.Errorf("signed with what cannot show it: %v", err)
	}
	// Whoever has logged in with it may read, and sign with another.
	v, err := b.service.Visit(ctx, "kommun", o.ID, 1, freja)
	if err != nil || len(v.Body.Documents) != 20 {
		t.Errorf("%d documents, %v", len(v.Body.Documents), err)
	}
	if list, err := b.service.Awaiting(ctx, "kommun", freja); err != nil || len(list) != 1 {
		t.Errorf("%d await, %v", len(list), err)
	}
	b.ok(sign(o, providers.MBankID, providers.ModeOther))

	o, err = b.service.Change(ctx, "kommun", o.ID, text(1))
	b.ok(err)
	same("short again", o, nil)
	b.ok(sign(o, providers.Freja, providers.ModeOther))
	o, err = b.service.Change(ctx, "kommun", o.ID, text(20))
	b.ok(err)
	same("long again", o, rest)
	o, err = b.service.Replace(ctx, "kommun", o.ID, 2, signing.WishedSignatory{Number: three, Name: "Testperson Tre", Invite: signing.InviteNone})
	b.ok(err)
	same("with another person", o, rest)

	// What the client has named stays named, and is all that may be logged in with.
	w.Providers, w.Documents = []providers.ID{providers.Freja, providers.MBankID}, text(1)
	o = b.create(w)
	if _, err = b.service.Change(ctx, "kommun", o.ID, text(20)); !slices.Equal(faults(t, err), []string{"documents"}) {
		t.Error(err)
	}
	w.Providers, w.Documents = []providers.ID{providers.MBankID}, text(20)
	o = b.create(w)
	same("named", o, w.Providers)
	_, err = b.service.Visit(ctx, "kommun", o.ID, 1, freja)
	b.is(err, orders.ErrLevel)

	// Nobody to sign it, nobody to show it to.
	w.Providers, w.Signatories = nil, nil
	same("only sealed", b.create(w), nil)

	for i := range b.infos {
		b.infos[i].TextLimit = min(b.infos[i].TextLimit, 2000)
	}
	w = wish()
	w.Documents = text(20)
	_, _, err = b.service.Create(ctx, b.clients["kommun"], w, "", [32]byte{})
	if diff := cmp.Diff([]string{"documents", "documents", "documents"}, faults(t, err)); diff != "" {
		t.Error(diff)
	}
}

// TestWholeDigest: an e-ID that shows all and hides nothing has the digest in the
// text.
func TestWholeDigest(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	g := b.guest(one)
	g.Provider = providers.Freja
	eid, err := b.service.Sign(ctx, "kommun", o.ID, 1, g, orders.Start{Digest: o.Digest, Provider: providers.Freja, Mode: providers.ModeOther, Browser: "x", Language: "en"})
	b.ok(err)
	f := b.begun[eid]
	if !strings.Contains(f.Request.Text, fmt.Sprintf("Checksum of everything: %x", o.Digest)) || f.Request.Markup != providers.Plain {
		t.Errorf("text %q", f.Request.Text)
	}
}

func TestWhoMaySign(t *testing.T) {
	b := newBench(t)
	w := wish()
	w.Sequence = signing.Sequential
	w.Providers = []providers.ID{providers.MBankID}
	o := b.create(w)
	good := orders.Start{Digest: o.Digest, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "x"}
	try := func(n int, g orders.Guest, s orders.Start) error {
		_, err := b.service.Sign(ctx, "kommun", o.ID, n, g, s)
		return err
	}
	weak := func(change func(*orders.Guest)) orders.Guest {
		g := b.guest(one)
		change(&g)
		return g
	}
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"old login":      {try(1, weak(func(g *orders.Guest) { g.AuthTime = b.now.Add(-61 * time.Minute) }), good), orders.ErrLevel},
		"future login":   {try(1, weak(func(g *orders.Guest) { g.AuthTime = b.now.Add(2 * time.Minute) }), good), orders.ErrLevel},
		"no level":       {try(1, weak(func(g *orders.Guest) { g.Level = 0 }), good), orders.ErrLevel},
		"another e-ID":   {try(1, weak(func(g *orders.Guest) { g.Provider = providers.BankID }), good), orders.ErrLevel},
		"not offered":    {try(1, weak(func(g *orders.Guest) { g.Provider = providers.Telia }), good), orders.ErrLevel},
		"too early":      {try(2, b.guest(two), good), signing.ErrNotNow},
		"another person": {try(1, weak(func(g *orders.Guest) { g.Number = number(t, alien) }), good), broker.ErrNotFound},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	var bad *providers.BadRequest
	for _, s := range []orders.Start{
		{Provider: providers.BankID, Mode: providers.ModeThis, Browser: "x"}, {Provider: providers.Telia, Mode: providers.ModeOther, Browser: "x"},
		{Provider: providers.MBankID, Mode: providers.ModePhone, Browser: "x"},
	} {
		s.Digest = o.Digest
		if err := try(1, b.guest(one), s); !errors.As(err, &bad) {
			t.Errorf("%s by %s: %v", s.Provider, s.Mode, err)
		}
	}
	if try(1, b.guest(one), orders.Start{Digest: o.Digest, Provider: providers.MBankID, Mode: providers.ModeOther}) == nil {
		t.Error("signed without a browser")
	}
	// Person two waits: there is nothing to see yet.
	v, err := b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(two))
	if b.ok(err); v.Body.Documents != nil || v.Order.Signatories[1].State != signing.Waiting {
		t.Errorf("before the turn: %+v", v.Body)
	}
	if _, err := b.service.File(ctx, "kommun", o.ID, 2, b.guest(two), 1); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("a file before the turn: %v", err)
	}
	b.is(b.service.Decline(ctx, "kommun", o.ID, 2, b.guest(two), ""), signing.ErrNotNow)
	if list, err := b.service.Awaiting(ctx, "kommun", b.guest(two)); err != nil || len(list) != 0 {
		t.Errorf("awaiting before the turn: %d, %v", len(list), err)
	}
	if len(b.begun) != 0 {
		t.Errorf("%d e-ID orders were begun", len(b.begun))
	}
	b.settle(b.proof(b.sign(o, 1, one)))
	b.is(try(1, b.guest(one), good), signing.ErrDone)
	b.infos[1].TextLimit = 10 // since the order was made
	if err := try(2, b.guest(two), good); !errors.As(err, &bad) {
		t.Errorf("a text that is longer than the e-ID shows: %v", err)
	}
	b.infos[1].TextLimit = 30000
	if v, err = b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(two)); err != nil || len(v.Body.Documents) != 2 {
		t.Errorf("at the turn: %v", err)
	}
	b.wait(31 * 24 * time.Hour)
	b.is(try(2, b.guest(two), good), signing.ErrLate)
}

func TestDoubleClick(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	start := orders.Start{Digest: o.Digest, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "x"}
	click := func(s orders.Start) broker.OrderID {
		t.Helper()
		eid, err := b.service.Sign(ctx, "kommun", o.ID, 1, b.guest(one), s)
		b.ok(err)
		return eid
	}
	first := click(start)
	b.wait(2 * time.Second)
	if click(start) != first {
		t.Error("two clicks, two orders")
	}
	other := start
	other.Browser = "y"
	if click(other) == first {
		t.Error("another browser got the same order")
	}
	failed := b.proof(first)
	failed.Done, failed.Failed = nil, &providers.Failed{Reason: providers.Cancelled}
	b.settle(failed)
	second := click(start)
	if second == first {
		t.Error("an order that is over was given again")
	}
	b.wait(3 * time.Second)
	if click(start) == second {
		t.Error("three seconds later it is a new wish")
	}
	b.fail["begin"] = &providers.BadRequest{Field: "x", Problem: "y"}
	b.wait(time.Minute)
	var bad *providers.BadRequest
	if _, err := b.service.Sign(ctx, "kommun", o.ID, 1, b.guest(one), start); !errors.As(err, &bad) {
		t.Errorf("begin: %v", err)
	}
	b.fail = map[string]error{}
	n := len(b.begun)
	click(start)
	if len(b.begun) != n+1 {
		t.Error("after one that did not begin, the next is taken for a second click")
	}
	// Nor is one that could not be stored.
	b.wait(time.Minute)
	for _, after := range []bool{false, true} {
		b.store.cut = func(a bool) error {
			if a == after {
				return errCut
			}
			return nil
		}
		_, err := b.service.Sign(ctx, "kommun", o.ID, 1, b.guest(one), start)
		b.is(err, errCut)
		b.store.cut = nil
	}
	n = len(b.begun)
	click(start)
	if len(b.begun) != n+1 {
		t.Error("after a power cut, the next is taken for a second click")
	}
	// Many at once.
	b.wait(time.Minute)
	n = len(b.begun)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := b.service.Sign(ctx, "kommun", o.ID, 1, b.guest(one), start); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(b.begun) != n+1 {
		t.Errorf("eight clicks, %d orders", len(b.begun)-n)
	}
}

// TestResults: what does not count is discarded, once, with its reason.
func TestResults(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *bench, o signing.Order, s *flow.Settled)
		want   string
	}{
		"failed": {func(_ *bench, _ signing.Order, s *flow.Settled) {
			s.Done, s.Failed = nil, &providers.Failed{Reason: providers.TimedOut}
		}, "timed_out"},
		"no reason": {func(_ *bench, _ signing.Order, s *flow.Settled) { s.Done, s.Failed = nil, &providers.Failed{} }, "unknown"},
		"late": {func(_ *bench, o signing.Order, s *flow.Settled) {
			s.Done.Identity.At = o.Deadline.Add(signing.Grace + time.Second)
		}, orders.OutcomeLate},
		"in time, told late": {func(b *bench, o signing.Order, s *flow.Settled) {
			s.Done.Identity.At = o.Deadline.Add(signing.Grace - time.Second)
		}, orders.OutcomeSigned},
		"changed": {func(b *bench, o signing.Order, _ *flow.Settled) {
			_, err := b.service.Change(ctx, "kommun", o.ID, []signing.Document{{Name: "Ny", Kind: signing.KindText, Text: "ny"}})
			b.ok(err)
		}, orders.OutcomeOutdated},
		"cancelled": {func(b *bench, o signing.Order, _ *flow.Settled) {
			_, err := b.service.Cancel(ctx, "kommun", o.ID)
			b.ok(err)
		}, orders.OutcomeOver},
		"replaced": {func(b *bench, o signing.Order, _ *flow.Settled) {
			_, err := b.service.Replace(ctx, "kommun", o.ID, 1, signing.WishedSignatory{Number: three, Name: "Testperson Tre", Invite: signing.InviteNone})
			b.ok(err)
		}, orders.OutcomeAlready},
		"signed in another tab": {func(b *bench, o signing.Order, _ *flow.Settled) { b.settle(b.proof(b.sign(o, 1, one))) }, orders.OutcomeAlready},
		"another person":        {func(b *bench, _ signing.Order, s *flow.Settled) { s.Done.Identity.Number = number(b.t, two) }, orders.OutcomeUnfit},
		"asked of another":      {func(b *bench, _ signing.Order, s *flow.Settled) { s.Request.Number = number(b.t, two) }, orders.OutcomeUnfit},
		"not locked":            {func(_ *bench, _ signing.Order, s *flow.Settled) { s.Order.Locked = false }, orders.OutcomeUnfit},
		"a login":               {func(_ *bench, _ signing.Order, s *flow.Settled) { s.Order.Kind = providers.KindAuth }, orders.OutcomeUnfit},
		"no binding":            {func(_ *bench, _ signing.Order, s *flow.Settled) { s.Request.Binding = []byte("x") }, orders.OutcomeUnfit},
		"another binding":       {func(_ *bench, _ signing.Order, s *flow.Settled) { s.Request.Binding = signing.Binding([32]byte{1}) }, orders.OutcomeOutdated},
		"no evidence":           {func(_ *bench, _ signing.Order, s *flow.Settled) { s.Done.Evidence.Bytes = nil }, orders.OutcomeUnfit},
		"not to be believed":    {func(b *bench, _ signing.Order, _ *flow.Settled) { b.fail["believe"] = errors.New("unknown root") }, orders.OutcomeDoubted},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			o := b.create(wish())
			eid := b.sign(o, 1, one)
			s := b.proof(eid)
			c.change(b, o, &s)
			for range 3 {
				b.settle(s)
			}
			_, a, err := b.store.Attempt(ctx, string(eid))
			if b.ok(err); a.Outcome != c.want {
				t.Errorf("outcome %q", a.Outcome)
			}
			discarded := 0
			for _, e := range b.events(o.ID) {
				if strings.HasPrefix(e, "signature_discarded "+c.want) {
					discarded++
				}
			}
			if want := map[bool]int{false: 1}[s.Failed != nil || c.want == orders.OutcomeSigned]; discarded != want {
				t.Errorf("discarded %d times: %v", discarded, b.events(o.ID))
			}
			_, err = b.store.Part(ctx, o.ID, "evidence/1")
			if kept := err == nil; kept != (c.want == orders.OutcomeSigned || name == "signed in another tab") {
				t.Errorf("evidence kept: %v", kept)
			}
		})
	}
}

// TestDoubted: the last signature is one that the published trust does not bear
// out. It does not count, the operator is told why, and the person signs again.
func TestDoubted(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.settle(b.proof(b.sign(o, 1, one)))
	b.fail["believe"] = errors.New("it ends at nobody in the trust file")
	eid := b.sign(o, 2, two)
	s := b.proof(eid)
	b.settle(s)
	b.settle(s)
	if o = b.order(o.ID); o.State != signing.Open || o.Signatories[1].Signature != nil || o.Signatories[1].State == signing.Signed || !o.CompletedAt.IsZero() {
		t.Errorf("the order is %s, signatory two %s", o.State, o.Signatories[1].State)
	}
	if out, err := b.service.Outcome(ctx, "kommun", o.ID, 2, b.guest(two), eid); err != nil || out != orders.OutcomeDoubted {
		t.Errorf("outcome %q, %v", out, err)
	}
	log := b.log.String()
	if strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "nobody in the trust file") || !strings.Contains(log, string(eid)) || strings.Contains(log, two) {
		t.Error("the log does not say once what is to be mended, and of which e-ID order")
	}
	b.fail["believe"] = nil
	b.wait(time.Minute)
	b.settle(b.proof(b.sign(o, 2, two)))
	if o = b.order(o.ID); o.State != signing.Sealing {
		t.Errorf("after the trust file is mended the order is %s", o.State)
	}
}

// TestForeignResults: what is not ours changes nothing and is not told again.
func TestForeignResults(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	eid := b.sign(o, 1, one)
	for name, change := range map[string]func(*flow.Settled){
		"another owner":       func(s *flow.Settled) { s.Order.Owner = "login" },
		"no reference":        func(s *flow.Settled) { s.Order.Ref = "" },
		"another order":       func(s *flow.Settled) { s.Order.Ref = broker.NewID() + "/1" },
		"another signatory":   func(s *flow.Settled) { s.Order.Ref = o.ID + "/2" },
		"another client":      func(s *flow.Settled) { s.Order.Client = "other" },
		"an unknown order":    func(s *flow.Settled) { s.Order.ID = "x" },
		"neither done nor so": func(s *flow.Settled) { s.Done = nil },
		"both":                func(s *flow.Settled) { s.Failed = &providers.Failed{} },
	} {
		s := b.proof(eid)
		change(&s)
		if err := b.service.Settled(ctx, s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if signed, _ := func() (int, int) { o := b.order(o.ID); return o.Signed() }(); signed != 0 {
		t.Error("somebody has signed")
	}
	// While the database is away it is told again.
	b.store.cut = func(bool) error { return errCut }
	if err := b.service.Settled(ctx, b.proof(eid)); !errors.Is(err, errCut) {
		t.Errorf("without a database: %v", err)
	}
	b.store.cut = nil
	b.settle(b.proof(eid))
	if o := b.order(o.ID); o.Signatories[0].State != signing.Signed {
		t.Error("the signature is lost")
	}
}

func TestByCode(t *testing.T) {
	b := newBench(t)
	w := wish()
	w.Signatories[1].Invite = signing.InviteCode
	o := b.create(w)
	b.workAll()
	codes := []string{}
	for _, text := range []string{b.mails[0].Message.Text, b.sms[0].Text} {
		if strings.Contains(text, "://") || !strings.Contains(text, "legitimera.example.se/signing/kommun") {
			t.Errorf("a link, or no way: %s", text)
		}
	}
	_, rest, _ := strings.Cut(b.mails[0].Message.Text, "Din kod: ")
	codes = append(codes, rest[:9], b.sms[0].Text[len(b.sms[0].Text)-9:])
	for _, code := range append(codes, strings.ToLower(codes[0]), strings.ReplaceAll(codes[1], " ", "")) {
		if id, n, err := b.service.ByCode(ctx, "kommun", code, b.guest(two)); err != nil || id != o.ID || n != 2 {
			t.Errorf("code %q: %v", code, err)
		}
	}
	// Another person's right code is a wrong one.
	if _, _, err := b.service.ByCode(ctx, "kommun", codes[0], b.guest(alien)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("another's code: %v", err)
	}
	for range 20 { // right ones are not counted
		_, _, err := b.service.ByCode(ctx, "kommun", codes[0], b.guest(two))
		b.ok(err)
	}
	for i, wrong := range []string{"BCDF 2345", "", "x", "zzzz zzzz", "2222 2222"} {
		b.wait(time.Minute)
		if _, _, err := b.service.ByCode(ctx, "kommun", wrong, b.guest(two)); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("wrong code %d: %v", i, err)
		}
	}
	if _, _, err := b.service.ByCode(ctx, "kommun", codes[0], b.guest(two)); !errors.Is(err, orders.ErrTooMany) {
		t.Errorf("after five wrong ones: %v", err)
	}
	if _, _, err := b.service.ByCode(ctx, "other", codes[0], b.guest(two)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("another client counts by itself: %v", err)
	}
	b.again()
	if _, _, err := b.service.ByCode(ctx, "kommun", codes[0], b.guest(two)); !errors.Is(err, orders.ErrTooMany) {
		t.Errorf("after a restart: %v", err)
	}
	b.wait(56 * time.Minute)
	if _, _, err := b.service.ByCode(ctx, "kommun", codes[0], b.guest(two)); err != nil {
		t.Errorf("an hour after the first wrong one: %v", err)
	}
	b.wait(2 * time.Hour)
	var group sync.WaitGroup
	var mu sync.Mutex
	looked := 0
	for range 12 {
		group.Go(func() {
			_, _, err := b.service.ByCode(ctx, "kommun", "BCDF 2345", b.guest(two))
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, broker.ErrNotFound) {
				looked++
			} else if !errors.Is(err, orders.ErrTooMany) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if looked > 5 {
		t.Errorf("%d tries at once were looked up", looked)
	}
	// Who has no link gets a code for the receipt too.
	b.wait(2 * time.Hour)
	b.settle(b.proof(b.sign(o, 1, one)))
	b.settle(b.proof(b.sign(o, 2, two)))
	b.workAll()
	if _, _, err := b.service.ByCode(ctx, "kommun", codes[0], b.guest(two)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("an old code: %v", err)
	}
	_, rest, _ = strings.Cut(b.mails[len(b.mails)-1].Message.Text, "Din kod: ")
	if id, n, err := b.service.ByCode(ctx, "kommun", rest[:9], b.guest(two)); err != nil || id != o.ID || n != 2 {
		t.Errorf("the receipt's code: %v", err)
	}
	if _, err := b.service.ReceiptFor(ctx, "kommun", o.ID, 2, b.guest(two)); err != nil {
		t.Error(err)
	}
}

func TestCorrect(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.workAll()
	old := link(b.mails[0].Message.Text)
	b.ok(func() error { _, err := b.service.Remind(ctx, "kommun", o.ID); return err }()) // queued for the old address
	if _, err := b.service.Correct(ctx, "kommun", o.ID, 2, signing.Contact{Email: "x", Invite: signing.InviteEmail}); faults(t, err)[0] != "email" {
		t.Error(err)
	}
	b.settle(b.proof(b.sign(o, 1, one)))
	got, err := b.service.Correct(ctx, "kommun", o.ID, 2, signing.Contact{Email: "new@example.se", Invite: signing.InviteEmail})
	b.ok(err)
	if got.Signatories[0].State != signing.Signed {
		t.Error("a signature was voided")
	}
	_, err = b.service.Correct(ctx, "kommun", o.ID, 2, signing.Contact{Email: "new@example.se", Invite: signing.InviteEmail})
	b.is(err, signing.ErrUnchanged)
	_, err = b.service.Correct(ctx, "kommun", o.ID, 9, signing.Contact{Email: "new@example.se", Invite: signing.InviteEmail})
	b.is(err, signing.ErrNoSuch)
	_, err = b.service.Correct(ctx, "kommun", o.ID, 1, signing.Contact{Email: "new@example.se", Invite: signing.InviteEmail})
	b.is(err, signing.ErrDone)
	b.workAll()
	if len(b.mails) != 2 || b.mails[1].To != "new@example.se" || len(b.sms) != 1 {
		t.Fatalf("written to %+v", b.mails)
	}
	if _, _, err := b.service.ByToken(ctx, "kommun", old, b.guest(two)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the old invitation: %v", err)
	}
	if _, _, err := b.service.ByToken(ctx, "kommun", link(b.mails[1].Message.Text), b.guest(two)); err != nil {
		t.Errorf("the new one: %v", err)
	}
}

func TestRevise(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.workAll()
	b.settle(b.proof(b.sign(o, 1, one)))
	changed, err := b.service.Change(ctx, "kommun", o.ID, []signing.Document{
		{Name: "Avtal", Kind: signing.KindText, Text: "nytt avtal"}, {Name: "A", Kind: signing.KindText, Text: "a"},
		{Name: "Bild", Kind: signing.KindFile, Type: "image/png", File: []byte("\x89PNG\r\n\x1a\nny")}})
	b.ok(err)
	if changed.Digest == o.Digest || changed.Revision != 2 || changed.Signatories[0].State != signing.Invited {
		t.Fatalf("changed: %+v", changed)
	}
	for _, part := range []string{"evidence/1", "file/2"} {
		if _, err := b.store.Part(ctx, o.ID, part); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("%s is still there: %v", part, err)
		}
	}
	d, err := b.service.File(ctx, "kommun", o.ID, 1, b.guest(one), 2)
	if b.ok(err); string(d.File) != "\x89PNG\r\n\x1a\nny" {
		t.Errorf("file %q", d.File)
	}
	b.workAll()
	if n := len(b.mails); n != 2 || !strings.Contains(b.mails[1].Message.Subject, "igen") {
		t.Errorf("%d mails", n)
	}

	replaced, err := b.service.Replace(ctx, "kommun", o.ID, 2, signing.WishedSignatory{Number: three, Name: "Testperson Tre", Invite: signing.InviteNone})
	b.ok(err)
	if replaced.Revision != 3 || len(replaced.Signatories) != 3 {
		t.Fatalf("replaced: %+v", replaced)
	}
	if _, err := b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(two)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("who was replaced sees: %v", err)
	}
	if list, err := b.service.Awaiting(ctx, "kommun", b.guest(two)); err != nil || len(list) != 0 {
		t.Errorf("who was replaced finds: %v %v", list, err)
	}
	if list, err := b.service.Awaiting(ctx, "kommun", b.guest(three)); err != nil || len(list) != 1 || list[0].N != 3 {
		t.Errorf("the new one finds: %v %v", list, err)
	}
	if d, err = b.service.File(ctx, "kommun", o.ID, 3, b.guest(three), 2); err != nil || !strings.HasSuffix(string(d.File), "ny") {
		t.Errorf("the file after the second change: %v", err)
	}
	_, err = b.service.Replace(ctx, "kommun", o.ID, 3, signing.WishedSignatory{Number: one, Name: "X", Invite: signing.InviteNone})
	b.is(err, signing.ErrSamePerson)
	b.workAll()
	if m := b.mails[len(b.mails)-1]; m.To != "two@example.se" || !strings.Contains(m.Message.Subject, "behöver inte") {
		t.Errorf("who was replaced is told %q", m.Message.Subject)
	}
	if _, err := b.service.Change(ctx, "kommun", o.ID, []signing.Document{{Name: "x"}}); faults(t, err)[0] != "documents[0]" {
		t.Error(err)
	}
	limits := slices.Clone(b.infos)
	for i := range b.infos {
		b.infos[i].TextLimit = 10
	}
	if _, err := b.service.Change(ctx, "kommun", o.ID, []signing.Document{{Name: "x", Kind: signing.KindText, Text: "x"}}); faults(t, err)[0] != "documents" {
		t.Error(err)
	}
	copy(b.infos, limits)
	b.settle(b.proof(b.sign(o, 1, one)))
	b.settle(b.proof(b.sign(o, 3, three)))
	b.workAll()
	b.state(o.ID, signing.Completed)
	_, err = b.service.Change(ctx, "kommun", o.ID, []signing.Document{{Name: "x", Kind: signing.KindText, Text: "x"}})
	b.is(err, signing.ErrOver)
}

func TestEnds(t *testing.T) {
	for name, end := range map[signing.State]func(b *bench, id string) error{
		signing.Cancelled: func(b *bench, id string) error { _, err := b.service.Cancel(ctx, "kommun", id); return err },
		signing.Refused: func(b *bench, id string) error {
			return b.service.Decline(ctx, "kommun", id, 1, b.guest(one), "Fel barn")
		},
		signing.Expired: func(b *bench, id string) error {
			b.wait(30*24*time.Hour + signing.Grace)
			orders.Due(ctx, b.service)
			return nil
		},
	} {
		t.Run(string(name), func(t *testing.T) {
			b := newBench(t)
			w := wish()
			w.Sequence = signing.Groups
			w.Signatories[0].Group, w.Signatories[1].Group = 1, 1
			w.Signatories = append(w.Signatories, signing.WishedSignatory{Number: three, Name: "Testperson Tre", Email: "three@example.se", Invite: signing.InviteEmail, Group: 1})
			o := b.create(w)
			b.settle(b.proof(b.sign(o, 3, three)))
			b.fail["mail"] = errors.New("down")
			b.work()
			b.fail = map[string]error{}
			b.is(b.service.Delete(ctx, "kommun", o.ID), orders.ErrStillOpen)
			b.ok(end(b, o.ID))
			b.state(o.ID, name)
			for _, e := range b.store.pending {
				if e.Kind == string(signing.SendInvitation) {
					t.Errorf("%s still waits to be sent", e.ID)
				}
			}
			b.workAll()
			for _, m := range b.mails {
				if m.Message.Subject == "Exempelby kommun ber om din underskrift" {
					t.Errorf("%s was invited to what is over", m.To)
				}
			}
			if len(b.mails) != 2 {
				t.Errorf("%d were told that it is over", len(b.mails))
			}
			news := b.news()
			if last := news[len(news)-1]; !strings.HasPrefix(last, "order."+string(name)) {
				t.Errorf("webhooks %v", news)
			}
			row, err := b.store.Order(ctx, "kommun", o.ID)
			if b.ok(err); row.Key != nil || row.Body != nil {
				t.Error("the order's own key is still there")
			}
			for _, part := range []string{"evidence/3", "file/2"} {
				if _, err := b.store.Part(ctx, o.ID, part); !errors.Is(err, broker.ErrNotFound) {
					t.Errorf("%s is still there: %v", part, err)
				}
			}
			v, err := b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(two))
			if b.ok(err); v.Order.State != name || v.Body.Documents != nil || v.Order.Signatories[0].Reason != "" {
				t.Errorf("visit: %+v", v.Order)
			}
			_, err = b.service.Cancel(ctx, "kommun", o.ID)
			b.is(err, signing.ErrOver)
			_, err = b.service.Remind(ctx, "kommun", o.ID)
			b.is(err, signing.ErrOver)
			b.wait(89 * 24 * time.Hour)
			orders.Due(ctx, b.service)
			b.state(o.ID, name)
			b.wait(2 * 24 * time.Hour)
			orders.Due(ctx, b.service)
			_, err = b.service.Order(ctx, "kommun", o.ID)
			b.is(err, broker.ErrNotFound)
		})
	}
}

func TestReminders(t *testing.T) {
	b := newBench(t)
	w := wish()
	w.Reminders = []int{1, 3, 7}
	w.Deadline = b.clock().Add(10 * 24 * time.Hour)
	o := b.create(w)
	b.workAll()
	count := func() int {
		orders.Due(ctx, b.service)
		orders.Due(ctx, b.service)
		b.workAll()
		return len(b.mails) - 1
	}
	for _, step := range []struct {
		days, want int
	}{{2, 0}, {1, 1}, {0, 1}, {1, 1}, {5, 2}, {0, 2}} { // the last: two were missed, one is sent
		b.wait(time.Duration(step.days) * 24 * time.Hour)
		if got := count(); got != step.want {
			t.Errorf("after %v: %d reminders", b.clock().Sub(o.Created), got)
		}
		row, err := b.store.Order(ctx, "kommun", o.ID)
		b.ok(err)
		b.ok(orders.Turn(ctx, b.service, row)) // as another node that looked it up before
		if got := count(); got != step.want {
			t.Errorf("what had been done was done again: %d reminders", got)
		}
	}
	if first, second := link(b.mails[0].Message.Text), link(b.mails[1].Message.Text); first == second {
		t.Error("a reminder has the token of the invitation")
	} else if _, _, err := b.service.ByToken(ctx, "kommun", first, b.guest(two)); err != nil {
		t.Errorf("the first invitation has died: %v", err)
	}
	_, err := b.service.Remind(ctx, "kommun", o.ID)
	b.is(err, orders.ErrTooSoon)
	b.wait(61 * time.Minute)
	_, err = b.service.Remind(ctx, "kommun", o.ID)
	b.ok(err)
	b.workAll()
	if len(b.mails) != 4 {
		t.Errorf("%d mails", len(b.mails))
	}
	// Nobody is reminded of what they have done, or of what is over.
	b.settle(b.proof(b.sign(o, 2, two)))
	b.wait(2 * time.Hour)
	_, err = b.service.Remind(ctx, "kommun", o.ID)
	b.ok(err)
	b.workAll()
	if len(b.mails) != 4 {
		t.Error("somebody who has signed was reminded")
	}
}

// TestNoReminderTooLate: after the deadline nobody is asked any more.
func TestNoReminderTooLate(t *testing.T) {
	b := newBench(t)
	w := wish()
	w.Reminders, w.Deadline = []int{1}, b.clock().Add(48*time.Hour)
	b.create(w)
	b.workAll()
	b.wait(48*time.Hour + time.Minute)
	orders.Due(ctx, b.service)
	orders.Due(ctx, b.service)
	if b.workAll(); len(b.mails) != 1 {
		t.Errorf("reminded after the deadline: %d", len(b.mails))
	}
}

// TestReadingIsAnAct: once for each login and each revision.
func TestReadingIsAnAct(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	g := b.guest(two)
	read := func() (n int) {
		for range 3 {
			_, err := b.service.Visit(ctx, "kommun", o.ID, 2, g)
			b.ok(err)
		}
		for _, e := range b.events(o.ID) {
			if e == "read documents *" {
				n++
			}
		}
		return n
	}
	if n := read(); n != 1 {
		t.Errorf("read %d times in one login", n)
	}
	b.wait(time.Minute)
	g = b.guest(two)
	if n := read(); n != 2 {
		t.Errorf("read %d times in two", n)
	}
	_, err := b.service.Change(ctx, "kommun", o.ID, []signing.Document{{Name: "Ny", Kind: signing.KindText, Text: "ny"}})
	b.ok(err)
	if n := read(); n != 3 {
		t.Errorf("read %d times after a change", n)
	}
}

// TestCompletedIsKept: retention of completed orders is its own.
func TestCompletedIsKept(t *testing.T) {
	b := newBench(t)
	w := wish()
	w.Signatories = nil
	o := b.create(w)
	b.workAll()
	b.state(o.ID, signing.Completed)
	if o.CompletedAt.IsZero() {
		t.Error("sealed alone, and no time")
	}
	b.wait(2*365*24*time.Hour - time.Hour)
	orders.Due(ctx, b.service)
	b.state(o.ID, signing.Completed)
	b.config.Keep.Completed = 3 * 365 * 24 * time.Hour // since then longer
	b.again()
	b.wait(2 * time.Hour)
	b.ok(orders.Purge(ctx, b.service))
	orders.Due(ctx, b.service)
	b.state(o.ID, signing.Completed)
	if rows, err := b.store.Due(ctx, b.clock(), orders.Mark{}, 10); err != nil || len(rows) != 0 {
		t.Errorf("it stays due for ever: %d, %v", len(rows), err)
	}
	b.config.Keep.Completed = 24 * time.Hour // and now shorter
	b.again()
	b.wait(90 * 24 * time.Hour)
	orders.Due(ctx, b.service)
	b.ok(orders.Purge(ctx, b.service))
	_, err := b.service.Order(ctx, "kommun", o.ID)
	b.is(err, broker.ErrNotFound)
}

func TestDelivery(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.fail["mail"] = errors.New("down")
	b.work()
	b.giveUp("invite")
	b.workAll()
	s := b.order(o.ID).Signatories[1]
	if s.State != signing.Invited || s.Deliveries[0].State != signing.Bounced || s.Deliveries[1].State != signing.Sent {
		t.Errorf("one of two arrived: %+v", s)
	}
	b.wait(2 * time.Hour)
	b.fail["sms"] = errors.New("down")
	_, err := b.service.Remind(ctx, "kommun", o.ID)
	b.ok(err)
	b.work()
	b.giveUp("remind")
	b.workAll()
	if s = b.order(o.ID).Signatories[1]; s.State != signing.DeliveryFailed {
		t.Errorf("none arrived: %+v", s)
	}
	if diff := cmp.Diff([]string{"signatory.delivery_failed 2", "signatory.delivery_failed 2", "signatory.delivery_failed 2"}, b.news()); diff != "" {
		t.Error(diff)
	}
	// Not even then is anybody shut out.
	if _, err := b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(two)); err != nil {
		t.Error(err)
	}
	if s = b.order(o.ID).Signatories[1]; s.State != signing.Opened {
		t.Errorf("opened: %s", s.State)
	}
}

// TestNewsOfOldMessages: what became of an older message says nothing of the
// newest.
func TestNewsOfOldMessages(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	old := slices.Clone(b.store.pending)
	b.wait(time.Hour)
	_, err := b.service.Remind(ctx, "kommun", o.ID)
	b.ok(err)
	b.workAll()
	if len(b.mails) != 1 || !strings.Contains(b.mails[0].Message.Subject, "Påminnelse") {
		t.Errorf("the older message was sent too: %d", len(b.mails))
	}
	for _, e := range old {
		b.ok(b.service.Handlers()[e.Kind].GaveUp(ctx, e, errors.New("no")))
	}
	for _, d := range b.order(o.ID).Signatories[1].Deliveries {
		if d.State != signing.Sent {
			t.Errorf("%s is %s", d.Channel, d.State)
		}
	}
}

func TestHooks(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.settle(b.proof(b.sign(o, 1, one)))
	entry := b.store.all[slices.IndexFunc(b.store.all, func(e outbox.Entry) bool { return e.Kind == orders.KindWebhook })]
	if !strings.HasPrefix(entry.ID, "evt_") || entry.Stream != o.ID || entry.Ref != o.ID {
		t.Errorf("entry %+v", entry)
	}
	do := b.service.Handlers()[orders.KindWebhook].Do
	b.ok(do(ctx, entry))
	b.ok(do(ctx, entry))
	if len(b.hooks) != 2 || b.hooks[0].ID != b.hooks[1].ID || string(b.hooks[0].Body) != string(b.hooks[1].Body) || b.hooks[0].URL != "https://app.example.se/hook" {
		t.Errorf("twice the same: %+v", b.hooks)
	}
	want := fmt.Sprintf(`{"type":"signatory.signed","timestamp":%q,"data":{"order":%q,"signatory":1,"state":"open","reference":"F-17"}}`, b.clock().Format(time.RFC3339Nano), o.ID)
	if string(b.hooks[0].Body) != want {
		t.Errorf("body %s", b.hooks[0].Body)
	}
	var permanent interface{ Permanent() bool }
	c := b.clients["kommun"]
	c.CallbackOrigins = nil
	b.clients["kommun"] = c
	if err := do(ctx, entry); !errors.As(err, &permanent) {
		t.Errorf("an origin that is no longer registered: %v", err)
	}
	delete(b.clients, "kommun")
	if err := do(ctx, entry); !errors.As(err, &permanent) {
		t.Errorf("a client that is gone: %v", err)
	}
	entry.Payload = []byte("{}")
	if err := do(ctx, entry); !errors.As(err, &permanent) {
		t.Errorf("an entry of another form: %v", err)
	}
}

// TestSealing: nothing is released that the verifier has not accepted, and of any
// number of tries one counts.
func TestSealing(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.settle(b.proof(b.sign(o, 1, one)))
	b.settle(b.proof(b.sign(o, 2, two)))
	b.fail["verify"] = errors.New("bad")
	b.workAll()
	b.state(o.ID, signing.Sealing)
	if _, err := b.service.Receipt(ctx, "kommun", o.ID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("released: %v", err)
	}
	if _, err := b.service.Cancel(ctx, "kommun", o.ID); !errors.Is(err, signing.ErrOver) {
		t.Errorf("cancelled when everybody had signed: %v", err)
	}
	b.is(b.service.Delete(ctx, "kommun", o.ID), orders.ErrStillOpen)
	b.fail = map[string]error{}
	entry := b.store.all[slices.IndexFunc(b.store.all, func(e outbox.Entry) bool { return e.Kind == orders.KindSeal })]
	seal := b.service.Handlers()[orders.KindSeal].Do
	// The power goes before the receipt is stored, and right after.
	cuts := 0
	b.store.cut = func(after bool) error {
		if cuts++; cuts == 1 || cuts == 3 {
			return errCut
		}
		return nil
	}
	b.is(seal(ctx, entry), errCut)
	b.state(o.ID, signing.Sealing)
	b.is(seal(ctx, entry), errCut)
	b.state(o.ID, signing.Completed)
	b.store.cut = nil
	first, err := b.service.Receipt(ctx, "kommun", o.ID)
	b.ok(err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := seal(ctx, entry); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	again, err := b.service.Receipt(ctx, "kommun", o.ID)
	if b.ok(err); string(again) != string(first) {
		t.Error("the receipt was made again")
	}
	completed := 0
	for _, e := range b.events(o.ID) {
		if e == "order_completed" {
			completed++
		}
	}
	b.workAll()
	if news := b.news(); completed != 1 || news[len(news)-1] != "order.completed" || len(news) != 4 {
		t.Errorf("completed %d times, webhooks %v", completed, news)
	}
}

// TestNeverSealed: what everybody has signed is tried for ever, and told of each
// time; after a day its client may give it up.
func TestNeverSealed(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.settle(b.proof(b.sign(o, 1, one)))
	late := b.proof(b.sign(o, 2, two))
	b.wait(29 * 24 * time.Hour) // before we heard of it
	b.settle(late)
	b.fail["verify"] = errors.New("bad")
	b.workAll()
	if log := b.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, o.ID) {
		t.Errorf("log: %s", log)
	}
	h := b.service.Handlers()[orders.KindSeal]
	if r := h.Retry; r.Age < 50*365*24*time.Hour || r.Attempts != 0 || r.Longest > 15*time.Minute || h.GaveUp != nil {
		t.Errorf("it is given up: %+v", r)
	}
	b.wait(24 * time.Hour)
	b.is(b.service.Delete(ctx, "kommun", o.ID), orders.ErrStillOpen)
	b.wait(time.Millisecond)
	b.is(b.service.Delete(ctx, "other", o.ID), broker.ErrNotFound)
	b.ok(b.service.Delete(ctx, "kommun", o.ID))
	if got := b.events(o.ID); got[len(got)-1] != "order_erased client, not sealed" {
		t.Errorf("audit ends with %s", got[len(got)-1])
	}
	if b.workAll(); len(b.store.pending) != 0 {
		t.Errorf("%d entries are left", len(b.store.pending))
	}
	for table, column := range map[string]string{"orders": "id", "bodies": "order_id", "parts": "order_id", "outbox": "ref"} {
		var n int
		if b.ok(b.db.Row(ctx, `SELECT count(*) FROM `+table+` WHERE `+column+` = $1`, o.ID).Scan(&n)); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}

// TestSealingAtOnce: several nodes may make the receipt; one is kept.
func TestSealingAtOnce(t *testing.T) {
	b := newBench(t)
	w := wish()
	w.Signatories = nil
	o := b.create(w)
	seal := b.service.Handlers()[orders.KindSeal].Do
	entry := b.store.all[slices.IndexFunc(b.store.all, func(e outbox.Entry) bool { return e.Kind == orders.KindSeal })]
	var group, all sync.WaitGroup
	all.Add(3)
	b.gate = func() {
		all.Done()
		all.Wait()
	}
	for range 3 {
		group.Go(func() {
			if err := seal(ctx, entry); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	b.state(o.ID, signing.Completed)
	completed := 0
	for _, e := range b.events(o.ID) {
		if e == "order_completed" {
			completed++
		}
	}
	if completed != 1 || b.sealed != 3 {
		t.Errorf("%d sealed, %d completed", b.sealed, completed)
	}
}

// TestAltered: what was exchanged in the database is not opened.
func TestAltered(t *testing.T) {
	b := newBench(t)
	x, y := b.create(wish()), b.create(wish())
	move := func(query string, args ...any) {
		t.Helper()
		b.ok(b.db.Write(ctx, func(tx *txOf) error { _, err := tx.Exec(query, args...); return err }))
	}
	visit := func(id string) error { _, err := b.service.Visit(ctx, "kommun", id, 2, b.guest(two)); return err }
	file := func(id string) error { _, err := b.service.File(ctx, "kommun", id, 2, b.guest(two), 1); return err }
	b.ok(visit(x.ID))
	b.ok(file(x.ID))
	move(`UPDATE parts SET sealed = (SELECT sealed FROM parts WHERE order_id = $1) WHERE order_id = $2`, y.ID, x.ID)
	if file(x.ID) == nil {
		t.Error("another order's file was opened")
	}
	move(`UPDATE bodies SET sealed = (SELECT sealed FROM bodies WHERE order_id = $1) WHERE order_id = $2`, y.ID, x.ID)
	if visit(x.ID) == nil {
		t.Error("another order's body was opened")
	}
	move(`UPDATE orders SET sealkey = (SELECT sealkey FROM orders WHERE id = $1) WHERE id = $2`, y.ID, x.ID)
	if visit(x.ID) == nil {
		t.Error("another order's key was used")
	}
	z := b.create(wish())
	move(`UPDATE orders SET state = 'sealing' WHERE id = $1`, z.ID)
	if visit(z.ID) == nil {
		t.Error("a state that was altered is believed")
	}
	old, err := b.store.Order(ctx, "kommun", y.ID)
	b.ok(err)
	b.ok(visit(y.ID))
	b.order(y.ID)
	move(`UPDATE orders SET head = $1 WHERE id = $2`, old.Head, y.ID)
	if _, err := b.service.Order(ctx, "kommun", y.ID); err == nil {
		t.Error("a head as it was before was opened")
	}
	move(`UPDATE orders SET head = (SELECT head FROM orders WHERE id = $1) WHERE id = $2`, y.ID, z.ID)
	if _, err := b.service.Order(ctx, "kommun", z.ID); err == nil {
		t.Error("another order's head was opened")
	}
}

// TestAtOnce: acts of many upon one order come one after the other, and none is
// lost.
func TestAtOnce(t *testing.T) {
	b := newBench(t)
	w := wish()
	people := []string{"196608182942", "198006299252", "198101199282", "198107039276", "198405299291", "198410039278"}
	w.Signatories = nil
	for i, p := range people {
		w.Signatories = append(w.Signatories, signing.WishedSignatory{Number: p, Name: fmt.Sprint("Testperson ", i), Invite: signing.InviteNone})
	}
	o := b.create(w)
	var group sync.WaitGroup
	for i, p := range people {
		eid := b.sign(o, i+1, p)
		s := b.proof(eid)
		for range 3 {
			group.Go(func() {
				for b.service.Settled(ctx, s) != nil { // as flow does
				}
			})
		}
		group.Go(func() { orders.Due(ctx, b.service) })
	}
	group.Wait()
	b.state(o.ID, signing.Sealing)
	signed := 0
	for _, e := range b.events(o.ID) {
		if e == "order_signed *" {
			signed++
		}
	}
	seals := 0
	for _, e := range b.store.all {
		if e.Kind == orders.KindSeal {
			seals++
		}
	}
	if signed != len(people) || seals != 1 {
		t.Errorf("%d signatures, %d seals", signed, seals)
	}
}
