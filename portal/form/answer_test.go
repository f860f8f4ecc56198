package form

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sigill/providers/personnummer"
)

// Numbers of the published test series.
const (
	numberOne    = "198509129881"
	numberTwo    = "198410039278"
	numberThree  = "198806192392"
	numberChild  = "202306032398" // two years old on the day of the tests
	numberOlder  = "201409032388" // eleven
	numberThird  = "201412032391"
	numberFourth = "201902022399"
)

// world is what is known in these tests.
func world(t testing.TB) Facts {
	t.Helper()
	one, err := personnummer.FromDigits(numberOne)
	if err != nil {
		t.Fatal(err)
	}
	ett, tva := Guardian{numberOne, "Testperson Ett"}, Guardian{numberTwo, "Testperson Två"}
	tre := Guardian{numberThree, "Testperson Tre"}
	return Facts{
		Now:       time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC),
		Applicant: Applicant{Number: one, Name: "Testperson Ett", Address: "Testvägen 1\n123 45 Exempelby", FromRegister: true},
		Children: []Child{
			{"alone", numberChild, "Testbarn Ett", []Guardian{ett}},
			{"shared", numberOlder, "Testbarn Två", []Guardian{ett, tva}},
			{"three", numberThird, "Testbarn Tre", []Guardian{ett, tva, tre}},
			{"foreign", numberFourth, "Testbarn Fyra", []Guardian{tva, tre}},
		},
		Profile: Contact{Email: "ett@example.se", Phone: "070-1740605", Notify: "email"},
		Lists: map[string][]Option{"platser": {
			{"eken", Text{"sv": "Eken", "en": "The Oak"}}, {"linden", Text{"sv": "Linden", "en": "The Lime"}}, {"alen", Text{"sv": "Alen", "en": "The Alder"}},
		}},
	}
}

func child(t testing.TB, f Facts, key string) Value {
	t.Helper()
	for _, c := range f.Children {
		if c.Key == key {
			return Value{Child: &c, Origin: FromRegister}
		}
	}
	t.Fatalf("no child %s", key)
	return Value{}
}

func names(faults []Fault) string {
	var out []string
	for _, f := range faults {
		out = append(out, f.name())
	}
	return strings.Join(out, ", ")
}

func TestToday(t *testing.T) {
	for now, want := range map[string]string{
		"2026-03-02T22:59:59Z": "2026-03-02",
		"2026-03-02T23:00:00Z": "2026-03-03", // winter
		"2026-07-02T21:59:59Z": "2026-07-02",
		"2026-07-02T22:00:00Z": "2026-07-03", // summer
		"2025-12-31T23:30:00Z": "2026-01-01",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Facts{Now: at}).Today(); got.Format(time.RFC3339) != want+"T00:00:00Z" {
			t.Errorf("%s is %s in Sweden, not %s", now, got.Format(dateLayout), want)
		}
	}
}

func TestDay(t *testing.T) {
	today := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"today": "2026-03-02", "today+30d": "2026-04-01", "today-2d": "2026-02-28", "today-18y": "2008-03-02",
		"2026-01-31": "2026-01-31",
		"":           "", "today+": "", "today-": "", "today+d": "", "today*3d": "", "today+3": "", "today++3d": "", "today+3w": "",
		"today+999999d": "", "today+151y": "", "2026-02-30": "", "idag": "", "today+1 d": "", "todayd": "",
	} {
		got, ok := day(s, today)
		if ok != (want != "") || ok && got.Format(dateLayout) != want {
			t.Errorf("%q: %v %v, not %q", s, got, ok, want)
		}
	}
}

func TestDate(t *testing.T) {
	for _, c := range []struct{ d, m, y, want, bad string }{
		{"5", "8", "2026", "2026-08-05", ""},
		{"05", "08", "2026", "2026-08-05", ""},
		{" 29 ", "2", "2028", "2028-02-29", ""},
		{"29", "2", "2026", "", partDay},
		{"0", "2", "2026", "", partDay},
		{"005", "2", "2026", "", partDay},
		{"+5", "2", "2026", "", partDay},
		{"", "2", "2026", "", partDay},
		{"5", "13", "2026", "", partMonth},
		{"5", "mars", "2026", "", partMonth},
		{"5", "3", "26", "", partYear},
		{"5", "3", "", "", partYear},
		{"5", "3", "20260", "", partYear},
		{"5", "3", "0026", "", partYear},
	} {
		got, bad := (Value{Parts: map[string]string{"day": c.d, "month": c.m, "year": c.y}}).date()
		if bad != c.bad || bad == "" && got.Format(dateLayout) != c.want {
			t.Errorf("%q %q %q: %v, bad %q; not %q, bad %q", c.d, c.m, c.y, got, bad, c.want, c.bad)
		}
	}
}

func TestDecimal(t *testing.T) {
	for s, want := range map[string]string{
		"1": "1", "1 234,5": "1234.5", "1\u00a0234.50": "1234.50", "-3": "-3", "\u22123": "-3", " 7 ": "7", "0,05": "0.05",
		"": "", ",5": "", "5,": "", "1,2,3": "", "1.2,3": "", "ett": "", "1e3": "", "0x10": "", "--1": "", "+1": "", "Inf": "",
		"NaN": "", "1234567890123456": "", "1_000": "", "٣": "",
	} {
		d, ok := parseDecimal(s)
		if ok != (want != "") || d.text != want {
			t.Errorf("%q: %q %v, not %q", s, d.text, ok, want)
		}
	}
}

func TestRead(t *testing.T) {
	s, f := everything(t), world(t)
	long := strings.Repeat("å", maxTyped+5)
	for _, c := range []struct {
		name, field string
		before      Value
		in          Input
		want        Value
	}{
		{"as it was typed", "rad", Value{}, Input{"rad": {" för långt "}}, Value{Text: " för långt "}},
		{"a line has one line", "rad", Value{}, Input{"rad": {"a\r\nb\tc"}}, Value{Text: "a b c"}},
		{"paragraphs", "stycke", Value{}, Input{"stycke": {"a\r\n\r\nb"}}, Value{Text: "a\n\nb"}},
		{"what hides text is not kept", "stycke", Value{}, Input{"stycke": {"a\u202eb\x00c\xff\u200bd\u200de"}}, Value{Text: "abcd\u200de"}},
		{"bounded", "stycke", Value{}, Input{"stycke": {long}}, Value{Text: long[:2*maxTyped]}},
		{"bounded line", "epost", Value{}, Input{"epost": {long}}, Value{Text: long[:2*maxShort]}},
		{"not posted: stays", "rad", Value{Text: "förut"}, Input{}, Value{Text: "förut"}},
		{"emptied", "rad", Value{Text: "förut"}, Input{"rad": {""}}, Value{}},
		{"the one that is not empty", "val", Value{}, Input{"val": {"", "b"}}, Value{Text: "b"}},
		{"no alternative, kept", "val", Value{}, Input{"val": {"q"}}, Value{Text: "q"}},
		{"ticks", "flera", Value{}, Input{"val": {"a"}, "flera": {"z", "", "x", "z"}}, Value{Chosen: []string{"z", "x"}}},
		{"the last tick taken away, seen before", "flera", Value{Chosen: []string{"x"}}, Input{}, Value{}},
		{"the last tick taken away, by the empty value", "flera", Value{Chosen: []string{"x"}}, Input{"flera": {""}}, Value{}},
		{"ranked", "ordning", Value{}, Input{"ordning.1": {"eken"}, "ordning.2": {""}, "ordning.3": {"alen"}}, Value{Chosen: []string{"eken", "alen"}}},
		{"ranked twice, kept", "ordning", Value{}, Input{"ordning.1": {"eken"}, "ordning.2": {"eken"}}, Value{Chosen: []string{"eken", "eken"}}},
		{"ranking not posted", "ordning", Value{Chosen: []string{"eken"}}, Input{"ordning": {"x"}, "ordning.0": {"x"}, "ordning.99": {"x"}}, Value{Chosen: []string{"eken"}}},
		{"date", "dag", Value{}, Input{"dag.day": {"5"}, "dag.month": {"x"}, "dag.hour": {"1"}}, Value{Parts: map[string]string{"day": "5", "month": "x"}}},
		{"date emptied", "dag", Value{Parts: map[string]string{"day": "5"}}, Input{"dag.day": {""}, "dag.month": {""}, "dag.year": {""}}, Value{}},
		{"files are not posted", "fil", Value{Files: []File{{ID: "1"}}}, Input{"fil": {"x"}}, Value{Files: []File{{ID: "1"}}}},
		{"no", "med", Value{Text: "yes"}, Input{"med": {"no"}}, Value{Text: "no"}},
	} {
		step := s.Step("tva")
		before := Answers{"val": {Text: "a"}, c.field: c.before}
		got := s.Read(step, c.in, before, f)[c.field]
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %.60q, not %.60q", c.name, fmt.Sprint(got), fmt.Sprint(c.want))
		}
		if !reflect.DeepEqual(before[c.field], c.before) {
			t.Errorf("%s: what was before was changed", c.name)
		}
	}
	// Checkboxes that were not on the page keep their ticks.
	kept := s.Read(s.Step("tva"), Input{"val": {"c"}}, Answers{"val": {Text: "c"}, "flera": {Chosen: []string{"x"}}}, f)
	if len(kept["flera"].Chosen) != 1 {
		t.Error("an answer that is hidden for now was lost")
	}
	if a := s.Read(s.Step("ett"), Input{"okänd": {"x"}, "go": {"next"}, "tva": {"x"}, "om": {"x"}, "rad": {"annat steg"}}, nil, f); len(a) != 2 {
		t.Errorf("of unknown inputs came %d answers", len(a))
	}
}

func TestReadTakesFactsFromFacts(t *testing.T) {
	s, f := everything(t), world(t)
	step := s.Step("ett")
	a := s.Read(step, Input{"namn": {"Någon Annan"}, "adress": {"Annanstans"}, "barn": {"shared"}}, nil, f)
	if a["namn"].Text != "Testperson Ett" || a["namn"].Origin != FromRegister || a["adress"].Origin != FromRegister || !strings.HasPrefix(a["adress"].Text, "Testvägen") {
		t.Error("the browser changed what the register says")
	}
	if v := a["barn"]; v.Child == nil || v.Origin != FromRegister || len(v.Child.Guardians) != 2 {
		t.Error("the child is not the register's")
	}
	if a := s.Read(step, Input{"barn": {""}}, a, f); !a["barn"].Empty() {
		t.Error("the choice of a child cannot be undone")
	}
	if v := s.Read(step, Input{"barn": {"nobody"}}, a, f)["barn"]; v.Child == nil || v.Child.Number != "" || v.Origin != "" {
		t.Error("a child that is nobody's has a number")
	}

	f.NoRegister, f.Children, f.Applicant.FromRegister, f.Applicant.Address = true, nil, false, ""
	down := s.Read(step, Input{"namn": {"Någon Annan"}, "adress": {"Annanstans"}, "barn": {"shared"}}, a, f)
	if down["namn"].Text != "Testperson Ett" || down["namn"].Origin != FromLogin {
		t.Error("the name is not that of the e-ID")
	}
	if down["adress"].Text != "Annanstans" || down["adress"].Origin != "" {
		t.Error("without a register the address is the person's to say")
	}
	if !reflect.DeepEqual(down["barn"], a["barn"]) {
		t.Error("the child was lost while the register was silent")
	}
}

func TestPrefill(t *testing.T) {
	s, f := everything(t), world(t)
	a := s.Prefill(nil, f)
	if len(a) != 3 || a["namn"].Origin != FromRegister || a["mina"].Origin != FromProfile || a["mina"].Parts["email"] != "ett@example.se" {
		t.Errorf("prefilled: %d answers", len(a))
	}
	if again := s.Prefill(a, f); !reflect.DeepEqual(again, a) {
		t.Error("prefilling twice is not the same")
	}
	a = s.Read(s.Step("fyra"), Input{"mina.email": {"ett@example.se"}, "mina.phone": {"070-1740605"}, "mina.notify": {"email"}}, a, f)
	if a["mina"].Origin != FromProfile {
		t.Error("the profile's answer, unchanged, is not the profile's")
	}
	a = s.Read(s.Step("fyra"), Input{"mina.email": {"annan@example.se"}, "mina.phone": {""}, "mina.notify": {"email"}}, a, f)
	if a["mina"].Origin != "" {
		t.Error("a changed answer is still the profile's")
	}
	a = s.Read(s.Step("fyra"), Input{"mina.email": {""}, "mina.phone": {""}}, a, f)
	if a = s.Prefill(a, f); !a["mina"].Empty() {
		t.Error("what was emptied is filled in again")
	}
	f.Applicant.Name = "Testperson Nyttnamn"
	if a = s.Prefill(a, f); a["namn"].Text != "Testperson Nyttnamn" {
		t.Error("what cannot be changed here is not as it is known now")
	}
}

func TestCheck(t *testing.T) {
	s, f := everything(t), world(t)
	parts := func(kv ...string) Value {
		v := Value{Parts: map[string]string{}}
		for i := 0; i < len(kv); i += 2 {
			v.Parts[kv[i]] = kv[i+1]
		}
		return v
	}
	text := func(s string) Value { return Value{Text: s} }
	chosen := func(k ...string) Value { return Value{Chosen: k} }
	stranger := child(t, f, "shared")
	renamed := *stranger.Child
	renamed.Guardians = slices.Clone(renamed.Guardians[:1])
	turned := *stranger.Child
	turned.Guardians = []Guardian{turned.Guardians[1], turned.Guardians[0]}
	for _, c := range []struct {
		name, step, field string
		v                 Value
		want              string
		args              string
	}{
		{"required", "tva", "val", Value{}, "val required", ""},
		{"required, blank", "ett", "namn", text(" \n "), "namn required", ""},
		{"optional", "tva", "rad", Value{}, "", ""},
		{"recommended", "tva", "stycke", Value{}, "stycke recommended", ""},
		{"long", "tva", "rad", text("ååååå"), "", ""},
		{"too long", "tva", "rad", text("åååååå"), "rad too_long", "max=5"},
		{"number", "tva", "antal", text("1 000,50"), "", ""},
		{"no number", "tva", "antal", text("många"), "antal number", ""},
		{"decimals", "tva", "antal", text("1,234"), "antal decimals", "max=2"},
		{"too little", "tva", "antal", text("0,99"), "antal min", "min=1"},
		{"too much", "tva", "antal", text("1000,51"), "antal max", "max=1000.5"},
		{"date", "tva", "dag", parts("day", "2", "month", "03", "year", "2026"), "", ""},
		{"last date", "tva", "dag", parts("day", "1", "month", "4", "year", "2026"), "", ""},
		{"no date", "tva", "dag", parts("day", "31", "month", "2", "year", "2026"), "dag.day date", ""},
		{"half a date", "tva", "dag", parts("day", "1"), "dag.month date", ""},
		{"yesterday", "tva", "dag", parts("day", "1", "month", "3", "year", "2026"), "dag.day date_min", "min=2026-03-02"},
		{"too far", "tva", "dag", parts("day", "2", "month", "4", "year", "2026"), "dag.day date_max", "max=2026-04-01"},
		{"e-mail", "tva", "epost", text(" ett@example.se "), "", ""},
		{"no e-mail", "tva", "epost", text("ett@"), "epost email", ""},
		{"phone", "tva", "telefon", text("070-174 06 05"), "", ""},
		{"no phone", "tva", "telefon", text("07"), "telefon phone", ""},
		{"option", "tva", "val", text("q"), "val option", ""},
		{"tenant's option", "tva", "lista", text("eken"), "", ""},
		{"no longer the tenant's", "tva", "lista", text("granen"), "lista option", ""},
		{"ticks", "tva", "flera", chosen("x", "z"), "", ""},
		{"too many ticks", "tva", "flera", chosen("x", "y", "z"), "flera many", "max=2"},
		{"ticks of nothing", "tva", "flera", chosen("q"), "flera option", ""},
		{"ranked", "tva", "ordning", chosen("alen", "eken"), "", ""},
		{"too few", "tva", "ordning", chosen("eken"), "ordning.1 few", "min=2"},
		{"ranked twice", "tva", "ordning", chosen("eken", "linden", "eken"), "ordning.3 twice", ""},
		{"ranked nothing", "tva", "ordning", chosen("eken", "granen"), "ordning.2 option", ""},
		{"neither yes nor no", "tva", "med", text("true"), "med option", ""},
		{"files", "tva", "fil", Value{Files: make([]File, 2)}, "", ""},
		{"too many files", "tva", "fil", Value{Files: make([]File, 3)}, "fil files", "max=2"},
		{"personal number", "tre", "med_nummer", text(numberTwo[:8] + "-" + numberTwo[8:]), "", ""},
		{"ten digits", "tre", "med_nummer", text(numberTwo[2:]), "", ""},
		{"no personal number", "tre", "med_nummer", text(numberTwo[:11] + "1"), "med_nummer personal_id", ""},
		{"oneself", "tre", "med_nummer", text(numberOne[2:8] + "-" + numberOne[8:]), "med_nummer self", ""},
		{"both ways, one missing", "tre", "med_kontakt", parts("email", "ett@example.se"), "med_kontakt.phone required", ""},
		{"both ways, one wrong", "tre", "med_kontakt", parts("email", "ett", "phone", "070-1740605"), "med_kontakt.email email", ""},
		{"child", "ett", "barn", child(t, f, "alone"), "", ""},
		{"somebody else's child", "ett", "barn", child(t, f, "foreign"), "barn child, vh2_kontakt.email reach", ""},
		{"a child that is not listed", "ett", "barn", Value{Child: &Child{Key: "alone", Number: numberTwo, Name: "Testbarn"}}, "barn child", ""},
		{"a key alone", "ett", "barn", Value{Child: &Child{Key: "alone"}}, "barn child", ""},
		{"a guardian less than the register says", "ett", "barn", Value{Child: &renamed}, "barn child", ""},
		{"guardians in another order", "ett", "barn", Value{Child: &turned}, "vh2_kontakt.email reach", ""},
		{"the second guardian cannot be reached", "ett", "barn", child(t, f, "shared"), "vh2_kontakt.email reach", ""},
		{"no contact", "fyra", "mina", Value{}, "", ""},
		{"how alone is no contact", "fyra", "mina", parts("notify", "sms"), "", ""},
		{"contact", "fyra", "mina", parts("phone", "070-1740605", "notify", "sms"), "", ""},
		{"told where there is no address", "fyra", "mina", parts("phone", "070-1740605", "notify", "email"), "mina.notify notify", ""},
		{"told both ways with one", "fyra", "mina", parts("email", "ett@example.se", "notify", "both"), "mina.notify notify", ""},
		{"told by letter", "fyra", "mina", parts("email", "ett@example.se", "notify", "letter"), "mina.notify option", ""},
		{"wrong contact", "fyra", "mina", parts("email", "ett", "phone", "x"), "mina.email email, mina.phone phone", ""},
	} {
		a := Answers{"namn": text("Testperson Ett"), "stycke": text("x"), "val": text("a"), "med": text("yes"), "med_namn": text("Testperson Två"), "med_nummer": text(numberTwo)}
		a[c.field] = c.v
		faults := s.Check(s.Step(c.step), a, f)
		if got := names(faults); got != c.want {
			t.Errorf("%s: [%s], not [%s]", c.name, got, c.want)
			continue
		}
		var args []string
		for _, fault := range faults {
			for k, v := range fault.Args {
				args = append(args, k+"="+v)
			}
		}
		if got := strings.Join(args, " "); got != c.args {
			t.Errorf("%s: args %q, not %q", c.name, got, c.args)
		}
	}
}

func TestCheckAge(t *testing.T) {
	s := everything(t)
	barn, _ := s.Field("barn")
	for _, c := range []struct {
		low, high int // -1: none
		want      string
	}{
		{1, 12, ""}, {2, 2, ""}, {-1, 2, ""}, {2, -1, ""}, {3, 12, "barn age"}, {-1, 1, "barn age"}, {3, -1, "barn age"},
	} {
		f := world(t)
		barn.MinAge, barn.MaxAge = nil, nil
		if c.low >= 0 {
			barn.MinAge = &c.low
		}
		if c.high >= 0 {
			barn.MaxAge = &c.high
		}
		if got := names(s.Check(s.Step("ett"), Answers{"namn": {Text: "x"}, "barn": child(t, f, "alone")}, f)); got != c.want {
			t.Errorf("%d to %d: %q, not %q", c.low, c.high, got, c.want)
		}
	}
	// The birthday is a day in Sweden.
	f := world(t)
	three := 3
	barn.MinAge, barn.MaxAge = &three, nil
	f.Now = time.Date(2026, 6, 2, 21, 59, 0, 0, time.UTC)
	a := Answers{"namn": {Text: "x"}, "barn": child(t, f, "alone")}
	if names(s.Check(s.Step("ett"), a, f)) == "" {
		t.Error("three years old the day before")
	}
	f.Now = f.Now.Add(time.Minute)
	if got := names(s.Check(s.Step("ett"), a, f)); got != "" {
		t.Errorf("on the birthday: %s", got)
	}
}

func TestSilentRegister(t *testing.T) {
	s, f := everything(t), world(t)
	barn, _ := s.Field("barn")
	a := Answers{"namn": {Text: "Testperson Ett"}, "barn": child(t, f, "alone"), "stycke": {Text: "x"}, "val": {Text: "c"}, "med": {Text: "no"}}
	f.NoRegister, f.Children = true, nil
	j := s.Journey(a, []string{"ett", "tva", "fyra"}, f)
	if j.Complete() || j.First() != "ett" {
		t.Error("it can be sent on what the register said once")
	}
	if p, _ := j.Find("fyra"); !p.Open {
		t.Error("the rest cannot be filled in while the register is silent")
	}
	delete(a, "barn")
	if got := names(s.Check(s.Step("ett"), a, f)); got != "" {
		t.Errorf("an optional child: %s", got)
	}
	barn.Need = Required
	if got := names(s.Check(s.Step("ett"), a, f)); got != "barn register" {
		t.Errorf("a required child: %s", got)
	}
	if p, _ := s.Journey(a, []string{"ett", "tva", "fyra"}, f).Find("tva"); p.Open {
		t.Error("without a child one can go on")
	}
}
