package bankid

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
	"sigill/testidp/pki"
)

// inBubble runs a test with a clock that stands still until everybody waits.
func inBubble(t *testing.T, timings Timings, f func(*testing.T, *bench)) {
	t.Helper()
	if _, err := keys(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { f(t, newBench(t, timings)) })
}

func flagged(t *testing.T, b *bench, f persons.Flag) persons.Person {
	t.Helper()
	for _, p := range b.people {
		if p.Has(f) {
			return p
		}
	}
	t.Fatalf("nobody is %s", f)
	return persons.Person{}
}

func TestNobodyOpensTheOrder(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		first, second := b.start("auth", auth), b.start("auth", auth)
		time.Sleep(30*time.Second - time.Millisecond)
		b.wantHint(first.OrderRef, "pending", "outstandingTransaction")
		time.Sleep(time.Millisecond)
		b.wantHint(first.OrderRef, "failed", "startFailed")
		b.wantGone(first.OrderRef)
		if _, err := b.sim.Scan(control.Code{AutoStartToken: second.AutoStartToken}); err == nil {
			t.Error("an order that failed was opened")
		}
		time.Sleep(2*time.Minute + 40*time.Second - time.Millisecond)
		if got := len(b.sim.Orders()); got != 1 {
			t.Errorf("%d orders remembered, want the one not collected", got)
		}
		time.Sleep(time.Millisecond)
		b.wantGone(second.OrderRef)
	})
}

func TestNeverOpenedOrderIsCollectableFor190Seconds(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		s := b.start("auth", auth)
		time.Sleep(190*time.Second - time.Millisecond)
		b.wantHint(s.OrderRef, "failed", "startFailed")
	})
}

func TestNobodySigns(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		s := b.start("auth", auth)
		time.Sleep(10 * time.Second)
		b.sim.Scan(control.Code{AutoStartToken: s.AutoStartToken})
		time.Sleep(3*time.Minute - time.Millisecond)
		b.wantHint(s.OrderRef, "pending", "started")
		time.Sleep(5 * time.Minute) // a failure is kept for five minutes
		b.wantHint(s.OrderRef, "failed", "expiredTransaction")
		b.wantGone(s.OrderRef)
	})
}

func TestResultsAreKeptForAWhile(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		kept, lost := b.start("auth", auth), b.start("auth", auth)
		b.approve(kept.OrderRef, b.people[0].Number)
		b.approve(lost.OrderRef, b.people[0].Number)
		time.Sleep(3*time.Minute - time.Millisecond)
		if c := b.collect(kept.OrderRef); c.Status != "complete" {
			t.Errorf("status %q", c.Status)
		}
		time.Sleep(time.Millisecond)
		b.wantGone(lost.OrderRef)

		kept, lost = b.start("auth", auth), b.start("auth", auth)
		b.act(kept.OrderRef, control.Action{Action: "cancel"})
		b.act(lost.OrderRef, control.Action{Action: "cancel"})
		time.Sleep(5*time.Minute - time.Millisecond)
		b.wantHint(kept.OrderRef, "failed", "userCancel")
		time.Sleep(time.Millisecond)
		b.wantGone(lost.OrderRef)
	})
}

func TestProcessing(t *testing.T) {
	inBubble(t, Timings{Processing: 3 * time.Second}, func(t *testing.T, b *bench) {
		s := b.start("auth", auth)
		if r := b.approve(s.OrderRef, b.people[0].Number); r.State != "pending" || r.Hint != "processing" {
			t.Errorf("approve: %+v", r)
		}
		b.wantHint(s.OrderRef, "pending", "processing")
		if _, err := b.sim.Act(s.OrderRef, control.Action{Action: "cancel"}); err == nil {
			t.Error("an order was cancelled after it was approved")
		}
		time.Sleep(3 * time.Second)
		if c := b.collect(s.OrderRef); c.Status != "complete" {
			t.Errorf("status %q", c.Status)
		}
	})
}

func TestCancelByRelyingParty(t *testing.T) {
	b := newBench(t, Timings{})
	s := b.start("auth", auth)
	cancel := fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef)
	if status, answer := b.callAs(b.client("Grannkommunen"), "cancel", cancel); status != 400 {
		t.Errorf("another relying party cancelled: %s", answer)
	}
	if status, answer := b.call("cancel", cancel); status != 200 || answer != "{}" {
		t.Errorf("cancel: %d %s", status, answer)
	}
	if status, _ := b.call("cancel", cancel); status != 400 {
		t.Error("cancelled twice")
	}
	b.wantGone(s.OrderRef)
	if _, err := b.sim.Act(s.OrderRef, control.Action{Action: "approve", Pnr: b.people[0].Number}); err == nil {
		t.Error("approved after it was cancelled")
	}

	// A finished order keeps its result.
	s = b.start("auth", auth)
	b.approve(s.OrderRef, b.people[0].Number)
	if status, _ := b.call("cancel", fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef)); status != 400 {
		t.Error("a finished order was cancelled")
	}
	if c := b.collect(s.OrderRef); c.Status != "complete" {
		t.Errorf("status %q", c.Status)
	}
}

func TestCollectOnlyByTheCreator(t *testing.T) {
	b := newBench(t, Timings{})
	s := b.start("auth", auth)
	b.approve(s.OrderRef, b.people[0].Number)
	if status, answer := b.callAs(b.client("Grannkommunen"), "collect", fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef)); status != 400 || !strings.Contains(answer, noSuchOrder) {
		t.Errorf("another relying party collected: %d %s", status, answer)
	}
	if c := b.collect(s.OrderRef); c.Status != "complete" {
		t.Errorf("status %q", c.Status)
	}
}

func TestResultIsDeliveredOnce(t *testing.T) {
	b := newBench(t, Timings{})
	s := b.start("auth", auth)
	b.approve(s.OrderRef, b.people[0].Number)
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		complete int
	)
	for range 20 {
		wg.Go(func() {
			if _, answer := b.call("collect", fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef)); strings.Contains(answer, "completionData") {
				mu.Lock()
				complete++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if complete != 1 {
		t.Errorf("delivered %d times", complete)
	}
}

func TestOneOrderPerPerson(t *testing.T) {
	b := newBench(t, Timings{})
	p := b.people[0]
	body := `{"endUserIp":"192.0.2.1","requirement":{"personalNumber":"` + p.Number + `"}}`
	first := b.start("auth", body)
	b.start("auth", auth) // orders that name nobody do not count
	status, answer := b.callAs(b.client("Grannkommunen"), "auth", body)
	if want := `{"errorCode":"alreadyInProgress","details":"Order already in progress for pno"}`; status != 400 || answer != want {
		t.Fatalf("second start: %d %s", status, answer)
	}
	b.wantHint(first.OrderRef, "failed", "cancelled")
	b.wantGone(first.OrderRef)
	third := b.start("auth", body)
	b.approve(third.OrderRef, p.Number)
	b.start("auth", body) // the third is complete, though not collected
	if c := b.collect(third.OrderRef); c.Status != "complete" {
		t.Errorf("status %q", c.Status)
	}

	// A call names its person too.
	if status, _ := b.call("phone/auth", `{"personalNumber":"`+p.Number+`","callInitiator":"RP"}`); status != 400 {
		t.Errorf("call: %d", status)
	}
}

func TestSimultaneousStartsForOnePerson(t *testing.T) {
	b := newBench(t, Timings{})
	// Two that both found no live order when they looked.
	d := demand{pnr: b.people[1].Number, endUserIP: "192.0.2.1"}
	if _, ok := b.sim.start(d, pki.ReadRelyingParty(b.cert)); !ok {
		t.Error("the first did not start")
	}
	if _, ok := b.sim.start(d, pki.ReadRelyingParty(b.cert)); ok {
		t.Error("the second started")
	}
	body := `{"endUserIp":"192.0.2.1","requirement":{"personalNumber":"` + b.people[0].Number + `"}}`
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() { b.call("auth", body) })
	}
	wg.Wait()
	pending := 0
	for _, o := range b.sim.Orders() {
		if o.State == control.Pending {
			pending++
		}
	}
	if pending > 1 {
		t.Errorf("%d live orders for one person", pending)
	}
}

func TestWhichEIDSigns(t *testing.T) {
	b := newBench(t, Timings{})
	ordinary := b.people[0]
	for name, c := range map[string]struct {
		requirement string
		scanned     bool
		person      persons.Person
		device      string
		policy      string // of the e-ID that signs; empty: none may
	}{
		"anything, this device":     {"", false, ordinary, "", "1.2.3.4.25"},
		"anything, scanned":         {"", true, ordinary, "", "1.2.3.4.25"},
		"file only":                 {`"certificatePolicies":["1.2.3.4.5"]`, false, ordinary, "", "1.2.3.4.5"},
		"file or card":              {`"certificatePolicies":["1.2.3.4.5","1.2.3.4.10"]`, false, ordinary, "", "1.2.3.4.5"},
		"file only, scanned":        {`"certificatePolicies":["1.2.3.4.5"]`, true, ordinary, "", ""},
		"mobile only":               {`"certificatePolicies":["1.2.3.4.25"]`, false, ordinary, "", "1.2.3.4.25"},
		"all by star":               {`"certificatePolicies":["1.2.3.4.*"]`, false, ordinary, "", "1.2.3.4.25"},
		"production policy":         {`"certificatePolicies":["1.2.752.78.1.5"]`, false, ordinary, "", ""},
		"person chooses file":       {"", false, ordinary, "file", "1.2.3.4.5"},
		"person chooses no card":    {"", false, ordinary, "card", ""},
		"no phone":                  {"", false, flagged(t, b, persons.NoMobile), "", "1.2.3.4.5"},
		"no phone, scanned":         {"", true, flagged(t, b, persons.NoMobile), "", ""},
		"no phone, mobile only":     {`"certificatePolicies":["1.2.3.4.25"]`, false, flagged(t, b, persons.NoMobile), "", ""},
		"no file, file only":        {`"certificatePolicies":["1.2.3.4.5"]`, false, flagged(t, b, persons.NoFile), "", ""},
		"no e-ID":                   {"", false, flagged(t, b, persons.NoEID), "", ""},
		"card reader":               {`"cardReader":"class2","certificatePolicies":["1.2.3.4.10"]`, false, flagged(t, b, persons.Card), "", "1.2.3.4.10"},
		"card reader, no card":      {`"cardReader":"class2"`, false, ordinary, "", ""},
		"another person is needed":  {`"personalNumber":"` + b.people[1].Number + `"`, false, ordinary, "", ""},
		"the person that is needed": {`"personalNumber":"` + b.people[2].Number + `"`, false, b.people[2], "", "1.2.3.4.25"},
		"samordningsnummer":         {"", false, flagged(t, b, persons.Samordningsnummer), "", "1.2.3.4.25"},
	} {
		t.Run(name, func(t *testing.T) {
			body := auth
			if c.requirement != "" {
				body = `{"endUserIp":"192.0.2.1","requirement":{` + c.requirement + `}}`
			}
			e := b.expect(false, "", "")
			e.policies = []string{c.policy}
			s := b.start("auth", body)
			code := control.Code{AutoStartToken: s.AutoStartToken}
			if c.scanned {
				code = control.Code{QR: qrAt(s, 0)}
			}
			if _, err := b.sim.Scan(code); err != nil {
				t.Fatal(err)
			}
			_, err := b.sim.Act(s.OrderRef, control.Action{Action: "approve", Pnr: c.person.Number, Device: c.device})
			if c.policy == "" {
				if err == nil {
					t.Fatal("approved")
				}
				b.wantHint(s.OrderRef, "pending", "started")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if faults := verify(*b.collect(s.OrderRef).CompletionData, e); faults != nil {
				t.Errorf("verifier: %q", faults)
			}
		})
	}
}

func TestBlockedEID(t *testing.T) {
	b := newBench(t, Timings{})
	s := b.start("auth", auth)
	if r := b.approve(s.OrderRef, flagged(t, b, persons.Blocked).Number); r.State != "failed" || r.Hint != "certificateErr" {
		t.Errorf("approve: %+v", r)
	}
	b.wantHint(s.OrderRef, "failed", "certificateErr")
}

func TestFailWithAnyHint(t *testing.T) {
	b := newBench(t, Timings{})
	s := b.start("auth", auth)
	b.act(s.OrderRef, control.Action{Action: "fail", Hint: "notSupportedByUserApp"})
	b.wantHint(s.OrderRef, "failed", "notSupportedByUserApp")
}

func TestPassport(t *testing.T) {
	b := newBench(t, Timings{})
	p := b.people[0]
	s := b.start("auth", `{"endUserIp":"192.0.2.1","returnRisk":true,"requirement":{"mrtd":true}}`)
	b.act(s.OrderRef, control.Action{Action: "start", Pnr: p.Number})
	b.wantHint(s.OrderRef, "pending", "userMrtd")
	b.act(s.OrderRef, control.Action{Action: "start", Pnr: p.Number})
	b.wantHint(s.OrderRef, "pending", "userSign")
	b.approve(s.OrderRef, p.Number)
	if c := b.collect(s.OrderRef).CompletionData; !c.StepUp.MRTD || c.Risk != "low" {
		t.Errorf("stepUp %+v, risk %q", c.StepUp, c.Risk)
	}
}

func TestCall(t *testing.T) {
	b := newBench(t, Timings{})
	p := b.people[0]
	body := `{"personalNumber":"` + p.Number + `","callInitiator":"user"}`
	s := func() string {
		t.Helper()
		status, answer := b.call("phone/auth", body)
		if status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
		return strings.Split(answer, `"`)[3]
	}
	ref := s()
	b.wantHint(ref, "pending", "userCallConfirm")
	b.act(ref, control.Action{Action: "start"})
	b.wantHint(ref, "pending", "userSign")
	e := b.expect(false, "", "")
	e.policies, e.pnr = []string{"1.2.3.4.25"}, p.Number
	b.approve(ref, p.Number)
	if faults := verify(*b.collect(ref).CompletionData, e); faults != nil {
		t.Errorf("verifier: %q", faults)
	}
	ref = s()
	b.act(ref, control.Action{Action: "fail", Hint: "userDeclinedCall"})
	b.wantHint(ref, "failed", "userDeclinedCall")
}

// TestSomebodyElseSigns: an order that names a person stays where it is when
// another has it, and runs out.
func TestSomebodyElseSigns(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		right, wrong := b.people[0], b.people[1]
		body := `{"endUserIp":"192.0.2.1","userVisibleData":"` + b64("Avtal") + `","userNonVisibleData":"` + b64("digest") + `","requirement":{"personalNumber":"` + right.Number + `"}}`
		s := b.start("sign", body)
		if _, err := b.sim.Scan(control.Code{QR: qrAt(s, 0)}); err != nil {
			t.Fatal(err)
		}
		for _, action := range []string{"start", "approve"} {
			if _, err := b.sim.Act(s.OrderRef, control.Action{Action: action, Pnr: wrong.Number}); err == nil {
				t.Errorf("%s by somebody else", action)
			}
			b.wantHint(s.OrderRef, "pending", "started")
		}
		// Another's order is another matter.
		theirs := b.start("sign", strings.Replace(body, right.Number, wrong.Number, 1))
		b.approve(theirs.OrderRef, wrong.Number)
		if c := b.collect(theirs.OrderRef); c.Status != "complete" || c.CompletionData.User.PersonalNumber != wrong.Number {
			t.Errorf("collect: %+v", c)
		}
		time.Sleep(3 * time.Minute)
		b.wantHint(s.OrderRef, "failed", "expiredTransaction")
	})
}

func TestScanRefuses(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		s := b.start("auth", auth)
		time.Sleep(10 * time.Second)
		for name, c := range map[string]control.Code{
			"stale":            {QR: qrAt(s, 7)},
			"future":           {QR: qrAt(s, 13)},
			"forged":           {QR: "bankid." + s.QRStartToken + ".10." + strings.Repeat("0", 64)},
			"unknown":          {QR: "bankid.x.10." + strings.Repeat("0", 64)},
			"token as frame":   {QR: "bankid." + s.AutoStartToken + ".10." + frameMAC(s.QRStartSecret, 10)},
			"QR token as link": {AutoStartToken: s.QRStartToken},
			"order as link":    {AutoStartToken: s.OrderRef},
		} {
			if _, err := b.sim.Scan(c); err == nil {
				t.Errorf("%s: opened", name)
			}
		}
		b.wantHint(s.OrderRef, "pending", "outstandingTransaction")
		if _, err := b.sim.Scan(control.Code{QR: qrAt(s, 8)}); err != nil {
			t.Errorf("two seconds old: %v", err)
		}
		if _, err := b.sim.Scan(control.Code{QR: qrAt(s, 10)}); err == nil {
			t.Error("opened twice")
		}
	})
}

func TestTextThatTheAppCannotShow(t *testing.T) {
	b := newBench(t, Timings{})
	s := b.start("sign", `{"endUserIp":"192.0.2.1","userVisibleData":"`+b64("*inte stängd")+`","userVisibleDataFormat":"simpleMarkdownV1"}`)
	if _, err := b.sim.Act(s.OrderRef, control.Action{Action: "approve", Pnr: b.people[0].Number}); err == nil {
		t.Error("approved")
	}
	e := b.expect(true, b64("*stängd*"), "")
	e.markdown = true
	s = b.start("sign", `{"endUserIp":"192.0.2.1","userVisibleData":"`+b64("*stängd*")+`","userVisibleDataFormat":"simpleMarkdownV1"}`)
	b.approve(s.OrderRef, b.people[0].Number)
	if faults := verify(*b.collect(s.OrderRef).CompletionData, e); faults != nil {
		t.Errorf("verifier: %q", faults)
	}
}

func TestObedientPerson(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		p := b.people[3]
		b.autos.Set(control.Auto{Provider: "*", Pnr: p.Number, DelayMs: 1500})
		s := b.start("auth", auth)
		time.Sleep(1499 * time.Millisecond)
		b.wantHint(s.OrderRef, "pending", "outstandingTransaction")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if c := b.collect(s.OrderRef); c.Status != "complete" || c.CompletionData.User.PersonalNumber != p.Number {
			t.Errorf("collect: %+v", c)
		}
		// Without a number it is whoever the order requires.
		b.autos.Set(control.Auto{Provider: "bankid"})
		s = b.start("auth", `{"endUserIp":"192.0.2.1","requirement":{"personalNumber":"`+b.people[8].Number+`"}}`)
		synctest.Wait()
		if c := b.collect(s.OrderRef); c.Status != "complete" || c.CompletionData.User.PersonalNumber != b.people[8].Number {
			t.Errorf("collect: %+v", c)
		}
		b.autos.Clear()
		s = b.start("auth", auth)
		synctest.Wait()
		b.wantHint(s.OrderRef, "pending", "outstandingTransaction")
	})
}

func TestStrictness(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		s := b.start("auth", auth)
		b.collect(s.OrderRef)
		time.Sleep(time.Second)
		b.collect(s.OrderRef)
		if got := b.sim.Strictness(); got.FastCollects != 0 || got.ConcurrentCollects != 0 || len(got.Orders) != 0 {
			t.Errorf("after a second: %+v", got)
		}
		time.Sleep(999 * time.Millisecond)
		b.collect(s.OrderRef)
		if got := b.sim.Strictness(); got.FastCollects != 1 || len(got.Orders) != 1 || got.Orders[0] != (control.StrictOrder{ID: s.OrderRef, Fast: 1}) {
			t.Errorf("too fast: %+v", got)
		}
		b.faults.Set(control.Fault{Provider: "bankid", Fault: slow, Rate: 1})
		time.Sleep(time.Minute)
		go b.call("collect", fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef))
		time.Sleep(2 * time.Second) // the first takes three
		b.call("collect", fmt.Sprintf(`{"orderRef":%q}`, s.OrderRef))
		if got := b.sim.Strictness(); got.FastCollects != 1 || got.ConcurrentCollects != 1 {
			t.Errorf("at the same time: %+v", got)
		}
	})
}

func TestOldOrdersAreForgotten(t *testing.T) {
	inBubble(t, Timings{}, func(t *testing.T, b *bench) {
		for range 50 {
			s := b.start("auth", auth)
			b.approve(s.OrderRef, b.people[0].Number)
			b.collect(s.OrderRef)
		}
		b.start("auth", auth)
		time.Sleep(4 * time.Minute)
		b.start("auth", auth)
		b.sim.mu.Lock()
		defer b.sim.mu.Unlock()
		if got := b.sim.orders.Len() + b.sim.past.Len(); got != 1 || len(b.sim.byRef) != 1 || len(b.sim.byToken) != 2 {
			t.Errorf("%d orders, %d references, %d tokens remembered", got, len(b.sim.byRef), len(b.sim.byToken))
		}
	})
}
