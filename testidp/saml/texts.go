package saml

// texts are the words of the pages in one language.
type texts struct {
	Lang, OtherLang, OtherName           string
	Banner, Identify, Sign, Back         string
	WantsIdentify, WantsSign, Behalf     string
	TextToSign, Message, Who, WhoMust    string
	Approve, ApproveSign, Cancel         string
	Otherwise, Misbehave, Well, BackLead string
	Deliver, Refused                     string
	NothingHere, NothingLead             string
	Fraud, PossibleFraud, Locked         string
	NoContext, WrongPerson, Denied       string
	TimeOut, Requester                   string
}

func (t texts) endings() []ending {
	return []ending{
		{hintFraud, t.Fraud}, {hintPossibleFraud, t.PossibleFraud}, {hintAuthnFailed, t.Locked}, {hintNoContext, t.NoContext},
		{hintUnknown, t.WrongPerson}, {hintDenied, t.Denied}, {hintRequester, t.Requester}, {hintTimeout, t.TimeOut},
	}
}

func textsFor(lang string) texts {
	if lang == "en" {
		return texts{
			Lang: "en", OtherLang: "sv", OtherName: "Svenska",
			Banner: "TEST. Simulator. For tests only.", Identify: "Identify yourself", Sign: "Sign", Back: "Back to the service",
			WantsIdentify: "asks you to identify yourself.", WantsSign: "asks you to sign.", Behalf: "On behalf of",
			TextToSign: "What you sign", Message: "From the service", Who: "Who are you?", WhoMust: "The service expects",
			Approve: "Identify", ApproveSign: "Sign", Cancel: "Cancel",
			Otherwise: "Let it end in another way", Misbehave: "Let the answer have a fault", Well: "none", BackLead: "You are on your way back to the service.",
			Deliver: "Continue to the service", Refused: "The request was refused",
			NothingHere: "Nothing here", NothingLead: "The order does not exist, or is long over.",
			Fraud: "Stopped: fraud", PossibleFraud: "Stopped: possible fraud", Locked: "The card is locked",
			NoContext: "The e-ID does not have the level", WrongPerson: "It was somebody else", Denied: "The service may not use this e-ID",
			TimeOut: "Time ran out", Requester: "The request is wrong",
		}
	}
	return texts{
		Lang: "sv", OtherLang: "en", OtherName: "English",
		Banner: "TEST. Simulator. Bara för test.", Identify: "Legitimera dig", Sign: "Skriv under", Back: "Tillbaka till tjänsten",
		WantsIdentify: "vill att du legitimerar dig.", WantsSign: "vill att du skriver under.", Behalf: "För",
		TextToSign: "Det du skriver under", Message: "Från tjänsten", Who: "Vem är du?", WhoMust: "Tjänsten väntar sig",
		Approve: "Legitimera", ApproveSign: "Skriv under", Cancel: "Avbryt",
		Otherwise: "Låt det sluta på ett annat sätt", Misbehave: "Låt svaret ha ett fel", Well: "inget", BackLead: "Du är på väg tillbaka till tjänsten.",
		Deliver: "Fortsätt till tjänsten", Refused: "Begäran godtogs inte",
		NothingHere: "Här finns inget", NothingLead: "Beställningen finns inte eller är avslutad sedan länge.",
		Fraud: "Stoppat: bedrägeri", PossibleFraud: "Stoppat: misstänkt bedrägeri", Locked: "Kortet är låst",
		NoContext: "E-legitimationen har inte nivån", WrongPerson: "Det var någon annan", Denied: "Tjänsten får inte använda e-legitimationen",
		TimeOut: "Tiden gick ut", Requester: "Begäran är fel",
	}
}
