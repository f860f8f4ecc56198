package form

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigill/broker/kit/config/strict"
	"sigill/providers/personnummer"
)

// Case is a test of a service: answers, and what must follow.
type Case struct {
	Name string
	// Today is the day of the test; default 2026-03-02.
	Today string
	// Answers as a browser would post them; dates whole, and files by name.
	Answers Input
	// Register is who the applicant and the children are.
	Register CaseRegister
	// What must follow; what is not said is not checked.
	Steps   []string // on the path
	Faults  []string // "field code" or "field.part code"
	Parties []string // ids
	Shown   []string // fields
	Hidden  []string
	Rows    []Row // among what is signed, in Swedish
}

// CaseRegister is the register of a test: made-up people by name alone.
type CaseRegister struct {
	Down     bool
	Children []CaseChild
}

// CaseChild is a child of a test.
type CaseChild struct {
	Key       string
	Age       int
	Guardians int
}

// caseToday is the day of tests that do not say theirs.
const caseToday = "2026-03-02"

// Test runs a service's own cases; each line says what did not follow.
func (s *Service) Test() []string {
	var lines []string
	for _, c := range s.Tests {
		for _, line := range s.Try(c) {
			lines = append(lines, c.Name+": "+line)
		}
	}
	return lines
}

// Try runs one case: it fills in every step on the way, as a person would.
func (s *Service) Try(c Case) []string {
	facts := c.facts(s)
	in := c.posted(s, facts.Today())
	answers := s.Prefill(c.files(s), facts)
	var saved []string
	for i := 0; ; i++ {
		seen := s.look(answers)
		if i == len(seen.steps) {
			break
		}
		answers = s.Read(seen.steps[i], in, answers, facts)
		saved = append(saved, seen.steps[i].ID)
	}
	answers = s.Prune(answers, facts)
	var t trial
	journey := s.Journey(answers, saved, facts)
	parties, wrong := s.Parties(answers, facts)
	var steps, faults, ids []string
	for _, p := range journey.Steps {
		steps = append(steps, p.Step.ID)
		for _, f := range p.Faults {
			faults = append(faults, f.name())
		}
	}
	for _, f := range wrong {
		if !slices.Contains(faults, f.name()) {
			faults = append(faults, f.name())
		}
	}
	for _, p := range parties {
		ids = append(ids, p.ID)
	}
	t.compare("steps", steps, c.Steps)
	slices.Sort(faults)
	t.compare("faults", faults, sorted(c.Faults))
	t.compare("parties", ids, c.Parties)
	seen := s.look(answers)
	for _, id := range c.Shown {
		if !seen.shows(id) {
			t.say("%s is not shown", id)
		}
	}
	for _, id := range c.Hidden {
		if seen.shows(id) {
			t.say("%s is shown", id)
		}
	}
	t.rows(s.Blocks(answers, facts, "sv"), c.Rows)
	return t.lines
}

// name is how a case names a fault.
func (f Fault) name() string {
	name := f.Field
	if f.Part != "" {
		name += "." + f.Part
	}
	return name + " " + string(f.Code)
}

type trial struct{ lines []string }

func (t *trial) say(format string, args ...any) {
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

// compare says nothing when nothing was expected.
func (t *trial) compare(what string, got, want []string) {
	if want != nil && !slices.Equal(got, want) {
		t.say("%s: expected [%s], got [%s]", what, strings.Join(want, ", "), strings.Join(got, ", "))
	}
}

func (t *trial) rows(blocks []Block, want []Row) {
	for _, row := range want {
		value, found := "", false
		for _, b := range blocks {
			for _, r := range b.Rows {
				if r.Label == row.Label && (!found || r.Value == row.Value) {
					value, found = r.Value, true
				}
			}
		}
		switch {
		case !found:
			t.say("rows: %q is not there", row.Label)
		case value != row.Value:
			t.say("rows: %q: expected %q, got %q", row.Label, row.Value, value)
		}
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// posted is what a browser would post: dates in their parts.
func (c Case) posted(s *Service, today time.Time) Input {
	in := maps.Clone(c.Answers)
	for id, typed := range c.Answers {
		if f, _ := s.Field(id); f == nil || f.Type != TypeDate {
			continue
		}
		if t, ok := day(first(typed), today); ok {
			for name, part := range dateParts(t) {
				in[id+"."+name] = []string{part}
			}
		}
	}
	return in
}

// files are enclosed before anything is posted.
func (c Case) files(s *Service) Answers {
	a := Answers{}
	for id, names := range c.Answers {
		f, _ := s.Field(id)
		if f == nil || f.Type != TypeFile {
			continue
		}
		var files []File
		for i, name := range names {
			kind := map[string]string{".pdf": "application/pdf", ".png": "image/png"}[path.Ext(name)]
			if kind == "" {
				kind = "image/jpeg"
			}
			files = append(files, File{ID: fmt.Sprintf("%s-%d", id, i), Name: name, Type: kind, Size: 1000})
		}
		a[id] = Value{Files: files}
	}
	return a
}

// facts are the world of a case. Its people are those of the published series of
// test numbers, and none of their numbers is ever shown.
func (c Case) facts(s *Service) Facts {
	today, err := time.Parse(dateLayout, c.Today)
	if err != nil {
		today, _ = time.Parse(dateLayout, caseToday)
	}
	f := Facts{Now: today.Add(12 * time.Hour), NoRegister: c.Register.Down, Lists: map[string][]Option{}}
	adults := []Guardian{
		{"198509129881", "Testperson Ett"}, {"198410039278", "Testperson Två"},
		{"198806192392", "Testperson Tre"}, {"199002232388", "Testperson Fyra"},
	}
	if s.Login.Required {
		f.Applicant.Number, _ = personnummer.FromDigits(adults[0].Number)
		f.Applicant.Name = adults[0].Name
		if !c.Register.Down {
			f.Applicant.Address, f.Applicant.FromRegister = "Testvägen 1\n123 45 Exempelby", true
		}
	}
	for i, child := range c.Register.Children {
		if c.Register.Down {
			break
		}
		f.Children = append(f.Children, Child{
			Key: child.Key, Number: born(today.AddDate(-child.Age, 0, -1-i)), Name: fmt.Sprintf("Testbarn %d", i+1),
			Guardians: adults[:min(child.Guardians, len(adults))],
		})
	}
	for _, step := range s.Steps {
		for _, field := range step.Fields {
			if field.List == "" {
				continue
			}
			for _, key := range c.keys(field) {
				if !slices.ContainsFunc(f.Lists[field.List], func(o Option) bool { return o.Key == key }) {
					f.Lists[field.List] = append(f.Lists[field.List], Option{key, Text{"sv": key, "en": key}})
				}
			}
		}
	}
	return f
}

// keys are those that a case chooses in a field.
func (c Case) keys(f *Field) []string {
	out := slices.Clone(c.Answers[f.ID])
	for n := range maxRanked {
		out = append(out, c.Answers[f.ID+"."+strconv.Itoa(n+1)]...)
	}
	return out
}

// born makes the number of a child: test numbers have the birth number 238.
func born(on time.Time) string {
	nine := on.Format("20060102") + "238"
	for digit := '0'; digit <= '9'; digit++ {
		if n, err := personnummer.FromDigits(nine + string(digit)); err == nil {
			return n.Digits()
		}
	}
	return ""
}

func (p *parser) tests(v strict.Value) {
	list := v.List()
	if len(list) > maxTests {
		v.Fault("must be at most %d", maxTests)
		return
	}
	seen := map[string]bool{}
	for _, item := range list {
		m := item.Map()
		name := m.Get("name")
		c := Case{Name: words(name.Required(), maxLabel, true), Today: dated(m.Get("today")), Answers: p.answers(m.Get("answers"))}
		if seen[c.Name] && c.Name != "" {
			name.Fault("is the name of another test")
		}
		seen[c.Name] = true
		if strings.HasPrefix(c.Today, "today") {
			m.Get("today").Fault(`must be a date such as "2026-03-02"`)
		}
		p.register(m.Get("register"), &c.Register)
		p.expect(m.Get("expect").Required(), &c)
		m.Close()
		p.service.Tests = append(p.service.Tests, c)
	}
}

func (p *parser) answers(v strict.Value) Input {
	in := Input{}
	for _, e := range v.Map().Entries() {
		if !p.isInput(e.Key) {
			e.Fault("is no input of a field")
		}
		if e.IsList() {
			in[e.Key] = e.Texts()
			continue
		}
		if e.Present() {
			in[e.Key] = []string{e.Text()}
		}
	}
	return in
}

// isInput reports whether a browser could post something by that name. A date
// and a file may stand there whole.
func (p *parser) isInput(name string) bool {
	id, part, parted := strings.Cut(name, ".")
	at, there := p.at[id]
	switch {
	case !there || at.field.Type == TypeInformation:
		return false
	case at.field.Type == TypeRanking:
		n, err := strconv.Atoi(part)
		return parted && err == nil && n >= 1 && n <= maxRanked
	case !parted:
		return at.field.Type == TypeDate || len(at.field.parts()) == 0
	}
	return slices.Contains(at.field.parts(), part)
}

func (p *parser) register(v strict.Value, r *CaseRegister) {
	m := v.Map()
	r.Down = m.Get("down").Bool()
	for _, item := range m.Get("children").List() {
		child := item.Map()
		c := CaseChild{Key: id(child.Get("key").Required())}
		if age := child.Get("age").Required(); age.Present() {
			c.Age = age.Int(0, 60)
		}
		if n := child.Get("guardians").Required(); n.Present() {
			c.Guardians = n.Int(1, 4)
		}
		child.Close()
		r.Children = append(r.Children, c)
	}
	m.Close()
}

func (p *parser) expect(v strict.Value, c *Case) {
	m := v.Map()
	steps, parties := map[string]bool{}, map[string]bool{}
	for _, s := range p.service.Steps {
		steps[s.ID] = true
	}
	if p.service.Signing != nil {
		for _, r := range p.service.Signing.Parties {
			parties[r.ID] = true
		}
	}
	isField := func(id string) bool { _, there := p.at[id]; return there }
	c.Steps = expected(m.Get("steps"), "step", func(id string) bool { return steps[id] })
	c.Parties = expected(m.Get("parties"), "party", func(id string) bool { return parties[id] })
	c.Shown = expected(m.Get("shown"), "field", isField)
	c.Hidden = expected(m.Get("hidden"), "field", isField)
	c.Faults = expected(m.Get("faults"), "fault", func(s string) bool {
		input, code, _ := strings.Cut(s, " ")
		id, _, _ := strings.Cut(input, ".")
		return isField(id) && slices.Contains(Codes(), Code(code))
	})
	for _, item := range m.Get("rows").List() {
		row := item.Map()
		c.Rows = append(c.Rows, Row{row.Get("label").Required().Text(), row.Get("value").Required().Text()})
		row.Close()
	}
	m.Close()
}

// expected reads a list of names; one that is there and empty is not nil.
func expected(v strict.Value, what string, known func(string) bool) []string {
	if !v.Present() {
		return nil
	}
	out := []string{}
	for _, item := range v.List() {
		s := item.Required().Text()
		if s != "" && !known(s) {
			item.Fault("there is no %s %s", what, s)
		}
		out = append(out, s)
	}
	return out
}
