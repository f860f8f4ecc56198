package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sigill/portal"
	"sigill/portal/store"
)

// TestMine: three groups with counts, what is to be done with each, and whose
// they are (P-84, P-86, P-92, P-93).
func TestMine(t *testing.T) {
	h, _ := otherSamples(t)
	w := h.get("one", base+"/mina-sidor")
	root := seenBy(t, w)
	want(t, root, "main h2", "Väntar på din underskrift (1)", "Inte skickade (5)", "Skickade (21)", "Avslutade (1)")
	want(t, root, "main .lead", "Här ser du")
	want(t, root, "a[href='https://login.example.se/signing/portal-annanstad/']", "Läs och skriv under: Ansökan om skolskjuts")
	want(t, root, "a[href='/exempelbo/arende/"+string(caseOne)+"']", "förskoleplats")
	want(t, root, "a[href='http://localhost:8081/annanstad/arende/"+string(caseClosed)+"']", "förskoleplats")
	want(t, root, ".tag.new", "1 nytt meddelande")
	want(t, root, "details summary", "Saknar du ett ärende?")
	body := w.Body.String()
	for _, s := range []string{"Annanstads kommun", "EXB-2026-000017", "ANN-2025-000003", "Kom in 27 februari 2026 kl. 10.30", "Tas bort 31 maj 2026 om det inte är skickat då", "Tas bort 16 januari 2028"} {
		if !strings.Contains(body, s) {
			t.Errorf("no %q", s)
		}
	}
	// Paging: a list goes on by itself.
	more := attribute(t, root, "main a[href*='skickade=']", "href")
	if len(more) != 1 {
		t.Fatalf("where the list goes on: %q", more)
	}
	next, _, _ := strings.Cut(more[0], "#")
	if w := h.get("one", next); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Tillbaka till de senaste") {
		t.Errorf("the next page: %d", w.Code)
	}
	head := h.cases.mine.Sent[0]
	got := h.cases.pages[len(h.cases.pages)-2]
	if !got.Before.Equal(head.Changed) || got.ID != head.ID || got.Limit != perPage || !h.cases.pages[len(h.cases.pages)-1].Before.IsZero() {
		t.Errorf("asked for %+v", h.cases.pages)
	}
	for _, bad := range []string{"x", "1", "1.x", "-1." + string(caseOne), "01." + string(caseOne), "1.caseOne"} {
		if w := h.get("one", base+"/mina-sidor?skickade="+bad); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

// TestMineOfOneTenant names no municipality, and says why the lists are empty.
func TestMineOfOneTenant(t *testing.T) {
	h := newHouse(t)
	h.draft("one", h.catalogue.services[0], nil)
	root := seenBy(t, h.get("one", base+"/mina-sidor"))
	if strings.Contains(strings.Join(find(t, root, "main"), ""), "Exempelbo kommun") {
		t.Error("the only municipality is named")
	}
	want(t, root, "main h2", "Inte skickade (1)", "Skickade (0)", "Avslutade (0)")
	root = seenBy(t, h.get("two", base+"/mina-sidor"))
	want(t, root, "details[open] p", "utan att logga in", "en annan webbplats", "tas bort")
	if w := h.get("", base+"/mina-sidor"); !strings.Contains(w.Body.String(), "/exempelbo/logga-in") {
		t.Error("Mina sidor is shown to nobody") // P-83
	}
}

// TestDraftStates: the label of P-75 stands where others have not signed, and
// nowhere else.
func TestDraftStates(t *testing.T) {
	const label = "Väntar på flerpartssignering"
	for _, c := range []struct {
		name  string
		make  func(h *house) portal.DraftID
		state string
		acts  []string
		says  []string
	}{
		{"saved", func(h *house) portal.DraftID { return h.draft("one", h.catalogue.services[0], nil) }, "Sparad", []string{"Fortsätt", "Ta bort"}, []string{"har inte kommit in"}},
		{"the other has not signed", func(h *house) portal.DraftID {
			id, _ := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyOpened))
			return id
		}, label, []string{"Se hur det går"}, []string{"Du har skrivit under", "Testperson Två har inte skrivit under än", "Det är inte skickat"}},
		{"the applicant has not signed", func(h *house) portal.DraftID {
			id, _ := h.waits("one", party(1, "Testperson Ett", portal.PartyOpened), party(2, "Testperson Två", portal.PartyWaiting))
			return id
		}, "Väntar på din underskrift", []string{"Skriv under"}, []string{"Du har inte skrivit under än"}},
		{"one party alone", func(h *house) portal.DraftID {
			id, _ := h.waits("one", party(1, "Testperson Ett", portal.PartyInvited))
			return id
		}, "Väntar på din underskrift", []string{"Skriv under"}, nil},
		{"all have signed", func(h *house) portal.DraftID {
			id, _ := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartySigned), party(3, "Testperson Tre", portal.PartyReplaced))
			return id
		}, "Alla har skrivit under", []string{"Se hur det går"}, nil},
		{"not known", func(h *house) portal.DraftID { id, _ := h.waits("one"); return id }, "Väntar på underskrift", []string{"Se hur det går"}, nil},
		{"sending", func(h *house) portal.DraftID {
			id := h.draft("one", h.catalogue.services[0], nil)
			h.drafts.drafts[id].State = portal.Sending
			return id
		}, "På väg till underskrift", []string{"Fortsätt"}, nil},
		{"refused", func(h *house) portal.DraftID {
			return h.comesBack("one", portal.ReturnedRefused, "Testperson Två", "Fel datum")
		}, "Har kommit tillbaka", []string{"Fortsätt", "Ta bort"}, []string{"Testperson Två tackade nej", "Fel datum", "Ingenting har skickats in", "skriver alla under på nytt"}},
		{"refused by somebody", func(h *house) portal.DraftID { return h.comesBack("one", portal.ReturnedRefused, "", "") }, "Har kommit tillbaka", nil, []string{"Någon av dem"}},
		{"expired", func(h *house) portal.DraftID { return h.comesBack("one", portal.ReturnedExpired, "", "") }, "Har kommit tillbaka", nil, []string{"inte under i tid"}},
		{"withdrawn", func(h *house) portal.DraftID { return h.comesBack("one", portal.ReturnedWithdrawn, "", "") }, "Har kommit tillbaka", nil, []string{"Du tog tillbaka"}},
		{"cancelled", func(h *house) portal.DraftID { return h.comesBack("one", portal.ReturnedCancelled, "", "") }, "Har kommit tillbaka", nil, []string{"avbröts"}},
		{"failed", func(h *house) portal.DraftID { return h.comesBack("one", portal.ReturnedFailed, "", "") }, "Har kommit tillbaka", nil, []string{"gick inte att ta emot"}},
	} {
		h := newHouse(t)
		id := c.make(h)
		root := seenBy(t, h.get("one", base+"/mina-sidor"))
		want(t, root, ".rows .tag", c.state)
		text := strings.Join(find(t, root, ".rows li"), " ")
		if strings.Contains(text, label) != (c.state == label) {
			t.Errorf("%s: the label of waiting", c.name)
		}
		for _, s := range c.says {
			if !strings.Contains(text, s) {
				t.Errorf("%s: no %q in %q", c.name, s, text)
			}
		}
		if c.acts != nil {
			want(t, root, ".rows .acts a", c.acts...)
		}
		for _, to := range attribute(t, root, ".rows .acts a", "href") {
			if !strings.HasPrefix(to, base+"/utkast/"+string(id)) {
				t.Errorf("%s: leads to %s", c.name, to)
			}
		}
	}
	h := newHouse(t)
	h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyOpened))
	h.drafts.drafts["~gone"] = &portal.Draft{DraftHead: portal.DraftHead{ID: "~gone", State: portal.Waiting, Version: "none", Service: "okand"}}
	h.drafts.owner["~gone"] = "key-one"
	rows := strings.Join(find(t, seenBy(t, h.get("one", base+"/mina-sidor")), "main h3"), ", ")
	if !strings.Contains(rows, "förskoleplats") || !strings.Contains(rows, "okand") {
		t.Errorf("a row that cannot be named fails the others: %s", rows)
	}
}

func TestCursor(t *testing.T) {
	p := store.Page{Before: time.UnixMilli(1772442000123).UTC(), ID: caseOne}
	got, err := cursor(cursorText(p))
	if err != nil || !got.Before.Equal(p.Before) || got.ID != p.ID {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("1772442000123." + string(caseOne))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := cursor(s)
		if err == nil && s != "" && cursorText(p) != s {
			t.Errorf("%q is read as %q", s, cursorText(p))
		}
	})
}
