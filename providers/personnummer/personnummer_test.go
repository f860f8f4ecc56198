package personnummer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Skatteverket's test numbers.
const (
	adults = `196608182942 198006299252 198101199282 198107039276 198405299291 198410039278 198509129881 198806192392
		198904252387 199002232388 199003142396 199003282390 199005042388 199007032387 199007282388 199009032393
		199010192384 199011141547 199103112398 199104102380 199107282395 199108242380 199109012394 199111122389
		199205292387 199208142399 199210162385 199304052393 199308032383 199308102392 199311062393 199311102397
		199312022396 199401172391 199509132396 199605032383 199606122381 199609052395 199610212392 199611192387`
	young = `200405082389 200407182385 200701032385 200708112388 200708292388 200805072394
		201409032388 201412032391 201601082389 201604242394 201609272396 201610152397 201705142394 201705162392
		201707122386 201801232396 201810202380 201902022399 201903252383 201907292385 201911242384 201912202387
		202101122394 202102252380 202106292382 202202182396 202205062389 202303252395 202304052380 202306032398`
	old          = `189709139803 190102079803 190605129808 190908189806`
	coordination = `195506842391 195811642395 196102732382 196208832383 197101902398 197503892387 198011882399 198206822390
		198706872382 199409812386`
)

func TestTestNumbers(t *testing.T) {
	for _, series := range []struct {
		numbers      string
		sign         string
		coordination bool
	}{
		{adults, "-", false}, {young, "-", false}, {old, "+", false}, {coordination, "-", true},
	} {
		for _, d := range strings.Fields(series.numbers) {
			forms := []string{d, d[:8] + "-" + d[8:], d[2:8] + series.sign + d[8:], "  " + d + "\t"}
			if series.sign == "-" {
				forms = append(forms, d[2:])
			}
			for i, form := range forms {
				n, err := Parse(form, today)
				if err != nil || n.Digits() != d {
					t.Errorf("%s…, form %d: %v, %v", d[:4], i, n, err)
				}
				if n.Coordination() != series.coordination {
					t.Errorf("%s…: Coordination is %v", d[:4], n.Coordination())
				}
			}
			if n, err := FromDigits(d); err != nil || n.IsZero() {
				t.Errorf("%s…: %v", d[:4], err)
			}
		}
	}
}

// The century of ten digits, at the edges.
func TestCentury(t *testing.T) {
	for _, c := range []struct {
		form, today, want string
	}{
		// Born 1901-02-07: a hundred since January 2001.
		{"010207+9803", "2026-11-22", "1901"},
		{"010207+9803", "2001-01-01", "1901"},
		{"010207-9803", "2000-12-31", "1901"},
		{"010207-9803", "2001-01-01", "1901"}, // not a hundred by the day, but nobody else can be meant
		{"010207-9803", "2026-11-22", "2001"},
		// Born 1897-09-13.
		{"970913+9803", "2026-11-22", "1897"},
		{"970913+9803", "1997-01-01", "1897"},
		{"970913-9803", "1997-09-12", "1897"},
		{"970913-9803", "1997-09-13", "1997"},
		// A samordningsnummer's day must not decide wrongly.
		{"550684-2391", "2026-11-22", "1955"},
		{"550684-2391", "2055-06-23", "1955"},
		{"550684-2391", "2055-06-24", "2055"},
		{"550684+2391", "2055-01-01", "1955"},
	} {
		now, err := time.Parse(time.DateOnly, c.today)
		if err != nil {
			t.Fatal(err)
		}
		n, err := Parse(c.form, now)
		if err != nil || n.Digits()[:4] != c.want {
			t.Errorf("%s on %s: %v, %v, want %s", c.form[6:7], c.today, n, err, c.want)
		}
	}
}

// Born today, in the first hour of the day in Sweden: yesterday in UTC.
func TestBornToday(t *testing.T) {
	sweden := time.FixedZone("CEST", 2*3600)
	birth := time.Date(2023, 6, 3, 0, 30, 0, 0, sweden)
	if _, err := Parse("20230603-2398", birth); err != nil {
		t.Error(err)
	}
	if _, err := Parse("20230603-2398", birth.Add(-time.Hour)); err == nil {
		t.Error("born tomorrow")
	}
}

func TestMalformed(t *testing.T) {
	withCheck := func(eleven string) string {
		for c := '0'; c <= '9'; c++ {
			if luhn(eleven[2:] + string(c)) {
				return eleven + string(c)
			}
		}
		return ""
	}
	cases := map[string]string{
		"nothing": "", "one": "1", "letters": "19800629925a", "wrong check digit": "198006299253",
		"hyphen elsewhere": "1980-06299252", "two hyphens": "19800629--9252", "plus on twelve": "19800629+9252",
		"space inside": "19800629 9252", "fullwidth": "１９８００６２９９２５２", "newline": "198006299252\n", "minus": "−8006299252",
		"too long": "1980062992520", "thirteen digits": "0198006299252", "no separator place": "198006-29925",
		"year zero": withCheck("00000629925"), "month 0": withCheck("19800029925"), "month 13": withCheck("19801329925"),
		"day 0": withCheck("19800600925"), "day 32": withCheck("19800632925"), "31 June": withCheck("19800631925"),
		"29 February": withCheck("19810229925"), "day 60": withCheck("19800660925"), "day 92": withCheck("19800692925"),
		"day 91 of June": withCheck("19800691925"), "future": withCheck("20990629925"),
	}
	for name, text := range cases {
		n, err := Parse(text, today)
		if !errors.Is(err, ErrMalformed) || !n.IsZero() {
			t.Errorf("%s: %v, %v", name, n, err)
		}
		if text != "" && err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error repeats the text", name)
		}
	}
	// The same dates with days that exist are right, so the dates decided.
	for name, eleven := range map[string]string{
		"30 June": "19800630925", "29 February of a leap year": "19800229925", "day 61": "19800661925", "day 90": "19800690925", "day 91 of May": "19800591925",
	} {
		if _, err := FromDigits(withCheck(eleven)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustParse(t testing.TB, s string) Number {
	t.Helper()
	n, err := Parse(s, today)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPrintsMasked(t *testing.T) {
	n := mustParse(t, "19800629-9252")
	type exported struct{ Number Number }
	type unexported struct{ number Number }
	type pointer struct{ P *Number }
	var all strings.Builder
	for _, v := range []any{n, &n, exported{n}, unexported{n}, &unexported{n}, pointer{&n}, []Number{n}, map[Number]Number{n: n}, struct{ any }{n}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%o", "%b", "%t", "%e", "%20v", "%c", "%U", "%p"} {
			fmt.Fprintf(&all, verb+"\n", v)
		}
		fmt.Fprintln(&all, v)
	}
	fmt.Fprintln(&all, fmt.Errorf("wrapped %v", n))
	for _, handler := range []func(*strings.Builder) slog.Handler{
		func(b *strings.Builder) slog.Handler { return slog.NewJSONHandler(b, nil) },
		func(b *strings.Builder) slog.Handler { return slog.NewTextHandler(b, nil) },
	} {
		log := slog.New(handler(&all))
		log.Info("x", "n", n, "p", &n, slog.Any("any", n), slog.Group("g", "n", n))
		log.With("n", n).Info("x")
		log.Info(fmt.Sprint(n))
	}
	got := all.String()
	hexed := fmt.Sprintf("%x", "198006299252")
	for _, form := range []string{"198006299252", "8006299252", "800629-9252", "0629", hexed, strings.ToUpper(hexed), fmt.Sprintf("%x", 198006299252), fmt.Sprintf("%o", 198006299252), fmt.Sprintf("%b", 198006299252)} {
		if strings.Contains(got, form) {
			t.Errorf("the number is printed, as something of %d characters:\n%s", len(form), got)
		}
	}
	if n.String() != "1980********" || fmt.Sprintf("%q", n) != `"1980********"` || fmt.Sprintf("%#v", n) != "personnummer.Number(1980********)" || fmt.Sprintf("%d %x", n, n) != "1980******** 1980********" {
		t.Errorf("%v %q %#v", n, n, n)
	}
	if (Number{}).String() != "" || (Number{}).Digits() != "" || !(Number{}).Birthdate().IsZero() || (Number{}).Coordination() {
		t.Error("no number is something")
	}
}

func TestMarshal(t *testing.T) {
	type record struct {
		N Number `json:"n,omitzero"`
	}
	n := mustParse(t, "198006299252")
	b, err := json.Marshal(record{n})
	if err != nil || string(b) != `{"n":"198006299252"}` {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	var back record
	if err := json.Unmarshal(b, &back); err != nil || back.N != n {
		t.Error(err)
	}
	if b, _ := json.Marshal(record{}); string(b) != `{}` {
		t.Errorf("%s", b)
	}
	if err := json.Unmarshal([]byte(`{"n":""}`), &back); err != nil || !back.N.IsZero() {
		t.Error(err)
	}
	for _, bad := range []string{`"19800629-9252"`, `"198006299253"`, `198006299252`} {
		back.N = n
		err := json.Unmarshal([]byte(`{"n":`+bad+`}`), &back)
		if err == nil {
			t.Errorf("%d characters accepted", len(bad))
		}
	}
}

func TestAge(t *testing.T) {
	n := mustParse(t, "198006299252")
	for day, want := range map[string]int{"2026-06-28": 45, "2026-06-29": 46, "2026-11-22": 46, "1980-06-29": 0} {
		on, _ := time.Parse(time.DateOnly, day)
		if got := n.Age(on); got != want {
			t.Errorf("%s: %d", day, got)
		}
	}
	if b := mustParse(t, "195506842391").Birthdate(); b.Format(time.DateOnly) != "1955-06-24" {
		t.Error(b)
	}
}

// anyNumber draws a right number of any kind, made in the test.
func anyNumber(t *rapid.T) string {
	day := time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 64_000).Draw(t, "day"))
	d := day.Day()
	if rapid.Bool().Draw(t, "samordningsnummer") {
		d += 60
	}
	eleven := fmt.Sprintf("%04d%02d%02d%03d", day.Year(), day.Month(), d, rapid.IntRange(0, 999).Draw(t, "serial"))
	sum := 0
	for i, c := range eleven[2:] {
		v := int(c - '0')
		if i%2 == 0 {
			v = v*2/10 + v*2%10
		}
		sum += v
	}
	return eleven + fmt.Sprint((10-sum%10)%10)
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyNumber(t)
		n, err := FromDigits(d)
		if err != nil || n.Digits() != d || n.IsZero() {
			t.Fatalf("%v, %v", n, err)
		}
		if again, err := Parse(d[:8]+"-"+d[8:], n.Birthdate()); err != nil || again != n {
			t.Fatalf("on the day of birth: %v, %v", again, err)
		}
		// As people write it: hyphen below a hundred, plus from that year on.
		on := n.Birthdate().AddDate(rapid.IntRange(0, 150).Draw(t, "years"), 0, rapid.IntRange(0, 364).Draw(t, "days"))
		sign := "-"
		if on.Year()-n.Birthdate().Year() >= 100 {
			sign = "+"
		}
		if on.Year()-n.Birthdate().Year() < 200 {
			if again, err := Parse(d[2:8]+sign+d[8:], on); err != nil || again != n {
				t.Fatalf("ten digits with %s at age %d: %v, %v", sign, n.Age(on), again, err)
			}
		}
		// One wrong digit is always found, in the ten digits that are checked.
		i := rapid.IntRange(2, 11).Draw(t, "place")
		wrong := []byte(d)
		wrong[i] = '0' + (wrong[i]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if _, err := FromDigits(string(wrong)); err == nil {
			t.Fatal("a wrong digit passes")
		}
		if s := fmt.Sprintf("%v %+v %#v %s %d", n, n, n, n, n); strings.Contains(s, d[4:]) {
			t.Fatal("prints whole")
		}
		if _, err := ParseOrganisation(d[2:]); err == nil {
			t.Fatal("a person passes as an organisation")
		}
	})
}

func TestOrganisation(t *testing.T) {
	for _, form := range []string{"5566304928", "556630-4928", "165566304928", "16556630-4928", " 556630-4928 "} {
		o, err := ParseOrganisation(form)
		if err != nil || o.Digits() != "5566304928" || o.String() != "556630-4928" || fmt.Sprintf("%v", o) != "556630-4928" {
			t.Errorf("%s: %v, %v", form, o, err)
		}
		text, _ := o.MarshalText()
		var back Organisation
		if err := back.UnmarshalText(text); err != nil || back != o {
			t.Errorf("%s: round trip: %v", form, err)
		}
	}
	for name, form := range map[string]string{
		"nothing": "", "wrong check digit": "5566304929", "person": "8006299252", "person with century": "198006299252",
		"other prefix": "175566304928", "letters": "55663049a8", "plus": "556630+4928", "hyphen elsewhere": "55663-04928",
		"leading zero": "0066304924", "prefix alone": "16556630492", "twice a hyphen": "556630--4928",
	} {
		if o, err := ParseOrganisation(form); !errors.Is(err, ErrMalformed) || !o.IsZero() {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
	var o Organisation
	if err := o.UnmarshalText(nil); err != nil || !o.IsZero() || o.String() != "" {
		t.Error("no number is something")
	}
	if err := o.UnmarshalText([]byte("x")); err == nil {
		t.Error("reads anything")
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`(16)?[0-9]{6}-?[0-9]{4}`).Draw(t, "text")
		o, err := ParseOrganisation(s)
		if err != nil {
			return
		}
		again, err := ParseOrganisation(o.String())
		if err != nil || again != o || o.Digits()[2] < '2' {
			t.Fatalf("%s: %v, %v", s, again, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"198006299252", "19800629-9252", "800629-9252", "8006299252", "970913+9803", "195506842391", "556630-4928", "", "19800660-9252"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := ParseOrganisation(s); err == nil {
			if again, err := ParseOrganisation(o.String()); err != nil || again != o {
				t.Errorf("organisation %v: %v", o, err)
			}
		}
		n, err := Parse(s, today)
		if err != nil {
			if err.Error() != ErrMalformed.Error() || !n.IsZero() {
				t.Errorf("%v: %v", n, err)
			}
			return
		}
		d := n.Digits()
		again, err := FromDigits(d)
		if err != nil || again != n || len(d) != 12 {
			t.Errorf("%v does not come back", n)
		}
		// What was read is what was written.
		if kept := strings.Trim(s, " \t"); !strings.HasSuffix(strings.NewReplacer("-", "", "+", "").Replace(kept), d[2:]) {
			t.Errorf("%v is not what was written", n)
		}
		if n.Birthdate().After(today) {
			t.Errorf("%v is not born yet", n)
		}
		text, _ := n.MarshalText()
		var back Number
		if err := back.UnmarshalText(text); err != nil || back != n {
			t.Errorf("%v: %v", n, err)
		}
		if bytes.Contains([]byte(fmt.Sprintf("%v%+v%#v%q", n, n, n, n)), []byte(d[4:])) {
			t.Errorf("prints whole")
		}
	})
}
