package receipt

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// words are the texts of a receipt in one language. A %s stands for what its
// comment says.
type words struct {
	tag string // BCP 47

	title, titleSealed string
	signedByOne        string // name
	signedByTwo        string // two names
	signedByMany       string // number
	signedOnce         string // time
	lastSigned         string // time
	sealedLead         string // organisation

	client, message, reference, order, created, completed, completedSealed, sealedBy string

	signatures, name, eid, when string

	documents, documentsSealed, document, file, kind, size, digest string

	details, number, level, policy, started, signed, transaction, eidOrder, evidence, shown, shownMarkup string

	meaning, meaningSealed string
	sealCovers             string // organisation
	signaturesCover        string

	verify, verifyHow, verifyHowSealed, verifyOffline string
	verifyAlt                                         string // address
	manifestDigest, service, trust, layout            string

	attachments, attachmentsHow string

	footer, page string // title, order; number, count

	levels map[string]string
	months [12]string
	time   func(w *words, t time.Time) string
	bytes  string // number
}

func swedish() *words {
	return &words{
		tag:          "sv-SE",
		title:        "Kvittens på underskrift",
		titleSealed:  "Kvittens",
		signedByOne:  "%s har skrivit under.",
		signedByTwo:  "%s och %s har skrivit under.",
		signedByMany: "%s personer har skrivit under.",
		signedOnce:   "Underskriften kom den %s.",
		lastSigned:   "Den sista underskriften kom den %s.",
		sealedLead:   "Filen är förseglad av %s, så att varje ändring i efterhand märks.",

		client: "Begärd av", message: "Meddelande", reference: "Referens", order: "Order-id", created: "Skapad",
		completed: "Klar", completedSealed: "Förseglad", sealedBy: "Förseglad av",

		signatures: "Underskrifter", name: "Namn", eid: "E-legitimation", when: "Tidpunkt",

		documents: "Det som har skrivits under", documentsSealed: "Innehåll", document: "Dokument", file: "Fil",
		kind: "Typ", size: "Storlek", digest: "Kontrollsumma (SHA-256)",

		details: "Underskrifterna i detalj", number: "Personnummer", level: "Tillitsnivå", policy: "Utfärdarens policy",
		started: "Påbörjad", signed: "Underskriven", transaction: "Utfärdarens transaktion", eidOrder: "Vår beteckning",
		evidence: "Bevis", shown: "Den här texten visades i e-legitimationens app:",
		shownMarkup: "Den här texten visades i e-legitimationens app. Tecken som # och * styr där hur den ser ut:",

		meaning:       "Vad förseglingen och underskrifterna omfattar",
		meaningSealed: "Vad förseglingen omfattar",
		sealCovers: "Förseglingen är gjord av %s och omfattar hela filen: sidorna som du läser och alla bilagor. " +
			"Den är den enda PDF-signaturen i filen.",
		signaturesCover: "Varje person har skrivit under med sin e-legitimation. Underskriften omfattar texten som visades i appen " +
			"och kontrollsumman för allt (SHA-256), som i sin tur omfattar alla handlingar och vilka som skulle skriva under dem. " +
			"En sådan underskrift är ingen PDF-signatur, så ett läsprogram visar den inte som en. " +
			"Utfärdarens bevis för varje underskrift är bifogat och kan kontrolleras för sig.",

		verify: "Kontrollera kvittensen",
		verifyHow: "Gå till adressen eller läs av koden och välj den här filen. Då kontrolleras förseglingen, varje underskrift " +
			"och att sidorna stämmer med bilagorna. Spara filen som den är: en utskrift eller en omsparad kopia kan inte kontrolleras.",
		verifyHowSealed: "Gå till adressen eller läs av koden och välj den här filen. Då kontrolleras förseglingen " +
			"och att sidorna stämmer med bilagorna. Spara filen som den är: en utskrift eller en omsparad kopia kan inte kontrolleras.",
		verifyOffline:  "Utan nätverk, med programmet Sigill: sigill verify fil.pdf",
		verifyAlt:      "QR-kod med adressen %s",
		manifestDigest: "Kontrollsumma för allt", service: "Tjänst", trust: "Förtroendefil (SHA-256)", layout: "Kvittensens form",

		attachments: "Bilagor", attachmentsHow: "Bilagorna ligger i filen. De flesta läsprogram kan visa och spara dem.",

		footer: "%s · %s", page: "Sida %s av %s",

		levels: map[string]string{
			"loa3":             "Tillitsnivå 3",
			"uncertified-loa3": "Tillitsnivå 3 (e-legitimationens egen; tjänsten är inte själv granskad)",
		},
		months: [12]string{"januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"},
		time: func(w *words, t time.Time) string {
			local, zone := SwedishTime(t)
			return fmt.Sprintf("%d\u00a0%s %d kl.\u00a0%s, svensk tid (%s)", local.Day(), w.months[local.Month()-1], local.Year(), local.Format("15:04:05"), zone)
		},
		bytes: "%s byte",
	}
}

func english() *words {
	return &words{
		tag:          "en",
		title:        "Receipt of signature",
		titleSealed:  "Receipt",
		signedByOne:  "%s has signed.",
		signedByTwo:  "%s and %s have signed.",
		signedByMany: "%s people have signed.",
		signedOnce:   "The signature was made on %s.",
		lastSigned:   "The last signature was made on %s.",
		sealedLead:   "The file is sealed by %s, so that any later change shows.",

		client: "Asked for by", message: "Message", reference: "Reference", order: "Order id", created: "Created",
		completed: "Completed", completedSealed: "Sealed", sealedBy: "Sealed by",

		signatures: "Signatures", name: "Name", eid: "e-ID", when: "Time",

		documents: "What has been signed", documentsSealed: "Contents", document: "Document", file: "File",
		kind: "Type", size: "Size", digest: "Checksum (SHA-256)",

		details: "The signatures in detail", number: "Personal number", level: "Level of assurance", policy: "Issuer’s policy",
		started: "Begun", signed: "Signed", transaction: "Issuer’s transaction", eidOrder: "Our name for it",
		evidence: "Evidence", shown: "The e-ID’s app showed this text:",
		shownMarkup: "The e-ID’s app showed this text. There, characters like # and * say how it looks:",

		meaning:       "What the seal and the signatures cover",
		meaningSealed: "What the seal covers",
		sealCovers: "The seal was made by %s and covers the whole file: the pages that you read and all attachments. " +
			"It is the only PDF signature in the file.",
		signaturesCover: "Each person has signed with an e-ID. The signature covers the text that the app showed " +
			"and the checksum of everything (SHA-256), which in turn covers all documents and who was to sign them. " +
			"Such a signature is no PDF signature, so a viewer does not show it as one. " +
			"The issuer’s evidence for each signature is attached and can be verified by itself.",

		verify: "Verify the receipt",
		verifyHow: "Go to the address or scan the code, and choose this file. The seal, each signature, and that the pages agree " +
			"with the attachments are then verified. Keep the file as it is: a printout or a copy saved anew cannot be verified.",
		verifyHowSealed: "Go to the address or scan the code, and choose this file. The seal, and that the pages agree " +
			"with the attachments, are then verified. Keep the file as it is: a printout or a copy saved anew cannot be verified.",
		verifyOffline:  "Without a network, with the program Sigill: sigill verify file.pdf",
		verifyAlt:      "QR code with the address %s",
		manifestDigest: "Checksum of everything", service: "Service", trust: "Trust file (SHA-256)", layout: "Form of the receipt",

		attachments: "Attachments", attachmentsHow: "The attachments are in the file. Most viewers can show and save them.",

		footer: "%s · %s", page: "Page %s of %s",

		levels: map[string]string{
			"loa3":             "Level of assurance 3",
			"uncertified-loa3": "Level of assurance 3 (the e-ID’s own; the service is not itself certified)",
		},
		months: [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		time: func(w *words, t time.Time) string {
			local, zone := SwedishTime(t)
			return fmt.Sprintf("%d\u00a0%s %d at %s, Swedish time (%s)", local.Day(), w.months[local.Month()-1], local.Year(), local.Format("15:04:05"), zone)
		},
		bytes: "%s bytes",
	}
}

// fill puts the parts in the places of %s.
func fill(text string, parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		before, after, _ := strings.Cut(text, "%s")
		b.WriteString(before)
		b.WriteString(part)
		text = after
	}
	b.WriteString(text)
	return b.String()
}

// sizeInWords is a number of bytes, in groups of three digits.
func (w *words) sizeInWords(n int) string {
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u00A0')
		}
		b.WriteByte(digits[i])
	}
	return fill(w.bytes, b.String())
}

func (w *words) levelInWords(level string) string {
	if text, ok := w.levels[level]; ok {
		return text
	}
	return level
}

// groups divides a digest for the eye, as the e-ID's app shows its beginning.
func groups(digest string) string {
	var b strings.Builder
	b.Grow(len(digest) + len(digest)/4)
	for i := 0; i < len(digest); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(digest[i:min(i+4, len(digest))])
	}
	return b.String()
}
