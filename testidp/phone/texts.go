package phone

// texts are the words of the pages in one language.
type texts struct {
	Lang, OtherLang, OtherName                      string
	Banner, Phone, Choose, ChooseLead, Use, Switch  string
	ScanTitle, ScanLabel, ScanHelp, Scan            string
	ScanFailed                                      string
	Camera, CameraHelp, NothingInView, ScanByHand   string
	Pending, NonePending, Open, Reload              string
	Identify, Sign, Cancel                          string
	WantsIdentify, WantsSign, NoText, Intention     string
	CallTitle, CallLead, CallYes, CallNo            string
	ReadTitle, ReadLead, ReadDone, ReadFailed       string
	With                                            string
	DeviceMobile, DeviceFile, DeviceCard            string
	DeviceAny                                       string
	NoEID, Others, Broken                           string
	Working, Done, Stopped, Reason                  string
	Close, Back, Home                               string
	Unknown, UnknownLead                            string
	Auth, Signature                                 string
	FlagBlocked, FlagNoMobile, FlagNoFile           string
	FlagNoEID, FlagCard, FlagCapitals, FlagTeenager string
	FlagSamordningsnummer                           string
	FlagSecrecy, FlagProtectedRegistration          string
	FlagLowLevel                                    string
	Behind, Register, Staff                         string
	OnSites, OnSitesHelp                            string
	SAML, OIDC                                      string
	Inbox, InboxLead, InboxEmpty, InboxClear        string
	From, To, Everybody, Show, Sent, NoSubject      string
	Mail, SMSFrom, Repeat, Attachments              string
	AsHTML, AsText, Header, ToInbox                 string
}

func (t texts) device(kind string) string {
	switch kind {
	case "mobile":
		return t.DeviceMobile
	case "file":
		return t.DeviceFile
	default:
		return t.DeviceCard
	}
}

// EID is what people call the app or site of a simulator.
func (t texts) EID(provider string) string {
	switch provider {
	case "bankid":
		return "BankID"
	case "freja":
		return "Freja"
	case "telia":
		return t.SAML
	case "oidc":
		return t.OIDC
	}
	return provider
}

// Flag is the word for a person's flag.
func (t texts) Flag(f string) string {
	switch f {
	case "blocked":
		return t.FlagBlocked
	case "noMobile":
		return t.FlagNoMobile
	case "noFile":
		return t.FlagNoFile
	case "noEID":
		return t.FlagNoEID
	case "card":
		return t.FlagCard
	case "capitals":
		return t.FlagCapitals
	case "teenager":
		return t.FlagTeenager
	case "samordningsnummer":
		return t.FlagSamordningsnummer
	case "secrecy":
		return t.FlagSecrecy
	case "protectedRegistration":
		return t.FlagProtectedRegistration
	case "lowLevel":
		return t.FlagLowLevel
	}
	return f
}

func textsFor(language string) texts {
	if language == "en" {
		return texts{
			Lang: "en", OtherLang: "sv", OtherName: "Svenska",
			Banner: "Simulator. For tests only.", Phone: "The phone", Choose: "Who are you?",
			ChooseLead: "Pick a made-up person. No security code is asked for.", Use: "Be this person", Switch: "Be someone else",
			ScanTitle: "Scan a code", ScanLabel: "Content of the QR code", ScanHelp: "Paste what the code says right now. It is good for a couple of seconds.", Scan: "Scan",
			ScanFailed: "The code could not be used",
			Camera:     "Point the camera at the screen", CameraHelp: "Reads the newest QR code that is being shown.",
			NothingInView: "No QR code is being shown. Start a login with Mobilt BankID or Freja in another tab first.", ScanByHand: "Paste a code instead",
			Pending: "On this phone", NonePending: "Nothing is waiting. Scan a code or follow an app link.", Open: "Open", Reload: "Look again",
			Identify: "Identify", Sign: "Sign", Cancel: "Cancel",
			WantsIdentify: "asks you to identify yourself", WantsSign: "asks you to sign", NoText: "The service sent no text.", Intention: "My intention",
			CallTitle: "Are you on the phone?", CallLead: "Continue only if you are talking to", CallYes: "Yes, go on", CallNo: "No, stop",
			ReadTitle: "Read your passport", ReadLead: "The service wants your passport or national identity card to be read.", ReadDone: "It has been read", ReadFailed: "It cannot be read",
			With: "With", DeviceMobile: "Mobile BankID", DeviceFile: "BankID on file", DeviceCard: "BankID on card", DeviceAny: "What fits best",
			NoEID: "You have no e-ID here that the service accepts.", Others: "Another person has opened this on their phone.", Broken: "The app cannot show the text:",
			Working: "Working on it …", Done: "Done", Stopped: "Stopped", Reason: "Reason:",
			Close: "You can close this window.", Back: "Back to the service", Home: "To the phone",
			Unknown: "Nothing here", UnknownLead: "The order does not exist, is over, or has not been opened with its code or app link.",
			Auth: "Identification", Signature: "Signature",
			FlagBlocked: "blocked", FlagNoMobile: "no e-ID in a phone", FlagNoFile: "no e-ID on file", FlagNoEID: "no e-ID", FlagCard: "also on card",
			FlagCapitals: "name in capitals", FlagTeenager: "young", FlagSamordningsnummer: "co-ordination number",
			FlagSecrecy: "protected identity", FlagProtectedRegistration: "protected registration",
			FlagLowLevel: "lower level",
			OnSites:      "On the issuers' own sites", OnSitesHelp: "These are decided there, in the window where they began or here.",
			SAML: "Telia e-legitimation (SAML)", OIDC: "Test e-ID (OIDC)",
			Behind: "Around the phone", Register: "The population register", Staff: "The officers' login",
			Inbox: "Inbox", InboxLead: "Every mail and SMS that was sent here, to whomever.", InboxEmpty: "Nothing has come.", InboxClear: "Throw everything away",
			From: "From", To: "To", Everybody: "Everybody", Show: "Show", Sent: "Came", NoSubject: "(no subject)",
			Mail: "Mail", SMSFrom: "SMS from", Repeat: "sent again", Attachments: "Attachments",
			AsHTML: "The mail", AsText: "As plain text", Header: "The whole header", ToInbox: "To the inbox",
		}
	}
	return texts{
		Lang: "sv", OtherLang: "en", OtherName: "English",
		Banner: "Simulator. Bara för test.", Phone: "Telefonen", Choose: "Vem är du?",
		ChooseLead: "Välj en påhittad person. Ingen säkerhetskod behövs.", Use: "Var den här personen", Switch: "Byt person",
		ScanTitle: "Skanna en kod", ScanLabel: "QR-kodens innehåll", ScanHelp: "Klistra in det som koden säger just nu. Det gäller i ett par sekunder.", Scan: "Skanna",
		ScanFailed: "Koden gick inte att använda",
		Camera:     "Rikta kameran mot skärmen", CameraHelp: "Läser den senaste QR-kod som visas.",
		NothingInView: "Ingen QR-kod visas just nu. Börja en inloggning med Mobilt BankID eller Freja i en annan flik.", ScanByHand: "Klistra in en kod i stället",
		Pending: "I den här telefonen", NonePending: "Inget väntar. Skanna en kod eller följ en applänk.", Open: "Öppna", Reload: "Titta igen",
		Identify: "Identifiera", Sign: "Skriv under", Cancel: "Avbryt",
		WantsIdentify: "vill att du identifierar dig", WantsSign: "vill att du skriver under", NoText: "Tjänsten skickade ingen text.", Intention: "Min avsikt",
		CallTitle: "Pratar du i telefon?", CallLead: "Fortsätt bara om du talar med", CallYes: "Ja, fortsätt", CallNo: "Nej, stoppa",
		ReadTitle: "Läs av ditt pass", ReadLead: "Tjänsten vill att ditt pass eller nationella id-kort läses av.", ReadDone: "Det är avläst", ReadFailed: "Det går inte att läsa av",
		With: "Med", DeviceMobile: "Mobilt BankID", DeviceFile: "BankID på fil", DeviceCard: "BankID på kort", DeviceAny: "Det som passar bäst",
		NoEID: "Du har ingen e-legitimation här som tjänsten godtar.", Others: "En annan person har öppnat det här i sin telefon.", Broken: "Appen kan inte visa texten:",
		Working: "Vi arbetar på det …", Done: "Klart", Stopped: "Avbrutet", Reason: "Orsak:",
		Close: "Du kan stänga fönstret.", Back: "Tillbaka till tjänsten", Home: "Till telefonen",
		Unknown: "Här finns inget", UnknownLead: "Beställningen finns inte, är avslutad eller har inte öppnats med sin kod eller applänk.",
		Auth: "Identifiering", Signature: "Underskrift",
		FlagBlocked: "spärrad", FlagNoMobile: "ingen e-leg i telefon", FlagNoFile: "ingen e-leg på fil", FlagNoEID: "ingen e-legitimation", FlagCard: "även på kort",
		FlagCapitals: "namn i versaler", FlagTeenager: "ung", FlagSamordningsnummer: "samordningsnummer",
		FlagSecrecy: "skyddad identitet", FlagProtectedRegistration: "skyddad folkbokföring",
		FlagLowLevel: "lägre nivå",
		OnSites:      "På utfärdarnas egna sidor", OnSitesHelp: "De avgörs där, i fönstret där de började eller här.",
		SAML: "Telia e-legitimation (SAML)", OIDC: "Test-e-legitimation (OIDC)",
		Behind: "Runt telefonen", Register: "Folkbokföringen", Staff: "Handläggarnas inloggning",
		Inbox: "Inkorgen", InboxLead: "All e-post och alla sms som har skickats hit, till vem som helst.", InboxEmpty: "Inget har kommit.", InboxClear: "Kasta allt",
		From: "Från", To: "Till", Everybody: "Alla", Show: "Visa", Sent: "Kom", NoSubject: "(inget ämne)",
		Mail: "E-post", SMSFrom: "Sms från", Repeat: "skickat igen", Attachments: "Bilagor",
		AsHTML: "Brevet", AsText: "Som ren text", Header: "Hela brevhuvudet", ToInbox: "Till inkorgen",
	}
}
