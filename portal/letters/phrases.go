package letters

import (
	"strconv"
	"time"
)

// phrases is everything that letters say in one language.
type phrases struct {
	kinds map[string]kind
	see   string // what a link to a case is for
	wait  string // what a link to a draft is for that waits
	draft string // what a link to a draft is for that came back
	login string // beside a link
	ask   string
	foot  string
	when  func(time.Time) string
}

// kind is what one kind of letter says. Its SMS may name the tenant alone.
type kind struct {
	subject string
	lead    []string
	sms     string
}

func swedish() phrases {
	return phrases{
		kinds: map[string]kind{
			"arrived": {
				"Ditt ärende {number} har kommit in: {title}",
				[]string{
					"Hej!", "{tenant} har tagit emot ditt ärende: {title}.", "Ärendets nummer är {number}.",
					"Det betyder att ärendet har kommit in. Inget är beslutat än.",
					"Du kan följa ärendet och hämta kvittensen på Mina sidor.",
				},
				"{tenant} har tagit emot ditt ärende. Inget är beslutat än. Följ det på Mina sidor:",
			},
			"arrived unseen": {
				"Ditt ärende {number} har kommit in: {title}",
				[]string{
					"Hej!", "{tenant} har tagit emot ditt ärende: {title}.", "Ärendets nummer är {number}. Spara det och uppge det om du hör av dig.",
					"Det betyder att ärendet har kommit in. Inget är beslutat än.",
					"Du var inte inloggad när du skickade in det. Därför går det inte att följa på Mina sidor.",
				},
				"{tenant} har tagit emot ditt ärende. Inget är beslutat än. Det går inte att följa på Mina sidor, eftersom du inte var inloggad.",
			},
			"waiting": {
				"Inte inskickat än, väntar på fler underskrifter: {title}",
				[]string{
					"Hej!", "Du har skrivit under: {title}.",
					"Det är inte inskickat än och har inte kommit in till {tenant}. Först ska alla andra som behövs också skriva under.",
					"De har fått en förfrågan och kan skriva under fram till {by}. När den sista har skrivit under skickas allt in av sig självt. Du behöver inte göra något, och du får ett nytt meddelande när det har kommit in.",
					"Om någon tackar nej, eller om tiden går ut, skickas inget in. Då får du tillbaka utkastet, och vi meddelar dig.",
				},
				"{tenant}: Du har skrivit under, men inget är inskickat än. Vi väntar på fler underskrifter. Du får besked när det har kommit in. Se hur det går:",
			},
			"returned refused": {
				"Inte inskickat, någon har tackat nej: {title}",
				[]string{
					"Hej!", "Någon som skulle skriva under har tackat nej: {title}.",
					"Inget är inskickat och inget har kommit in till {tenant}. Underskrifter som redan fanns gäller inte längre.",
					"Utkastet ligger kvar hos dig. Du kan läsa varför, ändra det och skicka det på nytt.",
				},
				"{tenant}: Inget är inskickat. Någon som skulle skriva under har tackat nej. Utkastet finns kvar hos dig:",
			},
			"returned expired": {
				"Inte inskickat, tiden gick ut: {title}",
				[]string{
					"Hej!", "Alla hann inte skriva under i tid: {title}.",
					"Inget är inskickat och inget har kommit in till {tenant}. Underskrifter som redan fanns gäller inte längre.",
					"Utkastet ligger kvar hos dig. Du kan ändra det och skicka det på nytt.",
				},
				"{tenant}: Inget är inskickat. Alla hann inte skriva under i tid. Utkastet finns kvar hos dig:",
			},
			"returned cancelled": {
				"Inte inskickat, underskrifterna avbröts: {title}",
				[]string{
					"Hej!", "Underskrifterna har avbrutits: {title}.",
					"Inget är inskickat och inget har kommit in till {tenant}. Underskrifter som redan fanns gäller inte längre.",
					"Utkastet ligger kvar hos dig. Du kan skicka det på nytt.",
				},
				"{tenant}: Inget är inskickat. Underskrifterna har avbrutits. Utkastet finns kvar hos dig:",
			},
			"returned failed": {
				"Inte inskickat, något gick fel: {title}",
				[]string{
					"Hej!", "Alla har skrivit under, men underskrifterna kunde inte godkännas när vi kontrollerade dem: {title}.",
					"Inget är inskickat och inget har kommit in till {tenant}. Vi beklagar att ni behöver skriva under igen.",
					"Utkastet ligger kvar hos dig. Du kan skicka det på nytt. Händer det igen, hör av dig.",
				},
				"{tenant}: Inget är inskickat. Underskrifterna kunde inte godkännas. Utkastet finns kvar hos dig, och du kan skicka det på nytt:",
			},
			"message": {
				"Nytt meddelande i ditt ärende {number}",
				[]string{"Hej!", "Det finns ett nytt meddelande i ärende {number} hos {tenant}: {title}.", "Av säkerhetsskäl står det inte här. Du läser det och svarar på Mina sidor."},
				"{tenant}: Det finns ett nytt meddelande i ett ärende som du har hos oss. Läs det på Mina sidor:",
			},
			"status": {
				"Ny status i ditt ärende {number}",
				[]string{"Hej!", "Något har hänt i ärende {number}: {title}. Det har fått en ny status hos {tenant}.", "Av säkerhetsskäl står den inte här. Du ser den på Mina sidor."},
				"{tenant}: Ett ärende som du har hos oss har fått en ny status. Se den på Mina sidor:",
			},
			"status unseen": {
				"Ny status i ditt ärende {number}",
				[]string{"Hej!", "Något har hänt i ärende {number}: {title}. Det har fått en ny status hos {tenant}.", "Ärendet går inte att följa på Mina sidor. Vill du veta mer, hör av dig och uppge numret."},
				"{tenant}: Ett ärende som du har hos oss har fått en ny status. Hör av dig om du vill veta mer.",
			},
		},
		see: "Se ärendet", wait: "Se hur det går", draft: "Öppna utkastet",
		login: "Du loggar in med din egen e-legitimation. Är du osäker på om länken är äkta, gå själv till webbplatsen för {tenant} och logga in därifrån.",
		ask:   "Har du frågor? {reach}",
		foot:  "Meddelandet skickades av {tenant}. Det går inte att svara på det.",
		when: func(t time.Time) string {
			months := [...]string{"januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"}
			return strconv.Itoa(t.Day()) + " " + months[t.Month()-1] + " " + strconv.Itoa(t.Year()) + " klockan " + t.Format("15.04")
		},
	}
}

func english() phrases {
	return phrases{
		kinds: map[string]kind{
			"arrived": {
				"Your case {number} has arrived: {title}",
				[]string{
					"Hello,", "{tenant} has received your case: {title}.", "The number of the case is {number}.",
					"This means that it has arrived. Nothing has been decided yet.",
					"You can follow the case and fetch the receipt on My pages.",
				},
				"{tenant} has received your case. Nothing has been decided yet. Follow it on My pages:",
			},
			"arrived unseen": {
				"Your case {number} has arrived: {title}",
				[]string{
					"Hello,", "{tenant} has received your case: {title}.", "The number of the case is {number}. Please keep it and give it if you contact us.",
					"This means that it has arrived. Nothing has been decided yet.",
					"You were not logged in when you sent it. Therefore it cannot be followed on My pages.",
				},
				"{tenant} has received your case. Nothing has been decided yet. It cannot be followed on My pages, since you were not logged in.",
			},
			"waiting": {
				"Not sent yet, waiting for more signatures: {title}",
				[]string{
					"Hello,", "You have signed: {title}.",
					"It has not been sent yet, and has not arrived at {tenant}. First everybody else who is needed has to sign too.",
					"They have been asked, and can sign until {by}. When the last one has signed, everything is sent by itself. You need not do anything, and you will get a new message when it has arrived.",
					"If somebody says no, or if the time runs out, nothing is sent. You then get the draft back, and we tell you.",
				},
				"{tenant}: You have signed, but nothing has been sent yet. We are waiting for more signatures. We tell you when it has arrived. See how it goes:",
			},
			"returned refused": {
				"Not sent, somebody has said no: {title}",
				[]string{
					"Hello,", "Somebody who was to sign has said no: {title}.",
					"Nothing has been sent, and nothing has arrived at {tenant}. Signatures that were made no longer count.",
					"The draft is still with you. You can read why, change it and send it again.",
				},
				"{tenant}: Nothing has been sent. Somebody who was to sign has said no. The draft is still with you:",
			},
			"returned expired": {
				"Not sent, the time ran out: {title}",
				[]string{
					"Hello,", "Not everybody signed in time: {title}.",
					"Nothing has been sent, and nothing has arrived at {tenant}. Signatures that were made no longer count.",
					"The draft is still with you. You can change it and send it again.",
				},
				"{tenant}: Nothing has been sent. Not everybody signed in time. The draft is still with you:",
			},
			"returned cancelled": {
				"Not sent, the signing was cancelled: {title}",
				[]string{
					"Hello,", "The signing has been cancelled: {title}.",
					"Nothing has been sent, and nothing has arrived at {tenant}. Signatures that were made no longer count.",
					"The draft is still with you. You can send it again.",
				},
				"{tenant}: Nothing has been sent. The signing has been cancelled. The draft is still with you:",
			},
			"returned failed": {
				"Not sent, something went wrong: {title}",
				[]string{
					"Hello,", "Everybody has signed, but the signatures could not be accepted when we checked them: {title}.",
					"Nothing has been sent, and nothing has arrived at {tenant}. We are sorry that you need to sign again.",
					"The draft is still with you. You can send it again. If this happens once more, please contact us.",
				},
				"{tenant}: Nothing has been sent. The signatures could not be accepted. The draft is still with you, and you can send it again:",
			},
			"message": {
				"New message in your case {number}",
				[]string{"Hello,", "There is a new message in case {number} at {tenant}: {title}.", "For your security it does not stand here. You read it and answer it on My pages."},
				"{tenant}: There is a new message in a case that you have with us. Read it on My pages:",
			},
			"status": {
				"New status in your case {number}",
				[]string{"Hello,", "Something has happened in case {number}: {title}. It has a new status at {tenant}.", "For your security it does not stand here. You see it on My pages."},
				"{tenant}: A case that you have with us has a new status. See it on My pages:",
			},
			"status unseen": {
				"New status in your case {number}",
				[]string{"Hello,", "Something has happened in case {number}: {title}. It has a new status at {tenant}.", "The case cannot be followed on My pages. If you want to know more, please contact us and give the number."},
				"{tenant}: A case that you have with us has a new status. Contact us if you want to know more.",
			},
		},
		see: "See the case", wait: "See how it goes", draft: "Open the draft",
		login: "You log in with your own e-ID. If you are not sure that the link is genuine, go to the website of {tenant} yourself and log in from there.",
		ask:   "Do you have questions? {reach}",
		foot:  "This message was sent by {tenant}. It cannot be replied to.",
		when:  func(t time.Time) string { return t.Format("2 January 2006 at 15:04") },
	}
}
