package verify

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Print writes a report for a terminal: the answer, what was signed and by whom,
// and last what was looked at.
func (w Words) Print(r Report) string {
	p := &printer{Words: w}
	p.line("%s", w.Verdict(r))
	for _, sentence := range []string{w.Reason(r), w.Advice(r)} {
		if sentence != "" {
			p.line("%s", sentence)
		}
	}
	if o := r.Order; o != nil {
		p.order(o)
	}
	p.signatures(r.Signatures)
	if s := r.Seal; s != nil {
		p.heading("%s", w.pick("Förseglad", "Sealed"))
		p.fact(w.pick("Av", "By"), strings.TrimSuffix(s.Organisation+" ("+s.OrgIdentifier+")", " ()"))
		p.fact(w.pick("Certifikat", "Certificate"), s.Certificate+", "+w.pick("från ", "from ")+s.Issuer)
		p.fact(w.pick("Tid", "Time"), w.Time(s.ClaimedAt)+w.pick(", enligt utgivarens egen klocka", ", by the issuer’s own clock"))
	}
	p.heading("%s", w.pick("Kontrollerat", "Verified"))
	p.checks("  ", r.Checks)
	for _, s := range r.Signatures {
		p.line("  %s %d", w.pick("Underskrift", "Signature"), s.N)
		p.checks("    ", s.Checks)
	}
	if r.Code != "" {
		p.line("")
		p.line("%s: %s", w.pick("Felkod", "Error code"), r.Code)
	}
	return p.out.String()
}

type printer struct {
	Words
	out strings.Builder
}

func (p *printer) line(format string, args ...any) {
	p.out.WriteString(strings.TrimRight(printable(fmt.Sprintf(format, args...)), " ") + "\n")
}

func (p *printer) heading(format string, args ...any) {
	p.line("")
	p.line(format, args...)
}

// fact is a label and a value, on lines of their own where it has several.
func (p *printer) fact(label, value string) {
	const column = 14
	label += strings.Repeat(" ", max(1, column-len([]rune(label))))
	for text := range strings.SplitSeq(value, "\n") {
		p.line("  %s%s", label, text)
		label = strings.Repeat(" ", column)
	}
}

func (p *printer) order(o *Order) {
	p.heading("%s", o.Title)
	p.fact(p.pick("Begärd av", "Requested by"), o.Client)
	if o.Reference != "" {
		p.fact(p.pick("Referens", "Reference"), o.Reference)
	}
	p.fact(p.pick("Order-id", "Order id"), o.ID)
	p.fact(p.pick("Tjänst", "Service"), o.Issuer)
	p.fact(p.pick("Klar", "Completed"), p.Time(o.CompletedAt))
	label := p.pick("Handlingar", "Documents")
	for i, name := range o.Names {
		p.fact(label, strconv.Itoa(i+1)+". "+strings.ReplaceAll(name, "\n", " "))
		label = ""
	}
	p.fact("SHA-256", o.SHA256)
}

// signatures tells who signed, and the text once where all saw the same.
func (p *printer) signatures(list []Signature) {
	shown := ""
	for _, s := range list {
		if s.Person == "" {
			continue
		}
		p.heading("%s %d", p.pick("Underskrift", "Signature"), s.N)
		p.line("  %s, %s", s.Name, s.Person)
		p.line("  %s, %s", s.ProviderName, p.Level(s.Level))
		p.line("  %s", p.Time(s.At))
		if s.Held != nil {
			p.line("  %s %s", p.pick("Sparat, inte kontrollerat:", "Held, not verified:"), p.pick(s.Held.SV, s.Held.EN))
		}
		if s.Shown == shown {
			p.line("  %s", p.pick("I appen stod samma text som ovan.", "The app showed the same text as above."))
			continue
		}
		shown = s.Shown
		p.line("  %s", p.pick("I appen stod:", "The app showed:"))
		for text := range strings.SplitSeq(s.Shown, "\n") {
			p.line("  | %s", text)
		}
	}
}

func (p *printer) checks(indent string, list []Check) {
	for _, c := range list {
		sign := p.pick("ja ", "yes")
		if !c.Passed {
			sign = p.pick("NEJ", "NO ")
		}
		p.line("%s[%s] %s", indent, sign, p.Check(c.Name))
		if c.Problem != "" {
			p.line("%s      %s", indent, c.Problem)
		}
	}
}

// printable keeps what a receipt says from steering the terminal, and from
// looking like something else than it is.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) && r != '\u00ad' || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
