package login

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/broker/kit/audit"
	"sigill/portal"
	"sigill/portal/people"
	"sigill/providers/personnummer"
)

func TestLogin(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	held := portal.NewID()
	at, err := a.start("a", Aim{Path: "/e/forskola?x=1", Begin: "forskola", Held: held}, "en")
	b.ok(err)
	back := b.broker.send(at, citizenOf(ett))
	q := b.broker.asked
	for name, want := range map[string]string{
		"client_id": "portal-a", "redirect_uri": base + "/inloggad", "response_type": "code", "prompt": "login", "ui_locales": "en",
		"scope":                 "openid https://id.oidc.se/scope/naturalPersonInfo https://id.oidc.se/scope/naturalPersonNumber",
		"code_challenge_method": "S256",
	} {
		if len(q[name]) != 1 || q.Get(name) != want {
			t.Errorf("%s is %q", name, q[name])
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 22 {
			t.Errorf("%s is short", name)
		}
	}
	var claims map[string]map[string]any
	if err := json.Unmarshal([]byte(q.Get("claims")), &claims); err != nil || len(claims["id_token"]) != 4 {
		t.Errorf("claims: %s", q.Get("claims"))
	}
	if strings.Contains(at, "forskola") || strings.Contains(at, held) {
		t.Error("where somebody was going stands in the address")
	}
	if a.visitor("a", true).LoggedIn() {
		t.Error("logged in before coming back")
	}
	out, err := a.finish("a", back)
	b.ok(err)
	if out.Refused != "" || out.Aim != (Aim{Path: "/e/forskola?x=1", Begin: "forskola", Held: held}) {
		t.Fatalf("%+v", out)
	}
	for _, v := range []portal.Visitor{out.Visitor, a.visitor("a", false)} {
		if v.Number.Digits() != ett || v.Name != "Testperson Ett" || v.Given != "Testperson" || v.Family != "Ett" || v.Tenant != "a" || v.Group != "g" ||
			!v.Auth.Equal(b.now()) || v.Browser != "" {
			t.Errorf("the visitor is another: %s, %s", v.Name, v.Auth)
		}
		if key, _ := b.Vault.Person("g", v.Number); v.Key != key || v.Previous != "" {
			t.Error("another key")
		}
	}
	if b.acts(audit.PortalLoggedIn, "") != 1 || b.count("held") != 0 || len(b.broker.sids()) != 0 {
		t.Error("no record of it, or more than that")
	}
}

// What lies in the database opens nothing and names nobody.
func TestNothingIsReadable(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	a.begun("a", citizenOf(ett)) // stays under way
	_, err := a.start("a", Aim{Path: "/hemlig-väg"}, "sv")
	b.ok(err)
	a.login("a", ett)
	var all strings.Builder
	for _, table := range []string{"sessions", "held"} {
		rows, err := b.DB.Rows(t.Context(), `SELECT id || ' ' || hex(body) FROM `+table)
		b.ok(err)
		for rows.Next() {
			var s string
			b.ok(rows.Scan(&s))
			all.WriteString(s)
		}
		rows.Close()
	}
	secrets := b.secrets()
	for _, v := range a.cookies {
		secrets = append(secrets, v)
	}
	for _, s := range append(secrets, ett, "Testperson", "hemlig") {
		if strings.Contains(all.String(), s) || strings.Contains(strings.ToLower(all.String()), hexOf(s)) {
			t.Errorf("readable: %.6s…", s)
		}
	}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

// The attacks on a client: reference 2.11 and the mix-ups around it. None gives
// a session, and each is a row of the audit. Where the code was exchanged, the
// broker's session is ended.
func TestAttacks(t *testing.T) {
	foreign, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	claim := func(name string, v any) func(*bench) {
		return func(b *bench) { b.broker.claims = func(c jwt.MapClaims) { c[name] = v } }
	}
	for name, row := range map[string]struct {
		set     func(*bench)
		back    func(b *bench, a *agent, back string) (*agent, portal.TenantID, string)
		person  jwt.MapClaims
		reason  string
		revoked bool
	}{
		"state of another browser": {back: func(b *bench, _ *agent, back string) (*agent, portal.TenantID, string) {
			return b.agent(), "a", back
		}, reason: "state"},
		"login CSRF: another's answer": {back: func(b *bench, a *agent, back string) (*agent, portal.TenantID, string) {
			victim := b.agent()
			victim.begun("a", citizenOf(tva)) // has a login of its own under way
			return victim, "a", back
		}, reason: "state"},
		"another's code with one's own state": {back: func(b *bench, a *agent, back string) (*agent, portal.TenantID, string) {
			u, _ := url.Parse(b.agent().begun("a", citizenOf(tva)))
			return a, "a", with(back, "code", u.Query().Get("code"))
		}, reason: "exchange"},
		"no state":       {back: changed("state", ""), reason: "state"},
		"state forged":   {back: changed("state", newSecret()), reason: "state"},
		"state not ours": {back: changed("state", strings.Repeat("å", 43)), reason: "state"},
		"no code":        {back: changed("code", ""), reason: "answer"},
		"code and error": {back: changed("error", "access_denied"), reason: "answer"},
		"state twice": {back: func(_ *bench, a *agent, back string) (*agent, portal.TenantID, string) {
			return a, "a", back + "&state=x"
		}, reason: "answer"},
		"a huge answer": {back: func(_ *bench, a *agent, back string) (*agent, portal.TenantID, string) {
			return a, "a", back + "&x=" + strings.Repeat("a", maxQuery)
		}, reason: "answer"},
		"a bad escape": {back: func(_ *bench, a *agent, back string) (*agent, portal.TenantID, string) {
			return a, "a", back + "&x=%zz"
		}, reason: "answer"},
		"mixed up issuer":         {back: changed("iss", "https://evil.example.com"), reason: "issuer"},
		"no issuer":               {back: changed("iss", ""), reason: "issuer"},
		"issuer with a slash":     {back: changed("iss", brokerName+"/"), reason: "issuer"},
		"error":                   {back: changed("code", "", "error", "server_error"), reason: "error"},
		"error of another issuer": {back: changed("code", "", "error", "access_denied", "iss", "https://evil.example.com"), reason: "issuer"},
		"another tenant of the group": {back: func(_ *bench, a *agent, back string) (*agent, portal.TenantID, string) {
			return a, "b", back
		}, reason: "tenant"},
		"another tenant": {back: func(_ *bench, a *agent, back string) (*agent, portal.TenantID, string) {
			return a, "c", back
		}, reason: "state"},
		"too late": {back: func(b *bench, a *agent, back string) (*agent, portal.TenantID, string) {
			b.pass(pendingLife)
			return a, "a", back
		}, reason: "state"},
		"code of another issuer": {back: changed("code", "forged"), reason: "exchange"},
		"token endpoint fails":   {set: func(b *bench) { b.broker.down["/token"] = 500 }, reason: "exchange"},
		"not a bearer token":     {set: func(b *bench) { b.broker.token = func(m map[string]any) { m["token_type"] = "DPoP" } }, reason: "exchange"},
		"no ID Token":            {set: func(b *bench) { b.broker.token = func(m map[string]any) { delete(m, "id_token") } }, reason: "id_token", revoked: true},
		"garbage as ID Token":    {set: func(b *bench) { b.broker.token = func(m map[string]any) { m["id_token"] = "x.y.z" } }, reason: "id_token", revoked: true},
		"wrong nonce":            {set: claim("nonce", "other"), reason: "id_token", revoked: true},
		"no nonce":               {set: claim("nonce", nil), reason: "id_token", revoked: true},
		"other issuer in it":     {set: claim("iss", "https://evil.example.com"), reason: "id_token", revoked: true},
		"other audience":         {set: claim("aud", "portal-b"), reason: "id_token", revoked: true},
		"two audiences":          {set: claim("aud", []string{"portal-a", "portal-b"}), reason: "id_token", revoked: true},
		"expired": {set: func(b *bench) {
			b.broker.claims = func(c jwt.MapClaims) { c["exp"] = b.now().Add(-time.Second).Unix() }
		}, reason: "id_token", revoked: true},
		"no subject": {set: claim("sub", nil), reason: "id_token", revoked: true},
		"other access token": {set: func(b *bench) {
			b.broker.claims = func(c jwt.MapClaims) { c["at_hash"] = base64.RawURLEncoding.EncodeToString(make([]byte, 16)) }
		}, reason: "id_token", revoked: true},
		"alg none": {set: func(b *bench) {
			b.broker.sign = func(c jwt.MapClaims) string {
				raw, _ := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
				return raw
			}
		}, reason: "id_token", revoked: true},
		"HMAC with the public key": {set: func(b *bench) {
			b.broker.sign = func(c jwt.MapClaims) string {
				point, _ := b.broker.key.PublicKey.Bytes()
				tok := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
				tok.Header["kid"] = "k"
				raw, _ := tok.SignedString(point)
				return raw
			}
		}, reason: "id_token", revoked: true},
		"foreign key, our kid": {set: func(b *bench) { b.broker.sign = func(c jwt.MapClaims) string { return signedBy(foreign, "k", c) } }, reason: "id_token", revoked: true},
		"foreign key, new kid": {set: func(b *bench) { b.broker.sign = func(c jwt.MapClaims) string { return signedBy(foreign, "z", c) } }, reason: "id_token", revoked: true},
		"claims changed": {set: func(b *bench) {
			b.broker.sign = func(c jwt.MapClaims) string { return tampered(signedBy(b.broker.key, "k", c)) }
		}, reason: "id_token", revoked: true},
		"no number":                           {set: claim("https://id.oidc.se/claim/personalIdentityNumber", nil), reason: "id_token", revoked: true},
		"both numbers":                        {set: claim("https://id.oidc.se/claim/coordinationNumber", samord), reason: "id_token", revoked: true},
		"a samordningsnummer as personnummer": {set: claim("https://id.oidc.se/claim/personalIdentityNumber", samord), reason: "id_token", revoked: true},
		"a number that is none":               {set: claim("https://id.oidc.se/claim/personalIdentityNumber", "1990"), reason: "id_token", revoked: true},
		"a number as number":                  {set: claim("https://id.oidc.se/claim/personalIdentityNumber", 1), reason: "id_token", revoked: true},
		"bad previous number":                 {set: claim(claimPrevious, ett), reason: "id_token", revoked: true},
		"no sid":                              {set: claim("sid", nil), reason: "id_token", revoked: true},
		"lower level":                         {set: claim("acr", "http://id.swedenconnect.se/loa/1.0/uncertified-loa2"), reason: "id_token", revoked: true},
		"no level":                            {set: claim("acr", nil), reason: "id_token", revoked: true},
		"an e-ID not accepted":                {set: claim("https://id.oidc.se/claim/authnProvider", "freja"), reason: "id_token", revoked: true},
		"no e-ID":                             {set: claim("https://id.oidc.se/claim/authnProvider", nil), reason: "id_token", revoked: true},
		"no time":                             {set: claim("auth_time", nil), reason: "id_token", revoked: true},
		"prompt=login taken out": {set: func(b *bench) {
			b.broker.claims = func(c jwt.MapClaims) { c["auth_time"] = b.now().Add(-clockSkew - time.Second).Unix() }
		}, reason: "id_token", revoked: true},
		"a time to come": {set: func(b *bench) {
			b.broker.claims = func(c jwt.MapClaims) { c["auth_time"] = b.now().Add(2 * clockSkew).Unix() }
		}, reason: "id_token", revoked: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := b.agent()
			back := a.begun("a", citizenOf(ett))
			tenant := portal.TenantID("a")
			if row.set != nil {
				row.set(b)
			}
			if row.back != nil {
				a, tenant, back = row.back(b, a, back)
			}
			out, err := a.finish(tenant, back)
			if err != nil {
				t.Fatal(err)
			}
			if out.Refused != RefusedFailed || out.Visitor.LoggedIn() {
				t.Errorf("refused %q", out.Refused)
			}
			if b.count("sessions") != 0 || a.visitor("a", true).LoggedIn() || a.cookies["__Host-sigill_portal_g"] != "" {
				t.Error("a session")
			}
			if b.acts(audit.PortalLoginRefused, row.reason) != 1 || b.acts(audit.PortalLoginRefused, "*") != 1 || b.acts(audit.PortalLoggedIn, "*") != 0 {
				t.Error("no record of it, or another")
			}
			if got := len(b.broker.sids()); (got == 1) != row.revoked || row.reason != "id_token" && b.broker.sids() != nil {
				t.Errorf("%d sessions of the broker ended", got)
			}
		})
	}
}

func changed(changes ...string) func(*bench, *agent, string) (*agent, portal.TenantID, string) {
	return func(_ *bench, a *agent, back string) (*agent, portal.TenantID, string) {
		return a, "a", with(back, changes...)
	}
}

// tampered makes the payload say something else.
func tampered(compact string) string {
	parts := strings.Split(compact, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), ett, tva, 1)))
	return strings.Join(parts, ".")
}

// A state that somebody else tries does not end the login of its browser.
func TestOthersCannotSpoilALogin(t *testing.T) {
	b := newBench(t)
	a, other := b.agent(), b.agent()
	back := a.begun("a", citizenOf(ett))
	other.begun("a", citizenOf(tva))
	if out, _ := other.finish("a", back); out.Refused != RefusedFailed {
		t.Fatal("taken")
	}
	if out, err := a.finish("a", back); err != nil || out.Refused != "" {
		t.Errorf("%q %v", out.Refused, err)
	}
}

// Two tabs, and whichever comes back last is who the browser is.
func TestTwoTabs(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	one, two := a.begun("a", citizenOf(ett)), a.begun("a", citizenOf(tva))
	for _, back := range []string{two, one} {
		if out, err := a.finish("a", back); err != nil || out.Refused != "" {
			t.Fatalf("%q %v", out.Refused, err)
		}
	}
	if a.visitor("a", true).Number.Digits() != ett || b.count("sessions") != 1 {
		t.Error("another, or the earlier session lives")
	}
	if len(b.broker.sids()) != 0 {
		t.Error("the broker has replaced its session itself")
	}
}

func TestReplayedCallback(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	back := a.begun("a", citizenOf(ett))
	early := a.twin()
	if out, _ := a.finish("a", back); out.Refused != "" {
		t.Fatal(out.Refused)
	}
	for _, who := range []*agent{a, early} {
		if out, err := who.finish("a", back); err != nil || out.Refused != RefusedFailed {
			t.Errorf("%q %v", out.Refused, err)
		}
	}
	if !a.visitor("a", true).LoggedIn() || b.count("sessions") != 1 || early.visitor("a", true).LoggedIn() {
		t.Error("the session ended, or there is another")
	}
}

// One answer, many at the same moment: one session.
func TestRaceFinish(t *testing.T) {
	b := newBench(t)
	for range 10 {
		a := b.agent()
		back := a.begun("a", citizenOf(ett))
		before := b.count("sessions")
		if won := race(func(int) bool {
			out, err := a.twin().finish("a", back)
			return err == nil && out.Refused == ""
		}); won != 1 || b.count("sessions") != before+1 {
			t.Fatalf("%d logged in", won)
		}
	}
}

func TestCancelled(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	out, err := a.finish("a", with(a.begun("a", citizenOf(ett)), "code", "", "error", "access_denied", "error_description", "x"))
	if err != nil || out.Refused != RefusedCancelled || out.Aim.Path != "/mina-sidor" || b.acts(audit.PortalLoginRefused, "cancelled") != 1 {
		t.Errorf("%+v %v", out, err)
	}
}

// Who is not let in has no session, here or at the broker, and no later one.
func TestNotAdmitted(t *testing.T) {
	for _, no := range []people.Admission{people.Protected, people.Coordination, people.Unknown, ""} {
		b := newBench(t)
		b.admit = func(tenant portal.Tenant, n personnummer.Number) (people.Admission, error) {
			if tenant.ID != "a" || n.Digits() != samord {
				t.Error("another person, or another tenant")
			}
			return no, nil
		}
		a := b.agent()
		out, err := a.finish("a", a.begun("a", citizenOf(samord)))
		want := string(no)
		if want == "" {
			want = RefusedFailed // no answer is none that lets anybody in
		}
		if err != nil || out.Refused != want || out.Visitor.LoggedIn() || b.count("sessions") != 0 || len(b.broker.sids()) != 1 {
			t.Errorf("%s: %q %v", no, out.Refused, err)
		}
		if b.acts(audit.PortalLoginRefused, want) != 1 {
			t.Error("no record of it")
		}
	}
	b := newBench(t)
	b.admit = func(portal.Tenant, personnummer.Number) (people.Admission, error) {
		return people.Admitted, errors.New("disk")
	}
	a := b.agent()
	if out, err := a.finish("a", a.begun("a", citizenOf(ett))); err == nil || out.Visitor.LoggedIn() || b.count("sessions") != 0 || len(b.broker.sids()) != 1 {
		t.Errorf("%+v %v", out.Refused, err)
	}
}

// A person who had a samordningsnummer has the things of that time too.
func TestPreviousNumber(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	person := citizenOf(ett)
	person[claimPrevious] = samord
	out, err := a.finish("a", a.begun("a", person))
	b.ok(err)
	n, _ := personnummer.FromDigits(samord)
	want, _ := b.Vault.Person("g", n)
	if v := a.visitor("a", true); out.Visitor.Previous != want || v.Previous != want || len(v.Keys()) != 2 {
		t.Error("the previous number is not known")
	}
}

func TestStartWhenTheIssuerIsDown(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	b.broker.down["/.well-known/openid-configuration"] = 503
	if at, err := a.start("a", Aim{}, "sv"); !errors.Is(err, ErrUnavailable) || at != "" || strings.Contains(err.Error(), ett) {
		t.Errorf("%q %v", at, err)
	}
	delete(b.broker.down, "/.well-known/openid-configuration")
	if _, err := a.start("a", Aim{}, "sv"); err != nil {
		t.Error("it is not asked again")
	}
	a.start("a", Aim{}, "sv")
	if n := strings.Count(strings.Join(b.broker.calls, "\n"), "openid-configuration"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// Logins that are begun and never finished do not fill the disk.
func TestCrowded(t *testing.T) {
	const most = 5
	b := newBench(t, func(c *Config) { c.Pending = most })
	for range most - 1 {
		b.agent().begun("a", citizenOf(tva))
	}
	a := b.agent()
	at := a.begun("a", citizenOf(ett)) // the last that there is room for
	if _, err := b.agent().start("a", Aim{}, "sv"); !errors.Is(err, ErrUnavailable) || b.kind(kindCitizen) != most {
		t.Errorf("one more: %v, %d", err, b.kind(kindCitizen))
	}
	a.startStaff("a", "/") // officers have their own
	if out, err := a.finish("a", at); err != nil || out.Refused != "" {
		t.Errorf("who is among them: %q %v", out.Refused, err)
	}
	b.agent().begun("a", citizenOf(tva))
	b.pass(pendingLife)
	b.ok(b.Sweep(t.Context()))
	if b.kind(kindCitizen) != 0 {
		t.Error("they stay")
	}
}

func TestAims(t *testing.T) {
	for path, want := range map[string]string{
		"": "/", "/": "/", "/mina-sidor": "/mina-sidor", "/e/a?x=1": "/e/a?x=1", "//evil.example.com": "/", "https://evil.example.com": "/", "/\\evil": "/",
		"/a b": "/", "/a\nb": "/", "x": "/", "@evil": "/", "/" + strings.Repeat("a", 1024): "/", "/a\tb": "/", "/\xff": "/",
	} {
		if got := local(path); got != want {
			t.Errorf("%q: %q", path, got)
		}
	}
}

// The step to another tenant of the same group needs no new proof, where the
// browser is known, or comes from there; all else does.
func TestPrompt(t *testing.T) {
	for name, row := range map[string]struct {
		in    portal.TenantID // logged in with; empty: nobody is
		after time.Duration
		to    portal.TenantID
		from  portal.TenantID
		fresh bool
	}{
		"nobody":                     {to: "a", fresh: true},
		"again":                      {in: "a", to: "a", fresh: true},
		"in the group":               {in: "a", to: "b"},
		"in the group, ended":        {in: "a", after: time.Hour, to: "b", fresh: true},
		"outside":                    {in: "a", to: "c", fresh: true},
		"from one of the group":      {to: "b", from: "a"},
		"from itself":                {to: "b", from: "b", fresh: true},
		"from one of another group":  {to: "c", from: "a", fresh: true},
		"from one that is not there": {to: "b", from: "x", fresh: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := b.agent()
			if row.in != "" {
				a.login(row.in, ett)
			}
			b.pass(row.after)
			at, err := a.start(row.to, Aim{From: row.from}, "sv")
			b.ok(err)
			u, _ := url.Parse(at)
			if (u.Query().Get("prompt") == "login") != row.fresh {
				t.Errorf("prompt %q", u.Query().Get("prompt"))
			}
			// A session of the broker's answers, from a while ago.
			person := citizenOf(ett)
			person["auth_time"] = b.now().Add(-30 * time.Minute).Unix()
			out, err := a.finish(row.to, b.broker.send(at, person))
			if err != nil || (out.Refused == "") == row.fresh {
				t.Errorf("%q %v", out.Refused, err)
			}
		})
	}
}

// A session that is used again does not begin again.
func TestUsedAgainIsNoBeginning(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Longest = 40 * time.Minute })
	a := b.agent()
	at, _ := a.start("b", Aim{From: "a"}, "sv")
	person := citizenOf(ett)
	person["auth_time"] = b.now().Add(-30 * time.Minute).Unix()
	if out, err := a.finish("b", b.broker.send(at, person)); err != nil || out.Refused != "" {
		t.Fatalf("%q %v", out.Refused, err)
	}
	if got := a.left("b"); got != 10*time.Minute {
		t.Errorf("%s left", got)
	}
}

// What an issuer sends is read up to a limit, and nobody is sent on by it.
func TestBoundedAnswers(t *testing.T) {
	served := 0
	huge := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		if r.URL.Path == "/moved/.well-known/openid-configuration" {
			http.Redirect(w, r, "/other", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"issuer":"https://x.example.se/huge","authorization_endpoint":"https://x.example.se/a","token_endpoint":"https://x.example.se/t","jwks_uri":"https://x.example.se/k","x":"` +
			strings.Repeat("a", 2*maxAnswer) + `"}`))
	})
	for _, name := range []string{"/huge", "/moved"} {
		i := newIssuer("https://x.example.se"+name, &http.Client{Transport: transport{huge}})
		if _, err := i.discover(t.Context()); !errors.Is(err, ErrUnavailable) || len(err.Error()) > 200 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if served != 2 {
		t.Errorf("%d requests", served)
	}
}

// An issuer that hangs holds nobody for long, however many wait for it.
func TestHangingIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(brokerName, &http.Client{Transport: hanging{}})
		begun := time.Now()
		race(func(int) bool {
			if _, err := i.discover(t.Context()); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%v", err)
			}
			return true
		})
		if took := time.Since(begun); took > 2*patience {
			t.Errorf("it took %s", took)
		}
	})
}

// hanging answers when nobody waits any more.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

type transport struct{ http.Handler }

func (h transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("code=a&state=b&iss=c")
	f.Add("error=access_denied&state=%zz")
	f.Add("code=a&code=b")
	f.Fuzz(func(t *testing.T, query string) {
		a, ok := readAnswer(&http.Request{URL: &url.URL{RawQuery: query}})
		if ok && (a.code == "") == (a.err == "") {
			t.Errorf("%q is read as %+v", query, a)
		}
		if p := local(query); !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") {
			t.Errorf("%q leads to %q", query, p)
		}
	})
}
