package catalogue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker/kit/config/strict"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

const sound = `name: {sv: Testköping, en: Testville}
base_url: http://localhost:8081/testkoping
providers: [mbankid, bankid]
contact: {phone: 0999-10 00 00}
authorities: {namnden: {name: Nämnden, contact: {email: namnden@example.se}}}
groups: {handlaggare: [testkoping-handlaggare]}
lists: {platser: {a: Alfa, b: {sv: Beta, en: Beta}}}
`

const service = `format: etjanst/1
id: %s
version: %d
kind: etjanst
title: {sv: "%s", en: "%[3]s in English"}
summary: {sv: Sök här., en: Apply here.}
about: {sv: Här söker du., en: Apply here.}
category: bygga-och-bo
audience: [privat]
authority: namnden
handlers: {group: handlaggare, messages: true}
login: {required: true, drafts: true}
privacy:
  purpose: {sv: Pröva ansökan., en: To consider the application.}
  data: {sv: Det du skriver., en: What you write.}
  basis: allmant-intresse
  keep: {draft: 90d, closed: 2y}
steps:
  - id: forst
    title: {sv: Först, en: First}
    fields:
      - {id: plats, type: dropdown, label: {sv: Plats, en: Place}, options: {list: platser}}
receipt: {sv: Tack., en: Thank you.}
`

func definition(id string, version int, title string) string {
	return fmt.Sprintf(service, id, version, title)
}

// A place is two folders and what was kept.
type place struct {
	t                 *testing.T
	tenants, services string
	kept              *kept
	log               *buffer
}

func newPlace(t *testing.T) *place {
	p := &place{t: t, tenants: t.TempDir(), services: t.TempDir(), kept: &kept{}, log: &buffer{}}
	p.write(p.tenants, "testkoping/tenant.yaml", sound)
	p.write(p.services, "ansokan/service.yaml", definition("ansokan", 1, "Ansökan"))
	return p
}

func (p *place) write(folder, name, text string) {
	p.t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) config() Config {
	return Config{
		Tenants: p.tenants, Services: p.services, Versions: p.kept, Providers: []string{"bankid", "mbankid", "freja"},
		Configured: []string{"bankid", "mbankid"}, Log: slog.New(slog.NewTextHandler(p.log, nil)),
	}
}

func (p *place) open() *Catalogue {
	p.t.Helper()
	c, err := Open(p.t.Context(), p.config())
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *place) reload(c *Catalogue) {
	p.t.Helper()
	if err := c.Reload(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// kept is a Versions in memory.
type kept struct {
	mu     sync.Mutex
	list   []*form.Service
	broken error
	reads  int
}

func (k *kept) Keep(_ context.Context, s *form.Service) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return k.broken
	}
	for _, old := range k.list {
		if old.Hash == s.Hash {
			return nil
		}
		if old.ID == s.ID && old.Version == s.Version {
			return portal.ErrPublished
		}
	}
	k.list = append(k.list, s)
	return nil
}

var errNone = errors.New("none")

func (k *kept) Version(_ context.Context, hash string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	for _, s := range k.list {
		if s.Hash == hash {
			return s.Source, nil
		}
	}
	return nil, errNone
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func titles(list []*form.Service) string {
	var out []string
	for _, s := range list {
		out = append(out, s.Title.In("sv"))
	}
	return strings.Join(out, ", ")
}

func faults(c *Catalogue) string {
	var out []string
	for _, f := range c.Faults() {
		out = append(out, f.Error())
	}
	return strings.Join(out, "\n")
}

func TestTenant(t *testing.T) {
	p := newPlace(t)
	p.write(p.tenants, "testkoping/tenant.yaml", sound+"group: testkoping\n")
	p.write(p.tenants, "annan/tenant.yaml", `name: Annanstad
base_url: https://etjanster.annan.example.se/
group: testkoping
providers: [freja]
asking_body: Annanstads kommun
theme: {accent: "#1d5c8f", logo: vapen.svg}
contact:
  name: {sv: Växel, en: Switchboard}
  phone: +46 999 20 00 00
  email: info@annan.example.se
  hours: {sv: Dygnet runt, en: At all hours}
  address: |
    Storgatan 1
    999 02 Annanstad
  url: https://annan.example.se/kontakt
samordningsnummer: allow
invite: code
services: [ansokan]
lists: {platser: {b: Beta, a: Alfa}}
groups: {handlaggare: [a, b]}
authorities:
  namnden: {name: {sv: Nämnden, en: The Board}, contact: {phone: 0999-20 00 01}}
protected: {sv: Ring oss., en: Call us.}
privacy: https://annan.example.se/gdpr
idle: 5m
send: {sv: Lämna in, en: Hand in}
welcome: {sv: Hej., en: Hello.}
`)
	p.write(p.tenants, "annan/vapen.svg", "<svg/>")
	p.write(p.tenants, "README.md", "no tenant")
	p.write(p.tenants, ".editor/x", "no tenant")
	c := p.open()
	if faults(c) != "" {
		t.Errorf("%s", faults(c))
	}
	if !strings.Contains(p.log.String(), "freja is not configured here") {
		t.Error("nobody was warned of an e-ID that is not there")
	}
	got := c.Tenants()
	want := []portal.Tenant{{
		ID: "annan", Name: form.Text{"sv": "Annanstad", "en": "Annanstad"}, BaseURL: "https://etjanster.annan.example.se", Group: "testkoping", Grouped: true,
		Providers: []string{"freja"}, AskingBody: "Annanstads kommun", Theme: portal.Theme{Accent: "#1d5c8f", Logo: "vapen.svg"},
		Contact: portal.Contact{
			Name: form.Text{"sv": "Växel", "en": "Switchboard"}, Phone: "+46 999 20 00 00", Email: "info@annan.example.se",
			Hours: form.Text{"sv": "Dygnet runt", "en": "At all hours"}, Address: "Storgatan 1\n999 02 Annanstad", URL: "https://annan.example.se/kontakt",
		},
		Coordination: true, Invite: "code", Services: []portal.ServiceID{"ansokan"},
		Lists:  map[string][]form.Option{"platser": {{Key: "b", Label: form.Text{"sv": "Beta", "en": "Beta"}}, {Key: "a", Label: form.Text{"sv": "Alfa", "en": "Alfa"}}}},
		Groups: map[string][]string{"handlaggare": {"a", "b"}},
		Authorities: map[string]portal.Authority{"namnden": {
			Name: form.Text{"sv": "Nämnden", "en": "The Board"}, Contact: portal.Contact{Phone: "0999-20 00 01"},
		}},
		Protected: form.Text{"sv": "Ring oss.", "en": "Call us."}, Privacy: "https://annan.example.se/gdpr", Idle: 5 * time.Minute,
		Send: form.Text{"sv": "Lämna in", "en": "Hand in"}, Welcome: form.Text{"sv": "Hej.", "en": "Hello."},
	}, {
		ID: "testkoping", Name: form.Text{"sv": "Testköping", "en": "Testville"}, BaseURL: "http://localhost:8081/testkoping", Group: "testkoping", Grouped: true,
		Providers: []string{"mbankid", "bankid"}, Contact: portal.Contact{Phone: "0999-10 00 00"}, Invite: "both",
		Lists:  map[string][]form.Option{"platser": {{Key: "a", Label: form.Text{"sv": "Alfa", "en": "Alfa"}}, {Key: "b", Label: form.Text{"sv": "Beta", "en": "Beta"}}}},
		Groups: map[string][]string{"handlaggare": {"testkoping-handlaggare"}},
		Authorities: map[string]portal.Authority{"namnden": {
			Name: form.Text{"sv": "Nämnden", "en": "Nämnden"}, Contact: portal.Contact{Email: "namnden@example.se"},
		}},
		Idle: 20 * time.Minute, Send: form.Text{"sv": "Skicka in", "en": "Send"},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if list := c.Group("testkoping"); len(list) != 2 || len(c.Group("annan")) != 0 {
		t.Errorf("%d tenants share a group", len(list))
	}
	if _, ok := c.Tenant("ingen"); ok {
		t.Error("a tenant that is not there")
	}
	logo, err := c.Logo("annan")
	if err != nil {
		t.Fatal(err)
	}
	defer logo.Close()
	if b, err := io.ReadAll(logo); err != nil || string(b) != "<svg/>" {
		t.Errorf("logo: %q, %v", b, err)
	}
	// A link that came later leads nowhere outside.
	secret := filepath.Join(t.TempDir(), "secret")
	p.write(filepath.Dir(secret), "secret", "x")
	path := filepath.Join(p.tenants, "annan/vapen.svg")
	if err := errors.Join(os.Remove(path), os.Symlink(secret, path)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Logo("annan"); err == nil {
		t.Error("a link out of the tenant's folder was followed")
	}
	for _, id := range []portal.TenantID{"testkoping", "ingen"} {
		if _, err := c.Logo(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("logo of %s: %v", id, err)
		}
	}
}

func TestTenantFaults(t *testing.T) {
	with := func(more string) string { return sound + more + "\n" }
	instead := func(old, by string) string {
		if !strings.Contains(sound, old) {
			t.Fatalf("%q is not there", old)
		}
		return strings.Replace(sound, old, by, 1)
	}
	base := func(s string) string { return instead("http://localhost:8081/testkoping", s) }
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "tenant.yaml: is empty"},
		{"no YAML", "a: {", "is not YAML"},
		{"a list", "- a", "tenant.yaml:1: must be a mapping"},
		{"unknown key", with("colour: red"), "tenant.yaml:8: colour: is not a known key"},
		{"mistyped key", with("idel: 20m"), "did you mean idle?"},
		{"twice", with("name: X"), "tenant.yaml:8: name: stands there twice"},
		{"no name", instead("name: {sv: Testköping, en: Testville}", ""), "name: is missing"},
		{"no English", instead(", en: Testville", ""), "tenant.yaml:1: name.en: is missing"},
		{"empty name", instead("Testköping", "' '"), "name.sv: is empty"},
		{"a third language", instead("en: Testville", "en: Testville, de: Teststadt"), "name.de: is not a known key"},
		{"no contact", instead("contact: {phone: 0999-10 00 00}", ""), "contact: is missing"},
		{"nobody to call", instead("phone: 0999-10 00 00", "email: a@example.se"), "contact: needs a phone"},
		{"no number", instead("0999-10 00 00", "ring"), "contact.phone: is no phone number"},
		{"no mail", instead("namnden@example.se", "namnden"), "authorities.namnden.contact.email: is no e-mail address"},
		{"mail with a name", instead("namnden@example.se", "'N <n@example.se>'"), "is no e-mail address"},
		{"board out of reach", instead("email: namnden@example.se", "address: Storgatan 1"), "authorities.namnden.contact: needs a phone or an email"},
		{"board without contact", instead("{name: Nämnden, contact: {email: namnden@example.se}}", "{name: Nämnden}"), "authorities.namnden.contact: is missing"},
		{"no e-ID", instead("[mbankid, bankid]", "[]"), "providers: needs at least one"},
		{"unknown e-ID", instead("[mbankid, bankid]", "[sitth]"), "providers[0]: must be one of: bankid, mbankid, freja"},
		{"e-ID twice", instead("[mbankid, bankid]", "[bankid, bankid]"), "providers[1]: stands there twice"},
		{"plain http", base("http://example.se"), "base_url: must begin with https"},
		{"looks like this machine", base("http://localhost.example.se"), "base_url: must begin with https"},
		{"no address", base("example.se"), "base_url: must be an address"},
		{"script", base("javascript:alert(1)"), "base_url: must be an address"},
		{"user", base("https://a:b@example.se"), "base_url: must be a scheme, a host"},
		{"query", base("https://example.se/?x"), "base_url: must be a scheme, a host"},
		{"fragment", base("'https://example.se/#x'"), "base_url: must be a scheme, a host"},
		{"capitals", base("https://Example.se"), "base_url: must have its host in small letters"},
		{"needless port", base("https://example.se:443"), "base_url: must have its host in small letters"},
		{"dots", base("https://example.se/a/../b"), "base_url: must have a path of"},
		{"percent", base("https://example.se/%2e"), "base_url: must have a path of"},
		{"two slashes", base("https://example.se//"), "base_url: must have a path of"},
		{"group", with("group: Å"), "group: must be of a-z, 0-9 and -"},
		{"pale", with(`theme: {accent: "#ffff00"}`), "theme.accent: white text on the accent"},
		{"no colour", with("theme: {accent: red}"), "is not a colour"},
		{"logo elsewhere", with("theme: {logo: ../x.svg}"), "theme.logo: must be the name of"},
		{"logo of another kind", with("theme: {logo: tenant.yaml}"), "theme.logo: must be the name of"},
		{"logo that is not there", with("theme: {logo: x.svg}"), "theme.logo: there is no file x.svg"},
		{"logo by a link", with("theme: {logo: link.svg}"), "theme.logo: there is no file link.svg"},
		{"large logo", with("theme: {logo: large.svg}"), "theme.logo: is larger than 200 kB"},
		{"samordningsnummer", with("samordningsnummer: true"), "samordningsnummer: must be a text"},
		{"samordningsnummer, other", with("samordningsnummer: maybe"), "samordningsnummer: must be one of: allow, deny"},
		{"invite", with("invite: post"), "invite: must be one of: email, sms, both, code"},
		{"idle", with("idle: 1m"), "idle: must be from 2m to 2h"},
		{"idle, long", with("idle: 3h"), "idle: must be from 2m to 2h"},
		{"empty list", with("lists: {x: {}}"), "stands there twice"},
		{"list without alternatives", instead("{a: Alfa, b: {sv: Beta, en: Beta}}", "{}"), "lists.platser: holds no alternative"},
		{"key of a list", instead("a: Alfa", "A: Alfa"), "lists.platser.A: a key is of a-z, 0-9 and _"},
		{"alternative without words", instead("a: Alfa", "a: "), "lists.platser.a: is missing"},
		{"alternative with empty words", instead("a: Alfa", "a: ''"), "lists.platser.a: is empty"},
		{"empty address", base("''"), "base_url: must be an address"},
		{"empty group", with("group: ''"), "group: must be of a-z, 0-9 and -"},
		{"empty service", with("services: ['']"), "services[0]: must be of a-z, 0-9 and -"},
		{"name of a list", instead("platser", "Platser"), "lists.Platser: a name is of"},
		{"group of nobody", instead("[testkoping-handlaggare]", "[]"), "groups.handlaggare: needs at least one"},
		{"group without list", instead("[testkoping-handlaggare]", "x"), "groups.handlaggare: must be a list"},
		{"services twice", with("services: [a, a]"), "services[1]: stands there twice"},
		{"welcome in one language", with("welcome: Hej"), "welcome: must be a mapping"},
		{"privacy", with("privacy: http://example.se/"), "privacy: must be an address that begins with https"},
		{"two lines", with("asking_body: |\n  a\n  b"), "asking_body: must be one line"},
		{"long", with("asking_body: " + strings.Repeat("a", 201)), "asking_body: is longer than 200 characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			p.write(p.tenants, "testkoping/tenant.yaml", c.text)
			p.write(p.tenants, "testkoping/large.svg", strings.Repeat("x", 201<<10))
			if err := os.Symlink("large.svg", filepath.Join(p.tenants, "testkoping/link.svg")); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), p.config())
			if _, ok := errors.AsType[strict.Faults](err); !ok || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if ok := err == nil || strings.HasPrefix(err.Error(), "testkoping/"+tenantFile); !ok {
				t.Errorf("%v does not say whose file", err)
			}
		})
	}
}

// TestAllFaults: everything that is wrong is told at once.
func TestAllFaults(t *testing.T) {
	p := newPlace(t)
	p.write(p.tenants, "testkoping/tenant.yaml", sound+"idle: 1m\ninvite: post\n")
	p.write(p.tenants, "andra/tenant.yaml", "name: X\n")
	p.write(p.tenants, "Tredje/tenant.yaml", sound)
	p.write(p.tenants, "fjarde/x", "")
	_, err := Open(t.Context(), p.config())
	for _, want := range []string{
		"testkoping/tenant.yaml:8: idle:", "testkoping/tenant.yaml:9: invite:", "andra/tenant.yaml:1: base_url: is missing",
		"Tredje: a tenant's folder is named with", "fjarde/tenant.yaml: is missing",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	for name, c := range map[string]Config{
		"no tenant":   {Tenants: t.TempDir(), Services: p.services},
		"no folder":   {Tenants: filepath.Join(p.tenants, "nowhere"), Services: p.services},
		"no services": {Tenants: p.tenants, Services: filepath.Join(p.services, "nowhere")},
	} {
		if _, err := Open(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestAddressesApart(t *testing.T) {
	at := func(base string) string { return strings.Replace(sound, "http://localhost:8081/testkoping", base, 1) }
	for _, c := range []struct {
		a, b  string
		apart bool
	}{
		{"https://example.se", "https://example.se", false},
		{"https://example.se/", "https://example.se", false},
		{"https://example.se/a", "https://example.se/a/b", false},
		{"https://example.se/a/b", "https://example.se/a", false},
		{"https://example.se", "https://example.se/a", false},
		{"https://example.se/a", "https://example.se/ab", true},
		{"https://a.example.se", "https://b.example.se", true},
		{"https://example.se", "https://example.se.example.com", true},
		{"https://example.se", "https://example.se:8443", true},
	} {
		p := newPlace(t)
		p.write(p.tenants, "testkoping/tenant.yaml", at(c.a))
		p.write(p.tenants, "zebra/tenant.yaml", at(c.b))
		_, err := Open(t.Context(), p.config())
		if apart := err == nil; apart != c.apart {
			t.Errorf("%s and %s: %v", c.a, c.b, err)
		} else if !apart && !strings.HasPrefix(err.Error(), "zebra/tenant.yaml: base_url: is that of the tenant testkoping") {
			t.Errorf("%v", err)
		}
	}
}

// Case numbers name one case, whichever tenant's it is.
func TestNumbersApart(t *testing.T) {
	for _, c := range []struct {
		id, prefix, problem string
	}{
		{"zebra", "", ""},
		{"tests", "", "tests/tenant.yaml: case_prefix: is that of the tenant testkoping"},
		{"tests", "case_prefix: TST\n", ""},
		{"zebra", "case_prefix: TES\n", "zebra/tenant.yaml: case_prefix: is that of the tenant testkoping"},
		{"zebra", "case_prefix: zeb\n", "case_prefix: must be two to eight capitals"},
	} {
		p := newPlace(t)
		p.write(p.tenants, "testkoping/tenant.yaml", sound)
		p.write(p.tenants, c.id+"/tenant.yaml", c.prefix+strings.Replace(sound, "/testkoping", "/"+c.id, 1))
		_, err := Open(t.Context(), p.config())
		if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s %q: %v", c.id, c.prefix, err)
		}
	}
}

// Nobody comes into a group unasked.
func TestGroupsAsked(t *testing.T) {
	other := func(id, group string) string {
		return group + "case_prefix: ZZZ\n" + strings.Replace(strings.Replace(sound, "/testkoping", "/"+id, 1), "group: lanet\n", "", 1)
	}
	alone := strings.Replace(sound, "group: lanet\n", "", 1)
	for name, c := range map[string]struct {
		first, second string
		fine          bool
	}{
		"both name it":      {"group: lanet\n" + alone, other("zebra", "group: lanet\n"), true},
		"one names itself":  {"group: testkoping\n" + alone, other("zebra", "group: testkoping\n"), true},
		"one is not asked":  {alone, other("zebra", "group: testkoping\n"), false},
		"each alone":        {alone, other("zebra", ""), true},
		"a name of a group": {"group: zebra\n" + alone, other("zebra", ""), false},
	} {
		p := newPlace(t)
		p.write(p.tenants, "testkoping/tenant.yaml", c.first)
		p.write(p.tenants, "zebra/tenant.yaml", c.second)
		if _, err := Open(t.Context(), p.config()); (err == nil) != c.fine || err != nil && !strings.Contains(err.Error(), "zebra/tenant.yaml: group:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever is new takes nothing from those who are served, whatever they are
// called.
func TestNewcomers(t *testing.T) {
	for _, id := range []string{"aa", "zz"} {
		for what, change := range map[string][2]string{
			"address": {"/testkoping/x", "/testkoping"},
			"numbers": {"case_prefix: QQQ", "case_prefix: TES"},
		} {
			p := newPlace(t)
			c := p.open()
			alone := strings.Replace(sound, "group: lanet\n", "", 1)
			if what == "address" {
				p.write(p.tenants, id+"/tenant.yaml", "case_prefix: QQQ\n"+alone)
			} else {
				p.write(p.tenants, id+"/tenant.yaml", change[1]+"\n"+strings.Replace(alone, "/testkoping", "/"+id, 1))
			}
			if err := c.Reload(t.Context()); err != nil {
				t.Log(err)
			}
			if _, ok := c.Tenant(portal.TenantID(id)); ok {
				t.Errorf("%s, %s: the newcomer is served", id, what)
			}
			if _, ok := c.Tenant("testkoping"); !ok {
				t.Errorf("%s, %s: who was served is not any more", id, what)
			}
			if len(c.Faults()) == 0 {
				t.Errorf("%s, %s: nothing is said", id, what)
			}
		}
	}
}

func TestReloadTenants(t *testing.T) {
	p := newPlace(t)
	c := p.open()
	name := func() string {
		tenant, _ := c.Tenant("testkoping")
		return tenant.Name.In("en")
	}
	p.write(p.tenants, "testkoping/tenant.yaml", strings.Replace(sound, "Testville", "Newtown", 1))
	p.write(p.tenants, "ny/tenant.yaml", strings.Replace(sound, "/testkoping", "/ny", 1))
	p.reload(c)
	if name() != "Newtown" || len(c.Tenants()) != 2 || titles(c.Offered("ny")) != "Ansökan" {
		t.Errorf("after a change: %s, %d tenants", name(), len(c.Tenants()))
	}
	// A faulty file leaves what was there, and no other in the lurch.
	p.write(p.tenants, "testkoping/tenant.yaml", "name: {")
	p.write(p.tenants, "ny/tenant.yaml", strings.Replace(strings.Replace(sound, "/testkoping", "/ny", 1), "Testville", "Elsewhere", 1))
	p.reload(c)
	ny, _ := c.Tenant("ny")
	if name() != "Newtown" || ny.Name.In("en") != "Elsewhere" || titles(c.Offered("testkoping")) != "Ansökan" || !strings.HasPrefix(faults(c), "testkoping/tenant.yaml:1: is not YAML") {
		t.Errorf("with a fault: %s, %s: %s", name(), ny.Name.In("en"), faults(c))
	}
	// Whoever takes an address that is taken stays where he was.
	p.write(p.tenants, "testkoping/tenant.yaml", strings.Replace(sound, "/testkoping", "/ny", 1))
	p.reload(c)
	if tenant, _ := c.Tenant("testkoping"); tenant.BaseURL != "http://localhost:8081/testkoping" || !strings.Contains(faults(c), "base_url: is that of the tenant ny") {
		t.Errorf("moved to %s: %s", tenant.BaseURL, faults(c))
	}
	// A file that is away is a fault; a folder that is away is meant.
	if err := os.Remove(filepath.Join(p.tenants, "testkoping/tenant.yaml")); err != nil {
		t.Fatal(err)
	}
	p.reload(c)
	if name() != "Newtown" || faults(c) != "testkoping/tenant.yaml: is missing" {
		t.Errorf("without a file: %s, %s", name(), faults(c))
	}
	if err := os.RemoveAll(filepath.Join(p.tenants, "testkoping")); err != nil {
		t.Fatal(err)
	}
	p.reload(c)
	if _, ok := c.Tenant("testkoping"); ok || len(c.Offered("testkoping")) != 0 || faults(c) != "" {
		t.Errorf("without a folder: %s", faults(c))
	}
	// All gone at once is a mistake of the disk.
	if err := os.Rename(p.tenants, p.tenants+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(t.Context()); err == nil || len(c.Tenants()) != 1 {
		t.Errorf("without anything: %v, %d tenants", err, len(c.Tenants()))
	}
}

func TestServices(t *testing.T) {
	p := newPlace(t)
	p.write(p.tenants, "annan/tenant.yaml", strings.Replace(sound, "/testkoping", "/annan", 1)+"services: [bygg, nowhere]\n")
	p.write(p.services, "bygg.yaml", definition("bygg", 3, "Ändra hus"))
	p.write(p.services, "zebra/service.yaml", strings.Replace(definition("zebra", 1, "Zebra"), "bygga-och-bo", "arbete", 1))
	p.write(p.services, "README.md", "no service")
	p.write(p.services, "texter/x", "")
	p.write(p.services, "fel/service.yaml", "format: {")
	p.write(p.services, "annat/service.yaml", definition("inte-annat", 1, "Annat"))
	p.write(p.services, "Stora/service.yaml", definition("stora", 1, "Stora"))
	p.write(p.services, "dubbel.yaml", definition("dubbel", 1, "Dubbel"))
	p.write(p.services, "dubbel/service.yaml", definition("dubbel", 1, "Dubbel"))
	p.write(p.services, "namnd/service.yaml", strings.Replace(definition("namnd", 1, "Nämnd"), "authority: namnden", "authority: ingen", 1))
	p.write(p.services, "grupp/service.yaml", strings.Replace(definition("grupp", 1, "Grupp"), "group: handlaggare", "group: ingen", 1))
	p.write(p.services, "lista/service.yaml", strings.Replace(definition("lista", 1, "Lista"), "{list: platser}", "{list: ingen}", 1))
	c := p.open()
	if got := titles(c.Offered("testkoping")); got != "Zebra, Ansökan, Ändra hus" {
		t.Errorf("offered: %s", got)
	}
	if got := titles(c.Offered("annan")); got != "Ändra hus" {
		t.Errorf("offered by choice: %s", got)
	}
	if got := titles(c.Offered("ingen")); got != "" {
		t.Errorf("offered by nobody: %s", got)
	}
	if s, ok := c.Service("annan", "bygg"); !ok || s.Version != 3 {
		t.Error("a service that is offered is not found")
	}
	if _, ok := c.Service("annan", "ansokan"); ok {
		t.Error("a service that is not offered is found")
	}
	for _, want := range []string{
		"texter/service.yaml: is missing", "fel/service.yaml:1: is not YAML", `annat/service.yaml: id: is "inte-annat", but the file is that of "annat"`,
		"Stora/service.yaml: a service is named with", "stands in dubbel",
		"testkoping/tenant.yaml: authorities: lacks ingen, which the service namnd (namnd/service.yaml) needs",
		"testkoping/tenant.yaml: groups: lacks ingen, which the service grupp",
		"testkoping/tenant.yaml: lists: lacks ingen, which the service lista",
		"annan/tenant.yaml: services[1]: there is no service nowhere in order",
	} {
		if !strings.Contains(faults(c), want) {
			t.Errorf("%s\nlacks %s", faults(c), want)
		}
		if !strings.Contains(p.log.String(), strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if n := len(c.Faults()); n != 9 {
		t.Errorf("%d faults: %s", n, faults(c))
	}
	// Nobody offers it: it is not published, and may still change.
	for _, s := range p.kept.list {
		if s.ID == "namnd" || s.ID == "dubbel" {
			t.Errorf("%s was kept", s.ID)
		}
	}
	// What stays wrong is told once.
	before := p.log.String()
	p.reload(c)
	if p.log.String() != before {
		t.Error("the same faults were told again")
	}
}

func TestShortList(t *testing.T) {
	p := newPlace(t)
	p.write(p.services, "ansokan/service.yaml", strings.Replace(definition("ansokan", 1, "Ansökan"),
		"type: dropdown, label: {sv: Plats, en: Place}, options: {list: platser}", "type: ranking, label: {sv: Plats, en: Place}, options: {list: platser}, count: {min: 3, max: 3}", 1))
	c := p.open()
	if want := "testkoping/tenant.yaml: lists.platser: has 2 alternatives and not 3, which"; titles(c.Offered("testkoping")) != "" || !strings.HasPrefix(faults(c), want) {
		t.Errorf("%s", faults(c))
	}
}

func TestVersions(t *testing.T) {
	p := newPlace(t)
	c := p.open()
	first, _ := c.Service("testkoping", "ansokan")

	// Changed without a new number: refused, and the old text goes on.
	p.write(p.services, "ansokan/service.yaml", definition("ansokan", 1, "Ansökan på nytt"))
	p.reload(c)
	if want := "ansokan/service.yaml: version: version 1 was published with another text, and a published version never changes: raise version"; faults(c) != want || titles(c.Offered("testkoping")) != "Ansökan" {
		t.Errorf("%s: %s", titles(c.Offered("testkoping")), faults(c))
	}
	// With one it is offered; drafts stay where they were.
	p.write(p.services, "ansokan/service.yaml", definition("ansokan", 2, "Ansökan på nytt"))
	p.reload(c)
	second, _ := c.Service("testkoping", "ansokan")
	if faults(c) != "" || second.Version != 2 || second.Hash == first.Hash {
		t.Errorf("version %d: %s", second.Version, faults(c))
	}
	for _, want := range []*form.Service{first, second} {
		if got, err := c.Version(t.Context(), want.Hash); err != nil || got.Title.In("sv") != want.Title.In("sv") {
			t.Errorf("version %d: %v", want.Version, err)
		}
	}
	// Faults leave the last good one.
	p.write(p.services, "ansokan/service.yaml", "format: etjanst/1\n")
	p.reload(c)
	if s, _ := c.Service("testkoping", "ansokan"); s == nil || s.Version != 2 || faults(c) == "" {
		t.Errorf("with faults: %s", faults(c))
	}
	// A tenant that no longer fits stops offering it all the same.
	p.write(p.tenants, "testkoping/tenant.yaml", strings.Replace(sound, "handlaggare: [", "andra: [", 1))
	p.reload(c)
	if titles(c.Offered("testkoping")) != "" {
		t.Error("it is offered without officers")
	}
	p.write(p.tenants, "testkoping/tenant.yaml", sound)
	p.reload(c)
	// Away is away, but not for drafts; also not after a restart.
	if err := os.RemoveAll(filepath.Join(p.services, "ansokan")); err != nil {
		t.Fatal(err)
	}
	p.reload(c)
	if titles(c.Offered("testkoping")) != "" || faults(c) != "" {
		t.Errorf("removed: %s %s", titles(c.Offered("testkoping")), faults(c))
	}
	c = p.open()
	for range 2 {
		if got, err := c.Version(t.Context(), first.Hash); err != nil || got.Hash != first.Hash || got.Title.In("sv") != "Ansökan" {
			t.Errorf("after a restart: %v", err)
		}
	}
	if p.kept.reads != 1 {
		t.Errorf("%d reads of one version", p.kept.reads)
	}
	if _, err := c.Version(t.Context(), strings.Repeat("0", 64)); !errors.Is(err, errNone) {
		t.Errorf("a version that never was: %v", err)
	}
}

// TestForgedVersion: what is kept must be what its name says.
func TestForgedVersion(t *testing.T) {
	p := newPlace(t)
	s, _ := p.open().Service("testkoping", "ansokan")
	p.kept.list[0] = &form.Service{Hash: s.Hash, Source: []byte(definition("ansokan", 1, "Annat"))}
	// Opened without the file, which would be remembered.
	c, err := Open(t.Context(), Config{Tenants: p.tenants, Services: t.TempDir(), Versions: p.kept, Providers: []string{"bankid", "mbankid"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Version(t.Context(), s.Hash); err == nil {
		t.Error("another text came for a hash")
	}
}

// TestStore keeps versions where they are kept in earnest.
func TestStore(t *testing.T) {
	p := newPlace(t)
	db, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "portal.db"), sqldb.CrashSafe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context(), time.Now(), store.Tables()...); err != nil {
		t.Fatal(err)
	}
	config := p.config()
	config.Versions = store.Versions{DB: db, Now: time.Now}
	c, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := c.Service("testkoping", "ansokan")
	p.write(p.services, "ansokan/service.yaml", definition("ansokan", 1, "Ansökan på nytt"))
	p.reload(c)
	if !strings.Contains(faults(c), "raise version") || titles(c.Offered("testkoping")) != "Ansökan" {
		t.Errorf("%s: %s", titles(c.Offered("testkoping")), faults(c))
	}
	// After a restart there is no last good one; the drafts' version is there.
	if c, err = Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(faults(c), "raise version") || titles(c.Offered("testkoping")) != "" {
		t.Errorf("%s: %s", titles(c.Offered("testkoping")), faults(c))
	}
	if got, err := c.Version(t.Context(), first.Hash); err != nil || got.Title.In("sv") != "Ansökan" {
		t.Errorf("%v", err)
	}
	if _, err := c.Version(t.Context(), strings.Repeat("0", 64)); !errors.Is(err, store.ErrNone) {
		t.Errorf("a version that never was: %v", err)
	}
}

// TestNothingIsKept: without a database no new version is offered, and it is
// tried again.
func TestNothingIsKept(t *testing.T) {
	p := newPlace(t)
	c := p.open()
	p.kept.broken = errors.New("the disk is full")
	p.write(p.services, "ansokan/service.yaml", definition("ansokan", 2, "Ansökan på nytt"))
	if err := c.Reload(t.Context()); err == nil || titles(c.Offered("testkoping")) != "Ansökan" || !strings.Contains(faults(c), "the disk is full") {
		t.Errorf("%v, %s", err, faults(c))
	}
	p.kept.broken = nil
	if err := c.look(t.Context()); err != nil || titles(c.Offered("testkoping")) != "Ansökan på nytt" || faults(c) != "" {
		t.Errorf("%v, %s", err, faults(c))
	}
	p.kept.broken = errors.New("the disk is full")
	if _, err := Open(t.Context(), p.config()); err == nil {
		t.Error("opened")
	}
}

func TestRun(t *testing.T) {
	p := newPlace(t)
	synctest.Test(t, func(t *testing.T) {
		c, err := Open(t.Context(), p.config())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		wait := func() {
			time.Sleep(4 * time.Second)
			synctest.Wait()
		}
		p.write(p.services, "andra/service.yaml", definition("andra", 1, "Andra"))
		wait()
		if got := titles(c.Offered("testkoping")); got != "Andra, Ansökan" {
			t.Errorf("a new service: %s", got)
		}
		p.write(p.tenants, "testkoping/tenant.yaml", sound+"services: [andra]\n")
		wait()
		if got := titles(c.Offered("testkoping")); got != "Andra" {
			t.Errorf("a changed tenant: %s", got)
		}
		// The same state is not read again.
		before := c.now.Load()
		wait()
		if c.now.Load() != before {
			t.Error("read without a change")
		}
		if err := os.Rename(p.services, p.services+"-away"); err != nil {
			t.Fatal(err)
		}
		wait()
		wait()
		if n := strings.Count(p.log.String(), "level=ERROR"); n != 1 || titles(c.Offered("testkoping")) != "Andra" {
			t.Errorf("%d complaints that the folder is away", n)
		}
		if err := os.Rename(p.services+"-away", p.services); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestAtOnce reads while it changes; the race detector looks on.
func TestAtOnce(t *testing.T) {
	p := newPlace(t)
	c := p.open()
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() {
			for range 20 {
				switch i {
				case 0:
					if err := c.Reload(t.Context()); err != nil {
						t.Error(err)
					}
				case 1:
					c.Find("testkoping", "sv", "ansökan")
				default:
					s, ok := c.Service("testkoping", "ansokan")
					if !ok {
						t.Error("away for a moment")
						return
					}
					if _, err := c.Version(t.Context(), s.Hash); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	running.Wait()
}

func TestFind(t *testing.T) {
	p := newPlace(t)
	p.write(p.services, "ansokan/service.yaml", definition("ansokan", 1, "Ansökan om förskoleplats"))
	p.write(p.services, "hus/service.yaml", strings.Replace(definition("hus", 1, "Café, Ängelholm"), "sv: Sök här.", "sv: En förskoleplats är det inte.", 1))
	c := p.open()
	for _, q := range []struct{ lang, words, want string }{
		{"sv", "", "Ansökan om förskoleplats, Café, Ängelholm"},
		{"sv", "   ", "Ansökan om förskoleplats, Café, Ängelholm"},
		{"sv", "förskola", ""},
		{"sv", "förskole", "Ansökan om förskoleplats, Café, Ängelholm"}, // the title first
		{"sv", "FORSKOLE", "Ansökan om förskoleplats, Café, Ängelholm"},
		{"sv", "fo\u0308rskole ansok", "Ansökan om förskoleplats"}, // o and its dots apart
		{"sv", "plats", ""},                                          // within a word
		{"sv", "angel cafe", "Café, Ängelholm"},                      // in any order
		{"sv", "cafe!", "Café, Ängelholm"},                           // signs do not matter
		{"sv", "cafe forskoleplats nej", ""},                         // every word
		{"sv", "bygga", "Ansökan om förskoleplats, Café, Ängelholm"}, // the category
		{"sv", "english", ""},                                        // another language
		{"en", "english forskoleplats", "Ansökan om förskoleplats"},
		{"en", "apply", "Ansökan om förskoleplats, Café, Ängelholm"},
		{"xx", "cafe", "Café, Ängelholm"},
		{"sv", "%_*", ""},
		{"sv", strings.Repeat("å", 1000), ""},
		{"sv", strings.Repeat("cafe ", 1000), "Café, Ängelholm"},
		{"sv", strings.Repeat("cafe ", 12) + "nej", "Café, Ängelholm"},       // no more words
		{"sv", "cafe" + strings.Repeat(" ", 200) + "nej", "Café, Ängelholm"}, // no more bytes
		{"sv", "cafe" + strings.Repeat(" ", 195) + "å", "Café, Ängelholm"},   // nor half a letter
		{"sv", "\xff\xfe", ""},
	} {
		if got := titles(c.Find("testkoping", q.lang, q.words)); got != q.want {
			t.Errorf("%s %.40q: %s", q.lang, q.words, got)
		}
	}
	if len(c.Find("ingen", "sv", "cafe")) != 0 {
		t.Error("found with a tenant that is not there")
	}
}

func FuzzTenant(f *testing.F) {
	f.Add(sound)
	f.Add("name: {sv: a}\nbase_url: https://[::1]/a\ntheme: {logo: a.svg}\nservices: []\nlists: {a: [b]}\ngroups: x\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file, root := strict.Parse(filepath.Join(dir, tenantFile), []byte(text))
		if !root.Present() {
			return
		}
		tenant := readTenant("a", dir, root, Config{Providers: []string{"bankid", "mbankid"}})
		if file.Err() != nil {
			return
		}
		if tenant.Name.In("sv") == "" || tenant.Name.In("en") == "" || tenant.Contact.Phone == "" || len(tenant.Providers) == 0 || tenant.Group == "" ||
			tenant.Idle < 2*time.Minute || strings.HasSuffix(tenant.BaseURL, "/") || !strings.HasPrefix(tenant.BaseURL, "http") {
			t.Errorf("accepted: %q", text)
		}
	})
}

func FuzzWords(f *testing.F) {
	f.Add("Förskola, på Ängelholms café!")
	f.Add("\xff\u0308İß")
	f.Fuzz(func(t *testing.T, text string) {
		for _, w := range words(text) {
			if w == "" || strings.ContainsAny(w, " ,") {
				t.Errorf("%q", w)
			}
		}
	})
}
