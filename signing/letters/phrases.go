package letters

import (
	"strconv"
	"time"
)

// phrase is everything that letters say in one language.
type phrase struct {
	kinds      map[string]kind
	see, fetch string   // what a link is for
	steps      []string // where to go without a link
	code       string
	notes      []string // in letters that ask for a signature
	foot       string
	smsCode    string
	when       func(time.Time) string
	short      func(time.Time) string
}

// kind is what one kind of letter says.
type kind struct {
	subject string
	lead    []string
	sms     string
}

func swedish() phrase {
	return phrase{
		kinds: map[string]kind{
			"invite": {
				"{asker} ber om din underskrift",
				[]string{"Hej!", "{asker} ber dig att läsa och skriva under: {title}.", "Gör det senast {by}."},
				"{asker} ber dig läsa och skriva under en handling senast {by}. Du loggar in med din egen e-legitimation.",
			},
			"sign_again": {
				"Du behöver skriva under igen: {title}",
				[]string{"Hej!", "{asker} har ändrat det som du skulle skriva under eller redan hade skrivit under: {title}. Tidigare underskrifter gäller inte längre.", "Läs igenom det på nytt och skriv under igen senast {by}."},
				"{asker} har ändrat en handling som du ska skriva under. Läs den på nytt och skriv under senast {by}. Du loggar in med din egen e-legitimation.",
			},
			"remind": {
				"Påminnelse: {asker} väntar på din underskrift",
				[]string{"Hej!", "{asker} väntar fortfarande på att du ska läsa och skriva under: {title}.", "Gör det senast {by}. Efter det går det inte längre."},
				"Påminnelse: {asker} väntar på din underskrift senast {by}. Du loggar in med din egen e-legitimation.",
			},
			"ended refused": {
				"Du behöver inte skriva under: {title}",
				[]string{"Hej!", "Någon av de som skulle skriva under har tackat nej. Därför är underskriften avslutad: {title}.", "Du behöver inte göra något. Frågor besvaras av {asker}."},
				"Underskriften hos {asker} är avslutad, eftersom någon har tackat nej. Du behöver inte göra något.",
			},
			"ended expired": {
				"Tiden för att skriva under är slut: {title}",
				[]string{"Hej!", "Alla hann inte skriva under i tid. Därför är underskriften avslutad: {title}.", "Du behöver inte göra något. Frågor besvaras av {asker}."},
				"Tiden för underskriften hos {asker} är slut. Du behöver inte göra något.",
			},
			"ended cancelled": {
				"Du behöver inte skriva under: {title}",
				[]string{"Hej!", "{asker} har avbrutit underskriften: {title}.", "Du behöver inte göra något."},
				"{asker} har avbrutit underskriften. Du behöver inte göra något.",
			},
			"ended replaced": {
				"Du behöver inte skriva under: {title}",
				[]string{"Hej!", "{asker} ber inte längre om din underskrift: {title}. Någon annan skriver under i stället.", "Du behöver inte göra något."},
				"{asker} ber inte längre om din underskrift. Du behöver inte göra något.",
			},
			"receipt": {
				"Alla har skrivit under: {title}",
				[]string{"Hej!", "Nu är det klart: alla har skrivit under {title}, som {asker} bad om.", "Kvittensen är en förseglad PDF. Du hämtar den när du har loggat in med din egen e-legitimation."},
				"Klart: alla har skrivit under det som {asker} bad om. Hämta kvittensen med din egen e-legitimation.",
			},
		},
		see: "Läs och skriv under", fetch: "Hämta kvittensen",
		steps: []string{
			"Öppna webbläsaren och skriv adressen {where}",
			"Logga in med din egen e-legitimation.",
			"Välj att skriva in en kod och skriv koden här nedanför.",
		},
		code: "Din kod",
		notes: []string{
			"Du loggar in och skriver under med din egen e-legitimation. Ingen annan kan göra det åt dig.",
			"Skriv inte under något som du inte känner igen. Är du osäker, hör av dig till {asker} på ett sätt som du själv letar upp.",
		},
		foot:    "Meddelandet skickades för {asker} av {host}. Det går inte att svara på det.",
		smsCode: " Gå till {where} och skriv koden {code}",
		when: func(t time.Time) string {
			days := [...]string{"söndag", "måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag"}
			months := [...]string{"januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"}
			return days[t.Weekday()] + " " + strconv.Itoa(t.Day()) + " " + months[t.Month()-1] + " " + strconv.Itoa(t.Year()) + " klockan " + t.Format("15.04")
		},
		short: func(t time.Time) string {
			return strconv.Itoa(t.Day()) + "/" + strconv.Itoa(int(t.Month())) + " kl " + t.Format("15.04")
		},
	}
}

func english() phrase {
	return phrase{
		kinds: map[string]kind{
			"invite": {
				"{asker} asks for your signature",
				[]string{"Hello,", "{asker} asks you to read and sign: {title}.", "Please do so by {by}."},
				"{asker} asks you to read and sign a document by {by}. You log in with your own e-ID.",
			},
			"sign_again": {
				"You need to sign again: {title}",
				[]string{"Hello,", "{asker} has changed what you were to sign or had already signed: {title}. Earlier signatures no longer count.", "Please read it anew and sign again by {by}."},
				"{asker} has changed a document that you are to sign. Please read it anew and sign by {by}. You log in with your own e-ID.",
			},
			"remind": {
				"Reminder: {asker} is waiting for your signature",
				[]string{"Hello,", "{asker} is still waiting for you to read and sign: {title}.", "Please do so by {by}. After that it is no longer possible."},
				"Reminder: {asker} is waiting for your signature by {by}. You log in with your own e-ID.",
			},
			"ended refused": {
				"You need not sign: {title}",
				[]string{"Hello,", "Somebody who was to sign has said no. Therefore the signing has ended: {title}.", "You need not do anything. Questions are answered by {asker}."},
				"The signing at {asker} has ended, since somebody has said no. You need not do anything.",
			},
			"ended expired": {
				"The time for signing is over: {title}",
				[]string{"Hello,", "Not everybody signed in time. Therefore the signing has ended: {title}.", "You need not do anything. Questions are answered by {asker}."},
				"The time for the signing at {asker} is over. You need not do anything.",
			},
			"ended cancelled": {
				"You need not sign: {title}",
				[]string{"Hello,", "{asker} has cancelled the signing: {title}.", "You need not do anything."},
				"{asker} has cancelled the signing. You need not do anything.",
			},
			"ended replaced": {
				"You need not sign: {title}",
				[]string{"Hello,", "{asker} no longer asks for your signature: {title}. Somebody else signs instead.", "You need not do anything."},
				"{asker} no longer asks for your signature. You need not do anything.",
			},
			"receipt": {
				"Everybody has signed: {title}",
				[]string{"Hello,", "It is done: everybody has signed {title}, as {asker} asked.", "The receipt is a sealed PDF. You can fetch it after logging in with your own e-ID."},
				"Done: everybody has signed what {asker} asked for. Fetch the receipt with your own e-ID.",
			},
		},
		see: "Read and sign", fetch: "Fetch the receipt",
		steps: []string{
			"Open your web browser and type the address {where}",
			"Log in with your own e-ID.",
			"Choose to type a code, and type the code below.",
		},
		code: "Your code",
		notes: []string{
			"You log in and sign with your own e-ID. Nobody else can do it for you.",
			"Do not sign anything that you do not recognise. If you are unsure, contact {asker} in a way that you look up yourself.",
		},
		foot:    "This message was sent for {asker} by {host}. It cannot be replied to.",
		smsCode: " Go to {where} and type the code {code}",
		when: func(t time.Time) string {
			return t.Format("Monday 2 January 2006 at 15:04")
		},
		short: func(t time.Time) string { return t.Format("2 Jan 15:04") },
	}
}
