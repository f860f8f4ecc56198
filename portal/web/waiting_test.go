package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigill/portal"
	"sigill/portal/drafts"
	"sigill/portal/form"
	"sigill/portal/sending"
	"sigill/portal/signclient"
)

// TestWaiting: what is waited for, that nothing has been sent, and how far each
// has come (P-75 to P-77).
func TestWaiting(t *testing.T) {
	h, all := otherSamples(t)
	pages := map[string]string{}
	for _, s := range all {
		pages[s.name] = s.path
	}
	root := seenBy(t, h.get("one", pages["waiting"]))
	want(t, root, "h1", "Väntar på flerpartssignering")
	want(t, root, ".lead", "Det är inte inskickat. En underskrift saknas.")
	want(t, root, ".timeline li", "Testperson Ett (du)Skrev under", "Testperson TvåE-post skickad 28 februari 2026 kl. 08.30Sms skickat")
	want(t, root, "main .btn.main")
	want(t, root, "details[open]")
	want(t, root, "input[name=email]", "")
	if text := strings.Join(find(t, root, "main"), ""); strings.Contains(text, "är nu inskickat") || strings.Contains(text, "har skickats in") {
		t.Error("something is said to be sent")
	}

	root = seenBy(t, h.get("one", pages["waiting-failed"]))
	want(t, root, "[role=status]", "Kontaktuppgifterna är ändrade")
	want(t, root, ".lead", "2 underskrifter saknas")
	want(t, root, "details[open]", "E-post")
	want(t, root, ".timeline .no", "E-post kom inte fram. Stämmer adressen?Sms kom inte fram. Stämmer numret?")
	want(t, root, "form.field", "Spara och skicka en ny förfrågan") // not for who has opened it or signed

	root = seenBy(t, h.get("one", pages["waiting-own"]))
	want(t, root, "h1", "Väntar på din underskrift")
	if got := attribute(t, root, "a.btn.main", "href"); len(got) != 1 || !strings.HasPrefix(got[0], "https://login.example.se/signing/") {
		t.Errorf("to sign: %q", got)
	}
	want(t, root, "input[value=remind]") // nobody to remind

	w := h.get("two", pages["waiting-sealing"])
	root = seenBy(t, w)
	want(t, root, "[role=status]", "Vi gör klart kvittensen")
	if w.Header().Get("Refresh") != "2" {
		t.Error("does not reload")
	}
	want(t, root, "form", "Logga ut", "Stanna kvar") // nothing to do any more
	want(t, seenBy(t, h.get("two", pages["waiting-sending"])), "main .acts button", "Försök igen")
}

// TestWaitingGoesOn: a draft that waits no more leads on, from the signing room
// too.
func TestWaitingGoesOn(t *testing.T) {
	h := lived(t)
	id, at := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyInvited))
	draft := base + "/utkast/" + string(id)
	if w := h.get("one", draft+"/signerat"); w.Header().Get("Location") != at {
		t.Errorf("others are to sign: %d %s", w.Code, w.Header().Get("Location"))
	}
	s := h.desk.standing[id]
	s.Draft.State = portal.Open
	h.stands(id, s)
	for _, p := range []string{at, draft + "/signerat"} {
		if w := h.get("one", p); w.Code != http.StatusSeeOther || w.Header().Get("Location") != draft {
			t.Errorf("open again: %s: %d %s", p, w.Code, w.Header().Get("Location"))
		}
	}
	s.Case = caseOne
	h.stands(id, s)
	for p, want := range map[string]string{at: "", draft + "/signerat": "", at + "?besked=for-sent": "?besked=for-sent"} {
		if w := h.get("one", p); w.Code != http.StatusSeeOther || w.Header().Get("Location") != base+"/arende/"+string(caseOne)+"/inskickat"+want {
			t.Errorf("arrived: %s: %d %s", p, w.Code, w.Header().Get("Location"))
		}
	}
	want(t, seenBy(t, h.get("one", base+"/arende/"+string(caseOne)+"/inskickat?besked=for-sent")), "[role=status]", "för sent att ändra")
}

// TestWaitingActs: reminding, mending how somebody is reached, and taking it back,
// which asks first and says what becomes void.
func TestWaitingActs(t *testing.T) {
	h := lived(t)
	id, at := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyFailed, told(h.now, "failed")))
	post := func(form url.Values) (int, string) {
		w := h.post("one", at, form)
		return w.Code, strings.TrimPrefix(w.Header().Get("Location"), base+"/utkast/"+string(id))
	}
	for _, c := range []struct {
		form   url.Values
		status int
		to     string
		done   string
	}{
		{url.Values{"do": {"remind"}}, 303, "/vantar?besked=pamind", "remind"},
		{url.Values{"do": {"correct"}, "n": {"2"}, "email": {"ny@example.se"}, "phone": {""}}, 303, "/vantar?besked=andrat", "correct 2 ny@example.se "},
		{url.Values{"do": {"withdraw"}}, 303, "", "withdraw"},
		{url.Values{"do": {"nothing"}}, 400, "", ""},
		{url.Values{"do": {"correct"}, "n": {"x"}}, 400, "", ""},
		{url.Values{"do": {"remind"}, "more": {"x"}}, 400, "", ""},
		{url.Values{}, 400, "", ""},
	} {
		h.desk.done = nil
		status, to := post(c.form)
		if status != c.status || to != c.to || strings.Join(h.desk.done, ",") != c.done {
			t.Errorf("%v: %d %q, did %q", c.form, status, to, h.desk.done)
		}
	}
	for err, to := range map[error]string{sending.ErrTooLate: "/vantar?besked=for-sent", sending.ErrUnsure: "/vantar?besked=gick-inte"} {
		h.desk.doErr = err
		for _, do := range []string{"remind", "withdraw"} {
			if status, got := post(url.Values{"do": {do}}); status != 303 || got != to {
				t.Errorf("%s, %v: %d %q", do, err, status, got)
			}
		}
	}
	h.desk.doErr = &signclient.Problem{Status: 429}
	if status, got := post(url.Values{"do": {"remind"}}); status != 303 || got != "/vantar?besked=nyss" {
		t.Errorf("too soon: %d %q", status, got)
	}
	want(t, seenBy(t, h.get("one", at+"?besked=nyss")), "[role=status]", "Vänta en stund")
	h.desk.doErr = nil
	want(t, seenBy(t, h.get("one", at+"?besked=gick-inte")), "[role=status]", "Ingenting har ändrats")
	want(t, seenBy(t, h.get("one", at+"?besked=pamind")), "[role=status]", "påminnelse är på väg")

	// A GET asks, and does nothing.
	h.desk.done = nil
	root := seenBy(t, h.get("one", at+"?do=withdraw"))
	want(t, root, "h1", "Vill du ta tillbaka det")
	want(t, root, ".lead", "Alla underskrifter blir ogiltiga, även den som redan finns.")
	want(t, root, "button.danger", "gör underskrifterna ogiltiga")
	if len(h.desk.done) > 0 {
		t.Error("a GET withdrew it")
	}

	// What is wrong with a contact is said, linked, and what was typed is kept.
	h.desk.faults = []form.Fault{{Part: "email", Code: form.FaultEmail}, {Part: "phone", Code: form.FaultPhone}}
	w := h.post("one", at, url.Values{"do": {"correct"}, "n": {"2"}, "email": {"ny@"}, "phone": {"07"}})
	root = seenBy(t, w)
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("faults: %d", w.Code)
	}
	want(t, root, "[role=alert] a[href='#email-2']", "Skriv en e-postadress")
	want(t, root, "[role=alert] a[href='#phone-2']", "Skriv ett mobilnummer")
	if got := attribute(t, root, "#email-2[aria-invalid=true]", "value"); len(got) != 1 || got[0] != "ny@" {
		t.Errorf("what was typed: %q", got)
	}
	want(t, root, "title", "Fel – Väntar på flerpartssignering")
}

// TestWaitingStale: when the signing service does not answer, what was known is
// shown as such.
func TestWaitingStale(t *testing.T) {
	h := lived(t)
	id, at := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyExpired), party(3, "Testperson Tre", portal.PartyRefused))
	s := h.desk.standing[id]
	s.Stale, s.Deadline = true, time.Time{}
	h.stands(id, s)
	root := seenBy(t, h.get("one", at))
	want(t, root, "[role=status]", "vad vi visste senast")
	want(t, root, ".timeline li", "Har skrivit under", "Skrev inte under i tid", "Har tackat nej")

	// It has ended without all: nothing says that all have signed.
	s.Stale, s.Sealing = false, true
	h.stands(id, s)
	want(t, seenBy(t, h.get("one", at)), "h1", "Underskrifterna är avslutade")
	// Another tenant of the group does not show it, nor a name that is none.
	other := strings.Replace(at, base, "/annanstad", 1)
	if w := h.get("one", other); w.Code != http.StatusNotFound {
		t.Errorf("at another tenant's address: %d", w.Code)
	}
	if w := h.get("one", base+"/arende/"+string(caseClosed)); w.Code != http.StatusNotFound {
		t.Errorf("another tenant's case: %d", w.Code)
	}
}

// TestWaitingLong: when all have signed nothing is promised that is not so; there
// is whom to turn to, and the page looks again seldom when it has taken long. So
// it is too when the signing service does not answer any more.
func TestWaitingLong(t *testing.T) {
	for _, stale := range []bool{false, true} {
		h := lived(t)
		id, at := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartySigned))
		s := h.desk.standing[id]
		s.Sealing, s.Stale = !stale, stale
		for i := range s.Parties {
			s.Parties[i].Signed = h.now
		}
		h.stands(id, s)
		for _, c := range []struct {
			after time.Duration
			again string
		}{{time.Second, "2"}, {time.Hour, "30"}} {
			h.now = s.Parties[0].Signed.Add(c.after)
			w := h.get("one", at)
			root := seenBy(t, w)
			want(t, root, "h1", "Alla har skrivit under")
			want(t, root, "section[aria-labelledby=long] h2", "Tar det lång tid?")
			if body := strings.Join(find(t, root, "main"), ""); w.Header().Get("Refresh") != c.again || strings.Contains(body, "kommer in ändå") || strings.Contains(body, "underskrifter saknas") ||
				!strings.Contains(body, "0999-10 01 20") || strings.Contains(body, "ta tillbaka") {
				t.Errorf("stale %t, after %v: looks again after %s", stale, c.after, w.Header().Get("Refresh"))
			}
		}
	}
}

// TestSendAgain: what was locked and not handed over goes out by the same page.
func TestSendAgain(t *testing.T) {
	h, all := otherSamples(t)
	at := ""
	for _, s := range all {
		if s.name == "waiting-sending" {
			at = s.path
		}
	}
	draft := strings.TrimSuffix(at, "/vantar")
	for _, c := range []struct {
		sent sending.Sent
		err  error
		to   string
	}{
		{sending.Sent{SignURL: "https://login.example.se/signing/x"}, nil, "https://login.example.se/signing/x"},
		{sending.Sent{Case: caseOne}, nil, base + "/arende/" + string(caseOne) + "/inskickat"},
		{sending.Sent{}, &drafts.Conflict{}, draft},
		{sending.Sent{}, sending.ErrUnsure, at + "?besked=gick-inte"},
	} {
		h.desk.sent, h.desk.err = c.sent, c.err
		if w := h.post("two", at, url.Values{"do": {"send"}}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != c.to {
			t.Errorf("%+v, %v: %d %s", c.sent, c.err, w.Code, w.Header().Get("Location"))
		}
	}
}
