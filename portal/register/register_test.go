package register

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/providers/personnummer"
)

// Test numbers (test-numbers.md).
const (
	parent, other = "198101199282", "198107039276"
	kid, sibling  = "202101122394", "202205062389"
)

func number(t testing.TB, digits string) personnummer.Number {
	t.Helper()
	n, err := personnummer.FromDigits(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// guardianJSON, childJSON and personJSON draw an answer.
func guardianJSON(pnr, name, protection string) string {
	return fmt.Sprintf(`{"pnr": %q, "name": {"given": "Testperson", "family": %q}, "protection": %q}`, pnr, name, protection)
}

func childJSON(pnr, protection string, guardians ...string) string {
	return fmt.Sprintf(`{"pnr": %q, "name": {"given": "Testbarn", "family": "Ett"}, "protection": %q, "guardians": [%s]}`, pnr, protection, strings.Join(guardians, ", "))
}

func personJSON(protection string, children ...string) string {
	return fmt.Sprintf(`{"pnr": %q, "name": {"given": "Testperson", "family": "Ett"}, "address": {"lines": ["Testvägen 1", "123 45 Exempelby"]},
		"protection": %q, "children": [%s]}`, parent, protection, strings.Join(children, ", "))
}

func both() []string {
	return []string{guardianJSON(parent, "Ett", "none"), guardianJSON(other, "Två", "none")}
}

func TestRead(t *testing.T) {
	entry, err := read([]byte(personJSON("none", childJSON(kid, "none", both()...), childJSON(sibling, "none", both()[0]))), number(t, parent))
	if err != nil {
		t.Fatal(err)
	}
	if entry.Name != "Testperson Ett" || entry.Address != "Testvägen 1\n123 45 Exempelby" || entry.Hidden || len(entry.Children) != 2 {
		t.Fatal("not what the register said")
	}
	if c := entry.Children[0]; c.Number != kid || c.Name != "Testbarn Ett" || c.Key != "" || len(c.Guardians) != 2 || c.Guardians[1].Number != other || c.Guardians[1].Name != "Testperson Två" {
		t.Error("the first child is not as the register has it")
	}
	if c := entry.Children[1]; c.Number != sibling || len(c.Guardians) != 1 {
		t.Error("the second child is not as the register has it")
	}
}

// TestFailClosed: of whoever has a marker, known or not, nothing comes out, and
// neither of what is not as agreed.
func TestFailClosed(t *testing.T) {
	plain := personJSON("none", childJSON(kid, "none", both()...))
	for name, c := range map[string]struct {
		answer string
		want   error
	}{
		"secrecy":                    {personJSON("secrecy"), ErrProtected},
		"protected registration":     {personJSON("protected_registration"), ErrProtected},
		"an unknown marker":          {personJSON("sealed"), ErrProtected},
		"none in capitals":           {personJSON("NONE"), ErrProtected},
		"an empty marker":            {personJSON(""), ErrProtected},
		"no marker":                  {strings.Replace(personJSON("none"), `"protection": "none",`, ``, 1), ErrProtected},
		"a marker that is null":      {strings.Replace(personJSON("none"), `"none"`, `null`, 1), ErrProtected},
		"a marker that is a number":  {strings.Replace(personJSON("none"), `"none"`, `0`, 1), ErrProtected},
		"a marker that is a list":    {strings.Replace(personJSON("none"), `"none"`, `["none"]`, 1), ErrProtected},
		"two markers":                {strings.Replace(personJSON("secrecy"), `{"pnr"`, `{"protection": "none", "pnr"`, 1), ErrProtected},
		"two markers, the other way": {strings.Replace(personJSON("none"), `{"pnr"`, `{"protection": "secrecy", "pnr"`, 1), ErrProtected},
		"a marker in another case":   {strings.Replace(personJSON("none"), `{"pnr"`, `{"Protection": "secrecy", "pnr"`, 1), ErrProtected},
		"a marker alone":             {`{"protection": "secrecy"}`, ErrProtected},
		"a marker beside nonsense":   {`{"protection": "secrecy", "children": 7, "x": [[[]]]}`, ErrProtected},
		"another's answer, marked":   {strings.Replace(personJSON("secrecy"), parent, other, 1), ErrProtected},
		"an empty object":            {`{}`, ErrProtected},

		"not JSON":                {`{{{ this is not JSON`, errNoAnswer},
		"nothing":                 {``, errNoAnswer},
		"a list":                  {`[` + plain + `]`, errNoAnswer},
		"broken off":              {plain[:len(plain)-2], errNoAnswer},
		"something after":         {plain + `{}`, errNoAnswer},
		"not UTF-8":               {strings.Replace(plain, "Ett", "\xff", 1), errNoAnswer},
		"another's answer":        {strings.Replace(personJSON("none"), parent, other, 1), errNoAnswer},
		"an unknown member":       {strings.Replace(plain, `{"pnr"`, `{"dead": false, "pnr"`, 1), errNoAnswer},
		"a member twice":          {strings.Replace(plain, `{"pnr"`, `{"children": [], "pnr"`, 1), errNoAnswer},
		"a member in capitals":    {strings.Replace(plain, `"children"`, `"Children"`, 1), errNoAnswer},
		"a null":                  {strings.Replace(plain, `"given": "Testperson"`, `"given": null`, 1), errNoAnswer},
		"no name":                 {strings.Replace(personJSON("none"), `"given": "Testperson", "family": "Ett"`, ``, 1), errNoAnswer},
		"a name of two lines":     {strings.Replace(personJSON("none"), `Testperson`, `Test\nperson`, 1), errNoAnswer},
		"a long name":             {strings.Replace(personJSON("none"), `Testperson`, strings.Repeat("x", 201), 1), errNoAnswer},
		"no address":              {strings.Replace(personJSON("none"), `"address": {"lines": ["Testvägen 1", "123 45 Exempelby"]},`, ``, 1), errNoAnswer},
		"a long address":          {strings.Replace(personJSON("none"), `"Testvägen 1"`, strings.Repeat(`"x", `, 10)+`"x"`, 1), errNoAnswer},
		"no children":             {strings.Replace(personJSON("none"), `, "children": []`, ``, 1), errNoAnswer},
		"too many children":       {personJSON("none", strings.Split(strings.Repeat(childJSON(kid, "secrecy")+"\x00", 51), "\x00")[:51]...), errNoAnswer},
		"a child twice":           {personJSON("none", childJSON(kid, "none", both()...), childJSON(kid, "none", both()...)), errNoAnswer},
		"a child of others":       {personJSON("none", childJSON(kid, "none", both()[1])), errNoAnswer},
		"a child of nobody":       {personJSON("none", childJSON(kid, "none")), errNoAnswer},
		"a child as guardian":     {personJSON("none", childJSON(kid, "none", append(both(), guardianJSON(kid, "Ett", "none"))...)), errNoAnswer},
		"a guardian twice":        {personJSON("none", childJSON(kid, "none", append(both(), both()[1])...)), errNoAnswer},
		"a number that is none":   {personJSON("none", childJSON("202101122395", "none", both()...)), errNoAnswer},
		"deeper than is sensible": {strings.Replace(plain, `"Testvägen 1"`, strings.Repeat("[", 5000)+strings.Repeat("]", 5000), 1), errNoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			entry, err := read([]byte(c.answer), number(t, parent))
			if !errors.Is(err, c.want) {
				t.Errorf("the error is %v, want %v", err, c.want)
			}
			if entry.Name != "" || entry.Address != "" || entry.Children != nil {
				t.Error("something came out")
			}
		})
	}
}

// TestHiddenChildren: a child is not listed when it or any guardian of it may be
// protected; the others are.
func TestHiddenChildren(t *testing.T) {
	for name, hidden := range map[string]string{
		"the child":               childJSON(sibling, "secrecy", both()...),
		"an unknown marker":       childJSON(sibling, "x", both()...),
		"the child has no marker": strings.ReplaceAll(childJSON(sibling, "", both()[0]), `"protection": "", `, ``),
		"a guardian":              childJSON(sibling, "none", both()[0], guardianJSON(other, "Två", "protected_registration")),
		"a guardian, unknown":     childJSON(sibling, "none", both()[0], guardianJSON(other, "Två", "none ")),
		"the marker alone":        `{"protection": "secrecy"}`,
	} {
		t.Run(name, func(t *testing.T) {
			entry, err := read([]byte(personJSON("none", hidden, childJSON(kid, "none", both()...))), number(t, parent))
			if err != nil {
				t.Fatal(err)
			}
			if !entry.Hidden || len(entry.Children) != 1 || entry.Children[0].Number != kid {
				t.Errorf("hidden: %v, listed: %d", entry.Hidden, len(entry.Children))
			}
		})
	}
}

func TestPerson(t *testing.T) {
	respond := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const isJSON = "application/json"
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    error // nil: any but the two that mean something
	}{
		"unknown":                   {respond(404, isJSON, `{}`), ErrUnknown},
		"protected":                 {respond(200, isJSON, personJSON("secrecy")), ErrProtected},
		"another's 404":             {respond(404, "text/html", `<p>not here</p>`), nil},
		"a 404 that says something": {respond(404, isJSON, `{"error": "no such path"}`), nil},
		"a 404 with null":           {respond(404, isJSON, `null`), nil},
		"a page":                    {respond(200, "text/html", personJSON("none")), nil},
		"no type":                   {respond(200, "", personJSON("none")), nil},
		"503":                       {respond(503, isJSON, personJSON("none")), nil},
		"401":                       {respond(401, isJSON, `{}`), nil},
		"201":                       {respond(201, isJSON, personJSON("none")), nil},
		"too long":                  {respond(200, isJSON, personJSON("none")+strings.Repeat(" ", maxAnswer)), nil},
		"broken off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", isJSON)
			w.Header().Set("Content-Length", "5000")
			io.WriteString(w, personJSON("none"))
		}, nil},
		"hung up":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil},
		"too slow": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				c.handler(w, r)
			}))
			defer server.Close()
			h, err := New(Config{URL: server.URL + "/register", Token: "t", Timeout: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			entry, err := h.Person(context.Background(), number(t, parent))
			switch {
			case err == nil || entry.Name != "":
				t.Error("it was believed")
			case c.want != nil && !errors.Is(err, c.want):
				t.Errorf("the error is %v", err)
			case c.want == nil && (errors.Is(err, ErrUnknown) || errors.Is(err, ErrProtected)):
				t.Errorf("the error is %v", err)
			case strings.Contains(err.Error(), parent):
				t.Error("the error holds the number")
			}
		})
	}
}

// TestQuestion: the number goes into the body alone, the token with it, and
// neither to where a redirect points.
func TestQuestion(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	redirect := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.String() != "/register/persons" || r.Header.Get("Authorization") != "Bearer secret" ||
			r.Header.Get("Content-Type") != "application/json" || string(body) != `{"pnr":"`+parent+`"}` {
			t.Errorf("asked by %s %s", r.Method, r.URL)
		}
		if redirect {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, personJSON("none", childJSON(kid, "none", both()...)))
	}))
	defer server.Close()
	h, err := New(Config{URL: server.URL + "/register/", Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := h.Person(context.Background(), number(t, parent))
	if err != nil || entry.Name != "Testperson Ett" || len(entry.Children) != 1 {
		t.Fatalf("%v", err)
	}
	redirect = true
	if _, err := h.Person(context.Background(), number(t, parent)); err == nil {
		t.Error("a redirect is no answer")
	}
	if _, err := h.Person(context.Background(), personnummer.Number{}); err == nil {
		t.Error("nobody was asked about")
	}
}

func TestNew(t *testing.T) {
	for _, c := range []Config{
		{}, {URL: "/register", Token: "t"}, {URL: "https://register.example.se"}, {URL: "http://register.example.se", Token: "t"},
		{URL: "https://a:b@register.example.se", Token: "t"}, {URL: "https://register.example.se/?x", Token: "t"},
		{URL: "https://register.example.se", Token: "t\nX: y"}, {URL: "http://localhost.example.se", Token: "t"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%q was taken", c.URL)
		}
	}
	for _, u := range []string{"https://register.example.se/x", "http://127.0.0.1:1/register", "http://localhost:1"} {
		if _, err := New(Config{URL: u, Token: "t"}); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// FuzzRead: whatever is answered, nothing panics, and whatever comes out is of a
// person who is said to be free, with children who are theirs.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		personJSON("none", childJSON(kid, "none", both()...), childJSON(sibling, "secrecy")), personJSON("secrecy"), `{"protection": "none"}`, `{}`, `null`,
	} {
		f.Add([]byte(s))
	}
	asked := number(f, parent)
	f.Fuzz(func(t *testing.T, body []byte) {
		entry, err := read(body, asked)
		if err != nil {
			if entry.Name != "" || entry.Children != nil {
				t.Fatal("something came out with an error")
			}
			return
		}
		if entry.Name == "" || !strings.Contains(string(body), free) {
			t.Fatal("an entry without a word that it is free")
		}
		for _, c := range entry.Children {
			mine := false
			for _, g := range c.Guardians {
				mine = mine || g.Number == asked.Digits()
			}
			if !mine {
				t.Fatal("somebody else's child")
			}
		}
	})
}
