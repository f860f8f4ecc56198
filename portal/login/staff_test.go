package login

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sigill/broker/kit/audit"
	"sigill/portal"
	"sigill/testidp/control"
	"sigill/testidp/staff"
)

func (a *agent) startStaff(t portal.TenantID, path string) string {
	a.b.t.Helper()
	w := httptest.NewRecorder()
	a.b.ok(a.b.StartStaff(w, a.request(base), a.b.tenants[t], path))
	return a.keep(w).Header.Get("Location")
}

func (a *agent) finishStaff(t portal.TenantID, address string) (path, refused string, err error) {
	w := httptest.NewRecorder()
	path, refused, err = a.b.FinishStaff(w, a.request(address), a.b.tenants[t])
	a.keep(w)
	return path, refused, err
}

func (a *agent) officer(t portal.TenantID) (portal.Officer, bool) {
	a.b.t.Helper()
	o, is, err := a.b.Officer(httptest.NewRecorder(), a.request(base), a.b.tenants[t])
	a.b.ok(err)
	return o, is
}

func officerIn(groups any) jwt.MapClaims {
	return jwt.MapClaims{"sub": "staff-1", "name": "Handläggare Ett", "groups": groups}
}

func (a *agent) begunStaff(t portal.TenantID, person jwt.MapClaims) string {
	return a.b.staff.send(a.startStaff(t, "/handlaggare/arende/x"), person)
}

func TestOfficer(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	back := a.begunStaff("a", officerIn([]string{"ad-alla", "ad-rektor", "ad-bygg"}))
	q := b.staff.asked
	if q.Get("client_id") != "staff" || q.Get("redirect_uri") != base+"/handlaggare/inloggad" || q.Get("scope") != "openid profile" ||
		q.Get("code_challenge_method") != "S256" || len(q.Get("nonce")) < 22 {
		t.Errorf("asked for %v", q)
	}
	path, refused, err := a.finishStaff("a", back)
	if err != nil || refused != "" || path != "/handlaggare/arende/x" {
		t.Fatalf("%q %q %v", path, refused, err)
	}
	o, is := a.officer("a")
	if !is || o.Subject != "staff-1" || o.Name != "Handläggare Ett" || o.Tenant != "a" || !slices.Equal(o.Groups, []string{"bygg", "skola"}) {
		t.Errorf("%+v", o)
	}
	if _, is := a.officer("b"); is {
		t.Error("an officer of another tenant of the group")
	}
	also := b.tenants["b"]
	also.Groups = b.tenants["a"].Groups
	b.tenants["b"] = also
	a.cookies["__Host-sigill_staff_b"] = a.cookies["__Host-sigill_staff_a"]
	if _, is := a.officer("b"); is {
		t.Error("an officer of another tenant, by the same cookie")
	}
	if a.visitor("a", true).LoggedIn() {
		t.Error("an officer is a citizen")
	}
	a.cookies["__Host-sigill_portal_g"] = a.cookies["__Host-sigill_staff_a"]
	if a.visitor("a", true).LoggedIn() {
		t.Error("an officer is a citizen, by the same cookie")
	}
	if b.acts(audit.OfficerLoggedIn, "") != 1 {
		t.Error("no record of it")
	}
	// The tenant's settings of now decide.
	tenant := b.tenants["a"]
	tenant.Groups = map[string][]string{"bygg": {"ad-bygg"}}
	b.tenants["a"] = tenant
	if o, is := a.officer("a"); !is || !slices.Equal(o.Groups, []string{"bygg"}) {
		t.Errorf("%v", o.Groups)
	}
	tenant.Groups = nil
	b.tenants["a"] = tenant
	if _, is := a.officer("a"); is {
		t.Error("an officer in no group")
	}
}

func TestNotOfficer(t *testing.T) {
	for name, groups := range map[string]any{
		"other groups": []string{"ad-alla"}, "none": []string{}, "missing": nil, "empty": []string{""}, "our name for it": []string{"skola"}, "one, another": "x",
	} {
		b := newBench(t)
		a := b.agent()
		path, refused, err := a.finishStaff("a", a.begunStaff("a", officerIn(groups)))
		if err != nil || refused != RefusedNotOfficer || path == "" || b.count("sessions") != 0 || b.acts(audit.OfficerLoginRefused, RefusedNotOfficer) != 1 {
			t.Errorf("%s: %q %v", name, refused, err)
		}
	}
	b := newBench(t)
	a := b.agent()
	if _, refused, err := a.finishStaff("a", a.begunStaff("a", officerIn("ad-skola"))); err != nil || refused != "" {
		t.Errorf("one group alone: %q %v", refused, err)
	}
}

func TestOfficerAttacks(t *testing.T) {
	claim := func(name string, v any) func(*bench) {
		return func(b *bench) { b.staff.claims = func(c jwt.MapClaims) { c[name] = v } }
	}
	for name, row := range map[string]struct {
		set     func(*bench)
		back    func(b *bench, a *agent, back string) (*agent, string)
		tenant  portal.TenantID
		refused string
		reason  string
	}{
		"other browser":  {back: func(b *bench, _ *agent, back string) (*agent, string) { return b.agent(), back }, refused: RefusedFailed, reason: "state"},
		"other tenant":   {tenant: "b", refused: RefusedFailed, reason: "state"},
		"cancelled":      {back: changedStaff("code", "", "error", "access_denied"), refused: RefusedCancelled, reason: "cancelled"},
		"error":          {back: changedStaff("code", "", "error", "x"), refused: RefusedFailed, reason: "error"},
		"nothing":        {back: changedStaff("code", ""), refused: RefusedFailed, reason: "answer"},
		"mixed up":       {back: changedStaff("iss", brokerName), refused: RefusedFailed, reason: "issuer"},
		"no issuer":      {back: changedStaff("iss", ""), refused: RefusedFailed, reason: "issuer"},
		"forged code":    {back: changedStaff("code", "x"), refused: RefusedFailed, reason: "exchange"},
		"too late":       {set: func(b *bench) { b.pass(pendingLife) }, refused: RefusedFailed, reason: "state"},
		"wrong nonce":    {set: claim("nonce", "x"), refused: RefusedFailed, reason: "id_token"},
		"other audience": {set: claim("aud", "other"), refused: RefusedFailed, reason: "id_token"},
		"other issuer":   {set: claim("iss", brokerName), refused: RefusedFailed, reason: "id_token"},
		"expired":        {set: claim("exp", 1), refused: RefusedFailed, reason: "id_token"},
		"no subject":     {set: claim("sub", nil), refused: RefusedFailed, reason: "id_token"},
		"long subject":   {set: claim("sub", strings.Repeat("x", 600)), refused: RefusedFailed, reason: "id_token"},
		"groups as map":  {set: claim("groups", map[string]string{"a": "ad-skola"}), refused: RefusedFailed, reason: "id_token"},
		"alg none": {set: func(b *bench) {
			b.staff.sign = func(c jwt.MapClaims) string {
				raw, _ := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
				return raw
			}
		}, refused: RefusedFailed, reason: "id_token"},
		"the broker's key": {set: func(b *bench) {
			b.staff.sign = func(c jwt.MapClaims) string { return signedBy(b.broker.key, "k", c) }
		}, refused: RefusedFailed, reason: "id_token"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := b.agent()
			back := a.begunStaff("a", officerIn([]string{"ad-skola"}))
			if row.set != nil {
				row.set(b)
			}
			if row.back != nil {
				a, back = row.back(b, a, back)
			}
			tenant := row.tenant
			if tenant == "" {
				tenant = "a"
			}
			_, refused, err := a.finishStaff(tenant, back)
			if err != nil || refused != row.refused || b.count("sessions") != 0 || b.acts(audit.OfficerLoginRefused, row.reason) != 1 {
				t.Errorf("%q %v", refused, err)
			}
			if _, is := a.officer(tenant); is {
				t.Error("an officer")
			}
		})
	}
}

func changedStaff(changes ...string) func(*bench, *agent, string) (*agent, string) {
	return func(_ *bench, a *agent, back string) (*agent, string) { return a, with(back, changes...) }
}

// A citizen's login is no officer's, though the answer were the same.
func TestMixedLogins(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	citizen, officer := a.begun("a", citizenOf(ett)), a.begunStaff("a", officerIn([]string{"ad-skola"}))
	// Even with the browser's secrets exchanged.
	c, s := "__Host-sigill_portal_login_g", "__Host-sigill_staff_login_a"
	a.cookies[c], a.cookies[s] = a.cookies[s], a.cookies[c]
	if out, err := a.finish("a", officer); err != nil || out.Refused != RefusedFailed {
		t.Errorf("%q %v", out.Refused, err)
	}
	if _, refused, err := a.finishStaff("a", citizen); err != nil || refused != RefusedFailed {
		t.Errorf("%q %v", refused, err)
	}
}

func TestOfficerSession(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	log := func() {
		t.Helper()
		if _, refused, err := a.finishStaff("a", a.begunStaff("a", officerIn([]string{"ad-skola"}))); err != nil || refused != "" {
			t.Fatalf("%q %v", refused, err)
		}
	}
	log()
	b.pass(officerIdle - time.Second)
	if _, is := a.officer("a"); !is {
		t.Error("it ended too early")
	}
	b.pass(officerIdle - time.Second)
	if _, is := a.officer("a"); !is {
		t.Error("working did not prolong it")
	}
	b.pass(officerIdle)
	if _, is := a.officer("a"); is {
		t.Error("it lives on")
	}
	b.ok(b.Sweep(t.Context()))
	if b.count("sessions") != 0 || b.acts(audit.OfficerSessionEnded, "idle") != 1 || len(b.broker.sids()) != 0 {
		t.Error("not swept, or the broker was told")
	}
	log()
	log()
	if b.count("sessions") != 1 {
		t.Error("the session before lives")
	}
	copied := a.twin()
	w := httptest.NewRecorder()
	b.ok(b.EndStaff(w, a.request(base), b.tenants["a"], "/handlaggare/utloggad"))
	u, _ := url.Parse(a.keep(w).Header.Get("Location"))
	if q := u.Query(); !strings.HasPrefix(u.String(), staffName+"/logout?") || q.Get("client_id") != "staff" ||
		q.Get("post_logout_redirect_uri") != base+"/handlaggare/utloggad" || q.Has("id_token_hint") {
		t.Errorf("sent to %s", u)
	}
	if _, is := copied.officer("a"); is || b.acts(audit.OfficerLoggedOut, "person") != 1 || a.cookies["__Host-sigill_staff_a"] != "" {
		t.Error("still an officer")
	}
}

// However much an officer does, the directory is asked again after a while; and
// what tenant.yaml says of groups counts at once.
func TestOfficerLongest(t *testing.T) {
	for name, row := range map[string]struct{ set, want time.Duration }{"usual": {0, 4 * time.Hour}, "set": {45 * time.Minute, 45 * time.Minute}} {
		b := newBench(t, func(c *Config) { c.Staff.Longest = row.set })
		a := b.agent()
		if _, refused, err := a.finishStaff("a", a.begunStaff("a", officerIn([]string{"ad-skola"}))); err != nil || refused != "" {
			t.Fatalf("%q %v", refused, err)
		}
		until := b.now().Add(row.want)
		for b.now().Add(15 * time.Minute).Before(until) {
			b.pass(15 * time.Minute)
			if _, is := a.officer("a"); !is {
				t.Fatalf("%s: it ended %s early", name, until.Sub(b.now()))
			}
		}
		b.pass(until.Sub(b.now()) - time.Second)
		if _, is := a.officer("a"); !is {
			t.Errorf("%s: it ended too early", name)
		}
		b.pass(time.Second)
		if _, is := a.officer("a"); is {
			t.Errorf("%s: it lives on", name)
		}
		b.ok(b.Sweep(t.Context()))
		if b.acts(audit.OfficerSessionEnded, "longest") != 1 {
			t.Errorf("%s: not ended, or for another reason", name)
		}
	}

	b := newBench(t)
	a := b.agent()
	if _, refused, err := a.finishStaff("a", a.begunStaff("a", officerIn([]string{"ad-skola"}))); err != nil || refused != "" {
		t.Fatalf("%q %v", refused, err)
	}
	tenant := b.tenants["a"]
	for _, row := range []struct {
		groups map[string][]string
		want   []string
	}{
		{map[string][]string{"bygg": {"ad-skola"}, "skola": {"ad-rektor"}}, []string{"bygg"}},
		{map[string][]string{"skola": {"ad-rektor"}}, nil},
		{map[string][]string{"skola": {"ad-skola"}}, []string{"skola"}},
	} {
		tenant.Groups = row.groups
		b.tenants["a"] = tenant
		if o, is := a.officer("a"); is != (row.want != nil) || !slices.Equal(o.Groups, row.want) {
			t.Errorf("%v: %t, in %v", row.groups, is, o.Groups)
		}
	}
}

// The directory of the demo, which was written from the specifications alone.
func TestSimulatedDirectory(t *testing.T) {
	const at = "http://localhost:8082"
	faults := &control.Faults{}
	b := newBench(t)
	d, err := staff.New(staff.Config{BaseURL: at, Redirects: []string{base}, Faults: faults, Now: b.now})
	b.ok(err)
	l, err := New(func() Config {
		c := b.Config
		c.Staff = Staff{Issuer: d.Issuer(), ClientID: staff.ClientID, Secret: []byte(staff.DefaultSecret), HTTP: &http.Client{Transport: transport{d.Handler()}}}
		return c
	}())
	b.ok(err)
	b.Logins = l
	tenant := b.tenants["a"]
	tenant.Groups = map[string][]string{"forskola": {"exempelby-forskola"}}
	b.tenants["a"] = tenant
	for name, row := range map[string]struct{ officer, fault, refused string }{
		"one": {officer: "ett"}, "of two groups": {officer: "fyra"}, "of another": {officer: "tva", refused: RefusedNotOfficer},
		"of none": {officer: "fem", refused: RefusedNotOfficer}, "no groups told": {"ett", "noGroups", RefusedNotOfficer},
		"bad signature": {"ett", "badSignature", RefusedFailed}, "wrong nonce": {"ett", "wrongNonce", RefusedFailed},
		"wrong audience": {"ett", "wrongAudience", RefusedFailed}, "wrong issuer": {"ett", "wrongIssuer", RefusedFailed},
		"expired": {"ett", "expired", RefusedFailed}, "garbage": {"ett", "garbage", RefusedFailed},
	} {
		t.Run(name, func(t *testing.T) {
			b.ok(d.Obey(row.officer))
			a := b.agent()
			to := a.startStaff("a", "/handlaggare/")
			if row.fault != "" {
				faults.Set(control.Fault{Provider: staff.Name, Fault: row.fault, Rate: 1})
				defer faults.Clear()
			}
			w := httptest.NewRecorder()
			d.Handler().ServeHTTP(w, httptest.NewRequest("GET", to, nil))
			_, refused, err := a.finishStaff("a", w.Header().Get("Location"))
			o, is := a.officer("a")
			if err != nil || refused != row.refused || is != (refused == "") || is && (!slices.Equal(o.Groups, []string{"forskola"}) || o.Name == "") {
				t.Errorf("%q %v %t", refused, err, is)
			}
		})
	}
}

func TestRaceFinishStaff(t *testing.T) {
	b := newBench(t)
	a := b.agent()
	back := a.begunStaff("a", officerIn([]string{"ad-skola"}))
	if won := race(func(int) bool {
		_, refused, err := a.twin().finishStaff("a", back)
		return err == nil && refused == ""
	}); won != 1 || b.count("sessions") != 1 {
		t.Errorf("%d logged in", won)
	}
}

func TestNoStaff(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Staff = Staff{} })
	a := b.agent()
	if err := b.StartStaff(httptest.NewRecorder(), a.request(base), b.tenants["a"], "/"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if _, _, err := a.finishStaff("a", base+"/handlaggare/inloggad?code=x&state=y"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if _, is := a.officer("a"); is {
		t.Error("an officer")
	}
}
