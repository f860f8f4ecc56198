package bankid

import "sigill/providers"

// An ending is what a failed order means.
type ending struct {
	reason providers.Reason
	text   providers.Text
}

// pendingText says what an order waits for. Unknown hints are new ones: the
// order goes on, so they get the general text.
func pendingText(hint string, mode providers.Mode, kind providers.Kind, mobile bool) providers.Text {
	switch hint {
	case "outstandingTransaction", "noClient":
		if mode == providers.ModeThis && hint == "outstandingTransaction" {
			return providers.Text{SV: "Startar BankID …", EN: "Starting BankID …"}
		}
		return providers.Text{SV: "Öppna BankID-appen på den enhet du vill använda.", EN: "Open the BankID app on the device you want to use."}
	case "started":
		switch {
		case mode != providers.ModeThis:
			return providers.Text{SV: "Letar efter ditt BankID i appen.", EN: "Looking for your BankID in the app."}
		case mobile:
			return providers.Text{SV: "Letar efter ditt BankID. Saknas det här kan du använda en annan enhet.", EN: "Looking for your BankID. If it is not here, use another device."}
		}
		return providers.Text{SV: "Letar efter ditt BankID. Finns det inte på datorn kan du använda mobilen i stället.", EN: "Looking for your BankID. If it is not on this computer, use your phone instead."}
	case "userSign":
		if kind == providers.KindSign {
			return providers.Text{SV: "Läs texten i BankID-appen och välj Skriv under.", EN: "Read the text in the BankID app and choose Sign."}
		}
		return providers.Text{SV: "Bekräfta i BankID-appen och välj Identifiera.", EN: "Confirm in the BankID app and choose Identify."}
	case "userMrtd":
		return providers.Text{SV: "Läs av ditt pass eller nationella id-kort i BankID-appen.", EN: "Read your passport or national identity card in the BankID app."}
	case "userCallConfirm":
		return providers.Text{SV: "Bekräfta samtalet i appen.", EN: "Confirm the call in the app."}
	case "userFace":
		return providers.Text{SV: "Följ ansiktskontrollen i appen.", EN: "Do the face check in the app."}
	case "userStepUp":
		return providers.Text{SV: "Appen behöver en extra kontroll. Följ stegen där.", EN: "The app needs one more check. Follow its steps."}
	}
	return providers.Text{SV: "Vi arbetar på det …", EN: "Working on it …"}
}

// pickedUp reports whether the hint says that an app has the order.
func pickedUp(hint string) bool { return hint != "outstandingTransaction" && hint != "noClient" }

// failure says what a failed order means. Unknown hints end the order too.
func failure(hint string, mode providers.Mode) ending {
	switch hint {
	case "expiredTransaction":
		return ending{providers.TimedOut, providers.Text{SV: "Det tog för lång tid. Försök igen.", EN: "It took too long. Try again."}}
	case "certificateErr":
		return ending{providers.Blocked, providers.Text{SV: "Ditt BankID är spärrat eller för gammalt. Skaffa ett nytt hos din bank eller välj ett annat.", EN: "Your BankID is blocked or too old. Get a new one from your bank, or use another."}}
	case "userCancel":
		return ending{providers.Cancelled, providers.Text{SV: "Du avbröt i BankID-appen.", EN: "You cancelled in the BankID app."}}
	case "cancelled":
		return ending{providers.Replaced, textStopped()}
	case "startFailed":
		if mode == providers.ModeOther {
			return ending{providers.StartFailed, providers.Text{SV: "Koden lästes inte av i tid. Kontrollera appen och skanna en ny kod.", EN: "The code was not scanned in time. Check the app and scan a new code."}}
		}
		return ending{providers.StartFailed, providers.Text{SV: "BankID-appen startade inte. Kontrollera att den är installerad och uppdaterad.", EN: "The BankID app did not start. Check that it is installed and up to date."}}
	case "userDeclinedCall":
		return ending{providers.Declined, providers.Text{SV: "Du svarade nej till samtalet.", EN: "You said no to the call."}}
	case "notSupportedByUserApp":
		return ending{providers.Unsuitable, providers.Text{SV: "Uppdatera BankID-appen.", EN: "Update the BankID app."}}
	case "transactionRiskBlocked":
		return ending{providers.RiskBlocked, providers.Text{SV: "Det går inte att fortsätta med BankID just nu.", EN: "You cannot continue with BankID right now."}}
	case "mrtdVerificationFailed":
		return ending{providers.StepUpFailed, providers.Text{SV: "Id-handlingen kunde inte kontrolleras.", EN: "The document could not be checked."}}
	case "facialRecognitionFailed":
		return ending{providers.StepUpFailed, providers.Text{SV: "Ansiktskontrollen lyckades inte.", EN: "The face check did not succeed."}}
	case "nfcNotSupportedByDevice":
		return ending{providers.Unsuitable, providers.Text{SV: "Enheten kan inte läsa id-handlingar.", EN: "This device cannot read documents."}}
	case "multipleBankIdsOnDevice":
		return ending{providers.Unsuitable, providers.Text{SV: "Flera BankID finns i appen. Behåll ett och försök igen.", EN: "The app holds several BankIDs. Keep one and try again."}}
	case "stepUpFailed":
		return ending{providers.StepUpFailed, providers.Text{SV: "Den extra kontrollen gick inte att slutföra.", EN: "The extra check could not be completed."}}
	}
	return ending{providers.Unknown, textWrong()}
}

func textStopped() providers.Text {
	return providers.Text{SV: "Försöket avbröts. Börja om om du vill fortsätta.", EN: "The attempt was stopped. Start over to continue."}
}

func textInProgress() providers.Text {
	return providers.Text{SV: "En annan inloggning eller underskrift pågår redan för dig. Har du inte startat den? Avbryt i appen. Försök sedan igen.", EN: "Another login or signature is already under way for you. If you did not start it, cancel it in the app. Then try again."}
}

func textWrong() providers.Text {
	return providers.Text{SV: "Något gick fel. Försök igen.", EN: "Something went wrong. Try again."}
}

func textLost(kind providers.Kind) providers.Text {
	if kind == providers.KindSign {
		return providers.Text{SV: "Svaret från BankID kom inte fram. Ingen underskrift har sparats. Försök igen.", EN: "The answer from BankID did not arrive. No signature has been saved. Try again."}
	}
	return providers.Text{SV: "Svaret från BankID kom inte fram. Du är inte inloggad. Försök igen.", EN: "The answer from BankID did not arrive. You are not logged in. Try again."}
}

func textRefused(kind providers.Kind) providers.Text {
	if kind == providers.KindSign {
		return providers.Text{SV: "Svaret från BankID gick inte att kontrollera. Ingen underskrift har sparats. Försök igen.", EN: "The answer from BankID could not be verified. No signature has been saved. Try again."}
	}
	return providers.Text{SV: "Svaret från BankID gick inte att kontrollera. Du är inte inloggad. Försök igen.", EN: "The answer from BankID could not be verified. You are not logged in. Try again."}
}
