package form

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/config/strict"
)

func source(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/allt.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParse(t *testing.T) {
	s := everything(t)
	sum := sha256.Sum256([]byte(source(t)))
	for what, ok := range map[string]bool{
		"head":     s.Format == "etjanst/1" && s.ID == "allt" && s.Version == 7 && s.Category == "ovrigt" && s.Authority == "kommunstyrelsen",
		"hash":     s.Hash == hex.EncodeToString(sum[:]),
		"source":   string(s.Source) == source(t),
		"texts":    s.Title.In("sv") == "Allt på en gång" && s.Title.In("en") == "Everything at once" && s.Title.In("fi") == "Allt på en gång",
		"more":     len(s.More) == 1 && s.More[0].URL == "https://exempelby.example.se/allt",
		"audience": len(s.Audience) == 2,
		"handlers": s.Handlers == Handlers{"alla", true},
		"login":    s.Login == Login{true, true},
		"privacy":  s.Privacy.Basis == "avtal" && s.Privacy.Keep == Keep{30 * 24 * time.Hour, 730 * 24 * time.Hour},
		"signing":  len(s.Signing.Parties) == 3 && s.Signing.Deadline == 14*24*time.Hour && fmt.Sprint(s.Signing.Remind) == "[7 3]",
		"party":    s.Signing.Parties[2].Name == "med_namn" && s.Signing.Parties[2].From == "med_nummer" && s.Signing.Parties[1].CoOwner,
		"steps":    len(s.Steps) == 4 && s.Step("tva") != nil && s.Step("fem") == nil,
		"fields":   len(s.Steps[1].Fields) == 12,
		"tests":    len(s.Tests) == 4,
	} {
		if !ok {
			t.Errorf("%s: not as in the file", what)
		}
	}
	get := func(id string) Field {
		f, _ := s.Field(id)
		if f == nil {
			t.Fatalf("no field %s", id)
		}
		return *f
	}
	for what, ok := range map[string]bool{
		"needs":       get("val").Need == Required && get("stycke").Need == Recommended && get("om").Need == Optional,
		"lengths":     get("rad").MaxLength == 5 && get("stycke").MaxLength == 2000 && get("namn").MaxLength == 200,
		"party name":  get("med_namn").MaxLength == 120,
		"number":      *get("antal").Min == 1 && *get("antal").Max == 1000.5 && get("antal").Decimals == 2 && get("antal").Unit["en"] == "SEK",
		"options":     get("val").Options[2].Key == "c" && get("flera").Options[0].Label["en"] == "Ex" && get("lista").List == "platser",
		"count":       get("flera").MaxCount == 2 && get("ordning").MinCount == 2,
		"file":        get("fil").MaxBytes == 2<<20 && get("fil").MaxFiles == 2 && fmt.Sprint(get("fil").Accept) == "[pdf]",
		"channels":    fmt.Sprint(get("mina").Channels) == "[email phone]" && get("mina").OneOf && !get("med_kontakt").OneOf,
		"age":         *get("barn").MinAge == 1 && *get("barn").MaxAge == 12,
		"information": get("om").Body["sv"] == "Bra att veta.",
	} {
		if !ok {
			t.Errorf("%s: not as in the file", what)
		}
	}
}

// TestFaults breaks the file in one place at a time. The line is that of what
// was put in; "+n" in front of a fault says how many lines further down, "^n" how
// many up, "=n" which one.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		want           []string
	}{
		{"format", "format: etjanst/1", "format: etjanst/2", []string{"format: must be one of: etjanst/1"}},
		{"no format", "format: etjanst/1", "# nothing", []string{"+1 format: is missing"}},
		{"id", "id: allt", "id: Allt!", []string{"id: must be a name of a to z, 0 to 9 and -, at most 40 long"}},
		{"empty id", "id: allt", `id: ""`, []string{"id: must be a name of a to z, 0 to 9 and -, at most 40 long"}},
		{"version", "version: 7", "version: 0", []string{"version: must be a whole number from 1 to 1000000"}},
		{"kind", "kind: etjanst", "kind: blankett", []string{"kind: must be one of: etjanst"}},
		{"unknown key", "category: ovrigt", "category: ovrigt\nkategori: x", []string{"+1 kategori: is not a known key; did you mean category?"}},
		{"twice", "category: ovrigt", "category: ovrigt\ncategory: x", []string{"+1 category: stands there twice"}},
		{"plain text", "title: {sv: Allt på en gång, en: Everything at once}", "title: Allt", []string{"title: has no English: write {sv: …, en: …}"}},
		{"no English", "{sv: Ett, en: One}", "{sv: Ett}", []string{"steps[0].title.en: is missing"}},
		{"no Swedish", "{sv: Ett, en: One}", "{en: One}", []string{"steps[0].title.sv: is missing"}},
		{"third language", "{sv: Ett, en: One}", "{sv: Ett, en: One, fi: Yksi}", []string{"steps[0].title.fi: is not a known key; did you mean en?"}},
		{"blank text", "{sv: Ett, en: One}", `{sv: Ett, en: " "}`, []string{"steps[0].title.en: is empty"}},
		{"two lines", "{sv: Ett, en: One}", `{sv: Ett, en: "On\ne"}`, []string{"steps[0].title.en: must be one line"}},
		{"hidden characters", "{sv: Ett, en: One}", `{sv: Ett, en: "On` + "\\u202e" + `e"}`, []string{"steps[0].title.en: holds hidden characters"}},
		{"link", `url: "https://exempelby.example.se/allt"`, `url: "http://exempelby.example.se"`, []string{"more[0].url: must be an address that begins with https://"}},
		{"audience", "[privat, foretag]", "[privat, alla]", []string{"audience[1]: must be one of: privat, foretag"}},
		{"no audience", "[privat, foretag]", "[]", []string{"audience: must have at least one of: privat, foretag"}},
		{"audience twice", "[privat, foretag]", "[privat, privat]", []string{"audience[1]: stands there twice"}},
		{"P-17: no contact", "authority: kommunstyrelsen", "# none", []string{"=1 authority: is missing"}},
		{"P-18: no purpose", "purpose: {sv: Prova., en: To try.}", "# none", []string{"^1 privacy.purpose: is missing"}},
		{"P-18: no data", "data: {sv: Allt du skriver., en: All you write.}", "# none", []string{"^2 privacy.data: is missing"}},
		{"P-18: no keep", "keep: {draft: 30d, closed: 2y}", "# none", []string{"^4 privacy.keep: is missing"}},
		{"P-18: no closed", "keep: {draft: 30d, closed: 2y}", "keep: {draft: 30d}", []string{"privacy.keep.closed: is missing"}},
		{"basis", "basis: avtal", "basis: intresse", []string{"privacy.basis: must be one of: allmant-intresse, myndighetsutovning, rattslig-forpliktelse, avtal, samtycke"}},
		{"time", "closed: 2y", "closed: 2 years", []string{"privacy.keep.closed: must be a time such as 90d or 2y"}},
		{"hours", "closed: 2y", "closed: 48h", []string{"privacy.keep.closed: must be a time such as 90d or 2y"}},
		{"too many years", "closed: 2y", "closed: 101y", []string{"privacy.keep.closed: must be from 1d to 100y"}},
		{"long draft", "draft: 30d", "draft: 2y", []string{"privacy.keep.draft: must be from 1d to 400d"}},
		{"handlers", "handlers: {group: alla, messages: true}", "handlers: alla", []string{"handlers: must be a mapping of keys to values"}},
		{"no login block", "login: {required: true, drafts: true}", "# none", []string{"=1 login: is missing"}},
		{"not logged in", "login: {required: true, drafts: true}", "login: {required: false, drafts: true}", []string{
			"login.drafts: nobody can come back to a draft without a login",
			"+8 signing: signing needs a login: login.required must be true",
			"=34 steps[0].fields[0].prefill: what is known beforehand needs a login: login.required must be true",
			"=35 steps[0].fields[1].prefill: what is known beforehand needs a login: login.required must be true",
			"=36 steps[0].fields[2]: a child needs a login: login.required must be true",
			"=73 steps[3].fields[0].prefill: what is known beforehand needs a login: login.required must be true",
		}},
		{"first party", "{id: sokande, from: login}", "{id: sokande, from: barn}", []string{"signing.parties[0].from: must be login: the first party is the applicant"}},
		{"applicant with a contact", "{id: sokande, from: login}", "{id: sokande, from: login, contact: vh2_kontakt}", []string{"signing.parties[0].contact: is not for the applicant"}},
		{"second login", "{id: vh2, from: barn,", "{id: vh2, from: login,", []string{"signing.parties[1].from: only the first party can be the one who is logged in", "=37 steps[0].fields[3].id: is the contact of no party"}},
		{"party twice", "{id: vh2, from: barn,", "{id: sokande, from: barn,", []string{"signing.parties[1].id: sokande is another party", "=95 tests[1].expect.parties[1]: there is no party vh2"}},
		{"party from nowhere", "{id: vh2, from: barn,", "{id: vh2, from: barnet,", []string{"signing.parties[1].from: there is no field barnet"}},
		{"party from a text", "{id: vh2, from: barn,", "{id: vh2, from: namn,", []string{"signing.parties[1].from: namn is of type text, not child or personal_id"}},
		{"contact of a party", "contact: vh2_kontakt, co", "contact: mina, co", []string{"signing.parties[1].contact: mina is of type contact, not party_contact", "=37 steps[0].fields[3].id: is the contact of no party"}},
		{"no contact", "contact: vh2_kontakt, co", "co", []string{"signing.parties[1].contact: is missing", "=37 steps[0].fields[3].id: is the contact of no party"}},
		{"shared contact", "contact: vh2_kontakt, co", "contact: med_kontakt, co", []string{"=37 steps[0].fields[3].id: is the contact of no party", "+1 signing.parties[2].contact: med_kontakt is another party's"}},
		{"no name", "name: med_namn, ", "", []string{"^0 signing.parties[2].name: is missing"}},
		{"name of a guardian", "{id: vh2, from: barn,", "{id: vh2, from: barn, name: namn,", []string{"signing.parties[1].name: is only for a party from a personal_id: a child's guardians have their names from the register"}},
		{"name of a type", "name: med_namn", "name: stycke", []string{"signing.parties[2].name: stycke is of type textarea, not text"}},
		{"when of a party", `when: {field: med, is: "yes"}`, "when: {field: meed, is: x}", []string{"signing.parties[2].when.field: there is no field meed"}},
		{"deadline", "deadline: 14d", "deadline: 3y", []string{"signing.deadline: must be from 1d to 1y"}},
		{"reminders after", "remind: [7, 3]", "remind: [14, 3, 3]", []string{"signing.remind[0]: must be a whole number from 1 to 13", "signing.remind[2]: stands there twice"}},
		{"reminders as times", "remind: [7, 3]", "remind: [7d]", []string{"signing.remind[0]: must be a whole number"}},
		{"no signing", "signing:\n  parties:\n    - {id: sokande, from: login}\n", "x: 1\ny:\n  parties:\n    - {}\n", []string{
			"x: is not a known key; did you mean id?", "+1 y: is not a known key; did you mean id?",
			"=38 steps[0].fields[3].id: is the contact of no party: the service has no signing",
			"=70 steps[2].fields[2].id: is the contact of no party: the service has no signing",
			"=79 tests[0].expect.parties[0]: there is no party sokande",
			"=96 tests[1].expect.parties[0]: there is no party sokande",
			"=96 tests[1].expect.parties[1]: there is no party vh2",
		}},
		{"no steps", "steps:\n", "steps: []\nstege:\n", []string{"steps: must be 1 to 50 steps"}},
		{"field twice", "{id: rad, type", "{id: namn, type", []string{"steps[1].fields[0].id: namn is the name of another step or field"}},
		{"field as a step", "{id: rad, type", "{id: ett, type", []string{"steps[1].fields[0].id: ett is the name of another step or field"}},
		{"taken", "{id: rad, type", "{id: go, type", []string{"steps[1].fields[0].id: go is taken: the pages use it themselves"}},
		{"capitals", "{id: rad, type", "{id: Rad, type", []string{"steps[1].fields[0].id: must be a name of a to z, 0 to 9 and _, at most 40 long"}},
		{"type", "id: rad, type: text", "id: rad, type: texte", []string{"steps[1].fields[0].type: must be one of: text, textarea, number, date, email, phone, radio, checkboxes, dropdown, yesno, personal_id, child, party_contact, contact, ranking, file, information"}},
		{"no label", "label: {sv: Rad, en: Line}, ", "", []string{"^0 steps[1].fields[0].label: is missing"}},
		{"need", "need: optional, max_length: 5", "need: maybe, max_length: 5", []string{"steps[1].fields[0].need: must be one of: required, recommended, optional"}},
		{"key of another type", "need: optional, max_length: 5", "need: optional, decimals: 5", []string{"steps[1].fields[0].decimals: is not for a field of type text"}},
		{"need of an information", "type: information, ", "type: information, need: required, ", []string{"steps[0].fields[4].need: an information is not answered"}},
		{"prefill", "prefill: person.name", "prefill: person.address", []string{"steps[0].fields[0].prefill: must be one of: person.name"}},
		{"autocomplete", "autocomplete: name", "autocomplete: namn", []string{"steps[0].fields[0].autocomplete: must be one of: " + strings.Join(autocomplete(), ", ")}},
		{"bounds", "min: 1, max: 1000.5", "min: 5, max: 1", []string{"steps[1].fields[2].max: is less than min"}},
		{"no number", "min: 1, max: 1000.5", "min: en, max: 1", []string{"steps[1].fields[2].min: must be a number"}},
		{"infinity", "min: 1, max: 1000.5", "min: 1, max: .inf", []string{"steps[1].fields[2].max: must be a number of reasonable size"}},
		{"date", "min_date: today,", "min_date: idag,", []string{`steps[1].fields[3].min_date: must be today, such as today+30d or today-18y, or such as "2026-01-31"`}},
		{"bare date", "min_date: today,", "min_date: 2026-01-31,", []string{"steps[1].fields[3].min_date: must be a text; put it in quotes"}},
		{"dates", "min_date: today,", "min_date: today+40d,", []string{"steps[1].fields[3].max_date: is before min_date"}},
		{"no options", "options: {a: {sv: Äpple, en: Apple}, b: {sv: Banan, en: Banana}, c: {sv: Citron, en: Lemon}}", "help: {sv: x, en: x}", []string{"^3 steps[1].fields[6].options: is missing"}},
		{"key of an option", "{x: {sv: Ex, en: Ex},", "{X: {sv: Ex, en: Ex},", []string{"steps[1].fields[7].options.X: must have a key of a to z, 0 to 9 and _, at most 40 long"}},
		{"count", "count: {min: 1, max: 2}", "count: {min: 1, max: 4}", []string{"steps[1].fields[7].count.max: must be a whole number from 1 to 3"}},
		{"count turned", "count: {min: 1, max: 2}", "count: {min: 3, max: 2}", []string{"steps[1].fields[7].count.max: is less than min"}},
		{"age", "age: {min: 1, max: 12}", "age: {min: 13, max: 12}", []string{"steps[0].fields[2].age.max: is less than min"}},
		{"channels", "one_of: false, need", "one_of: false, channels: [sms], need", []string{"steps[2].fields[2].channels[0]: must be one of: email, phone"}},
		{"accept", "accept: [pdf]", "accept: [exe]", []string{"steps[1].fields[11].accept[0]: must be one of: pdf, jpg, png"}},
		{"size", "max_mb: 2", "max_mb: 100", []string{"steps[1].fields[11].max_mb: must be a whole number from 1 to 25"}},
		{"show later", "show: {field: barn.guardians, gt: 1}", `show: {field: med, is: "yes"}`, []string{"steps[0].fields[3].show.field: med does not stand before this: conditions look only backwards"}},
		{"show itself", "show: {field: barn.guardians, gt: 1}", "show: {field: vh2_kontakt, filled: true}", []string{"steps[0].fields[3].show.field: vh2_kontakt does not stand before this: conditions look only backwards"}},
		{"step shows itself", `[{field: med, is: "yes"}, {`, `[{field: med_namn, filled: true}, {`, []string{"steps[2].show.all[0].field: med_namn does not stand before this: conditions look only backwards"}},
		{"unknown field", "show: {not: {field: val, is: c}}", "show: {not: {field: vals, is: c}}", []string{"steps[1].fields[11].show.not.field: there is no field vals"}},
		{"unknown option", "show: {not: {field: val, is: c}}", "show: {not: {field: val, is: d}}", []string{"steps[1].fields[11].show.not.is: val has no alternative d"}},
		{"one of unknown options", "in: [a, b]", "in: [a, d]", []string{"steps[1].fields[7].show.any[0].in: val has no alternative d"}},
		{"options of the tenant", "show: {not: {field: val, is: c}}", "show: {field: lista, is: c}", []string{"steps[1].fields[11].show.is: the alternatives of lista are the tenant's: only filled can be asked"}},
		{"is of a number", "{field: antal, gte: 10}", `{field: antal, is: "10"}`, []string{"steps[1].fields[7].show.any[1].is: antal is a number: use gt, gte, lt or lte"}},
		{"gt of a choice", "show: {not: {field: val, is: c}}", "show: {field: val, gt: 1}", []string{"steps[1].fields[11].show.gt: val has alternatives: use is, in or filled"}},
		{"gt of a yesno", "show: {not: {field: val, is: c}}", "show: {field: med, gt: 1}", []string{"steps[1].fields[11].show.gt: med is answered with yes or no: use is or filled"}},
		{"yesno", `[{field: med, is: "yes"}, {`, `[{field: med, is: ja}, {`, []string{"steps[2].show.all[0].is: med is answered with yes or no"}},
		{"is of a text", "show: {not: {field: val, is: c}}", "show: {field: namn, is: Ett}", []string{"steps[1].fields[11].show.is: of a field of type text only filled can be asked"}},
		{"gt of a date", "show: {not: {field: val, is: c}}", "show: {field: dag, gt: 1}", []string{"steps[1].fields[11].show.gt: of a field of type date only filled can be asked"}},
		{"information", "show: {not: {field: val, is: c}}", "show: {field: om, filled: true}", []string{"steps[1].fields[11].show.field: om is an information: it has no answer"}},
		{"guardians of a text", "show: {not: {field: val, is: c}}", "show: {field: namn.guardians, gt: 1}", []string{"steps[1].fields[11].show.field: namn is no child: it has no guardians"}},
		{"guardians filled", "show: {field: barn.guardians, gt: 1}", "show: {field: barn.guardians, filled: true}", []string{"steps[0].fields[3].show.filled: guardians are counted: use gt, gte, lt or lte"}},
		{"guardians is", "show: {field: barn.guardians, gt: 1}", `show: {field: barn.guardians, is: "2"}`, []string{"steps[0].fields[3].show.is: barn.guardians is a number: use gt, gte, lt or lte"}},
		{"two comparisons", "show: {not: {field: val, is: c}}", "show: {field: val, is: c, filled: true}", []string{"steps[1].fields[11].show: must have exactly one of is, in, gt, gte, lt, lte and filled"}},
		{"no comparison", "show: {not: {field: val, is: c}}", "show: {field: val}", []string{"steps[1].fields[11].show: must have exactly one of is, in, gt, gte, lt, lte and filled"}},
		{"two kinds", "show: {not: {field: val, is: c}}", "show: {field: val, is: c, not: {field: val, is: c}}", []string{"steps[1].fields[11].show: must be exactly one of field, all, any and not"}},
		{"nothing to compare", "show: {not: {field: val, is: c}}", "show: {not: {field: val, is: c}, is: a}", []string{"steps[1].fields[11].show.is: has no field to compare"}},
		{"empty any", "show: {not: {field: val, is: c}}", "show: {any: []}", []string{"steps[1].fields[11].show.any: must be 1 to 20 conditions"}},
		{"program code", "show: {not: {field: val, is: c}}", `show: "val != 'c'"`, []string{"steps[1].fields[11].show: must be a mapping of keys to values"}},
		{"deep", "show: {not: {field: val, is: c}}", "show: {not: {not: {not: {not: {not: {field: val, is: c}}}}}}", []string{"steps[1].fields[11].show.not.not.not.not.not: is more than 5 deep"}},
		{"receipt", "receipt: {sv: Klart., en: Done.}", "# none", []string{"=1 receipt: is missing"}},
		{"test of nothing", "answers: {val: c, med: \"no\"}", "answers: {vall: c, ordning: a, ordning.x: a, mina: x, om: x, dag.hour: 1x}", []string{
			"tests[0].answers.vall: is no input of a field", "tests[0].answers.ordning: is no input of a field",
			"tests[0].answers.ordning.x: is no input of a field", "tests[0].answers.mina: is no input of a field",
			"tests[0].answers.om: is no input of a field", "tests[0].answers.dag.hour: is no input of a field",
		}},
		{"test expects nothing that is", "expect: {steps: [ett, tva, fyra], faults: [stycke recommended]", "expect: {steps: [ett, fem], faults: [stycke advised]", []string{
			"tests[0].expect.steps[1]: there is no step fem", "tests[0].expect.faults[0]: there is no fault stycke advised",
		}},
		{"tests of one name", "name: för gammalt barn", "name: ensam", []string{"tests[2].name: is the name of another test"}},
		{"alias", "format: etjanst/1", "format: &a etjanst/1", []string{"anchors and aliases (& and *) are not understood here"}},
		{"several at once", "version: 7\nkind: etjanst", "version: x\nkind: y", []string{"version: must be a whole number", "+1 kind: must be one of: etjanst"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole := source(t)
			at := strings.Index(whole, c.old)
			if at < 0 {
				t.Fatalf("%q is not in the file", c.old)
			}
			line := strings.Count(whole[:at], "\n") + 1
			var want []string
			for _, w := range c.want {
				n := 0
				if strings.ContainsRune("+^=", rune(w[0])) {
					if _, err := fmt.Sscanf(w[1:], "%d", &n); err != nil {
						t.Fatal(err)
					}
					switch w[0] {
					case '^':
						n = -n
					case '=':
						n -= line
					}
					_, w, _ = strings.Cut(w, " ")
				}
				want = append(want, fmt.Sprintf("allt.yaml:%d: %s", line+n, w))
			}
			_, err := Parse("testdata/allt.yaml", []byte(whole[:at]+c.new+whole[at+len(c.old):]))
			var faults strict.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("the error is %v", err)
			}
			got := strings.Split(strict.Faults(faults).Error(), "\n")
			for _, w := range want {
				if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+w+"\n") {
					t.Errorf("missing: %s", w)
				}
			}
			follows := c.name == "no steps" // everything after it points nowhere
			if t.Failed() || len(got) != len(want) && !follows {
				t.Errorf("got:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

func TestParseRefusesWhatIsNoDefinition(t *testing.T) {
	for _, source := range []string{"", "a: [", "- a\n- b", "x", "null", strings.Repeat("#\n", maxSource), "a: 1\n---\nb: 2"} {
		if s, err := Parse("x.yaml", []byte(source)); err == nil || s != nil {
			t.Errorf("%.20q was taken", source)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(source(f)))
	f.Add([]byte("format: etjanst/1\nsteps: [{id: a, fields: [{id: b, type: child, show: {field: b.guardians}}]}]\n"))
	f.Add([]byte("tests: [{answers: {a: [1]}, expect: {rows: [x]}, register: {children: [y]}}]\nsigning: {parties: [{}], remind: [1]}"))
	f.Add([]byte("privacy: {keep: {draft: d, closed: y}}\nmore: [{url: '%'}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse("fuzz.yaml", b)
		if err == nil {
			s.Test()
			return
		}
		var faults strict.Faults
		if s != nil || !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("a service and an error: %v", err)
		}
		for _, f := range faults {
			whole := strings.HasPrefix(f.Problem, "is not YAML") || f.Problem == "is empty" || strings.HasPrefix(f.Problem, "holds more than one")
			if f.Problem == "" || f.Line <= 0 && !whole {
				t.Errorf("a fault without a line: %s", f)
			}
		}
	})
}
