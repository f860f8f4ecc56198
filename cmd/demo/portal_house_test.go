package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"database/sql"

	"golang.org/x/net/html"
)

// A house is an installation with tenants and e-services of its own, from
// folders that are not ours.
type house struct {
	Running
	clock    *clock
	data     string
	services string
	tenants  string
}

// provby is a tenant that is like none of the examples.
const provby = `name: {sv: Provby kommun, en: Provby municipality}
base_url: BASE
providers: [mbankid]
contact: {name: {sv: Växeln, en: Switchboard}, phone: 0777-10 00 00}
invite: email
authorities:
  namnden: {name: {sv: Provnämnden, en: The Test Board}, contact: {name: {sv: Kansliet, en: The office}, phone: 0777-10 00 01}}
groups:
  gruppen: [exempelby-forskola]
`

// ordinary is an e-service, of which tests change a line.
const ordinary = `format: etjanst/1
id: ID
version: 1
kind: etjanst
title: {sv: Titeln ID, en: The title ID}
summary: {sv: En prov-tjänst., en: A service for tests.}
about: {sv: Här provar du., en: Try here.}
category: prov
audience: [privat]
authority: namnden
handlers: {group: gruppen, messages: true}
login: {required: true, drafts: true}
privacy:
  purpose: {sv: Prova., en: To try.}
  data: {sv: Det du skriver., en: What you write.}
  basis: avtal
  keep: {draft: 90d, closed: 2y}
signing:
  parties:
    - {id: sokande, from: login}
  deadline: 30d
  remind: [7]
steps:
  - id: forst
    title: {sv: Först, en: First}
    fields:
      - {id: fraga, type: text, label: {sv: Frågan, en: The question}, max_length: 50}
      - {id: bilaga, type: file, label: {sv: Bilaga, en: Attachment}, need: optional, max_files: 6}
  - id: sedan
    title: {sv: Sedan, en: Then}
    fields:
      - {id: mina, type: contact, label: {sv: Besked, en: News}, need: optional, channels: [email, phone]}
receipt: {sv: Nu är det klart., en: Done.}
`

const oneSigner = `signing:
  parties:
    - {id: sokande, from: login}
  deadline: 30d
  remind: [7]
`

const threeSigners = `signing:
  parties:
    - {id: sokande, from: login}
    - {id: andra, from: nummer2, name: namn2, contact: kontakt2}
    - {id: tredje, from: nummer3, name: namn3, contact: kontakt3}
  deadline: 30d
  remind: [7]
`

const threeFields = `  - id: de_andra
    title: {sv: De andra, en: The others}
    fields:
      - {id: nummer2, type: personal_id, label: {sv: Personnummer två, en: Number two}}
      - {id: namn2, type: text, label: {sv: Namn två, en: Name two}}
      - {id: kontakt2, type: party_contact, label: {sv: Kontakt två, en: Contact two}}
      - {id: nummer3, type: personal_id, label: {sv: Personnummer tre, en: Number three}}
      - {id: namn3, type: text, label: {sv: Namn tre, en: Name three}}
      - {id: kontakt3, type: party_contact, label: {sv: Kontakt tre, en: Contact three}}
receipt:`

// service writes an e-service into the folder: the ordinary one, with pairs of
// what stands there and what is to stand in its place.
func (h *house) service(t testing.TB, id string, change ...string) {
	t.Helper()
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(ordinary, change[i]) {
			t.Fatalf("the ordinary service has no %q", change[i])
		}
	}
	text := strings.ReplaceAll(strings.NewReplacer(change...).Replace(ordinary), "ID", id)
	put(t, filepath.Join(h.services, id, "service.yaml"), text)
}

func put(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newHouse starts one. Where the portal lies is known when it listens; until then
// the tenant says another address, and is read anew.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{data: t.TempDir(), services: t.TempDir(), tenants: t.TempDir()}
	file := filepath.Join(h.tenants, "provby", "tenant.yaml")
	put(t, file, strings.Replace(provby, "BASE", "http://localhost:1/provby", 1))
	h.service(t, "vanlig")
	h.service(t, "utan-underskrift", oneSigner, "")
	h.service(t, "utan-inloggning", oneSigner, "", "{required: true, drafts: true}", "{required: false, drafts: false}")
	h.service(t, "omojlig", "{required: true, drafts: true}", "{required: false, drafts: false}")
	h.service(t, "trepart", oneSigner, threeSigners, "receipt:", threeFields)
	h.service(t, "utan-namnd", "authority: namnden\n", "")
	h.service(t, "utan-syfte", "  purpose: {sv: Prova., en: To try.}\n", "")
	h.service(t, "utan-uppgifter", "  data: {sv: Det du skriver., en: What you write.}\n", "")
	h.service(t, "utan-tid", "  keep: {draft: 90d, closed: 2y}\n", "")
	h.service(t, "okand-nyckel", "category: prov", "category: prov\nkategori: prov")
	h.service(t, "framat", "need: optional, channels", "show: {field: senare, is: x}, need: optional, channels")
	h.Running, h.clock = hall(t, Config{Data: h.data, Tenants: h.tenants, Services: h.services})
	put(t, file, strings.Replace(provby, "BASE", h.Portal+"/provby", 1))
	c := someone(t, h.Running, "", "provby")
	c.reload("the tenant", "/", func(s screen) bool { return s.status == 200 && s.says("Provby kommun") && s.below() == "/" })
	return h
}

// unpublished demands that services with faults are not offered, and that others
// are all the same.
func (x *tale) unpublished(t *testing.T, ids ...string) {
	t.Helper()
	c := someone(t, x.own.Running, "", "provby")
	start := c.get("/")
	if !start.says("Titeln utan-underskrift") || c.get("/e/vanlig").status != 200 {
		t.Errorf("the good one is not there: %s", start)
	}
	for _, id := range ids {
		if s := c.get("/e/" + id); !s.gone() || start.says("Titeln "+id) {
			t.Errorf("%s is offered: %d", id, s.status)
		}
		if s := c.post("/e/"+id+"/starta", nil); !s.gone() {
			t.Errorf("%s can be begun: %d", id, s.status)
		}
	}
}

// fourWays: login and signature are settings of their own. Of the four together
// one cannot be: nobody signs who is not known.
func (x *tale) fourWays(t *testing.T) {
	c := someone(t, x.own.Running, "elva", "provby")
	say := said{"fraga": "Svaret"}
	for id, signs := range map[string]bool{"vanlig": true, "utan-underskrift": false} {
		s := c.begins(id).fills(say).sends()
		if room := s.find("#sign") != nil; room != signs {
			t.Errorf("%s: %s", id, s)
		}
	}
	nobody := someone(t, x.own.Running, "", "provby")
	nobody.begins("utan-inloggning").fills(say).sends().inside("/inskickat")
	if s := nobody.get("/e/omojlig"); !s.gone() {
		t.Errorf("signed by nobody knows whom: %s", s)
	}
}

// oldVersion: a draft stays on the version that it began with.
func (x *tale) oldVersion(t *testing.T) {
	c := someone(t, x.own.Running, "tolv", "provby")
	first := c.begins("vanlig")
	first.questions().set("fraga", "Det gamla svaret").press("save")
	x.own.service(t, "vanlig", "version: 1", "version: 2", "Titeln", "Nya titeln", "Frågan", "Den nya frågan", "id: fraga", "id: ny_fraga")
	other := someone(t, x.own.Running, "tretton", "provby")
	other.reload("the new version", "/", func(s screen) bool { return s.says("Nya titeln vanlig") })
	if s := other.begins("vanlig"); !s.says("Den nya frågan") {
		t.Errorf("a new draft is of the old version: %s", s)
	}
	again := c.get("/utkast/" + first.draft() + "/s/forst")
	if again.status != 200 || again.says("Den nya frågan") || again.questions().value("fraga") != "Det gamla svaret" {
		t.Errorf("the old draft: %s", again)
	}
	if s := again.fills(said{"fraga": "Det gamla svaret"}); !s.says("Det gamla svaret") {
		t.Errorf("the old draft's review: %s", s)
	}
}

// threeParties: it waits for the third.
func (x *tale) threeParties(t *testing.T) {
	r := x.own.Running
	people := []*citizen{someone(t, r, "fjorton", "provby"), someone(t, r, "femton", "provby"), someone(t, r, "sexton", "provby")}
	say := said{"fraga": planted}
	for i, c := range people[1:] {
		n := fmt.Sprint(i + 2)
		say["nummer"+n], say["namn"+n], say["kontakt"+n+".email"] = c.p.Number, c.p.Name(), c.mail()
	}
	wait := people[0].begins("trepart").fills(say).sends().signs().back().inside("/vantar")
	for i, c := range people[1:] {
		if s := people[0].get(wait.url.String()); s.heading() != "Väntar på flerpartssignering" {
			t.Errorf("after %d signatures: %s", i+1, s)
		}
		_, list := officer(t, r, "ett", "provby")
		if list.says("Titeln trepart") {
			t.Errorf("after %d signatures an officer sees it", i+1)
		}
		link, _ := told(t, r, c.mail(), "email", "Provby kommun ber")
		c.opens(link).signs()
	}
	people[0].reload("the arrival", wait.url.String(), func(s screen) bool { return strings.HasSuffix(s.url.Path, "/inskickat") })
	_, list := officer(t, r, "ett", "provby")
	if !list.says("Titeln trepart") {
		t.Errorf("no officer sees it: %s", list)
	}
}

// store opens the portal's database beside the program that runs.
func (x *tale) store(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(x.data, "data", "portal.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// tampered: a draft that was changed in the store does not open, nor one that
// holds what is another's.
func (x *tale) tampered(t *testing.T) {
	t.Helper()
	c := someone(t, x.Running, "arton", "exempelby")
	begin := func() string {
		s := c.begins("forskoleplats")
		s.questions().press("save")
		return s.draft()
	}
	one, two := begin(), begin()
	db := x.store(t)
	if _, err := db.Exec(`UPDATE draft_bodies SET sealed = (SELECT sealed FROM draft_bodies WHERE draft = ?) WHERE draft = ?`, one, two); err != nil {
		t.Fatal(err)
	}
	if s := c.get("/utkast/" + two + "/s/barnet"); s.status != 500 {
		t.Errorf("a draft with another's body: %d %s", s.status, s)
	}
	var sealed []byte
	if err := db.QueryRow(`SELECT sealed FROM draft_bodies WHERE draft = ?`, one).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := db.Exec(`UPDATE draft_bodies SET sealed = ? WHERE draft = ?`, sealed, one); err != nil {
		t.Fatal(err)
	}
	if s := c.get("/utkast/" + one + "/s/barnet"); s.status != 500 || s.says("Testvägen") {
		t.Errorf("a draft with a bit changed: %d %s", s.status, s)
	}
	// The owner gets rid of it.
	for _, id := range []string{one, two} {
		if _, err := db.Exec(`DELETE FROM drafts WHERE id = ?`, id); err != nil {
			t.Fatal(err)
		}
	}
}

// apart: what people answer lies in no file that can be read, and each draft has
// a key of its own.
func (x *tale) apart(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(x.data, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if bytes.Contains(text, []byte(planted)) {
			t.Errorf("%s holds what was answered", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := someone(t, x.Running, "nitton", "exempelby")
	a, b := c.begins("forskoleplats").draft(), c.begins("forskoleplats").draft()
	keys := map[string]bool{}
	for _, id := range []string{a, b} {
		var key []byte
		if err := x.store(t).QueryRow(`SELECT sealkey FROM drafts WHERE id = ?`, id).Scan(&key); err != nil {
			t.Fatal(err)
		}
		keys[string(key)] = true
	}
	if len(keys) != 2 {
		t.Error("two drafts share a key")
	}
}

// fact is the value of a row of facts.
func fact(s screen, label string) string {
	for _, dt := range s.all("dl.facts dt") {
		if words(dt) == label {
			for n := dt.NextSibling; n != nil; n = n.NextSibling {
				if n.Data == "dd" {
					return words(n)
				}
			}
		}
	}
	return ""
}

// tagged reports whether a label of a state is exactly so.
func tagged(s screen, label string) bool {
	for _, n := range s.all(".tag") {
		if words(n) == label {
			return true
		}
	}
	return false
}

// dated reports whether what stands in the history has a time.
func dated(s screen, what string) bool {
	for _, n := range s.all("li") {
		if text := words(n); strings.Contains(text, what) {
			return strings.Contains(text, time.Now().Format("2006")) && strings.Contains(text, "kl.")
		}
	}
	return false
}

// submitted is what a case shows of what was sent.
func submitted(s screen) string {
	for _, h := range s.all("h2") {
		if words(h) != "Det som skickades in" {
			continue
		}
		var b strings.Builder
		for n := h.NextSibling; n != nil && n.Data != "h2"; n = n.NextSibling {
			if n.Type == html.ElementNode {
				b.WriteString(words(n) + "\n")
			}
		}
		return b.String()
	}
	return ""
}
