package web

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"sigill/portal"
	"sigill/portal/form"
)

// sentPage is the confirmation.
type sentPage struct {
	Warned, Title, Tenant, Arrived, Number string
	Receipt, Self, Case, Mine, Confirmed   string
	Moves, Follow                          bool
	Next                                   []string
}

// receiptSoon is how long the confirmation reloads itself while the receipt is
// being made; after that there is a button.
const receiptSoon = time.Minute

// serveSent confirms that a case has arrived. It is shown when that is so and at
// no other time (P-78): there is no case before.
func (w *Web) serveSent(rw http.ResponseWriter, r *http.Request, v visit) error {
	id := portal.CaseID(r.PathValue("case"))
	if err := w.caseHere(r, v, id); err != nil {
		return w.unseen(rw, r, v, err)
	}
	c, err := w.Cases.Open(r.Context(), v.who, id)
	if err != nil {
		return w.unseen(rw, r, v, err)
	}
	service, err := w.Catalogue.Version(r.Context(), c.Version)
	if err != nil {
		return err
	}
	told := c.Submission.Contact
	if v.who.LoggedIn() {
		profile, err := w.People.Profile(r.Context(), v.who)
		if err != nil {
			return err
		}
		told = toldBy(profile, told)
	}
	base := v.path("/arende/" + string(c.ID))
	receipt := ""
	for _, f := range c.Files {
		if f.Kind == portal.ReceiptPDF {
			receipt = base + "/fil/" + f.ID
		}
	}
	moves := receipt == "" && w.Now().Sub(c.Arrived) < receiptSoon
	if moves {
		rw.Header().Set("Refresh", "3")
	}
	p := sentPage{
		Title: service.Title.In(v.lang), Tenant: w.tenantName(v, c.Tenant), Arrived: w.when(v, c.Arrived), Number: c.Number,
		Receipt: receipt, Self: base + "/inskickat", Moves: moves, Follow: v.who.LoggedIn() && !c.Anonymous,
		Confirmed: w.confirmed(v, told), Next: paragraphs(service.Receipt, v.lang),
	}
	if p.Follow {
		p.Mine, p.Case = v.path("/mina-sidor"), base
	}
	if len(p.Next) == 0 {
		p.Next = []string{w.text(v, "sent.next.default")}
	}
	if r.URL.Query().Get("besked") == "for-sent" {
		p.Warned = w.text(v, "waiting.late")
	}
	return w.page(rw, r, v, "sent", sheet{Body: p})
}

// confirmed says where a confirmation goes, so that whoever looks over the
// shoulder reads no address.
func (w *Web) confirmed(v visit, c form.Contact) string {
	if c.Email == "" && c.Notify == "email" || c.Phone == "" && c.Notify == "sms" {
		c.Notify = "both" // the chosen way has no address: whatever there is
	}
	var to []string
	if c.Email != "" && c.Notify != "sms" {
		to = append(to, maskEmail(c.Email))
	}
	if c.Phone != "" && c.Notify != "email" {
		to = append(to, maskPhone(c.Phone))
	}
	switch len(to) {
	case 2:
		return w.text(v, "sent.told.two", "a", to[0], "b", to[1])
	case 1:
		return w.text(v, "sent.told.one", "a", to[0])
	}
	return w.text(v, "sent.told.none")
}

// toldBy is how a person is told: as the profile says, else as the form does.
func toldBy(profile, left form.Contact) form.Contact {
	if profile.Email != "" || profile.Phone != "" {
		return profile
	}
	return left
}

// maskEmail leaves the first letter and the domain.
func maskEmail(s string) string {
	local, domain, ok := strings.Cut(s, "@")
	if !ok {
		return "•••"
	}
	_, n := utf8.DecodeRuneInString(local)
	return local[:n] + "•••@" + domain
}

// maskPhone leaves the last two digits.
func maskPhone(s string) string {
	if len(s) < 6 {
		return "•••"
	}
	return "••• ••" + s[len(s)-2:]
}
