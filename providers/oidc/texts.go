package oidc

import (
	"strings"

	"sigill/providers"
)

// say puts the e-ID's name into a text.
func (p *Provider) say(sv, en string) providers.Text {
	return providers.Text{SV: strings.ReplaceAll(sv, "{}", p.c.Title.SV), EN: strings.ReplaceAll(en, "{}", p.c.Title.EN)}
}

func (p *Provider) textAway() providers.Text {
	return p.say("Legitimera dig hos {}. Du kommer tillbaka hit när du är klar.", "Identify yourself with {}. You come back here when you are done.")
}

func (p *Provider) textBack() providers.Text {
	return p.say("Vi kontrollerar svaret från {} …", "Checking the answer from {} …")
}

func (p *Provider) textRefused() providers.Text {
	return p.say("Svaret från {} gick inte att kontrollera. Du är inte inloggad. Försök igen.", "The answer from {} could not be verified. You are not logged in. Try again.")
}

func (p *Provider) textNumber() providers.Text {
	if p.c.CoordNumbers {
		return p.say("Du loggar in här med svenskt personnummer eller samordningsnummer, och {} lämnade inget. Du är inte inloggad.",
			"You log in here by a Swedish personal identity number or coordination number, and {} gave none. You are not logged in.")
	}
	return p.say("Du loggar in här med svenskt personnummer, och {} lämnade inget. Du är inte inloggad.",
		"You log in here by a Swedish personal identity number, and {} gave none. You are not logged in.")
}

func (p *Provider) textPerson() providers.Text {
	return p.say("Någon annan än den som skulle legitimera sig gjorde det med {}. Försök igen med din egen e-legitimation.",
		"Somebody else than the one who was asked did it with {}. Try again with your own eID.")
}

func (p *Provider) textLost() providers.Text {
	return p.say("Svaret från {} kom inte fram. Du är inte inloggad. Försök igen.", "The answer from {} did not arrive. You are not logged in. Try again.")
}

func (p *Provider) textLevel() providers.Text {
	return p.say("Tjänsten kräver en e-legitimation på en högre nivå än den du använde med {}. Skaffa en högre nivå eller välj en annan e-legitimation.",
		"This service needs an eID of a higher level than the one you used with {}. Get a higher level, or choose another eID.")
}

// textCancelled says no more than issuers do: some have the same word for a person
// who said no and one who went away.
func (p *Provider) textCancelled() providers.Text {
	return p.say("Legitimeringen hos {} avbröts. Inget har genomförts.", "The identification with {} was broken off. Nothing was carried out.")
}

func (p *Provider) textTimedOut() providers.Text {
	return p.say("Det tog för lång tid hos {}. Försök igen.", "It took too long with {}. Try again.")
}

func (p *Provider) textDown() providers.Text {
	return p.say("{} svarar inte som det ska just nu. Försök igen om en stund eller välj en annan e-legitimation.",
		"{} does not answer as it should at the moment. Try again in a while, or choose another eID.")
}

func (p *Provider) textWrong() providers.Text {
	return p.say("Något gick fel hos {}. Försök igen.", "Something went wrong with {}. Try again.")
}
