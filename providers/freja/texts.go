package freja

import "sigill/providers"

// pendingText says what an order waits for. Unknown statuses are new ones: the
// order goes on, so they get the text of the one that was known last.
func pendingText(s state) providers.Text {
	switch {
	case s.Answer != "":
		return providers.Text{SV: "Vi kontrollerar svaret …", EN: "Checking the answer …"}
	case pickedUp(s.Status) && s.Kind == providers.KindSign:
		return providers.Text{SV: "Läs texten i Freja och skriv under om den stämmer.", EN: "Read the text in Freja and sign if it is correct."}
	case pickedUp(s.Status):
		return providers.Text{SV: "Granska begäran i Freja och godkänn med PIN eller biometri.", EN: "Review the request in Freja and approve with your PIN or biometrics."}
	case s.User != userInferred:
		return providers.Text{SV: "Öppna Freja i telefonen. Begäran väntar på dig där.", EN: "Open Freja on your phone. Your request is waiting there."}
	case s.Mode == providers.ModeThis:
		return providers.Text{SV: "Öppna Freja på den här enheten.", EN: "Open Freja on this device."}
	}
	return providers.Text{SV: "Öppna Freja i telefonen, tryck på Skanna och rikta kameran mot koden.", EN: "Open Freja on your phone, choose Scan and point the camera at the code."}
}

// pickedUp reports whether the status says that an app has the order.
func pickedUp(status string) bool { return status == statusDelivered || status == statusOpened }

// failure says what a final status other than approval means.
func failure(status string) (providers.Failed, bool) {
	f := providers.Failed{Hint: status}
	switch status {
	case statusCanceled:
		f.Reason, f.Text = providers.Cancelled, providers.Text{SV: "Du avbröt i Freja. Inget har genomförts.", EN: "You declined in Freja. Nothing was carried out."}
	case statusRPCanceled:
		f.Reason, f.Text = providers.Cancelled, providers.Text{SV: "Begäran avbröts här. Börja om när du vill.", EN: "The request was stopped here. Start again whenever you like."}
	case statusExpired:
		f.Reason, f.Text = providers.TimedOut, textExpired()
	case statusRejected:
		f.Reason, f.Text = providers.Replaced, textCollision()
	default:
		return f, false
	}
	return f, true
}

// coded says what the codes mean that concern the person. The others are
// for an operator to mend.
func coded(code int, user string) (providers.Failed, bool) {
	switch {
	case code == codeServiceOff:
		return providers.Failed{Reason: providers.Blocked, Text: providers.Text{
			SV: "Du har stängt av vår tjänst i Freja. Slå på den under Mina sidor och försök igen.",
			EN: "You have switched our service off in Freja. Turn it on in My Pages and try again.",
		}}, true
	case code == codeNoUser, code == codeUserInfo && user != userInferred:
		return providers.Failed{Reason: providers.StartFailed, Text: providers.Text{
			SV: "Det gick inte att starta Freja med den uppgiften. Prova QR-kod i stället.",
			EN: "Freja could not be started with that identifier. Try the QR code instead.",
		}}, true
	case code == codeCollision:
		return providers.Failed{Reason: providers.InProgress, Text: textCollision()}, true
	}
	return providers.Failed{}, false
}

func textExpired() providers.Text {
	return providers.Text{
		SV: "Tiden gick ut. Kontrollera att du har Freja på rätt nivå och försök igen.",
		EN: "Time ran out. Check that you have Freja at the required level and try again.",
	}
}

func textCollision() providers.Text {
	return providers.Text{
		SV: "Två inloggningar krockade och stoppades av säkerhetsskäl. Godkänn inget du inte startat. Vänta två minuter och försök igen.",
		EN: "Two logins collided and were stopped for safety. Do not approve anything you did not start. Wait two minutes and try again.",
	}
}

func textLevel() providers.Text {
	return providers.Text{
		SV: "Tjänsten kräver Freja+. Uppgradera i appen och försök igen.",
		EN: "This service needs Freja+. Upgrade in the app and try again.",
	}
}

func textCountry() providers.Text {
	return providers.Text{
		SV: "Tjänsten kräver ett svenskt personnummer eller samordningsnummer, och din Freja har inget.",
		EN: "This service needs a Swedish personal identity number or coordination number, and your Freja has none.",
	}
}

func textWrongPerson() providers.Text {
	return providers.Text{
		SV: "Begäran gällde någon annan än den som godkände den i Freja. Inget har genomförts.",
		EN: "The request was for somebody else than the one who approved it in Freja. Nothing was carried out.",
	}
}

func textWrong() providers.Text {
	return providers.Text{SV: "Något gick fel. Försök igen om en stund.", EN: "Something went wrong. Please try again shortly."}
}

func textLost(kind providers.Kind) providers.Text {
	if kind == providers.KindSign {
		return providers.Text{SV: "Freja känner inte längre till begäran. Ingen underskrift har sparats. Försök igen.", EN: "Freja no longer knows the request. No signature has been saved. Try again."}
	}
	return providers.Text{SV: "Freja känner inte längre till begäran. Du är inte inloggad. Försök igen.", EN: "Freja no longer knows the request. You are not logged in. Try again."}
}

func textRefused(kind providers.Kind) providers.Text {
	if kind == providers.KindSign {
		return providers.Text{SV: "Svaret från Freja gick inte att kontrollera. Ingen underskrift har sparats. Försök igen.", EN: "The answer from Freja could not be verified. No signature has been saved. Try again."}
	}
	return providers.Text{SV: "Svaret från Freja gick inte att kontrollera. Du är inte inloggad. Försök igen.", EN: "The answer from Freja could not be verified. You are not logged in. Try again."}
}
