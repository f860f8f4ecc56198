package people

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/register"
	"sigill/portal/store"
	"sigill/portal/store/storetest"
	"sigill/providers/personnummer"
)

// Test numbers (test-numbers.md).
const (
	ett, tva     = "198101199282", "198107039276"
	coordination = "196102732382"
	kid          = "202101122394"
)

// house is people with a register that answers as a test says.
type house struct {
	t      *testing.T
	db     *sqldb.DB
	vault  portal.Vault
	people *People
	now    time.Time
	entry  register.Entry
	err    error
	asked  int
}

func (h *house) Person(context.Context, personnummer.Number) (register.Entry, error) {
	h.asked++
	if h.err != nil {
		return register.Entry{Name: "Testperson Hemlig", Address: "Hemliga vägen"}, h.err
	}
	return h.entry, nil
}

func newHouse(t *testing.T) *house {
	t.Helper()
	ctx := t.Context()
	h := &house{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), entry: register.Entry{
		Name: "Testperson Ett", Address: "Testvägen 1\n123 45 Exempelby", Hidden: true,
		Children: []form.Child{{Number: kid, Name: "Testbarn Ett", Guardians: []form.Guardian{{Number: ett, Name: "Testperson Ett"}, {Number: tva, Name: "Testperson Två"}}}},
	}}
	h.db = storetest.Database(t)
	master := filepath.Join(t.TempDir(), "master")
	if err := keys.NewMaster(master); err != nil {
		t.Fatal(err)
	}
	masters, err := keys.LoadMasters(master)
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return h.now }
	ring, err := keys.Open(ctx, h.db, masters, clock)
	if err != nil {
		t.Fatal(err)
	}
	h.vault = portal.NewVault(ring)
	h.people, err = New(Config{DB: h.db, Vault: h.vault, Register: h, Now: clock, Tenant: func(id portal.TenantID) (portal.Tenant, bool) {
		return portal.Tenant{ID: id, Group: "lan", Lists: map[string][]form.Option{"forskolor": {{Key: "a"}}}}, id == "exempelby" || id == "provby"
	}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) number(digits string) personnummer.Number {
	h.t.Helper()
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) visitor(digits string) portal.Visitor {
	h.t.Helper()
	n := h.number(digits)
	key, err := h.vault.Person("lan", n)
	if err != nil {
		h.t.Fatal(err)
	}
	return portal.Visitor{Group: "lan", Tenant: "exempelby", Key: key, Number: n, Name: "Testperson E-legitimation"}
}

func TestAdmit(t *testing.T) {
	allows, denies := portal.Tenant{ID: "exempelby", Coordination: true}, portal.Tenant{ID: "exempelby"}
	down := errors.New("the register is down")
	for name, c := range map[string]struct {
		tenant     portal.Tenant
		number     string
		err        error
		noRegister bool
		want       Admission
		asked      int
	}{
		"anybody":                            {tenant: denies, number: ett, want: Admitted, asked: 1},
		"protected":                          {tenant: denies, number: ett, err: register.ErrProtected, want: Protected, asked: 1},
		"unknown":                            {tenant: denies, number: ett, err: register.ErrUnknown, want: Unknown, asked: 1},
		"the register is down":               {tenant: denies, number: ett, err: down, want: Admitted, asked: 1},
		"there is no register":               {tenant: denies, number: ett, noRegister: true, want: Admitted},
		"samordningsnummer, denied":          {tenant: denies, number: coordination, want: Coordination},
		"samordningsnummer, no register":     {tenant: denies, number: coordination, noRegister: true, want: Coordination},
		"samordningsnummer, denied, is down": {tenant: denies, number: coordination, err: down, want: Coordination},
		"samordningsnummer, allowed":         {tenant: allows, number: coordination, want: Admitted, asked: 1},
		"samordningsnummer, protected":       {tenant: allows, number: coordination, err: register.ErrProtected, want: Protected, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.err = c.err
			if c.noRegister {
				h.people.Register = nil
			}
			got, err := h.people.Admit(t.Context(), c.tenant, h.number(c.number))
			if err != nil || got != c.want || h.asked != c.asked {
				t.Errorf("%s, asked %d: %v", got, h.asked, err)
			}
		})
	}
	h := newHouse(t)
	if got, err := h.people.Admit(t.Context(), allows, personnummer.Number{}); err == nil || got != "" {
		t.Error("nobody was let in")
	}
	h.err = context.Canceled
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := h.people.Admit(ctx, allows, h.number(ett)); err == nil || got != "" {
		t.Error("who went away was let in")
	}
}

func TestMayTell(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		noRegister bool
		may, known bool
	}{
		"anybody": {may: true, known: true}, "protected": {err: register.ErrProtected, known: true},
		"unknown": {err: register.ErrUnknown}, "down": {err: errors.New("down")}, "no register": {noRegister: true, may: true, known: true},
	} {
		h := newHouse(t)
		h.err = c.err
		if c.noRegister {
			h.people.Register = nil
		}
		if may, err := h.people.MayTell(t.Context(), h.number(ett)); may != c.may || (err == nil) != c.known {
			t.Errorf("%s: %v, %v", name, may, err)
		}
	}
	if may, err := newHouse(t).people.MayTell(t.Context(), personnummer.Number{}); may || err == nil {
		t.Error("nobody may be told")
	}
}

func TestFacts(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(ett)
	if _, err := h.people.SetProfile(t.Context(), v, form.Contact{Email: "ett@example.se"}); err != nil {
		t.Fatal(err)
	}
	f, err := h.people.Facts(t.Context(), v, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Now.Equal(h.now) || f.Applicant.Name != "Testperson Ett" || f.Applicant.Address != "Testvägen 1\n123 45 Exempelby" || !f.Applicant.FromRegister || f.Applicant.Number != v.Number ||
		!f.HiddenChildren || f.NoRegister || f.Profile.Email != "ett@example.se" || len(f.Lists["forskolor"]) != 1 || len(f.Children) != 1 || len(f.Children[0].Guardians) != 2 {
		t.Error("the facts are not those of the register")
	}

	// A child's name in a form is the same each time, another's for another
	// visitor, and tells nothing.
	again, err := h.people.Facts(t.Context(), v, nil)
	if err != nil || again.Children[0].Key != f.Children[0].Key {
		t.Error("a child is called something else the next time")
	}
	theirs, err := h.people.Facts(t.Context(), h.visitor(tva), nil)
	if err != nil || theirs.Children[0].Key == f.Children[0].Key || theirs.Profile.Email != "" {
		t.Error("a child is called the same for everybody")
	}
	if k := f.Children[0].Key; len(k) != 32 || strings.Contains(k, kid[2:8]) {
		t.Error("a child's name tells something")
	}
	if h.entry.Children[0].Key != "" {
		t.Error("the register's own list was changed")
	}

	h.err = errors.New("down")
	if f, err = h.people.Facts(t.Context(), v, nil); err != nil || !f.NoRegister || f.Applicant.Name != v.Name || f.Applicant.Address != "" || f.Applicant.FromRegister || f.Children != nil || f.Profile.Email == "" {
		t.Errorf("without the register: %v", err)
	}
	h.err = register.ErrUnknown
	if f, err = h.people.Facts(t.Context(), v, nil); err != nil || !f.NoRegister || f.Applicant.FromRegister {
		t.Errorf("unknown to the register: %v", err)
	}
	h.err = register.ErrProtected
	if f, err = h.people.Facts(t.Context(), v, nil); !errors.Is(err, register.ErrProtected) || f.Applicant.Name != "" || f.Profile.Email != "" {
		t.Errorf("protected: %v", err)
	}
	h.err = context.Canceled
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = h.people.Facts(ctx, v, nil); err == nil {
		t.Error("who went away has facts")
	}
	h.err, h.people.Register = nil, nil
	if f, err = h.people.Facts(t.Context(), v, nil); err != nil || f.NoRegister || f.Applicant.Name != v.Name || f.Applicant.Number != v.Number ||
		f.Applicant.Address != "" || f.Applicant.FromRegister || f.HiddenChildren || f.Children != nil || f.Profile.Email == "" {
		t.Errorf("where there is no register: %v", err)
	}

	h = newHouse(t)
	if f, err = h.people.Facts(t.Context(), portal.Visitor{Group: "lan", Tenant: "exempelby", Browser: "b"}, nil); err != nil || h.asked != 0 || f.Applicant.Name != "" || len(f.Lists) != 1 || f.NoRegister {
		t.Errorf("nobody logged in: %v", err)
	}
	v.Number = personnummer.Number{}
	if _, err = h.people.Facts(t.Context(), v, nil); err == nil {
		t.Error("a visitor without a number")
	}
	v.Tenant = "ensamby"
	if _, err = h.people.Facts(t.Context(), v, nil); err == nil {
		t.Error("a tenant that there is not")
	}
}

func TestProfile(t *testing.T) {
	for name, c := range map[string]struct {
		given, want form.Contact
		faults      string
	}{
		"both":                     {form.Contact{Email: " ett@Example.SE ", Phone: "070-174 06 05", Notify: "both"}, form.Contact{Email: "ett@example.se", Phone: "+46701740605", Notify: "both"}, ""},
		"e-mail":                   {form.Contact{Email: "ett@example.se", Notify: "email"}, form.Contact{Email: "ett@example.se", Notify: "email"}, ""},
		"no choice":                {form.Contact{Phone: "+46701740605"}, form.Contact{Phone: "+46701740605"}, ""},
		"nothing":                  {},
		"a bad address":            {form.Contact{Email: "ett@"}, form.Contact{}, "email email"},
		"a bad number":             {form.Contact{Phone: "12"}, form.Contact{}, "phone phone"},
		"both bad":                 {form.Contact{Email: "x", Phone: "y", Notify: "both"}, form.Contact{}, "email email, phone phone"},
		"e-mail without address":   {form.Contact{Phone: "+46701740605", Notify: "email"}, form.Contact{}, "notify notify"},
		"SMS without number":       {form.Contact{Email: "ett@example.se", Notify: "sms"}, form.Contact{}, "notify notify"},
		"both with one":            {form.Contact{Email: "ett@example.se", Notify: "both"}, form.Contact{}, "notify notify"},
		"a way that there is not":  {form.Contact{Email: "ett@example.se", Notify: "pigeon"}, form.Contact{}, "notify option"},
		"an address of two people": {form.Contact{Email: "a@example.se\r\nBcc: b@example.se"}, form.Contact{}, "email email"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			v := h.visitor(ett)
			faults, err := h.people.SetProfile(t.Context(), v, c.given)
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, f := range faults {
				list = append(list, f.Part+" "+string(f.Code))
			}
			if got := strings.Join(list, ", "); got != c.faults {
				t.Errorf("faults: %s", got)
			}
			if got, err := h.people.Profile(t.Context(), v); err != nil || got != c.want {
				t.Errorf("the profile is not what was given: %v", err)
			}
		})
	}
}

// TestOwnProfile: it is the person's alone, with all tenants of the group and no
// other, sealed, noted, and gone when the choice is taken back.
func TestOwnProfile(t *testing.T) {
	h := newHouse(t)
	v, chosen := h.visitor(ett), form.Contact{Email: "planted@example.se"}
	set := func(v portal.Visitor, c form.Contact) error {
		t.Helper()
		faults, err := h.people.SetProfile(t.Context(), v, c)
		if len(faults) > 0 {
			t.Fatal("faults")
		}
		return err
	}
	if err := set(v, chosen); err != nil {
		t.Fatal(err)
	}
	same := v
	same.Tenant = "provby"
	foreign := v
	foreign.Group = "another"
	later := h.visitor(tva)
	later.Previous = v.Key
	for name, c := range map[string]struct {
		v    portal.Visitor
		want form.Contact
	}{
		"the person": {v, chosen}, "with another tenant": {same, chosen}, "in another group": {foreign, form.Contact{}}, "somebody else": {h.visitor(tva), form.Contact{}},
		"the person with a new number": {later, chosen}, "nobody": {portal.Visitor{Group: "lan", Tenant: "exempelby", Browser: string(v.Key)}, form.Contact{}},
	} {
		if got, err := h.people.Profile(t.Context(), c.v); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got != (form.Contact{}), err)
		}
	}
	row, err := store.ProfileOf(store.Last(t.Context(), h.db), "lan", v.Key)
	if err != nil || bytes.Contains(row.Body, []byte("planted")) || !row.Seen.Equal(h.now) {
		t.Errorf("it is not sealed: %v", err)
	}
	row.Person = h.visitor(tva).Key
	if err := h.db.Write(t.Context(), func(tx *sqldb.Tx) error { return store.PutProfile(tx, row) }); err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.Profile(t.Context(), h.visitor(tva)); err == nil {
		t.Error("a profile opens as another's")
	}

	// Under the new number it lies once.
	if err := set(later, form.Contact{Email: "new@example.se"}); err != nil {
		t.Fatal(err)
	}
	if got, _ := h.people.Profile(t.Context(), v); got != (form.Contact{}) {
		t.Error("it is still there under the number of before")
	}
	if err := set(later, form.Contact{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := h.people.Profile(t.Context(), later); got != (form.Contact{}) {
		t.Error("a choice that was taken back is still there")
	}
	var noted int
	if err := h.db.Row(t.Context(), `SELECT count(*) FROM audit_waiting WHERE type = 'profile.changed' AND client = 'portal-exempelby' AND length(person) = 64`).Scan(&noted); err != nil || noted != 3 {
		t.Errorf("noted %d times: %v", noted, err)
	}

	if _, err := h.people.SetProfile(t.Context(), portal.Visitor{Group: "lan", Tenant: "exempelby", Browser: "b"}, chosen); err != portal.ErrNotFound {
		t.Errorf("nobody has a profile: %v", err)
	}
	h.err = register.ErrProtected
	if err := set(v, chosen); !errors.Is(err, register.ErrProtected) {
		t.Errorf("stored of a protected person: %v", err)
	}
	if got, _ := h.people.ProfileOf(t.Context(), "lan", v.Key); got != (form.Contact{}) {
		t.Error("stored of a protected person")
	}
}

// TestProfileUnanswered: while it is not known that somebody is not protected,
// nothing of theirs is stored; a choice may be taken back.
func TestProfileUnanswered(t *testing.T) {
	h := newHouse(t)
	v, chosen := h.visitor(ett), form.Contact{Email: "ett@example.se"}
	is := func(why string, want form.Contact) {
		t.Helper()
		if got, err := h.people.ProfileOf(t.Context(), "lan", v.Key); err != nil || got != want {
			t.Errorf("%s: there is one: %t, %v", why, got != (form.Contact{}), err)
		}
	}
	for why, err := range map[string]error{"down": errors.New("the register is down"), "unknown": register.ErrUnknown} {
		h.err = err
		if faults, err := h.people.SetProfile(t.Context(), v, chosen); !errors.Is(err, ErrUnanswered) || len(faults) > 0 {
			t.Errorf("%s: %v", why, err)
		}
		is(why, form.Contact{})
		if faults, err := h.people.SetProfile(t.Context(), v, form.Contact{Email: "ett@"}); err != nil || len(faults) != 1 {
			t.Errorf("%s: what is wrong is not said: %v", why, err)
		}
	}
	h.err = nil
	if _, err := h.people.SetProfile(t.Context(), v, chosen); err != nil {
		t.Error(err)
	}
	is("it answers", chosen)
	h.err = errors.New("the register is down")
	if _, err := h.people.SetProfile(t.Context(), v, form.Contact{}); err != nil {
		t.Error(err)
	}
	is("taken back", form.Contact{})
	h.people.Register = nil
	if _, err := h.people.SetProfile(t.Context(), v, chosen); err != nil {
		t.Error(err)
	}
	is("there is no register", chosen)
}
