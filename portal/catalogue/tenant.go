package catalogue

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sigill/broker/kit/config/strict"
	"sigill/broker/kit/design"
	"sigill/portal"
	"sigill/portal/form"
)

const tenantFile = "tenant.yaml"

// Limits on what a tenant may say.
const (
	maxLine = 200
	maxText = 10_000
	maxLogo = 200 << 10
)

// readTenants reads every tenant there is. Those with faults are not among what
// it gives, but for their faults.
func readTenants(c Config) (map[portal.TenantID]folder, strict.Faults, strict.Faults, error) {
	entries, err := os.ReadDir(c.Tenants)
	if err != nil {
		return nil, nil, nil, err
	}
	tenants := map[portal.TenantID]folder{}
	var faults, warnings strict.Faults
	for _, e := range entries {
		id := e.Name()
		info, err := os.Stat(filepath.Join(c.Tenants, id))
		if hidden(id) || err != nil || !info.IsDir() {
			continue
		}
		if !isID(id) {
			faults = append(faults, strict.Fault{File: id, Problem: "a tenant's folder is named with a-z, 0-9 and -"})
			continue
		}
		path := filepath.Join(c.Tenants, id, tenantFile)
		source, err := load(path)
		if err != nil {
			faults = append(faults, strict.Fault{File: filepath.Join(id, tenantFile), Problem: plain(err)})
			tenants[portal.TenantID(id)] = folder{}
			continue
		}
		f, root := strict.Parse(path, source)
		var t portal.Tenant
		if root.Present() {
			t = readTenant(id, filepath.Dir(path), root, c)
		}
		for _, w := range f.Warnings() {
			w.File = filepath.Join(id, w.File)
			warnings = append(warnings, w)
		}
		if err := f.Err(); err != nil {
			faults = append(faults, named(id, err)...)
			tenants[portal.TenantID(id)] = folder{}
			continue
		}
		tenants[portal.TenantID(id)] = folder{t, true}
	}
	if len(tenants) == 0 && len(faults) == 0 {
		faults = append(faults, strict.Fault{File: "tenants", Problem: "there is none; a tenant is a folder with the file " + tenantFile})
	}
	return tenants, faults, warnings, nil
}

// folder is a tenant's folder: what was read there, if it is in order.
type folder struct {
	tenant portal.Tenant
	ok     bool
}

// settle lets those that are served go on where they are: a faulty tenant as it
// last was, and nobody new takes another's address, numbers or citizens.
func (c *Catalogue) settle(all map[portal.TenantID]folder) (map[portal.TenantID]portal.Tenant, strict.Faults) {
	settled := map[portal.TenantID]portal.Tenant{}
	for id := range all {
		if last, served := c.tenants[id]; served {
			settled[id] = last
		}
	}
	var faults strict.Faults
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !all[id].ok {
			continue
		}
		t := all[id].tenant
		last, served := settled[id]
		delete(settled, id)
		other, path, problem := occupied(t, settled)
		switch {
		case other == "":
			settled[id] = t
			continue
		case served:
			settled[id] = last
		}
		faults = append(faults, strict.Fault{File: filepath.Join(string(id), tenantFile), Path: path, Problem: fmt.Sprintf(problem, other)})
	}
	return settled, faults
}

// occupied finds a tenant whose address, case numbers or citizens t would take.
func occupied(t portal.Tenant, settled map[portal.TenantID]portal.Tenant) (other portal.TenantID, path, problem string) {
	for _, id := range slices.Sorted(maps.Keys(settled)) {
		u := settled[id]
		a, b := t.BaseURL+"/", u.BaseURL+"/"
		switch {
		case strings.HasPrefix(a, b) || strings.HasPrefix(b, a):
			return id, "base_url", "is that of the tenant %s, or one lies within the other"
		case t.CasePrefix() == u.CasePrefix():
			return id, "case_prefix", "is that of the tenant %s; two would give the same case numbers"
		case t.Group == u.Group && (!t.Grouped || !u.Grouped):
			return id, "group", "would be shared with the tenant %s; both have to name it"
		}
	}
	return "", "", ""
}

// readPrefix reads what case numbers begin with.
func readPrefix(v strict.Value) string {
	s := v.Text()
	if s != "" && !prefixShape.MatchString(s) {
		v.Fault("must be two to eight capitals and digits, such as EXB")
		return ""
	}
	return s
}

var prefixShape = regexp.MustCompile(`^[A-Z][A-Z0-9]{1,7}$`)

// readTenant reads what stands in a tenant's file.
func readTenant(id, dir string, root strict.Value, c Config) portal.Tenant {
	m := root.Map()
	defer m.Close()
	t := portal.Tenant{
		ID:          portal.TenantID(id),
		Name:        readName(m.Get("name").Required()),
		BaseURL:     readBase(m.Get("base_url").Required()),
		Group:       portal.GroupID(cmp.Or(readID(m.Get("group")), id)),
		Grouped:     m.Get("group").Present(),
		Providers:   readProviders(m.Get("providers").Required(), c),
		Prefix:      readPrefix(m.Get("case_prefix")),
		AskingBody:  readLine(m.Get("asking_body")),
		Theme:       readTheme(m.Get("theme"), dir),
		Lists:       map[string][]form.Option{},
		Groups:      map[string][]string{},
		Authorities: map[string]portal.Authority{},
		Protected:   readText(m.Get("protected")),
		Privacy:     readAddress(m.Get("privacy")),
		Send:        readShort(m.Get("send")),
		Welcome:     readText(m.Get("welcome")),
	}
	contact := m.Get("contact").Required()
	t.Contact = readContact(contact)
	if contact.Present() && t.Contact.Phone == "" {
		contact.Fault("needs a phone: people with protected identity are told to call")
	}
	t.Coordination = m.Get("samordningsnummer").OneOf("allow", "deny") == "allow"
	t.Invite = cmp.Or(m.Get("invite").OneOf("email", "sms", "both", "code"), "both")
	t.Idle = cmp.Or(m.Get("idle").Duration(2*time.Minute, 2*time.Hour), 20*time.Minute)
	if len(t.Send) == 0 {
		t.Send = form.Text{"sv": "Skicka in", "en": "Send"}
	}
	if services := m.Get("services"); services.Present() {
		t.Services = []portal.ServiceID{}
		for _, item := range services.List() {
			s := portal.ServiceID(readID(item.Required()))
			if slices.Contains(t.Services, s) {
				item.Fault("stands there twice")
			}
			t.Services = append(t.Services, s)
		}
	}
	for _, e := range m.Get("lists").Map().Entries() {
		checkName(e)
		t.Lists[e.Key] = readList(e.Value)
	}
	for _, e := range m.Get("groups").Map().Entries() {
		checkName(e)
		t.Groups[e.Key] = readClaims(e.Value)
	}
	for _, e := range m.Get("authorities").Map().Entries() {
		checkName(e)
		a := e.Value.Map()
		contact := a.Get("contact").Required()
		t.Authorities[e.Key] = portal.Authority{Name: readName(a.Get("name").Required()), Contact: readContact(contact)}
		if c := t.Authorities[e.Key].Contact; contact.Present() && c.Phone == "" && c.Email == "" {
			contact.Fault("needs a phone or an email")
		}
		a.Close()
	}
	return t
}

// readBase reads the address of a portal: a host, or a path of one.
func readBase(v strict.Value) string {
	s := v.Text()
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	switch {
	case !v.Present():
	case err != nil, u.Host == "", u.Hostname() == "", u.Scheme != "https" && u.Scheme != "http":
		v.Fault("must be an address such as https://etjanster.example.se or https://example.se/etjanster")
	case u.User != nil || strings.ContainsAny(s, "?#"):
		v.Fault("must be a scheme, a host and at most a path")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		v.Fault("must begin with https")
	case u.Host != strings.ToLower(u.Host), strings.HasSuffix(u.Host, ":"),
		u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80":
		v.Fault("must have its host in small letters, without the port that every browser takes anyway")
	case u.Path != "" && !plainPath(u.Path):
		v.Fault("must have a path of a-z, 0-9, - and _ alone")
	default:
		return u.Scheme + "://" + u.Host + u.Path
	}
	return ""
}

func plainPath(path string) bool {
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || strings.Trim(segment, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return path[0] == '/'
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func readProviders(v strict.Value, c Config) []string {
	var list []string
	for _, item := range v.List() {
		id := item.Required().OneOf(c.Providers...)
		switch {
		case id == "":
			continue
		case slices.Contains(list, id):
			item.Fault("stands there twice")
		case !slices.Contains(c.Configured, id):
			item.Warn("%s is not configured here, and is not shown", id)
		}
		list = append(list, id)
	}
	if v.IsList() && len(list) == 0 {
		v.Fault("needs at least one")
	}
	return list
}

func readTheme(v strict.Value, dir string) portal.Theme {
	m := v.Map()
	defer m.Close()
	var t portal.Theme
	accent := m.Get("accent")
	if t.Accent = accent.Text(); t.Accent != "" {
		if err := design.CheckTheme(t.Accent); err != nil {
			accent.Fault("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	logo := m.Get("logo")
	t.Logo = logo.Text()
	switch ext := strings.ToLower(filepath.Ext(t.Logo)); {
	case t.Logo == "":
	case t.Logo != filepath.Base(t.Logo) || hidden(t.Logo) || ext != ".svg" && ext != ".png":
		logo.Fault("must be the name of a .svg or .png file in the tenant's folder")
	default:
		if info, err := os.Lstat(filepath.Join(dir, t.Logo)); err != nil || !info.Mode().IsRegular() {
			logo.Fault("there is no file %s in the tenant's folder", t.Logo)
		} else if info.Size() > maxLogo {
			logo.Fault("is larger than %d kB", maxLogo>>10)
		}
	}
	return t
}

func readContact(v strict.Value) portal.Contact {
	m := v.Map()
	defer m.Close()
	c := portal.Contact{
		Name: readName(m.Get("name")), Phone: readLine(m.Get("phone")), Email: readLine(m.Get("email")),
		Hours: readShort(m.Get("hours")), Address: readLines(m.Get("address"), maxLine), URL: readAddress(m.Get("url")),
	}
	if strings.Trim(c.Phone, "0123456789 -+()") != "" {
		m.Get("phone").Fault("is no phone number")
	}
	if local, domain, ok := strings.Cut(c.Email, "@"); c.Email != "" && (!ok || local == "" || !strings.Contains(domain, ".") || strings.ContainsAny(c.Email, " <>,;\"")) {
		m.Get("email").Fault("is no e-mail address")
	}
	return c
}

// readList reads alternatives: a key for each, and what people read.
func readList(v strict.Value) []form.Option {
	var list []form.Option
	for _, e := range v.Required().Map().Entries() {
		if e.Key == "" || len(e.Key) > 40 || strings.Trim(e.Key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			e.Fault("a key is of a-z, 0-9 and _")
		}
		list = append(list, form.Option{Key: e.Key, Label: readName(e.Value.Required())})
	}
	if v.IsMap() && len(list) == 0 {
		v.Fault("holds no alternative")
	}
	return list
}

// readClaims reads the values of the directory's claim that make up a group.
func readClaims(v strict.Value) []string {
	var list []string
	for _, item := range v.Required().List() {
		if s := readLine(item.Required()); s != "" {
			list = append(list, s)
		}
	}
	if v.IsList() && len(list) == 0 {
		v.Fault("needs at least one")
	}
	return list
}

func checkName(e strict.Entry) {
	if e.Key == "" || len(e.Key) > 60 || strings.Trim(e.Key, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		e.Fault("a name is of a-z, 0-9, - and _")
	}
}

func readID(v strict.Value) string {
	s := v.Text()
	if v.Present() && !isID(s) {
		v.Fault("must be of a-z, 0-9 and -")
		return ""
	}
	return s
}

// readAddress reads the address of a page.
func readAddress(v strict.Value) string {
	s := readLine(v)
	if u, err := url.Parse(s); s != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) {
		v.Fault("must be an address that begins with https")
		return ""
	}
	return s
}

// readName reads what something is called. A name that is the same in every
// language may stand alone.
func readName(v strict.Value) form.Text {
	if v.Present() && !v.IsMap() {
		s := readLine(v)
		if s == "" {
			return nil
		}
		return form.Text{"sv": s, "en": s}
	}
	return readShort(v)
}

// readShort reads a text of one line, readText one of several, in all languages.
func readShort(v strict.Value) form.Text { return readLangs(v, readLine) }

func readText(v strict.Value) form.Text {
	return readLangs(v, func(v strict.Value) string { return readLines(v, maxText) })
}

func readLangs(v strict.Value, one func(strict.Value) string) form.Text {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	defer m.Close()
	if !v.IsMap() {
		return nil
	}
	t := form.Text{}
	for _, lang := range []string{"sv", "en"} {
		t[lang] = one(m.Get(lang).Required())
	}
	return t
}

func readLine(v strict.Value) string {
	s := readLines(v, maxLine)
	if strings.ContainsAny(s, "\n\t") {
		v.Fault("must be one line")
		return ""
	}
	return s
}

func readLines(v strict.Value, most int) string {
	s := strings.TrimSpace(v.Text())
	if v.Present() && s == "" {
		v.Fault("is empty")
	}
	if utf8.RuneCountInString(s) > most {
		v.Fault("is longer than %d characters", most)
		return ""
	}
	return s
}
