package form

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sigill/broker/kit/contact"
	"sigill/providers/personnummer"
)

// Check says what is wrong in a step's visible fields. A step that is not shown
// has none.
func (s *Service) Check(step *Step, a Answers, f Facts) []Fault {
	seen := s.look(a)
	for i, shown := range seen.steps {
		if shown.ID == step.ID {
			return s.check(seen.fields[i], seen.answers, f)
		}
	}
	return nil
}

// check wants answers of shown fields alone.
func (s *Service) check(fields []*Field, a Answers, f Facts) []Fault {
	c := checker{service: s, facts: f, today: f.Today()}
	for _, field := range fields {
		c.field(field, a[field.ID])
	}
	return c.faults
}

type checker struct {
	service *Service
	facts   Facts
	today   time.Time
	faults  []Fault
}

// fault notes what is wrong in a part; args are names and values in turn.
func (c *checker) fault(f *Field, part string, code Code, args ...string) {
	fault := Fault{Field: f.ID, Part: part, Code: code}
	for i := 0; i+1 < len(args); i += 2 {
		if fault.Args == nil {
			fault.Args = map[string]string{}
		}
		fault.Args[args[i]] = args[i+1]
	}
	c.faults = append(c.faults, fault)
}

func (c *checker) field(f *Field, v Value) {
	if f.Type == TypeInformation {
		return
	}
	if v.Empty() {
		c.empty(f)
		return
	}
	text := strings.TrimSpace(v.Text)
	switch f.Type {
	case TypeText, TypeTextarea:
		if _, locked := f.Known(c.facts); !locked && utf8.RuneCountInString(text) > f.MaxLength {
			c.fault(f, "", FaultTooLong, "max", strconv.Itoa(f.MaxLength))
		}
	case TypeNumber:
		c.number(f, text)
	case TypeDate:
		c.date(f, v)
	case TypeEmail:
		if _, err := contact.Email(text); err != nil {
			c.fault(f, "", FaultEmail)
		}
	case TypePhone:
		if _, err := contact.Phone(text); err != nil {
			c.fault(f, "", FaultPhone)
		}
	case TypeRadio, TypeDropdown:
		c.option(f, "", v.Text)
	case TypeYesNo:
		if v.Text != yes && v.Text != no {
			c.fault(f, "", FaultOption)
		}
	case TypeCheckboxes, TypeRanking:
		c.chosen(f, v.Chosen)
	case TypePersonalID:
		c.personalID(f, text)
	case TypeChild:
		c.child(f, *v.Child)
	case TypeContact, TypePartyContact:
		c.reach(f, v)
	case TypeFile:
		if len(v.Files) > f.MaxFiles {
			c.fault(f, "", FaultFiles, "max", strconv.Itoa(f.MaxFiles))
		}
	}
}

const (
	yes = "yes"
	no  = "no"
)

// empty says what an answer that is not there is called.
func (c *checker) empty(f *Field) {
	code := FaultRequired
	switch {
	case f.Need == Optional:
		return
	case f.Need == Recommended:
		code = FaultAdvised
	case f.Type == TypeChild && c.facts.NoRegister:
		code = FaultRegister
	case f.Type == TypeContact || f.Type == TypePartyContact:
		code = FaultReach
	}
	part := ""
	if parts := f.parts(); len(parts) > 0 {
		part = parts[0]
	}
	if f.Type == TypeRanking {
		part = "1"
	}
	c.fault(f, part, code)
}

func (c *checker) number(f *Field, text string) {
	d, ok := parseDecimal(text)
	switch {
	case !ok:
		c.fault(f, "", FaultNumber)
	case d.decimals > f.Decimals:
		c.fault(f, "", FaultDecimals, "max", strconv.Itoa(f.Decimals))
	case f.Min != nil && d.value < *f.Min:
		c.fault(f, "", FaultMin, "min", formatNumber(*f.Min))
	case f.Max != nil && d.value > *f.Max:
		c.fault(f, "", FaultMax, "max", formatNumber(*f.Max))
	}
}

func (c *checker) date(f *Field, v Value) {
	t, bad := v.date()
	low, high := f.Bounds(c.today)
	switch {
	case bad != "":
		c.fault(f, bad, FaultDate)
	case !low.IsZero() && t.Before(low):
		c.fault(f, partDay, FaultDateMin, "min", low.Format(dateLayout))
	case !high.IsZero() && t.After(high):
		c.fault(f, partDay, FaultDateMax, "max", high.Format(dateLayout))
	}
}

func (c *checker) option(f *Field, part, key string) bool {
	known := slices.ContainsFunc(f.Alternatives(c.facts), func(o Option) bool { return o.Key == key })
	if !known {
		c.fault(f, part, FaultOption)
	}
	return known
}

func (c *checker) chosen(f *Field, keys []string) {
	for i, k := range keys {
		part := ""
		if f.Type == TypeRanking {
			part = strconv.Itoa(i + 1)
		}
		if c.option(f, part, k) && slices.Contains(keys[:i], k) {
			c.fault(f, part, FaultTwice)
		}
	}
	part := ""
	if f.Type == TypeRanking {
		part = "1"
	}
	switch {
	case len(keys) < f.MinCount:
		c.fault(f, part, FaultFew, "min", strconv.Itoa(f.MinCount))
	case f.MaxCount > 0 && len(keys) > f.MaxCount:
		c.fault(f, part, FaultMany, "max", strconv.Itoa(f.MaxCount))
	}
}

func (c *checker) personalID(f *Field, text string) {
	n, err := personnummer.Parse(text, c.today)
	switch {
	case err != nil:
		c.fault(f, "", FaultPersonalID)
	case n == c.facts.Applicant.Number && c.service.signs(f.ID):
		c.fault(f, "", FaultSelf)
	}
}

// signs reports whether a party comes from a field.
func (s *Service) signs(id string) bool {
	return s.Signing != nil && slices.ContainsFunc(s.Signing.Parties, func(r PartyRule) bool { return r.From == id })
}

// child holds the snapshot against what the register says now: nobody applies
// for a child who is not theirs, nor past a guardian whom the answers do not know.
func (c *checker) child(f *Field, snapshot Child) {
	if c.facts.NoRegister {
		c.fault(f, "", FaultRegister)
		return
	}
	i := slices.IndexFunc(c.facts.Children, func(now Child) bool { return now.Number == snapshot.Number })
	if i < 0 || !c.facts.Children[i].same(snapshot) || !snapshot.of(c.facts.Applicant.Number) {
		c.fault(f, "", FaultChild)
		return
	}
	number, err := personnummer.FromDigits(snapshot.Number)
	if err != nil {
		c.fault(f, "", FaultChild)
		return
	}
	age := number.Age(c.today)
	if low, high := f.MinAge, f.MaxAge; low != nil && age < *low || high != nil && age > *high {
		var args []string
		if low != nil {
			args = append(args, "min", strconv.Itoa(*low))
		}
		if high != nil {
			args = append(args, "max", strconv.Itoa(*high))
		}
		c.fault(f, "", FaultAge, args...)
	}
}

// same reports whether the register says the same of two, in whatever order.
func (c Child) same(d Child) bool {
	if c.Number != d.Number || c.Name != d.Name || len(c.Guardians) != len(d.Guardians) {
		return false
	}
	for _, g := range c.Guardians {
		if !slices.Contains(d.Guardians, g) {
			return false
		}
	}
	return true
}

// of reports whether somebody is a guardian.
func (c Child) of(n personnummer.Number) bool {
	return !n.IsZero() && slices.ContainsFunc(c.Guardians, func(g Guardian) bool { return g.Number == n.Digits() })
}

func (c *checker) reach(f *Field, v Value) {
	for _, channel := range f.Channels {
		text := v.Parts[channel]
		switch {
		case blank(text):
			if !f.OneOf {
				c.fault(f, channel, FaultRequired)
			}
		case channel == channelEmail:
			if _, err := contact.Email(text); err != nil {
				c.fault(f, channel, FaultEmail)
			}
		default:
			if _, err := contact.Phone(text); err != nil {
				c.fault(f, channel, FaultPhone)
			}
		}
	}
	c.notify(f, v)
}

// Ways in which a person wants to be told.
const (
	notifyEmail = "email"
	notifySMS   = "sms"
	notifyBoth  = "both"
)

func (c *checker) notify(f *Field, v Value) {
	email, phone := blank(v.Parts[channelEmail]), blank(v.Parts[channelPhone])
	switch strings.TrimSpace(v.Parts[partNotify]) {
	case "":
	case notifyEmail:
		if email {
			c.fault(f, partNotify, FaultNotify)
		}
	case notifySMS:
		if phone {
			c.fault(f, partNotify, FaultNotify)
		}
	case notifyBoth:
		if email || phone {
			c.fault(f, partNotify, FaultNotify)
		}
	default:
		c.fault(f, partNotify, FaultOption)
	}
}
