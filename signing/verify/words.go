package verify

import (
	"time"

	"sigill/signing/pades"
	"sigill/signing/receipt"
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

// Verdict is the answer in one or two sentences.
func (w Words) Verdict(r Report) string {
	switch r.Verdict {
	case Valid:
		if len(r.Signatures) == 0 {
			return w.pick("Handlingen är äkta. Den har inte ändrats sedan den förseglades.", "The document is genuine. It has not been changed since it was sealed.")
		}
		return w.pick("Kvittensen är äkta. Den har inte ändrats, och alla underskrifter stämmer.", "The receipt is genuine. It has not been changed, and every signature is good.")
	case Indeterminate:
		return w.pick("Det går inte att avgöra om kvittensen är äkta. Lita inte på den än.", "It cannot be decided whether the receipt is genuine. Do not rely on it yet.")
	case Unreadable:
		return w.pick("Filen är ingen kvittens som går att kontrollera här.", "The file is not a receipt that can be verified here.")
	}
	return w.pick("Lita inte på filen.", "Do not trust this file.")
}

// Reason says why, in one sentence; empty for a valid one.
func (w Words) Reason(r Report) string {
	switch r.Code {
	case "", string(pades.Unreadable):
		return ""
	case string(pades.NoSeal):
		return w.pick("Den är inte förseglad, så vem som helst kan ha gjort den.", "It is not sealed, so anybody may have made it.")
	case string(pades.FormatFailure), string(pades.HashFailure), string(pades.SigCryptoFailure):
		return w.pick("Den har ändrats sedan den förseglades, eller så är förseglingen inte äkta.", "It has been changed since it was sealed, or the seal is not genuine.")
	case NoChain:
		if r.Seal == nil {
			return w.pick("Förseglingen är gjord av någon som vi inte har skäl att lita på.", "The seal was made by somebody whom we have no reason to trust.")
		}
		return w.pick("En underskrift är gjord med en e-legitimation som vi inte känner.", "A signature was made with an e-ID that we do not know.")
	case string(pades.NoSigningCertificateFound), string(pades.ChainConstraintsFailure), string(pades.CryptoConstraintsFailure):
		return w.pick("Förseglingen är gjord av en annan utgivare än den väntade, eller med ett certifikat som inte är till för det.", "The seal was made by another issuer than the expected one, or with a certificate that is not for that.")
	case string(pades.OutOfBoundsNoPOE):
		return w.pick("Utgivarens certifikat gällde inte när förseglingen säger sig vara gjord.", "The issuer’s certificate was not valid when the seal claims to have been made.")
	case string(pades.SigConstraintsFailure):
		return w.pick("Förseglingen uppger en tid som inte har varit än. Går klockan rätt här?", "The seal claims a time that has not come yet. Is the clock right here?")
	case UnknownLayout:
		return w.pick("Kvittensen är av ett slag som den här versionen av programmet inte känner.", "The receipt is of a kind that this version of the program does not know.")
	case ContentFailure:
		return w.pick("Det som står på sidorna, handlingarna och bilagorna hör inte ihop.", "What stands on the pages, the documents and the attachments do not belong together.")
	case SignatoryFailure:
		return w.pick("Underskrifterna är inte en från var och en som skulle skriva under.", "The signatures are not one from each person who was to sign.")
	case EvidenceFailure:
		return w.pick("E-legitimationens bevis för en underskrift är inte äkta, eller gäller något annat.", "The e-ID’s proof of a signature is not genuine, or is for something else.")
	case TextFailure:
		return w.pick("Texten som skrevs under i appen stämmer inte med handlingarna.", "The text that was signed in the app does not agree with the documents.")
	case PersonFailure:
		return w.pick("En underskrift är gjord av en annan person än den som skulle skriva under.", "A signature was made by another person than the one who was to sign.")
	case StatementFailure:
		return w.pick("Kvittensen uppger något som bevisen inte visar.", "The receipt states something that the proofs do not show.")
	case LevelNotConfirmed:
		return w.pick("Kvittensen uppger en högre tillitsnivå än vad förtroendefilen ger stöd för.", "The receipt states a higher level of assurance than the trust file supports.")
	}
	return ""
}

// Advice says what to do about it; empty for a valid one.
func (w Words) Advice(r Report) string {
	switch r.Verdict {
	case Valid:
		return ""
	case Indeterminate:
		switch r.Code {
		case UnknownLayout:
			return w.pick("Kontrollera den med en nyare version, eller hos utgivaren.", "Verify it with a later version, or with its issuer.")
		case string(pades.SigConstraintsFailure):
			return ""
		}
		return w.pick("Kontrollera den hos utgivaren, eller med utgivarens förtroendefil.", "Verify it with its issuer, or with the issuer’s trust file.")
	case Unreadable:
		return w.pick("Välj den PDF-fil som du hämtade, så som den kom. En utskrift, en bild eller en omsparad kopia går inte att kontrollera.", "Choose the PDF file that you downloaded, as it came. A printout, a picture or a copy saved anew cannot be verified.")
	}
	return w.pick("Hämta kvittensen på nytt hos utgivaren, eller be avsändaren om filen så som den kom.", "Fetch the receipt again from its issuer, or ask the sender for the file as it came.")
}

// Check names what was looked at, as it is when it is right.
func (w Words) Check(name string) string {
	switch name {
	case CheckSeal:
		return w.pick("Förseglingen är hel och gjord av en betrodd utgivare", "The seal is unbroken and made by a trusted issuer")
	case CheckReceipt:
		return w.pick("Sidorna säger det som är förseglat, och inget är dolt", "The pages say what is sealed, and nothing is hidden")
	case CheckSealer:
		return w.pick("Den som står som utgivare är den som har förseglat", "The issuer on the pages is the one who sealed")
	case CheckManifest:
		return w.pick("Handlingar och bilagor är de som hör till, och inga andra", "Documents and attachments are those that belong to it, and no others")
	case CheckSignatories:
		return w.pick("Var och en som skulle skriva under har gjort det, en gång och i sin tur", "Each person who was to sign has done so, once and in turn")
	case CheckTimes:
		return w.pick("Tiderna hänger ihop", "The times agree with each other")
	case CheckText:
		return w.pick("Texten i appen stämmer med handlingarna", "The text in the app agrees with the documents")
	case CheckEvidence:
		return w.pick("E-legitimationens eget bevis är äkta och gäller just detta", "The e-ID’s own proof is genuine and is for this very thing")
	case CheckPerson:
		return w.pick("Beviset är den persons som skulle skriva under", "The proof is that of the person who was to sign")
	case CheckStatement:
		return w.pick("Namn, e-legitimation, nivå och tid är bevisets", "Name, e-ID, level and time are the proof’s")
	}
	return name
}

// Level is a level of assurance, as on the pages of a receipt.
func (w Words) Level(level string) string {
	switch level {
	case "loa3":
		return w.pick("tillitsnivå 3", "level of assurance 3")
	case "uncertified-loa3":
		return w.pick("tillitsnivå 3 (e-legitimationens egen; tjänsten är inte själv granskad)", "level of assurance 3 (the e-ID’s own; the service is not itself certified)")
	}
	return level
}

// Time is a moment by Sweden's clocks, as on the pages of a receipt.
func (w Words) Time(t time.Time) string {
	local, zone := receipt.SwedishTime(t)
	return local.Format("2006-01-02 15:04:05") + w.pick(" svensk tid (", " Swedish time (") + zone + ")"
}
