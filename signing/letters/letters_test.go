package letters

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "write the golden files anew")

const token = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456"

func sample(kind Kind, why Why, lang string, noLink bool) Letter {
	l := Letter{
		Kind: kind, Why: why, Lang: lang, Asker: "Exempelby kommun", Title: "Ansökan om förskoleplats <2026>",
		Deadline: time.Date(2026, 5, 3, 23, 59, 0, 0, time.FixedZone("CEST", 7200)), Host: "legitimera.exempelby.example.se",
	}
	reads := kind != Ended
	switch {
	case reads && noLink:
		l.NoLink, l.Path, l.Code = true, "/signing/portal-exempelby/", "BCDF 2345"
	case noLink:
		l.NoLink, l.Path = true, "/signing/portal-exempelby/"
	default:
		l.Link = "https://" + l.Host + "/signing/portal-exempelby/i/" + token
	}
	return l
}

// samples are all letters that there are, by name.
func samples() map[string]Letter {
	all := map[string]Letter{}
	for _, lang := range []string{"sv", "en"} {
		for _, noLink := range []bool{false, true} {
			variant := map[bool]string{false: "link", true: "code"}[noLink]
			for _, k := range []Kind{Invitation, SignAgain, Reminder, Receipt} {
				all[fmt.Sprintf("%s-%s-%s", k, variant, lang)] = sample(k, "", lang, noLink)
			}
		}
		for _, why := range []Why{Refused, Expired, Cancelled, Replaced} {
			all[fmt.Sprintf("ended-%s-%s", why, lang)] = sample(Ended, why, lang, false)
		}
	}
	return all
}

func TestGolden(t *testing.T) {
	for name, l := range samples() {
		m, err := Write(l)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := "Subject: " + m.Subject + "\n\n" + m.Text + "\n--- SMS ---\n" + m.SMS + "\n\n--- HTML ---\n" + m.HTML
		file := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not as it was:\n%s", name, got)
		}
	}
}

// TestPlain: what no letter may be.
func TestPlain(t *testing.T) {
	for name, l := range samples() {
		m, err := Write(l)
		if err != nil {
			t.Fatal(err)
		}
		for part, text := range map[string]string{"subject": m.Subject, "text": m.Text, "HTML": m.HTML, "SMS": m.SMS} {
			if strings.ContainsAny(text, "{}") && part != "HTML" || strings.Contains(text, "%!") {
				t.Errorf("%s: the %s is not filled in: %s", name, part, text)
			}
			if l.NoLink && (strings.Contains(text, "://") || strings.Contains(text, "href")) {
				t.Errorf("%s: the %s has a link", name, part)
			}
			if !l.NoLink && l.Kind != Ended && part != "subject" && strings.Count(text, token) != 1 {
				t.Errorf("%s: the link is not once in the %s", name, part)
			}
			if l.NoLink && l.Kind != Ended && part != "subject" && (!strings.Contains(text, l.Code) || !strings.Contains(text, l.Host)) {
				t.Errorf("%s: the %s does not say where to go with which code", name, part)
			}
		}
		if l.Kind == Ended && strings.Contains(m.Text+m.HTML+m.SMS, "://") {
			t.Errorf("%s: a link to where there is nothing to do", name)
		}
		if strings.Contains(m.SMS, "förskole") || strings.Contains(m.SMS, l.Title) {
			t.Errorf("%s: the SMS says what it is about", name)
		}
		if !strings.Contains(m.SMS, l.Asker) || !strings.Contains(m.Text, l.Asker) || !strings.Contains(m.Text, l.Title) {
			t.Errorf("%s: it does not say who asks, or for what", name)
		}
		if n := parts(m.SMS); n > 2 {
			t.Errorf("%s: the SMS is %d parts (%d characters)", name, n, length(m.SMS))
		}
		checkHTML(t, name, l.Lang, m.HTML)
	}
}

// checkHTML: one page in one language, with headings, and nothing fetched from
// anywhere.
func checkHTML(t *testing.T, name, lang, text string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		for _, a := range n.Attr {
			switch {
			case n.Data == "html" && a.Key == "lang" && a.Val != lang:
				t.Errorf("%s: the page's language is %s", name, a.Val)
			case a.Key == "src", a.Key == "srcset", a.Key == "background", strings.HasPrefix(a.Key, "on"), strings.Contains(a.Val, "url("),
				strings.Contains(a.Val, "ZgotmplZ"):
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			}
		}
	}
	for _, tag := range []string{"html", "title", "h1", "main"} {
		if count[tag] != 1 {
			t.Errorf("%s: %d of <%s>", name, count[tag], tag)
		}
	}
	for _, tag := range []string{"img", "script", "link", "iframe", "style", "form"} {
		if count[tag] != 0 {
			t.Errorf("%s: <%s>", name, tag)
		}
	}
	if !strings.Contains(text, "&lt;2026&gt;") || strings.Contains(text, "<2026>") {
		t.Errorf("%s: what comes from outside is not escaped", name)
	}
}

func TestSMSStaysShort(t *testing.T) {
	for _, asker := range []string{
		strings.Repeat("Ä", 100), "Nämnden för “barn” – och ungdom", "Δήμος Παραδείγματος", "日本" + strings.Repeat("x", 98),
	} {
		for name, l := range samples() {
			l.Asker = asker
			m, err := Write(l)
			if err != nil {
				t.Fatal(err)
			}
			if n := parts(m.SMS); n > 2 {
				t.Errorf("%s of %q: %d parts, %d characters: %s", name, asker, n, length(m.SMS), m.SMS)
			}
			if l.Link != "" && l.Kind != Ended && !strings.HasSuffix(m.SMS, " "+l.Link) {
				t.Errorf("%s: the link is cut", name)
			}
		}
	}
	for text, want := range map[string]int{
		"": 1, strings.Repeat("å", 160): 1, strings.Repeat("a", 161): 2, strings.Repeat("a", 306): 2, strings.Repeat("a", 307): 3,
		strings.Repeat("€", 80): 1, strings.Repeat("€", 81): 2, strings.Repeat("ł", 70): 1, strings.Repeat("ł", 71): 2, strings.Repeat("ł", 135): 3,
	} {
		if got := parts(text); got != want {
			t.Errorf("%d of %.3q: %d parts", len([]rune(text)), text, got)
		}
	}
}

func TestOneLine(t *testing.T) {
	l := sample(Invitation, "", "sv", false)
	l.Asker, l.Title = "A\r\nBcc: someone@example.se", "T\n\nX"
	m, err := Write(l)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(m.Subject, "\r\n") || strings.Contains(m.SMS, "\n") || !strings.Contains(m.Text, ": T X.") {
		t.Errorf("%q %q", m.Subject, m.SMS)
	}
	l.Asker = "{title} {by}"
	if m, err = Write(l); err != nil || !strings.Contains(m.Subject, "{title} {by}") {
		t.Errorf("a name was filled in: %q, %v", m.Subject, err)
	}
}

func TestIncomplete(t *testing.T) {
	for name, change := range map[string]func(*Letter){
		"no language":       func(l *Letter) { l.Lang = "" },
		"no asker":          func(l *Letter) { l.Asker = "" },
		"no title":          func(l *Letter) { l.Title = "" },
		"no host":           func(l *Letter) { l.Host = "" },
		"unknown kind":      func(l *Letter) { l.Kind = "x" },
		"no reason":         func(l *Letter) { l.Kind, l.Link = Ended, "" },
		"neither link":      func(l *Letter) { l.Link = "" },
		"link and code":     func(l *Letter) { l.Code = "BCDF 2345" },
		"both ways at once": func(l *Letter) { l.NoLink, l.Code = true, "BCDF 2345" },
		"nothing to type":   func(l *Letter) { l.NoLink, l.Link = true, "" },
	} {
		l := sample(Invitation, "", "sv", false)
		change(&l)
		if m, err := Write(l); err == nil {
			t.Errorf("%s: written: %s", name, m.SMS)
		}
	}
}

// TestVariables: templates know nothing but who asks, what it is about, until
// when, and the way there (P-98).
func TestVariables(t *testing.T) {
	allowed := map[string]bool{"{asker}": true, "{title}": true, "{by}": true, "{host}": true, "{where}": true, "{code}": true}
	for _, p := range []phrase{swedish(), english()} {
		for name, text := range map[string]string{"all": fmt.Sprintf("%+v", p)} {
			for _, v := range regexp.MustCompile(`\{[a-z]+\}`).FindAllString(text, -1) {
				if !allowed[v] {
					t.Errorf("%s: %s", name, v)
				}
			}
		}
		for k, kind := range p.kinds {
			if strings.Contains(kind.sms, "{title}") {
				t.Errorf("%s: the SMS names the title", k)
			}
		}
	}
}

// TestSubjects: a subject fits, whatever it is about and whoever asks; the letter
// has all of it.
func TestSubjects(t *testing.T) {
	title := strings.Repeat("日", 200)
	for _, asker := range []string{"Exempelby kommun", strings.Repeat("Ö", 200)} {
		for _, lang := range []string{"sv", "en"} {
			for _, kind := range []Kind{Invitation, SignAgain, Reminder, Ended, Receipt} {
				l := sample(kind, Cancelled, lang, false)
				l.Asker, l.Title = asker, title
				m, err := Write(l)
				if err != nil {
					t.Fatal(err)
				}
				if len(m.Subject) > 300 || len(m.Subject) < 20 || !utf8.ValidString(m.Subject) || !strings.Contains(m.Text, title) {
					t.Errorf("%s, %s: %d bytes: %q", kind, lang, len(m.Subject), m.Subject)
				}
			}
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdefg", 6, "abc…"}, {"ab cdefg", 6, "ab…"}, {"ååååå", 9, "ååå…"}, {"ååååå", 8, "åå…"}, {"日日日", 8, "日…"},
		{"abe\u0301\u0302x", 7, "ab…"}, {"abe\u0301\u0302xyzw", 10, "abe\u0301\u0302…"},
		{"a\U0001F468\u200d\U0001F469bc", 13, "a…"}, {"a\U0001F468\u200d\U0001F469bcde", 15, "a\U0001F468\u200d\U0001F469…"},
	} {
		if got := shorten(c.text, c.most); got != c.want {
			t.Errorf("%q in %d bytes: %q, want %q", c.text, c.most, got, c.want)
		}
	}
}
