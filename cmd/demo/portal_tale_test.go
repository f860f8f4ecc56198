package main

import (
	"bytes"
	"database/sql"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver by which the store is looked into
)

// A tale is what was seen while people did their errands, by the name of the
// moment. What is asserted about it stands in the table of requirements.
type tale struct {
	Running
	clock *clock
	data  string
	on    map[string]screen
	texts map[string]string
	times map[string]time.Time
	count map[string]int

	ett, tva, tre *citizen // parents of the child; somebody else
	draft, kase   string
	own           *house // another installation, with folders of its own
}

func newTale(t *testing.T) *tale {
	t.Helper()
	x := &tale{data: t.TempDir(), on: map[string]screen{}, texts: map[string]string{}, times: map[string]time.Time{}, count: map[string]int{}}
	x.Running, x.clock = hall(t, Config{Data: x.data})
	x.ett, x.tva, x.tre = someone(t, x.Running, "ett", "exempelby"), someone(t, x.Running, "tva", "exempelby"), someone(t, x.Running, "tre", "exempelby")
	return x
}

// audited counts the acts of a type in the portal's audit.
func (x *tale) audited(t testing.TB, what, order string) int {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(x.data, "data", "portal.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := 0
	row := db.QueryRow(`SELECT (SELECT count(*) FROM audit_waiting WHERE type = ?1 AND (?2 = '' OR order_id = ?2)) + (SELECT count(*) FROM audit_chain WHERE type = ?1 AND (?2 = '' OR order_id = ?2))`, what, order)
	if err := row.Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// mails counts messages to an address that hold a text.
func (x *tale) mails(to, channel, holds string) int {
	n := 0
	for _, m := range x.Simulators.Messages(to) {
		if (channel == "" || m.Channel == channel) && strings.Contains(m.Subject+"\n"+m.Text, holds) && !m.Repeat {
			n++
		}
	}
	return n
}

// unsent is the first part: an application that is filled in, put away, and gone
// on with.
func (x *tale) unsent(t *testing.T) {
	ett := x.ett.with(t)
	x.on["start"], x.on["service"], x.on["fault service"] = ett.get("/"), ett.get("/e/forskoleplats"), ett.get("/e/felanmalan")
	x.on["mina anonymous"] = ett.get("/mina-sidor")
	x.on["chooser"] = x.on["service"].form(`form[action$="/starta"]`).press("")
	x.on["first"] = x.on["chooser"].proves().at("/utkast/")
	x.draft = x.on["first"].draft()
	at := "/utkast/" + x.draft

	x.on["empty"] = x.on["first"].questions().press("next")
	x.on["ahead"] = ett.get(at + "/s/kontakt")
	x.on["review ahead"] = ett.get(at + "/granska")
	revision := x.on["first"].questions().values.Get("revision")
	x.on["sent ahead"] = ett.post(at+"/skicka", url.Values{"revision": {revision}, "notice": {strings.Repeat("0", 64)}})

	s := ett.get(at).fill(preschool("Testbarn Ett")).press("next")
	for s.step() == "barnet" { // the second guardian's questions have come
		x.on["more"] = s
		s = s.fill(preschool("Testbarn Ett")).press("next")
	}
	x.on["place"] = s
	s = s.fill(preschool("").and(said{"sysselsattning": "annat"})).press("next")
	s.questions().set("annat_vad", "dold-text").press("next").inside("/s/kontakt")
	s = ett.get(at+"/s/platsen").questions().set("sysselsattning", "studerar").press("next")
	x.on["file asked"] = s.inside("/s/platsen")
	s = s.questions().file("studieintyg", "intyg.exe", []byte("MZ not a picture")).press("attach:studieintyg")
	x.on["file refused"] = s
	x.on["file"] = ett.get(at+"/s/platsen").questions().file("studieintyg", "intyg.png", picture(t)).press("attach:studieintyg")
	x.on["saved"] = x.on["file"].questions().press("save")
	x.on["mina saved"] = ett.get("/mina-sidor")

	// Nobody else gets at it.
	tre := x.tre.with(t)
	x.on["mina of another"] = tre.comesIn("/mina-sidor")
	before := x.audited(t, "draft.refused", x.draft)
	x.on["draft of another"] = tre.get(at + "/s/platsen")
	x.on["write of another"] = tre.post(at+"/s/platsen", url.Values{"revision": {"1"}, "go": {"next"}, "ovrigt": {"x"}})
	x.count["draft refused"] = x.audited(t, "draft.refused", x.draft) - before
	for _, id := range []string{"ett", "fyra"} {
		o, list := officer(t, x.Running, id, "exempelby")
		x.on["inbox before "+id] = list
		x.on["draft of officer "+id] = o.get("/handlaggare/arende/" + x.draft)
	}

	x.on["logged out"] = ett.get("/mina-sidor").form(`header form[action$="/logga-ut"], nav form[action$="/logga-ut"]`).press("")
	x.on["mina after"] = ett.get("/mina-sidor")
	x.on["draft after"] = ett.get(at)
	x.on["login again"] = x.on["draft after"].form(`main form[action$="/logga-in"]`).press("")
	x.on["resumed"] = x.on["login again"].proves()
	x.on["step resumed"] = ett.get(at + "/s/platsen")
}

// sent is the second part: it is sent, and both guardians sign.
func (x *tale) sent(t *testing.T) {
	ett, tva, tre := x.ett.with(t), x.tva.with(t), x.tre.with(t)
	at := "/utkast/" + x.draft
	s := ett.get(at).fills(preschool("Testbarn Ett").and(said{"sysselsattning": "studerar"}))
	x.on["review"] = s
	send := s.form(`form[action$="/skicka"]`)
	x.on["another notice"] = ett.post(at+"/skicka", url.Values{"revision": {send.values.Get("revision")}, "notice": {strings.Repeat("0", 64)}})
	x.count["messages before"] = len(x.Simulators.Messages(""))
	room := send.press("")
	x.on["room"] = room
	x.on["wait unsigned"] = ett.get(at + "/vantar")
	x.on["mina unsigned"] = ett.get("/mina-sidor")
	x.count["messages unsigned"] = len(x.Simulators.Messages(""))
	x.count["arrived unsigned"] = x.audited(t, "case.arrived", "")
	x.on["signed"] = room.signs()
	x.on["waiting"] = x.on["signed"].back()
	x.on["mina waiting"] = ett.get("/mina-sidor")
	x.on["step locked"] = ett.get(at + "/s/platsen")
	_, x.texts["waiting mail"] = told(t, x.Running, ett.mail(), "email", "Inte inskickat än")

	var link string
	link, x.texts["invitation"] = told(t, x.Running, tva.mail(), "email", "Exempelby kommun ber")
	told(t, x.Running, "+46701740612", "sms", "/signing/portal-exempelby/i/")
	x.texts["link"] = link
	x.on["waiting sent"] = ett.reload("the delivery", x.on["waiting"].url.String(), func(s screen) bool { return s.says("E-post skickad") && s.says("Sms skickat") })
	x.on["link alone"] = tva.get(link)
	x.on["link of another"] = tre.opens(link)
	x.on["inbox waiting"] = x.inbox(t, "fyra", "exempelby")
	x.count["arrived waiting"] = x.audited(t, "case.arrived", "")

	x.on["login of two"] = tva.get(link).form(`main form[action$="/login"]`).press("")
	x.on["review of two"] = x.on["login of two"].proves()
	x.on["after login of two"] = ett.get(at + "/vantar")
	x.on["mina of two asked"] = tva.comesIn("/mina-sidor")

	signing := tva.get(x.on["review of two"].url.String())
	x.times["last signature"] = time.Now()
	x.on["signed by two"] = signing.signs()
	until(t, "the arrival", func() bool { return x.audited(t, "case.arrived", "") > 0 })
	x.times["arrived"] = time.Now()
	x.on["sent"] = ett.reload("the confirmation", at+"/vantar", func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
	x.kase = x.on["sent"].caseID()
	x.on["sent"] = ett.reload("the receipt", "/arende/"+x.kase+"/inskickat", func(s screen) bool { return s.says("Hämta kvittensen") })
	x.texts["receipt"] = ett.get(x.on["sent"].link("Hämta kvittensen")).body
	_, x.texts["arrived mail"] = told(t, x.Running, ett.mail(), "email", "Ditt ärende")
	x.texts["arrived link"], _ = told(t, x.Running, tva.mail(), "email", "Ditt ärende")
	x.on["mina sent"], x.on["mina sent of two"] = ett.get("/mina-sidor"), tva.get("/mina-sidor")
	x.on["case"] = ett.get("/arende/" + x.kase)
	x.on["draft gone"] = ett.get(at)
	x.on["write gone"] = ett.post(at+"/s/platsen", url.Values{"revision": {"1"}, "go": {"next"}})
}

func (x *tale) inbox(t *testing.T, id, tenant string) screen {
	_, s := officer(t, x.Running, id, tenant)
	return s
}

// handled is the third part: officers read, write and close.
func (x *tale) handled(t *testing.T) {
	ett := x.ett.with(t)
	at := "/handlaggare/arende/" + x.kase
	for _, id := range []string{"ett", "tva", "fyra"} {
		o, list := officer(t, x.Running, id, "exempelby")
		x.on["inbox "+id] = list
		before := x.audited(t, "case.read", x.kase)
		x.on["case of officer "+id] = o.get(at)
		x.count["read by "+id] = x.audited(t, "case.read", x.kase) - before
	}
	x.on["inbox fem"] = x.inbox(t, "fem", "exempelby")
	o, list := officer(t, x.Running, "tre", "provinge")
	x.on["inbox tre"], x.on["case of officer tre"] = list, o.get(at)

	// From now on by SMS alone.
	p := ett.get("/profil").form(`main form[action$="/profil"]`).set("email", "ny@example.se").set("phone", "070-174 06 20").set("notify", "sms")
	x.on["profile"] = p.press("")

	o, _ = officer(t, x.Running, "ett", "exempelby")
	page := o.get(at)
	x.on["officer wrote"] = page.form(`form[action$="/meddelande"]`).set("text", "Vi behöver veta mer: "+planted+"-svar").press("")
	told(t, x.Running, "+46701740620", "sms", "nytt meddelande")
	x.texts["message link"], x.texts["message mail"] = told(t, x.Running, x.tva.mail(), "email", "Nytt meddelande")
	x.on["case with message"] = ett.get("/arende/" + x.kase)
	x.on["citizen wrote"] = x.on["case with message"].form(`form[action$="/meddelande"]`).set("text", "Här är mer").press("")
	x.on["officer reads answer"] = o.get(at)
	x.on["inbox with answer"] = o.get("/handlaggare/")
	x.on["status set"] = o.get(at).form(`form[action$="/status"]`).set("to", "in_progress").press("")
	told(t, x.Running, "+46701740620", "sms", "ny status")
	x.on["case in progress"] = ett.get("/arende/" + x.kase)
	x.on["mina in progress"] = ett.get("/mina-sidor")
	x.on["closed"] = o.get(at).form(`form[action$="/status"]`).set("to", "closed").press("")
	x.on["mina closed"] = ett.get("/mina-sidor")
	x.on["case closed"] = ett.get("/arende/" + x.kase)

	// A link in a notice, at a browser where nobody is logged in.
	anew := someone(t, x.Running, "tva", "exempelby")
	x.on["notice link"] = anew.get(x.texts["message link"])
	x.on["notice followed"] = x.on["notice link"].login()
}

// nameless is the errand of somebody who does not log in.
func (x *tale) nameless(t *testing.T) {
	c := someone(t, x.Running, "sex", "exempelby")
	s := c.begins("felanmalan")
	x.on["fault first"] = s
	x.on["fault review"] = s.fills(fault())
	x.on["fault sent"] = x.on["fault review"].sends()
	x.texts["fault case"] = x.on["fault sent"].caseID()
	s = c.reload("the receipt", x.on["fault sent"].url.String(), func(s screen) bool { return s.says("Hämta kvittensen") })
	x.texts["fault receipt"] = c.get(s.link("Hämta kvittensen")).body
	_, x.texts["fault mail"] = told(t, x.Running, "anonym@example.se", "email", "Ditt ärende")
	x.on["fault mina"] = c.comesIn("/mina-sidor")
	x.on["fault case"] = c.get("/arende/" + x.texts["fault case"])

	sms := someone(t, x.Running, "", "exempelby")
	sms.begins("felanmalan").fills(fault().and(said{"mina.email": "", "mina.phone": "070-174 06 30", "mina.notify": "sms"})).sends().inside("/inskickat")
	_, x.texts["fault sms"] = told(t, x.Running, "+46701740630", "sms", "tagit emot")
}

// alone is an application that one guardian signs.
func (x *tale) alone(t *testing.T) {
	c := someone(t, x.Running, "tre", "exempelby")
	done := c.begins("forskoleplats").fills(preschool("Testbarn Fyra").and(said{"mina.email": c.mail()})).sends().signs().back()
	x.on["alone"] = c.reload("the arrival", done.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
}

// refused are those who are not let in.
func (x *tale) refused(t *testing.T) {
	for name, who := range map[string][2]string{
		"coordination": {"fyrtiotre", "exempelby"}, "coordination allowed": {"fyrtiotre", "provinge"},
		"secrecy": {"trettiofyra", "exempelby"}, "protected registration": {"trettiofem", "exempelby"},
	} {
		c := someone(t, x.Running, who[0], who[1])
		x.on[name] = c.comesIn("/mina-sidor")
		x.on[name+" after"] = c.get("/mina-sidor")
		if name == "coordination allowed" {
			x.on[name+" begins"] = c.begins("forskoleplats")
		}
	}
	c := someone(t, x.Running, "trettiosju", "exempelby")
	x.on["hidden child"] = c.begins("forskoleplats")
}

// removed is a draft that its owner takes away.
func (x *tale) removed(t *testing.T) {
	ett := x.ett.with(t)
	s := ett.begins("forskoleplats")
	x.texts["removed"] = s.draft()
	at := "/utkast/" + s.draft()
	s.fill(preschool("Testbarn Tre")).press("save")
	x.on["mina before removal"] = ett.get("/mina-sidor")
	x.on["removal asks"] = ett.get(at + "/ta-bort")
	x.on["not removed by asking"] = ett.get(at)
	x.on["removed"] = x.on["removal asks"].form(`form[action$="/ta-bort"]`).press("")
	x.on["removed gone"] = ett.get(at)
}

// rows counts the rows of a table that belong to a draft.
func (x *tale) rows(t testing.TB, table, column, id string) int {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(x.data, "data", "portal.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := 0
	if err := db.QueryRow("SELECT count(*) FROM "+table+" WHERE "+column+" = ?", id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// chosen are the e-IDs that a page offers.
func (s screen) chosen() string {
	var ids []string
	for _, n := range s.all(`input[name="provider"]`) {
		ids = append(ids, attr(n, "value"))
	}
	return strings.Join(ids, " ")
}

func isPDF(s string) bool { return bytes.HasPrefix([]byte(s), []byte("%PDF-")) }

// gone reports whether a page says that there is nothing.
func (s screen) gone() bool { return s.status == http.StatusNotFound && s.says("Sidan finns inte") }

// asksLogin reports whether the page is the login in place of another.
func (s screen) asksLogin() bool {
	return s.status == http.StatusOK && s.find(`main form[action$="/logga-in"]`) != nil
}
