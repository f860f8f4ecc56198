package oidc

import (
	"embed"
	"encoding/json"
	"net/http"
	"strings"

	"sigill/testidp/control"
	"sigill/testidp/persons"
)

//go:embed assets
var assets embed.FS

// A page is what the templates draw.
type page struct {
	T      texts
	Why    string
	Notice string
	Order  control.Order
	Person *persons.Person
	People []persons.Person
	Self   string // the page's own path
	Other  string // the same in the other language
	Action string // where an answer goes
	Fields []field
}

// texts are the words of the pages in one language.
type texts struct {
	Lang, OtherLang, OtherName             string
	Banner, Brand, Identify, Asks          string
	Choose, Use, Switch, Approve, Cancel   string
	Endings, EndingsHelp, Late, Broken     string
	TooLow, Done, Continue, Refused        string
	NoEID, Gone, GoneLead, Overview, Phone string
	Blocked, NoEIDFlag, Coordination, Low  string
}

func textsFor(english bool) texts {
	if english {
		return texts{
			Lang: "en", OtherLang: "sv", OtherName: "Svenska", Banner: "TEST. Simulator. For tests only.", Brand: "Test e-ID (OpenID Connect)",
			Identify: "Identify yourself", Asks: "asks you to identify yourself", Choose: "Who are you?", Use: "Pick a made-up person. No security code is asked for.",
			Switch: "Be someone else", Approve: "Identify", Cancel: "Cancel", Endings: "Other endings",
			EndingsHelp: "What else an issuer may answer.", Late: "The issuer is busy", Broken: "The issuer is broken", TooLow: "The level is not to be had",
			Done: "Done", Continue: "Back to the service", Refused: "That did not work",
			NoEID: "This person has no e-ID here.", Gone: "Nothing here", GoneLead: "This login does not exist or is over. Go back to the service and start again.",
			Overview: "People come here from a service that lets them log in with this e-ID.", Phone: "To the phone",
			Blocked: "blocked", NoEIDFlag: "no e-ID", Coordination: "co-ordination number", Low: "lower level",
		}
	}
	return texts{
		Lang: "sv", OtherLang: "en", OtherName: "English", Banner: "TEST. Simulator. Bara för test.", Brand: "Test-e-legitimation (OpenID Connect)",
		Identify: "Identifiera dig", Asks: "vill att du identifierar dig", Choose: "Vem är du?", Use: "Välj en påhittad person. Ingen säkerhetskod behövs.",
		Switch: "Byt person", Approve: "Identifiera", Cancel: "Avbryt", Endings: "Andra slut",
		EndingsHelp: "Vad en utfärdare mer kan svara.", Late: "Utfärdaren är upptagen", Broken: "Utfärdaren är trasig", TooLow: "Nivån går inte att få",
		Done: "Klart", Continue: "Tillbaka till tjänsten", Refused: "Det gick inte",
		NoEID: "Den här personen har ingen e-legitimation här.", Gone: "Här finns inget", GoneLead: "Inloggningen finns inte eller är över. Gå tillbaka till tjänsten och börja om.",
		Overview: "Hit kommer man från en tjänst som låter en logga in med den här e-legitimationen.", Phone: "Till telefonen",
		Blocked: "spärrad", NoEIDFlag: "ingen e-legitimation", Coordination: "samordningsnummer", Low: "lägre nivå",
	}
}

// Flag is the word for what is unusual about a person here; empty for what does
// not matter.
func (t texts) Flag(f persons.Flag) string {
	switch f {
	case persons.Blocked:
		return t.Blocked
	case persons.NoEID:
		return t.NoEIDFlag
	case persons.Samordningsnummer:
		return t.Coordination
	case persons.LowLevel:
		return t.Low
	}
	return ""
}

func prefersEnglish(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "en")
}

// draw draws. The pages set no form-action: browsers would hold it against
// whatever the client's answer leads on to.
func (i *Issuer) draw(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	// A template that fails half-way leaves a broken page, which a test sees.
	i.pages.ExecuteTemplate(w, name, p)
}

func (i *Issuer) overview(w http.ResponseWriter, r *http.Request) {
	i.draw(w, r, http.StatusOK, "overview", page{T: textsFor(prefersEnglish(r))})
}

// show is an order's page. As soon as the order is over it delivers the answer.
func (i *Issuer) show(w http.ResponseWriter, r *http.Request) { i.showWith(w, r, http.StatusOK, "") }

func (i *Issuer) showWith(w http.ResponseWriter, r *http.Request, status int, notice string) {
	i.mu.Lock()
	o := i.find(r.PathValue("id"))
	if o == nil {
		i.mu.Unlock()
		i.draw(w, r, http.StatusNotFound, "gone", page{T: textsFor(prefersEnglish(r))})
		return
	}
	if o.state != control.Pending {
		a, v := o.request, i.settled(o)
		i.mu.Unlock()
		i.deliver(w, r, a, v)
		return
	}
	english := o.request.english
	if l := r.URL.Query().Get("lang"); l != "" {
		english = l == "en"
	}
	p := page{T: textsFor(english), Order: i.view(o), Person: o.person, Notice: notice}
	i.mu.Unlock()
	p.People = i.config.People.List()
	p.Self = Path + "/o/" + p.Order.ID
	p.Other = p.Self + "?lang=" + p.T.OtherLang
	if english {
		p.Self += "?lang=en"
	} else {
		p.Self += "?lang=sv"
	}
	i.draw(w, r, status, "order", p)
}

// press does what a person pressed on an order's page: do=approve, cancel, fail
// (with hint) or switch, and person=<id> for who it is.
func (i *Issuer) press(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	id := r.PathValue("id")
	a := control.Action{Action: r.PostFormValue("do"), Hint: r.PostFormValue("hint")}
	if a.Action == "switch" {
		i.mu.Lock()
		if o := i.find(id); o != nil && o.state == control.Pending {
			o.person = nil
		}
		i.mu.Unlock()
		i.back(w, r, id)
		return
	}
	if who := r.PostFormValue("person"); who != "" {
		p, ok := i.config.People.ByID(who)
		if !ok {
			i.showWith(w, r, http.StatusBadRequest, "unknown person")
			return
		}
		a.Pnr = p.Number
		if a.Action == "" {
			a.Action = "start"
		}
	}
	if _, err := i.Act(id, a); err != nil {
		// What is over delivers its answer; what is not says why not.
		i.showWith(w, r, http.StatusConflict, err.Error())
		return
	}
	i.back(w, r, id)
}

// back leads to an order's page in the language that it had.
func (i *Issuer) back(w http.ResponseWriter, r *http.Request, id string) {
	at := i.page(id)
	if l := r.URL.Query().Get("lang"); l == "en" || l == "sv" {
		at += "?lang=" + l
	}
	w.Header().Set("Location", at)
	w.WriteHeader(http.StatusSeeOther)
}

// state tells the page's script how its order stands.
func (i *Issuer) state(w http.ResponseWriter, r *http.Request) {
	state := "gone"
	if o, ok := i.Order(r.PathValue("id")); ok {
		state = o.State
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"state": state})
}
