package form

import (
	"slices"
	"strings"
	"unicode/utf8"

	"sigill/broker/kit/contact"
	"sigill/providers/personnummer"
)

// Party is somebody who signs.
type Party struct {
	ID        string `json:"id"` // of the rule
	Number    string `json:"number"`
	Name      string `json:"name"`
	Email     string `json:"email,omitempty"`
	Phone     string `json:"phone,omitempty"`
	Applicant bool   `json:"applicant,omitempty"`
	CoOwner   bool   `json:"co_owner,omitempty"`
	// Contact is the field that its contact came from, to mend it there.
	Contact string `json:"contact,omitempty"`
}

// maxName is the longest name that the signing service takes.
const maxName = 120

// Parties are those who sign, the applicant first; none when nothing is signed.
// The faults say why it cannot be sent: a party that is the applicant, twice the
// same, without a name, or that cannot be reached.
func (s *Service) Parties(a Answers, f Facts) ([]Party, []Fault) {
	if s.Signing == nil {
		return nil, nil
	}
	g := &gathering{service: s, seen: s.look(a), facts: f}
	for _, rule := range s.Signing.Parties {
		if !rule.When.holds(g.seen.answers) {
			continue
		}
		if rule.From == fromLogin {
			g.applicant(rule)
			continue
		}
		field, _ := s.Field(rule.From)
		v := g.seen.answers[rule.From]
		switch {
		case field == nil || v.Empty():
		case field.Type == TypeChild:
			g.guardians(rule, v)
		case field.Type == TypePersonalID:
			g.named(rule, v)
		}
	}
	return g.parties, g.faults
}

// fromLogin is where the applicant comes from.
const fromLogin = "login"

// A gathering collects parties. It looks at shown answers alone.
type gathering struct {
	service *Service
	seen    sight
	facts   Facts
	parties []Party
	faults  []Fault
}

func (g *gathering) fault(field, part string, code Code) {
	g.faults = append(g.faults, Fault{Field: field, Part: part, Code: code})
}

func (g *gathering) applicant(rule PartyRule) {
	who := g.facts.Applicant
	if who.Number.IsZero() {
		g.fault(fromLogin, "", FaultRequired) // only a bug can bring somebody here who is not logged in
	}
	own := g.service.Contact(g.seen.answers, g.facts)
	g.parties = append(g.parties, Party{
		ID: rule.ID, Number: who.Number.Digits(), Name: line(who.Name), Email: own.Email, Phone: own.Phone,
		Applicant: true, CoOwner: rule.CoOwner,
	})
}

// guardians are all but the applicant. There is one contact: it is the first
// one's, and who else there is cannot be reached.
func (g *gathering) guardians(rule PartyRule, v Value) {
	reach := rule.Contact
	for _, other := range v.Child.Guardians {
		number, err := personnummer.FromDigits(other.Number)
		switch {
		case err != nil || blank(other.Name):
			g.fault(rule.From, "", FaultChild)
			continue
		case number == g.facts.Applicant.Number:
			continue
		}
		g.add(rule, Party{Number: number.Digits(), Name: line(other.Name)}, reach)
		reach = ""
	}
}

func (g *gathering) named(rule PartyRule, v Value) {
	number, err := personnummer.Parse(v.Text, g.facts.Today())
	if err != nil {
		g.fault(rule.From, "", FaultPersonalID)
		return
	}
	name := line(g.seen.answers[rule.Name].Text)
	switch {
	case name == "":
		g.fault(rule.Name, "", FaultRequired)
	case utf8.RuneCountInString(name) > maxName:
		g.faults = append(g.faults, Fault{Field: rule.Name, Code: FaultTooLong, Args: map[string]string{"max": "120"}})
	}
	g.add(rule, Party{Number: number.Digits(), Name: name}, rule.Contact)
}

// add completes a party. reach is the field that tells how to reach it; empty:
// there is none.
func (g *gathering) add(rule PartyRule, p Party, reach string) {
	p.ID, p.CoOwner, p.Contact = rule.ID, rule.CoOwner, rule.Contact
	switch {
	case p.Number == g.facts.Applicant.Number.Digits():
		g.fault(rule.From, "", FaultSelf)
	case slices.ContainsFunc(g.parties, func(q Party) bool { return q.Number == p.Number }):
		g.fault(rule.From, "", FaultTwice)
	}
	v := g.seen.answers[reach]
	p.Email, p.Phone = reachable(v)
	if p.Email == "" && p.Phone == "" {
		part := ""
		if field, _ := g.service.Field(rule.Contact); field != nil && len(field.Channels) > 0 {
			part = field.Channels[0]
		}
		g.fault(rule.Contact, part, FaultReach)
	}
	g.parties = append(g.parties, p)
}

// reachable are the addresses in their own form; what is none is left out.
func reachable(v Value) (email, phone string) {
	email, _ = contact.Email(v.Parts[channelEmail])
	phone, _ = contact.Phone(v.Parts[channelPhone])
	return email, phone
}

// Contact is where the applicant asked to be told: the first contact field that
// is shown. Notify names only ways that have an address.
func (s *Service) Contact(a Answers, f Facts) Contact {
	seen := s.look(a)
	for _, field := range seen.all() {
		if field.Type != TypeContact {
			continue
		}
		v := seen.answers[field.ID]
		c := Contact{}
		c.Email, c.Phone = reachable(v)
		c.Notify = notify(c, strings.TrimSpace(v.Parts[partNotify]))
		return c
	}
	return Contact{}
}

// notify is what was chosen, or else all there is.
func notify(c Contact, chosen string) string {
	email, phone := c.Email != "", c.Phone != ""
	switch {
	case chosen == notifyEmail && email, chosen == notifySMS && phone, chosen == notifyBoth && email && phone:
		return chosen
	case email && phone:
		return notifyBoth
	case email:
		return notifyEmail
	case phone:
		return notifySMS
	}
	return ""
}

// Files are the files of visible fields, in their order.
func (s *Service) Files(a Answers, f Facts) []File {
	seen := s.look(a)
	var files []File
	for _, field := range seen.all() {
		if field.Type == TypeFile {
			files = append(files, seen.answers[field.ID].Files...)
		}
	}
	return files
}
