package judges

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The two municipalities of the demo.
const (
	exempelby = portal + "/exempelby"
	provinge  = portal + "/provinge"
)

// What citizens press, in either language.
const (
	begin    = `form[action$="/starta"] button`
	toPortal = `main form[action$="/logga-in"] button`
	next     = `.acts button[name=go][value=next]`
	stop     = `.acts button[name=go][value=save]`
	send     = `form[action$="/skicka"] button`
)

// A citizen is a person with addresses that only one story uses.
type citizen struct {
	person
	mail, mobile string
}

// citizen gives a person by the short name. The number is of the series that is
// kept free for fiction, and the story's own.
func (d *demo) citizen(t testing.TB, short string, number int) citizen {
	t.Helper()
	return citizen{d.phone.named(t, short), fmt.Sprintf("%s.%d@example.se", short, number), fmt.Sprintf("070-17406%02d", number)}
}

// told waits for a message to a citizen that holds a text.
func (d *demo) told(t testing.TB, c citizen, channel, text string) message {
	t.Helper()
	to := map[string]string{"email": c.mail, "sms": "+46" + strings.ReplaceAll(c.mobile, "-", "")[1:]}[channel]
	deadline := time.Now().Add(patience)
	for {
		list := d.phone.messages(t, to)
		for i := len(list) - 1; i >= 0; i-- {
			if m := list[i]; strings.Contains(m.Subject+"\n"+m.Text, text) {
				if m.Channel != channel || m.Repeat {
					t.Errorf("the message is %s, repeated %t", m.Channel, m.Repeat)
				}
				return m
			}
		}
		if time.Now().After(deadline) {
			var subjects []string
			for _, m := range list {
				subjects = append(subjects, m.Subject)
			}
			t.Fatalf("no %s with %q came to %s: %q", channel, text, c.Name, subjects)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// proves is the whole of a login at the e-ID, from the chooser on, back to the
// portal.
func (x *tab) proves(d *demo, c citizen) {
	x.t.Helper()
	x.at(issuer + "/login/")
	x.click(withQR)
	x.provenBy(d, c.person)
	x.at(portal + "/")
}

// step waits for a step of an application.
func (x *tab) step(id string) {
	x.t.Helper()
	x.until("the step "+id, "location.pathname.endsWith("+quote("/s/"+id)+") && document.querySelector('form.questions')")
}

// review waits for the page where all answers stand.
func (x *tab) review() {
	x.t.Helper()
	x.until("the review", "location.pathname.endsWith('/granska') && document.querySelector("+quote(send)+")")
}

// pick chooses the alternative that is named so.
func (x *tab) pick(name, words string) {
	x.t.Helper()
	found := "[...document.querySelectorAll('input[name=" + quote(name) + "]')].flatMap(i => [...i.labels ?? []]).find(l => l.innerText.includes(" + quote(words) + "))"
	x.until("the alternative "+words, found)
	run(x, "pick "+words, chromedp.Click(chromedp.JSPath(found)))
}

// chooseFrom takes an alternative of a list.
func (x *tab) chooseFrom(name, words string) {
	x.t.Helper()
	css := "select[name=" + quote(name) + "]"
	x.has(css)
	if !value[bool](x, `(() => {
		const s = document.querySelector(`+quote(css)+`), o = [...s.options].find(o => o.text.includes(`+quote(words)+`))
		if (!o) return false
		s.value = o.value
		for (const kind of ['input', 'change']) s.dispatchEvent(new Event(kind, {bubbles: true}))
		return true
	})()`) {
		x.t.Fatalf("%s has no alternative %s\n%s", name, words, x.where())
	}
}

// An answer is what somebody says to a question: typed, picked or chosen from a
// list, as the question wants it.
type answer struct{ name, says string }

// aPlace answers the step about the place, in Swedish.
func aPlace(more ...answer) []answer {
	start := time.Now().AddDate(0, 3, 0)
	return append([]answer{
		{"startdatum.day", start.Format("2")}, {"startdatum.month", start.Format("1")}, {"startdatum.year", start.Format("2006")},
		{"forskolor.1", "Eken"}, {"omfattning", "37,5"}, {"sysselsattning", "arbetar"}, {"syskon", "no"},
	}, more...)
}

// answers fills in a step.
func (x *tab) answers(all []answer) {
	x.t.Helper()
	for _, a := range all {
		css := `form.questions [name=` + quote(a.name) + `]:not([type=hidden])`
		x.has(css)
		switch value[string](x, "(e => e.type)(document.querySelector("+quote(css)+"))") {
		case "radio", "checkbox":
			x.click(`label[for=` + quote(value[string](x, "document.querySelector("+quote(css+`[value=`+quote(a.says)+`]`)+").id")) + `]`)
		case "select-one":
			x.chooseFrom(a.name, a.says)
		default:
			x.fill(css, a.says)
		}
	}
}

// reach answers how to reach the applicant.
func (x *tab) reach(c citizen, notify string) {
	x.t.Helper()
	x.answers([]answer{{"mina.email", c.mail}, {"mina.phone", c.mobile}, {"mina.notify", notify}})
}

// signsAndSends goes from the review to the signing room, signs, and comes back.
func (x *tab) signsAndSends(d *demo, c citizen) {
	x.t.Helper()
	x.click(send)
	x.at(issuer + "/signing/")
	x.has("#sign")
	x.signs(d, c.person)
	x.comesBack()
}

// comesBack goes from the signing room to the municipality that asked.
func (x *tab) comesBack() {
	x.t.Helper()
	x.press(map[string]string{"sv": "Tillbaka till", "en": "Back to"}[x.lang])
	x.at(portal + "/")
}
