package letters

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"

	"sigill/broker/kit/notify"
	"sigill/portal"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample(kind Kind, returned portal.Returned, lang string, follow bool) Letter {
	l := Letter{
		Kind: kind, Lang: lang, Tenant: "Exempelby kommun", Title: "Ansökan om förskoleplats <2026>", Returned: returned,
		Deadline: time.Date(2026, 5, 3, 23, 59, 0, 0, time.FixedZone("CEST", 7200)), Follow: follow,
		Reach: "Exempelby kontaktcenter, 070-174 06 05, kontakt@exempelby.example.se",
	}
	if l.ofCase() {
		l.Number = "EXB-2026-000017"
	}
	switch {
	case l.ofCase() && follow:
		l.Link = "https://exempelby.example.se/arende/abcdefghijklmnopqrstuv"
	case !l.ofCase():
		l.Link = "https://exempelby.example.se/utkast/abcdefghijklmnopqrstuv/vantar"
	}
	return l
}

// samples are all letters that there are, by name.
func samples() map[string]Letter {
	all := map[string]Letter{}
	for _, lang := range []string{"sv", "en"} {
		for _, k := range []Kind{Arrived, Message, Status} {
			all[fmt.Sprintf("%s-%s", k, lang)] = sample(k, "", lang, true)
		}
		for _, k := range []Kind{Arrived, Status} {
			all[fmt.Sprintf("%s-unseen-%s", k, lang)] = sample(k, "", lang, false)
		}
		all["waiting-"+lang] = sample(Waiting, "", lang, true)
		for _, why := range []portal.Returned{portal.ReturnedRefused, portal.ReturnedExpired, portal.ReturnedCancelled, portal.ReturnedFailed} {
			all[fmt.Sprintf("returned-%s-%s", why, lang)] = sample(Returned, why, lang, true)
		}
	}
	return all
}

func TestGolden(t *testing.T) {
	for name, l := range samples() {
		w, err := Write(l)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := "Subject: " + w.Subject + "\n\n" + w.Text + "\n--- SMS ---\n" + w.SMS + "\n\n--- HTML ---\n" + w.HTML
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
	found, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(found) != len(samples()) {
		t.Errorf("%d golden files for %d letters", len(found), len(samples()))
	}
}

// TestPlain: what no letter may be.
func TestPlain(t *testing.T) {
	for name, l := range samples() {
		w, err := Write(l)
		if err != nil {
			t.Fatal(err)
		}
		for part, text := range map[string]string{"subject": w.Subject, "text": w.Text, "HTML": w.HTML, "SMS": w.SMS} {
			if strings.ContainsAny(text, "{}") || strings.Contains(text, "%!") {
				t.Errorf("%s: the %s is not filled in: %s", name, part, text)
			}
			if want := btoi(l.Link != ""); part != "subject" && (strings.Count(text, "https://") != want || strings.Count(text, l.Link) < want) {
				t.Errorf("%s: the link is not as often in the %s as it should be", name, part)
			}
		}
		for _, must := range []string{l.Tenant, l.Title, l.Number, l.Reach} {
			if !strings.Contains(w.Text, must) || !strings.Contains(w.HTML, html.EscapeString(must)) {
				t.Errorf("%s: the letter does not say %s", name, must)
			}
		}
		checkHTML(t, name, l.Lang, w.HTML)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkHTML: one page in one language, with a heading, and nothing fetched from
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
			case slices.Contains([]string{"src", "srcset", "background"}, a.Key), strings.HasPrefix(a.Key, "on"), strings.Contains(a.Val, "url("), strings.Contains(a.Val, "ZgotmplZ"):
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			}
		}
	}
	for tag, want := range map[string]int{"html": 1, "title": 1, "h1": 1, "main": 1, "img": 0, "script": 0, "link": 0, "iframe": 0, "style": 0, "form": 0, "object": 0} {
		if count[tag] != want {
			t.Errorf("%s: %d of <%s>", name, count[tag], tag)
		}
	}
	if strings.Contains(text, "<2026>") {
		t.Errorf("%s: what comes from outside is not escaped", name)
	}
}

// TestNotSent: what waits or came back is never said to have been sent or to have
// arrived (P-77), and says what happens next.
func TestNotSent(t *testing.T) {
	said := map[string][]string{"sv": {"inte inskickat än", "inget är inskickat än"}, "en": {"not been sent yet", "nothing has been sent yet"}}
	next := map[string]string{"sv": "När den sista har skrivit under skickas allt in av sig självt", "en": "When the last one has signed, everything is sent by itself"}
	until := map[string]string{"sv": "3 maj 2026 klockan 23.59", "en": "3 May 2026 at 23:59"}
	none := map[string]string{"sv": "Inget är inskickat", "en": "Nothing has been sent"}
	arrived := map[string]string{"sv": "har tagit emot", "en": "has received"}
	for name, l := range samples() {
		w, err := Write(l)
		if err != nil {
			t.Fatal(err)
		}
		all := w.Subject + "\n" + w.Text + "\n" + w.SMS
		switch l.Kind {
		case Arrived:
			if !strings.Contains(w.Text, arrived[l.Lang]) || !strings.Contains(w.SMS, arrived[l.Lang]) {
				t.Errorf("%s does not say that it has arrived", name)
			}
		case Waiting, Returned:
			if strings.Contains(all, arrived[l.Lang]) {
				t.Errorf("%s says that it has arrived", name)
			}
		}
		switch l.Kind {
		case Waiting:
			if !strings.Contains(w.Text, said[l.Lang][0]) || !strings.Contains(w.SMS, said[l.Lang][1]) || !strings.Contains(w.Text, next[l.Lang]) || !strings.Contains(w.Text, until[l.Lang]) ||
				!strings.HasPrefix(w.Subject, map[string]string{"sv": "Inte inskickat", "en": "Not sent"}[l.Lang]) {
				t.Errorf("%s does not say plainly that it has not been sent, and what happens next", name)
			}
		case Returned:
			if !strings.Contains(w.Text, none[l.Lang]) || !strings.Contains(w.SMS, none[l.Lang]) || !strings.HasPrefix(w.Subject, map[string]string{"sv": "Inte inskickat", "en": "Not sent"}[l.Lang]) {
				t.Errorf("%s does not say plainly that nothing was sent", name)
			}
		}
	}
}

// TestSMSHoldsNobody: an SMS says who writes and where to look, and nothing of
// the case (P-82).
func TestSMSHoldsNobody(t *testing.T) {
	for name, l := range samples() {
		w, err := Write(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{l.Title, "förskole", "2026", "EXB", "000017", l.Reach} {
			if strings.Contains(w.SMS, secret) {
				t.Errorf("%s: the SMS holds %q", name, secret)
			}
		}
		if !strings.HasPrefix(w.SMS, l.Tenant) {
			t.Errorf("%s: the SMS does not begin with who writes", name)
		}
	}
}

func TestSMSStaysShort(t *testing.T) {
	for _, tenant := range []string{
		"Exempelby kommun", strings.Repeat("Ä", 100), "Nämnden för “barn” – och ungdom", "Δήμος Παραδείγματος", "日本" + strings.Repeat("x", 98), "Łódź [stad] €",
	} {
		for name, l := range samples() {
			l.Tenant = tenant
			w, err := Write(l)
			if err != nil {
				t.Fatal(err)
			}
			if n, wide := notify.Segments(w.SMS); n > 2 || wide {
				t.Errorf("%s of %q: %d parts: %s", name, tenant, n, w.SMS)
			}
			if l.Link != "" && !strings.HasSuffix(w.SMS, " "+l.Link) {
				t.Errorf("%s: the link is cut", name)
			}
		}
	}
	for text, want := range map[string]string{
		"Exempelby": "Exempelby", "“A” – ‘b’": "\"A\" - 'b'", "Åéü": "Åéü", "ŵÿ": "wy", "a\u00a0b": "a b", "日": "?", "[x]": "?x?",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}

// TestVariables: letters know nothing but who writes, about which e-service and
// case, until when, and how to ask; an SMS knows who writes alone (P-98, P-82).
func TestVariables(t *testing.T) {
	variable := regexp.MustCompile(`\{[^}]*\}`)
	allowed := func(where, text string, may ...string) {
		t.Helper()
		for _, v := range variable.FindAllString(text, -1) {
			if !slices.Contains(may, v) {
				t.Errorf("%s holds %s", where, v)
			}
		}
	}
	languages := []phrases{swedish(), english()}
	for _, p := range languages {
		for k, kind := range p.kinds {
			allowed(k+", subject", kind.subject, "{title}", "{number}")
			allowed(k+", letter", strings.Join(kind.lead, " "), "{tenant}", "{title}", "{number}", "{by}")
			allowed(k+", SMS", kind.sms, "{tenant}")
			if _, ok := languages[0].kinds[k]; !ok || len(kind.lead) != len(languages[0].kinds[k].lead) {
				t.Errorf("%s is not the same in both languages", k)
			}
		}
		allowed("buttons", p.see+p.wait+p.draft)
		allowed("login and foot", p.login+p.foot, "{tenant}")
		allowed("ask", p.ask, "{reach}")
		if len(p.kinds) != len(languages[0].kinds) {
			t.Error("the languages have not the same letters")
		}
	}
	// What is drawn as a page takes no more than that.
	page, err := files.ReadFile("letter.gohtml")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range regexp.MustCompile(`\{\{[^}]*\}\}`).FindAllString(string(page), -1) {
		if !slices.Contains([]string{
			"{{.Lang}}", "{{.Subject}}", "{{range .Lead}}", "{{.}}", "{{end}}", "{{if .Link}}", "{{.Link}}", "{{.Button}}", "{{range .Notes}}", "{{.Foot}}",
		}, v) {
			t.Errorf("the page holds %s", v)
		}
	}
}

func TestOneLine(t *testing.T) {
	l := sample(Arrived, "", "sv", true)
	l.Tenant, l.Title, l.Number = "A\r\nBcc: someone@example.se", "T\n\nX {number}", "1\r\n2"
	w, err := Write(l)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(w.Subject, "\r\n") || strings.Contains(w.SMS, "\n") || !strings.Contains(w.Text, ": T X {number}.") {
		t.Errorf("%q %q", w.Subject, w.SMS)
	}
}

func TestSubjects(t *testing.T) {
	for name, l := range samples() {
		l.Title = strings.Repeat("日", 300)
		w, err := Write(l)
		if err != nil {
			t.Fatal(err)
		}
		if n := len([]rune(w.Subject)); n > longestSubject || !utf8.ValidString(w.Subject) || !strings.Contains(w.Text, l.Title) {
			t.Errorf("%s: %d characters: %q", name, n, w.Subject)
		}
	}
}

func TestIncomplete(t *testing.T) {
	for name, l := range map[string]Letter{
		"no language":                   changed(Arrived, func(l *Letter) { l.Lang = "" }),
		"another language":              changed(Arrived, func(l *Letter) { l.Lang = "fi" }),
		"no tenant":                     changed(Arrived, func(l *Letter) { l.Tenant = "" }),
		"no title":                      changed(Arrived, func(l *Letter) { l.Title = "" }),
		"no number":                     changed(Status, func(l *Letter) { l.Number = "" }),
		"no link":                       changed(Message, func(l *Letter) { l.Link = "" }),
		"a link to where nobody may go": changed(Arrived, func(l *Letter) { l.Follow = false }),
		"a message that cannot be read": changed(Message, func(l *Letter) { l.Follow, l.Link = false, "" }),
		"no deadline":                   changed(Waiting, func(l *Letter) { l.Deadline = time.Time{} }),
		"no reason":                     changed(Returned, func(*Letter) {}),
		"by the owner":                  changed(Returned, func(l *Letter) { l.Returned = portal.ReturnedWithdrawn }),
		"unknown kind":                  changed("x", func(*Letter) {}),
	} {
		if w, err := Write(l); err == nil {
			t.Errorf("%s: written: %s", name, w.SMS)
		}
	}
}

func changed(k Kind, change func(*Letter)) Letter {
	l := sample(k, "", "sv", true)
	change(&l)
	return l
}
