package form

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sigill/broker/kit/config/strict"
)

// Format is the format that is read here.
const Format = "etjanst/1"

// Limits of a definition.
const (
	maxSource     = 512 << 10
	maxSteps      = 50
	maxFields     = 50 // of a step
	maxOptions    = 200
	maxConditions = 20 // of an all or any
	maxDepth      = 5  // of conditions
	maxTests      = 200
	maxParties    = 10
	maxRemind     = 10
	maxID         = 40
	maxLabel      = 300   // characters of a line
	maxProse      = 10000 // of a text
	maxAnswer     = 10000 // that a text may be allowed to have
)

const (
	dayLong  = 24 * time.Hour
	yearLong = 365 * dayLong
)

// What is known beforehand.
const (
	prefillName    = "person.name"
	prefillAddress = "person.address"
	prefillProfile = "profile"
)

// Parse reads a definition. The error is strict.Faults: everything that is
// wrong, with its line.
func Parse(name string, source []byte) (*Service, error) {
	if len(source) > maxSource {
		return nil, strict.Faults{{File: filepath.Base(name), Line: 1, Problem: fmt.Sprintf("is larger than %d bytes", maxSource)}}
	}
	file, root := strict.Parse(name, source)
	if err := file.Err(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(source)
	p := &parser{
		service: &Service{Hash: hex.EncodeToString(sum[:]), Source: slices.Clone(source)},
		names:   map[string]bool{}, at: map[string]place{},
	}
	p.root(root)
	if err := file.Err(); err != nil {
		return nil, err
	}
	return p.service, nil
}

// A parser reads a definition from top to bottom, and then looks whether its
// parts fit each other.
type parser struct {
	service *Service
	names   map[string]bool  // of steps and fields
	at      map[string]place // of fields
	fields  int              // that were read
	looks   []comparison
	people  []demand // what wants a login
}

// A place is where a field stands.
type place struct {
	field *Field
	n     int // in the order of the file
	value strict.Value
}

// A comparison is a condition's, to be judged when all fields are known.
type comparison struct {
	Condition
	field, by strict.Value // what stands behind "field" and behind "is" and so on
	before    int          // how many fields stand before it
}

// A demand is something that makes sense only with a login.
type demand struct {
	value strict.Value
	what  string
}

func (p *parser) root(v strict.Value) {
	s, m := p.service, v.Map()
	s.Format = m.Get("format").Required().OneOf(Format)
	s.ID = slug(m.Get("id").Required())
	if v := m.Get("version").Required(); v.Present() {
		s.Version = v.Int(1, 1_000_000)
	}
	m.Get("kind").Required().OneOf("etjanst")
	s.Title = p.line(m.Get("title").Required(), 200)
	s.Summary = p.line(m.Get("summary").Required(), maxLabel)
	s.About = p.prose(m.Get("about").Required())
	for _, item := range m.Get("more").List() {
		link := item.Map()
		s.More = append(s.More, Link{p.line(link.Get("label").Required(), maxLabel), address(link.Get("url").Required())})
		link.Close()
	}
	s.Category = slug(m.Get("category").Required())
	s.Audience = choices(m.Get("audience").Required(), "privat", "foretag")
	s.Authority = slug(m.Get("authority").Required())
	p.handlers(m.Get("handlers").Required())
	open := p.login(m.Get("login").Required())
	for _, item := range m.Get("checklist").List() {
		s.Checklist = append(s.Checklist, p.line(item.Required(), 1000))
	}
	p.privacy(m.Get("privacy").Required())
	p.steps(m.Get("steps").Required())
	p.signing(m.Get("signing"))
	s.Receipt = p.prose(m.Get("receipt").Required())
	p.tests(m.Get("tests"))
	m.Close()
	for _, c := range p.looks {
		p.judge(c)
	}
	if open {
		for _, d := range p.people {
			d.value.Fault("%s needs a login: login.required must be true", d.what)
		}
	}
}

func (p *parser) handlers(v strict.Value) {
	if !v.IsMap() {
		v.Map() // says so
		return
	}
	m := v.Map()
	p.service.Handlers = Handlers{slug(m.Get("group").Required()), m.Get("messages").Bool()}
	m.Close()
}

// login reports whether the service is open to whoever has not logged in.
func (p *parser) login(v strict.Value) (open bool) {
	if !v.IsMap() {
		v.Map() // says so
		return false
	}
	m := v.Map()
	required, drafts := m.Get("required").Required(), m.Get("drafts")
	p.service.Login = Login{required.Bool(), drafts.Bool()}
	m.Close()
	open = required.Present() && !p.service.Login.Required
	if open && p.service.Login.Drafts {
		drafts.Fault("nobody can come back to a draft without a login")
	}
	return open
}

func (p *parser) privacy(v strict.Value) {
	if !v.IsMap() {
		v.Map() // says so
		return
	}
	m := v.Map()
	p.service.Privacy = Privacy{
		Purpose: p.prose(m.Get("purpose").Required()),
		Data:    p.prose(m.Get("data").Required()),
		Basis:   m.Get("basis").Required().OneOf("allmant-intresse", "myndighetsutovning", "rattslig-forpliktelse", "avtal", "samtycke"),
		Keep:    keep(m.Get("keep").Required()),
	}
	m.Close()
}

func keep(v strict.Value) Keep {
	k := Keep{Draft: 90 * dayLong}
	if !v.IsMap() {
		v.Map() // says so
		return k
	}
	m := v.Map()
	if d := m.Get("draft"); d.Present() {
		k.Draft = span(d, dayLong, 400*dayLong)
	}
	if c := m.Get("closed").Required(); c.Present() && !says(c, "kept") {
		k.Closed = span(c, dayLong, 100*yearLong)
	}
	m.Close()
	return k
}

// says reports whether a text is a certain word, without a fault if it is not.
func says(v strict.Value, word string) bool {
	s, isText := v.Any().(string)
	return isText && s == word
}

// span reads 90d or 2y.
func span(v strict.Value, low, high time.Duration) time.Duration {
	s, _ := v.Any().(string)
	if count, years := strings.CutSuffix(s, "y"); years && digits(count) && len(count) <= 3 {
		n, _ := strconv.Atoi(count)
		if d := time.Duration(n) * yearLong; d >= low && d <= high {
			return d
		}
		v.Fault("must be from %s to %s", showSpan(low), showSpan(high))
		return 0
	}
	if count, days := strings.CutSuffix(s, "d"); !days || !digits(count) {
		v.Fault("must be a time such as 90d or 2y")
		return 0
	}
	return v.Duration(low, high)
}

func showSpan(d time.Duration) string {
	if d%yearLong == 0 {
		return fmt.Sprintf("%dy", d/yearLong)
	}
	return fmt.Sprintf("%dd", d/dayLong)
}

// slug reads a name that stands in addresses and other files.
func slug(v strict.Value) string {
	s := v.Text()
	if s != "" && !named(s, "abcdefghijklmnopqrstuvwxyz0123456789-") || v.Present() && s == "" && says(v, "") {
		v.Fault("must be a name of a to z, 0 to 9 and -, at most %d long", maxID)
		return ""
	}
	return s
}

// id reads the name of a field, a step, an alternative.
func id(v strict.Value) string {
	s := v.Text()
	if s != "" && !named(s, "abcdefghijklmnopqrstuvwxyz0123456789_") || v.Present() && s == "" && says(v, "") {
		v.Fault("must be a name of a to z, 0 to 9 and _, at most %d long", maxID)
		return ""
	}
	return s
}

func named(s, letters string) bool { return len(s) <= maxID && strings.Trim(s, letters) == "" }

func address(v strict.Value) string {
	s := v.Text()
	if u, err := url.Parse(s); s != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil) {
		v.Fault("must be an address that begins with https://")
	}
	return s
}

// choices reads some of a few words, each once.
func choices(v strict.Value, allowed ...string) []string {
	var out []string
	for _, item := range v.List() {
		s := item.Required().OneOf(allowed...)
		if s != "" && slices.Contains(out, s) {
			item.Fault("stands there twice")
		}
		out = append(out, s)
	}
	if v.IsList() && len(out) == 0 {
		v.Fault("must have at least one of: %s", strings.Join(allowed, ", "))
	}
	return out
}

// line reads a text of one line, prose one of paragraphs.
func (p *parser) line(v strict.Value, most int) Text { return text(v, most, true) }
func (p *parser) prose(v strict.Value) Text          { return text(v, maxProse, false) }

func text(v strict.Value, most int, line bool) Text {
	if !v.Present() {
		return nil
	}
	if !v.IsMap() {
		if s := words(v, most, line); s != "" {
			v.Fault("has no English: write {sv: …, en: …}")
		}
		return nil
	}
	m := v.Map()
	t := Text{}
	for _, lang := range []string{"sv", "en"} {
		t[lang] = words(m.Get(lang).Required(), most, line)
	}
	m.Close()
	return t
}

func words(v strict.Value, most int, line bool) string {
	if !v.Present() {
		return ""
	}
	raw := v.Text()
	s := strings.TrimSpace(raw)
	switch {
	case s == "":
		if raw != "" || says(v, "") {
			v.Fault("is empty")
		}
	case line && strings.ContainsAny(s, "\n\t"):
		v.Fault("must be one line")
	case utf8.RuneCountInString(s) > most:
		v.Fault("is longer than %d characters", most)
	case strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r != '\t' && invisible(r) }):
		v.Fault("holds hidden characters")
	}
	return s
}

// number reads a number, whole or not.
func number(v strict.Value) *float64 {
	if !v.Present() {
		return nil
	}
	var n float64
	switch x := v.Any().(type) {
	case int:
		n = float64(x)
	case float64:
		n = x
	default:
		v.Fault("must be a number")
		return nil
	}
	if math.IsNaN(n) || math.Abs(n) > 1e12 {
		v.Fault("must be a number of reasonable size")
		return nil
	}
	return &n
}

func (p *parser) steps(v strict.Value) {
	list := v.List()
	if v.IsList() && (len(list) == 0 || len(list) > maxSteps) {
		v.Fault("must be 1 to %d steps", maxSteps)
		return
	}
	for _, item := range list {
		m := item.Map()
		step := &Step{ID: p.name(m.Get("id")), Title: p.line(m.Get("title").Required(), maxLabel), Intro: p.prose(m.Get("intro"))}
		step.Show = p.condition(m.Get("show"), p.fields, 0)
		fields := m.Get("fields").Required()
		if all := fields.List(); fields.IsList() && (len(all) == 0 || len(all) > maxFields) {
			fields.Fault("must be 1 to %d fields", maxFields)
		} else {
			for _, f := range all {
				step.Fields = append(step.Fields, p.field(f))
			}
		}
		m.Close()
		p.service.Steps = append(p.service.Steps, step)
	}
}

// reserved are names that pages use for themselves.
func reserved() []string {
	return []string{"go", "do", "step", "revision", "lang", "once", "notice", "file", "shown", fromLogin}
}

// name reads the id of a step or a field: they share one set of names.
func (p *parser) name(v strict.Value) string {
	s := id(v.Required())
	switch {
	case s == "":
	case slices.Contains(reserved(), s):
		v.Fault("%s is taken: the pages use it themselves", s)
	case p.names[s]:
		v.Fault("%s is the name of another step or field", s)
	}
	p.names[s] = true
	return s
}

// own are the keys that a type has besides those of all fields.
func own(t Type) []string {
	switch t {
	case TypeText:
		return []string{"max_length", "prefill", "autocomplete"}
	case TypeTextarea:
		return []string{"max_length", "prefill", "autocomplete"}
	case TypeNumber:
		return []string{"min", "max", "decimals", "unit"}
	case TypeDate:
		return []string{"min_date", "max_date", "autocomplete"}
	case TypeEmail, TypePhone:
		return []string{"autocomplete"}
	case TypeRadio, TypeDropdown:
		return []string{"options"}
	case TypeCheckboxes, TypeRanking:
		return []string{"options", "count"}
	case TypeChild:
		return []string{"age"}
	case TypePartyContact:
		return []string{"channels", "one_of"}
	case TypeContact:
		return []string{"channels", "one_of", "prefill"}
	case TypeFile:
		return []string{"accept", "max_mb", "max_files"}
	case TypeInformation:
		return []string{"body"}
	}
	return nil
}

// Types are all types of fields.
func Types() []Type {
	return []Type{
		TypeText, TypeTextarea, TypeNumber, TypeDate, TypeEmail, TypePhone, TypeRadio, TypeCheckboxes, TypeDropdown,
		TypeYesNo, TypePersonalID, TypeChild, TypePartyContact, TypeContact, TypeRanking, TypeFile, TypeInformation,
	}
}

func (p *parser) field(v strict.Value) *Field {
	m := v.Map()
	f := &Field{}
	if !v.Present() {
		v.Fault("is missing")
		return f
	}
	if !v.IsMap() {
		return f // Map said so
	}
	at := m.Get("id")
	f.ID = p.name(at)
	var types []string
	for _, t := range Types() {
		types = append(types, string(t))
	}
	f.Type = Type(m.Get("type").Required().OneOf(types...))
	f.Show = p.condition(m.Get("show"), p.fields, 0)
	f.Label, f.Help = p.line(m.Get("label"), maxLabel), p.prose(m.Get("help"))
	need := m.Get("need")
	f.Need = Required
	if s := need.OneOf(string(Required), string(Recommended), string(Optional)); s != "" {
		f.Need = Need(s)
	}
	if _, twice := p.at[f.ID]; !twice && f.ID != "" {
		p.at[f.ID] = place{f, p.fields, at}
	}
	p.fields++
	if f.Type == "" {
		m.Entries() // which keys it may have is not known
		return f
	}
	if f.Type == TypeInformation {
		f.Need = Optional
		if need.Present() {
			need.Fault("an information is not answered")
		}
	} else {
		m.Get("label").Required()
	}
	for _, t := range Types() {
		for _, key := range own(t) {
			if other := m.Get(key); other.Present() && !slices.Contains(own(f.Type), key) {
				other.Fault("is not for a field of type %s", f.Type)
			}
		}
	}
	p.typed(f, m, v)
	m.Close()
	return f
}

// typed reads what a field's type has of its own.
func (p *parser) typed(f *Field, m *strict.Map, v strict.Value) {
	mine := func(key string) strict.Value {
		if slices.Contains(own(f.Type), key) {
			return m.Get(key)
		}
		return strict.Value{}
	}
	f.Autocomplete = mine("autocomplete").OneOf(autocomplete()...)
	switch f.Type {
	case TypeText, TypeTextarea:
		f.MaxLength = map[Type]int{TypeText: 200, TypeTextarea: 2000}[f.Type]
		if n := mine("max_length"); n.Present() {
			f.MaxLength = n.Int(1, maxAnswer)
		}
		p.prefill(f, mine("prefill"), map[Type]string{TypeText: prefillName, TypeTextarea: prefillAddress}[f.Type])
	case TypeNumber:
		f.Min, f.Max, f.Unit = number(mine("min")), number(mine("max")), p.line(mine("unit"), 20)
		if d := mine("decimals"); d.Present() {
			f.Decimals = d.Int(0, 6)
		}
		if f.Min != nil && f.Max != nil && *f.Min > *f.Max {
			mine("max").Fault("is less than min")
		}
	case TypeDate:
		f.MinDate, f.MaxDate = dated(mine("min_date")), dated(mine("max_date"))
		low, high := f.Bounds(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))
		if bothKinds := strings.HasPrefix(f.MinDate, "today") == strings.HasPrefix(f.MaxDate, "today"); bothKinds && !low.IsZero() && !high.IsZero() && low.After(high) {
			mine("max_date").Fault("is before min_date")
		}
	case TypeRadio, TypeDropdown, TypeCheckboxes, TypeRanking:
		p.options(f, mine("options").Required())
		p.count(f, mine("count"))
	case TypeChild:
		p.people = append(p.people, demand{v, "a child"})
		age := mine("age").Map()
		f.MinAge, f.MaxAge = years(age.Get("min")), years(age.Get("max"))
		if f.MinAge != nil && f.MaxAge != nil && *f.MinAge > *f.MaxAge {
			age.Get("max").Fault("is less than min")
		}
		age.Close()
	case TypePartyContact, TypeContact:
		if f.Channels = []string{channelEmail, channelPhone}; mine("channels").Present() {
			f.Channels = choices(mine("channels"), channelEmail, channelPhone)
		}
		if f.OneOf = true; mine("one_of").Present() {
			f.OneOf = mine("one_of").Bool()
		}
		if f.Type == TypeContact {
			p.prefill(f, mine("prefill"), prefillProfile)
		}
	case TypeFile:
		if f.Accept = []string{"pdf", "jpg", "png"}; mine("accept").Present() {
			f.Accept = choices(mine("accept"), f.Accept...)
		}
		f.MaxBytes, f.MaxFiles = 10<<20, 5
		if n := mine("max_mb"); n.Present() {
			f.MaxBytes = int64(n.Int(1, 25)) << 20
		}
		if n := mine("max_files"); n.Present() {
			f.MaxFiles = n.Int(1, 20)
		}
	case TypeInformation:
		f.Body = p.prose(mine("body").Required())
	}
}

func (p *parser) prefill(f *Field, v strict.Value, allowed string) {
	if f.Prefill = v.OneOf(allowed); f.Prefill != "" {
		p.people = append(p.people, demand{v, "what is known beforehand"})
	}
}

// dated reads a bound of dates.
func dated(v strict.Value) string {
	s := v.Text()
	if _, ok := day(s, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)); s != "" && !ok {
		v.Fault(`must be today, such as today+30d or today-18y, or such as "2026-01-31"`)
		return ""
	}
	return s
}

func years(v strict.Value) *int {
	if !v.Present() {
		return nil
	}
	n := v.Int(0, 120)
	return &n
}

func (p *parser) options(f *Field, v strict.Value) {
	m := v.Map()
	if list := m.Get("list"); list.Present() && !list.IsMap() {
		f.List = slug(list)
		m.Close()
		return
	}
	all := m.Entries()
	if v.IsMap() && (len(all) == 0 || len(all) > maxOptions) {
		v.Fault("must be 1 to %d alternatives", maxOptions)
		return
	}
	for _, e := range all {
		if !named(e.Key, "abcdefghijklmnopqrstuvwxyz0123456789_") || e.Key == "" {
			e.Fault("must have a key of a to z, 0 to 9 and _, at most %d long", maxID)
		}
		f.Options = append(f.Options, Option{e.Key, p.line(e.Required(), maxLabel)})
	}
}

func (p *parser) count(f *Field, v strict.Value) {
	m := v.Map()
	low, high := m.Get("min"), m.Get("max")
	most := maxOptions
	if f.Type == TypeRanking {
		most = maxRanked
	}
	if f.List == "" && len(f.Options) > 0 {
		most = min(most, len(f.Options))
	}
	if low.Present() {
		f.MinCount = low.Int(0, most)
	}
	if high.Present() {
		f.MaxCount = high.Int(1, most)
	}
	if f.MinCount > 0 && f.MaxCount > 0 && f.MinCount > f.MaxCount {
		high.Fault("is less than min")
	}
	m.Close()
}

// autocomplete are the tokens of WCAG 1.3.5 that a municipality asks for.
func autocomplete() []string {
	return []string{
		"name", "given-name", "family-name", "email", "tel", "street-address", "address-line1", "address-line2",
		"address-level2", "postal-code", "country-name", "organization", "bday",
	}
}

func (p *parser) signing(v strict.Value) {
	if !v.Present() {
		for _, f := range p.ordered() {
			if f.field.Type == TypePartyContact {
				f.value.Fault("is the contact of no party: the service has no signing")
			}
		}
		return
	}
	p.people = append(p.people, demand{v, "signing"})
	m := v.Map()
	s := &Signing{Deadline: 30 * dayLong}
	p.service.Signing = s
	parties := m.Get("parties").Required()
	list := parties.List()
	if parties.IsList() && (len(list) == 0 || len(list) > maxParties) {
		parties.Fault("must be 1 to %d parties", maxParties)
		list = nil
	}
	used := map[string]bool{} // ids and contacts
	for i, item := range list {
		s.Parties = append(s.Parties, p.party(item, i, used))
	}
	for _, f := range p.ordered() {
		if f.field.Type == TypePartyContact && !used["contact "+f.field.ID] && len(list) > 0 {
			f.value.Fault("is the contact of no party")
		}
	}
	if d := m.Get("deadline"); d.Present() {
		s.Deadline = span(d, dayLong, yearLong)
	}
	remind := m.Get("remind")
	if days := remind.List(); len(days) > maxRemind {
		remind.Fault("must be at most %d", maxRemind)
	} else if most := int(s.Deadline/dayLong) - 1; len(days) > 0 && most >= 1 {
		for _, d := range days {
			n := d.Required().Int(1, most)
			if n > 0 && slices.Contains(s.Remind, n) {
				d.Fault("stands there twice")
			}
			s.Remind = append(s.Remind, n)
		}
	} else if len(days) > 0 && s.Deadline > 0 {
		remind.Fault("there is no day left before the deadline")
	}
	m.Close()
}

// ordered are the fields in the order of the file.
func (p *parser) ordered() []place {
	var all []place
	for _, f := range p.at {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b place) int { return a.n - b.n })
	return all
}

func (p *parser) party(v strict.Value, n int, used map[string]bool) PartyRule {
	m := v.Map()
	as, from, name, contact, when := m.Get("id").Required(), m.Get("from").Required(), m.Get("name"), m.Get("contact"), m.Get("when")
	r := PartyRule{ID: id(as), From: from.Text(), CoOwner: m.Get("co_owner").Bool(), When: p.condition(when, p.fields, 0)}
	m.Close()
	if used["id "+r.ID] && r.ID != "" {
		as.Fault("%s is another party", r.ID)
	}
	used["id "+r.ID] = true
	switch {
	case r.From == "": // said already
	case n > 0 && r.From == fromLogin:
		from.Fault("only the first party can be the one who is logged in")
	case n > 0:
		p.other(&r, from, name, contact, used)
	default:
		if r.From != fromLogin {
			from.Fault("must be login: the first party is the applicant")
		}
		for _, odd := range []strict.Value{name, contact, when} {
			if odd.Present() {
				odd.Fault("is not for the applicant")
			}
		}
	}
	return r
}

// other reads what a party has who is not the applicant.
func (p *parser) other(r *PartyRule, from, name, contact strict.Value, used map[string]bool) {
	f := p.want(from, r.From, TypeChild, TypePersonalID)
	switch {
	case f == nil: // said already
	case f.Type == TypeChild:
		if name.Present() {
			name.Fault("is only for a party from a personal_id: a child's guardians have their names from the register")
		}
	default:
		if r.Name = name.Required().Text(); r.Name == "" {
			break
		}
		if text := p.want(name, r.Name, TypeText); text != nil {
			text.MaxLength = min(text.MaxLength, maxName)
		}
	}
	if r.Contact = contact.Required().Text(); r.Contact == "" {
		return
	}
	if p.want(contact, r.Contact, TypePartyContact) != nil && used["contact "+r.Contact] {
		contact.Fault("%s is another party's", r.Contact)
	}
	used["contact "+r.Contact] = true
}

// want gives a field that must be of one of some types.
func (p *parser) want(v strict.Value, name string, types ...Type) *Field {
	at, there := p.at[name]
	switch {
	case !there:
		v.Fault("there is no field %s", name)
		return nil
	case at.field.Type == "":
		return nil // said already
	case !slices.Contains(types, at.field.Type):
		var names []string
		for _, t := range types {
			names = append(names, string(t))
		}
		v.Fault("%s is of type %s, not %s", name, at.field.Type, strings.Join(names, " or "))
		return nil
	}
	return at.field
}

// condition reads one. before is how many fields it may look at.
func (p *parser) condition(v strict.Value, before, depth int) *Condition {
	if !v.Present() {
		return nil
	}
	m := v.Map()
	if !v.IsMap() {
		return nil
	}
	if depth >= maxDepth {
		v.Fault("is more than %d deep", maxDepth)
		m.Entries()
		return nil
	}
	c := &Condition{}
	field, all, anyOf, not := m.Get("field"), m.Get("all"), m.Get("any"), m.Get("not")
	kinds := 0
	for _, k := range []strict.Value{field, all, anyOf, not} {
		if k.Present() {
			kinds++
		}
	}
	var by []strict.Value
	for _, key := range []string{"is", "in", "gt", "gte", "lt", "lte", "filled"} {
		if k := m.Get(key); k.Present() {
			by = append(by, k)
		}
	}
	m.Close()
	switch {
	case kinds != 1:
		v.Fault("must be exactly one of field, all, any and not")
		return nil
	case !field.Present():
		for _, k := range by {
			k.Fault("has no field to compare")
		}
		c.All, c.Any = p.several(all, before, depth), p.several(anyOf, before, depth)
		c.Not = p.condition(not, before, depth+1)
		return c
	case len(by) != 1:
		v.Fault("must have exactly one of is, in, gt, gte, lt, lte and filled")
		return nil
	}
	if c.Field = field.Text(); c.Field == "" {
		return nil
	}
	if k := m.Get("is"); k.Present() {
		s := k.Text()
		c.Is = &s
	}
	if k := m.Get("in"); k.Present() {
		if c.In = k.Texts(); k.IsList() && len(c.In) == 0 {
			k.Fault("must have at least one")
		}
	}
	c.Gt, c.Gte, c.Lt, c.Lte = number(m.Get("gt")), number(m.Get("gte")), number(m.Get("lt")), number(m.Get("lte"))
	if k := m.Get("filled"); k.Present() {
		b := k.Bool()
		c.Filled = &b
	}
	p.looks = append(p.looks, comparison{*c, field, by[0], before})
	return c
}

func (p *parser) several(v strict.Value, before, depth int) []Condition {
	list := v.List()
	if v.IsList() && (len(list) == 0 || len(list) > maxConditions) {
		v.Fault("must be 1 to %d conditions", maxConditions)
		return nil
	}
	var out []Condition
	for _, item := range list {
		if c := p.condition(item.Required(), before, depth+1); c != nil {
			out = append(out, *c)
		}
	}
	return out
}

// judge looks whether a comparison asks for something that stands before it and
// can be compared so.
func (p *parser) judge(c comparison) {
	name, guardians := c.split()
	at, there := p.at[name]
	switch {
	case !there:
		c.field.Fault("there is no field %s", name)
		return
	case at.n >= c.before:
		c.field.Fault("%s does not stand before this: conditions look only backwards", name)
		return
	case at.field.Type == "":
		return // said already
	case at.field.Type == TypeInformation:
		c.field.Fault("%s is an information: it has no answer", name)
		return
	case guardians && at.field.Type != TypeChild:
		c.field.Fault("%s is no child: it has no guardians", name)
		return
	}
	f := at.field
	picks := c.Is != nil || c.In != nil
	counts := !picks && c.Filled == nil
	switch {
	case c.Filled != nil && guardians:
		c.by.Fault("guardians are counted: use gt, gte, lt or lte")
	case c.Filled != nil:
	case guardians && counts, f.Type == TypeNumber && counts:
	case guardians || f.Type == TypeNumber:
		c.by.Fault("%s is a number: use gt, gte, lt or lte", c.Field)
	case picks && f.List != "":
		c.by.Fault("the alternatives of %s are the tenant's: only filled can be asked", name)
	case picks && len(f.Options) > 0:
		for _, key := range c.wanted() {
			if !slices.ContainsFunc(f.Options, func(o Option) bool { return o.Key == key }) {
				c.by.Fault("%s has no alternative %s", name, key)
			}
		}
	case picks && f.Type == TypeYesNo:
		for _, key := range c.wanted() {
			if key != yes && key != no {
				c.by.Fault("%s is answered with yes or no", name)
			}
		}
	case f.Type == TypeRadio, f.Type == TypeDropdown, f.Type == TypeCheckboxes, f.Type == TypeRanking:
		if counts {
			c.by.Fault("%s has alternatives: use is, in or filled", name)
		} // else its options were faulty, which was said
	case f.Type == TypeYesNo:
		c.by.Fault("%s is answered with yes or no: use is or filled", name)
	default:
		c.by.Fault("of a field of type %s only filled can be asked", f.Type)
	}
}

func (c comparison) wanted() []string {
	if c.Is != nil {
		return []string{*c.Is}
	}
	return c.In
}
