package check

import (
	"strconv"

	"sigill/signing/verify"
)

// answer is what the page shows of a report.
type answer struct {
	Self, Sign, Icon, Verdict, Reason, Advice, Code string
	Checks                                          []row
	Seal                                            []fact
	Title                                           string
	Order                                           []fact
	Signatures                                      []signature
}

type row struct{ Text, Icon, Mark string }

type fact struct{ Label, Value string }

type signature struct {
	Name, Person, EID, Level, At, Text string
	Held                               string // and not verified
	Checks                             []row
}

// shown puts a report in the words of a language.
func shown(r verify.Report, lang string) answer {
	w := verify.In(lang)
	a := answer{Self: Path, Verdict: w.Verdict(r), Reason: w.Reason(r), Advice: w.Advice(r), Code: r.Code, Checks: rows(w, r.Checks)}
	switch r.Verdict {
	case verify.Valid:
		a.Icon = "check"
	case verify.Invalid:
		a.Sign, a.Icon = "bad", "alert"
	default:
		a.Sign, a.Icon = "warn", "info"
	}
	label := func(sv, en string) string {
		if lang == "en" {
			return en
		}
		return sv
	}
	if s := r.Seal; s != nil {
		a.Seal = []fact{
			{label("Förseglad av", "Sealed by"), s.Organisation},
			{label("Certifikat", "Certificate"), s.Certificate},
			{label("Tid enligt den som förseglade", "Time according to the sealer"), w.Time(s.ClaimedAt)},
		}
	}
	if o := r.Order; o != nil {
		a.Title = o.Title
		a.Order = []fact{{label("Begärd av", "Asked for by"), o.Client}}
		if o.Reference != "" {
			a.Order = append(a.Order, fact{label("Referens", "Reference"), o.Reference})
		}
		a.Order = append(a.Order, fact{label("Klar", "Completed"), w.Time(o.CompletedAt)})
		for i, name := range o.Names {
			a.Order = append(a.Order, fact{label("Handling ", "Document ") + strconv.Itoa(i+1), name})
		}
		a.Order = append(a.Order, fact{label("Order-id", "Order id"), o.ID}, fact{label("Kontrollsumma för allt (SHA-256)", "Checksum of everything (SHA-256)"), o.SHA256})
	}
	for _, s := range r.Signatures {
		shown := signature{Name: s.Name, Person: s.Person, EID: s.ProviderName, Text: s.Shown, Checks: rows(w, s.Checks)}
		if s.Person != "" {
			shown.Level, shown.At = w.Level(s.Level), w.Time(s.At)
			if s.Held != nil {
				shown.Held = s.Held.In(lang)
			}
		}
		a.Signatures = append(a.Signatures, shown)
	}
	return a
}

func rows(w verify.Words, checks []verify.Check) []row {
	var out []row
	for _, c := range checks {
		r := row{Text: w.Check(c.Name), Icon: "check", Mark: "done"}
		if !c.Passed {
			r.Icon, r.Mark = "alert", "no"
		}
		out = append(out, r)
	}
	return out
}
