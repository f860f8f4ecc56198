package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sigill/portal"
	"sigill/portal/form"
)

// TestTenantOfAGroup: what a person has with one tenant of a group is not there at
// another's address, whatever the way: nothing is read, marked or done.
func TestTenantOfAGroup(t *testing.T) {
	h := lived(t)
	waits, _ := h.waits("one", party(1, "Testperson Ett", portal.PartySigned), party(2, "Testperson Två", portal.PartyFailed))
	open, file := h.draft("one", preschool(t), filled(h), allSteps...), portal.NewID()
	h.drafts.drafts[open].Answers["studieintyg"] = form.Value{Files: []form.File{{ID: file, Name: "a.pdf", Type: "application/pdf"}}}
	h.drafts.files[portal.FileID(file)] = []byte("%PDF")
	was := *h.drafts.drafts[open]

	acts := map[string]url.Values{
		"/arende/" + string(caseOne) + "/meddelande": {"once": {portal.NewID()}, "text": {"Hej"}},
		"/utkast/" + string(open) + "/s/platsen":     {"revision": {"1"}, "go": {"next"}, "omfattning": {"1"}},
		"/utkast/" + string(open) + "/skicka":        {"revision": {"1"}, "notice": {"x"}},
		"/utkast/" + string(open) + "/krock":         {"revision": {"1"}, "behall": {"andra"}},
		"/utkast/" + string(open) + "/ta-bort":       {},
	}
	check := func(path string, w int) {
		if w != http.StatusNotFound && !(w == http.StatusSeeOther && strings.HasSuffix(path, "/ta-bort")) {
			t.Errorf("%s: %d", path, w)
		}
		if h.cases.read != 0 || len(h.cases.wrote) != 0 || len(h.desk.done) != 0 || h.desk.sends != 0 || h.desk.asked != 0 {
			t.Errorf("%s: something was done", path)
			h.cases.read, h.cases.wrote, h.desk.done, h.desk.sends, h.desk.asked = 0, nil, nil, 0, 0
		}
	}
	for _, path := range []string{
		"/arende/" + string(caseOne), "/arende/" + string(caseOne) + "/inskickat", "/arende/" + string(caseOne) + "/fil/" + fileTaken,
		"/utkast/" + string(waits) + "/vantar", "/utkast/" + string(waits) + "/vantar?do=withdraw", "/utkast/" + string(waits) + "/signerat",
		"/utkast/" + string(open) + "/fil/" + file, "/utkast/" + string(open) + "/sparat", "/utkast/" + string(open) + "/granska",
		"/utkast/" + string(open) + "/s/platsen", "/utkast/" + string(open) + "/krock", "/utkast/" + string(open) + "/ta-bort",
	} {
		check(path, h.get("one", "/annanstad"+path).Code)
	}
	for path, form := range acts {
		check(path, h.post("one", "/annanstad"+path, form).Code)
	}
	for _, do := range []url.Values{{"do": {"remind"}}, {"do": {"withdraw"}}, {"do": {"send"}}, {"do": {"correct"}, "n": {"2"}, "email": {"ny@example.se"}, "phone": {""}}} {
		check(do.Get("do"), h.post("one", "/annanstad/utkast/"+string(waits)+"/vantar", do).Code)
	}
	if now := h.drafts.drafts[open]; now == nil || now.Revision != was.Revision {
		t.Error("a draft was changed")
	}
	// At its own tenant's it is all there.
	for _, path := range []string{"/arende/" + string(caseOne), "/arende/" + string(caseOne) + "/fil/" + fileTaken, "/utkast/" + string(open) + "/fil/" + file, "/utkast/" + string(waits) + "/vantar"} {
		if w := h.get("one", base+path); w.Code != http.StatusOK {
			t.Errorf("%s at its own: %d", path, w.Code)
		}
	}
}
