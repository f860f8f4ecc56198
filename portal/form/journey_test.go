package form

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestJourney(t *testing.T) {
	s, f := everything(t), world(t)
	a := Answers{"namn": {Text: "Testperson Ett"}, "stycke": {Text: "x"}, "val": {Text: "c"}, "med": {Text: "no"}}
	j := s.Journey(a, nil, f)
	ids := func() (out []string) {
		for _, p := range j.Steps {
			id := p.Step.ID
			if p.Open {
				id += "+"
			}
			out = append(out, id)
		}
		return out
	}
	if got := fmt.Sprint(ids()); got != "[ett+ tva fyra]" {
		t.Errorf("nothing saved: %s", got)
	}
	if j.Complete() || j.First() != "ett" || j.Next("ett") != "tva" || j.Next("fyra") != "" || j.Previous("tva") != "ett" {
		t.Error("nothing saved: the way is wrong")
	}
	j = s.Journey(a, []string{"ett", "fyra", "tre"}, f)
	if got := fmt.Sprint(ids()); got != "[ett+ tva+ fyra]" || j.First() != "tva" {
		t.Errorf("a step was skipped: %s", got)
	}
	if _, found := j.Find("tre"); found {
		t.Error("a hidden step is on the way")
	}
	j = s.Journey(a, []string{"ett", "tva", "fyra"}, f)
	if !j.Complete() {
		t.Errorf("not complete at %s", j.First())
	}
	// Another answer brings a step that was never met.
	a["med"] = Value{Text: "yes"}
	if j = s.Journey(a, []string{"ett", "tva", "fyra"}, f); j.Complete() || j.First() != "tre" {
		t.Error("the new step need not be met")
	}
	// What is wrong in a saved step closes those after it.
	a["med"], a["val"] = Value{Text: "no"}, Value{}
	if j = s.Journey(a, []string{"ett", "tva", "fyra"}, f); fmt.Sprint(ids()) != "[ett+ tva+ fyra]" {
		t.Errorf("wrong answers: %v", ids())
	}
	// A warning does not.
	a["val"], a["stycke"] = Value{Text: "c"}, Value{}
	if j = s.Journey(a, []string{"ett", "tva", "fyra"}, f); !j.Complete() {
		t.Error("a recommended answer is required")
	}
}

func TestPrune(t *testing.T) {
	s, f := everything(t), world(t)
	a := Answers{
		"val": {Text: "c"}, "flera": {Chosen: []string{"x"}}, "fil": {Files: []File{{ID: "1"}}}, "med": {Text: "no"},
		"med_namn": {Text: "x"}, "okänd": {Text: "x"}, "om": {Text: "x"}, "vh2_kontakt": {Parts: map[string]string{"email": "x"}},
	}
	a["namn"] = Value{Text: "Testperson Förr", Origin: FromRegister}
	got := s.Prune(a, f)
	if got["namn"].Text != "Testperson Ett" || got["adress"].Origin != FromRegister {
		t.Error("what cannot be changed here is not as it is known now")
	}
	if a["namn"].Text != "Testperson Förr" {
		t.Error("what was given was changed")
	}
	f.Applicant = Applicant{}
	delete(a, "namn")
	if got = s.Prune(a, f); len(got) != 2 || got["val"].Text != "c" || got["med"].Text != "no" {
		t.Errorf("left: %d answers", len(got))
	}
	if len(a) != 8 {
		t.Error("what was given was changed")
	}
}

func TestFiles(t *testing.T) {
	s, f := everything(t), world(t)
	a := Answers{"val": {Text: "a"}, "fil": {Files: []File{{ID: "1"}, {ID: "2"}}}}
	if got := s.Files(a, f); len(got) != 2 || got[1].ID != "2" {
		t.Errorf("files: %v", got)
	}
	a["val"] = Value{Text: "c"}
	if got := s.Files(a, f); len(got) != 0 {
		t.Errorf("hidden files: %v", got)
	}
}

func TestContact(t *testing.T) {
	s, f := everything(t), world(t)
	for _, c := range []struct {
		parts map[string]string
		want  Contact
	}{
		{nil, Contact{}},
		{map[string]string{"email": " ett@EXAMPLE.se ", "notify": "email"}, Contact{"ett@example.se", "", "email"}},
		{map[string]string{"email": "ett@example.se", "phone": "070-174 06 05", "notify": "sms"}, Contact{"ett@example.se", "+46701740605", "sms"}},
		{map[string]string{"email": "ett@example.se", "phone": "070-174 06 05"}, Contact{"ett@example.se", "+46701740605", "both"}},
		{map[string]string{"email": "ett", "phone": "070-174 06 05", "notify": "email"}, Contact{"", "+46701740605", "sms"}},
		{map[string]string{"email": "ett@example.se", "phone": "07", "notify": "both"}, Contact{"ett@example.se", "", "email"}},
	} {
		if got := s.Contact(Answers{"mina": {Parts: c.parts}}, f); got != c.want {
			t.Errorf("%v: %v, not %v", c.parts, got, c.want)
		}
	}
}

// who is a party without its number, which no log may hold.
func who(parties []Party) string {
	var out []string
	for _, p := range parties {
		marks := ""
		if p.Applicant {
			marks += "!"
		}
		if p.CoOwner {
			marks += "+"
		}
		number := map[string]string{numberOne: "1", numberTwo: "2", numberThree: "3"}[p.Number]
		out = append(out, strings.Join([]string{p.ID + marks, number, p.Name, p.Email, p.Phone, p.Contact}, "|"))
	}
	return strings.Join(out, "\n")
}

func TestParties(t *testing.T) {
	mail := Value{Parts: map[string]string{"email": "tva@example.se"}}
	with := Answers{
		"val": {Text: "c"}, "med": {Text: "yes"}, "med_namn": {Text: " Testperson Tre "}, "med_nummer": {Text: numberThree[2:]},
		"med_kontakt": {Parts: map[string]string{"phone": "070-1740606"}},
	}
	const applicant = "sokande!|1|Testperson Ett|||"
	for _, c := range []struct {
		name   string
		child  string
		a      Answers
		want   string
		faults string
	}{
		{"alone", "", Answers{}, applicant, ""},
		{"one guardian", "alone", Answers{}, applicant, ""},
		{"two guardians", "shared", Answers{"vh2_kontakt": mail}, applicant + "\nvh2+|2|Testperson Två|tva@example.se||vh2_kontakt", ""},
		{"without contact", "shared", Answers{}, applicant + "\nvh2+|2|Testperson Två|||vh2_kontakt", "vh2_kontakt.email reach"},
		{"with a wrong contact", "shared", Answers{"vh2_kontakt": {Parts: map[string]string{"email": "tva"}}}, applicant + "\nvh2+|2|Testperson Två|||vh2_kontakt", "vh2_kontakt.email reach"},
		{"a contact for two", "three", Answers{"vh2_kontakt": mail}, applicant + "\nvh2+|2|Testperson Två|tva@example.se||vh2_kontakt\nvh2+|3|Testperson Tre|||vh2_kontakt", "vh2_kontakt.email reach"},
		{"somebody with a number", "", with, applicant + "\nmedsokande|3|Testperson Tre||+46701740606|med_kontakt", ""},
		{"hidden by the answer before", "", with.but("med", Value{Text: "no"}), applicant, ""},
		{"hidden with its step", "", with.but("val", Value{}), applicant, ""},
		{"oneself", "", with.but("med_nummer", Value{Text: numberOne}), applicant + "\nmedsokande|1|Testperson Tre||+46701740606|med_kontakt", "med_nummer self"},
		{"no number", "", with.but("med_nummer", Value{Text: "nej"}), applicant, "med_nummer personal_id"},
		{"nobody yet", "", with.but("med_nummer", Value{}), applicant, ""},
		{"no name", "", with.but("med_namn", Value{}), applicant + "\nmedsokande|3|||+46701740606|med_kontakt", "med_namn required"},
		{"long name", "", with.but("med_namn", Value{Text: strings.Repeat("x", 121)}), applicant + "\nmedsokande|3|" + strings.Repeat("x", 121) + "||+46701740606|med_kontakt", "med_namn too_long"},
		{"the guardian once more", "shared", with.but("med_nummer", Value{Text: numberTwo}).but("vh2_kontakt", mail), applicant + "\nvh2+|2|Testperson Två|tva@example.se||vh2_kontakt\nmedsokande|2|Testperson Tre||+46701740606|med_kontakt", "med_nummer twice"},
	} {
		s, f := everything(t), world(t)
		a := c.a.but("namn", Value{Text: "x"})
		if c.child != "" {
			a["barn"] = child(t, f, c.child)
		}
		parties, faults := s.Parties(a, f)
		if got := who(parties); got != c.want || names(faults) != c.faults {
			t.Errorf("%s:\n%s\n[%s], not\n%s\n[%s]", c.name, got, names(faults), c.want, c.faults)
		}
	}
	s, f := everything(t), world(t)
	parties, _ := s.Parties(Answers{"mina": {Parts: map[string]string{"email": "ett@example.se"}}}, f)
	if parties[0].Email != "ett@example.se" {
		t.Error("the applicant's own contact is not known")
	}
	no := "c" // val is something else
	s.Signing.Parties[1].When = &Condition{Field: "val", Is: &no}
	shared := Answers{"barn": child(t, f, "shared"), "vh2_kontakt": {Parts: map[string]string{"email": "tva@example.se"}}}
	if parties, _ := s.Parties(shared, f); len(parties) != 1 {
		t.Error("a party signs although its condition does not hold")
	}
	if parties, _ := s.Parties(shared.but("val", Value{Text: "c"}), f); len(parties) != 2 {
		t.Error("a party does not sign although its condition holds")
	}
	f.Applicant = Applicant{}
	if _, faults := s.Parties(nil, f); names(faults) != "login required" {
		t.Errorf("nobody signs as the applicant: %s", names(faults))
	}
	s.Signing = nil
	if parties, faults := s.Parties(nil, f); parties != nil || faults != nil {
		t.Error("parties of a service that nobody signs")
	}
}

// but is the answers with one of them changed.
func (a Answers) but(id string, v Value) Answers {
	out := Answers{id: v}
	for k, old := range a {
		if k != id {
			out[k] = old
		}
	}
	return out
}

func TestBlocks(t *testing.T) {
	s, f := everything(t), world(t)
	a := s.Prefill(nil, f)
	for id, v := range (Answers{
		"barn":        child(t, f, "shared"),
		"vh2_kontakt": {Parts: map[string]string{"email": " tva@example.se", "phone": "070-1740606"}},
		"stycke":      {Text: " Ett\n\nTvå\u202e \n"},
		"antal":       {Text: "1 000,50"},
		"dag":         {Parts: map[string]string{"day": "5", "month": "3", "year": "2026"}},
		"epost":       {Text: "ett@example.se"},
		"val":         {Text: "a"},
		"flera":       {Chosen: []string{"z", "x"}},
		"lista":       {Text: "granen"},
		"ordning":     {Chosen: []string{"linden", "eken"}},
		"med":         {Text: "no"},
		"fil":         {Files: []File{{Name: "intyg.pdf"}, {Name: "två\u202egpj.pdf"}}},
		"med_namn":    {Text: "hemligt"},
	}) {
		a[id] = v
	}
	sv := `# Ett
Namn = Testperson Ett
Adress = Testvägen 1/123 45 Exempelby
Barn = Testbarn Två, född 2014-09-03/Vårdnadshavare: Testperson Ett, Testperson Två
Kontakt till den andra = E-post: tva@example.se/Telefon: 070-1740606
# Två
Rad = Ej besvarad
Stycke = Ett//Två
Antal = 1000,50 kr
Dag = 2026-03-05
E-post = ett@example.se
Telefon = Ej besvarad
Val = Äpple
Flera = Ex/Zeta
Lista = granen
Ordning = 1. Linden/2. Eken
Söker någon med dig? = Nej
Fil = intyg.pdf/tvågpj.pdf
# Fyra
Besked = E-post: ett@example.se/Telefon: 070-1740605/Vill få besked med e-post
# Underskrifter
Sökande = Testperson Ett
Skriver också under = Testperson Två
`
	if got := draw(s.Blocks(a, f, "sv")); got != sv {
		t.Errorf("got:\n%s\nwant:\n%s", got, sv)
	}
	en := draw(s.Blocks(a, f, "en"))
	for _, want := range []string{"# Signatures", "Also signs = Testperson Två", "Line = Not answered", "Count = 1000.50 SEK", "born 2014-09-03/Guardians: ", "Does somebody apply with you? = No\n", "Order = 1. The Lime/2. The Oak"} {
		if !strings.Contains(en, want) {
			t.Errorf("English: no %q", want)
		}
	}
	for _, never := range []string{numberTwo, numberTwo[2:8] + "-" + numberTwo[8:], numberOlder, "hemligt", "Bra att veta"} {
		if strings.Contains(en+sv, never) {
			t.Error("shown, and must not be")
		}
	}
}

func TestDisplay(t *testing.T) {
	s, f := everything(t), world(t)
	for _, c := range []struct {
		field string
		v     Value
		want  string
	}{
		{"rad", Value{}, ""},
		{"rad", Value{Text: " a\nb "}, "a b"},
		{"antal", Value{Text: "inga"}, "inga kr"},
		{"dag", Value{Parts: map[string]string{"day": "x", "year": "2026"}}, "2026--x"},
		{"med", Value{Text: "kanske"}, "kanske"},
		{"med_nummer", Value{Text: "abc"}, "abc"},
		{"barn", Value{Child: &Child{Key: "x"}}, ""},
		{"mina", Value{Parts: map[string]string{"phone": "1", "notify": "both"}}, "Telefon: 1\nVill få besked med e-post och sms"},
	} {
		field, _ := s.Field(c.field)
		if got := s.Display(field, c.v, f, "sv"); got != c.want {
			t.Errorf("%s: %q, not %q", c.field, got, c.want)
		}
	}
	field, _ := s.Field("med_nummer")
	if s.Display(field, Value{Text: numberTwo[2:]}, f, "sv") != numberTwo[:8]+"-"+numberTwo[8:] {
		t.Error("a number is not shown whole")
	}
}

// draw is blocks as a text.
func draw(blocks []Block) string {
	var b strings.Builder
	for _, block := range blocks {
		if block.Heading != "" {
			fmt.Fprintf(&b, "# %s\n", block.Heading)
		}
		for _, r := range block.Rows {
			fmt.Fprintf(&b, "%s = %s\n", r.Label, strings.ReplaceAll(r.Value, "\n", "/"))
		}
	}
	return b.String()
}

// TestTry shows that a service's own tests can fail, in each of what they expect.
func TestTry(t *testing.T) {
	s := everything(t)
	for want, c := range map[string]Case{
		"steps: expected [ett], got [ett, tva, fyra]":                               {Steps: []string{"ett"}},
		"faults: expected [], got [med required, stycke recommended, val required]": {Faults: []string{}},
		"parties: expected [], got [sokande]":                                       {Parties: []string{}},
		"flera is not shown":                                                        {Shown: []string{"namn", "flera"}},
		"namn is shown":                                                             {Hidden: []string{"namn", "flera"}},
		`rows: "Val": expected "Äpple", got "Ej besvarad"`:                          {Rows: []Row{{"Val", "Äpple"}}},
		`rows: "Okänd" is not there`:                                                {Rows: []Row{{"Okänd", ""}}},
	} {
		if got := strings.Join(s.Try(c), "\n"); got != want {
			t.Errorf("got %q, not %q", got, want)
		}
	}
	s.Tests = []Case{{Name: "a", Steps: []string{}}, {Name: "b"}}
	if got := fmt.Sprint(s.Test()); got != "[a: steps: expected [], got [ett, tva, fyra]]" {
		t.Errorf("got %s", got)
	}
}

// randomService has conditions of every kind that look backwards.
func randomService(t *rapid.T) *Service {
	s := &Service{Login: Login{Required: true}, Signing: &Signing{Parties: []PartyRule{{ID: "p0", From: fromLogin}}}}
	var before []*Field
	types := []Type{TypeText, TypeNumber, TypeRadio, TypeCheckboxes, TypeYesNo, TypeChild, TypePartyContact, TypeContact, TypeFile, TypeInformation, TypeDate}
	options := []Option{{"a", Text{"sv": "A"}}, {"b", Text{"sv": "B"}}}
	for i := range rapid.IntRange(1, 4).Draw(t, "steps") {
		step := &Step{ID: fmt.Sprintf("s%d", i), Title: Text{"sv": "Steg"}, Show: randomCondition(t, before, 2)}
		for range rapid.IntRange(1, 4).Draw(t, "fields") {
			f := &Field{
				ID: fmt.Sprintf("f%d", len(before)), Type: rapid.SampledFrom(types).Draw(t, "type"), Label: Text{"sv": "Fråga"},
				Need: rapid.SampledFrom([]Need{Required, Recommended, Optional}).Draw(t, "need"), Show: randomCondition(t, before, 2),
				Options: options, MaxLength: 10, MaxFiles: 1, Channels: []string{channelEmail, channelPhone}, OneOf: true,
			}
			step.Fields = append(step.Fields, f)
			before = append(before, f)
		}
		s.Steps = append(s.Steps, step)
	}
	for i, f := range before {
		if f.Type != TypeChild {
			continue
		}
		rule := PartyRule{ID: fmt.Sprintf("p%d", i+1), From: f.ID, When: randomCondition(t, before, 1)}
		for _, c := range before {
			if c.Type == TypePartyContact {
				rule.Contact = c.ID
			}
		}
		s.Signing.Parties = append(s.Signing.Parties, rule)
	}
	return s
}

func randomCondition(t *rapid.T, before []*Field, depth int) *Condition {
	if len(before) == 0 || rapid.IntRange(0, 2).Draw(t, "no condition") == 0 {
		return nil
	}
	some := func() []Condition {
		var out []Condition
		for range rapid.IntRange(1, 3).Draw(t, "several") {
			if c := randomCondition(t, before, depth-1); c != nil {
				out = append(out, *c)
			}
		}
		return append(out, leaf(t, before))
	}
	switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
	case depth == 0 || kind > 2:
		c := leaf(t, before)
		return &c
	case kind == 0:
		return &Condition{All: some()}
	case kind == 1:
		return &Condition{Any: some()}
	default:
		c := leaf(t, before)
		return &Condition{Not: &c}
	}
}

func leaf(t *rapid.T, before []*Field) Condition {
	f := rapid.SampledFrom(before).Draw(t, "field")
	one, key, filled := 1.0, rapid.SampledFrom([]string{"a", "b", yes}).Draw(t, "key"), rapid.Bool().Draw(t, "filled")
	switch rapid.IntRange(0, 3).Draw(t, "by") {
	case 0:
		return Condition{Field: f.ID, Is: &key}
	case 1:
		return Condition{Field: f.ID, In: []string{key, "a"}}
	case 2:
		if f.Type == TypeChild {
			return Condition{Field: f.ID + ofGuardians, Gt: &one}
		}
		return Condition{Field: f.ID, Gte: &one}
	}
	return Condition{Field: f.ID, Filled: &filled}
}

func randomAnswers(t *rapid.T, s *Service, f Facts) Answers {
	a := Answers{}
	for _, step := range s.Steps {
		for _, field := range step.Fields {
			if rapid.IntRange(0, 3).Draw(t, "answered") > 0 {
				a[field.ID] = randomValue(t, field, f)
			}
		}
	}
	return a
}

func randomValue(t *rapid.T, field *Field, f Facts) Value {
	short := rapid.SampledFrom([]string{"", "a", "b", yes, no, "0", "7", "x\u202e", "ett@example.se", "070-1740605", "12345678901"})
	switch field.Type {
	case TypeCheckboxes, TypeRanking:
		return Value{Chosen: rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "q"}), 0, 3).Draw(t, "chosen")}
	case TypeDate:
		return Value{Parts: map[string]string{"day": short.Draw(t, "day"), "month": "1", "year": "2026"}}
	case TypeContact, TypePartyContact:
		return Value{Parts: map[string]string{"email": short.Draw(t, "email"), "phone": short.Draw(t, "phone"), "notify": short.Draw(t, "notify")}}
	case TypeChild:
		c := f.Children[rapid.IntRange(0, len(f.Children)-1).Draw(t, "child")]
		return Value{Child: &c, Origin: FromRegister}
	case TypeFile:
		return Value{Files: []File{{ID: short.Draw(t, "file"), Name: "a.pdf"}}}
	}
	return Value{Text: short.Draw(t, "text")}
}

// everythingOf is all that anybody can see of answers.
func everythingOf(s *Service, a Answers, f Facts) string {
	var all []any
	for _, step := range s.Steps {
		all = append(all, s.Check(step, a, f))
	}
	j := s.Journey(a, []string{"s0", "s2"}, f)
	for _, p := range j.Steps {
		all = append(all, p.Step.ID, len(p.Fields), p.Open, p.Faults)
	}
	parties, faults := s.Parties(a, f)
	all = append(all, parties, faults, s.Blocks(a, f, "sv"), s.Blocks(a, f, "en"), s.Files(a, f), s.Contact(a, f))
	b, _ := json.Marshal(all)
	return string(b)
}

// TestHiddenAnswersDoNotExist (P-39): whatever a hidden field holds, nothing that
// anybody sees, signs or is asked becomes another.
func TestHiddenAnswersDoNotExist(t *testing.T) {
	f := world(t)
	rapid.Check(t, func(t *rapid.T) {
		s := randomService(t)
		a := randomAnswers(t, s, f)
		seen := s.look(a)
		changed := Answers{"unknown": {Text: "x"}}
		for _, step := range s.Steps {
			for _, field := range step.Fields {
				v, there := a[field.ID]
				if !seen.shows(field.ID) {
					v, there = randomValue(t, field, f), rapid.Bool().Draw(t, "there")
				}
				if there {
					changed[field.ID] = v
				}
			}
		}
		if everythingOf(s, a, f) != everythingOf(s, changed, f) {
			t.Fatal("a hidden answer makes a difference")
		}
		pruned := s.Prune(changed, f)
		if !reflect.DeepEqual(pruned, s.Prune(a, f)) || !reflect.DeepEqual(s.Prune(pruned, f), pruned) {
			t.Fatal("what is left depends on what is hidden, or on how often it is asked")
		}
		if everythingOf(s, pruned, f) != everythingOf(s, a, f) {
			t.Fatal("pruning changes what is seen")
		}
		for id := range pruned {
			if !seen.shows(id) {
				t.Fatalf("%s is hidden and left", id)
			}
		}
	})
}

// TestLooksOnlyBackwards: an answer changes nothing before it.
func TestLooksOnlyBackwards(t *testing.T) {
	f := world(t)
	rapid.Check(t, func(t *rapid.T) {
		s := randomService(t)
		a := randomAnswers(t, s, f)
		var all []*Field
		for _, step := range s.Steps {
			all = append(all, step.Fields...)
		}
		at := rapid.IntRange(0, len(all)-1).Draw(t, "at")
		before, after := s.look(a), s.look(a.but(all[at].ID, randomValue(t, all[at], f)))
		for _, field := range all[:at+1] {
			if before.shows(field.ID) != after.shows(field.ID) {
				t.Fatalf("%s makes %s appear or vanish", all[at].ID, field.ID)
			}
		}
	})
}

// TestBlocksCanBeSigned: they are what the signing service takes, whatever was
// typed, and the same each time.
func TestBlocksCanBeSigned(t *testing.T) {
	s, f := everything(t), world(t)
	rapid.Check(t, func(t *rapid.T) {
		in := Input{"barn": {"shared"}, "med": {"yes"}, "val": {"a"}}
		for _, id := range []string{"namn", "rad", "stycke", "antal", "dag.day", "epost", "med_namn", "mina.email", "flera", "ordning.1"} {
			in[id] = []string{rapid.OneOf(rapid.String(), rapid.StringOf(rapid.Rune())).Draw(t, id)}
		}
		a := Answers{"fil": {Files: []File{{Name: rapid.String().Draw(t, "file")}}}}
		for _, step := range s.Steps {
			a = s.Read(step, in, a, f)
		}
		blocks := s.Blocks(a, f, "sv")
		for _, b := range blocks {
			given := 0
			for _, there := range []bool{b.Heading != "", b.Text != "", len(b.Rows) > 0} {
				if there {
					given++
				}
			}
			if given != 1 {
				t.Fatal("a block is not one of heading, text and rows")
			}
			for _, r := range b.Rows {
				odd := func(r rune) bool { return r != '\n' && invisible(r) }
				if r.Label == "" || strings.TrimSpace(r.Value) != r.Value || !utf8.ValidString(r.Value) || strings.ContainsFunc(r.Value, odd) {
					t.Fatalf("%q cannot be signed", r)
				}
			}
		}
		if !reflect.DeepEqual(blocks, s.Blocks(a, f, "sv")) {
			t.Fatal("not the same twice")
		}
	})
}

// posting is what a browser would post of answers as they are drawn.
func posting(step *Step, a Answers) Input {
	in := Input{}
	for _, field := range step.Fields {
		v := a[field.ID]
		switch field.Type {
		case TypeCheckboxes:
			in[field.ID] = append([]string{""}, v.Chosen...)
		case TypeRanking:
			for i := range max(3, len(v.Chosen)) {
				k := ""
				if i < len(v.Chosen) {
					k = v.Chosen[i]
				}
				in[fmt.Sprintf("%s.%d", field.ID, i+1)] = []string{k}
			}
		case TypeChild:
			in[field.ID] = []string{""}
			if v.Child != nil {
				in[field.ID] = append(in[field.ID], v.Child.Key)
			}
		default:
			for _, part := range field.parts() {
				in[field.ID+"."+part] = []string{v.Parts[part]}
			}
			if len(field.parts()) == 0 {
				in[field.ID] = []string{v.Text}
			}
		}
	}
	return in
}

func FuzzRead(f *testing.F) {
	f.Add("namn", "Testperson", "flera", "x", "barn", "shared")
	f.Add("dag.day", "31", "dag.month", "\xff", "ordning.2", "eken")
	f.Add("mina.notify", "\u202e", "mina.email", "a@b", "stycke", "a\r\rb\r\n\t")
	s, facts := everything(f), world(f)
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2, k3, v3 string) {
		in := Input{k1: {v1}}
		in[k2] = append(in[k2], v2)
		in[k3] = append(in[k3], v3)
		var a Answers
		for _, step := range s.Steps {
			a = s.Read(step, in, a, facts)
		}
		for _, step := range s.Steps {
			again := s.Read(step, posting(step, a), a, facts)
			for id, v := range again {
				if old := a[id]; !v.Empty() && !reflect.DeepEqual(v, old) || v.Empty() != old.Empty() {
					t.Errorf("%s is not the same when it is posted again", id)
				}
			}
		}
		size, _ := json.Marshal(a)
		if len(size) > 10*(len(v1)+len(v2)+len(v3))+2000 {
			t.Errorf("%d bytes were kept", len(size))
		}
		everythingOf(s, a, facts)
		if p := s.Prune(a, facts); len(p) > len(a) {
			t.Error("pruning adds answers")
		}
	})
}
