package i18n

import (
	"strings"
	"testing"
	"testing/fstest"
)

func files(sv, en string) fstest.MapFS {
	return fstest.MapFS{"sv.json": {Data: []byte(sv)}, "en.json": {Data: []byte(en)}}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ sv, en, want string }{
		"missing in English":     {`{"a":"A"}`, `{}`, "en.json: a: missing"},
		"missing in Swedish":     {`{}`, `{"a":"A"}`, "sv.json: a: missing"},
		"unequal placeholders":   {`{"a":"{x}"}`, `{"a":"{y}"}`, "placeholders differ"},
		"number in one language": {`{"a":{"one":"en","other":"{n} st"}}`, `{"a":"{n}"}`, "one language only"},
		"defined twice":          {`{"a":"A","a":"B"}`, `{"a":"A"}`, "defined twice"},
		"empty":                  {`{"a":" "}`, `{"a":"A"}`, "empty text"},
		"open brace":             {`{"a":"{x"}`, `{"a":"A"}`, "a placeholder is"},
		"closing brace alone":    {`{"a":"x}"}`, `{"a":"A"}`, "a } without {"},
		"form other without n":   {`{"a":{"one":"en","other":"flera"}}`, `{"a":{"one":"1","other":"{n}"}}`, "lacks the placeholder n"},
		"unknown form":           {`{"a":{"few":"en","other":"{n}"}}`, `{"a":{"one":"1","other":"{n}"}}`, "neither a text nor"},
		"no object":              {`[]`, `{}`, "not an object"},
		"something after":        {`{} {}`, `{}`, "something follows"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(files(c.sv, c.en))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLoadReportsAllFaults(t *testing.T) {
	_, err := Load(files(`{"a":"{x}","b":""}`, `{"a":"{y}"}`))
	for _, want := range []string{"placeholders differ", "b: empty text", "b: missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q: %v", want, err)
		}
	}
}

func TestCheck(t *testing.T) {
	c, err := Load(files(`{"hi":"Hej {name}","bye":"Adjö"}`, `{"hi":"Hi {name}","bye":"Bye"}`))
	if err != nil {
		t.Fatal(err)
	}
	good := []Use{{Key: "hi", Names: []string{"name"}}, {Key: "bye"}}
	if err := c.Check(good); err != nil {
		t.Fatal(err)
	}
	for name, c2 := range map[string]struct {
		uses []Use
		want string
	}{
		"unused":            {good[:1], "bye is not used"},
		"missing":           {append(good[:2:2], Use{Key: "other", Where: "x.gohtml"}), "x.gohtml: text other is missing"},
		"placeholder short": {[]Use{{Key: "hi"}, {Key: "bye"}}, "hi wants [name]"},
		"placeholder over":  {[]Use{good[0], {Key: "bye", Names: []string{"x"}}}, "bye wants []"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.Check(c2.uses); err == nil || !strings.Contains(err.Error(), c2.want) {
				t.Fatalf("got %v, want %q", err, c2.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	c, err := Load(files(`{"n":{"one":"en dag","other":"{n} dagar"},"hi":"Hej {name}!"}`,
		`{"n":{"one":"one day","other":"{n} days"},"hi":"Hi {name}!"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		lang, key string
		args      []any
		want      string
	}{
		{"sv", "n", []any{"n", 1}, "en dag"},
		{"sv", "n", []any{"n", 0}, "0 dagar"},
		{"en", "n", []any{"n", 7}, "7 days"},
		{"en", "hi", []any{"name", "{name}"}, "Hi {name}!"},
	} {
		if got, err := c.Text(x.lang, x.key, x.args...); err != nil || got != x.want {
			t.Errorf("%s %s: %q, %v", x.lang, x.key, got, err)
		}
	}
	for _, bad := range [][]any{{}, {"name"}, {1, 2}} {
		if _, err := c.Text("sv", "hi", bad...); err == nil {
			t.Errorf("%v passed", bad)
		}
	}
	if _, err := c.Text("de", "hi"); err == nil {
		t.Error("an unknown language passed")
	}
}

func TestChoose(t *testing.T) {
	for _, x := range []struct {
		accept string
		wishes []string
		want   string
	}{
		{"", nil, "sv"},
		{"en-GB,en;q=0.9", nil, "en"},
		{"sv-SE,sv;q=0.8,en;q=0.5", nil, "sv"},
		{"en;q=0.5,sv;q=0.9", nil, "sv"},
		{"de-DE,de;q=0.9", nil, "en"},
		{"de,sv;q=0.3", nil, "sv"},
		{"en", []string{"sv"}, "sv"},
		{"en", []string{"", "sv"}, "sv"},
		{"sv", []string{"en", "sv"}, "en"},
		{"sv", []string{"fi", "en"}, "en"},
		{"*", nil, "sv"},
		{";;;q=", nil, "sv"},
		{strings.Repeat("en,", 1000), nil, "sv"},
	} {
		if got := Choose(x.accept, x.wishes...); got != x.want {
			t.Errorf("Choose(%.20q, %q) = %s, want %s", x.accept, x.wishes, got, x.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`{"a":"{x}"}`)
	f.Add(`{"a":{"one":"en","other":"{n}"}}`)
	f.Add(`{"a":"}{"}`)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Load(files(s, s))
		if err != nil {
			return
		}
		for key, m := range c.texts["sv"] {
			args := []any{}
			for _, n := range m.placeholders() {
				args = append(args, n, 2)
			}
			if _, err := c.Text("sv", key, args...); err != nil {
				t.Fatal(err)
			}
		}
	})
}
