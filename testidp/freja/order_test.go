package freja

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

// inBubble runs a test with a clock of its own.
func inBubble(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newBench(t, nil)) })
}

func (b *bench) lost(s started) {
	b.t.Helper()
	path, document := oneAuth, `{"authRef":"`+s.ref()+`"}`
	if s.SignRef != "" {
		path, document = oneSign, `{"signRef":"`+s.ref()+`"}`
	}
	if code := b.code(b.call(path, document)); code != 1100 {
		b.t.Errorf("code %d, want 1100", code)
	}
}

func TestAuthenticationLife(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.start(initAuth, inferred)
		time.Sleep(2*time.Minute - time.Second)
		b.want(s, "STARTED")
		time.Sleep(time.Second)
		b.want(s, "EXPIRED")
		if _, err := b.act(s, "approve", b.people[0]); err == nil {
			t.Error("approved after its time")
		}
		time.Sleep(8*time.Minute - time.Second)
		b.want(s, "EXPIRED")
		time.Sleep(time.Second)
		b.lost(s)
		if _, ok := b.sim.Order(s.ref()); ok {
			t.Error("the control API still has it")
		}
	})
}

func TestResultIsKeptTenMinutesFromTheStart(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.start(initAuth, inferred)
		time.Sleep(time.Minute)
		b.approve(s, b.people[0])
		time.Sleep(9*time.Minute - time.Second)
		b.want(s, "APPROVED")
		time.Sleep(time.Second)
		b.lost(s)
	})
}

func TestPush(t *testing.T) {
	for name, document := range map[string]func(p persons.Person) string{
		"SSN":   bySSN,
		"EMAIL": func(p persons.Person) string { return `{"userInfoType":"EMAIL","userInfo":"` + p.ID + `@example.se"}` },
		"PHONE": func(persons.Person) string { return `{"userInfoType":"PHONE","userInfo":"+46701740605"}` },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				s := b.start(initAuth, document(b.people[0]))
				b.want(s, "STARTED")
				o, _ := b.sim.Order(s.ref())
				if o.RequiredPnr != b.people[0].Number {
					t.Error("the person is not named")
				}
				time.Sleep(time.Second)
				b.want(s, "DELIVERED_TO_MOBILE")
				if _, err := b.act(s, "approve", b.people[1]); err == nil {
					t.Error("another person approved")
				}
				b.want(s, "DELIVERED_TO_MOBILE")
				if r, err := b.sim.Act(s.ref(), control.Action{Action: "approve"}); err != nil || r.State != control.Complete {
					t.Errorf("the person whom it names: %v %+v", err, r)
				}
			})
		})
	}
}

// TestNobodyTells: for SSN the service says the same whoever is asked for.
func TestNobodyTells(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		low := b.flagged(persons.LowLevel)
		for name, p := range map[string]persons.Person{
			"has none": b.flagged(persons.NoEID), "unknown": {Number: "190102079803"}, "blocked": b.flagged(persons.Blocked), "level": low,
		} {
			document := strings.Replace(bySSN(p), "EXTENDED", "PLUS", 1)
			s := b.start(initAuth, document)
			time.Sleep(time.Minute)
			b.want(s, "STARTED")
			if r, err := b.act(s, "approve", p); err == nil || r.State == control.Complete {
				t.Errorf("%s: approved", name)
			}
			time.Sleep(time.Minute)
			b.want(s, "EXPIRED")
		}
		for _, document := range []string{
			`{"userInfoType":"EMAIL","userInfo":"ingen@example.se"}`, `{"userInfoType":"PHONE","userInfo":"+46701740699"}`, `{"userInfoType":"UPI","userInfo":"nobody"}`,
		} {
			if code := b.code(b.call(initAuth, document)); code != 1012 {
				t.Errorf("%s: %d", document, code)
			}
		}
	})
}

func TestTooLow(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		low := b.flagged(persons.LowLevel)
		s := b.start(initAuth, inferred)
		if _, err := b.act(s, "approve", low); err == nil {
			t.Error("approved below the level")
		}
		b.want(s, "DELIVERED_TO_MOBILE")
		time.Sleep(2 * time.Minute)
		b.want(s, "EXPIRED")
		// The same person has what EXTENDED asks for.
		s = b.start(initAuth, strings.Replace(inferred, "PLUS", "EXTENDED", 1))
		b.approve(s, low)
		if o := b.result(s); o.RequestedAttributes["registrationLevel"] != "EXTENDED" || o.RequestedAttributes["loaLevel"] != "LOA2" {
			t.Errorf("level %v %v", o.RequestedAttributes["registrationLevel"], o.RequestedAttributes["loaLevel"])
		}
	})
}

func TestEndings(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for _, kind := range []struct{ init, cancel, document, ref string }{
			{initAuth, cancelAuth, inferred, "authRef"}, {initSign, cancelSign, signing("a", ""), "signRef"},
		} {
			s := b.start(kind.init, kind.document)
			if _, err := b.act(s, "cancel", b.people[0]); err != nil {
				t.Error(err)
			}
			b.want(s, "CANCELED")
			for _, hint := range []string{"REJECTED", "EXPIRED", "CANCELED", "RP_CANCELED"} {
				s := b.start(kind.init, kind.document)
				r, err := b.sim.Act(s.ref(), control.Action{Action: "fail", Hint: hint})
				if err != nil || r.State != control.Failed || r.Hint != hint {
					t.Errorf("%s: %+v %v", hint, r, err)
				}
				b.want(s, hint)
			}
			for _, a := range []control.Action{
				{Action: "fail"}, {Action: "fail", Hint: "APPROVED"}, {Action: "dance"}, {Action: "approve"},
				{Action: "approve", Pnr: b.people[0].Number, Device: "card"}, {Action: "approve", Pnr: "x"},
			} {
				s := b.start(kind.init, kind.document)
				if _, err := b.sim.Act(s.ref(), a); err == nil {
					t.Errorf("%+v was taken", a)
				}
				b.want(s, "STARTED")
			}
			s = b.start(kind.init, kind.document)
			ref := `{"` + kind.ref + `":"` + s.ref() + `"}`
			if status, _ := b.callAs(b.other, kind.cancel, ref); status != 422 {
				t.Errorf("another relying party cancelled: %d", status)
			}
			if status, body := b.call(kind.cancel, ref); status != 200 || body != "{}" {
				t.Errorf("cancel: %d %s", status, body)
			}
			b.want(s, "RP_CANCELED")
			if code := b.code(b.call(kind.cancel, ref)); code != 1100 {
				t.Errorf("cancel again: %d", code)
			}
			if o := b.result(s); o.Details != nil || o.RequestedAttributes != nil {
				t.Error("a failed transaction tells something")
			}
		}
	})
}

func TestCancelFinal(t *testing.T) {
	b := newBench(t, func(c *Config) { c.CancelFinal = true })
	s := b.start(initAuth, inferred)
	b.approve(s, b.people[0])
	if status, body := b.call(cancelAuth, `{"authRef":"`+s.ref()+`"}`); status != 200 || body != "{}" {
		t.Errorf("%d %s", status, body)
	}
	b.want(s, "APPROVED")
}

func TestCollision(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		p := b.people[0]
		// The second of two that name the person.
		first := b.start(initAuth, bySSN(p))
		if code := b.code(b.callAs(b.other, initAuth, bySSN(p))); code != 2000 {
			t.Errorf("code %d", code)
		}
		b.want(first, "REJECTED")
		again := b.start(initAuth, bySSN(p))
		b.approve(again, p)

		// One that names the person and one that the person scans.
		first = b.start(initAuth, bySSN(p))
		second := b.start(initAuth, inferred)
		if r, err := b.act(second, "start", p); err != nil || r.Hint != "REJECTED" {
			t.Errorf("start: %+v %v", r, err)
		}
		b.want(first, "REJECTED")
		b.want(second, "REJECTED")

		// An ended one is in nobody's way, nor is one that is approved.
		first = b.start(initAuth, bySSN(p))
		time.Sleep(2 * time.Minute)
		second = b.start(initAuth, bySSN(p))
		b.approve(second, p)
		b.approve(b.start(initAuth, inferred), p)
		b.want(first, "EXPIRED")

		// Signatures may be many.
		one, two := b.start(initSign, signing("a", "")), b.start(initSign, signing("b", ""))
		for _, s := range []started{one, two} {
			if _, err := b.act(s, "start", p); err != nil {
				t.Error(err)
			}
		}
		b.approve(one, p)
		b.approve(two, p)
	})
}

func TestSignatureLife(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		with := func(document string, expiry time.Duration) string {
			return strings.Replace(document, "{", fmt.Sprintf(`{"expiry":%d,`, time.Now().Add(expiry).UnixMilli()), 1)
		}
		named := strings.Replace(signing("a", ""), `"userInfoType":"INFERRED","userInfo":"N/A"`, `"userInfoType":"SSN","userInfo":"`+ssnOf(b.people[0])+`"`, 1)
		for _, c := range []struct {
			document string
			expiry   time.Duration
			ok       bool
		}{
			{signing("a", ""), 2 * time.Minute, true}, {signing("a", ""), time.Minute, false},
			{signing("a", ""), 30 * time.Minute, true}, {signing("a", ""), 31 * time.Minute, false},
			{named, 31 * time.Minute, true}, {named, 30 * 24 * time.Hour, true}, {named, 31 * 24 * time.Hour, false},
		} {
			status, body := b.call(initSign, with(c.document, c.expiry))
			if c.ok != (status == 200) || !c.ok && b.code(status, body) != 3003 {
				t.Errorf("%v: %d %.80s", c.expiry, status, body)
			}
		}
		s := b.start(initSign, signing("a", ""))
		time.Sleep(2*time.Minute - time.Second)
		b.want(s, "STARTED")
		time.Sleep(time.Second)
		b.want(s, "EXPIRED")
		time.Sleep(72*time.Hour - time.Second)
		b.want(s, "EXPIRED")
		time.Sleep(time.Second)
		b.lost(s)

		s = b.start(initSign, with(named, 24*time.Hour))
		time.Sleep(23 * time.Hour)
		b.approve(s, b.people[0])
		time.Sleep(72 * time.Hour)
		b.want(s, "APPROVED")
	})
}

func TestProcessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Timings.Processing = 5 * time.Second })
		s := b.start(initAuth, inferred)
		if r, err := b.act(s, "approve", b.people[0]); err != nil || r.State != control.Pending {
			t.Fatalf("%+v %v", r, err)
		}
		if o, _ := b.sim.Order(s.ref()); o.Hint != "processing" {
			t.Errorf("hint %s", o.Hint)
		}
		time.Sleep(5*time.Second - 1)
		b.want(s, "DELIVERED_TO_MOBILE")
		time.Sleep(time.Nanosecond)
		b.want(s, "APPROVED")

		s = b.start(initAuth, inferred)
		b.act(s, "approve", b.people[0])
		b.call(cancelAuth, `{"authRef":"`+s.ref()+`"}`)
		time.Sleep(5 * time.Second)
		b.want(s, "RP_CANCELED")
	})
}

func TestDynamicCode(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		const base = "https://app.test.frejaeid.com/freja?action=bindUserToTransaction&transactionReference="
		code := func(s started, at int) string {
			return base + url.QueryEscape(fmt.Sprintf("%s.%d.%s", s.ref(), at, frameMAC(s.QRCodeSecret, at)))
		}
		scan := func(qr string) error { _, err := b.sim.Scan(control.Code{QR: qr}); return err }

		s := b.start(initAuth, dynamic)
		if s.QRCodeSecret == "" {
			t.Fatal("no secret")
		}
		time.Sleep(30 * time.Second)
		for name, qr := range map[string]string{
			"static": base + s.ref(), "old": code(s, 19), "early": code(s, 41), "another secret's": code(started{AuthRef: s.ref(), QRCodeSecret: "x"}, 30),
			"time altered": strings.Replace(code(s, 30), ".30.", ".31.", 1), "empty code": base + s.ref() + ".30.", "leading zero": strings.Replace(code(s, 30), ".30.", ".030.", 1),
		} {
			if err := scan(qr); err == nil {
				t.Fatalf("%s: taken", name)
			}
		}
		b.want(s, "STARTED")
		if err := scan(code(s, 20)); err != nil { // ten seconds off is within the window
			t.Error(err)
		}
		b.want(s, "DELIVERED_TO_MOBILE")
		if err := scan(code(s, 30)); err == nil {
			t.Error("scanned twice")
		}
		s = b.start(initAuth, dynamic)
		if err := scan(code(s, 10) + "%3D"); err != nil { // padding that was kept
			t.Error(err)
		}
		if _, err := b.sim.Scan(control.Code{AutoStartToken: b.start(initAuth, dynamic).ref()}); err != nil {
			t.Errorf("by its token: %v", err)
		}
		if _, err := b.sim.OpenLink(base + b.start(initAuth, dynamic).ref()); err != nil {
			t.Errorf("by its app link: %v", err)
		}
		// A static one has no secret, and its code says no time.
		s = b.start(initAuth, inferred)
		if err := scan(base + s.ref() + ".1.x"); s.QRCodeSecret != "" || err == nil {
			t.Error("a static transaction took a dynamic code")
		}
		if err := scan(base + s.ref()); err != nil {
			t.Error(err)
		}
		// What the camera sees is what Scan takes.
		s = b.start(initAuth, dynamic)
		time.Sleep(time.Minute)
		qr, ok := b.sim.InView("")
		if err := scan(qr); !ok || err != nil || !strings.Contains(qr, s.ref()) {
			t.Errorf("in view: %v %v", ok, err)
		}
		if _, ok := b.sim.InView(""); ok {
			t.Error("something is still in view")
		}
	})
}

// TestCodeVectors are those of freja.md section 5.
func TestCodeVectors(t *testing.T) {
	for at, want := range map[int]string{
		0: "27YtF4a6yUOZvu6QyBW_34Ec8e_NEqEqfDp2sOYfAI4", 1: "htHC0nlV_S7ERToUxOyxQes0H584wqDQCHH6dsH3Bv0", 42: "DESNm6lpftxuZdWBrQf7p46Qe6rTweRS0-rRCTY_l78",
	} {
		if got := frameMAC("test-secret", at); got != want {
			t.Errorf("t=%d: %s", at, got)
		}
	}
}

func TestLinks(t *testing.T) {
	b := newBench(t, func(c *Config) { c.AppURL = "http://localhost:8082/freja" })
	const back = "https://kommun.example.se/eid?x=1&y=2"
	for name, link := range map[string]string{
		"scheme": "frejaeid://bindUserToTransaction?transactionReference=%s&originAppScheme=%s",
		"own":    "http://localhost:8082/freja?action=bindUserToTransaction&transactionReference=%s&originAppScheme=%s",
		"test":   "https://app.test.frejaeid.com/freja?action=bindUserToTransaction&transactionReference=%s&originAppScheme=%s",
	} {
		for _, fault := range []string{"", oldReference} {
			b.faults.Clear()
			if fault != "" {
				b.fault(fault)
			}
			s := b.start(initAuth, inferred)
			id, err := b.sim.Scan(control.Code{QR: fmt.Sprintf(link, url.QueryEscape(s.ref()), url.QueryEscape(back))})
			if err != nil || id != s.ref() {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if o, _ := b.sim.Order(id); o.ReturnURL != back || !o.PickedUp {
				t.Errorf("%s: return to %s", name, o.ReturnURL)
			}
			if r := b.approve(s, b.people[0]); r.ReturnURL != back {
				t.Errorf("%s: after approval to %s", name, r.ReturnURL)
			}
		}
	}
	b.faults.Clear()
	s := b.start(initAuth, inferred)
	for name, link := range map[string]string{
		"another host": "https://evil.example.com/freja?action=bindUserToTransaction&transactionReference=" + s.ref(),
		"no action":    "http://localhost:8082/freja?transactionReference=" + s.ref(),
		"action":       "http://localhost:8082/freja?action=addOrgId&transactionReference=" + s.ref(),
		"path":         "http://localhost:8082/frejax?action=bindUserToTransaction&transactionReference=" + s.ref(),
		"scheme":       "bankid://bindUserToTransaction?transactionReference=" + s.ref(),
		"unknown":      "frejaeid://bindUserToTransaction?transactionReference=x",
		"nothing":      "frejaeid://bindUserToTransaction",
		"bankid":       "bankid.x.1.y",
		"empty":        "",
	} {
		if _, err := b.sim.Scan(control.Code{QR: link}); err != control.ErrUnknownCode {
			t.Errorf("%s: %v", name, err)
		}
	}
	if o, ok := b.sim.ByToken(s.ref()); !ok || o.AutoStartToken != s.ref() || o.PickedUp {
		t.Errorf("by token: %v", ok)
	}
	if _, err := b.sim.Scan(control.Code{AutoStartToken: s.ref()}); err != nil {
		t.Error(err)
	}
	if o, _ := b.sim.Order(s.ref()); !o.SameDevice || o.Hint != "started" {
		t.Errorf("same device %v, hint %s", o.SameDevice, o.Hint)
	}
}

func TestOrdersShowTheText(t *testing.T) {
	b := newBench(t, nil)
	s := b.start(initSign, signing(signedText, "x"))
	list := b.sim.Orders()
	if len(list) != 1 || list[0].Text != signedText || list[0].Kind != "sign" || list[0].Provider != "freja" || list[0].Reference != s.ref() ||
		list[0].RelyingParty != "Testkommunen" || list[0].State != control.Pending {
		t.Errorf("%d orders", len(list))
	}
}

func TestLists(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		read := func(path, member string) []outcome {
			t.Helper()
			// The golden request of freja.md section 11.
			status, body := b.send(b.cert, path, "text/plain", methods[path].parameter+"=eyJpbmNsdWRlUHJldmlvdXMiOiJBTEwifQ==")
			var m map[string][]outcome
			if err := json.Unmarshal([]byte(body), &m); err != nil || status != 200 || m[member] == nil {
				t.Fatalf("%d %.100s", status, body)
			}
			return m[member]
		}
		if n := len(read(allAuth, "authenticationResults")); n != 0 {
			t.Errorf("%d before the first", n)
		}
		one, two := b.start(initAuth, inferred), b.start(initAuth, inferred)
		sign := b.start(initSign, signing("a", ""))
		b.callAs(b.other, initAuth, inferred)
		b.approve(one, b.people[0])
		b.result(one) // reported already and still in the list
		list := read(allAuth, "authenticationResults")
		if len(list) != 2 || list[0].AuthRef != one.ref() || list[0].Status != "APPROVED" || list[0].Details == nil || list[1].AuthRef != two.ref() || list[1].Status != "STARTED" {
			t.Errorf("list %d", len(list))
		}
		if list := read(allSign, "signatureResults"); len(list) != 1 || list[0].SignRef != sign.ref() {
			t.Errorf("signatures %d", len(list))
		}
		time.Sleep(10 * time.Minute)
		if n := len(read(allAuth, "authenticationResults")); n != 0 {
			t.Errorf("%d after ten minutes", n)
		}
		for _, document := range []string{`{}`, `{"includePrevious":"all"}`} {
			if code := b.code(b.call(allAuth, document)); code != 1200 {
				t.Errorf("%s: %d", document, code)
			}
		}
	})
}

func TestOthersSeeNothing(t *testing.T) {
	b := newBench(t, nil)
	s, sign := b.start(initAuth, inferred), b.start(initSign, signing("a", ""))
	for _, c := range []struct {
		path, document string
	}{{oneAuth, `{"authRef":"` + s.ref() + `"}`}, {cancelAuth, `{"authRef":"` + s.ref() + `"}`}, {oneSign, `{"signRef":"` + sign.ref() + `"}`}} {
		if code := b.code(b.callAs(b.other, c.path, c.document)); code != 1100 {
			t.Errorf("%s: %d", c.path, code)
		}
	}
	// Nor does the other service.
	if code := b.code(b.call(oneSign, `{"signRef":"`+s.ref()+`"}`)); code != 1100 {
		t.Errorf("an authentication as a signature: %d", code)
	}
}

func TestObedientPerson(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.autos.Set(control.Auto{Provider: Name, DelayMs: 1500})
		s := b.start(initAuth, inferred)
		named := b.start(initSign, strings.Replace(signing("a", ""), `"userInfoType":"INFERRED","userInfo":"N/A"`, `"userInfoType":"EMAIL","userInfo":"tva@example.se"`, 1))
		time.Sleep(1400 * time.Millisecond)
		b.want(s, "STARTED")
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		b.want(s, "APPROVED")
		b.want(named, "APPROVED")
		if o, _ := b.sim.Order(named.ref()); o.Person != b.people[1].Number {
			t.Error("another than the named person approved")
		}
	})
}

// TestManyAtOnce: one obedient person does not collide with himself.
func TestManyAtOnce(t *testing.T) {
	b := newBench(t, nil)
	b.autos.Set(control.Auto{Provider: "*"})
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			path, document := initAuth, inferred
			if i%3 == 0 {
				path, document = initSign, signing("a", "b")
			}
			s := b.start(path, document)
			deadline := time.Now().Add(20 * time.Second)
			for b.result(s).Status != "APPROVED" {
				if time.Now().After(deadline) {
					t.Error("never approved")
					return
				}
				b.sim.Orders()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	if r := b.sim.Strictness(); r.FastCollects == 0 || len(r.Orders) == 0 {
		t.Errorf("nobody was too eager: %+v", r.FastCollects)
	}
}

// TestEagerness counts questions less than a second apart.
func TestEagerness(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.start(initAuth, inferred)
		b.want(s, "STARTED")
		time.Sleep(time.Second)
		b.want(s, "STARTED")
		if n := b.sim.Strictness().FastCollects; n != 0 {
			t.Errorf("%d too fast", n)
		}
		b.want(s, "STARTED")
		if n := b.sim.Strictness().FastCollects; n != 1 {
			t.Errorf("%d too fast", n)
		}
	})
}

// TestForgets keeps the memory bounded, also behind a signature that stays.
func TestForgets(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(c *Config) { c.Now = func() time.Time { return now } })
	begin := func(d demand) string {
		t.Helper()
		o, ok := b.sim.begin(d, "Testkommunen", nil)
		if !ok {
			t.Fatal("refused")
		}
		return o.ref
	}
	end := func(ref string) {
		t.Helper()
		if _, err := b.sim.Act(ref, control.Action{Action: "cancel"}); err != nil {
			t.Fatal(err)
		}
	}
	login := demand{infoType: infoInferred, level: basic}
	for range 10 { // as many as one sweep looks at, and more
		begin(demand{sign: true, infoType: infoEmail, level: basic, expiry: now.Add(30 * 24 * time.Hour)})
	}
	for range 2000 {
		end(begin(login))
		now = now.Add(10 * time.Second)
	}
	// Ten minutes of them are kept, and those that the next sweeps will find.
	if n := b.sim.orders.Len(); n > 10+60+20 {
		t.Errorf("%d are remembered", n)
	}
	for range maxPast + 8000 {
		end(begin(login))
		now = now.Add(5 * time.Millisecond)
	}
	// While a sweep passes those of the last minute, others come.
	if n := b.sim.orders.Len(); n > maxPast+2000 {
		t.Errorf("%d are remembered of too many", n)
	}
	// However many there are, what just ended is there.
	var fresh []string
	for range maxPast / 5 { // more than once round
		fresh = append(fresh, begin(login))
		end(fresh[len(fresh)-1])
	}
	for _, ref := range fresh {
		if _, ok := b.sim.Order(ref); !ok {
			t.Fatal("a fresh one is gone")
		}
	}
}

// TestSweepGoesOn where the next one to look at was forgotten meanwhile.
func TestSweepGoesOn(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(c *Config) { c.Now = func() time.Time { return now } })
	gone := b.start(initAuth, inferred)
	now = now.Add(5 * time.Minute)
	kept := b.start(initAuth, inferred)
	now = now.Add(5 * time.Minute)
	b.sim.cursor = b.sim.byRef[gone.ref()]
	b.lost(gone)
	if b.sim.cursor != b.sim.byRef[kept.ref()] {
		t.Error("it goes on elsewhere")
	}
}

// TestHeld: results of 5 MB are not kept for days when there are many.
func TestHeld(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(c *Config) { c.Now = func() time.Time { return now } })
	d := demand{sign: true, infoType: infoInferred, level: basic}
	for range 40 {
		d.expiry = now.Add(2 * time.Minute)
		o, _ := b.sim.begin(d, "Testkommunen", nil)
		b.sim.mu.Lock()
		live := b.sim.find(o.ref, now)
		live.result, live.ended = &result{details: strings.Repeat("x", 12<<20)}, now
		b.sim.held += live.result.size()
		b.sim.settle(live, now)
		b.sim.mu.Unlock()
		now = now.Add(time.Minute)
	}
	if b.sim.held > maxHeld+3*12<<20 {
		t.Errorf("%d MiB are held", b.sim.held>>20)
	}
	sum := 0
	for e := b.sim.orders.Front(); e != nil; e = e.Next() {
		sum += e.Value.(*order).result.size()
	}
	if sum != b.sim.held {
		t.Errorf("%d bytes are counted, %d are held", b.sim.held, sum)
	}
}
