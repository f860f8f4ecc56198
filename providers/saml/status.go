package saml

import (
	"strings"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"

	"sigill/providers"
	"sigill/providers/xmlsec"
)

// Statuses of the Swedish profile, beside those of SAML itself.
const (
	statusCancel        = "http://id.elegnamnden.se/status/1.0/cancel"
	statusFraud         = "http://id.elegnamnden.se/status/1.0/fraud"
	statusPossibleFraud = "http://id.elegnamnden.se/status/1.0/possibleFraud"
)

// status is how a response ends. Its message is for programmers, may name a
// person, and is not even read.
type status struct{ top, second string }

func readStatus(response *etree.Element) (status, error) {
	el, err := one(response, nsProtocol, "Status")
	if err != nil {
		return status{}, err
	}
	code, err := one(el, nsProtocol, "StatusCode")
	if err != nil {
		return status{}, err
	}
	s := status{top: xmlsec.Attr(code, "Value")}
	if below := xmlsec.Children(code, nsProtocol, "StatusCode"); len(below) > 0 {
		s.second = xmlsec.Attr(below[0], "Value")
	}
	return s, nil
}

func (s status) success() bool { return s.top == crewjam.StatusSuccess }

// failed says what a failure means to us and to the person. Hints are words of
// ours: what is not known is not passed on.
func (s status) failed(kind providers.Kind) providers.Failed {
	switch s.second {
	case statusCancel:
		if kind == providers.KindSign {
			return fail(providers.Cancelled, "cancel",
				"Du avbröt. Ingenting är underskrivet. Försök igen om du vill skriva under.",
				"You cancelled. Nothing was signed. Try again if you want to sign.")
		}
		return fail(providers.Cancelled, "cancel",
			"Du avbröt. Ingenting har sparats. Välj hur du vill legitimera dig om du vill försöka igen.",
			"You cancelled. Nothing was saved. Choose how to identify yourself if you want to try again.")
	case statusFraud:
		return fail(providers.RiskBlocked, "fraud",
			"Legitimeringen stoppades av säkerhetsskäl. Försök inte igen nu. Kontakta den som gav ut din e-legitimation.",
			"The identification was stopped for security reasons. Do not try again now. Contact the issuer of your eID.")
	case statusPossibleFraud:
		return fail(providers.RiskBlocked, "possibleFraud",
			"Något ovanligt upptäcktes och vi avbröt för din säkerhet. Har någon ringt och bett dig legitimera dig? Lägg på. Börja annars om från början.",
			"Something unusual was noticed, so we stopped to keep you safe. Has someone called and asked you to identify yourself? Hang up. Otherwise start again.")
	case crewjam.StatusAuthnFailed:
		return fail(providers.StepUpFailed, "AuthnFailed",
			"Legitimeringen lyckades inte. Kontrollera kort och läsare och försök igen.",
			"We could not identify you. Check your card and reader, then try again.")
	case crewjam.StatusNoAuthnContext:
		return failedLevel("NoAuthnContext")
	case crewjam.StatusUnknownPrincipal:
		return failedPerson("UnknownPrincipal")
	case crewjam.StatusRequestDenied:
		return fail(providers.Unsuitable, "RequestDenied",
			"Tjänsten får inte använda den här e-legitimationen just nu. Välj en annan eller kontakta oss.",
			"The service may not use this eID at the moment. Choose another or contact us.")
	case crewjam.StatusNoAvailableIDP, crewjam.StatusNoSupportedIDP:
		return failedDown(word(s.second))
	case crewjam.StatusNoPassive, crewjam.StatusRequestUnsupported, crewjam.StatusInvalidNameIDPolicy,
		crewjam.StatusInvalidAttrNameOrValue, crewjam.StatusUnsupportedBinding:
		return failedOurs(word(s.second))
	}
	switch s.top {
	case crewjam.StatusResponder:
		return failedDown("Responder")
	case crewjam.StatusRequester, crewjam.StatusVersionMismatch:
		return failedOurs(word(s.top))
	}
	return failedOurs("")
}

// word is the last part of one of SAML's statuses.
func word(status string) string { return status[strings.LastIndexByte(status, ':')+1:] }

func fail(reason providers.Reason, hint, sv, en string) providers.Failed {
	return providers.Failed{Reason: reason, Hint: hint, Text: providers.Text{SV: sv, EN: en}}
}

func failedLevel(hint string) providers.Failed {
	return fail(providers.LevelTooLow, hint,
		"Din e-legitimation har inte den säkerhetsnivå som tjänsten kräver. Välj en annan.",
		"Your eID does not reach the security level this service needs. Choose another one.")
}

func failedPerson(hint string) providers.Failed {
	return fail(providers.WrongPerson, hint,
		"Du legitimerade dig som en annan person än den som skulle göra det. Använd samma e-legitimation.",
		"You identified yourself as someone other than the person expected. Use the same eID.")
}

func failedDown(hint string) providers.Failed {
	return fail(providers.IssuerDown, hint,
		"E-legitimationen svarar inte. Försök om en stund eller välj en annan.",
		"The eID service is not responding. Try again shortly or choose another.")
}

func failedOurs(hint string) providers.Failed {
	return fail(providers.Unknown, hint,
		"Det blev ett tekniskt fel. Felet är noterat. Försök igen senare.",
		"A technical error occurred. It has been recorded. Please try later.")
}

// refusal says what evidence that did not pass means to the person.
func refusal(check string, s state) providers.Failed {
	switch {
	case check == checkLevel:
		return failedLevel("")
	case check == checkPerson && !s.Selected:
		// The identity provider was not told whom to expect: this was no falsehood.
		return failedPerson("")
	case check == checkCoordination, check == checkNoNumber:
		return fail(providers.Unsuitable, check,
			"Tjänsten kräver svenskt personnummer.",
			"The service requires a Swedish personal identity number.")
	}
	f := fail(providers.EvidenceRefused, "",
		"Svaret kunde inte godkännas. Börja om från början.",
		"The answer could not be accepted. Please start again.")
	if check == checkText && s.Kind == providers.KindSign {
		f.Text = providers.Text{
			SV: "Texten kunde inte visas, så underskriften gjordes inte.",
			EN: "The text could not be shown, so nothing was signed.",
		}
	}
	f.Check = check
	return f
}

func textAway(kind providers.Kind) providers.Text {
	if kind == providers.KindSign {
		return providers.Text{SV: "Skriv under på sidan som öppnades. Sedan kommer du tillbaka hit.", EN: "Sign on the page that was opened. You will then come back here."}
	}
	return providers.Text{SV: "Legitimera dig på sidan som öppnades. Sedan kommer du tillbaka hit.", EN: "Identify yourself on the page that was opened. You will then come back here."}
}
