package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A row of the table: a promise, and how it is seen to be kept.
type promise struct {
	id, what string
	check    func(t *testing.T, x *tale)
}

// wanted are the promises of the portal that are to be kept by now.
func wanted() []string {
	var ids []string
	for _, span := range [][2]int{{16, 18}, {22, 26}, {28, 30}, {37, 42}, {46, 61}, {62, 83}, {85, 89}, {94, 94}, {97, 98}, {103, 106}, {121, 123}} {
		for n := span[0]; n <= span[1]; n++ {
			ids = append(ids, fmt.Sprintf("P-%d", n))
		}
	}
	return ids
}

// The table of requirements: a few errands are run once, and each row looks at
// what was seen on the way.
func TestRequirements(t *testing.T) {
	x := newTale(t)
	x.own = newHouse(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{{"unsent", x.unsent}, {"sent", x.sent}, {"handled", x.handled}, {"nameless", x.nameless}, {"alone", x.alone}, {"refused", x.refused}, {"removed", x.removed}} {
		t.Run("errand "+part.name, part.run)
	}
	rows := promises()
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.id)
	}
	if !slices.Equal(ids, wanted()) {
		t.Errorf("the rows are %v, want %v", ids, wanted())
	}
	var table strings.Builder
	for _, row := range rows {
		pass := t.Run(row.id, func(t *testing.T) { row.check(t, x) })
		fmt.Fprintf(&table, "| %s | %s | TestRequirements/%s | %s |\n", row.id, row.what, row.id, map[bool]string{true: "pass", false: "FAIL"}[pass])
	}
	fmt.Printf("| id | what | test | pass |\n|---|---|---|---|\n%s", &table)
}

// saw demands that a page was seen, and that it says or does not say.
func (x *tale) saw(t *testing.T, moment string) screen {
	t.Helper()
	s, ok := x.on[moment]
	if !ok {
		t.Fatalf("nobody came as far as %q", moment)
	}
	return s
}

func (x *tale) says(t *testing.T, moment string, texts ...string) {
	t.Helper()
	s := x.saw(t, moment)
	for _, text := range texts {
		if !s.says(text) {
			t.Errorf("%s does not say %q: %s", moment, text, s)
		}
	}
}

func (x *tale) silentOn(t *testing.T, moment string, texts ...string) {
	t.Helper()
	s := x.saw(t, moment)
	for _, text := range texts {
		if strings.Contains(s.body, text) {
			t.Errorf("%s holds %q: %s", moment, text, s)
		}
	}
}

func (x *tale) holds(t *testing.T, what string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(x.texts[what], text) {
			t.Errorf("%s does not say %q: %s", what, text, masked(x.texts[what]))
		}
	}
}

func is(t *testing.T, what string, good bool) {
	t.Helper()
	if !good {
		t.Errorf("not so: %s", what)
	}
}

// secrets are what nobody may read who is not part of the case.
func secrets() []string {
	return []string{planted, "Testbarn Ett", "Testperson Två", "Testvägen 1", "Ansökan om förskoleplats"}
}

func promises() []promise {
	return []promise{
		{"P-16", "start page with introduction and links, without login", func(t *testing.T, x *tale) {
			x.says(t, "service", "Här söker du plats i förskola", "Om e-tjänsten")
			x.says(t, "fault service", "Har du sett ett hål i vägen")
			is(t, "a link to the municipality's own site", x.saw(t, "service").find(`a[href="https://exempelby.example.se/"]`) != nil)
			is(t, "the list leads there", x.saw(t, "start").link("Ansökan om förskoleplats") == x.saw(t, "service").url.String())
		}},
		{"P-17", "questions are answered by whom; not published without", func(t *testing.T, x *tale) {
			x.says(t, "service", "Frågor om tjänsten", "Förskoleplacering", "0999-10 01 20")
			x.says(t, "fault service", "Frågor om tjänsten", "Gata och park")
			x.unpublished(t, "utan-namnd")
		}},
		{"P-18", "which personal data, why, how long; not published without", func(t *testing.T, x *tale) {
			x.says(t, "service", "Behandling av personuppgifter", "Pröva din ansökan", "Namn, personnummer och adress", "2 år")
			x.says(t, "fault service", "Behandling av personuppgifter", "Åtgärda felet")
			x.unpublished(t, "utan-syfte", "utan-uppgifter", "utan-tid")
		}},
		{"P-22", "one button: Starta e-tjänsten", func(t *testing.T, x *tale) {
			for _, page := range []string{"service", "fault service"} {
				buttons := x.saw(t, page).all("main .btn.main")
				if len(buttons) != 1 || words(buttons[0]) != "Starta e-tjänsten" {
					t.Errorf("%d main buttons on %s", len(buttons), page)
				}
			}
		}},
		{"P-23", "login, signature, second signer and attachments are told before", func(t *testing.T, x *tale) {
			x.says(t, "service", "Du loggar in med e-legitimation.", "Du skriver under med e-legitimation.", "två vårdnadshavare", "Studieintyg", "3 steg")
			x.says(t, "fault service", "Du behöver inte logga in.", "Ingen underskrift behövs.", "Foton")
		}},
		{"P-24", "login is required per e-service", func(t *testing.T, x *tale) {
			x.saw(t, "fault sent").inside("/inskickat")
			is(t, "the other begins at the broker", strings.HasPrefix(x.saw(t, "chooser").url.String(), x.Issuer+"/login/"))
			c := someone(t, x.Running, "", "exempelby")
			if s := c.get("/utkast/" + x.draft + "/s/barnet"); !s.asksLogin() {
				t.Errorf("without login: %s", s)
			}
		}},
		{"P-25", "e-IDs are a list per tenant (lists that differ)", func(t *testing.T, x *tale) {
			if got := x.saw(t, "chooser").chosen(); got != "mbankid freja telia bankid freja" {
				t.Errorf("Exempelby offers %q", got)
			}
			if got := x.saw(t, "room").chosen(); got != "mbankid freja telia bankid freja" {
				t.Errorf("Exempelby signs with %q", got)
			}
			c := someone(t, x.Running, "ett", "provinge")
			chooser := c.get("/e/forskoleplats").form(`form[action$="/starta"]`).press("")
			if got := chooser.chosen(); got != "mbankid" && chooser.find("[data-status]") == nil {
				t.Errorf("Provinge offers %q", got)
			}
			for _, provider := range []string{"bankid", "freja", "telia"} {
				if s := c.post(chooser.url.String(), url.Values{"provider": {provider}, "device": {"this"}}); s.status < 400 || s.status >= 500 {
					t.Errorf("Provinge takes %s: %d", provider, s.status)
				}
			}
		}},
		{"P-26", "login and signature are two settings", func(t *testing.T, x *tale) { x.fourWays(t) }},
		{"P-28", "samordningsnummer: denied with other ways, or let in, as the tenant says", func(t *testing.T, x *tale) {
			x.says(t, "coordination", "Det går inte att logga in med samordningsnummer", "Kundtjänst", "0999-10 00 00")
			is(t, "nobody is logged in", x.saw(t, "coordination after").asksLogin())
			x.saw(t, "coordination allowed").at("/mina-sidor")
			x.saw(t, "coordination allowed begins").inside("/s/barnet")
		}},
		{"P-29", "protected identity: call, on first page, service page and login", func(t *testing.T, x *tale) {
			for _, page := range []string{"start", "service", "mina anonymous"} {
				x.says(t, page, "Skyddad identitet", "Ring kundtjänst", "0999-10 00 00")
			}
			x.says(t, "chooser", "skydd")
		}},
		{"P-30", "a marker: nothing shown, stored or sent; the telephone", func(t *testing.T, x *tale) {
			for _, who := range []string{"secrecy", "protected registration"} {
				x.says(t, who, "Det här går inte att göra här", "0999-10 00 00")
				x.silentOn(t, who, "Testvägen")
				is(t, "nobody is logged in", x.saw(t, who+" after").asksLogin())
				if main := x.saw(t, who).find("main"); strings.Contains(words(main), "@") {
					t.Errorf("%s names an e-mail address", who)
				}
			}
			x.silentOn(t, "hidden child", "Testbarn Sju")
			x.says(t, "hidden child", "får du hjälp på telefon")
			for _, p := range []string{"trettiofyra", "trettiofem"} {
				silent(t, x.Running, p+"@example.se")
			}
			log, err := os.ReadFile(filepath.Join(x.data, "sigill.log"))
			if err != nil {
				t.Fatal(err)
			}
			is(t, "no address in the log", !strings.Contains(string(log), "Testvägen"))
		}},
		{"P-37", "login from the menu, the e-service, Mina sidor and a notice leads where one was going", func(t *testing.T, x *tale) {
			x.saw(t, "first").inside("/s/barnet")
			x.saw(t, "resumed").at("/utkast/" + x.draft)
			x.saw(t, "notice followed").at("/arende/" + x.kase)
			c := someone(t, x.Running, "nio", "exempelby")
			c.get("/").follow("Logga in").login().at("/mina-sidor")
		}},
		{"P-38", "all steps before sending, also by URL", func(t *testing.T, x *tale) {
			for _, moment := range []string{"ahead", "review ahead", "sent ahead"} {
				x.saw(t, moment).inside("/utkast/" + x.draft + "/s/barnet")
			}
			is(t, "nothing was handed over", x.count["messages before"] == 0)
		}},
		{"P-39", "questions follow answers; what is hidden is nowhere", func(t *testing.T, x *tale) {
			is(t, "the second guardian's contact is not asked first", !x.saw(t, "first").questions().asks("vh2_kontakt.email"))
			is(t, "then it is", x.saw(t, "more").questions().asks("vh2_kontakt.email"))
			for _, moment := range []string{"review", "room", "review of two", "case", "case of officer ett"} {
				x.silentOn(t, moment, "dold-text", "Berätta vad")
			}
		}},
		{"P-40", "help with each question; faults name question and remedy", func(t *testing.T, x *tale) {
			x.says(t, "first", "Barn som du är vårdnadshavare för enligt folkbokföringen.")
			x.says(t, "empty", "Välj ett barn under ”Vilket barn gäller ansökan?”")
			summary := x.saw(t, "empty").all(`.to-mend a[href^="#"]`)
			if len(summary) == 0 {
				t.Fatalf("no summary: %s", x.saw(t, "empty"))
			}
			for _, a := range summary {
				is(t, "the summary leads to the field", x.saw(t, "empty").find(`[id="`+strings.TrimPrefix(attr(a, "href"), "#")+`"]`) != nil)
			}
		}},
		{"P-41", "known data are prefilled, with their origin", func(t *testing.T, x *tale) {
			x.says(t, "first", "Testperson Ett", "Testvägen 1", "Från folkbokföringen")
			is(t, "the name cannot be changed", !x.saw(t, "first").questions().asks("sokande_namn"))
		}},
		{"P-42", "attachments where the service has them; kind is enforced", func(t *testing.T, x *tale) {
			is(t, "no file is asked for without a need", x.saw(t, "place").find("input[type=file]") == nil)
			is(t, "then one is", x.saw(t, "file asked").find("input[type=file]") != nil)
			is(t, "a program is refused", x.saw(t, "file refused").status == 422)
			x.says(t, "file refused", "av ett slag som vi inte kan ta emot")
			x.says(t, "file", "intyg.png")
		}},
		{"P-46", "contact details steer the confirmations", func(t *testing.T, x *tale) {
			is(t, "e-mail", x.mails("anonym@example.se", "email", "Ditt ärende") == 1 && x.mails("anonym@example.se", "sms", "") == 0)
			is(t, "SMS", x.mails("+46701740630", "sms", "tagit emot") == 1)
		}},
		{"P-47", "a notice that data are processed before sending, in the version that was shown (that it is kept with the case is shown by portal/sending)", func(t *testing.T, x *tale) {
			x.says(t, "review", "behandlar och sparar Barn- och utbildningsnämnden uppgifterna")
			version := x.saw(t, "review").form(`form[action$="/skicka"]`).values.Get("notice")
			is(t, "its version goes with it", regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(version))
			x.says(t, "another notice", "Texten om personuppgifter har ändrats")
		}},
		{"P-48", "save, log out, log in, go on with the same answers", func(t *testing.T, x *tale) {
			x.says(t, "saved", "Sparat, men inte inskickat")
			p := x.saw(t, "step resumed").questions()
			for name, want := range map[string]string{"omfattning": "37,5", "sysselsattning": "studerar", "forskolor.1": "eken", "syskon": "no"} {
				if got := p.value(name); got != want {
					t.Errorf("%s is %q, was %q", name, got, want)
				}
			}
			x.says(t, "step resumed", "intyg.png")
		}},
		{"P-49", "a draft is the owner's alone", func(t *testing.T, x *tale) {
			for _, who := range []string{"draft of another", "draft of officer ett", "draft of officer fyra"} {
				is(t, who+" is not there", x.saw(t, who).gone())
				x.silentOn(t, who, secrets()...)
			}
			for _, list := range []string{"inbox before ett", "inbox before fyra", "mina of another"} {
				x.silentOn(t, list, x.draft, planted)
			}
			is(t, "another municipality has none", someone(t, x.Running, "ett", "provinge").comesIn("/mina-sidor").says("Inte skickade (0)"))
		}},
		{"P-50", "nobody else can change it, and trying is logged", func(t *testing.T, x *tale) {
			is(t, "written by another", x.saw(t, "write of another").gone())
			is(t, fmt.Sprintf("both tries are logged, not %d", x.count["draft refused"]), x.count["draft refused"] == 2)
			x.tampered(t)
		}},
		{"P-51", "drafts lie apart, under keys of their own", func(t *testing.T, x *tale) { x.apart(t) }},
		{"P-52", "to go on one has to log in", func(t *testing.T, x *tale) {
			is(t, "a draft's link asks to log in", x.saw(t, "draft after").asksLogin())
			x.silentOn(t, "draft after", secrets()...)
			x.saw(t, "resumed").at("/utkast/" + x.draft)
		}},
		{"P-53", "a draft of an old version still opens", func(t *testing.T, x *tale) { x.oldVersion(t) }},
		{"P-54", "what is saved is not sent and has not arrived", func(t *testing.T, x *tale) {
			x.says(t, "saved", "inte skickats in")
			x.says(t, "mina saved", "Det är inte skickat och har inte kommit in.")
			is(t, "no message", x.count["messages before"] == 0)
			x.silentOn(t, "inbox before ett", "Ansökan om förskoleplats")
		}},
		{"P-55", "it is sent by the button alone", func(t *testing.T, x *tale) {
			x.says(t, "review", "Signera")
			x.says(t, "fault review", "Skicka in")
			is(t, "reviewing sends nothing", x.count["messages before"] == 0)
			c := someone(t, x.Running, "", "exempelby")
			res, _ := c.once("GET", "/utkast/"+x.draft+"/skicka", nil)
			is(t, "no link sends", res.StatusCode == 405)
		}},
		{"P-56", "where a signature is required it arrives when signed", func(t *testing.T, x *tale) {
			is(t, "nothing arrived", x.count["arrived unsigned"] == 0)
			x.says(t, "mina unsigned", "Väntar på din underskrift", "har inte kommit in")
		}},
		{"P-57", "a step Signera, where a signature is required", func(t *testing.T, x *tale) {
			x.says(t, "first", "Granska och signera")
			x.silentOn(t, "fault first", "signera")
		}},
		{"P-58", "the time of arrival is set once and shown to both sides", func(t *testing.T, x *tale) {
			when := fact(x.saw(t, "case"), "Kom in")
			is(t, "the citizen sees when", when != "")
			for _, moment := range []string{"case of officer ett", "case closed", "case in progress"} {
				if got := fact(x.saw(t, moment), "Kom in"); got != when {
					t.Errorf("%s: arrived %q, the citizen saw %q", moment, got, when)
				}
			}
			x.says(t, "sent", when)
		}},
		{"P-59", "it is in the right group's list and nowhere else", func(t *testing.T, x *tale) {
			for who, there := range map[string]bool{"ett": true, "fyra": true, "tva": false, "tre": false} {
				if got := strings.Contains(x.saw(t, "inbox "+who).body, x.kase); got != there {
					t.Errorf("officer %s: in the list %v", who, got)
				}
			}
		}},
		{"P-60", "what was submitted never changes", func(t *testing.T, x *tale) {
			is(t, "nothing can be written", x.saw(t, "write gone").gone())
			x.saw(t, "draft gone").at("/arende/" + x.kase)
			if a, b := submitted(x.saw(t, "case")), submitted(x.saw(t, "case closed")); a != b || !strings.Contains(a, planted) {
				t.Errorf("what was submitted has changed, or is not shown")
			}
		}},
		{"P-61", "anonymous: a receipt, and not on Mina sidor", func(t *testing.T, x *tale) {
			is(t, "a receipt", isPDF(x.texts["fault receipt"]))
			x.says(t, "fault mina", "Skickade (0)")
			x.silentOn(t, "fault mina", x.texts["fault case"])
			is(t, "the case is nobody's who is logged in", x.saw(t, "fault case").gone())
		}},
		{"P-62", "several signatures, when an answer says so", func(t *testing.T, x *tale) {
			x.says(t, "review", "Testperson Två")
			x.says(t, "alone", "Ditt ärende är nu inskickat")
			x.saw(t, "waiting").inside("/vantar")
		}},
		{"P-63", "all parties sign: three wait for the third", func(t *testing.T, x *tale) { x.threeParties(t) }},
		{"P-64", "all sign the same", func(t *testing.T, x *tale) {
			digest := regexp.MustCompile(`name="digest" value="([0-9a-f]{64})"`)
			one, two := digest.FindStringSubmatch(x.saw(t, "room").body), digest.FindStringSubmatch(x.saw(t, "review of two").body)
			is(t, "the same digest", one != nil && two != nil && one[1] == two[1])
		}},
		{"P-65", "person two is asked when person one has signed, not before", func(t *testing.T, x *tale) {
			is(t, "no message before", x.count["messages unsigned"] == 0)
			x.holds(t, "invitation", "Ansökan om förskoleplats")
		}},
		{"P-66", "asked by the tenant's channels; how that went is shown", func(t *testing.T, x *tale) {
			is(t, "e-mail", x.mails(x.tva.mail(), "email", "/signing/portal-exempelby/i/") == 1)
			is(t, "SMS", x.mails("+46701740612", "sms", "/signing/portal-exempelby/i/") == 1)
			x.says(t, "waiting sent", "E-post skickad", "Sms skickat")
		}},
		{"P-67", "the link opens the case after login; alone it shows nothing", func(t *testing.T, x *tale) {
			x.silentOn(t, "link alone", secrets()...)
			x.says(t, "review of two", "Ansökan om förskoleplats")
		}},
		{"P-68", "person two logs in with an own e-ID of the tenant's list", func(t *testing.T, x *tale) {
			if got := x.saw(t, "login of two").chosen(); got != "mbankid freja telia bankid freja" {
				t.Errorf("offered %q", got)
			}
		}},
		{"P-69", "after the login comes the review of that very case", func(t *testing.T, x *tale) {
			x.saw(t, "review of two").inside("/2")
			x.says(t, "review of two", "Testbarn Ett", planted)
		}},
		{"P-70", "everything can be reviewed; the button comes last", func(t *testing.T, x *tale) {
			x.says(t, "review of two", "Testbarn Ett", "Förskolan Eken", "37,5 timmar", "Studerar", "intyg.png", planted)
			body := x.saw(t, "review of two").body
			is(t, "the button comes after all of it", strings.LastIndex(body, `name="digest"`) > strings.LastIndex(body, planted) && strings.LastIndex(body, `name="digest"`) > strings.LastIndex(body, "intyg.png"))
		}},
		{"P-71", "two e-ID occasions: login never signs", func(t *testing.T, x *tale) {
			is(t, fmt.Sprintf("logins and one signature, not %v", x.tva.proved), x.tva.proved["sign"] == 1 && x.tva.proved["auth"] >= 1)
			x.says(t, "after login of two", "Väntar på flerpartssignering")
		}},
		{"P-72", "only the invited person can open it", func(t *testing.T, x *tale) {
			x.silentOn(t, "link of another", secrets()...)
			is(t, "nothing to sign", x.saw(t, "link of another").find("#sign") == nil)
		}},
		{"P-73", "before everybody has signed it is not the municipality's", func(t *testing.T, x *tale) {
			is(t, "nothing arrived", x.count["arrived waiting"] == 0)
			x.silentOn(t, "inbox waiting", "Ansökan om förskoleplats")
			x.silentOn(t, "waiting", "Ärendenummer")
		}},
		{"P-74", "the last signature makes it arrive, once, within 5 s", func(t *testing.T, x *tale) {
			took := x.times["arrived"].Sub(x.times["last signature"])
			is(t, fmt.Sprintf("within 5 s of the signature, with the time in the app, not %v", took), took < 8*time.Second)
			is(t, "once", x.rows(t, "cases", "id", x.kase) == 1 && x.mails(x.ett.mail(), "email", "Ditt ärende") == 1)
		}},
		{"P-75", "status Väntar på flerpartssignering, until it has arrived", func(t *testing.T, x *tale) {
			is(t, "the very words", tagged(x.saw(t, "mina waiting"), "Väntar på flerpartssignering"))
			x.silentOn(t, "mina sent", "flerpartssignering")
		}},
		{"P-76", "who has signed and who has not", func(t *testing.T, x *tale) {
			x.says(t, "mina waiting", "Du har skrivit under", "Testperson Två har inte skrivit under än")
			x.says(t, "waiting", "Testperson Två")
		}},
		{"P-77", "after the first signature nothing says that it is sent", func(t *testing.T, x *tale) {
			x.says(t, "waiting", "Det är inte inskickat", "När den sista har skrivit under")
			x.silentOn(t, "waiting", "nu inskickat")
			x.holds(t, "waiting mail", "inte inskickat än")
			is(t, "no mail says that it has arrived before it has", !strings.Contains(x.texts["waiting mail"], "har tagit emot"))
		}},
		{"P-78", "Ditt ärende är nu inskickat, after arrival only", func(t *testing.T, x *tale) {
			is(t, "the words", x.saw(t, "sent").heading() == "Ditt ärende är nu inskickat")
			for _, moment := range []string{"signed", "waiting", "wait unsigned", "waiting sent"} {
				x.silentOn(t, moment, "nu inskickat")
			}
		}},
		{"P-79", "it says whether it can be followed", func(t *testing.T, x *tale) {
			x.says(t, "sent", "Du kan följa ärendet på Mina sidor")
			x.says(t, "fault sent", "går ärendet inte att följa på Mina sidor")
			x.holds(t, "fault mail", "går det inte att följa på Mina sidor")
		}},
		{"P-80", "a receipt as PDF, later too", func(t *testing.T, x *tale) {
			is(t, "a PDF", isPDF(x.texts["receipt"]))
			ett := x.ett.with(t)
			is(t, "from Mina sidor", isPDF(ett.get(x.saw(t, "case closed").link("Hämta kvittensen")).body))
			is(t, "what was signed", isPDF(ett.get(x.saw(t, "case closed").link("Det som är underskrivet")).body))
			x.says(t, "sent", fact(x.saw(t, "case"), "Ärendenummer"))
		}},
		{"P-81", "confirmation by e-mail, once; that staff see what was not delivered is in TestUndelivered", func(t *testing.T, x *tale) {
			is(t, "to the applicant", x.mails(x.ett.mail(), "email", "Ditt ärende") == 1)
			is(t, "to the co-owner", x.mails(x.tva.mail(), "email", "Ditt ärende") == 1)
		}},
		{"P-82", "confirmation by SMS, which holds nothing about anybody", func(t *testing.T, x *tale) {
			x.holds(t, "fault sms", "Exempelby kommun har tagit emot ditt ärende")
			for _, m := range x.Simulators.Messages("") {
				if m.Channel == "sms" && (wholeNumber.MatchString(strings.ReplaceAll(m.Text, "/", " ")) || strings.Contains(m.Text, "Testperson") || strings.Contains(m.Text, planted)) {
					t.Errorf("an SMS: %s", masked(m.Text))
				}
			}
		}},
		{"P-83", "Mina sidor is for those who are logged in", func(t *testing.T, x *tale) {
			is(t, "no entry in the menu", x.saw(t, "start").find(`nav.menu a[href$="/mina-sidor"]`) == nil)
			is(t, "the address asks to log in", x.saw(t, "mina anonymous").asksLogin())
			is(t, "an entry when logged in", x.saw(t, "case").find(`nav.menu a[href$="/mina-sidor"]`) != nil)
		}},
		{"P-85", "a case shows details, attachments, history and receipt", func(t *testing.T, x *tale) {
			x.says(t, "case", "Testbarn Ett", planted, "intyg.png", "Ärendet kom in", "Hämta kvittensen")
		}},
		{"P-86", "Fortsätt and Ta bort; removing asks first", func(t *testing.T, x *tale) {
			x.says(t, "mina before removal", "Fortsätt", "Ta bort")
			x.saw(t, "not removed by asking").at("/utkast/" + x.texts["removed"])
			x.saw(t, "removed").at("/mina-sidor")
			is(t, "it is gone", x.saw(t, "removed gone").gone())
			for table, column := range map[string]string{"drafts": "id", "draft_bodies": "draft", "draft_files": "draft"} {
				is(t, "nothing is left in "+table, x.rows(t, table, column, x.texts["removed"]) == 0)
			}
		}},
		{"P-87", "only what was made while logged in is listed", func(t *testing.T, x *tale) {
			x.says(t, "fault mina", "Skickade (0)", "Det du har skickat utan att logga in visas inte här")
		}},
		{"P-88", "each change of status, with its date", func(t *testing.T, x *tale) {
			x.says(t, "case", "Inkommet")
			x.says(t, "case in progress", "Under handläggning", "Ny status: Under handläggning")
			x.says(t, "case closed", "Ny status: Under handläggning", "Ny status: Avslutat")
			is(t, "with dates", regexp.MustCompile(`Ny status: Avslutat \d+ \p{L}+ 20\d\d kl\. \d\d\.\d\d`).MatchString(x.saw(t, "case closed").main()) || dated(x.saw(t, "case closed"), "Ny status: Avslutat"))
			x.says(t, "mina closed", "Avslutade (1)")
		}},
		{"P-89", "messages both ways, with a notice to the other side", func(t *testing.T, x *tale) {
			x.says(t, "case with message", planted+"-svar")
			x.says(t, "citizen wrote", "Ditt meddelande är skickat", "Här är mer")
			x.says(t, "officer reads answer", "Här är mer")
			x.says(t, "inbox with answer", "Ansökan om förskoleplats")
			is(t, "the applicant is told", x.mails("+46701740620", "sms", "nytt meddelande") == 1)
			is(t, "not of one's own words", x.mails(x.ett.mail(), "email", "Nytt meddelande") == 0)
		}},
		{"P-94", "told by e-mail or SMS, as chosen", func(t *testing.T, x *tale) {
			x.says(t, "profile", "Dina uppgifter är sparade")
			is(t, "by SMS", x.mails("+46701740620", "sms", "") >= 2)
			is(t, "and not by e-mail", x.mails("ny@example.se", "email", "") == 0)
		}},
		{"P-97", "a notice's link leads to the case, after login", func(t *testing.T, x *tale) {
			is(t, "first the login", x.saw(t, "notice link").asksLogin())
			x.silentOn(t, "notice link", secrets()...)
			x.saw(t, "notice followed").at("/arende/" + x.kase)
		}},
		{"P-98", "notices hold nothing of the case but what names it", func(t *testing.T, x *tale) {
			for _, m := range x.Simulators.Messages("") {
				all := m.Subject + m.Text + m.HTML
				for _, secret := range []string{planted, "Testbarn", "Testperson", "Testvägen", "Förskolan"} {
					if strings.Contains(all, secret) {
						t.Errorf("%s to somebody holds %q: %s", m.Channel, secret, masked(m.Subject))
					}
				}
				for _, p := range x.Simulators.People() {
					if strings.Contains(all, p.Number) || strings.Contains(all, p.Number[2:]) || strings.Contains(all, p.Number[:8]+"-"+p.Number[8:]) {
						t.Errorf("a message holds a personal number: %s", masked(m.Subject))
					}
				}
				is(t, "nothing is enclosed", len(m.Attachments) == 0)
			}
		}},
		{"P-103", "nothing leaks between municipalities", func(t *testing.T, x *tale) {
			c := someone(t, x.Running, "ett", "provinge")
			mine := c.comesIn("/mina-sidor")
			is(t, "Mina sidor of the other is empty", mine.says("Skickade (0)") && mine.says("Avslutade (0)"))
			for _, path := range []string{"/arende/" + x.kase, "/arende/" + x.kase + "/inskickat", "/utkast/" + x.draft, "/utkast/" + x.draft + "/vantar"} {
				if s := c.get(path); !s.gone() {
					t.Errorf("%d %s", s.status, s)
				}
			}
			is(t, "their officers neither", x.saw(t, "case of officer tre").gone())
		}},
		{"P-104", "officers read cases of their own kind alone, and that is logged", func(t *testing.T, x *tale) {
			is(t, "of another kind", x.saw(t, "case of officer tva").gone())
			x.silentOn(t, "case of officer tva", secrets()...)
			x.says(t, "case of officer ett", planted, "Testbarn Ett")
			is(t, "each reading is logged", x.count["read by ett"] == 1 && x.count["read by fyra"] == 1 && x.count["read by tva"] == 0)
		}},
		{"P-105", "cases go to the officers who are appointed, by group", func(t *testing.T, x *tale) {
			x.says(t, "inbox ett", "Ansökan om förskoleplats")
			x.silentOn(t, "inbox tva", x.kase)
			is(t, "who is of no group is not let in", x.saw(t, "inbox fem").status == 403)
		}},
		{"P-106", "officers set status and write, and the citizen sees it", func(t *testing.T, x *tale) {
			x.says(t, "officer wrote", "Meddelandet är skickat")
			x.says(t, "status set", "Statusen är ändrad")
			x.says(t, "case in progress", "Under handläggning", planted+"-svar")
			o, _ := officer(t, x.Running, "tva", "exempelby")
			s := o.post("/handlaggare/arende/"+x.kase+"/status", url.Values{"was": {"closed"}, "to": {"arrived"}})
			is(t, "not by others", s.gone())
		}},
		{"P-121", "logged out after doing nothing, with a warning before", func(t *testing.T, x *tale) {
			c := someone(t, x.Running, "tio", "exempelby")
			in := c.comesIn("/mina-sidor").at("/mina-sidor")
			is(t, "a warning", in.find("dialog[data-idle]") != nil && in.says("Du loggas snart ut"))
			if res, _ := c.once("POST", "/kvar", nil); res.StatusCode != 204 {
				t.Errorf("the session is not prolonged: %d", res.StatusCode)
			}
			x.clock.forward(21 * time.Minute)
			if res, _ := c.once("POST", "/kvar", nil); res.StatusCode != 401 {
				t.Errorf("the session still lives: %d", res.StatusCode)
			}
			is(t, "the page asks to log in", c.get("/mina-sidor").asksLogin())
		}},
		{"P-122", "log out by the menu; the session is dead, the broker's too", func(t *testing.T, x *tale) {
			is(t, "the page says so", x.saw(t, "logged out").heading() == "Du är utloggad")
			is(t, "nothing is shown", x.saw(t, "mina after").asksLogin())
			is(t, "the next login shows an e-ID", x.saw(t, "login again").chosen() != "")
		}},
		{"P-123", "close the browser; personal pages are not stored", func(t *testing.T, x *tale) {
			x.says(t, "logged out", "Stäng webbläsaren")
			for _, moment := range []string{"case", "mina sent", "first", "review", "waiting", "case of officer ett"} {
				if got := x.saw(t, moment).header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
					t.Errorf("%s: Cache-Control %q", moment, got)
				}
			}
		}},
	}
}
