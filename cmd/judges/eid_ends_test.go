package judges

import (
	"regexp"
	"strings"
	"testing"
)

// What people press on a page that says why nothing came of it.
const (
	tryAgain    = `form[action$="/restart"] button`
	chooseOther = `main .acts a`
)

// A said is words in both languages.
type said struct{ sv, en string }

func (s said) in(lang string) string {
	if lang == "en" {
		return s.en
	}
	return s.sv
}

// The headings of what can come of a login or a signature.
var (
	loginCancelled = said{"Inloggningen avbröts", "The login was cancelled"}
	signCancelled  = said{"Underskriften avbröts", "The signing was cancelled"}
	timedOut       = said{"Tiden gick ut", "Time ran out"}
	noAnswer       = said{"E-legitimationen svarar inte", "The e-ID does not answer"}
	tooLow         = said{"E-legitimationen räcker inte här", "The e-ID is not enough here"}
	blocked        = said{"E-legitimationen går inte att använda", "The e-ID cannot be used"}
	unsuitable     = said{"Det går inte med den här appen eller enheten", "This app or device cannot be used"}
	wrongPerson    = said{"E-legitimationen är en annan persons", "The e-ID is another person's"}
	frejaLevel     = said{"Kontrollera att du har Freja på rätt nivå", "Check that you have Freja at the required level"} // a text
	wentWrong      = said{"Något gick fel", "Something went wrong"}
)

var referenceShape = regexp.MustCompile(`^[0-9A-Z]{5}-[0-9A-Z]{5}$`)

// ends waits for the page that says why nothing came of it, and reads it in both
// languages: the heading, a text that holds some words, a number to refer to, and
// whether it leads to the issuer's help. The window stays in the other language.
func (x *tab) ends(heading, text said, help string) {
	x.t.Helper()
	x.has(".ref b")
	for i := range languages {
		if i > 0 {
			x.turn()
		}
		if got := value[string](x, "document.querySelector('h1').innerText"); got != heading.in(x.lang) {
			x.t.Errorf("the page is %q, not %q\n%s", got, heading.in(x.lang), x.where())
		}
		x.holds(text.in(x.lang))
		if got := value[string](x, "document.querySelector('.ref b').innerText"); !referenceShape.MatchString(got) {
			x.t.Errorf("the page has the number %q", got)
		}
		var links []string
		if help != "" {
			links = []string{said{"Testa ", "Test "}.in(x.lang) + help, said{"Hjälp med ", "Help with "}.in(x.lang) + help}
		}
		const shown = `[...document.querySelectorAll('main .links a')].map(a => a.innerText.trim()).join('|')`
		if got := value[string](x, shown); got != strings.Join(links, "|") {
			x.t.Errorf("the page leads to help at %q, not %q", got, links)
		}
		if value[bool](x, `[...document.querySelectorAll('main .links a')].some(a => !/^https?:/.test(a.href))`) {
			x.t.Error("a link to help leads nowhere")
		}
	}
}

// turn brings a window to the other language.
func (x *tab) turn() {
	x.t.Helper()
	x.lang = map[string]string{"sv": "en", "en": "sv"}[x.lang]
	x.speak()
}

// refuses lets a person say no, where reaches has led.
func (x *tab) refuses(d *demo, e eid, p person) {
	x.t.Helper()
	switch {
	case e.device == "other":
		x.must(d.phone.act(x.scanned(d), "cancel", p.Number, ""))
	case siteOfEIDs[e.provider] != "":
		x.click(`button[value=cancel]`)
	default:
		x.asInApp(p.short())
		x.click(`button[value=cancel]`)
		x.backFromApp()
	}
}

// backFromApp goes back from an app that is done, as far as nobody approved.
func (x *tab) backFromApp() {
	x.t.Helper()
	x.has(".mark.failed")
	x.click(`main a.main`)
}

// fails lets an issuer end an order, where reaches has led: by its own word for how.
func (x *tab) fails(d *demo, e eid, how string) {
	x.t.Helper()
	switch {
	case e.device == "other":
		x.must(d.phone.act(x.scanned(d), "fail", "", how))
	case siteOfEIDs[e.provider] != "":
		button := `button[value="fail:` + how + `"]`
		if e == testEID {
			button = `button[name=hint][value=` + how + `]`
		}
		x.click(`details:has(` + button + `) summary`)
		x.click(button)
	default:
		at := x.location()
		x.must(d.phone.act(at[strings.LastIndex(at, "/")+1:], "fail", "", how))
		x.visit(at)
		x.backFromApp()
	}
}

// testEIDEnds lets logins come to nothing with each e-ID: somebody says no, nobody
// answers in time, the e-ID is too weak. Between them the person tries again as the
// pages offer, and in the end goes back to the application.
func testEIDEnds(t *testing.T, d *demo, b *chromium) {
	type ending struct {
		name          string
		comes         func(x *tab)
		heading, text said
		help          string
	}
	type story struct {
		eid
		lang, who string
		endings   []ending
	}
	stories := []story{
		{mobile, "sv", "fyra", []ending{
			{"timeout", func(x *tab) { x.fails(d, mobile, "expiredTransaction") }, timedOut, said{"Det tog för lång tid.", "It took too long."}, "BankID"},
			// A BankID has no levels. This is what comes nearest: the app cannot do
			// what is asked of it.
			{"unsuitable", func(x *tab) { x.fails(d, mobile, "notSupportedByUserApp") }, unsuitable, said{"Uppdatera BankID-appen.", "Update the BankID app."}, "BankID"},
		}},
		{bankID, "en", "tjugoatta", []ending{
			{"timeout", func(x *tab) { x.fails(d, bankID, "expiredTransaction") }, timedOut, said{"Det tog för lång tid.", "It took too long."}, "BankID"},
			// No levels here either: an e-ID that is blocked.
			{"unsuitable", func(x *tab) {
				x.agrees(d, bankID, d.phone.named(t, "tjugoatta"))
				x.backFromApp()
			}, blocked, said{"Ditt BankID är spärrat", "Your BankID is blocked"}, "BankID"},
		}},
		{frejaQR, "sv", "fyra", []ending{
			{"timeout", func(x *tab) { x.fails(d, frejaQR, "EXPIRED") }, timedOut, frejaLevel, "Freja eID+"},
			{"level", func(x *tab) { x.tooWeak(d, b) }, timedOut, frejaLevel, "Freja eID+"},
		}},
		{frejaApp, "en", "fyra", []ending{
			{"timeout", func(x *tab) { x.fails(d, frejaApp, "EXPIRED") }, timedOut, frejaLevel, "Freja eID+"},
		}},
		{telia, "en", "fyra", []ending{
			// An identity provider of SAML has no word for it.
			{"timeout", func(x *tab) { x.fails(d, telia, "timeout") }, noAnswer, said{"Försök om en stund", "Try again shortly"}, "Telia e-legitimation"},
			{"level", func(x *tab) { x.fails(d, telia, "noAuthnContext") }, tooLow, said{"inte den säkerhetsnivå", "security level"}, "Telia e-legitimation"},
			{"level-of-answer", func(x *tab) {
				x.click(`details:has(#fault) summary`)
				x.chooseFrom("fault", "wrongLevel")
				x.agrees(d, telia, d.phone.person(t, 3))
			}, tooLow, said{"inte den säkerhetsnivå", "security level"}, "Telia e-legitimation"},
		}},
		{testEID, "sv", "fyra", []ending{
			{"level", func(x *tab) { x.fails(d, testEID, "unmet_authentication_requirements") }, tooLow, said{"nivå", "level"}, ""},
		}},
	}
	for _, s := range stories {
		t.Run(s.eid.String(), func(t *testing.T) {
			t.Parallel()
			x := b.somebody(t, s.lang)
			x.visit(app + "/login")
			x.at(issuer + "/login/")
			x.reaches(s.eid)
			refused := ending{"refusal", func(x *tab) { x.refuses(d, s.eid, d.phone.named(t, s.who)) }, loginCancelled, said{"avbröt", "cancelled"}, ""}
			if s.provider == frejaQR.provider {
				refused.text = said{"Du avbröt i Freja.", "You declined in Freja."}
			}
			for i, e := range append([]ending{refused}, s.endings...) {
				if !t.Run(e.name, func(t *testing.T) {
					x.t = t
					switch i {
					case 0:
					case 1: // the same again
						x.click(tryAgain)
						x.arrives(s.eid)
					default: // another, which is the same
						x.click(chooseOther)
						x.at(issuer + "/login/")
						x.reaches(s.eid)
					}
					e.comes(x)
					x.ends(e.heading, e.text, e.help)
					if e.name != "unsuitable" && e.name != "level-of-answer" {
						x.judge("eid-" + s.eid.String() + "-" + e.name)
					}
				}) {
					break
				}
			}
			x.t = t
			x.click(giveUp)
			x.at(app + "/")
			x.until("word that nobody is logged in", `document.querySelector('main [role=alert]')`)
			x.clean()
		})
	}
}

// tooWeak: the app of a person whose Freja is of a lower level lets nobody approve,
// and says so; then time runs out.
func (x *tab) tooWeak(d *demo, b *chromium) {
	x.t.Helper()
	p := b.takePhone(x.t, x.lang, "fyrtiosex")
	p.scan(func() string { return x.waiting(issuer).QR })
	p.has(".notice")
	if value[bool](p, "!!document.querySelector("+quote(approve)+")") {
		x.t.Error("the app lets a person approve whose level is too low")
	}
	at := p.location()
	x.must(d.phone.act(at[strings.LastIndex(at, "/")+1:], "fail", "", "EXPIRED"))
}

// testEIDWrongPerson: what one is to sign nobody else can, with whatever e-ID; nor
// is anything signed by who says no, or lets time run out.
func testEIDWrongPerson(t *testing.T, d *demo, b *chromium) {
	s := newSigner(t, d)
	one, other := d.nobodyYet(t), d.phone.person(t, 3)
	o := s.order("sv", "Bara för en av dem", nil, one.by("none"))
	x := b.somebody(t, "sv")
	x.visit(o.Signatories[0].SignURL)
	x.logsIn(d, one)
	for _, e := range []eid{telia, bankID, mobile, frejaQR} {
		if !t.Run(e.String(), func(t *testing.T) {
			x.t = t
			x.has("#sign")
			x.reaches(e)
			switch {
			case e == telia:
				x.agrees(d, e, other)
				x.ends(wrongPerson, said{"som en annan person än den som skulle göra det", "someone other than the person expected"}, "")
				x.judgeInBoth("eid-sign-wrong-person")
				x.click(chooseOther)
				x.has("#sign")
				x.reaches(e)
				x.fails(d, e, "timeout")
				x.ends(noAnswer, said{"Ingenting är underskrivet", "Nothing is signed"}, "Telia e-legitimation")
				x.click(tryAgain)
				x.arrives(e)
				x.refuses(d, e, one)
			case e == frejaQR:
				// Who scans is who is asked: only the answer tells who it was.
				x.agrees(d, e, other)
				x.ends(wrongPerson, said{"någon annan än den som godkände den", "somebody else than the one who approved it"}, "")
				x.click(chooseOther)
				x.has("#sign")
				x.reaches(e)
				x.refuses(d, e, one)
			case e.device == "other":
				id := x.scanned(d)
				if _, err := d.phone.approve(id, other.Number); err == nil {
					t.Error("the app lets another person sign")
				}
				x.must(d.phone.act(id, "cancel", other.Number, ""))
			default:
				x.asInApp(other.short())
				x.has(".notice")
				if value[bool](x, "!!document.querySelector("+quote(approve)+")") {
					t.Error("the app lets another person sign")
				}
				x.click(`button[value=cancel]`)
				x.backFromApp()
			}
			x.ends(signCancelled, said{"Ingenting är underskrivet", "Nothing is signed"}, "")
			x.click(chooseOther)
			x.has("#sign")
		}) {
			return
		}
	}
	x.t = t
	if got := s.get(o.ID); got.State != "open" || got.Signatories[0].State == "signed" {
		t.Errorf("the order is %+v", got)
	}
	x.clean()
}

// testEIDBadDays: an issuer tells of another person than signed, or of a level that
// is too low, and our side says so.
func testEIDBadDays(t *testing.T, d *demo, b *chromium) {
	s := newSigner(t, d)
	one := d.nobodyYet(t)
	o := s.order("en", "On a bad day", nil, one.by("none"))
	x := b.somebody(t, "en")
	x.visit(o.Signatories[0].SignURL)
	x.logsIn(d, one)
	for _, c := range []struct {
		eid
		fault   string
		heading said
		help    string
	}{
		{frejaQR, "wrongPerson", wrongPerson, ""},
		{frejaQR, "lowerLevel", tooLow, "Freja eID+"},
		{mobile, "wrongPerson", wentWrong, "BankID"},
		{telia, "wrongPerson", wentWrong, "Telia e-legitimation"},
	} {
		if !t.Run(c.eid.String()+"-"+c.fault, func(t *testing.T) {
			x.t = t
			d.phone.fault(t, c.fault)
			x.has("#sign")
			x.provesWith(d, c.eid, one)
			x.ends(c.heading, said{"", ""}, c.help)
			x.click(chooseOther)
			x.has("#sign")
		}) {
			return
		}
	}
	x.t = t
	x.clean()
}
