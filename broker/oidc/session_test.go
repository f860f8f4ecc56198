package oidc

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

// Which requests a session answers, and which an e-ID must answer. Each row
// comes after a login of Testperson Ett at "group-a", some time ago. With
// prompt=none the same rows answer or give login_required.
func TestSessionReuse(t *testing.T) {
	for name, row := range map[string]struct {
		client  string
		changes []string
		after   time.Duration
		who     providers.Identity
		set     func(*bench)
		reuse   bool
	}{
		"same client":           {client: "group-a", reuse: true},
		"same group":            {client: "group-b", reuse: true},
		"no group":              {client: "basic"},
		"group named as client": {client: "basic", set: func(b *bench) { b.change("basic", func(c *broker.Client) { c.SSOGroup = "group-a" }) }},
		"59 min":                {client: "group-a", after: 59 * time.Minute, reuse: true},
		"60 min":                {client: "group-a", after: 60 * time.Minute},
		"max_age met":           {client: "group-a", changes: []string{"max_age", "10000"}, after: time.Minute, reuse: true},
		"max_age exactly":       {client: "group-a", changes: []string{"max_age", "60"}, after: time.Minute, reuse: true},
		"max_age passed":        {client: "group-a", changes: []string{"max_age", "1"}, after: 2 * time.Second},
		"max_age 0":             {client: "group-a", changes: []string{"max_age", "0"}},
		"acr met":               {client: "group-a", changes: []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"` + acrUncertified3 + `"}}}`}, reuse: true},
		"acr_values met":        {client: "group-a", changes: []string{"acr_values", acrUncertified3}, reuse: true},
		"acr_values unknown":    {client: "group-a", changes: []string{"acr_values", "urn:x"}, reuse: true},
		"acr_values higher":     {client: "group-a", changes: []string{"acr_values", acrLevel3}, set: func(b *bench) { b.infos[1].Level = providers.Level3 }},
		"acr essential higher":  {client: "group-a", changes: []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"` + acrLevel3 + `"}}}`}, set: func(b *bench) { b.infos[1].Level = providers.Level3 }},
		"provider the same":     {client: "group-a", changes: []string{paramAuthnProvider, "bankid"}, reuse: true},
		"provider another":      {client: "group-a", changes: []string{paramAuthnProvider, "mbankid"}},
		"provider withdrawn":    {client: "group-a", set: func(b *bench) { b.infos = b.infos[1:] }},
		"number the same":       {client: "group-a", changes: []string{"claims", numberClaim(ett.Number.Digits())}, reuse: true},
		"number another":        {client: "group-a", changes: []string{"claims", numberClaim(tva.Number.Digits())}},
		"sub another":           {client: "group-a", changes: []string{"claims", `{"userinfo":{"sub":{"value":"x"}}}`}},
		"age":                   {client: "group-b", who: barn, set: func(b *bench) { b.change("group-b", func(c *broker.Client) { c.MinAge = 18 }) }},
		"samordningsnummer":     {client: "group-b", who: samord, set: func(b *bench) { b.change("group-b", func(c *broker.Client) { c.NoCoordination = true }) }},
	} {
		for _, prompt := range []string{"", "none", "login", "select_account", "consent", "login consent"} {
			t.Run(name+" prompt "+prompt, func(t *testing.T) {
				b := newBench(t)
				if row.who.Name == "" {
					row.who = ett
				}
				a := b.agent()
				first := b.redeem("group-a", tokenForm(a.login(request("group-a"), row.who).Get("code")))
				if row.set != nil {
					row.set(b)
				}
				b.clock.Add(row.after)
				resp := a.ask(request(row.client, append(row.changes, "prompt", prompt)...))
				switch {
				case row.reuse && (prompt == "" || prompt == "none"):
					v := b.response(resp)
					got := b.redeem(row.client, tokenForm(v.Get("code")))
					if got.status != 200 || v.Get("iss") != issuer {
						t.Fatalf("%v %v", v, got.body)
					}
					was, is := payload(t, first.text("id_token")), payload(t, got.text("id_token"))
					if was["auth_time"] != is["auth_time"] || was["sid"] != is["sid"] || is["acr"] != acrUncertified3 || is[claimAuthnProvider] != "bankid" {
						t.Errorf("%v became %v", was, is)
					}
					if (was["sub"] == is["sub"]) != (row.client == "group-a") {
						t.Error("sub does not follow the sector")
					}
					if !b.records.has(audit.LoginReused, "") || len(b.records.logins) != 2 {
						t.Error("no record of it")
					}
				case prompt == "none":
					if v := b.response(resp); v.Get("error") != errLogin || v.Get("code") != "" {
						t.Errorf("%v", v)
					}
				default:
					if loginID(resp) == "" {
						t.Errorf("no e-ID was asked for: %s", resp.Header.Get("Location"))
					}
				}
			})
		}
	}
}

// A new proof is held against what was asked, too: an issuer that has a session of
// its own may give an old one. auth_time is always the proof's.
func TestOldProofs(t *testing.T) {
	for name, row := range map[string]struct {
		changes []string
		proof   time.Duration // how long before the login began; negative: after it
		refused bool
	}{
		"nothing asked":           {proof: 8 * time.Minute},
		"login, after":            {changes: []string{"prompt", "login"}, proof: -time.Second},
		"login, by their clock":   {changes: []string{"prompt", "login"}, proof: time.Minute},
		"login, before":           {changes: []string{"prompt", "login"}, proof: time.Minute + time.Second, refused: true},
		"login consent":           {changes: []string{"prompt", "login consent"}, proof: 8 * time.Minute, refused: true},
		"login, and an age":       {changes: []string{"prompt", "login", "max_age", "3600"}, proof: 8 * time.Minute, refused: true},
		"consent":                 {changes: []string{"prompt", "consent"}, proof: 8 * time.Minute},
		"max_age 0":               {changes: []string{"max_age", "0"}, proof: time.Minute + time.Second, refused: true},
		"max_age 0, after":        {changes: []string{"max_age", "0"}, proof: -time.Second},
		"max_age, at its end":     {changes: []string{"max_age", "300"}, proof: 6 * time.Minute},
		"max_age, passed":         {changes: []string{"max_age", "300"}, proof: 6*time.Minute + time.Second, refused: true},
		"max_age, the largest":    {changes: []string{"max_age", "2147483647"}, proof: 8 * time.Minute},
		"max_age, slower than it": {changes: []string{"max_age", "1"}, proof: -time.Second},
		"login, of no time":       {changes: []string{"prompt", "login"}, proof: 0, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := b.agent()
			l, c, err := a.reserve(loginID(a.ask(request("basic", row.changes...))), providers.BankID)
			if err != nil {
				t.Fatal(err)
			}
			at := l.Created.Add(-row.proof)
			if row.proof == 0 {
				at = time.Time{}
			}
			b.clock.Add(2 * time.Minute) // the person is slow
			o, d := doneOrder(l, c, ett, at)
			answer, err := b.Finish(t.Context(), l, o, d)
			var no *Rejection
			switch {
			case !row.refused && err != nil:
				t.Fatal(err)
			case row.refused && (!errors.As(err, &no) || no.Reason != NotFresh || no.Code != errLogin || no.Text.SV == "" || no.Text.EN == ""):
				t.Fatalf("%v", err)
			case row.refused:
				if !b.records.has(audit.LoginAbandoned, string(NotFresh)) || len(b.records.logins) != 0 || answer.Session != "" {
					t.Error("not refused as others are")
				}
				if v := a.send(refusal(t, b, l, no)); v.Get("error") != errLogin {
					t.Errorf("%v", v)
				}
			default:
				token := b.redeem("basic", tokenForm(a.send(answer).Get("code"))).text("id_token")
				if is := payload(t, token)["auth_time"]; is != float64(at.Unix()) {
					t.Errorf("auth_time is %v", is)
				}
			}
		})
	}
}

func refusal(t *testing.T, b *bench, l broker.Login, no *Rejection) Answer {
	t.Helper()
	answer, err := b.Refuse(t.Context(), l, no.Code, no.Description)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// The Swedish profile treats an absent prompt as Core does.
func TestSwedenReusesSessions(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login(request("sweden"), ett)
	if v := b.response(a.ask(request("sweden"))); v.Get("code") == "" {
		t.Errorf("%v", v)
	}
}

func TestPromptLoginIsNewer(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	authTime := func(changes ...string) float64 {
		got := b.redeem("basic", tokenForm(a.login(request("basic", changes...), ett).Get("code")))
		return payload(t, got.text("id_token"))["auth_time"].(float64)
	}
	first := authTime()
	b.clock.Add(10 * time.Second)
	if second := authTime("prompt", "login"); second != first+10 {
		t.Errorf("%v after %v", second, first)
	}
	b.clock.Add(10 * time.Second)
	if third := authTime("max_age", "1"); third != first+20 {
		t.Errorf("%v after %v", third, first)
	}
}

// S2: what the browser had before a login is worth nothing after it.
func TestSessionFixation(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	planted := forged()
	a.cookies[SessionCookie] = planted
	a.login(request("basic"), ett)
	mine := a.cookies[SessionCookie]
	// The login's id, which stands in addresses, opens nothing without its secret.
	id, _, _ := split(mine)
	guess := b.agent()
	guess.cookies[SessionCookie] = join(id, broker.NewSecret())
	if v := b.response(guess.ask(request("basic", "prompt", "none"))); v.Get("error") != errLogin {
		t.Error("a session opened without its secret")
	}
	if mine == planted || len(mine) != 66 {
		t.Fatal("the planted secret became the session's")
	}
	thief := b.agent()
	thief.cookies[SessionCookie] = planted
	if v := b.response(thief.ask(request("basic", "prompt", "none"))); v.Get("error") != errLogin {
		t.Error("a planted secret opens a session")
	}
	// A later login ends the session before it.
	a.login(request("basic", "prompt", "login"), tva)
	thief.cookies[SessionCookie] = mine
	if v := b.response(thief.ask(request("basic", "prompt", "none"))); v.Get("error") != errLogin {
		t.Error("the replaced session lives")
	}
	if !b.records.has(audit.SessionEnded, "") {
		t.Error("nothing in the audit")
	}
	// Two cookies of one name: somebody planted one.
	r := newGet("/authorize?" + request("basic", "prompt", "none").Encode())
	r.AddCookie(&http.Cookie{Name: SessionCookie, Value: a.cookies[SessionCookie]})
	r.AddCookie(&http.Cookie{Name: SessionCookie, Value: planted})
	if v := b.response(b.agent().do(r)); v.Get("error") != errLogin {
		t.Error("one of two cookies was chosen")
	}
}

// A login at another application takes the browser's session over, and nothing
// that the first application has or is about to fetch.
func TestNextLoginEndsOnlyTheSession(t *testing.T) {
	for _, redeemed := range []bool{false, true} {
		b := newBench(t)
		a := b.agent()
		code := a.login(request("any"), ett).Get("code")
		var token string
		if redeemed {
			token = b.redeem("any", tokenForm(code)).text("access_token")
		}
		old := a.cookies[SessionCookie]
		a.login(request("sweden"), ett)
		thief := b.agent()
		thief.cookies[SessionCookie] = old
		if thief.hasSession("any") {
			t.Error("the replaced session lives")
		}
		if !redeemed {
			token = b.redeem("any", tokenForm(code)).text("access_token")
		}
		if status, _ := b.userinfoOf(token); status != 200 {
			t.Errorf("redeemed before: %t; the first application gets %d", redeemed, status)
		}
		if n := b.records.count(audit.SessionEnded); n != 1 {
			t.Errorf("%d sessions ended", n)
		}
		if got := b.redeem("any", tokenForm(code)); got.err() != errInvalidGrant {
			t.Errorf("a second time: %v", got.body)
		}
		if status, _ := b.userinfoOf(token); status != 401 {
			t.Error("a replay ends nothing any more")
		}
	}
}

// The session may be replaced long after the code was of use.
func TestReplacedSessionOfAnOldGrant(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.login(request("sweden"), ett)
	old := a.cookies[SessionCookie]
	b.clock.Add(30 * time.Minute)
	a.login(request("any"), ett)
	thief := b.agent()
	thief.cookies[SessionCookie] = old
	if thief.hasSession("sweden") {
		t.Error("the replaced session lives")
	}
}

func TestSessionCookie(t *testing.T) {
	for _, secure := range []bool{false, true} {
		b := newBench(t, func(c *Config) { c.Cookies.Secure = secure })
		a := b.agent()
		name := map[bool]string{false: "sigill_browser", true: "__Host-sigill_browser"}[secure]
		id := loginID(a.ask(request("basic")))
		a.cookies["sigill_browser"] = a.cookies[name]
		answer, err := a.prove(id, ett)
		if err != nil {
			t.Fatal(err)
		}
		w := recorder()
		b.Send(w, newGet("/x"), answer)
		c := w.Result().Cookies()[0]
		if c.Value != answer.Session || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != 3600 || c.Secure != secure ||
			strings.HasPrefix(c.Name, "__Host-") != secure {
			t.Errorf("%+v", c)
		}
	}
}

func TestTamperedCookies(t *testing.T) {
	b := newBench(t)
	for _, v := range []string{"x", strings.Repeat("a", 43), forged(), join(strings.Repeat("a", 22), ""), strings.Repeat("a", 5000), "../../etc", "a.b"} {
		a := b.agent()
		a.cookies[SessionCookie], a.cookies["sigill_browser"] = v, v
		if resp := a.ask(request("basic")); loginID(resp) == "" {
			t.Errorf("%.10q: %s", v, resp.Status)
		}
	}
}

// S9: id_token_hint names the only acceptable person, in a session or not.
func TestIDTokenHint(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	token := func(client string, who providers.Identity, ag *agent) string {
		return b.redeem(client, tokenForm(ag.login(request(client, "prompt", "login"), who).Get("code"))).text("id_token")
	}
	other := token("basic", tva, b.agent())
	foreign := token("post", ett, b.agent())
	mine := token("basic", ett, a)
	signedUserinfo, err := b.sign(RS256, strictMap{"iss": issuer, "aud": "basic", "sub": payload(t, mine)["sub"]})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(mine, ".")
	ask := func(hint, prompt string) *http.Response {
		return a.ask(request("basic", "id_token_hint", hint, "prompt", prompt))
	}

	b.clock.Add(30 * time.Minute) // the ID Tokens have expired
	if v := b.response(ask(mine, "none")); v.Get("code") == "" {
		t.Errorf("own hint: %v", v)
	}
	if v := b.response(ask(other, "none")); v.Get("error") != errLogin {
		t.Errorf("another person's hint: %v", v)
	}
	for name, hint := range map[string]string{
		"another client's": foreign, "alg none": b64(`{"alg":"none"}`) + "." + parts[1] + ".", "none with signature": b64(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2],
		"changed":     parts[0] + "." + b64(`{"iss":"`+issuer+`","aud":"basic","sub":"x","sid":"y","exp":1,"auth_time":1}`) + "." + parts[2],
		"foreign key": rawJWT(`{"alg":"ES256","kid":"ec-1","typ":"JWT"}`, `{"iss":"`+issuer+`","aud":"basic","sub":"x","sid":"y","exp":1,"auth_time":1}`, ecOther()),
		"other kid":   rawJWT(`{"alg":"ES256","kid":"ec-9","typ":"JWT"}`, `{"iss":"`+issuer+`","aud":"basic","sub":"x","sid":"y","exp":1,"auth_time":1}`, ecKey1()),
		"other typ":   rawJWT(`{"alg":"ES256","kid":"ec-1","typ":"logout+jwt"}`, `{"iss":"`+issuer+`","aud":"basic","sub":"x","sid":"y","exp":1,"auth_time":1}`, ecKey1()),
		"other iss":   rawJWT(`{"alg":"ES256","kid":"ec-1","typ":"JWT"}`, `{"iss":"https://x","aud":"basic","sub":"x","sid":"y","exp":1,"auth_time":1}`, ecKey1()),
		"no exp":      rawJWT(`{"alg":"ES256","kid":"ec-1","typ":"JWT"}`, `{"iss":"`+issuer+`","aud":"basic","sub":"x","sid":"y","auth_time":1}`, ecKey1()),
		"no time":     rawJWT(`{"alg":"ES256","kid":"ec-1","typ":"JWT"}`, `{"iss":"`+issuer+`","aud":"basic","sub":"x","sid":"y","exp":1}`, ecKey1()),
		"two subs":    rawJWT(`{"alg":"ES256","kid":"ec-1","typ":"JWT"}`, `{"iss":"`+issuer+`","aud":"basic","sub":"y","sub":"x","sid":"y","exp":1,"auth_time":1}`, ecKey1()),
		"two aud":     rawJWT(`{"alg":"ES256","kid":"ec-1","typ":"JWT"}`, `{"iss":"`+issuer+`","aud":["basic","post"],"sub":"x","sid":"y","exp":1,"auth_time":1}`, ecKey1()),
		"userinfo":    signedUserinfo, "garbage": "x",
	} {
		if v := b.response(ask(hint, "none")); v.Get("error") != errInvalidRequest {
			t.Errorf("%s: %v", name, v)
		}
	}
	// Not in a session: the person who answers must be the one.
	for who, want := range map[string]string{"Testperson Ett": "", "Testperson Två": string(providers.WrongPerson)} {
		id := loginID(ask(mine, "login"))
		i := ett
		if who == tva.Name {
			i = tva
		}
		_, err := a.prove(id, i)
		if got, _ := err.(*Rejection); (got == nil) != (want == "") || got != nil && (string(got.Reason) != want || got.Code != errLogin) {
			t.Errorf("%s: %v", who, err)
		}
	}
	if v := b.response(a.ask(request("basic", "id_token_hint", mine, "claims", `{"id_token":{"sub":{"value":"z"}}}`))); v.Get("error") != errInvalidRequest {
		t.Errorf("two subjects: %v", v)
	}
}
