package main

import (
	"bytes"
	"image"
	"image/png"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A clock can be put forward, for the whole demo at once.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// hall runs a demo whose signing orders are looked at often.
func hall(t *testing.T, c Config) (Running, *clock) {
	t.Helper()
	k := &clock{}
	c.Now, c.Due, c.Collect = k.now, 50*time.Millisecond, 50*time.Millisecond
	return start(t, c), k
}

// Answers that may be sent. Of the child, the key is known on the page alone.
func preschool(child string) said {
	start := time.Now().AddDate(0, 3, 0)
	return said{
		"barn": "~" + child, "vh2_kontakt.email": "tva@example.se", "vh2_kontakt.phone": "070-174 06 12",
		"startdatum.day": start.Format("2"), "startdatum.month": start.Format("1"), "startdatum.year": start.Format("2006"),
		"forskolor.1": "eken", "omfattning": "37,5", "sysselsattning": "arbetar", "syskon": "no",
		"mina.email": "ett@example.se", "mina.notify": "email", "ovrigt": planted,
	}
}

// planted is what is looked for where it must not be.
const planted = "Grythyttan-hemlighet"

func fault() said {
	return said{"slag": "ljus", "plats": "Storgatan 1", "beskrivning": planted + " lampan är släckt", "aterkoppling": "yes", "mina.email": "anonym@example.se", "mina.notify": "email"}
}

func picture(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The whole way of an application, from the first page to the officer's list.
func TestApplication(t *testing.T) {
	r, _ := hall(t, Config{})
	ett, tva := someone(t, r, "ett", "exempelby"), someone(t, r, "tva", "exempelby")
	wait := ett.begins("forskoleplats").fills(preschool("Testbarn Ett")).sends().signs().back().inside("/vantar")
	if wait.heading() != "Väntar på flerpartssignering" {
		t.Errorf("after the first signature: %s", wait)
	}
	link, _ := told(t, r, tva.mail(), "email", "Exempelby kommun ber")
	tva.opens(link).signs()
	done := ett.reload("the arrival", wait.url.String(), func(s screen) bool { return s.heading() == "Ditt ärende är nu inskickat" })
	done.inside("/inskickat")
	_, list := officer(t, r, "ett", "exempelby")
	if !list.says("Ansökan om förskoleplats") {
		t.Errorf("the officer's list: %s", list)
	}
}

// Where the tenant sends codes and no links, the second guardian goes there and
// types the code. A code alone is worth nothing.
func TestCodeInvitation(t *testing.T) {
	r, _ := hall(t, Config{})
	ett, tva := someone(t, r, "ett", "provinge"), someone(t, r, "tva", "provinge")
	room := ett.begins("forskoleplats").fills(preschool("Testbarn Ett").and(said{"forskolor.1": "solen"})).sends()
	values := room.form("#sign form").values
	values.Set("provider", "bankid")
	values.Set("device", "this")
	if res, _ := ett.once("POST", room.url.String(), values); res.StatusCode < 400 || res.StatusCode >= 500 {
		t.Errorf("signed with an e-ID that the tenant does not take: %d", res.StatusCode)
	}
	wait := room.signs().back().inside("/vantar")
	var code string
	for _, to := range []string{tva.mail(), "+46701740612"} {
		channel := map[bool]string{true: "email", false: "sms"}[to == tva.mail()]
		link, text := told(t, r, to, channel, "Provinge stad")
		if link != "" {
			t.Errorf("the %s with a code has a link", channel)
		}
		if code = regexp.MustCompile(`\b[2-9B-Z]{4} [2-9B-Z]{4}\b`).FindString(text); code == "" {
			t.Fatalf("the %s has no code: %s", channel, masked(text))
		}
	}
	entry := r.Issuer + "/signing/portal-provinge/kod"
	types := func(c *citizen) screen {
		s := c.get(entry).form(`main form[action$="/login"]`).press("").proves()
		return s.form(`form[action$="/kod"]`).set("code", code).press("")
	}
	if s := types(someone(t, r, "tre", "provinge")); s.find("#sign") != nil || strings.Contains(s.body, planted) || s.says("förskoleplats") {
		t.Errorf("somebody else's code opens it: %s", s)
	}
	review := types(tva)
	if !review.says(planted) {
		t.Fatalf("the code does not lead to the review: %s", review)
	}
	review.signs()
	ett.reload("the arrival", wait.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
	if _, list := officer(t, r, "tre", "provinge"); !list.says("Ansökan om förskoleplats") {
		t.Errorf("the officer's list: %s", list)
	}
	if _, list := officer(t, r, "ett", "exempelby"); list.says("Ansökan om förskoleplats") {
		t.Errorf("another municipality's officer sees it: %s", list)
	}
}

// Tenants of one group share Mina sidor and the login, and nothing else: a draft
// lies at its own tenant's address alone, and officers see their own tenant's.
func TestGroup(t *testing.T) {
	h := newHouse(t)
	for _, id := range []string{"provby", "grannby"} {
		text := strings.Replace(provby, "BASE", h.Portal+"/"+id+"\ngroup: lan", 1)
		if id == "grannby" {
			text = strings.NewReplacer("Provby", "Grannby", "exempelby-forskola", "provinge-forskola").Replace(text)
		}
		put(t, filepath.Join(h.tenants, id, "tenant.yaml"), text)
	}
	c := someone(t, h.Running, "elva", "provby")
	c.reload("the neighbour", h.Portal+"/grannby/", func(s screen) bool { return s.status == 200 && s.says("Grannby kommun") })
	first := c.begins("vanlig")
	first.questions().set("fraga", planted).press("save")
	done := c.begins("utan-underskrift").fills(said{"fraga": planted}).sends().inside("/inskickat")

	there := *c
	there.home = h.Portal + "/grannby"
	list := there.get("/mina-sidor")
	if list.asksLogin() { // a step from one tenant of a group to another may ask the broker
		list = list.form(`main form[action$="/logga-in"]`).press("")
	}
	if !list.says("Inte skickade (1)") || !list.says("Skickade (1)") || !list.says("Provby kommun") {
		t.Errorf("Mina sidor of the group: %s", list)
	}
	if list.find(`a[href^="`+h.Portal+`/provby/utkast/"]`) == nil {
		t.Errorf("the draft's link does not lead to its own tenant: %s", list)
	}
	for _, path := range []string{"", "/s/forst", "/granska", "/ta-bort", "/krock", "/sparat"} {
		if s := there.get("/utkast/" + first.draft() + path); !s.gone() || strings.Contains(s.body, planted) {
			t.Errorf("at the neighbour's address, %q: %d %s", path, s.status, s)
		}
	}
	if _, list := officer(t, h.Running, "ett", "provby"); !list.says("Titeln utan-underskrift") {
		t.Errorf("the officer's list: %s", list)
	}
	o, list := officer(t, h.Running, "tre", "grannby")
	if list.says("Titeln utan-underskrift") || !o.get("/handlaggare/arende/"+done.caseID()).gone() {
		t.Errorf("the neighbour's officer sees it: %s", list)
	}
}
