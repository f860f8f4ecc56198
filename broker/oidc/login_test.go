package oidc

import (
	"context"
	"encoding/binary"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

// S1: a login goes on only in the browser that brought it; everything else is
// the same nothing.
func TestPending(t *testing.T) {
	b := newBench(t)
	a, other := b.agent(), b.agent()
	id := loginID(a.ask(request("basic")))
	other.ask(request("basic"))
	mine := a.cookies["sigill_browser"]
	for name, row := range map[string][2]string{
		"another browser": {id, other.cookies["sigill_browser"]}, "no cookie": {id, ""}, "unknown": {broker.NewID(), mine},
		"empty": {"", mine}, "malformed": {"../x", mine}, "long": {strings.Repeat("a", 9999), mine},
	} {
		if l, c, v, err := b.Pending(t.Context(), row[0], row[1]); !errors.Is(err, broker.ErrNotFound) || l.ID != "" || c.ID != "" || v != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, _, err := b.Pending(t.Context(), id, mine); err != nil {
		t.Error(err)
	}
	b.clock.Add(15 * time.Minute)
	if _, _, _, err := b.Pending(t.Context(), id, mine); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("expired: %v", err)
	}
}

func TestPendingOfARemovedClient(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id := loginID(a.ask(request("basic")))
	delete(b.clients, "basic")
	if _, _, _, err := b.Pending(t.Context(), id, a.cookies["sigill_browser"]); !errors.Is(err, broker.ErrNotFound) {
		t.Error(err)
	}
}

// S8: a login is answered once; tabs do not disturb each other.
func TestFinishOnce(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	one, two := loginID(a.ask(request("basic", "state", "one"))), loginID(a.ask(request("basic", "state", "two")))
	answer, err := a.prove(one, ett)
	if err != nil || answer.Session == "" {
		t.Fatal(err)
	}
	if _, err := a.prove(one, ett); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("a finished login goes on: %v", err)
	}
	second, err := a.prove(two, ett)
	if err != nil || a.send(second).Get("state") != "two" || a.send(answer).Get("state") != "one" {
		t.Errorf("the other tab: %v", err)
	}
}

// The browser may come back when the session that the proof was good for is
// over: the application still gets its answer, and nobody gets a session.
func TestFinishAfterTheSession(t *testing.T) {
	for _, late := range []time.Duration{0, 4*time.Minute + 50*time.Second, 5 * time.Minute, 14 * time.Minute} {
		b := newBench(t, func(c *Config) { c.SessionLife = 5 * time.Minute })
		a := b.agent()
		l, c := a.reserved("sweden")
		o, d := doneOrder(l, c, ett, b.clock.Now())
		b.clock.Add(late)
		answer, err := b.Finish(t.Context(), l, o, d)
		if err != nil {
			t.Fatal(err)
		}
		if over := late >= 5*time.Minute; (answer.Session == "") != over {
			t.Errorf("%s late: session %t", late, answer.Session != "")
		}
		code := a.send(answer).Get("code")
		if strings.Contains(b.stored(code), `"session"`) != (answer.Session != "") {
			t.Errorf("%s late: %s", late, b.stored(code))
		}
		b.clock.Add(50 * time.Second)
		if got := b.redeem("sweden", tokenForm(code)); got.err() != "" {
			t.Errorf("%s late: a fresh code is dead: %v", late, got.body)
		}
	}
}

// Whatever happens between the durable record and the code, the same browser
// comes again with the same order, and gets the one answer.
func TestFinishCutShort(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	l, c := a.reserved("sweden")
	o, d := doneOrder(l, c, ett, b.clock.Now())
	b.short.fail = func(op, _ string) error {
		if op != "get" {
			return errors.New("cut short")
		}
		return nil
	}
	if answer, err := b.Finish(t.Context(), l, o, d); err == nil || errors.Is(err, broker.ErrConflict) || answer.URL != "" {
		t.Fatalf("%v, %+v", err, answer)
	}
	b.short.fail = nil
	b.clock.Add(time.Minute)
	o.Consumed = b.clock.Now()
	answer, err := b.Finish(t.Context(), l, o, d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Finish(t.Context(), l, o, d); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("a third time: %v", err)
	}
	if n := b.records.count(audit.LoginCompleted); n != 1 || len(b.records.logins) != 1 {
		t.Errorf("%d acts, %d records", n, len(b.records.logins))
	}
	token := b.redeem("sweden", tokenForm(a.send(answer).Get("code"))).text("id_token")
	var sealed sealedLogin
	plain, err := b.Box.Open(b.records.logins[loginName(l.ID)].Sealed, recordContext(loginName(l.ID)))
	if err == nil {
		err = decode("record", plain[4:4+binary.BigEndian.Uint32(plain)], &sealed)
	}
	if err != nil || sealed.SID == "" || sealed.SID != payload(t, token)["sid"] || !a.hasSession("sweden") {
		t.Errorf("%v: the record's sid is %s, the session's %s", err, sealed.SID, payload(t, token)["sid"])
	}
}

// Who chooses again instead, after such an end, can never be answered: the
// login is over at once, and not offered a third time.
func TestFinishedByAnotherOrder(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	l, c := a.reserved("basic")
	o, d := doneOrder(l, c, ett, b.clock.Now())
	b.short.fail = func(op, kind string) error {
		if op == "swap" {
			return errors.New("cut short")
		}
		return nil
	}
	b.Finish(t.Context(), l, o, d)
	b.short.fail = nil
	l, c, err := a.reserve(l.ID, providers.BankID)
	if err != nil {
		t.Fatal(err)
	}
	o, d = doneOrder(l, c, ett, b.clock.Now())
	if answer, err := b.Finish(t.Context(), l, o, d); !errors.Is(err, broker.ErrConflict) || answer.URL != "" {
		t.Errorf("%v, %+v", err, answer)
	}
	if _, _, _, err := b.Pending(t.Context(), l.ID, a.cookies["sigill_browser"]); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the login is still offered: %v", err)
	}
	if b.answeredLogins() != 0 {
		t.Error("a code that nobody knows of")
	}
}

// A registration may be narrowed while somebody logs in.
func TestNumberClaimOfANarrowedClient(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	either := `{"id_token":{"` + claimPersonNumber + `":{"essential":true,"values":["` + ett.Number.Digits() + `","` + tva.Number.Digits() + `"]}}}`
	id := loginID(a.ask(request("any", "claims", either)))
	b.change("any", func(c *broker.Client) { c.Scopes = nil })
	var rejected *Rejection
	if _, err := a.prove(id, barn); !errors.As(err, &rejected) {
		t.Errorf("another person: %v", err)
	}
}

func TestReserveNeedsTheVersion(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id := loginID(a.ask(request("basic")))
	l, _, v, _ := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
	if err := b.Reserve(t.Context(), l, v); err != nil {
		t.Fatal(err)
	}
	if err := b.Reserve(t.Context(), l, v); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("a double click reserved twice: %v", err)
	}
	l, _, v, _ = b.Pending(t.Context(), id, a.cookies["sigill_browser"])
	if _, err := b.Refuse(t.Context(), l, errAccessDenied, "x"); err != nil {
		t.Fatal(err)
	}
	if err := b.Reserve(t.Context(), l, v); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("a finished login was brought back: %v", err)
	}
}

// An order counts for its own login only, done, and in its own browser.
func TestFinishChecksTheOrder(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id := loginID(a.ask(request("basic")))
	l, c, _, _ := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
	l.Order = "order"
	for name, spoil := range map[string]func(*broker.Order, *providers.Done){
		"another order":    func(o *broker.Order, _ *providers.Done) { o.ID = "other" },
		"no order":         func(o *broker.Order, _ *providers.Done) { o.ID = "" },
		"another client":   func(o *broker.Order, _ *providers.Done) { o.Client = "post" },
		"a signature":      func(o *broker.Order, _ *providers.Done) { o.Kind = providers.KindSign },
		"pending":          func(o *broker.Order, _ *providers.Done) { o.Phase = broker.Pending },
		"failed":           func(o *broker.Order, _ *providers.Done) { o.Phase = broker.Failed },
		"another browser":  func(o *broker.Order, _ *providers.Done) { o.Browser = digest("x") },
		"no browser":       func(o *broker.Order, _ *providers.Done) { o.Browser = nil },
		"another provider": func(_ *broker.Order, d *providers.Done) { d.Identity.Provider = providers.Freja },
		"nobody":           func(_ *broker.Order, d *providers.Done) { d.Identity.Number = broker.Login{}.Number },
	} {
		o, d := doneOrder(l, c, ett, b.clock.Now())
		spoil(&o, &d)
		var rejected *Rejection
		if answer, err := b.Finish(t.Context(), l, o, d); err == nil || errors.As(err, &rejected) || answer.URL != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(b.records.logins) != 0 {
		t.Error("something was finished")
	}
}

// The rules of request and client about who may log in.
func TestRejections(t *testing.T) {
	essential := func(claim, v string) string {
		return `{"id_token":{"` + claim + `":{"essential":true,"value":"` + v + `"}}}`
	}
	weak := ett
	weak.Level = providers.LevelNone
	mobile := ett
	mobile.Provider = providers.MBankID
	for name, row := range map[string]struct {
		changes []string
		client  func(*broker.Client)
		who     providers.Identity
		reason  providers.Reason
		code    string
	}{
		"the right person":              {changes: []string{"claims", numberClaim(ett.Number.Digits())}, who: ett},
		"another person":                {changes: []string{"claims", numberClaim(tva.Number.Digits())}, who: ett, reason: providers.WrongPerson, code: errAccessDenied},
		"coordination asked":            {changes: []string{"claims", essential(claimCoordination, samord.Number.Digits())}, who: ett, reason: providers.WrongPerson, code: errAccessDenied},
		"one of several":                {changes: []string{"claims", `{"userinfo":{"` + claimPersonNumber + `":{"essential":true,"values":["` + tva.Number.Digits() + `","` + ett.Number.Digits() + `"]}}}`}, who: ett},
		"none of several":               {changes: []string{"claims", `{"userinfo":{"` + claimPersonNumber + `":{"essential":true,"values":["` + tva.Number.Digits() + `","` + barn.Number.Digits() + `"]}}}`}, who: ett, reason: providers.WrongPerson, code: errAccessDenied},
		"voluntary value":               {changes: []string{"claims", `{"id_token":{"` + claimPersonNumber + `":{"value":"` + tva.Number.Digits() + `"}}}`}, who: ett},
		"another sub":                   {changes: []string{"claims", `{"id_token":{"sub":{"value":"somebody"}}}`}, who: ett, reason: providers.WrongPerson, code: errLogin},
		"samordningsnummer":             {client: func(c *broker.Client) { c.NoCoordination = true }, who: samord, reason: CoordinationNumber, code: errAccessDenied},
		"samordningsnummer is ok":       {who: samord},
		"too young":                     {client: func(c *broker.Client) { c.MinAge = 18 }, who: barn, reason: TooYoung, code: errAccessDenied},
		"old enough":                    {client: func(c *broker.Client) { c.MinAge = 12 }, who: barn},
		"a year short":                  {client: func(c *broker.Client) { c.MinAge = 13 }, who: barn, reason: TooYoung, code: errAccessDenied},
		"no level":                      {who: weak, reason: providers.LevelTooLow, code: errUnmet},
		"an e-ID that was not on offer": {changes: []string{paramAuthnProvider, "bankid"}, who: mobile, reason: providers.LevelTooLow, code: errUnmet},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if row.client != nil {
				b.change("sweden", row.client)
			}
			a := b.agent()
			id := loginID(a.ask(request("sweden", row.changes...)))
			_, err := a.prove(id, row.who)
			var rejected *Rejection
			if row.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.As(err, &rejected) || rejected.Reason != row.reason || rejected.Code != row.code {
				t.Fatalf("%v", err)
			}
			for _, text := range []string{rejected.Text.SV, rejected.Text.EN, rejected.Description, err.Error()} {
				if text == "" || strings.Contains(text, "1990") || strings.Contains(text, "Testperson") {
					t.Errorf("%q", text)
				}
			}
			if !b.records.has(audit.LoginAbandoned, string(row.reason)) || len(b.records.logins) != 0 || b.answeredLogins() != 0 {
				t.Error("a rejected person left more than a trace")
			}
			// The login lives: the person may go back, or try again.
			l, _, _, err := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
			if err != nil {
				t.Fatal(err)
			}
			back, err := b.Refuse(t.Context(), l, rejected.Code, rejected.Description)
			if err != nil || a.send(back).Get("error") != row.code {
				t.Error(err)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id := loginID(a.ask(request("basic", "response_mode", "form_post")))
	l, _, _, _ := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
	if _, err := b.Refuse(t.Context(), l, "made_up", ""); err == nil {
		t.Error("an error code that does not exist was sent")
	}
	answer, err := b.Refuse(t.Context(), l, errAccessDenied, "Användaren \"avbröt\"\r\nX: y\\")
	if err != nil {
		t.Fatal(err)
	}
	v := a.send(answer)
	want := url.Values{"error": {"access_denied"}, "error_description": {"Anvndaren avbrtX: y"}, "state": {"state-1"}, "iss": {issuer}}
	if v.Encode() != want.Encode() || b.pages.action != "https://rp.example.se/cb" {
		t.Errorf("%v", v)
	}
	if _, err := b.Refuse(t.Context(), l, errAccessDenied, ""); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("refused twice: %v", err)
	}
	if _, err := a.prove(id, ett); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("a refused login goes on: %v", err)
	}
	if !b.records.has(audit.LoginAbandoned, errAccessDenied) {
		t.Error("nothing in the audit")
	}
}

// A refusal in one tab in the very moment when another finishes: one answer.
func TestFinishAfterRefuse(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id := loginID(a.ask(request("basic")))
	l, c, v, _ := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
	l.Order = "o"
	if err := b.Reserve(t.Context(), l, v); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Refuse(t.Context(), l, errAccessDenied, ""); err != nil {
		t.Fatal(err)
	}
	o, d := doneOrder(l, c, ett, b.clock.Now())
	if answer, err := b.Finish(t.Context(), l, o, d); !errors.Is(err, broker.ErrConflict) || answer.URL != "" {
		t.Errorf("%v %v", answer, err)
	}
	if b.answeredLogins() != 0 {
		t.Error("a code for a refused login")
	}
}

// An order answers one login, and a browser that has gone changes nothing.
func TestFinishIsDurableFirst(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id := loginID(a.ask(request("basic")))
	l, c, _, _ := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
	l.Order = "o"
	o, d := doneOrder(l, c, ett, b.clock.Now())
	b.records.fail = errors.New("disk full")
	if _, err := b.Finish(t.Context(), l, o, d); err == nil {
		t.Fatal("finished without a record")
	}
	if b.answeredLogins() != 0 || b.short.count(kindLogin) != 1 {
		t.Error("something came before the record")
	}
	b.records.fail = nil
	b.short.fail = func(op, kind string) error {
		if len(b.records.logins) == 0 {
			t.Errorf("%s %s before the record", op, kind)
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Finish(ctx, l, o, d); err != nil {
		t.Fatal(err)
	}
	b.short.fail = nil
	if _, err := b.Finish(t.Context(), l, o, d); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	var rec broker.LoginRecord
	for _, rec = range b.records.logins {
	}
	who, evidence, err := b.OpenRecord(rec)
	if err != nil || who.Number != ett.Number || string(evidence.Bytes) != "evidence" || rec.Order != "o" || rec.Expires.Sub(rec.At) != 90*24*time.Hour {
		t.Errorf("%+v %v", rec, err)
	}
	if strings.Contains(rec.Login, id) || rec.Login == "" {
		t.Error("the record names the login by its handle")
	}
	rec.Login = "another"
	if _, _, err := b.OpenRecord(rec); err == nil {
		t.Error("a sealed record fits another row")
	}
}

// What comes too late changes nothing of what was answered.
func TestRefuseAfterFinish(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	id := loginID(a.ask(request("basic")))
	l, _, v, _ := b.Pending(t.Context(), id, a.cookies["sigill_browser"])
	answer, err := a.prove(id, ett)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Refuse(t.Context(), l, errAccessDenied, ""); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("refused: %v", err)
	}
	if err := b.Reserve(t.Context(), l, v); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("reserved: %v", err)
	}
	if got := b.redeem("basic", tokenForm(a.send(answer).Get("code"))); got.status != 200 || !a.hasSession("basic") {
		t.Errorf("%v", got.body)
	}
}
