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

	leavePortal = `.menu form[action$="/logga-ut"] button`
	toProfile   = `.menu a[href$="/profil"]`
	toOffice    = `main form[action$="/handlaggare/logga-in"] button`
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

// waits waits for the page of a draft that waits for signatures.
func (x *tab) waits() {
	x.t.Helper()
	x.until("the page of a draft that waits", "location.pathname.endsWith('/vantar') && document.querySelector('.timeline') && !document.querySelector('.spin')")
}

// sent waits for the word that a case has arrived.
func (x *tab) sent() {
	x.t.Helper()
	x.until("word that it has arrived", "location.pathname.endsWith('/inskickat') && document.querySelector('h1') && document.querySelector('main a[download]')")
}

// problems demands that the summary of errors has a line for each text, and no
// more, and that each line leads to something.
func (x *tab) problems(texts ...string) {
	x.t.Helper()
	x.until("a summary of errors", fmt.Sprintf("document.querySelectorAll('#problems li').length === %d", len(texts)))
	for i, text := range texts {
		if line := value[string](x, fmt.Sprintf("document.querySelectorAll('#problems li')[%d].innerText", i)); !strings.Contains(line, text) {
			x.t.Errorf("line %d of the summary says %s, not %s", i+1, line, text)
		}
	}
	if !value[bool](x, "[...document.querySelectorAll('#problems a')].every(a => document.querySelector(a.hash))") {
		x.t.Errorf("the summary of errors leads nowhere\n%s", x.where())
	}
}

// mails counts a citizen's mails that hold a text.
func (d *demo) mails(t testing.TB, c citizen, text string) int {
	t.Helper()
	n := 0
	for _, m := range d.phone.messages(t, c.mail) {
		if strings.Contains(m.Subject+"\n"+m.Text, text) {
			n++
		}
	}
	return n
}

// asked waits until a citizen has been asked n times by mail to sign, and gives
// the newest.
func (d *demo) asked(t testing.TB, c citizen, n int) message {
	t.Helper()
	const words = "ber om din underskrift"
	deadline := time.Now().Add(patience)
	for d.mails(t, c, words) < n {
		if time.Now().After(deadline) {
			t.Fatalf("%s is asked to sign %d times, not %d", c.Name, d.mails(t, c, words), n)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return d.told(t, c, "email", words)
}

// follows opens a message in the inbox and follows its link.
func (x *tab) follows(m message, to string) {
	x.t.Helper()
	x.visit(phone + "/inbox/" + m.ID)
	x.click(`.letter a, .bubble a`)
	x.at(to + "/")
}

// entersOffice logs an officer in.
func (x *tab) entersOffice(id string) {
	x.t.Helper()
	x.click(toOffice)
	x.at(phone + "/oidc/staff")
	x.click(`button[name=officer][value=` + id + `]`)
	x.at(portal + "/")
}

// paper finds the link to a paper of a case.
func (x *tab) paper(words string) string {
	x.t.Helper()
	found := "[...document.querySelectorAll('.papers a')].find(a => a.innerText.includes(" + quote(words) + "))"
	x.until("the paper "+words, found)
	return ".papers a[href=" + quote(value[string](x, found+".getAttribute('href')")) + "]"
}
