package verify

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Words are a report's in plain language, for pages and terminals alike.
type Words struct{ lang string }

// In gives the words of a language: Swedish unless it is "en".
func In(lang string) Words { return Words{lang} }

func (w Words) pick(sv, en string) string {
	if w.lang == "en" {
		return en
	}
	return sv
}

// Verdict is the answer in one sentence.
func (w Words) Verdict(r Report) string {
	switch r.Verdict {
	case Valid:
		if len(r.Signatures) == 0 {
			return w.pick("Handlingen är äkta och har inte ändrats sedan den förseglades.", "The document is genuine and has not been changed since it was sealed.")
		}
		return w.pick("Kvittensen är äkta. Den har inte ändrats, och alla underskrifter stämmer.", "The receipt is genuine. It has not been changed, and every signature is good.")
	case Indeterminate:
		return w.pick("Det går inte att avgöra om filen är äkta. Vi hittade inget fel, men saknar något som behövs för att kontrollera den.", "It cannot be decided whether the file is genuine. No fault was found, but something needed to check it is missing.")
	case Unreadable:
		return w.pick("Filen är ingen kvittens som vi kan läsa.", "The file is not a receipt that we can read.")
	}
	return w.pick("Lita inte på filen. Den har ändrats, eller så stämmer inte en underskrift.", "Do not trust this file. It has been changed, or a signature is not good.")
}

// Advice says what to do about it; empty for a valid one.
func (w Words) Advice(r Report) string {
	switch r.Verdict {
	case Valid:
		return ""
	case Indeterminate:
		return w.pick("Kontrollera den hos den som gav ut den, eller ange utgivarens fil med betrodda rötter.", "Check it with whoever issued it, or give the issuer's file of trusted roots.")
	case Unreadable:
		return w.pick("Välj den PDF-fil som du hämtade, så som den kom. En utskrift, en kopia eller en sparad sida går inte att kontrollera.", "Choose the PDF file that you downloaded, as it came. A print, a copy or a saved page cannot be checked.")
	}
	return w.pick("Be den som skulle ha fått underskrifterna om originalet, eller hämta kvittensen på nytt.", "Ask whoever was to get the signatures for the original, or fetch the receipt again.")
}

// Check names what was looked at.
func (w Words) Check(name string) string {
	switch name {
	case CheckSeal:
		return w.pick("Förseglingen är hel och gjord av en betrodd utgivare", "The seal is unbroken and made by a trusted issuer")
	case CheckReceipt:
		return w.pick("Sidorna säger det som är förseglat, och inget är dolt", "The pages say what is sealed, and nothing is hidden")
	case CheckManifest:
		return w.pick("Handlingarna är de som skrevs under", "The documents are those that were signed")
	case CheckSignatories:
		return w.pick("Alla som skulle skriva under har gjort det, en gång var", "Everybody who was to sign has done so, once each")
	case CheckEvidence:
		return w.pick("E-legitimationens eget bevis är äkta och gäller just dessa handlingar", "The e-ID's own proof is genuine and is for these very documents")
	case CheckText:
		return w.pick("Texten i appen stämmer med handlingarna", "The text in the app agrees with the documents")
	case CheckPerson:
		return w.pick("Beviset är den persons som skulle skriva under", "The proof is that of the person who was to sign")
	case CheckStatement:
		return w.pick("Namn, e-legitimation, nivå och tid stämmer med beviset", "Name, e-ID, level and time agree with the proof")
	}
	return name
}

// Level is a level of assurance.
func (w Words) Level(level string) string {
	switch level {
	case "loa3":
		return w.pick("tillitsnivå 3", "level of assurance 3")
	case "uncertified-loa3":
		return w.pick("tillitsnivå 3 (e-legitimationens egen)", "level of assurance 3 (the e-ID's own)")
	}
	return level
}

// Time is a moment, in UTC since a stranger's clock is not ours.
func (w Words) Time(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// Print writes a report for a terminal.
func (w Words) Print(r Report) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(printable(fmt.Sprintf(format, args...)) + "\n") }
	checks := func(indent string, list []Check) {
		for _, c := range list {
			sign := w.pick("ja ", "yes")
			if !c.Passed {
				sign = w.pick("NEJ", "NO ")
			}
			line("%s[%s] %s", indent, sign, w.Check(c.Name))
			if c.Problem != "" {
				line("%s      %s", indent, c.Problem)
			}
		}
	}
	line("%s", w.Verdict(r))
	if advice := w.Advice(r); advice != "" {
		line("%s", advice)
	}
	if r.Code != "" {
		line("%s: %s", w.pick("Orsak", "Reason"), r.Code)
	}
	line("")
	checks("", r.Checks)
	if r.Seal != nil {
		line("")
		line("%s", w.pick("Försegling", "Seal"))
		line("  %s: %s", w.pick("Av", "By"), r.Seal.Organisation)
		line("  %s: %s", w.pick("Certifikat", "Certificate"), r.Seal.Certificate)
		line("  %s: %s", w.pick("Tid enligt den som förseglade", "Time according to the sealer"), w.Time(r.Seal.ClaimedAt))
	}
	if o := r.Order; o != nil {
		line("")
		line("%s", o.Title)
		line("  %s: %s", w.pick("Begärd av", "Asked for by"), o.Client)
		if o.Reference != "" {
			line("  %s: %s", w.pick("Referens", "Reference"), o.Reference)
		}
		line("  %s: %s", w.pick("Ärende", "Order"), o.ID)
		line("  %s: %s", w.pick("Färdig", "Completed"), w.Time(o.CompletedAt))
		for i, name := range o.Names {
			line("  %s %d: %s", w.pick("Handling", "Document"), i+1, name)
		}
		line("  SHA-256: %s", o.SHA256)
	}
	for _, s := range r.Signatures {
		line("")
		line("%s %d", w.pick("Underskrift", "Signature"), s.N)
		if s.Person != "" {
			line("  %s, %s", s.Name, s.Person)
			line("  %s, %s", s.ProviderName, w.Level(s.Level))
			line("  %s", w.Time(s.At))
			line("  %s:", w.pick("I appen stod", "The app said"))
			for text := range strings.SplitSeq(s.Text, "\n") {
				line("    | %s", text)
			}
		}
		checks("  ", s.Checks)
	}
	return b.String()
}

// printable keeps what a receipt says from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
